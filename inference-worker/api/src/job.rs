//! Jobs and answers.

use std::fmt;

use noema_types::Hash;
use serde::{Deserialize, Serialize};

use crate::limits::{
    BASIS_POINTS, CHOICE_BYTES_MAX, CHOICES_MAX, DRAWING_SIDE_MAX, DRAWING_STEPS_MAX, GRAMMAR_BYTES_MAX,
    GUIDANCE_BPS_MAX, NEW_TOKENS_MAX, PROMPT_BYTES_MAX, REPETITION_PENALTY_BPS_MAX, STOP_BYTES_MAX, STOPS_MAX,
    TEMPERATURE_BPS_MAX,
};

const JOB_DOMAIN: &[u8] = b"NOEMA::InferenceJob";
const ANSWER_DOMAIN: &[u8] = b"NOEMA::InferenceAnswer";

/// Content hash of a job: BLAKE3 of a domain tag and the job's BCS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(pub Hash);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Everything an answer depends on, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Version of the arithmetic standard.
    pub numerics: u32,
    /// BLAKE3 root of the model's canonical file, which holds the tokenizer too.
    pub model: Hash,
    /// What is asked.
    pub kind: JobKind,
    /// The prompt, UTF-8. A special token of the model spelt out in it is that token, unless a [`crate::PLAIN_MARK`] is
    /// inside; marks are no part of the text.
    pub prompt: String,
    /// How to continue it.
    pub options: Options,
}

/// What a job asks of a model. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobKind {
    /// Continue the prompt.
    Generate,
    /// Index of the likeliest continuation among these, by mean log-likelihood per token; ties to the lowest index.
    Choose(Vec<String>),
    /// Negative log-likelihood of this continuation of the prompt.
    Score(String),
    /// Normalised embedding of the prompt.
    Embed,
    /// An image of the prompt.
    Draw(Drawing),
}

/// What an image is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawing {
    /// Pixels across, a multiple of 8.
    pub width: u32,
    /// Pixels down, a multiple of 8.
    pub height: u32,
    /// Denoising steps.
    pub steps: u32,
    /// Weight of the prompt over the negative prompt, in basis points; 10,000 takes no notice of the latter.
    pub guidance_bps: u32,
    /// What the image should not show; may be empty.
    pub negative_prompt: String,
}

/// What an answer must satisfy, token by token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grammar {
    /// JSON that satisfies this JSON schema.
    JsonSchema(String),
    /// Text that matches this regular expression as a whole.
    Regex(String),
    /// Text of this grammar, in llguidance's form of Lark.
    Lark(String),
}

/// Sampling and stopping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// New tokens, at most.
    pub max_new_tokens: u32,
    /// Temperature in basis points; 0 is greedy.
    pub temperature_bps: u32,
    /// Nucleus in basis points; 10,000 keeps all.
    pub top_p_bps: u32,
    /// Candidates kept; 0 keeps all.
    pub top_k: u32,
    /// Keys the ChaCha20 stream of the draws, or of a drawing's noise; ignored (and kept 0) when a text is greedy.
    pub seed: u64,
    /// Strings that end the answer; the answer does not contain them.
    pub stop: Vec<String>,
    /// Divides positive logits of tokens already in the prompt or the answer, multiplies negative ones, in basis points;
    /// 10,000 changes nothing.
    pub repetition_penalty_bps: u32,
    /// What the answer must satisfy.
    pub grammar: Option<Grammar>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_new_tokens: 64,
            temperature_bps: 0,
            top_p_bps: BASIS_POINTS,
            top_k: 0,
            seed: 0,
            stop: Vec::new(),
            repetition_penalty_bps: BASIS_POINTS,
            grammar: None,
        }
    }
}

/// A job's result: an answer, or the named reason why the model has none. Both are deterministic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Of [`JobKind::Generate`].
    Generated(Generated),
    /// Of [`JobKind::Choose`].
    Chosen {
        /// Index of the choice.
        index: u32,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of all choices together.
        choice_tokens: u32,
    },
    /// The job is well-formed, but this model cannot answer it.
    Refused(AnswerError),
    /// Of [`JobKind::Score`].
    Scored {
        /// Negative log-likelihood of the continuation in micro-nats, summed over its tokens.
        micro_nats: i64,
        /// Tokens of the prompt.
        prompt_tokens: u32,
        /// Tokens of the continuation.
        tokens: u32,
    },
    /// Of [`JobKind::Embed`].
    Embedded {
        /// The embedding of length one, in units of 1/127, rounded to the nearest, ties to even.
        values: Vec<i8>,
        /// Tokens of the prompt.
        prompt_tokens: u32,
    },
    /// Of [`JobKind::Draw`].
    Drawn {
        /// The image, a PNG file.
        #[serde(with = "serde_bytes")]
        png: Vec<u8>,
        /// Tokens of the prompt.
        prompt_tokens: u32,
    },
}

/// A generated text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The new text, without the prompt; incomplete UTF-8 at the end is dropped.
    pub text: String,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// New tokens.
    pub new_tokens: u32,
    /// Why it ended.
    pub stop: Stop,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// The model's end token.
    EndToken,
    /// A stop string.
    StopString,
    /// The token limit, or the end of the context.
    Length,
}

/// Why a model has no answer. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AnswerError {
    /// Prompt and new tokens do not fit.
    #[error("prompt of {tokens} tokens and {new_tokens} new ones exceed the context of {context}")]
    ContextExceeded {
        /// Tokens of the prompt.
        tokens: u32,
        /// Tokens wanted beyond it.
        new_tokens: u32,
        /// Tokens the model can see.
        context: u32,
    },
    /// A value left the finite numbers.
    #[error("a value became infinite or not a number")]
    Numeric,
    /// The prompt holds no token.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// A limit of this crate is exceeded.
    #[error("{what} is {got}, more than {max}")]
    Limit {
        /// Which limit.
        what: String,
        /// The value.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// The grammar cannot be used.
    #[error("the grammar cannot be used: {0}")]
    Grammar(String),
    /// The model is of another kind.
    #[error("this model cannot {what}")]
    Unsupported {
        /// What it was asked for.
        what: String,
    },
}

impl Job {
    /// Content hash of the job.
    #[must_use]
    pub fn id(&self) -> JobId {
        let bytes = bcs::to_bytes(self).expect("a job always serialises");
        JobId(Hash(blake3::Hasher::new().update(JOB_DOMAIN).update(&bytes).finalize().into()))
    }

    /// Checks the limits that do not need the model.
    ///
    /// # Errors
    /// [`AnswerError::Limit`] or [`AnswerError::EmptyPrompt`].
    pub fn check(&self) -> Result<(), AnswerError> {
        let options = &self.options;
        if self.prompt.is_empty() {
            return Err(AnswerError::EmptyPrompt);
        }
        within("prompt bytes", self.prompt.len(), PROMPT_BYTES_MAX)?;
        within("max_new_tokens", options.max_new_tokens as usize, NEW_TOKENS_MAX as usize)?;
        within("temperature", options.temperature_bps as usize, TEMPERATURE_BPS_MAX as usize)?;
        within("top_p", options.top_p_bps as usize, BASIS_POINTS as usize)?;
        within("stop strings", options.stop.len(), STOPS_MAX)?;
        options.stop.iter().try_for_each(|stop| within("stop string bytes", stop.len(), STOP_BYTES_MAX))?;
        within("repetition_penalty", options.repetition_penalty_bps as usize, REPETITION_PENALTY_BPS_MAX as usize)?;
        if options.repetition_penalty_bps < BASIS_POINTS {
            let got = options.repetition_penalty_bps.into();
            return Err(AnswerError::Limit { what: "repetition_penalty below 1".to_owned(), got, max: 0 });
        }
        if let Some(grammar) = &options.grammar {
            let (Grammar::JsonSchema(text) | Grammar::Regex(text) | Grammar::Lark(text)) = grammar;
            within("grammar bytes", text.len(), GRAMMAR_BYTES_MAX)?;
        }
        match &self.kind {
            JobKind::Generate | JobKind::Embed => Ok(()),
            JobKind::Choose(choices) => {
                within("choices", choices.len(), CHOICES_MAX)?;
                choices.iter().try_for_each(|choice| within("choice bytes", choice.len(), CHOICE_BYTES_MAX))
            }
            JobKind::Score(text) => within("continuation bytes", text.len(), PROMPT_BYTES_MAX),
            JobKind::Draw(drawing) => drawing.check(),
        }
    }
}

impl Drawing {
    fn check(&self) -> Result<(), AnswerError> {
        within("negative prompt bytes", self.negative_prompt.len(), PROMPT_BYTES_MAX)?;
        within("steps", self.steps as usize, DRAWING_STEPS_MAX as usize)?;
        within("guidance", self.guidance_bps as usize, GUIDANCE_BPS_MAX as usize)?;
        for (what, side) in [("width", self.width), ("height", self.height)] {
            within(what, side as usize, DRAWING_SIDE_MAX as usize)?;
            if side == 0 || !side.is_multiple_of(8) {
                let what = format!("{what}, which is no multiple of 8,");
                return Err(AnswerError::Limit { what, got: side.into(), max: DRAWING_SIDE_MAX.into() });
            }
        }
        if self.steps == 0 {
            return Err(AnswerError::Limit { what: "steps below 1".to_owned(), got: 0, max: 0 });
        }
        Ok(())
    }
}

impl Answer {
    /// Digest of the answer: BLAKE3 of a domain tag and the answer's BCS.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let bytes = bcs::to_bytes(self).expect("an answer always serialises");
        Hash(blake3::Hasher::new().update(ANSWER_DOMAIN).update(&bytes).finalize().into())
    }
}

fn within(what: &str, got: usize, max: usize) -> Result<(), AnswerError> {
    if got <= max {
        return Ok(());
    }
    Err(AnswerError::Limit { what: what.to_owned(), got: got as u64, max: max as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            numerics: 1,
            model: Hash::ZERO,
            kind: JobKind::Generate,
            prompt: "a".to_owned(),
            options: Options::default(),
        }
    }

    #[test]
    fn every_field_reaches_the_id() {
        let variants = [
            job(),
            Job { numerics: 2, ..job() },
            Job { model: Hash([1; 32]), ..job() },
            Job { kind: JobKind::Choose(vec![]), ..job() },
            Job { prompt: "b".to_owned(), ..job() },
            Job { options: Options { seed: 1, ..Options::default() }, ..job() },
            Job { options: Options { repetition_penalty_bps: 11_000, ..Options::default() }, ..job() },
            Job { options: Options { grammar: Some(Grammar::Regex("a".to_owned())), ..Options::default() }, ..job() },
            Job { kind: JobKind::Score("b".to_owned()), ..job() },
            Job { kind: JobKind::Embed, ..job() },
        ];
        let ids: std::collections::BTreeSet<_> = variants.iter().map(Job::id).collect();
        assert_eq!(ids.len(), variants.len());
    }

    #[test]
    fn limits_are_named() {
        let long = Job { prompt: "x".repeat(PROMPT_BYTES_MAX + 1), ..job() };
        let error = long.check().expect_err("too long");
        assert_eq!(error.to_string(), "prompt bytes is 262145, more than 262144");
        assert_eq!(Job { prompt: String::new(), ..job() }.check(), Err(AnswerError::EmptyPrompt));
        assert_eq!(job().check(), Ok(()));
    }
}
