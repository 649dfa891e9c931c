//! The canonical model file.
//!
//! ```text
//! magic "NOEMAW01" | length of the header, u64 little-endian | header, BCS | zeros up to a multiple of 64
//! sections in the order of the directory, each starting at the next multiple of 64, zeros between
//! ```
//!
//! Sections, all numbers little-endian:
//! - `Bytes`: as they are (the tokenizer);
//! - `F32`: rows of f32;
//! - `W8`: rows of int8 in [-127, 127], zeros up to a multiple of 64, then one f32 scale per row.
//!
//! The directory is a function of the manifest and the tokenizer's length, so a shape has exactly one layout. The
//! model's root is the BLAKE3 hash of the whole file.
//!
//! A family with numbers of its own has them in a file of the second version: magic "NOEMAW02", and an [`Extension`]
//! right after the header, within its length.
//!
//! The tokenizer is a BCS [`crate::TokenizerData`], followed by a [`crate::More`] if that is not empty.
//!
//! Sections of the LLaMA family: `rope.cos`, `rope.sin` (context x head_dim / 2), `tokenizer`, `embed` (vocab x hidden),
//! then per layer `attn_norm`, `q`, `k`, `v`, `o`, `ffn_norm`, `gate`, `up`, `down`, then `norm` and, unless the head is
//! tied, `head`. Rotary pairs are `(j, j + head_dim / 2)` within each head. `extension.rs` lists the sections of the other
//! families: `name_bias` follows `name`, rotary tables have the width that is rotated. A LLaMA model that is not plain
//! (biases of Qwen 2, stretched positions) is in a file of the second version, with `q_bias`, `k_bias`, `v_bias` after
//! `q`, `k`, `v`, and `rope.factors` after the tables if its angles have a factor each.

use std::io::Write;

use noema_inference_api::{Family, ModelManifest, NUMERICS_VERSION};
use noema_numerics::weights;
use noema_types::Hash;
use serde::{Deserialize, Serialize};

use crate::ModelError;
pub use crate::extension::{Extension, Pooling, Stretch};
use crate::limits::{
    ALIGNMENT, CONTEXT_MAX, HEADS_MAX, IMPORT_CHUNK_WEIGHTS, LAYERS_MAX, ROPE_BYTES_MAX, SPECIAL_TOKENS_MAX,
    TEMPLATE_BYTES_MAX, TOKENIZER_BYTES_MAX, VOCAB_MAX, WIDTH_MAX,
};

/// First bytes of a canonical file.
pub const MAGIC: [u8; 8] = *b"NOEMAW01";
/// First bytes of a canonical file whose family has numbers of its own.
pub const MAGIC_EXTENDED: [u8; 8] = *b"NOEMAW02";

/// What precedes the sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Shape and identity.
    pub manifest: ModelManifest,
    /// BLAKE3 hash of the tokenizer section.
    pub tokenizer: Hash,
    /// Sections in file order.
    pub directory: Vec<Section>,
}

/// One section of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Name, unique in the file.
    pub name: String,
    /// How values are stored.
    pub kind: SectionKind,
    /// Rows.
    pub rows: u32,
    /// Values per row; bytes for [`SectionKind::Bytes`].
    pub columns: u32,
    /// First byte, counted from the end of the padded header.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// How a section stores its values. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SectionKind {
    /// Raw bytes.
    Bytes,
    /// f32.
    F32,
    /// int8 rows and their scales.
    W8,
}

/// Where a writer takes weights from: row after row, section after section, in file order.
pub trait WeightSource {
    /// Rows `start..start + count` of a tensor, as f32.
    ///
    /// # Errors
    /// [`ModelError`] when they cannot be read.
    fn rows(&mut self, name: &str, start: u32, count: u32) -> Result<Vec<f32>, ModelError>;
}

pub(crate) const fn align(length: u64) -> u64 {
    length.next_multiple_of(ALIGNMENT)
}

/// Checks that a manifest describes a model this crate can hold.
///
/// # Errors
/// [`ModelError::Shape`] names the number and the rule it breaks.
pub fn check_manifest(manifest: &ModelManifest) -> Result<(), ModelError> {
    let at_most =
        |what: &str, got: u32, max: u32| rule(what, got.into(), (1..=max).contains(&got), || format!("1 to {max}"));
    rule("numerics version", manifest.numerics.into(), manifest.numerics == NUMERICS_VERSION, || {
        format!("this build computes version {NUMERICS_VERSION}")
    })?;
    at_most("layers", manifest.layers, LAYERS_MAX)?;
    at_most("hidden", manifest.hidden, WIDTH_MAX)?;
    at_most("feed_forward", manifest.feed_forward, WIDTH_MAX)?;
    at_most("heads", manifest.heads, HEADS_MAX)?;
    at_most("kv_heads", manifest.kv_heads, HEADS_MAX)?;
    at_most("head_dim", manifest.head_dim, WIDTH_MAX)?;
    at_most("vocab", manifest.vocab, VOCAB_MAX)?;
    at_most("context", manifest.context, CONTEXT_MAX)?;
    let query = u64::from(manifest.heads) * u64::from(manifest.head_dim);
    rule("heads x head_dim", query, query <= WIDTH_MAX.into(), || format!("at most {WIDTH_MAX}"))?;
    rule("head_dim", manifest.head_dim.into(), manifest.head_dim.is_multiple_of(2), || "even".to_owned())?;
    rule("heads", manifest.heads.into(), manifest.heads.is_multiple_of(manifest.kv_heads), || {
        format!("a multiple of the {} kv_heads", manifest.kv_heads)
    })?;
    let rotates = !matches!(manifest.family, Family::Bert | Family::Diffusion);
    rule("rope_base", manifest.rope_base, !rotates || manifest.rope_base >= 2, || "at least 2".to_owned())?;
    let table = u64::from(manifest.context) * u64::from(manifest.head_dim / 2) * 4;
    rule("rotary table", table, table <= ROPE_BYTES_MAX, || format!("at most {ROPE_BYTES_MAX} bytes"))?;
    let epsilon = f32::from_bits(manifest.norm_epsilon_bits);
    rule("norm_epsilon_bits", manifest.norm_epsilon_bits.into(), epsilon.is_finite() && epsilon > 0.0, || {
        "a positive number".to_owned()
    })?;
    let template = manifest.chat_template.len();
    rule("chat_template", template as u64, template <= TEMPLATE_BYTES_MAX, || {
        format!("at most {TEMPLATE_BYTES_MAX} bytes")
    })?;
    let eos = &manifest.special.eos;
    rule("end tokens", eos.len() as u64, eos.len() <= SPECIAL_TOKENS_MAX, || format!("at most {SPECIAL_TOKENS_MAX}"))?;
    for &token in eos.iter().chain(&manifest.special.bos) {
        rule("special token", token.into(), token < manifest.vocab, || {
            format!("below the vocabulary of {}", manifest.vocab)
        })?;
    }
    Ok(())
}

pub(crate) fn rule(what: &str, got: u64, holds: bool, rule: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Shape { what: what.to_owned(), got, rule: rule() }) }
}

/// The sections of a model, in file order.
///
/// # Errors
/// [`ModelError::Shape`] as [`check_manifest`], or when the tokenizer is too long.
pub fn directory(manifest: &ModelManifest, tokenizer_bytes: u64) -> Result<Vec<Section>, ModelError> {
    directory_with(manifest, &Extension::None, tokenizer_bytes)
}

/// The sections of a model of any family, in file order.
///
/// # Errors
/// As [`directory`]; also when the extension does not fit the manifest.
pub fn directory_with(
    manifest: &ModelManifest,
    extension: &Extension,
    tokenizer_bytes: u64,
) -> Result<Vec<Section>, ModelError> {
    check_manifest(manifest)?;
    extension.check(manifest)?;
    rule("tokenizer", tokenizer_bytes, tokenizer_bytes <= TOKENIZER_BYTES_MAX, || {
        format!("at most {TOKENIZER_BYTES_MAX} bytes")
    })?;
    let mut list = DirectoryBuilder::default();
    let rotary = extension.rotary(manifest);
    if rotary > 0 {
        list.push("rope.cos", SectionKind::F32, manifest.context, rotary / 2);
        list.push("rope.sin", SectionKind::F32, manifest.context, rotary / 2);
        if extension.stretch() == Stretch::Factors {
            list.push("rope.factors", SectionKind::F32, 1, rotary / 2);
        }
    }
    list.push("tokenizer", SectionKind::Bytes, 1, tokenizer_bytes as u32);
    extension.sections(manifest, &mut list);
    Ok(list.sections)
}

#[derive(Default)]
pub(crate) struct DirectoryBuilder {
    sections: Vec<Section>,
    end: u64,
}

impl DirectoryBuilder {
    pub(crate) fn push(&mut self, name: &str, kind: SectionKind, rows: u32, columns: u32) {
        let values = u64::from(rows) * u64::from(columns);
        let length = match kind {
            SectionKind::Bytes => values,
            SectionKind::F32 => 4 * values,
            SectionKind::W8 => align(values) + 4 * u64::from(rows),
        };
        let offset = align(self.end);
        self.end = offset + length;
        self.sections.push(Section { name: name.to_owned(), kind, rows, columns, offset, length });
    }
}

/// Writes a canonical file and returns its root. `progress` hears of each section: bytes written, bytes in all.
///
/// # Errors
/// Any error of the source or the target; a manifest that breaks a limit; a weight that is not finite.
pub fn write(
    manifest: &ModelManifest,
    tokenizer: &[u8],
    source: &mut dyn WeightSource,
    target: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Hash, ModelError> {
    write_with(manifest, &Extension::None, tokenizer, source, target, progress)
}

/// Writes a canonical file of any family and returns its root.
///
/// # Errors
/// As [`write()`]; also when the extension does not fit the manifest.
pub fn write_with(
    manifest: &ModelManifest,
    extension: &Extension,
    tokenizer: &[u8],
    source: &mut dyn WeightSource,
    target: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Hash, ModelError> {
    let directory = directory_with(manifest, extension, tokenizer.len() as u64)?;
    let header = Header {
        manifest: manifest.clone(),
        tokenizer: Hash(*blake3::hash(tokenizer).as_bytes()),
        directory: directory.clone(),
    };
    let encoded = match extension {
        Extension::None => bcs::to_bytes(&header),
        _ => bcs::to_bytes(&(&header, extension)),
    };
    let header = encoded.map_err(|error| ModelError::Malformed(error.to_string()))?;
    let total = directory.last().map_or(0, |section| section.offset + section.length);
    let mut out = HashingWriter { target, hasher: blake3::Hasher::new(), written: 0 };
    out.put(if *extension == Extension::None { &MAGIC } else { &MAGIC_EXTENDED })?;
    out.put(&(header.len() as u64).to_le_bytes())?;
    out.put(&header)?;
    out.pad()?;
    let start = out.written;
    let factors = match extension.stretch() {
        Stretch::Factors => source.rows("rope.factors", 0, 1)?,
        _ => Vec::new(),
    };
    let rotates = extension.rotary(manifest) > 0;
    let table = if rotates { Some(extension.table(manifest, &factors)?) } else { None };
    for section in &directory {
        out.pad()?;
        assert_eq!(out.written - start, section.offset, "sections follow the directory");
        match (section.kind, section.name.as_str()) {
            (_, "rope.cos") => out.put_floats(&table.as_ref().expect("a family that rotates").cos)?,
            (_, "rope.sin") => out.put_floats(&table.as_ref().expect("a family that rotates").sin)?,
            (_, "rope.factors") => out.put_floats(&factors)?,
            (_, "level.cos") => out.put_floats(&extension.level_waves().cos)?,
            (_, "level.sin") => out.put_floats(&extension.level_waves().sin)?,
            (SectionKind::Bytes, _) => out.put(tokenizer)?,
            (SectionKind::F32, _) => out.put_values(section, source)?,
            (SectionKind::W8, _) => out.put_weights(section, manifest.head_dim, source)?,
        }
        progress(out.written - start, total);
    }
    out.target.flush().map_err(ModelError::io("writing the model file"))?;
    Ok(Hash(*out.hasher.finalize().as_bytes()))
}

struct HashingWriter<'a> {
    target: &'a mut dyn Write,
    hasher: blake3::Hasher,
    written: u64,
}

impl HashingWriter<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        self.target.write_all(bytes).map_err(ModelError::io("writing the model file"))
    }

    fn pad(&mut self) -> Result<(), ModelError> {
        let zeros = [0; ALIGNMENT as usize];
        self.put(&zeros[..(align(self.written) - self.written) as usize])
    }

    fn put_floats(&mut self, values: &[f32]) -> Result<(), ModelError> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(&bytes)
    }

    /// Copies rows of f32 chunk by chunk.
    fn put_values(&mut self, section: &Section, source: &mut dyn WeightSource) -> Result<(), ModelError> {
        let (name, rows_at_once) = (&section.name, (IMPORT_CHUNK_WEIGHTS / section.columns as usize).max(1) as u32);
        let mut start = 0;
        while start < section.rows {
            let count = rows_at_once.min(section.rows - start);
            let values = source.rows(name, start, count)?;
            assert_eq!(values.len(), count as usize * section.columns as usize, "a source returns whole rows");
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(ModelError::Malformed(format!("`{name}` holds {value}")));
            }
            self.put_floats(&values)?;
            start += count;
        }
        Ok(())
    }

    /// Quantises a matrix chunk by chunk. Chunks hold whole heads, which the rotary layout of a source may need.
    fn put_weights(
        &mut self,
        section: &Section,
        head_dim: u32,
        source: &mut dyn WeightSource,
    ) -> Result<(), ModelError> {
        let columns = section.columns as usize;
        let rows_at_once = (IMPORT_CHUNK_WEIGHTS / columns).max(1) as u32;
        let rows_at_once = rows_at_once.next_multiple_of(head_dim);
        let mut scales = Vec::with_capacity(section.rows as usize);
        let mut start = 0;
        while start < section.rows {
            let count = rows_at_once.min(section.rows - start);
            let values = source.rows(&section.name, start, count)?;
            assert_eq!(values.len(), count as usize * columns, "a source returns whole rows");
            let mut bytes = Vec::with_capacity(values.len());
            let mut q = vec![0; columns];
            for row in values.chunks_exact(columns) {
                scales.push(weights::quantise_row(row, &mut q)?);
                bytes.extend(q.iter().map(|value| value.to_le_bytes()[0]));
            }
            self.put(&bytes)?;
            start += count;
        }
        self.pad()?;
        self.put_floats(&scales)
    }
}
