//! The denoising network: down through four stages, up through them again with what was seen on the way down.

use noema_inference_api::{ModelManifest, PAINTER_STAGES, PainterShape};

use super::blocks::{Residual, Transformer};
use super::build::Parts;
use super::paint::{Brush, Convolution, Grouping, Image, Made};
use crate::ModelError;
use crate::blocks::{Linear, Norm};

/// One stage, in one direction.
#[derive(Debug)]
struct Stage {
    blocks: Vec<(Residual, Option<Transformer>)>,
    /// To the next stage.
    sampler: Option<Convolution>,
}

/// The network.
#[derive(Debug)]
pub(super) struct Unet {
    grouping: Grouping,
    heads: usize,
    conv_in: Convolution,
    level1: Linear,
    level2: Linear,
    down: Vec<Stage>,
    middle: (Residual, Transformer, Residual),
    up: Vec<Stage>,
    norm_out: Norm,
    conv_out: Convolution,
}

/// What a pass depends on beside the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// Cosines and sines of the noise level.
    pub(super) waves: &'a [f32],
    /// The rows of a text.
    pub(super) text: &'a [f32],
}

impl Unet {
    pub(super) fn build(
        manifest: &ModelManifest,
        shape: &PainterShape,
        mut parts: Parts<'_>,
    ) -> Result<Self, ModelError> {
        let (channels, text) = (shape.channels, manifest.hidden);
        let level = 4 * channels[0];
        let conv_in = parts.convolution("conv_in", shape.latent, channels[0], 3)?;
        let level1 = parts.linear("time_embedding.linear_1", channels[0], level)?;
        let level2 = parts.linear("time_embedding.linear_2", level, level)?;
        let mut skips = vec![channels[0]];
        let mut current = channels[0];
        let mut down = Vec::new();
        for (i, &to) in channels.iter().enumerate() {
            let is_last = i + 1 == PAINTER_STAGES;
            let mut stage = parts.within(format!("down_blocks.{i}"));
            let mut blocks = Vec::new();
            for j in 0..shape.blocks {
                let residual = Residual::build(stage.within(format!("resnets.{j}")), current, to, Some(level))?;
                let reads = if is_last { None } else { Some(stage.within(format!("attentions.{j}"))) };
                blocks.push((residual, reads.map(|parts| Transformer::build(parts, to, text)).transpose()?));
                current = to;
                skips.push(current);
            }
            let sampler = if is_last { None } else { Some(stage.convolution("downsamplers.0.conv", to, to, 3)?) };
            skips.extend(sampler.as_ref().map(|_| current));
            down.push(Stage { blocks, sampler });
        }
        let mut middle = parts.within("mid_block");
        let middle = (
            Residual::build(middle.within("resnets.0"), current, current, Some(level))?,
            Transformer::build(middle.within("attentions.0"), current, text)?,
            Residual::build(middle.within("resnets.1"), current, current, Some(level))?,
        );
        let mut up = Vec::new();
        for (i, &to) in channels.iter().rev().enumerate() {
            let mut stage = parts.within(format!("up_blocks.{i}"));
            let mut blocks = Vec::new();
            for j in 0..=shape.blocks {
                let from = current + skips.pop().expect("as many blocks up as images kept");
                let residual = Residual::build(stage.within(format!("resnets.{j}")), from, to, Some(level))?;
                let reads = if i == 0 { None } else { Some(stage.within(format!("attentions.{j}"))) };
                blocks.push((residual, reads.map(|parts| Transformer::build(parts, to, text)).transpose()?));
                current = to;
            }
            let is_last = i + 1 == PAINTER_STAGES;
            let sampler = if is_last { None } else { Some(stage.convolution("upsamplers.0.conv", to, to, 3)?) };
            up.push(Stage { blocks, sampler });
        }
        let epsilon = f32::from_bits(shape.norm_epsilon_bits);
        Ok(Self {
            grouping: Grouping { groups: shape.groups as usize, epsilon },
            heads: shape.heads as usize,
            conv_in,
            level1,
            level2,
            down,
            middle,
            up,
            norm_out: parts.norm("conv_norm_out", channels[0])?,
            conv_out: parts.convolution("conv_out", channels[0], shape.latent, 3)?,
        })
    }

    /// The noise that the network sees in a latent image.
    pub(super) fn predict(&self, brush: Brush<'_>, latents: &Image, told: Told<'_>) -> Made<Image> {
        let mut inner = brush.linear(&self.level1, told.waves)?;
        brush.compute.arithmetic().silu(&mut inner);
        let mut level = brush.linear(&self.level2, &inner)?;
        // Every block that is told begins with SiLU of it.
        brush.compute.arithmetic().silu(&mut level);
        let mut image = brush.convolve(&self.conv_in, latents)?;
        let mut skips = vec![image.clone()];
        for stage in &self.down {
            for block in &stage.blocks {
                image = self.block(brush, block, image, &level, told)?;
                skips.push(image.clone());
            }
            if let Some(sampler) = &stage.sampler {
                image = brush.convolve_at(sampler, &image, (image.width, image.height), 2)?;
                skips.push(image.clone());
            }
        }
        let (first, reads, second) = &self.middle;
        image = first.run(brush, self.grouping, image, &level)?;
        image = reads.run(brush, self.grouping.groups, self.heads, image, told.text)?;
        image = second.run(brush, self.grouping, image, &level)?;
        for stage in &self.up {
            for block in &stage.blocks {
                let skip = skips.pop().expect("as many blocks up as images kept");
                image = self.block(brush, block, image.join(&skip), &level, told)?;
            }
            if let Some(sampler) = &stage.sampler {
                // Sides that were odd on the way down are odd again.
                let next = skips.last().expect("the next stage reads one");
                image = brush.convolve_at(sampler, &image, (next.width, next.height), 1)?;
            }
        }
        let normed = brush.group_norm(&self.norm_out, self.grouping, &image, true)?;
        brush.convolve(&self.conv_out, &normed)
    }

    fn block(
        &self,
        brush: Brush<'_>,
        (residual, reads): &(Residual, Option<Transformer>),
        image: Image,
        level: &[f32],
        told: Told<'_>,
    ) -> Made<Image> {
        let image = residual.run(brush, self.grouping, image, level)?;
        match reads {
            Some(reads) => reads.run(brush, self.grouping.groups, self.heads, image, told.text),
            None => Ok(image),
        }
    }
}
