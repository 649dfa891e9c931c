//! Turns published files into canonical ones.
//!
//! The conversion is normative: dequantise to f32 as the source format defines it, bring rotary rows into the order of
//! half-split pairs, quantise each row to int8 by the standard, make the rotary tables. Nothing depends on the machine.

mod diffusers;
mod gguf;
mod gguf_tokenizer;
mod hf;
mod hf_tokenizer;
mod safetensors;

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use noema_inference_api::ModelManifest;
use noema_types::Hash;

use crate::limits::STRETCH_MILLI_MAX;
use crate::{ModelError, format};

pub(crate) use diffusers::{Origin, Part, Published};
pub use gguf::GgufFile;

/// Ways to stretch rotary positions that importers know.
const SCALINGS: &str = "none, linear, llama3\nhint: the others depend on a text's length; import the model without its \
    scaling, with the context it was first trained with";

/// What an import made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// BLAKE3 root of the canonical file.
    pub root: Hash,
    /// BLAKE3 root of its tokenizer section.
    pub tokenizer_root: Hash,
    /// Shape and identity.
    pub manifest: ModelManifest,
}

/// Imports a GGUF file. The target appears complete or not at all. `progress` hears of bytes written and in all.
///
/// # Errors
/// [`ModelError::Gguf`] for a file that cannot be read, [`ModelError::Unsupported`] for what is not built yet,
/// [`ModelError::Shape`] and [`ModelError::Tokenizer`] for content that does not fit together.
pub fn import_gguf(source: &Path, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Imported, ModelError> {
    let mut file = BufReader::new(File::open(source).map_err(ModelError::io(source.display().to_string()))?);
    into_place(target, |out| convert_gguf(&mut file, out, progress))
}

/// Imports a Hugging Face folder: `config.json`, `tokenizer.json` and `model.safetensors`, whole or in shards. The target
/// appears complete or not at all. `progress` hears of bytes written and in all. A folder with `model_index.json` is one of
/// a latent diffusion model, whose parts are folders of their own.
///
/// # Errors
/// [`ModelError::HuggingFace`] for a folder that cannot be read, [`ModelError::Unsupported`] for what is not built yet,
/// [`ModelError::Shape`] and [`ModelError::Tokenizer`] for content that does not fit together.
pub fn import_hf(folder: &Path, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Imported, ModelError> {
    if folder.join(diffusers::INDEX).exists() {
        return into_place(target, |out| diffusers::convert(folder, out, progress));
    }
    into_place(target, |out| hf::convert(folder, out, progress))
}

/// Writes beside the target and renames when all is well.
fn into_place(
    target: &Path,
    convert: impl FnOnce(&mut dyn Write) -> Result<Imported, ModelError>,
) -> Result<Imported, ModelError> {
    let partial = target.with_extension("partial");
    let at = || partial.display().to_string();
    let mut out = BufWriter::new(File::create(&partial).map_err(ModelError::io(at()))?);
    let result = convert(&mut out).and_then(|imported| {
        let file = out.into_inner().map_err(|error| ModelError::io(at())(error.into_error()))?;
        file.sync_all().map_err(ModelError::io(at()))?;
        fs::rename(&partial, target).map_err(ModelError::io(target.display().to_string()))?;
        Ok(imported)
    });
    if result.is_err() {
        // The partial file is worthless either way; the error that made it so is the one to report.
        let _ = fs::remove_file(&partial);
    }
    result
}

/// A factor or band of rotary scaling in thousandths, which it must be a whole number of.
fn thousandths(what: &str, value: f64) -> Result<u32, ModelError> {
    let scaled = value * 1_000.0;
    let fits = (0.0..=f64::from(STRETCH_MILLI_MAX)).contains(&scaled) && (scaled - scaled.round()).abs() < 1e-3;
    let supported = "whole thousandths, up to a thousand";
    if fits { Ok(scaled.round() as u32) } else { Err(unsupported(what, &value.to_string(), supported)) }
}

fn unsupported(what: &str, value: &str, supported: &'static str) -> ModelError {
    ModelError::Unsupported { what: what.to_owned(), value: value.to_owned(), supported }
}

/// Converts a GGUF file to a canonical one.
///
/// # Errors
/// As [`import_gguf`].
pub fn convert_gguf<R: Read + Seek>(
    source: R,
    target: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, ModelError> {
    let mut gguf = GgufFile::open(source)?;
    let (manifest, extension, tokenizer) = (gguf.manifest()?, gguf.extension()?, gguf.tokenizer()?);
    // What cannot be loaded must not be written.
    crate::Tokenizer::from_bytes(&tokenizer.to_bytes(), &manifest)?;
    gguf.check_tensors(&manifest)?;
    let tokenizer = tokenizer.to_bytes();
    let root = format::write_with(&manifest, &extension, &tokenizer, &mut gguf, target, progress)?;
    Ok(Imported { root, tokenizer_root: Hash(*blake3::hash(&tokenizer).as_bytes()), manifest })
}
