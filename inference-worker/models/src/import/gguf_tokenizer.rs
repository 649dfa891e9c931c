//! Reads the tokenizer of a GGUF file: byte-level BPE, or SentencePiece's with scores.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use candle_core::quantized::gguf_file::Value;

use super::gguf::{END_TEXTS, GgufFile};
use super::unsupported;
use crate::sentence::{NO_RANK, byte};
use crate::tokenizer::{More, Prefix};
use crate::{ModelError, PreTokenizer, TokenizerData};

/// Kinds of tokens in `tokenizer.ggml.token_type`.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const BYTE: i64 = 6;

/// Tokens that are not made by merges.
pub(super) struct Fixed {
    /// Ids of special tokens, ascending.
    pub(super) special: Vec<u32>,
    /// Ids of tokens that text may spell, ascending.
    added: Vec<u32>,
    kinds: Vec<i64>,
}

impl<R: Read + Seek> GgufFile<R> {
    /// The tokenizer that the metadata describe.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for another kind of tokenizer, [`ModelError::Tokenizer`] for contradictions.
    pub fn tokenizer(&self) -> Result<TokenizerData, ModelError> {
        match self.text("tokenizer.ggml.model")? {
            "gpt2" => self.byte_level(),
            "llama" => self.sentence(),
            kind => Err(unsupported("tokenizer", kind, "gpt2 (byte-level BPE), llama (SentencePiece's BPE)")),
        }
    }

    fn byte_level(&self) -> Result<TokenizerData, ModelError> {
        let pre = match self.optional_text("tokenizer.ggml.pre").unwrap_or("none") {
            "default" => PreTokenizer::Punctuation,
            "gpt-2" | "gpt2" | "phi-2" | "olmo" | "jais" => PreTokenizer::Gpt2,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => PreTokenizer::SmolLm,
            "llama-bpe" | "llama3" | "llama-v3" | "falcon3" => PreTokenizer::Llama3,
            "qwen2" | "deepseek-r1-qwen" => PreTokenizer::Qwen2,
            other => {
                let supported = "default, gpt-2, smollm, llama-bpe, qwen2, and names of the same rules\n\
                    hint: import the folder with the model's tokenizer.json instead";
                return Err(unsupported("pre-tokenizer", other, supported));
            }
        };
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let ids: BTreeMap<&str, u32> = tokens.iter().map(String::as_str).zip(0..).collect();
        let mut merges = Vec::new();
        for merge in self.strings("tokenizer.ggml.merges")? {
            let pair = merge.split_once(' ').and_then(|(a, b)| Some((*ids.get(a)?, *ids.get(b)?)));
            merges.push(pair.ok_or_else(|| ModelError::Tokenizer(format!("merge `{merge}` names unknown tokens")))?);
        }
        let Fixed { special, added, .. } = self.tokens()?;
        Ok(TokenizerData { pre, special, merges, tokens, more: More { added, ..More::default() } })
    }

    fn sentence(&self) -> Result<TokenizerData, ModelError> {
        let flag = |key: &str, default: bool| match self.content.metadata.get(key) {
            None => Ok(default),
            Some(value) => value.to_bool().map_err(|error| ModelError::Gguf(format!("{key}: {error}"))),
        };
        if flag("tokenizer.ggml.remove_extra_whitespaces", false)? {
            return Err(unsupported("tokenizer.ggml.remove_extra_whitespaces", "true", "false"));
        }
        let prefix = if flag("tokenizer.ggml.add_space_prefix", true)? { Prefix::Each } else { Prefix::Never };
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let Fixed { special, added, kinds } = self.tokens()?;
        let mut scores = Vec::with_capacity(tokens.len());
        for score in self.array("tokenizer.ggml.scores")? {
            let score = score.to_f32().ok().filter(|score| score.is_finite());
            scores.push(score.ok_or_else(|| ModelError::Tokenizer("a score is not a number".to_owned()))?);
        }
        if scores.len() != tokens.len() {
            return Err(ModelError::Tokenizer(format!("{} scores for {} tokens", scores.len(), tokens.len())));
        }
        let is_fixed = |id: u32| special.binary_search(&id).is_ok() || added.binary_search(&id).is_ok();
        let is_merged = |id: u32| kinds[id as usize] != BYTE && !is_fixed(id);
        for (id, token) in (0..).zip(&tokens).filter(|(id, _)| kinds[*id as usize] == BYTE) {
            if byte(token).is_none() {
                return Err(ModelError::Tokenizer(format!("token {id} is a byte called `{token}`")));
            }
        }
        // Scores that say nothing are what converters write who have only seen tokenizer.json.
        let mut ranked: Vec<f32> =
            (0..).zip(&scores).filter(|(id, _)| is_merged(*id)).map(|(_, score)| *score).collect();
        ranked.sort_by(|a, b| b.total_cmp(a));
        ranked.dedup();
        if ranked.len() < 2 {
            let supported = "scores that rank tokens\nhint: import the folder with the model's tokenizer.json instead";
            return Err(unsupported("tokenizer.ggml.scores", "all equal", supported));
        }
        let rank = |(id, score): (u32, &f32)| {
            if !is_merged(id) {
                return NO_RANK;
            }
            ranked.binary_search_by(|other| score.total_cmp(other)).expect("every score is listed") as u32
        };
        let ranks = (0..).zip(&scores).map(rank).collect();
        let more = More { added, ranks };
        Ok(TokenizerData { pre: PreTokenizer::Sentence(prefix), special, merges: Vec::new(), tokens, more })
    }

    /// Which tokens are special, which are added. Tokens that end an answer are special, whatever the file calls them.
    pub(super) fn tokens(&self) -> Result<Fixed, ModelError> {
        let types = self.array("tokenizer.ggml.token_type")?;
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        if types.len() != tokens.len() {
            return Err(ModelError::Tokenizer(format!("{} token types for {} tokens", types.len(), tokens.len())));
        }
        let mut fixed = Fixed { special: Vec::new(), added: Vec::new(), kinds: Vec::new() };
        for ((id, kind), token) in (0..).zip(types).zip(&tokens) {
            let kind = match kind {
                Value::I32(kind) => i64::from(*kind),
                Value::U32(kind) => i64::from(*kind),
                _ => return Err(ModelError::Tokenizer("token types are not numbers".to_owned())),
            };
            fixed.kinds.push(kind);
            match kind {
                CONTROL | UNKNOWN => fixed.special.push(id),
                USER_DEFINED if END_TEXTS.contains(&token.as_str()) => fixed.special.push(id),
                USER_DEFINED => fixed.added.push(id),
                _ => {}
            }
        }
        Ok(fixed)
    }
}
