//! Reads and checks a canonical file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use noema_inference_api::ModelManifest;
use noema_numerics::{Arena, Tiles};
use noema_types::Hash;

use crate::bert::{self, Bert};
use crate::blocks::{Attention, FeedForward, Linear, Norm};
use crate::compute::Matrix;
use crate::diffusion::{Builder, Diffusion};
use crate::format::{
    Extension, Header, MAGIC, MAGIC_EXTENDED, Pooling, Section, SectionKind, Stretch, align, directory_with,
};
use crate::limits::{HEADER_BYTES_MAX, LOAD_CHUNK_BYTES};
use crate::llama::{Layer, Llama};
use crate::neox::{self, NeoX};
use crate::{Embedder, Model, ModelError, Network, Painter, Tokenizer};

/// A model in memory, checked against its root.
#[derive(Debug, Clone)]
pub struct LoadedModel {
    /// BLAKE3 root of the file.
    pub root: Hash,
    /// BLAKE3 root of its tokenizer section.
    pub tokenizer_root: Hash,
    /// Shape and identity.
    pub manifest: Arc<ModelManifest>,
    /// Text to tokens and back.
    pub tokenizer: Arc<Tokenizer>,
    /// The network.
    pub network: Network,
    /// The network on the processor, if `network` is on a device.
    pub(crate) processor: Option<Network>,
}

impl LoadedModel {
    /// The network, if it continues texts.
    #[must_use]
    pub const fn causal(&self) -> Option<&Arc<dyn Model>> {
        match &self.network {
            Network::Causal(model) => Some(model),
            Network::Embedder(_) | Network::Painter(_) => None,
        }
    }

    /// The network, if it embeds texts.
    #[must_use]
    pub const fn embedder(&self) -> Option<&Arc<dyn Embedder>> {
        match &self.network {
            Network::Causal(_) | Network::Painter(_) => None,
            Network::Embedder(model) => Some(model),
        }
    }

    /// The network, if it draws.
    #[must_use]
    pub const fn painter(&self) -> Option<&Arc<dyn Painter>> {
        match &self.network {
            Network::Causal(_) | Network::Embedder(_) => None,
            Network::Painter(model) => Some(model),
        }
    }
}

/// Loads a model file. With an expected root, a file with any other content is refused.
///
/// # Errors
/// [`ModelError::Root`] for damage or another model; [`ModelError::Truncated`], [`ModelError::TrailingBytes`],
/// [`ModelError::Magic`], [`ModelError::Malformed`] and [`ModelError::Shape`] for a file that cannot be one.
pub fn load(path: &Path, expected: Option<Hash>) -> Result<LoadedModel, ModelError> {
    let at = || path.display().to_string();
    let file = File::open(path).map_err(ModelError::io(at()))?;
    let length = file.metadata().map_err(ModelError::io(at()))?.len();
    read(&mut BufReader::with_capacity(LOAD_CHUNK_BYTES, file), length, expected)
}

/// Loads a model file that is already in memory.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(bytes: &[u8], expected: Option<Hash>) -> Result<LoadedModel, ModelError> {
    read(&mut &*bytes, bytes.len() as u64, expected)
}

fn read(input: &mut dyn Read, length: u64, expected: Option<Hash>) -> Result<LoadedModel, ModelError> {
    let mut reader = Reader { input, hasher: blake3::Hasher::new(), at: 0, left: length };
    let (header, extension) = read_header(&mut reader)?;
    // The file is known to be as long as its directory says, so this is no more than a little above its length.
    let matrices = header.directory.iter().filter(|section| section.kind == SectionKind::W8);
    let bytes = matrices.map(|w8| Arena::rounded(Tiles::bytes_of(w8.rows as usize, w8.columns as usize))).sum();
    let arena = Arena::with_capacity(bytes);
    let mut sections = Sections { start: reader.at, reader, directory: header.directory.iter(), arena };
    let result = read_sections(&mut sections, &header, &extension);
    // Damage inside a section shows in the root; say that rather than what the damage looks like.
    let root = sections.reader.finish();
    match (root, expected) {
        (Ok(got), Some(expected)) if got != expected => Err(ModelError::Root { expected, got }),
        (Err(error), _) => Err(error),
        (Ok(root), _) => {
            let (tokenizer, network) = result?;
            Ok(LoadedModel {
                root,
                tokenizer_root: header.tokenizer,
                manifest: Arc::new(header.manifest),
                tokenizer: Arc::new(tokenizer),
                network,
                processor: None,
            })
        }
    }
}

fn read_header(reader: &mut Reader<'_>) -> Result<(Header, Extension), ModelError> {
    let mut magic = [0; 8];
    reader.fill("the magic", &mut magic)?;
    if magic != MAGIC && magic != MAGIC_EXTENDED {
        return Err(ModelError::Magic { got: magic });
    }
    let mut length = [0; 8];
    reader.fill("the header's length", &mut length)?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES_MAX {
        let rule = format!("at most {HEADER_BYTES_MAX} bytes");
        return Err(ModelError::Shape { what: "header".to_owned(), got: length, rule });
    }
    let bytes = reader.take("the header", length)?;
    let decoded = if magic == MAGIC {
        bcs::from_bytes(&bytes).map(|header: Header| (header, Extension::None))
    } else {
        bcs::from_bytes(&bytes)
    };
    let (header, extension) = decoded.map_err(|error| ModelError::Malformed(format!("header: {error}")))?;
    if magic == MAGIC_EXTENDED && extension == Extension::None {
        return Err(ModelError::Malformed("a plain model in a file of the second version".to_owned()));
    }
    let tokenizer = header.directory.iter().find(|section| section.name == "tokenizer");
    let wanted = directory_with(&header.manifest, &extension, tokenizer.map_or(0, |section| section.length))?;
    if header.directory != wanted {
        return Err(ModelError::Malformed("the directory is not that of the manifest's shape".to_owned()));
    }
    reader.pad()?;
    let sections = wanted.last().map_or(0, |section| section.offset + section.length);
    if reader.left < sections {
        let what = "the sections".to_owned();
        return Err(ModelError::Truncated { what, needs: sections, left: reader.left });
    }
    match reader.left - sections {
        0 => Ok((header, extension)),
        extra => Err(ModelError::TrailingBytes { extra }),
    }
}

fn read_sections(
    sections: &mut Sections<'_, '_>,
    header: &Header,
    extension: &Extension,
) -> Result<(Tokenizer, Network), ModelError> {
    let manifest = &header.manifest;
    let manifest = &Arc::new(manifest.clone());
    let rotates = extension.rotary(manifest) > 0;
    let (cos, sin) = if rotates { (sections.floats()?, sections.floats()?) } else { (Vec::new(), Vec::new()) };
    if extension.stretch() == Stretch::Factors {
        // They are part of the tables already.
        sections.floats()?;
    }
    let tokenizer = sections.bytes()?;
    if blake3::hash(&tokenizer).as_bytes() != &header.tokenizer.0 {
        return Err(ModelError::Malformed("the tokenizer is not that of the header".to_owned()));
    }
    let tokenizer = Tokenizer::from_bytes(&tokenizer, manifest)?;
    let network = match extension {
        Extension::None => Network::Causal(Arc::new(llama(sections, manifest, cos, sin, false)?)),
        Extension::Llama { biases, .. } => Network::Causal(Arc::new(llama(sections, manifest, cos, sin, *biases)?)),
        Extension::NeoX { parallel, .. } | Extension::NeoXTanh { parallel, .. } => {
            let is_tanh = matches!(extension, Extension::NeoXTanh { .. });
            let mut model = neox(sections, manifest, cos, sin, *parallel)?;
            model.layers.iter_mut().for_each(|layer| layer.feed_forward.is_tanh = is_tanh);
            Network::Causal(Arc::new(model))
        }
        Extension::Bert { first, last, pooling } => {
            Network::Embedder(Arc::new(bert(sections, manifest, [*first, *last], *pooling)?))
        }
        Extension::Diffusion(shape) => Network::Painter(Arc::new(Diffusion::build(manifest, shape, sections)?)),
    };
    Ok((tokenizer, network))
}

fn llama(
    sections: &mut Sections<'_, '_>,
    manifest: &Arc<ModelManifest>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    biases: bool,
) -> Result<Llama, ModelError> {
    let embed = sections.matrix()?;
    let layers = (0..manifest.layers)
        .map(|_| {
            let attn_norm = sections.floats()?;
            let mut part = || Ok::<_, ModelError>((sections.matrix()?, biases.then(|| sections.floats()).transpose()?));
            let [(q, q_bias), (k, k_bias), (v, v_bias)] = [part()?, part()?, part()?];
            let biases = q_bias.zip(k_bias).zip(v_bias).map(|((q, k), v)| Box::new([q, k, v]));
            Ok(Layer {
                attn_norm,
                q,
                k,
                v,
                biases,
                o: sections.matrix()?,
                ffn_norm: sections.floats()?,
                gate: sections.matrix()?,
                up: sections.matrix()?,
                down: sections.matrix()?,
            })
        })
        .collect::<Result<_, ModelError>>()?;
    let norm = sections.floats()?;
    let head = if manifest.tied_head { None } else { Some(sections.matrix()?) };
    Ok(Llama { manifest: Arc::clone(manifest), cos, sin, embed, layers, norm, head })
}

fn neox(
    sections: &mut Sections<'_, '_>,
    manifest: &Arc<ModelManifest>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    parallel: bool,
) -> Result<NeoX, ModelError> {
    let embed = sections.matrix()?;
    let layer = |_| {
        Ok(neox::Layer {
            attn_norm: sections.norm()?,
            attention: sections.attention()?,
            ffn_norm: sections.norm()?,
            feed_forward: sections.feed_forward()?,
        })
    };
    let layers = (0..manifest.layers).map(layer).collect::<Result<_, ModelError>>()?;
    let norm = sections.norm()?;
    let head = if manifest.tied_head { None } else { Some(sections.matrix()?) };
    Ok(NeoX { manifest: Arc::clone(manifest), parallel, cos, sin, embed, layers, norm, head })
}

fn bert(
    sections: &mut Sections<'_, '_>,
    manifest: &Arc<ModelManifest>,
    [first, last]: [u32; 2],
    pooling: Pooling,
) -> Result<Bert, ModelError> {
    let (embed, positions, embed_norm) = (sections.matrix()?, sections.floats()?, sections.norm()?);
    let layer = |_| {
        Ok(bert::Layer {
            attention: sections.attention()?,
            attn_norm: sections.norm()?,
            feed_forward: sections.feed_forward()?,
            ffn_norm: sections.norm()?,
        })
    };
    let layers = (0..manifest.layers).map(layer).collect::<Result<_, ModelError>>()?;
    Ok(Bert { manifest: Arc::clone(manifest), first, last, pooling, embed, positions, embed_norm, layers })
}

/// Sections, taken in file order.
struct Sections<'a, 'b> {
    reader: Reader<'a>,
    start: u64,
    directory: std::slice::Iter<'b, Section>,
    /// Holds the weights of all matrices.
    arena: Arena,
}

impl Sections<'_, '_> {
    fn next(&mut self, kind: SectionKind) -> Result<&Section, ModelError> {
        let section = self.directory.next().expect("the directory is that of the manifest's shape");
        assert_eq!(section.kind, kind, "`{}` is read as what it is", section.name);
        self.reader.pad()?;
        assert_eq!(self.reader.at - self.start, section.offset, "sections are read where they are");
        Ok(section)
    }

    fn expect(&self, name: &str, rows: u32, columns: u32) {
        let next = self.directory.as_slice().first();
        let is_next = next.is_some_and(|next| next.name == name && (next.rows, next.columns) == (rows, columns));
        assert!(is_next, "`{name}` is read where it is");
    }

    fn bytes(&mut self) -> Result<Vec<u8>, ModelError> {
        let (name, length) = self.next(SectionKind::Bytes).map(|section| (section.name.clone(), section.length))?;
        self.reader.take(&name, length)
    }

    fn floats(&mut self) -> Result<Vec<f32>, ModelError> {
        let section = self.next(SectionKind::F32)?;
        let (name, count) = (section.name.clone(), section.length / 4);
        self.reader.floats(&name, count)
    }

    fn norm(&mut self) -> Result<Norm, ModelError> {
        Ok(Norm { gain: self.floats()?, bias: self.floats()? })
    }

    fn linear(&mut self) -> Result<Linear, ModelError> {
        Ok(Linear { matrix: self.matrix()?, bias: self.floats()? })
    }

    fn attention(&mut self) -> Result<Attention, ModelError> {
        Ok(Attention { q: self.linear()?, k: self.linear()?, v: self.linear()?, o: self.linear()? })
    }

    fn feed_forward(&mut self) -> Result<FeedForward, ModelError> {
        Ok(FeedForward { up: self.linear()?, down: self.linear()?, is_tanh: false })
    }

    fn matrix(&mut self) -> Result<Matrix, ModelError> {
        let section = self.next(SectionKind::W8)?;
        let (name, rows, inputs) = (section.name.clone(), section.rows, section.columns as usize);
        let mut tiles = Tiles::zeros(&mut self.arena, rows as usize, inputs);
        self.reader.weights(&name, u64::from(rows) * inputs as u64, &mut tiles)?;
        self.reader.pad()?;
        let scales = self.reader.floats(&name, rows.into())?;
        if let Some(scale) = scales.iter().find(|scale| scale.is_sign_negative()) {
            return Err(ModelError::Malformed(format!("`{name}` has the scale {scale}")));
        }
        Ok(Matrix { tiles, scales })
    }
}

/// Sections are asked for in file order, since their order is that of asking.
impl Builder for Sections<'_, '_> {
    fn floats(&mut self, name: &str, rows: u32, columns: u32) -> Result<Vec<f32>, ModelError> {
        self.expect(name, rows, columns);
        Sections::floats(self)
    }

    fn matrix(&mut self, name: &str, rows: u32, columns: u32, _side: u32) -> Result<Matrix, ModelError> {
        self.expect(name, rows, columns);
        Sections::matrix(self)
    }
}

/// Reads and hashes.
struct Reader<'a> {
    input: &'a mut dyn Read,
    hasher: blake3::Hasher,
    at: u64,
    left: u64,
}

impl Reader<'_> {
    fn fill(&mut self, what: &str, buffer: &mut [u8]) -> Result<(), ModelError> {
        let needs = buffer.len() as u64;
        if needs > self.left {
            return Err(ModelError::Truncated { what: what.to_owned(), needs, left: self.left });
        }
        self.input.read_exact(buffer).map_err(ModelError::io(format!("reading {what}")))?;
        self.hasher.update(buffer);
        self.at += needs;
        self.left -= needs;
        Ok(())
    }

    fn take(&mut self, what: &str, length: u64) -> Result<Vec<u8>, ModelError> {
        if length > self.left {
            return Err(ModelError::Truncated { what: what.to_owned(), needs: length, left: self.left });
        }
        let mut bytes = vec![0; length as usize];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    fn pad(&mut self) -> Result<(), ModelError> {
        let padding = self.take("padding", align(self.at) - self.at)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(ModelError::Malformed("padding is not zero".to_owned()));
        }
        Ok(())
    }

    /// Calls `each` with consecutive chunks of `length` bytes, each a multiple of 4 long if `length` is.
    fn chunks(&mut self, what: &str, length: u64, mut each: impl FnMut(&[u8])) -> Result<(), ModelError> {
        let mut buffer = vec![0; LOAD_CHUNK_BYTES.min(length as usize)];
        let mut rest = length;
        while rest > 0 {
            let chunk = &mut buffer[..(LOAD_CHUNK_BYTES as u64).min(rest) as usize];
            self.fill(what, chunk)?;
            each(chunk);
            rest -= chunk.len() as u64;
        }
        Ok(())
    }

    fn floats(&mut self, what: &str, count: u64) -> Result<Vec<f32>, ModelError> {
        if 4 * count > self.left {
            return Err(ModelError::Truncated { what: what.to_owned(), needs: 4 * count, left: self.left });
        }
        let mut values = Vec::with_capacity(count as usize);
        self.chunks(what, 4 * count, |chunk| {
            values.extend(chunk.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
        })?;
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(ModelError::Malformed(format!("`{what}` holds {value}")));
        }
        Ok(values)
    }

    fn weights(&mut self, what: &str, count: u64, tiles: &mut Tiles) -> Result<(), ModelError> {
        let (mut lowest, mut at, mut signed) = (0, 0, Vec::new());
        self.chunks(what, count, |chunk| {
            signed.clear();
            signed.extend(chunk.iter().map(|byte| byte.cast_signed()));
            lowest = signed.iter().fold(lowest, |lowest, &weight| weight.min(lowest));
            tiles.put(at, &signed);
            at += signed.len();
        })?;
        if lowest == i8::MIN {
            return Err(ModelError::Malformed(format!("`{what}` holds the weight -128")));
        }
        Ok(())
    }

    /// Reads whatever is left and returns the root.
    fn finish(mut self) -> Result<Hash, ModelError> {
        self.chunks("the rest", self.left, |_| {})?;
        Ok(Hash(*self.hasher.finalize().as_bytes()))
    }
}
