//! Small random models for tests: real files of the real format, no weights needed.

mod painter;

use std::collections::BTreeMap;

use noema_inference_api::{Family, ModelManifest, NUMERICS_VERSION, RopeScaling, SpecialTokens};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::format::{self, Extension, Pooling, Stretch, WeightSource};
use crate::tokenizer::Alphabet;
use crate::{ModelError, More, PreTokenizer, TokenizerData};

#[cfg(test)]
pub(crate) use painter::tensor;
pub use painter::{tiny_diffusion, tiny_painter, write_tiny_diffusion};

/// Pairs the synthetic tokenizer merges, in GPT-2's alphabet.
const MERGES: [(&str, &str); 7] = [("t", "h"), ("h", "e"), ("i", "n"), ("e", "r"), ("a", "n"), ("Ġ", "t"), ("Ġ", "a")];
const START: &str = "<|start|>";
const END: &str = "<|end|>";

/// A byte-level tokenizer of 265 tokens: all bytes in order, seven pairs, `<|start|>` (263) and `<|end|>` (264).
#[must_use]
pub fn tokenizer_data() -> TokenizerData {
    let alphabet = Alphabet::new();
    let mut tokens: Vec<String> = (0..=255).map(|byte| alphabet.character(byte).to_string()).collect();
    tokens.extend(MERGES.map(|(a, b)| format!("{a}{b}")));
    let id = |token: &str| tokens.iter().position(|t| t == token).expect("a single byte") as u32;
    let merges = MERGES.map(|(a, b)| (id(a), id(b))).to_vec();
    let special = vec![tokens.len() as u32, tokens.len() as u32 + 1];
    tokens.extend([START.to_owned(), END.to_owned()]);
    TokenizerData { pre: PreTokenizer::SmolLm, tokens, special, merges, more: More::default() }
}

/// The shape of [`tiny_llama`]: 2 layers, width 32, 4 heads over 2 key-value heads, context 256.
#[must_use]
pub fn tiny_manifest() -> ModelManifest {
    ModelManifest {
        name: "tiny".to_owned(),
        numerics: NUMERICS_VERSION,
        family: Family::Llama,
        layers: 2,
        hidden: 32,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        feed_forward: 50,
        vocab: 265,
        context: 256,
        rope_base: 10_000,
        rope_scaling: RopeScaling::None,
        norm_epsilon_bits: 1e-5f32.to_bits(),
        tied_head: true,
        special: SpecialTokens { bos: None, eos: vec![264] },
        chat_template: String::new(),
        license: "Apache-2.0".to_owned(),
    }
}

/// A canonical file with random weights: equal seeds, equal bytes.
#[must_use]
pub fn tiny_llama(seed: u64) -> Vec<u8> {
    random_model(&tiny_manifest(), seed).expect("the shape is within all limits")
}

/// A GPT-NeoX model of the shape of [`tiny_llama`], as a canonical file: half of each head is rotated, the branches are
/// parallel, the head is not tied.
#[must_use]
pub fn tiny_neox(seed: u64) -> Vec<u8> {
    let manifest = ModelManifest { family: Family::NeoX, kv_heads: 4, tied_head: false, ..tiny_manifest() };
    let extension = Extension::NeoX { rotary: 4, parallel: true };
    random_model_with(&manifest, &extension, seed).expect("the shape is within all limits")
}

/// As [`tiny_neox`], with GELU by the hyperbolic tangent and one branch after the other.
#[must_use]
pub fn tiny_neox_tanh(seed: u64) -> Vec<u8> {
    let manifest = ModelManifest { family: Family::NeoX, kv_heads: 4, tied_head: false, ..tiny_manifest() };
    let extension = Extension::NeoXTanh { rotary: 8, parallel: false };
    random_model_with(&manifest, &extension, seed).expect("the shape is within all limits")
}

/// A model of the shape of [`tiny_llama`] with the biases of Qwen 2 and rotary angles stretched as LLaMA 3's, as a
/// canonical file.
#[must_use]
pub fn tiny_qwen(seed: u64) -> Vec<u8> {
    let stretch = Stretch::Bands { factor_milli: 8_000, low_milli: 1_000, high_milli: 4_000, context: 64 };
    let manifest = ModelManifest { rope_scaling: stretch.scaling(), ..tiny_manifest() };
    random_model_with(&manifest, &Extension::Llama { biases: true, stretch }, seed)
        .expect("the shape is within all limits")
}

/// A BERT model of the shape of [`tiny_llama`], as a canonical file.
#[must_use]
pub fn tiny_bert(seed: u64) -> Vec<u8> {
    let manifest = ModelManifest { family: Family::Bert, kv_heads: 4, rope_base: 0, ..tiny_manifest() };
    let extension = Extension::Bert { first: 263, last: 264, pooling: Pooling::Mean };
    random_model_with(&manifest, &extension, seed).expect("the shape is within all limits")
}

/// A canonical file of any shape with random weights. The vocabulary must be that of [`tokenizer_data`].
///
/// # Errors
/// [`ModelError::Shape`] for a shape beyond the limits.
pub fn random_model(manifest: &ModelManifest, seed: u64) -> Result<Vec<u8>, ModelError> {
    random_model_with(manifest, &Extension::None, seed)
}

/// A canonical file of any family and shape with random weights. The vocabulary must be that of [`tokenizer_data`].
///
/// # Errors
/// [`ModelError::Shape`] for a shape beyond the limits or an extension of another family.
pub fn random_model_with(manifest: &ModelManifest, extension: &Extension, seed: u64) -> Result<Vec<u8>, ModelError> {
    let mut file = Vec::new();
    let sections = format::directory_with(manifest, extension, 0)?;
    let columns = sections.into_iter().map(|section| (section.name, section.columns)).collect();
    let mut source = RandomWeights { columns, seed };
    format::write_with(manifest, extension, &tokenizer_data().to_bytes(), &mut source, &mut file, &mut |_, _| {})?;
    Ok(file)
}

struct RandomWeights {
    columns: BTreeMap<String, u32>,
    seed: u64,
}

impl WeightSource for RandomWeights {
    /// Weights are uniform with the variance that keeps a signal's size; gains are near 1.
    fn rows(&mut self, name: &str, start: u32, count: u32) -> Result<Vec<f32>, ModelError> {
        let columns = self.columns[name];
        let gain = name.ends_with("norm");
        let width = match name {
            "embed" | "positions" => 1.0,
            _ if name.ends_with("_bias") => 0.25,
            "rope.factors" => return Ok((0..columns).map(|j| 1.0 + j as f32).collect()),
            _ => (3.0 / columns as f32).sqrt(),
        };
        let mut values = Vec::with_capacity(count as usize * columns as usize);
        for row in start..start + count {
            let key = format!("{}/{name}/{row}", self.seed);
            let mut random = ChaCha8Rng::from_seed(blake3::derive_key("noema synthetic weights", key.as_bytes()));
            values.extend((0..columns).map(|_| {
                // Uniform in [-1, 1), exact.
                let unit = ((random.next_u32() >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32;
                if gain { unit.mul_add(0.25, 1.0) } else { unit * width }
            }));
        }
        Ok(values)
    }
}
