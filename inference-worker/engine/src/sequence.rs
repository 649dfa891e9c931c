//! One running job: what it adds each turn, and what it makes of the logits.

use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{Answer, AnswerError, Generated, Job, JobKind, Stop};
use noema_models::{KvCache, LoadedModel, Logits, Model, ModelError, Special, Want};
use noema_numerics::{Arithmetic, Draws, NumericsError, Sampling, micro_nats};

use crate::limits::{PREFILL_TOKENS_MAX, SCORED_TOKENS_MAX};

/// A job on its way to an answer.
#[derive(Debug)]
pub(crate) struct Sequence {
    prompt: Vec<u32>,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Generate(Box<Generation>),
    Choose(Choice),
}

/// Tokens for one step of one cache.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) tokens: Vec<u32>,
    pub(crate) cache: &'a mut KvCache,
    pub(crate) want: Want,
}

#[derive(Debug)]
struct Generation {
    cache: KvCache,
    sampling: Sampling,
    draws: Draws,
    max_new: usize,
    stops: Vec<Vec<u8>>,
    /// Token drawn last, not yet read.
    next: Option<u32>,
    drawn: usize,
    text: Vec<u8>,
}

#[derive(Debug)]
struct Choice {
    cache: KvCache,
    options: Vec<Candidate>,
    /// The prompt has been read; the options' own tokens come now.
    is_scoring: bool,
    /// Options that read something this turn.
    reading: Vec<usize>,
}

#[derive(Debug)]
struct Candidate {
    tokens: Vec<u32>,
    /// Made when the prompt has been read.
    cache: Option<KvCache>,
    /// Tokens that `cache` has read.
    read: usize,
    /// Sum of the tokens' negative log-likelihoods, in micro-nats.
    surprise: i64,
}

/// What a turn brought.
#[derive(Debug)]
pub(crate) enum Turn {
    /// More turns are needed.
    Goes(Box<Sequence>),
    /// The answer.
    Done(Answer),
}

fn refused(error: AnswerError) -> Answer {
    Answer::Refused(error)
}

/// A value that is not finite is the model's answer to this job; anything else is a fault of this machine.
fn numeric(error: ModelError) -> Result<Answer, ModelError> {
    match error {
        ModelError::Numerics(NumericsError::NonFinite { .. }) => Ok(refused(AnswerError::Numeric)),
        other => Err(other),
    }
}

impl Sequence {
    /// Prepares a job, or says at once why the model has no answer.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn new(job: &Job, model: &LoadedModel) -> Result<Result<Self, Answer>, ModelError> {
        if let Err(error) = job.check() {
            return Ok(Err(refused(error)));
        }
        if let Some(what) = unsupported(job, model) {
            return Ok(Err(refused(AnswerError::Unsupported { what })));
        }
        let prompt = model.tokenizer.encode_prompt(&job.prompt, Special::Parse)?;
        if prompt.is_empty() {
            return Ok(Err(refused(AnswerError::EmptyPrompt)));
        }
        let work = match &job.kind {
            JobKind::Generate => Work::Generate(Box::new(Generation::new(job, model))),
            JobKind::Choose(choices) => Work::Choose(Choice::new(choices, model)?),
            JobKind::Score(_) | JobKind::Embed | JobKind::Draw(_) => unreachable!("refused above"),
        };
        let (tokens, context) = (prompt.len(), model.manifest.context);
        let new_tokens = match &work {
            Work::Generate(generation) => generation.max_new,
            Work::Choose(choice) => choice.options.iter().map(|option| option.tokens.len()).max().unwrap_or(0),
        };
        if tokens + new_tokens > context as usize {
            let (tokens, new_tokens) = (count(tokens), count(new_tokens));
            return Ok(Err(refused(AnswerError::ContextExceeded { tokens, new_tokens, context })));
        }
        let sequence = Self { prompt, work };
        Ok(match &sequence.work {
            Work::Generate(generation) if generation.max_new == 0 => Err(sequence.finish(Stop::Length)),
            Work::Choose(choice) if choice.options.is_empty() => {
                let limit = AnswerError::Limit { what: "choices below 1".to_owned(), got: 0, max: 0 };
                Err(refused(limit))
            }
            _ => Ok(sequence),
        })
    }

    /// What to read this turn: one part per cache, at least one.
    pub(crate) fn parts(&mut self) -> Vec<Part<'_>> {
        match &mut self.work {
            Work::Generate(generation) => {
                if let Some(token) = generation.next {
                    return vec![Part { tokens: vec![token], cache: &mut generation.cache, want: Want::Last }];
                }
                vec![prompt_part(&self.prompt, &mut generation.cache)]
            }
            Work::Choose(choice) => {
                if choice.is_scoring {
                    return choice.parts();
                }
                vec![prompt_part(&self.prompt, &mut choice.cache)]
            }
        }
    }

    /// Takes the logits of the parts, in their order.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn take(
        mut self,
        logits: Vec<Result<Logits, ModelError>>,
        model: &LoadedModel,
        arithmetic: &Arithmetic,
    ) -> Result<Turn, ModelError> {
        let logits = match logits.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(logits) => logits,
            Err(error) => return numeric(error).map(Turn::Done),
        };
        let stopped = match &mut self.work {
            Work::Generate(generation) => generation.take(&logits, model, arithmetic),
            Work::Choose(choice) => choice.take(&logits, self.prompt.len(), arithmetic),
        };
        match stopped {
            Ok(None) => Ok(Turn::Goes(Box::new(self))),
            Ok(Some(stop)) => Ok(Turn::Done(self.finish(stop))),
            Err(error) => numeric(error).map(Turn::Done),
        }
    }

    fn finish(self, stop: Stop) -> Answer {
        let prompt_tokens = count(self.prompt.len());
        match self.work {
            Work::Generate(generation) => Answer::Generated(Generated {
                text: text_of(&generation.text),
                prompt_tokens,
                new_tokens: count(generation.drawn),
                stop,
            }),
            Work::Choose(choice) => Answer::Chosen {
                index: choice.best(),
                prompt_tokens,
                choice_tokens: count(choice.options.iter().map(|option| option.tokens.len()).sum()),
            },
        }
    }
}

/// The network of a model that continues texts.
pub(crate) fn causal(model: &LoadedModel) -> &dyn Model {
    &**model.causal().expect("jobs that other models cannot do are refused first")
}

/// What this engine or this model does not do.
fn unsupported(job: &Job, model: &LoadedModel) -> Option<String> {
    let what = match &job.kind {
        JobKind::Generate | JobKind::Choose(_) if model.causal().is_none() => "continue texts",
        JobKind::Score(_) => "score a continuation",
        JobKind::Embed => "embed",
        JobKind::Draw(_) => "draw",
        JobKind::Generate | JobKind::Choose(_) if job.options.grammar.is_some() => "follow a grammar",
        JobKind::Generate | JobKind::Choose(_) if job.options.repetition_penalty_bps != BASIS_POINTS => {
            "penalise repetition"
        }
        JobKind::Generate | JobKind::Choose(_) => return None,
    };
    Some(what.to_owned())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("token counts are bounded by the limits of a job")
}

/// The next chunk of a prompt; the last one asks for logits.
fn prompt_part<'a>(prompt: &[u32], cache: &'a mut KvCache) -> Part<'a> {
    let rest = &prompt[cache.len()..];
    let chunk = &rest[..rest.len().min(PREFILL_TOKENS_MAX)];
    let want = if chunk.len() == rest.len() { Want::Last } else { Want::Nothing };
    Part { tokens: chunk.to_vec(), cache, want }
}

/// Text of bytes: an unfinished character at the end is dropped, anything else that is not UTF-8 becomes U+FFFD.
fn text_of(bytes: &[u8]) -> String {
    let unfinished = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => trailing_unfinished(bytes),
    };
    String::from_utf8_lossy(&bytes[..bytes.len() - unfinished]).into_owned()
}

/// Bytes of an unfinished character at the end, where something before it is not UTF-8 either.
fn trailing_unfinished(bytes: &[u8]) -> usize {
    let is_unfinished = |length: &usize| {
        let tail = &bytes[bytes.len() - length..];
        std::str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).rev().find(is_unfinished).unwrap_or(0)
}

impl Generation {
    fn new(job: &Job, model: &LoadedModel) -> Self {
        let options = &job.options;
        Self {
            cache: causal(model).new_cache(),
            sampling: Sampling {
                temperature_bps: options.temperature_bps,
                top_k: options.top_k,
                top_p_bps: options.top_p_bps,
            },
            draws: Draws::new(options.seed),
            max_new: options.max_new_tokens as usize,
            stops: options.stop.iter().filter(|stop| !stop.is_empty()).map(|stop| stop.clone().into_bytes()).collect(),
            next: None,
            drawn: 0,
            text: Vec::new(),
        }
    }

    fn take(
        &mut self,
        logits: &[Logits],
        model: &LoadedModel,
        arithmetic: &Arithmetic,
    ) -> Result<Option<Stop>, ModelError> {
        // A chunk of a prompt that is not the last has no logits.
        let Some(last) = logits.first().and_then(Logits::last) else { return Ok(None) };
        let token = arithmetic.sample(last, self.sampling, &mut self.draws)?;
        self.drawn += 1;
        self.next = Some(token);
        if model.manifest.special.eos.contains(&token) {
            return Ok(Some(Stop::EndToken));
        }
        if !model.tokenizer.is_special(token) {
            let start = self.text.len();
            self.text.extend_from_slice(model.tokenizer.token_bytes(token));
            if self.cut_at_stop(start) {
                return Ok(Some(Stop::StopString));
            }
        }
        Ok((self.drawn == self.max_new).then_some(Stop::Length))
    }

    /// Cuts the text before the first stop string that ends in the bytes from `start` on.
    fn cut_at_stop(&mut self, start: usize) -> bool {
        let text = &self.text;
        let first = self.stops.iter().filter_map(|stop| {
            let from = (start + 1).saturating_sub(stop.len());
            text[from..].windows(stop.len()).position(|window| window == stop).map(|at| from + at)
        });
        match first.min() {
            Some(at) => {
                self.text.truncate(at);
                true
            }
            None => false,
        }
    }
}

impl Choice {
    fn new(choices: &[String], model: &LoadedModel) -> Result<Self, ModelError> {
        let candidate = |text: &String| {
            let tokens = model.tokenizer.encode(text, Special::Text)?;
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
    fn parts(&mut self) -> Vec<Part<'_>> {
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

    fn take(&mut self, logits: &[Logits], prompt: usize, arithmetic: &Arithmetic) -> Result<Option<Stop>, ModelError> {
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
    fn best(&self) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_characters_at_the_end_are_dropped() {
        let cases: [(&[u8], &str); 6] = [
            (b"abc", "abc"),
            (b"ab\xe2\x82", "ab"),
            ("ab\u{20ac}".as_bytes(), "ab\u{20ac}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"a\xffb\xf0\x9f\x98", "a\u{fffd}b"),
            (b"", ""),
        ];
        for (bytes, text) in cases {
            assert_eq!(text_of(bytes), text, "{bytes:?}");
        }
    }
}
