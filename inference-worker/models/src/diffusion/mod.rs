//! Latent diffusion: a text encoder, a denoising network and a decoder draw an image.
//!
//! The layout is Stable Diffusion 1.5's. A drawing is a function of the weights, the two texts, the size, the steps, the
//! guidance and the seed; it is done in turns, so that a caller can do other work between them or stop.

mod blocks;
mod build;
mod decoder;
mod paint;
mod png;
#[cfg(test)]
mod tests;
mod text;
mod unet;

use std::fmt;
use std::sync::Arc;

use noema_inference_api::limits::{BASIS_POINTS, DRAWING_SIDE_MAX, DRAWING_STEPS_MAX};
use noema_inference_api::{LATENT_SCALE, ModelManifest, PAINTER_STAGES, PainterShape};
use noema_numerics::image::{Levels, noise};

pub(crate) use build::{Asked, Builder, asked, sections};

use build::Parts;
use decoder::Decoder;
use paint::{Brush, Image, Made};
use text::TextEncoder;
use unet::{Told, Unet};

use crate::format::rule;
use crate::limits::{LEVELS_MAX, PAINTER_BLOCKS_MAX, WIDTH_MAX};
use crate::{Compute, ModelError, Painter, Sketch};

/// A latent diffusion model.
#[derive(Debug)]
pub(crate) struct Diffusion {
    manifest: Arc<ModelManifest>,
    shape: PainterShape,
    /// One row per noise level.
    cos: Vec<f32>,
    sin: Vec<f32>,
    /// Share of the signal at each noise level.
    shares: Vec<f32>,
    text: TextEncoder,
    unet: Unet,
    decoder: Decoder,
}

/// A drawing under way.
pub struct Canvas {
    /// Tokens of the prompt, then of the negative prompt if guidance makes use of it, as the encoder reads them.
    texts: Vec<Vec<u32>>,
    /// Places of the latent image across and down.
    size: (usize, usize),
    steps: usize,
    guidance: f32,
    seed: u64,
    stage: Stage,
}

enum Stage {
    Read,
    Denoise { step: usize, latents: Image, texts: Vec<Vec<f32>> },
    Decode { part: usize, image: Image },
    Done,
}

impl fmt::Debug for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canvas").field("size", &self.size).field("left", &self.turns_left()).finish_non_exhaustive()
    }
}

impl Canvas {
    /// Turns until the image is there.
    #[must_use]
    pub const fn turns_left(&self) -> usize {
        match &self.stage {
            Stage::Read => 1 + self.steps + Decoder::PARTS,
            Stage::Denoise { step, .. } => self.steps - *step + Decoder::PARTS,
            Stage::Decode { part, .. } => Decoder::PARTS - *part,
            Stage::Done => 0,
        }
    }
}

/// Checks that a shape describes a model this crate can hold.
pub(crate) fn check(manifest: &ModelManifest, shape: &PainterShape) -> Result<(), ModelError> {
    let within =
        |what: &str, got: u32, max: u32| rule(what, got.into(), (1..=max).contains(&got), || format!("1 to {max}"));
    // Blocks on the way up see two images at once, under a kernel of nine places.
    let widest = WIDTH_MAX / 18;
    within("latent channels", shape.latent, widest)?;
    within("blocks", shape.blocks, PAINTER_BLOCKS_MAX)?;
    within("decoder blocks", shape.decoder_blocks, PAINTER_BLOCKS_MAX)?;
    within("groups", shape.groups, widest)?;
    within("decoder groups", shape.decoder_groups, widest)?;
    within("heads", shape.heads, widest)?;
    let parts = |what: &str, channels: u32, divisor: u32, of: &str| {
        rule(what, channels.into(), channels.is_multiple_of(divisor), || format!("a multiple of the {divisor} {of}"))
    };
    for channels in shape.channels {
        within("channels", channels, widest)?;
        parts("channels", channels, shape.groups, "groups")?;
        parts("channels", channels, shape.heads, "heads")?;
    }
    let first = shape.channels[0];
    rule("channels", first.into(), first.is_multiple_of(2), || "even in the first stage".to_owned())?;
    for channels in shape.decoder_channels {
        within("decoder channels", channels, widest)?;
        parts("decoder channels", channels, shape.decoder_groups, "groups")?;
    }
    within("noise levels", shape.train_steps, LEVELS_MAX)?;
    let smallest = shape.train_steps / DRAWING_STEPS_MAX;
    rule("offset of noise levels", shape.steps_offset.into(), shape.steps_offset < smallest, || {
        format!("below the smallest step, {smallest} levels")
    })?;
    for (what, bits) in [("scaling", shape.scaling_bits), ("epsilon", shape.norm_epsilon_bits)] {
        let value = f32::from_bits(bits);
        rule(what, bits.into(), value.is_normal() && value > 0.0, || "a positive number".to_owned())?;
    }
    for token in [shape.first, shape.last, shape.padding] {
        rule("token around a text", token.into(), token < manifest.vocab, || {
            format!("below the vocabulary of {}", manifest.vocab)
        })?;
    }
    rule("context", manifest.context.into(), manifest.context > 2, || "at least 3".to_owned())?;
    let whole = manifest.heads == manifest.kv_heads && manifest.heads * manifest.head_dim == manifest.hidden;
    rule("heads", manifest.heads.into(), whole, || "heads that divide the width, with keys of their own".to_owned())
}

impl Diffusion {
    pub(crate) fn build(
        manifest: &Arc<ModelManifest>,
        shape: &PainterShape,
        builder: &mut dyn Builder,
    ) -> Result<Self, ModelError> {
        let (levels, waves) = (shape.train_steps, shape.channels[0] / 2);
        let cos = builder.floats("level.cos", levels, waves)?;
        let sin = builder.floats("level.sin", levels, waves)?;
        let shares = builder.floats("level.shares", 1, levels)?;
        if let Some(share) = shares.iter().find(|share| !(**share > 0.0 && **share < 1.0)) {
            return Err(ModelError::Malformed(format!("`level.shares` holds {share}, which is no share")));
        }
        let text = TextEncoder::build(manifest, Parts::new(builder, "text"))?;
        let unet = Unet::build(manifest, shape, Parts::new(builder, "unet"))?;
        let decoder = Decoder::build(shape, Parts::new(builder, "vae"))?;
        Ok(Self { manifest: Arc::clone(manifest), shape: *shape, cos, sin, shares, text, unet, decoder })
    }

    /// A text as the encoder reads it: filled up to the context.
    fn framed(&self, text: &[u32]) -> Result<Vec<u32>, ModelError> {
        let ModelManifest { vocab, context, .. } = *self.manifest;
        if let Some(&token) = text.iter().find(|&&token| token >= vocab) {
            return Err(ModelError::TokenOutOfRange { token, vocab });
        }
        let tokens = text.len() as u64 + 2;
        if tokens > context.into() {
            return Err(ModelError::ContextExceeded { tokens, context });
        }
        let mut framed = vec![self.shape.first];
        framed.extend_from_slice(text);
        framed.push(self.shape.last);
        framed.resize(context as usize, self.shape.padding);
        Ok(framed)
    }

    fn waves(&self, level: usize) -> Vec<f32> {
        let half = self.shape.channels[0] as usize / 2;
        [&self.cos[level * half..][..half], &self.sin[level * half..][..half]].concat()
    }

    /// The noise level of a step, and the shares before and after it.
    fn level(&self, step: usize, steps: usize) -> (usize, Levels) {
        let stride = self.shape.train_steps as usize / steps;
        let level = (steps - 1 - step) * stride + self.shape.steps_offset as usize;
        let next = level.saturating_sub(stride);
        (level, Levels { from: self.shares[level], to: self.shares[next] })
    }

    fn turn(&self, brush: Brush<'_>, canvas: &mut Canvas) -> Made<Option<Vec<u8>>> {
        let (stage, png) = match std::mem::replace(&mut canvas.stage, Stage::Done) {
            Stage::Read => {
                let texts = canvas.texts.iter().map(|text| self.text.read(brush, text)).collect::<Made<_>>()?;
                let (width, height) = canvas.size;
                let channels = self.shape.latent as usize;
                let data = noise(canvas.seed, width * height * channels);
                (Stage::Denoise { step: 0, latents: Image { width, height, channels, data }, texts }, None)
            }
            Stage::Denoise { step, mut latents, texts } => {
                let (level, levels) = self.level(step, canvas.steps);
                let waves = self.waves(level);
                let predict = |text: &Vec<f32>| self.unet.predict(brush, &latents, Told { waves: &waves, text });
                let mut predicted = predict(texts.last().expect("a prompt"))?;
                let arithmetic = brush.compute.arithmetic();
                if texts.len() > 1 {
                    arithmetic.guide(&mut predicted.data, &predict(&texts[0])?.data, canvas.guidance);
                }
                arithmetic.denoise(&mut latents.data, &predicted.data, levels);
                let next = match step + 1 {
                    step if step < canvas.steps => Stage::Denoise { step, latents, texts },
                    _ => Stage::Decode { part: 0, image: latents },
                };
                (next, None)
            }
            Stage::Decode { part, image } => {
                let image = self.decoder.run(brush, part, image)?;
                if part + 1 < Decoder::PARTS {
                    (Stage::Decode { part: part + 1, image }, None)
                } else {
                    let mut colours = vec![0; image.data.len()];
                    brush.compute.arithmetic().pixels(&image.data, &mut colours)?;
                    (Stage::Done, Some(png::encode(image.width as u32, image.height as u32, &colours)))
                }
            }
            Stage::Done => panic!("a drawing that is done, or failed, has no further turn"),
        };
        canvas.stage = stage;
        Ok(png)
    }
}

impl Painter for Diffusion {
    fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn shape(&self) -> &PainterShape {
        &self.shape
    }

    fn begin(&self, sketch: &Sketch<'_>) -> Result<Canvas, ModelError> {
        for (what, side) in [("width", sketch.width), ("height", sketch.height)] {
            let fits = (1..=DRAWING_SIDE_MAX).contains(&side) && side.is_multiple_of(LATENT_SCALE);
            rule(what, side.into(), fits, || format!("a multiple of {LATENT_SCALE} up to {DRAWING_SIDE_MAX}"))?;
        }
        let fits = (1..=DRAWING_STEPS_MAX).contains(&sketch.steps);
        rule("steps", sketch.steps.into(), fits, || format!("1 to {DRAWING_STEPS_MAX}"))?;
        let mut texts = vec![self.framed(sketch.prompt)?];
        // A text too long is refused, whether it is made use of or not.
        let negative = self.framed(sketch.negative)?;
        if sketch.guidance_bps != BASIS_POINTS {
            texts.push(negative);
        }
        Ok(Canvas {
            texts,
            size: ((sketch.width / LATENT_SCALE) as usize, (sketch.height / LATENT_SCALE) as usize),
            steps: sketch.steps as usize,
            guidance: sketch.guidance_bps as f32 / BASIS_POINTS as f32,
            seed: sketch.seed,
            stage: Stage::Read,
        })
    }

    fn paint(&self, compute: &Compute, canvas: &mut Canvas) -> Result<Option<Vec<u8>>, ModelError> {
        compute.run(|| self.turn(Brush { compute }, canvas)).map_err(ModelError::from)
    }
}

const _: () = assert!(LATENT_SCALE == 1 << (PAINTER_STAGES - 1));
