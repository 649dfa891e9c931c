//! Numbers that only one family has: they follow the header of a canonical file's second version.

use noema_inference_api::{Family, ModelManifest};
use serde::{Deserialize, Serialize};

use crate::ModelError;
use crate::format::{DirectoryBuilder, SectionKind, rule};

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
            Self::NeoX { rotary, .. } => *rotary,
            Self::None => manifest.head_dim,
            Self::Bert { .. } => 0,
        }
    }

    /// Checks that the extension is the family's and fits the manifest.
    pub(crate) fn check(&self, manifest: &ModelManifest) -> Result<(), ModelError> {
        let family = manifest.family;
        let fits = match self {
            Self::None => family == Family::Llama,
            Self::NeoX { .. } => family == Family::NeoX,
            Self::Bert { .. } => family == Family::Bert,
        };
        rule("family", family as u64, fits, || "the family of the numbers that follow the header".to_owned())?;
        let all = manifest.kv_heads == manifest.heads;
        match self {
            Self::None => Ok(()),
            Self::NeoX { rotary, .. } => {
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

    /// Adds the sections after the tokenizer.
    pub(crate) fn sections(&self, manifest: &ModelManifest, list: &mut DirectoryBuilder) {
        match self {
            Self::None => llama(manifest, list),
            Self::NeoX { .. } => neox(manifest, list),
            Self::Bert { .. } => bert(manifest, list),
        }
    }
}

fn llama(manifest: &ModelManifest, list: &mut DirectoryBuilder) {
    let ModelManifest { hidden, feed_forward, vocab, head_dim, .. } = *manifest;
    let (query, shared) = (manifest.heads * head_dim, manifest.kv_heads * head_dim);
    list.push("embed", SectionKind::W8, vocab, hidden);
    for layer in 0..manifest.layers {
        let mut push =
            |name: &str, kind, rows, columns| list.push(&format!("layers.{layer}.{name}"), kind, rows, columns);
        push("attn_norm", SectionKind::F32, 1, hidden);
        push("q", SectionKind::W8, query, hidden);
        push("k", SectionKind::W8, shared, hidden);
        push("v", SectionKind::W8, shared, hidden);
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
