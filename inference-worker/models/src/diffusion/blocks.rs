//! What the denoising network and the decoder are made of: residual blocks, and blocks in which places read each other.

use super::build::Parts;
use super::paint::{Attending, Brush, Convolution, Grouping, Image, Made};
use crate::ModelError;
use crate::blocks::{Linear, Norm};

/// Epsilon of the layer norms inside a transformer block.
const LAYER_EPSILON: f32 = 1e-5;
/// Epsilon of the group norm before one.
const GROUP_EPSILON: f32 = 1e-6;

/// Two convolutions beside the image itself.
#[derive(Debug)]
pub(super) struct Residual {
    norm1: Norm,
    conv1: Convolution,
    /// What the noise level adds.
    level: Option<Linear>,
    norm2: Norm,
    conv2: Convolution,
    shortcut: Option<Convolution>,
}

impl Residual {
    /// `level` is the width of what describes the noise level, if the block is told.
    pub(super) fn build(mut parts: Parts<'_>, from: u32, to: u32, level: Option<u32>) -> Result<Self, ModelError> {
        Ok(Self {
            norm1: parts.norm("norm1", from)?,
            conv1: parts.convolution("conv1", from, to, 3)?,
            level: level.map(|width| parts.linear("time_emb_proj", width, to)).transpose()?,
            norm2: parts.norm("norm2", to)?,
            conv2: parts.convolution("conv2", to, to, 3)?,
            shortcut: if from == to { None } else { Some(parts.convolution("conv_shortcut", from, to, 1)?) },
        })
    }

    /// `level` is there if the block was built to be told.
    pub(super) fn run(&self, brush: Brush<'_>, grouping: Grouping, x: Image, level: &[f32]) -> Made<Image> {
        let mut inner = brush.convolve(&self.conv1, &brush.group_norm(&self.norm1, grouping, &x, true)?)?;
        if let Some(layer) = &self.level {
            let row = brush.linear(layer, level)?;
            brush.add_to_places(&mut inner, &row);
        }
        let inner = brush.convolve(&self.conv2, &brush.group_norm(&self.norm2, grouping, &inner, true)?)?;
        let mut x = match &self.shortcut {
            Some(shortcut) => brush.convolve(shortcut, &x)?,
            None => x,
        };
        brush.add(&mut x.data, &inner.data);
        Ok(x)
    }
}

/// Queries of places; keys and values of places or of a text.
#[derive(Debug)]
struct Reading {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
}

impl Reading {
    fn build(mut parts: Parts<'_>, width: u32, from: u32) -> Result<Self, ModelError> {
        Ok(Self {
            q: parts.plain("to_q", width, width)?,
            k: parts.plain("to_k", from, width)?,
            v: parts.plain("to_v", from, width)?,
            o: parts.linear("to_out.0", width, width)?,
        })
    }

    fn run(&self, brush: Brush<'_>, heads: usize, x: &[f32], source: &[f32]) -> Made<Vec<f32>> {
        let (q, k, v) = (brush.linear(&self.q, x)?, brush.linear(&self.k, source)?, brush.linear(&self.v, source)?);
        let width = self.q.matrix.rows();
        let attending = Attending { q: &q, k: &k, v: &v, heads, width, is_causal: false };
        brush.linear(&self.o, &brush.attend(attending)?)
    }
}

/// A transformer block over places, between two convolutions.
#[derive(Debug)]
pub(super) struct Transformer {
    norm: Norm,
    enter: Convolution,
    norm1: Norm,
    places: Reading,
    norm2: Norm,
    text: Reading,
    norm3: Norm,
    up: Linear,
    down: Linear,
    leave: Convolution,
}

impl Transformer {
    pub(super) fn build(mut parts: Parts<'_>, width: u32, text: u32) -> Result<Self, ModelError> {
        let (norm, enter) = (parts.norm("norm", width)?, parts.convolution("proj_in", width, width, 1)?);
        let mut block = parts.within("transformer_blocks.0");
        let norm1 = block.norm("norm1", width)?;
        let places = Reading::build(block.within("attn1"), width, width)?;
        let norm2 = block.norm("norm2", width)?;
        let text = Reading::build(block.within("attn2"), width, text)?;
        let norm3 = block.norm("norm3", width)?;
        let up = block.linear("ff.net.0.proj", width, 8 * width)?;
        let down = block.linear("ff.net.2", 4 * width, width)?;
        let leave = parts.convolution("proj_out", width, width, 1)?;
        Ok(Self { norm, enter, norm1, places, norm2, text, norm3, up, down, leave })
    }

    pub(super) fn run(
        &self,
        brush: Brush<'_>,
        groups: usize,
        heads: usize,
        mut image: Image,
        text: &[f32],
    ) -> Made<Image> {
        let grouping = Grouping { groups, epsilon: GROUP_EPSILON };
        let mut inner = brush.convolve(&self.enter, &brush.group_norm(&self.norm, grouping, &image, false)?)?;
        let x = &mut inner.data;
        let normed = brush.layer_norm(&self.norm1, LAYER_EPSILON, x)?;
        brush.add(x, &self.places.run(brush, heads, &normed, &normed)?);
        let normed = brush.layer_norm(&self.norm2, LAYER_EPSILON, x)?;
        brush.add(x, &self.text.run(brush, heads, &normed, text)?);
        let normed = brush.layer_norm(&self.norm3, LAYER_EPSILON, x)?;
        let gated = brush.geglu(brush.linear(&self.up, &normed)?, self.up.matrix.rows());
        brush.add(x, &brush.linear(&self.down, &gated)?);
        brush.add(&mut image.data, &brush.convolve(&self.leave, &inner)?.data);
        Ok(image)
    }
}

/// Places of the decoder's smallest image read each other, with one head.
#[derive(Debug)]
pub(super) struct PlaceAttention {
    norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
}

impl PlaceAttention {
    pub(super) fn build(mut parts: Parts<'_>, width: u32) -> Result<Self, ModelError> {
        Ok(Self {
            norm: parts.norm("group_norm", width)?,
            q: parts.linear("to_q", width, width)?,
            k: parts.linear("to_k", width, width)?,
            v: parts.linear("to_v", width, width)?,
            o: parts.linear("to_out.0", width, width)?,
        })
    }

    pub(super) fn run(&self, brush: Brush<'_>, grouping: Grouping, mut image: Image) -> Made<Image> {
        let normed = brush.group_norm(&self.norm, grouping, &image, false)?.data;
        let (q, k) = (brush.linear(&self.q, &normed)?, brush.linear(&self.k, &normed)?);
        let v = brush.linear(&self.v, &normed)?;
        let attending = Attending { q: &q, k: &k, v: &v, heads: 1, width: image.channels, is_causal: false };
        brush.add(&mut image.data, &brush.linear(&self.o, &brush.attend(attending)?)?);
        Ok(image)
    }
}
