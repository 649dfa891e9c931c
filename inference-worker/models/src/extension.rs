//! Numbers that only one family has: they follow the header of a canonical file's second version.

use noema_inference_api::{Family, ModelManifest, PainterShape, RopeScaling};
use noema_numerics::{image, rope};
use serde::{Deserialize, Serialize};

use crate::format::{DirectoryBuilder, SectionKind, rule};
use crate::limits::STRETCH_MILLI_MAX;
use crate::{ModelError, diffusion};

/// What the manifest does not say. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extension {
    /// Nothing: a plain LLaMA model, in a file of the first version.
    None,
    /// Of [`Family::NeoX`].
    NeoX {
        /// Values of a head that are rotated, from its first on.
        rotary: u32,
        /// Whether attention and feed-forward layer read the same input, rather than one the other's output.
        parallel: bool,
    },
    /// Of [`Family::Bert`].
    Bert {
        /// Token put before every text.
        first: u32,
        /// Token put after every text.
        last: u32,
        /// How a text's tokens become one vector.
        pooling: Pooling,
    },
    /// Of [`Family::Llama`], where something is not plain.
    Llama {
        /// Whether the query, key and value layers add a bias, as Qwen 2's do.
        biases: bool,
        /// How rotary angles are stretched.
        stretch: Stretch,
    },
    /// As [`Extension::NeoX`], with GELU by the hyperbolic tangent.
    NeoXTanh {
        /// Values of a head that are rotated, from its first on.
        rotary: u32,
        /// Whether attention and feed-forward layer read the same input, rather than one the other's output.
        parallel: bool,
    },
    /// Of [`Family::Diffusion`]: all but the text encoder.
    Diffusion(PainterShape),
}

/// How rotary angles are stretched; factors are in thousandths. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stretch {
    /// Not at all.
    None,
    /// All angles are divided by the factor.
    Linear {
        /// The factor.
        factor_milli: u32,
    },
    /// LLaMA 3's rule: frequencies that turn less than `low` times in `context` positions are divided by the factor,
    /// those that turn more than `high` times are kept, those between are blended.
    Bands {
        /// The factor.
        factor_milli: u32,
        /// Turns below which angles are divided.
        low_milli: u32,
        /// Turns above which they are kept.
        high_milli: u32,
        /// Positions the model was first trained with.
        context: u32,
    },
    /// Each frequency is divided by a factor of its own, which the section `rope.factors` holds.
    Factors,
}

impl Stretch {
    /// What the manifest says of it.
    #[must_use]
    pub const fn scaling(&self) -> RopeScaling {
        match self {
            Self::None => RopeScaling::None,
            Self::Linear { .. } => RopeScaling::Linear,
            Self::Bands { .. } | Self::Factors => RopeScaling::Llama3,
        }
    }

    fn check(&self) -> Result<(), ModelError> {
        let factor = |factor: u32| {
            rule("rotary factor in thousandths", factor.into(), (1_000..=STRETCH_MILLI_MAX).contains(&factor), || {
                format!("1000 to {STRETCH_MILLI_MAX}")
            })
        };
        match *self {
            Self::None | Self::Factors => Ok(()),
            Self::Linear { factor_milli } => factor(factor_milli),
            Self::Bands { factor_milli, low_milli, high_milli, context } => {
                factor(factor_milli)?;
                let fits = low_milli < high_milli && high_milli <= STRETCH_MILLI_MAX;
                rule("rotary band's end in thousandths", high_milli.into(), fits, || {
                    format!("above its start of {low_milli}, at most {STRETCH_MILLI_MAX}")
                })?;
                let fits = (1..=crate::limits::CONTEXT_MAX).contains(&context);
                rule("rotary band's context", context.into(), fits, || "1 to the longest context".to_owned())
            }
        }
    }
}

/// How a text's tokens become one vector. The order of variants is the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// The sum of all tokens, in their order; its direction is the mean's.
    Mean,
    /// The first token.
    First,
}

impl Extension {
    /// Values of a head that are rotated.
    pub(crate) const fn rotary(&self, manifest: &ModelManifest) -> u32 {
        match self {
            Self::NeoX { rotary, .. } | Self::NeoXTanh { rotary, .. } => *rotary,
            Self::None | Self::Llama { .. } => manifest.head_dim,
            Self::Bert { .. } | Self::Diffusion(_) => 0,
        }
    }

    /// Waves of the noise levels of a family that has them.
    pub(crate) fn level_waves(&self) -> rope::Table {
        let Self::Diffusion(shape) = self else { return rope::Table { cos: Vec::new(), sin: Vec::new() } };
        image::level_waves(shape.channels[0] as usize, shape.train_steps as usize)
    }

    /// Checks that the extension is the family's and fits the manifest.
    pub(crate) fn check(&self, manifest: &ModelManifest) -> Result<(), ModelError> {
        let family = manifest.family;
        let fits = match self {
            Self::None | Self::Llama { .. } => family == Family::Llama,
            Self::NeoX { .. } | Self::NeoXTanh { .. } => family == Family::NeoX,
            Self::Bert { .. } => family == Family::Bert,
            Self::Diffusion(_) => family == Family::Diffusion,
        };
        rule("family", family as u64, fits, || "the family of the numbers that follow the header".to_owned())?;
        let scaling = manifest.rope_scaling;
        rule("rotary scaling", scaling as u64, scaling == self.stretch().scaling(), || {
            format!("{}, as the numbers after the header say", self.stretch().scaling() as u64)
        })?;
        let all = manifest.kv_heads == manifest.heads;
        match self {
            Self::None => Ok(()),
            Self::Llama { biases, stretch } => {
                let is_plain = !biases && *stretch == Stretch::None;
                rule("file version", 2, !is_plain, || "1 for a plain LLaMA model".to_owned())?;
                stretch.check()
            }
            Self::Diffusion(shape) => diffusion::check(manifest, shape),
            Self::NeoX { rotary, .. } | Self::NeoXTanh { rotary, .. } => {
                let fits = (2..=manifest.head_dim).contains(rotary) && rotary.is_multiple_of(2);
                rule("rotated values", u64::from(*rotary), fits, || {
                    format!("an even number up to the head's {}", manifest.head_dim)
                })?;
                rule("kv_heads", manifest.kv_heads.into(), all, || "as many as heads".to_owned())
            }
            Self::Bert { first, last, .. } => {
                for token in [first, last] {
                    let fits = *token < manifest.vocab;
                    rule("token around a text", u64::from(*token), fits, || {
                        format!("below the vocabulary of {}", manifest.vocab)
                    })?;
                }
                rule("context", manifest.context.into(), manifest.context > 2, || "at least 3".to_owned())?;
                rule("kv_heads", manifest.kv_heads.into(), all, || "as many as heads".to_owned())
            }
        }
    }

    /// How rotary angles are stretched.
    #[must_use]
    pub const fn stretch(&self) -> Stretch {
        match self {
            Self::Llama { stretch, .. } => *stretch,
            _ => Stretch::None,
        }
    }

    /// The rotary tables of a checked manifest; `factors` holds what the section of this name does.
    pub(crate) fn table(&self, manifest: &ModelManifest, factors: &[f32]) -> Result<rope::Table, ModelError> {
        let (base, positions) = (manifest.rope_base, manifest.context as usize);
        let stretch = match self.stretch() {
            Stretch::None => rope::Stretch::None,
            Stretch::Linear { factor_milli } => rope::Stretch::Linear { factor_milli },
            Stretch::Bands { factor_milli, low_milli, high_milli, context } => {
                rope::Stretch::Bands { factor_milli, low_milli, high_milli, context }
            }
            Stretch::Factors => {
                let outside = factors.iter().find(|factor| !(1.0..=rope::FACTOR_MAX).contains(*factor));
                return match outside {
                    Some(factor) => {
                        let range = format!("a rotary factor is {factor}, not from 1 to {}", rope::FACTOR_MAX);
                        Err(ModelError::Malformed(range))
                    }
                    None => Ok(rope::divided_table(base, factors, positions)),
                };
            }
        };
        Ok(rope::stretched_table(base, self.rotary(manifest) as usize, positions, stretch))
    }

    /// Adds the sections after the tokenizer.
    pub(crate) fn sections(&self, manifest: &ModelManifest, list: &mut DirectoryBuilder) {
        match self {
            Self::None => llama(manifest, false, list),
            Self::Llama { biases, .. } => llama(manifest, *biases, list),
            Self::NeoX { .. } | Self::NeoXTanh { .. } => neox(manifest, list),
            Self::Bert { .. } => bert(manifest, list),
            Self::Diffusion(shape) => diffusion::sections(manifest, shape, list),
        }
    }
}

fn llama(manifest: &ModelManifest, biases: bool, list: &mut DirectoryBuilder) {
    let ModelManifest { hidden, feed_forward, vocab, head_dim, .. } = *manifest;
    let (query, shared) = (manifest.heads * head_dim, manifest.kv_heads * head_dim);
    list.push("embed", SectionKind::W8, vocab, hidden);
    for layer in 0..manifest.layers {
        let mut push =
            |name: &str, kind, rows, columns| list.push(&format!("layers.{layer}.{name}"), kind, rows, columns);
        push("attn_norm", SectionKind::F32, 1, hidden);
        for (name, rows) in [("q", query), ("k", shared), ("v", shared)] {
            push(name, SectionKind::W8, rows, hidden);
            if biases {
                push(&format!("{name}_bias"), SectionKind::F32, 1, rows);
            }
        }
        push("o", SectionKind::W8, hidden, query);
        push("ffn_norm", SectionKind::F32, 1, hidden);
        push("gate", SectionKind::W8, feed_forward, hidden);
        push("up", SectionKind::W8, feed_forward, hidden);
        push("down", SectionKind::W8, hidden, feed_forward);
    }
    list.push("norm", SectionKind::F32, 1, hidden);
    if !manifest.tied_head {
        list.push("head", SectionKind::W8, vocab, hidden);
    }
}

fn neox(manifest: &ModelManifest, list: &mut DirectoryBuilder) {
    let ModelManifest { hidden, feed_forward, vocab, .. } = *manifest;
    let query = manifest.heads * manifest.head_dim;
    list.push("embed", SectionKind::W8, vocab, hidden);
    for layer in 0..manifest.layers {
        let prefix = format!("layers.{layer}.");
        list.norm(&format!("{prefix}attn_norm"), hidden);
        list.attention(&prefix, query, hidden);
        list.norm(&format!("{prefix}ffn_norm"), hidden);
        list.feed_forward(&prefix, feed_forward, hidden);
    }
    list.norm("norm", hidden);
    if !manifest.tied_head {
        list.push("head", SectionKind::W8, vocab, hidden);
    }
}

fn bert(manifest: &ModelManifest, list: &mut DirectoryBuilder) {
    let ModelManifest { hidden, feed_forward, vocab, context, .. } = *manifest;
    let query = manifest.heads * manifest.head_dim;
    list.push("embed", SectionKind::W8, vocab, hidden);
    list.push("positions", SectionKind::F32, context, hidden);
    list.norm("embed_norm", hidden);
    for layer in 0..manifest.layers {
        let prefix = format!("layers.{layer}.");
        list.attention(&prefix, query, hidden);
        list.norm(&format!("{prefix}attn_norm"), hidden);
        list.feed_forward(&prefix, feed_forward, hidden);
        list.norm(&format!("{prefix}ffn_norm"), hidden);
    }
}

impl DirectoryBuilder {
    fn linear(&mut self, name: &str, rows: u32, columns: u32) {
        self.push(name, SectionKind::W8, rows, columns);
        self.push(&format!("{name}_bias"), SectionKind::F32, 1, rows);
    }

    fn norm(&mut self, name: &str, width: u32) {
        self.push(name, SectionKind::F32, 1, width);
        self.push(&format!("{name}_bias"), SectionKind::F32, 1, width);
    }

    fn attention(&mut self, prefix: &str, query: u32, hidden: u32) {
        for name in ["q", "k", "v"] {
            self.linear(&format!("{prefix}{name}"), query, hidden);
        }
        self.linear(&format!("{prefix}o"), hidden, query);
    }

    fn feed_forward(&mut self, prefix: &str, feed_forward: u32, hidden: u32) {
        self.linear(&format!("{prefix}up"), feed_forward, hidden);
        self.linear(&format!("{prefix}down"), hidden, feed_forward);
    }
}
