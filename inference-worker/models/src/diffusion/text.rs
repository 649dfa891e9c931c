//! CLIP's text encoder: a causal transformer with layer norms before its branches and quick GELU.

use noema_inference_api::ModelManifest;

use super::build::Parts;
use super::paint::{Attending, Brush, Made};
use crate::ModelError;
use crate::blocks::{Attention, FeedForward, Norm};
use crate::compute::Matrix;

#[derive(Debug)]
struct Layer {
    attention_norm: Norm,
    attention: Attention,
    feed_forward_norm: Norm,
    feed_forward: FeedForward,
}

/// The encoder.
#[derive(Debug)]
pub(super) struct TextEncoder {
    heads: usize,
    epsilon: f32,
    embed: Matrix,
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
}

impl TextEncoder {
    pub(super) fn build(manifest: &ModelManifest, mut parts: Parts<'_>) -> Result<Self, ModelError> {
        let ModelManifest { hidden, feed_forward, vocab, context, .. } = *manifest;
        let mut parts = parts.within("text_model");
        let mut tables = parts.within("embeddings");
        let embed = tables.matrix("token_embedding", vocab, hidden)?;
        let positions = tables.floats("position_embedding", context, hidden)?;
        let mut layers = Vec::new();
        for i in 0..manifest.layers {
            let mut layer = parts.within(format!("encoder.layers.{i}"));
            let attention_norm = layer.norm("layer_norm1", hidden)?;
            let mut own = layer.within("self_attn");
            let attention = Attention {
                q: own.linear("q_proj", hidden, hidden)?,
                k: own.linear("k_proj", hidden, hidden)?,
                v: own.linear("v_proj", hidden, hidden)?,
                o: own.linear("out_proj", hidden, hidden)?,
            };
            let feed_forward_norm = layer.norm("layer_norm2", hidden)?;
            let mut own = layer.within("mlp");
            let feed_forward = FeedForward {
                up: own.linear("fc1", hidden, feed_forward)?,
                down: own.linear("fc2", feed_forward, hidden)?,
                // Neither: it is quick GELU.
                is_tanh: false,
            };
            layers.push(Layer { attention_norm, attention, feed_forward_norm, feed_forward });
        }
        let norm = parts.norm("final_layer_norm", hidden)?;
        let epsilon = f32::from_bits(manifest.norm_epsilon_bits);
        Ok(Self { heads: manifest.heads as usize, epsilon, embed, positions, layers, norm })
    }

    /// One row per token. There are no more tokens than positions, and all are of the vocabulary.
    pub(super) fn read(&self, brush: Brush<'_>, tokens: &[u32]) -> Made<Vec<f32>> {
        let (arithmetic, width) = (brush.compute.arithmetic(), self.embed.tiles.inputs());
        let mut x = vec![0.0; tokens.len() * width];
        for (i, (&token, row)) in tokens.iter().zip(x.chunks_exact_mut(width)).enumerate() {
            self.embed.embed(arithmetic, token as usize, row);
            arithmetic.add(row, &self.positions[i * width..][..width]);
        }
        for layer in &self.layers {
            let normed = brush.layer_norm(&layer.attention_norm, self.epsilon, &x)?;
            let Attention { q, k, v, o } = &layer.attention;
            let (q, k, v) = (brush.linear(q, &normed)?, brush.linear(k, &normed)?, brush.linear(v, &normed)?);
            let attending = Attending { q: &q, k: &k, v: &v, heads: self.heads, width, is_causal: true };
            brush.add(&mut x, &brush.linear(o, &brush.attend(attending)?)?);
            let normed = brush.layer_norm(&layer.feed_forward_norm, self.epsilon, &x)?;
            let mut inner = brush.linear(&layer.feed_forward.up, &normed)?;
            brush.quick_gelu(&mut inner, layer.feed_forward.up.matrix.rows());
            brush.add(&mut x, &brush.linear(&layer.feed_forward.down, &inner)?);
        }
        brush.layer_norm(&self.norm, self.epsilon, &x)
    }
}
