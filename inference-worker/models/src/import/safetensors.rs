//! Reads tensors of safetensors files, row by row.
//!
//! ```text
//! length of the header, u64 little-endian | header, JSON: name -> { dtype, shape, data_offsets } | data
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use crate::ModelError;
use crate::limits::JSON_BYTES_MAX;

/// How a tensor's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    BF16,
    /// Anything else; fine as long as nobody reads it.
    Other,
}

impl Kind {
    const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Other => 1,
        }
    }
}

/// A tensor's entry in the header.
#[derive(Debug, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

#[derive(Debug)]
struct Tensor {
    kind: Kind,
    dtype: String,
    shape: Vec<u64>,
    file: usize,
    start: u64,
}

/// Open files and where their tensors are.
#[derive(Debug, Default)]
pub(super) struct Tensors {
    files: Vec<File>,
    tensors: BTreeMap<String, Tensor>,
}

impl Tensors {
    /// Adds the tensors of one file.
    pub(super) fn add(&mut self, path: &Path) -> Result<(), ModelError> {
        let bad = |reason: String| ModelError::HuggingFace { file: path.display().to_string(), reason };
        let io = || ModelError::io(path.display().to_string());
        let mut file = File::open(path).map_err(io())?;
        let length = file.metadata().map_err(io())?.len();
        let mut header_length = [0; 8];
        file.read_exact(&mut header_length).map_err(|_| bad("it is shorter than 8 bytes".to_owned()))?;
        let header_length = u64::from_le_bytes(header_length);
        if header_length > JSON_BYTES_MAX.min(length - 8) {
            return Err(bad(format!("its header has {header_length} bytes, the file {length}")));
        }
        let mut header = vec![0; header_length as usize];
        file.read_exact(&mut header).map_err(io())?;
        let entries: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
        let (data, room) = (8 + header_length, length - 8 - header_length);
        for (name, entry) in entries.into_iter().filter(|(name, _)| name != "__metadata__") {
            let entry: Entry = serde_json::from_value(entry).map_err(|error| bad(format!("{name}: {error}")))?;
            let kind = match entry.dtype.as_str() {
                "F32" => Kind::F32,
                "F16" => Kind::F16,
                "BF16" => Kind::BF16,
                _ => Kind::Other,
            };
            let [start, end] = entry.data_offsets;
            let size = entry.shape.iter().try_fold(kind.bytes(), |size, side| size.checked_mul(*side));
            let fits = start <= end && end <= room && (kind == Kind::Other || size == Some(end - start));
            if !fits {
                return Err(bad(format!("{name} of shape {:?} cannot lie at {start}..{end}", entry.shape)));
            }
            let file = self.files.len();
            let tensor = Tensor { kind, dtype: entry.dtype, shape: entry.shape, file, start: data + start };
            if self.tensors.insert(name.clone(), tensor).is_some() {
                return Err(bad(format!("{name} is there twice")));
            }
        }
        self.files.push(file);
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Values of a checked tensor.
    pub(super) fn length(&self, name: &str) -> u64 {
        self.tensors.get(name).map_or(0, |tensor| tensor.shape.iter().product())
    }

    /// Checks that a tensor is there, can be read and has this shape.
    pub(super) fn check(&self, name: &str, shape: &[u64]) -> Result<(), ModelError> {
        let bad = |reason: String| ModelError::HuggingFace { file: "the tensors".to_owned(), reason };
        let tensor = self.tensors.get(name).ok_or_else(|| bad(format!("there is no {name}")))?;
        if tensor.kind == Kind::Other {
            let what = format!("type of tensor {name}");
            return Err(ModelError::Unsupported { what, value: tensor.dtype.clone(), supported: "F32, F16, BF16" });
        }
        if tensor.shape != shape {
            return Err(bad(format!("{name} has the shape {:?}, not {shape:?}", tensor.shape)));
        }
        Ok(())
    }

    /// Values `start..start + count` of a checked tensor, as f32. Every conversion is exact.
    pub(super) fn read(&mut self, name: &str, start: u64, count: u64) -> Result<Vec<f32>, ModelError> {
        let tensor = self.tensors.get(name).expect("checked before it is read");
        let size = tensor.kind.bytes();
        let mut bytes = vec![0; (count * size) as usize];
        let file = &mut self.files[tensor.file];
        let read = file.seek(SeekFrom::Start(tensor.start + start * size)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(ModelError::io(format!("reading tensor {name}")))?;
        let pairs = || bytes.as_chunks::<2>().0.iter();
        Ok(match tensor.kind {
            Kind::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Kind::F16 => pairs().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
            Kind::BF16 => pairs().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
            Kind::Other => unreachable!("checked before it is read"),
        })
    }
}
