//! Jobs and answers.

use std::fmt;

use noema_types::Hash;
use serde::{Deserialize, Serialize};

use crate::limits::{
    BASIS_POINTS, CHOICE_BYTES_MAX, CHOICES_MAX, NEW_TOKENS_MAX, PROMPT_BYTES_MAX, STOP_BYTES_MAX, STOPS_MAX,
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
    /// The prompt, UTF-8.
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
    /// Keys the ChaCha20 stream of the draws; ignored (and kept 0) when greedy.
    pub seed: u64,
    /// Strings that end the answer; the answer does not contain them.
    pub stop: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_new_tokens: 64, temperature_bps: 0, top_p_bps: BASIS_POINTS, top_k: 0, seed: 0, stop: Vec::new() }
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
        if let JobKind::Choose(choices) = &self.kind {
            within("choices", choices.len(), CHOICES_MAX)?;
            choices.iter().try_for_each(|choice| within("choice bytes", choice.len(), CHOICE_BYTES_MAX))?;
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
