//! Draws an answer, token by token.

use std::collections::BTreeSet;

use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{AnswerError, Job, Stop};
use noema_models::{KvCache, LoadedModel, ModelError};
use noema_numerics::{Arithmetic, Draws, Sampling};

use crate::grammar::Constraint;
use crate::sequence::causal;
use crate::text::Text;

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) cache: KvCache,
    sampling: Sampling,
    draws: Draws,
    pub(crate) max_new: usize,
    /// Tokens drawn, the end token included; all but the last have been read, or will be before the next is drawn.
    pub(crate) drawn: Vec<u32>,
    pub(crate) text: Text,
    penalty_bps: u32,
    /// Tokens of the prompt and the answer; only kept if they are penalised.
    seen: BTreeSet<u32>,
    constraint: Option<Constraint>,
}

/// Why no token was drawn.
#[derive(Debug)]
pub(crate) enum Undrawn {
    /// The model's or the machine's numbers.
    Model(ModelError),
    /// The job's grammar.
    Answer(AnswerError),
}

impl From<AnswerError> for Undrawn {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

impl Generation {
    pub(crate) fn new(job: &Job, prompt: &[u32], model: &LoadedModel, constraint: Option<Constraint>) -> Self {
        let options = &job.options;
        let penalty_bps = options.repetition_penalty_bps;
        let seen = if penalty_bps == BASIS_POINTS { &[] } else { prompt };
        Self {
            cache: causal(model).new_cache(),
            sampling: Sampling {
                temperature_bps: options.temperature_bps,
                top_k: options.top_k,
                top_p_bps: options.top_p_bps,
            },
            draws: Draws::new(options.seed),
            max_new: options.max_new_tokens as usize,
            drawn: Vec::new(),
            text: Text::new(&options.stop),
            penalty_bps,
            seen: seen.iter().copied().collect(),
            constraint,
        }
    }

    /// Draws a token from the logits after everything read so far.
    pub(crate) fn draw(
        &mut self,
        logits: &[f32],
        model: &LoadedModel,
        arithmetic: &Arithmetic,
    ) -> Result<Option<Stop>, Undrawn> {
        let token = self.sample(logits, arithmetic)?;
        self.drawn.push(token);
        if model.manifest.special.eos.contains(&token) {
            return Ok(Some(Stop::EndToken));
        }
        if self.penalty_bps != BASIS_POINTS {
            self.seen.insert(token);
        }
        let is_complete = match &mut self.constraint {
            Some(constraint) => constraint.push(token)?,
            None => false,
        };
        if !model.tokenizer.is_special(token) && self.text.push(model.tokenizer.token_bytes(token)) {
            return Ok(Some(Stop::StopString));
        }
        if is_complete {
            return Ok(Some(Stop::EndToken));
        }
        Ok((self.drawn.len() == self.max_new).then_some(Stop::Length))
    }

    /// Penalty first; then the tokens that the grammar allows are drawn from as if there were no others.
    fn sample(&mut self, logits: &[f32], arithmetic: &Arithmetic) -> Result<u32, Undrawn> {
        let numeric = |error| Undrawn::Model(ModelError::from(error));
        if self.penalty_bps == BASIS_POINTS && self.constraint.is_none() {
            return arithmetic.sample(logits, self.sampling, &mut self.draws).map_err(numeric);
        }
        let mut logits = logits.to_vec();
        arithmetic.penalise(&mut logits, self.seen.iter().copied(), self.penalty_bps);
        let Some(constraint) = &mut self.constraint else {
            return arithmetic.sample(&logits, self.sampling, &mut self.draws).map_err(numeric);
        };
        let allowed = constraint.allowed()?;
        let left: Vec<f32> = allowed.iter().map(|&token| logits[token as usize]).collect();
        let index = arithmetic.sample(&left, self.sampling, &mut self.draws).map_err(numeric)?;
        Ok(allowed[index as usize])
    }
}
