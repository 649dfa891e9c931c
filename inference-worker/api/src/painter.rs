//! The shape of a model that draws, and what a drawing costs.

use serde::{Deserialize, Serialize};

use crate::limits::BASIS_POINTS;
use crate::manifest::READ_MACS_PER_UNIT;
use crate::{Drawing, ModelManifest};

/// Stages of the denoising network and of the decoder; each but the last halves the sides of what it works on.
pub const PAINTER_STAGES: usize = 4;
/// Pixels of an image that one place of the latent image stands for, along each side.
pub const LATENT_SCALE: u32 = 8;

/// Shape of a latent diffusion model beside its text encoder, which the manifest describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PainterShape {
    /// Channels of the latent image.
    pub latent: u32,
    /// Channels of the denoising network's stages. All but the last read the prompt.
    pub channels: [u32; PAINTER_STAGES],
    /// Residual blocks of each stage on the way down; one more on the way up.
    pub blocks: u32,
    /// Heads of its attention.
    pub heads: u32,
    /// Groups of its norms.
    pub groups: u32,
    /// Bits of the f32 epsilon of its residual blocks' norms.
    pub norm_epsilon_bits: u32,
    /// Channels of the decoder's stages, as published: the one next to the image first.
    pub decoder_channels: [u32; PAINTER_STAGES],
    /// Residual blocks of a stage of the encoder, as published; the decoder has one more.
    pub decoder_blocks: u32,
    /// Groups of the decoder's norms.
    pub decoder_groups: u32,
    /// Bits of the f32 by which latent images are divided before they are decoded.
    pub scaling_bits: u32,
    /// Noise levels that the model was trained with.
    pub train_steps: u32,
    /// Added to every noise level that a drawing visits.
    pub steps_offset: u32,
    /// Token before a text.
    pub first: u32,
    /// Token after a text.
    pub last: u32,
    /// Token that fills a text up to the context.
    pub padding: u32,
}

/// Multiply-accumulates of a convolution with a square kernel.
fn convolution(pixels: u128, inputs: u128, outputs: u128, side: u128) -> u128 {
    pixels * inputs * outputs * side * side
}

impl PainterShape {
    /// Price of a drawing in inference units, by formula from the shape: the prompt is read (and the negative prompt, if
    /// guidance makes use of it), every step runs the denoising network once for each, the image is decoded. All at the
    /// price of reading; saturating.
    #[must_use]
    pub fn units(&self, manifest: &ModelManifest, drawing: &Drawing) -> u64 {
        let [width, height] = [drawing.width, drawing.height].map(|side| u128::from(side.div_ceil(LATENT_SCALE)));
        let context = u128::from(manifest.context);
        let pairs = context * context * 2 * u128::from(manifest.hidden) * u128::from(manifest.layers);
        let text = u128::from(manifest.body_macs()).saturating_mul(context).saturating_add(pairs);
        let step = self.step_macs(manifest, width, height);
        let passes = if drawing.guidance_bps == BASIS_POINTS { 1 } else { 2 };
        let passes = text.saturating_add(step.saturating_mul(drawing.steps.into())).saturating_mul(passes);
        let macs = passes.saturating_add(self.decoder_macs(width, height));
        u64::try_from(macs.div_ceil(READ_MACS_PER_UNIT.into())).unwrap_or(u64::MAX)
    }

    /// Multiply-accumulates of one pass of the denoising network over a latent image.
    #[must_use]
    pub fn step_macs(&self, manifest: &ModelManifest, mut width: u128, mut height: u128) -> u128 {
        let (context, text) = (u128::from(manifest.context), u128::from(manifest.hidden));
        let channels = self.channels.map(u128::from);
        let latent = u128::from(self.latent);
        let embedding = 4 * channels[0];
        let residual = |pixels: u128, from: u128, to: u128| {
            let shortcut = if from == to { 0 } else { convolution(pixels, from, to, 1) };
            convolution(pixels, from, to, 3) + embedding * to + convolution(pixels, to, to, 3) + shortcut
        };
        // Two projections around; queries, keys, values and results of both attentions; a gated feed-forward layer of
        // four times the width; scores and weighted values over the image and over the text.
        let attention = |pixels: u128, width: u128| {
            let own = pixels * width * width * (2 + 4 + 2 + 12) + 2 * pixels * pixels * width;
            own + 2 * context * text * width + 2 * pixels * context * width
        };
        let mut skips = vec![channels[0]];
        let mut macs = channels[0] * embedding + embedding * embedding;
        macs += convolution(width * height, latent, channels[0], 3);
        let mut current = channels[0];
        let mut sides = Vec::new();
        for (stage, &to) in channels.iter().enumerate() {
            let is_last = stage + 1 == PAINTER_STAGES;
            for _ in 0..self.blocks {
                macs += residual(width * height, current, to);
                macs += if is_last { 0 } else { attention(width * height, to) };
                current = to;
                skips.push(current);
            }
            sides.push((width, height));
            if !is_last {
                (width, height) = (width.div_ceil(2), height.div_ceil(2));
                macs += convolution(width * height, current, current, 3);
                skips.push(current);
            }
        }
        macs += 2 * residual(width * height, current, current) + attention(width * height, current);
        for (stage, &to) in channels.iter().enumerate().rev() {
            (width, height) = sides[stage];
            for _ in 0..=self.blocks {
                macs += residual(width * height, current + skips.pop().unwrap_or(0), to);
                macs += if stage + 1 == PAINTER_STAGES { 0 } else { attention(width * height, to) };
                current = to;
            }
            if stage > 0 {
                let (width, height) = sides[stage - 1];
                macs += convolution(width * height, current, current, 3);
            }
        }
        macs + convolution(width * height, current, latent, 3)
    }

    /// Multiply-accumulates of decoding a latent image.
    #[must_use]
    pub fn decoder_macs(&self, width: u128, height: u128) -> u128 {
        let channels = self.decoder_channels.map(u128::from);
        let latent = u128::from(self.latent);
        let residual = |pixels: u128, from: u128, to: u128| {
            let shortcut = if from == to { 0 } else { convolution(pixels, from, to, 1) };
            convolution(pixels, from, to, 3) + convolution(pixels, to, to, 3) + shortcut
        };
        let mut pixels = width * height;
        let mut current = channels[PAINTER_STAGES - 1];
        let mut macs = convolution(pixels, latent, latent, 1) + convolution(pixels, latent, current, 3);
        macs += 2 * residual(pixels, current, current) + 4 * pixels * current * current + 2 * pixels * pixels * current;
        for (stage, &to) in channels.iter().enumerate().rev() {
            for _ in 0..=self.decoder_blocks {
                macs += residual(pixels, current, to);
                current = to;
            }
            if stage > 0 {
                pixels *= 4;
                macs += convolution(pixels, current, current, 3);
            }
        }
        macs + convolution(pixels, current, 3, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Family, NUMERICS_VERSION, RopeScaling, SpecialTokens};

    fn stable_diffusion() -> (ModelManifest, PainterShape) {
        let manifest = ModelManifest {
            name: "stable-diffusion-v1-5".to_owned(),
            numerics: NUMERICS_VERSION,
            family: Family::Diffusion,
            layers: 12,
            hidden: 768,
            heads: 12,
            kv_heads: 12,
            head_dim: 64,
            feed_forward: 3_072,
            vocab: 49_408,
            context: 77,
            rope_base: 0,
            rope_scaling: RopeScaling::None,
            norm_epsilon_bits: 1e-5f32.to_bits(),
            tied_head: true,
            special: SpecialTokens::default(),
            chat_template: String::new(),
            license: String::new(),
        };
        let shape = PainterShape {
            latent: 4,
            channels: [320, 640, 1_280, 1_280],
            blocks: 2,
            heads: 8,
            groups: 32,
            norm_epsilon_bits: 1e-5f32.to_bits(),
            decoder_channels: [128, 256, 512, 512],
            decoder_blocks: 2,
            decoder_groups: 32,
            scaling_bits: 0.18215f32.to_bits(),
            train_steps: 1_000,
            steps_offset: 1,
            first: 49_406,
            last: 49_407,
            padding: 49_407,
        };
        (manifest, shape)
    }

    #[test]
    fn a_drawing_costs_what_its_shape_says() {
        let (manifest, shape) = stable_diffusion();
        // The published network does about 340 thousand million multiply-accumulates a pass, attention's pairs included
        // about 400; its decoder about 1,250.
        let step = shape.step_macs(&manifest, 64, 64);
        assert!((380_000_000_000..420_000_000_000).contains(&step), "{step}");
        let decoder = shape.decoder_macs(64, 64);
        assert!((1_150_000_000_000..1_350_000_000_000).contains(&decoder), "{decoder}");
        let drawing =
            Drawing { width: 512, height: 512, steps: 20, guidance_bps: 75_000, negative_prompt: String::new() };
        let units = shape.units(&manifest, &drawing);
        let pass = |steps: u32, guidance_bps| Drawing { steps, guidance_bps, ..drawing.clone() };
        assert!(shape.units(&manifest, &pass(21, 75_000)) > units);
        assert!(shape.units(&manifest, &pass(20, BASIS_POINTS)) < units);
        assert!(shape.units(&manifest, &Drawing { width: 520, ..drawing.clone() }) > units);
        let most = [u32::MAX; PAINTER_STAGES];
        let absurd = PainterShape { channels: most, decoder_channels: most, ..shape };
        assert_eq!(absurd.units(&manifest, &drawing), u64::MAX);
    }
}
