//! One description of the architecture, for the file's directory, for loading and for importing.
//!
//! Networks are built from a [`Builder`]; what they ask for, in the order in which they ask, is the layout of the file.

use noema_inference_api::{ModelManifest, PainterShape};

use noema_numerics::Tiles;

use super::Diffusion;
use super::paint::Convolution;
use crate::ModelError;
use crate::blocks::{Linear, Norm};
use crate::compute::Matrix;
use crate::format::{DirectoryBuilder, SectionKind};

/// Hands out weights by name.
pub(crate) trait Builder {
    /// Rows of f32.
    fn floats(&mut self, name: &str, rows: u32, columns: u32) -> Result<Vec<f32>, ModelError>;

    /// A quantised matrix; of a convolution, if its kernel has a side above 1.
    fn matrix(&mut self, name: &str, rows: u32, columns: u32, side: u32) -> Result<Matrix, ModelError>;
}

/// A section as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) kind: SectionKind,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    /// Side of a convolution's kernel, 1 otherwise.
    pub(crate) side: u32,
}

/// Hands out nothing and writes down what was asked for.
#[derive(Debug, Default)]
struct Recorder(Vec<Asked>);

impl Builder for Recorder {
    fn floats(&mut self, name: &str, rows: u32, columns: u32) -> Result<Vec<f32>, ModelError> {
        self.0.push(Asked { name: name.to_owned(), kind: SectionKind::F32, rows, columns, side: 1 });
        Ok(Vec::new())
    }

    fn matrix(&mut self, name: &str, rows: u32, columns: u32, side: u32) -> Result<Matrix, ModelError> {
        self.0.push(Asked { name: name.to_owned(), kind: SectionKind::W8, rows, columns, side });
        Ok(Matrix { tiles: Tiles::of(&[], columns as usize), scales: Vec::new() })
    }
}

/// All sections after the tokenizer, in file order. The shape must have been checked.
pub(crate) fn asked(manifest: &ModelManifest, shape: &PainterShape) -> Vec<Asked> {
    let mut recorder = Recorder::default();
    let built = Diffusion::build(&std::sync::Arc::new(manifest.clone()), shape, &mut recorder);
    built.expect("a recorder refuses nothing");
    recorder.0
}

/// Adds the sections after the tokenizer.
pub(crate) fn sections(manifest: &ModelManifest, shape: &PainterShape, list: &mut DirectoryBuilder) {
    for section in asked(manifest, shape) {
        list.push(&section.name, section.kind, section.rows, section.columns);
    }
}

/// A builder with a prefix of names.
pub(super) struct Parts<'a> {
    builder: &'a mut dyn Builder,
    prefix: String,
}

impl<'a> Parts<'a> {
    pub(super) fn new(builder: &'a mut dyn Builder, prefix: &str) -> Self {
        Self { builder, prefix: prefix.to_owned() }
    }

    /// The same with a longer prefix.
    pub(super) fn within(&mut self, name: impl AsRef<str>) -> Parts<'_> {
        Parts { prefix: format!("{}.{}", self.prefix, name.as_ref()), builder: self.builder }
    }

    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(super) fn floats(&mut self, name: &str, rows: u32, columns: u32) -> Result<Vec<f32>, ModelError> {
        let name = self.name(name);
        self.builder.floats(&name, rows, columns)
    }

    pub(super) fn matrix(&mut self, name: &str, rows: u32, columns: u32) -> Result<Matrix, ModelError> {
        let name = self.name(name);
        self.builder.matrix(&name, rows, columns, 1)
    }

    pub(super) fn linear(&mut self, name: &str, from: u32, to: u32) -> Result<Linear, ModelError> {
        Ok(Linear { matrix: self.matrix(name, to, from)?, bias: self.floats(&format!("{name}_bias"), 1, to)? })
    }

    /// A linear layer that adds nothing.
    pub(super) fn plain(&mut self, name: &str, from: u32, to: u32) -> Result<Linear, ModelError> {
        Ok(Linear { matrix: self.matrix(name, to, from)?, bias: Vec::new() })
    }

    pub(super) fn convolution(&mut self, name: &str, from: u32, to: u32, side: u32) -> Result<Convolution, ModelError> {
        let full = self.name(name);
        let matrix = self.builder.matrix(&full, to, from * side * side, side)?;
        let bias = self.floats(&format!("{name}_bias"), 1, to)?;
        Ok(Convolution { linear: Linear { matrix, bias }, side: side as usize })
    }

    pub(super) fn norm(&mut self, name: &str, width: u32) -> Result<Norm, ModelError> {
        Ok(Norm { gain: self.floats(name, 1, width)?, bias: self.floats(&format!("{name}_bias"), 1, width)? })
    }
}
