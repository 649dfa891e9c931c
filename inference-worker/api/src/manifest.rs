//! What the chain knows of a model.

use serde::{Deserialize, Serialize};

/// Version of the arithmetic standard this tree implements (docs/numerics.md).
pub const NUMERICS_VERSION: u32 = 1;

/// Architecture of a model. The order of variants is the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// Decoder-only transformer with RMSNorm, rotary positions and SwiGLU.
    Llama,
    /// Decoder-only transformer with LayerNorm, partly rotary positions, GELU and parallel residual branches.
    NeoX,
    /// Encoder with learnt positions, LayerNorm after each branch and GELU: embeds texts.
    Bert,
    /// Latent diffusion: a text encoder, which the manifest describes, a denoising network and an image decoder, which
    /// [`crate::PainterShape`] describes. Draws.
    Diffusion,
}

/// Stretching of rotary positions. The order of variants is the wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RopeScaling {
    /// None.
    None,
    /// Positions are divided by a factor.
    Linear,
    /// Low frequencies are divided by a factor, high ones kept, those between blended, as LLaMA 3.1 does.
    Llama3,
}

/// Token ids with a meaning of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpecialTokens {
    /// Put before a prompt, if the model wants one.
    pub bos: Option<u32>,
    /// Any of these ends an answer.
    pub eos: Vec<u32>,
}

/// Shape and identity of a model: what gas and validation need, without the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// Name for people.
    pub name: String,
    /// Version of the arithmetic standard.
    pub numerics: u32,
    /// Architecture.
    pub family: Family,
    /// Transformer layers.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Width of the feed-forward layer.
    pub feed_forward: u32,
    /// Entries of the vocabulary.
    pub vocab: u32,
    /// Tokens the model can see.
    pub context: u32,
    /// Rotary base.
    pub rope_base: u64,
    /// Rotary scaling.
    pub rope_scaling: RopeScaling,
    /// Bits of the f32 epsilon of the norms.
    pub norm_epsilon_bits: u32,
    /// Whether the output head is the embedding table.
    pub tied_head: bool,
    /// Special tokens.
    pub special: SpecialTokens,
    /// Chat template (Jinja), empty when the model has none.
    pub chat_template: String,
    /// SPDX licence expression.
    pub license: String,
}

/// Price of a model in inference units: microseconds of a reference machine, by formula from the shape.
///
/// The reference machine does 8,000 multiply-accumulates per microsecond when it generates (bound by memory) and
/// 32,000 when it reads a prompt or the context (bound by arithmetic). All divisions round up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Units per token of the prompt.
    pub prompt_token: u64,
    /// Units per new token.
    pub new_token: u64,
    /// Units per 1,024 (token, earlier token) pairs that attention reads.
    pub context_kilo: u64,
}

const GENERATE_MACS_PER_UNIT: u64 = 8_000;
pub(crate) const READ_MACS_PER_UNIT: u64 = 32_000;

impl ModelManifest {
    /// Multiply-accumulates of the linear layers for one token, output head excluded.
    #[must_use]
    pub fn body_macs(&self) -> u64 {
        let [layers, hidden, heads, kv_heads, head_dim, feed_forward] =
            [self.layers, self.hidden, self.heads, self.kv_heads, self.head_dim, self.feed_forward].map(u64::from);
        let attention = 2 * hidden * heads * head_dim + 2 * hidden * kv_heads * head_dim;
        // The feed-forward layer has a gate beside its two matrices in one family only.
        let matrices = match self.family {
            Family::Llama => 3,
            Family::NeoX | Family::Bert | Family::Diffusion => 2,
        };
        layers * (attention + matrices * hidden * feed_forward)
    }

    /// Price of the model.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let head = u64::from(self.hidden) * u64::from(self.vocab);
        let pair = 2 * u64::from(self.layers) * u64::from(self.heads) * u64::from(self.head_dim);
        Cost {
            prompt_token: self.body_macs().div_ceil(READ_MACS_PER_UNIT),
            new_token: (self.body_macs() + head).div_ceil(GENERATE_MACS_PER_UNIT),
            context_kilo: (1_024 * pair).div_ceil(READ_MACS_PER_UNIT),
        }
    }
}

impl Cost {
    /// Units to read `prompt` tokens and write at most `new` ones after them; saturating. `0x1::model` has the same formula.
    #[must_use]
    pub fn units(&self, prompt: u64, new: u64) -> u64 {
        let tokens = |count: u64| u128::from(count.min(u64::from(u32::MAX)));
        let total = tokens(prompt) + tokens(new);
        let pairs = total * (total + 1) / 2;
        let product = |count: u64, price: u64| u128::from(count) * u128::from(price);
        let units = product(prompt, self.prompt_token)
            .saturating_add(product(new, self.new_token))
            .saturating_add(u128::from(self.context_kilo) * pairs.div_ceil(1_024));
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_follows_the_shape() {
        let smollm2 = ModelManifest {
            name: "smollm2-135m".to_owned(),
            numerics: NUMERICS_VERSION,
            family: Family::Llama,
            layers: 30,
            hidden: 576,
            heads: 9,
            kv_heads: 3,
            head_dim: 64,
            feed_forward: 1_536,
            vocab: 49_152,
            context: 8_192,
            rope_base: 100_000,
            rope_scaling: RopeScaling::None,
            norm_epsilon_bits: 1e-5f32.to_bits(),
            tied_head: true,
            special: SpecialTokens::default(),
            chat_template: String::new(),
            license: "Apache-2.0".to_owned(),
        };
        assert_eq!(smollm2.body_macs(), 106_168_320);
        assert_eq!(smollm2.cost(), Cost { prompt_token: 3_318, new_token: 16_810, context_kilo: 1_106 });
        assert_eq!(smollm2.cost().units(0, 0), 0);
        assert_eq!(smollm2.cost().units(u64::MAX, 1), u64::MAX);
        let without_gate = ModelManifest { family: Family::NeoX, ..smollm2 };
        assert_eq!(without_gate.body_macs(), 106_168_320 - 30 * 576 * 1_536);
    }
}
