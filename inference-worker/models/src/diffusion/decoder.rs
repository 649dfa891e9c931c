//! The decoder of the autoencoder: from a latent image to colours, in parts that a caller may run one at a time.

use noema_inference_api::{PAINTER_STAGES, PainterShape};

use super::blocks::{PlaceAttention, Residual};
use super::build::Parts;
use super::paint::{Brush, Convolution, Grouping, Image, Made};
use crate::ModelError;
use crate::blocks::Norm;

const EPSILON: f32 = 1e-6;
const COLOURS: u32 = 3;

#[derive(Debug)]
struct Stage {
    blocks: Vec<Residual>,
    sampler: Option<Convolution>,
}

/// The decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    grouping: Grouping,
    scaling: f32,
    enter: Convolution,
    conv_in: Convolution,
    middle: (Residual, PlaceAttention, Residual),
    up: Vec<Stage>,
    norm_out: Norm,
    conv_out: Convolution,
}

impl Decoder {
    /// Parts that [`Decoder::run`] does one by one.
    pub(super) const PARTS: usize = PAINTER_STAGES + 2;

    pub(super) fn build(shape: &PainterShape, mut parts: Parts<'_>) -> Result<Self, ModelError> {
        let channels = shape.decoder_channels;
        let mut current = channels[PAINTER_STAGES - 1];
        let enter = parts.convolution("post_quant_conv", shape.latent, shape.latent, 1)?;
        let mut parts = parts.within("decoder");
        let conv_in = parts.convolution("conv_in", shape.latent, current, 3)?;
        let mut middle = parts.within("mid_block");
        let middle = (
            Residual::build(middle.within("resnets.0"), current, current, None)?,
            PlaceAttention::build(middle.within("attentions.0"), current)?,
            Residual::build(middle.within("resnets.1"), current, current, None)?,
        );
        let mut up = Vec::new();
        for (i, &to) in channels.iter().rev().enumerate() {
            let mut stage = parts.within(format!("up_blocks.{i}"));
            let mut blocks = Vec::new();
            for j in 0..=shape.decoder_blocks {
                blocks.push(Residual::build(stage.within(format!("resnets.{j}")), current, to, None)?);
                current = to;
            }
            let is_last = i + 1 == PAINTER_STAGES;
            let sampler = if is_last { None } else { Some(stage.convolution("upsamplers.0.conv", to, to, 3)?) };
            up.push(Stage { blocks, sampler });
        }
        Ok(Self {
            grouping: Grouping { groups: shape.decoder_groups as usize, epsilon: EPSILON },
            scaling: f32::from_bits(shape.scaling_bits),
            enter,
            conv_in,
            middle,
            up,
            norm_out: parts.norm("conv_norm_out", channels[0])?,
            conv_out: parts.convolution("conv_out", channels[0], COLOURS, 3)?,
        })
    }

    /// One part of the way, in order: the first takes the latent image, the last gives colours around -1 to 1.
    pub(super) fn run(&self, brush: Brush<'_>, part: usize, mut image: Image) -> Made<Image> {
        if part == 0 {
            brush.compute.arithmetic().divide(&mut image.data, self.scaling);
            image = brush.convolve(&self.conv_in, &brush.convolve(&self.enter, &image)?)?;
            let (first, reads, second) = &self.middle;
            image = first.run(brush, self.grouping, image, &[])?;
            image = reads.run(brush, self.grouping, image)?;
            return second.run(brush, self.grouping, image, &[]);
        }
        let Some(stage) = self.up.get(part - 1) else {
            let normed = brush.group_norm(&self.norm_out, self.grouping, &image, true)?;
            return brush.convolve(&self.conv_out, &normed);
        };
        for block in &stage.blocks {
            image = block.run(brush, self.grouping, image, &[])?;
        }
        match &stage.sampler {
            Some(sampler) => brush.convolve_at(sampler, &image, (2 * image.width, 2 * image.height), 1),
            None => Ok(image),
        }
    }
}
