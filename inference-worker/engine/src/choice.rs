//! Scores continuations of one prompt: to choose the likeliest, or to say how likely one is.

use noema_inference_api::Stop;
use noema_models::{KvCache, LoadedModel, Logits, ModelError, Special, Want};
use noema_numerics::{Arithmetic, micro_nats};

use crate::limits::SCORED_TOKENS_MAX;
use crate::sequence::{Part, causal, count};

/// Continuations of a prompt on their way to their scores.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) cache: KvCache,
    pub(crate) options: Vec<Candidate>,
    /// The prompt has been read; the options' own tokens come now.
    pub(crate) is_scoring: bool,
    /// Options that read something this turn.
    reading: Vec<usize>,
}

/// One continuation.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) tokens: Vec<u32>,
    /// Made when the prompt has been read.
    cache: Option<KvCache>,
    /// Tokens that `cache` has read.
    read: usize,
    /// Sum of the tokens' negative log-likelihoods, in micro-nats.
    pub(crate) surprise: i64,
}

impl Choice {
    pub(crate) fn new(choices: &[String], model: &LoadedModel) -> Result<Self, ModelError> {
        let candidate = |text: &String| {
            let tokens = model.tokenizer.encode_continuation(text, Special::Text)?;
            Ok(Candidate { tokens, cache: None, read: 0, surprise: 0 })
        };
        Ok(Self {
            cache: causal(model).new_cache(),
            options: choices.iter().map(candidate).collect::<Result<_, ModelError>>()?,
            is_scoring: false,
            reading: Vec::new(),
        })
    }

    /// What the options read this turn: every position needs logits, so all of them share one bound.
    pub(crate) fn parts(&mut self) -> Vec<Part<'_>> {
        let mut left = SCORED_TOKENS_MAX;
        let mut parts = Vec::new();
        self.reading.clear();
        for (index, option) in self.options.iter_mut().enumerate() {
            if let Some(part) = option.part(left) {
                left -= part.tokens.len();
                self.reading.push(index);
                parts.push(part);
            }
        }
        parts
    }

    pub(crate) fn take(
        &mut self,
        logits: &[Logits],
        prompt: usize,
        arithmetic: &Arithmetic,
    ) -> Result<Option<Stop>, ModelError> {
        if self.is_scoring {
            for (index, logits) in self.reading.iter().zip(logits) {
                self.options[*index].score(logits, arithmetic)?;
            }
        } else {
            if self.cache.len() < prompt {
                return Ok(None);
            }
            let last = logits.first().and_then(Logits::last).expect("the end of a prompt asks for logits");
            for option in &mut self.options {
                option.start(last, &self.cache, arithmetic)?;
            }
            self.is_scoring = true;
        }
        let is_done = !self.options.iter().any(Candidate::is_reading);
        Ok(is_done.then_some(Stop::Length))
    }

    /// The smallest mean surprise per token, compared as fractions; ties go to the lowest index. An option without
    /// tokens is never likelier than one with some.
    pub(crate) fn best(&self) -> u32 {
        let mean_is_less = |a: &Candidate, b: &Candidate| {
            let (length_a, length_b) = (a.tokens.len() as i128, b.tokens.len() as i128);
            match (length_a, length_b) {
                (0, _) => false,
                (_, 0) => true,
                _ => i128::from(a.surprise) * length_b < i128::from(b.surprise) * length_a,
            }
        };
        let mut best = 0;
        for index in 1..self.options.len() {
            if mean_is_less(&self.options[index], &self.options[best]) {
                best = index;
            }
        }
        count(best)
    }
}

impl Candidate {
    /// Scores the first token by the prompt's logits and takes a copy of the prompt's cache.
    fn start(&mut self, logits: &[f32], prompt: &KvCache, arithmetic: &Arithmetic) -> Result<(), ModelError> {
        if let Some(first) = self.tokens.first() {
            self.surprise += micro_nats(arithmetic.surprise(logits, *first as usize)?);
            self.cache = Some(prompt.fork());
        }
        Ok(())
    }

    /// Whether tokens must still be read: all but the last, which only needs to be scored.
    fn is_reading(&self) -> bool {
        self.read + 1 < self.tokens.len()
    }

    fn part(&mut self, tokens_max: usize) -> Option<Part<'_>> {
        if !self.is_reading() || tokens_max == 0 {
            return None;
        }
        let end = (self.read + tokens_max).min(self.tokens.len() - 1);
        let tokens = self.tokens[self.read..end].to_vec();
        self.cache.as_mut().map(|cache| Part { tokens, cache, want: Want::All })
    }

    fn score(&mut self, logits: &Logits, arithmetic: &Arithmetic) -> Result<(), ModelError> {
        for row in 0..logits.rows() {
            let token = self.tokens[self.read + 1];
            self.surprise += micro_nats(arithmetic.surprise(logits.row(row), token as usize)?);
            self.read += 1;
        }
        Ok(())
    }
}
