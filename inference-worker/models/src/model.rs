//! The one face of all model families.

use std::fmt;
use std::sync::Arc;

use noema_inference_api::{ModelManifest, PainterShape};

use crate::{Canvas, Compute, KvCache, ModelError};

/// Which positions of a step need logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// None: a chunk of a prompt.
    Nothing,
    /// The last one.
    Last,
    /// All of them.
    All,
}

/// Tokens that one sequence adds.
#[derive(Debug)]
pub struct Step<'a> {
    /// The tokens, at least one.
    pub tokens: &'a [u32],
    /// What the sequence has seen; on success the tokens are added to it.
    pub cache: &'a mut KvCache,
    /// Where logits are needed.
    pub want: Want,
}

/// Logits of some positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logits {
    pub(crate) vocab: usize,
    pub(crate) values: Vec<f32>,
}

impl Logits {
    /// Positions there are logits of.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.vocab).unwrap_or(0)
    }

    /// Logits of one position.
    ///
    /// # Panics
    /// If there are not that many.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.vocab..][..self.vocab]
    }

    /// Feeds the bits of all logits to a digest.
    pub fn hash_into(&self, hasher: &mut blake3::Hasher) {
        for value in &self.values {
            hasher.update(&value.to_bits().to_le_bytes());
        }
    }

    /// Logits of the last position, if any.
    #[must_use]
    pub fn last(&self) -> Option<&[f32]> {
        self.rows().checked_sub(1).map(|index| self.row(index))
    }
}

/// A model that continues sequences of tokens.
///
/// The result of a step is a function of the weights, the tokens in its cache and its own tokens. Other steps of the
/// batch, how a sequence was cut into steps, and [`Compute`] never change a bit of it. A step that fails leaves the
/// others untouched; its cache must be discarded.
pub trait Model: Send + Sync + fmt::Debug {
    /// Shape and identity.
    fn manifest(&self) -> &ModelManifest;

    /// An empty cache for one sequence.
    fn new_cache(&self) -> KvCache;

    /// Runs a batch of steps, of different sequences.
    ///
    /// # Errors
    /// Per step: [`ModelError::EmptyStep`], [`ModelError::TokenOutOfRange`], [`ModelError::ContextExceeded`] and
    /// [`ModelError::ForeignCache`] before any work; [`noema_numerics::NumericsError::NonFinite`] when the sequence's
    /// values leave the finite numbers. Logits themselves are checked by whoever draws from them.
    fn forward(&self, compute: &Compute, steps: &mut [Step<'_>]) -> Vec<Result<Logits, ModelError>>;

    /// The same model with weights and caches on a device; caches of one are not those of the other.
    ///
    /// # Errors
    /// [`ModelError::Device`] when the device fails or lacks memory; [`ModelError::ProcessorOnly`] when it has no kernels
    /// for the model's family.
    fn on_device(&self, _device: &noema_cuda::Device) -> Result<Arc<dyn Model>, ModelError> {
        let family = self.manifest().family;
        Err(ModelError::ProcessorOnly { what: format!("models of the family {family:?}") })
    }
}

/// A model that turns texts into directions: texts of like meaning point the same way.
///
/// An embedding is a function of the weights and the text's own tokens, as [`Model`]'s logits are.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// Shape and identity.
    fn manifest(&self) -> &ModelManifest;

    /// Embeddings of texts, given as tokens without any that the model puts around a text itself: vectors of
    /// `hidden` values of length one, in units of 1/127, rounded to the nearest, ties to even.
    ///
    /// # Errors
    /// Per text: [`ModelError::TokenOutOfRange`] and [`ModelError::ContextExceeded`] before any work;
    /// [`noema_numerics::NumericsError::NonFinite`] when the text's values leave the finite numbers.
    fn embed(&self, compute: &Compute, texts: &[&[u32]]) -> Vec<Result<Vec<i8>, ModelError>>;
}

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sketch<'a> {
    /// Tokens of what the image shows, without any that the model puts around a text itself.
    pub prompt: &'a [u32],
    /// Tokens of what it does not show; likewise.
    pub negative: &'a [u32],
    /// Pixels across, a multiple of 8.
    pub width: u32,
    /// Pixels down, a multiple of 8.
    pub height: u32,
    /// Denoising steps.
    pub steps: u32,
    /// Weight of the prompt over the negative prompt, in basis points; 10,000 takes no notice of the latter.
    pub guidance_bps: u32,
    /// Keys the ChaCha20 stream of the noise.
    pub seed: u64,
}

/// A model that draws.
///
/// An image is a function of the weights and the sketch, down to the bytes of its file.
pub trait Painter: Send + Sync + fmt::Debug {
    /// Shape and identity; of the text encoder, as far as sizes go.
    fn manifest(&self) -> &ModelManifest;

    /// Shape of the rest: what a drawing's price follows from.
    fn shape(&self) -> &PainterShape;

    /// Begins a drawing.
    ///
    /// # Errors
    /// [`ModelError::TokenOutOfRange`], [`ModelError::ContextExceeded`]; [`ModelError::Shape`] for sides and steps beyond
    /// their limits.
    fn begin(&self, sketch: &Sketch<'_>) -> Result<Canvas, ModelError>;

    /// Does one turn of a drawing: reads the texts, takes a step, or does a part of decoding. The last turn returns the
    /// image, a PNG file.
    ///
    /// # Errors
    /// [`noema_numerics::NumericsError::NonFinite`] when values leave the finite numbers; the drawing must be discarded.
    ///
    /// # Panics
    /// If the drawing is done or failed.
    fn paint(&self, compute: &Compute, canvas: &mut Canvas) -> Result<Option<Vec<u8>>, ModelError>;
}

/// What a model can do.
#[derive(Debug, Clone)]
pub enum Network {
    /// Continue texts.
    Causal(Arc<dyn Model>),
    /// Embed texts.
    Embedder(Arc<dyn Embedder>),
    /// Draw.
    Painter(Arc<dyn Painter>),
}
