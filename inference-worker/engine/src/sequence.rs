//! One running job: what it adds each turn, and what it makes of the logits.

use noema_inference_api::limits::BASIS_POINTS;
use noema_inference_api::{Answer, AnswerError, Generated, Job, JobKind, Stop};
use noema_models::{Canvas, Compute, KvCache, LoadedModel, Logits, Model, ModelError, Special, Want};
use noema_numerics::{Arithmetic, NumericsError};

use crate::choice::Choice;
use crate::drawing;
use crate::generation::{Generation, Undrawn};
use crate::grammar::Constraint;
use crate::prefix::{Chain, PrefixCache};

/// A job on its way to an answer.
#[derive(Debug)]
pub(crate) struct Sequence {
    prompt: Vec<u32>,
    /// Pages of the prompt, later of the answer too.
    chain: Chain,
    /// Tokens of a prompt that one turn reads, at most.
    chunk: usize,
    work: Work,
    /// Digest of all logits the job has seen: the tests compare more than answers.
    #[cfg(test)]
    pub(crate) logits: blake3::Hasher,
}

#[derive(Debug)]
enum Work {
    Generate(Box<Generation>),
    /// The likeliest of these, or the likelihood of the only one.
    Choose(Choice),
    Score(Choice),
    Embed,
    Draw(Box<Canvas>),
}

/// Tokens for one step of one cache.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub(crate) tokens: Vec<u32>,
    pub(crate) cache: &'a mut KvCache,
    pub(crate) want: Want,
}

fn refused(error: AnswerError) -> Answer {
    Answer::Refused(error)
}

/// A value that is not finite is the model's answer to this job; anything else is a fault of this machine.
pub(crate) fn numeric(error: ModelError) -> Result<Answer, ModelError> {
    match error {
        ModelError::Numerics(NumericsError::NonFinite { .. }) => Ok(refused(AnswerError::Numeric)),
        other => Err(other),
    }
}

impl Sequence {
    /// Prepares a job, or says at once why the model has no answer. A job with a grammar comes with it compiled.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn new(
        job: &Job,
        model: &LoadedModel,
        chunk: usize,
        compiled: Option<Result<Constraint, AnswerError>>,
    ) -> Result<Result<Self, Answer>, ModelError> {
        if let Err(error) = job.check() {
            return Ok(Err(refused(error)));
        }
        if let Some(what) = unsupported(job, model) {
            return Ok(Err(refused(AnswerError::Unsupported { what })));
        }
        let prompt = prompt(job, model)?;
        if prompt.is_empty() {
            return Ok(Err(refused(AnswerError::EmptyPrompt)));
        }
        let constraint = match compiled.transpose() {
            Ok(constraint) => constraint,
            Err(error) => return Ok(Err(refused(error))),
        };
        let work = match &job.kind {
            JobKind::Draw(drawing) => match drawing::begin(job, drawing, &prompt, model)? {
                Ok(canvas) => Work::Draw(Box::new(canvas)),
                Err(error) => return Ok(Err(refused(error))),
            },
            _ => Work::new(job, &prompt, model, constraint)?,
        };
        let (tokens, context) = (prompt.len(), model.manifest.context);
        let new_tokens = work.new_tokens();
        if tokens + new_tokens > context as usize {
            let (tokens, new_tokens) = (count(tokens), count(new_tokens));
            return Ok(Err(refused(AnswerError::ContextExceeded { tokens, new_tokens, context })));
        }
        let sequence = Self {
            chain: Chain::new(model.root, &prompt),
            prompt,
            chunk,
            work,
            #[cfg(test)]
            logits: blake3::Hasher::new(),
        };
        Ok(match &sequence.work {
            Work::Generate(generation) if generation.max_new == 0 => Err(sequence.finish(Stop::Length)),
            Work::Choose(choice) if choice.options.is_empty() => {
                let limit = AnswerError::Limit { what: "choices below 1".to_owned(), got: 0, max: 0 };
                Err(refused(limit))
            }
            _ => Ok(sequence),
        })
    }

    /// Takes over what others have read of the same prompt; how many tokens need not be read again.
    pub(crate) fn adopt(&mut self, prefix: &mut PrefixCache) -> usize {
        let below = self.prompt.len();
        let Some(cache) = self.work.prompt_cache(below) else { return 0 };
        let known = cache.len();
        match prefix.find(&self.chain, known, below) {
            Some(found) => {
                let gained = found.len() - known;
                *cache = found;
                gained
            }
            None => 0,
        }
    }

    /// What to read this turn: one part per cache, at least one; none of an embedding.
    pub(crate) fn parts(&mut self) -> Vec<Part<'_>> {
        match &mut self.work {
            Work::Generate(generation) => match generation.drawn.last() {
                Some(&token) => vec![Part { tokens: vec![token], cache: &mut generation.cache, want: Want::Last }],
                None => vec![prompt_part(&self.prompt, self.chunk, &mut generation.cache)],
            },
            Work::Choose(choice) | Work::Score(choice) => {
                if choice.is_scoring {
                    return choice.parts();
                }
                vec![prompt_part(&self.prompt, self.chunk, &mut choice.cache)]
            }
            Work::Embed | Work::Draw(_) => Vec::new(),
        }
    }

    /// Takes the logits of the parts, in their order.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn take(
        &mut self,
        logits: Vec<Result<Logits, ModelError>>,
        model: &LoadedModel,
        arithmetic: &Arithmetic,
        prefix: &mut PrefixCache,
    ) -> Result<Option<Answer>, ModelError> {
        let logits = match logits.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(logits) => logits,
            Err(error) => return numeric(error).map(Some),
        };
        #[cfg(test)]
        logits.iter().for_each(|logits| logits.hash_into(&mut self.logits));
        let stopped = match &mut self.work {
            // A chunk of a prompt that is not the last has no logits.
            Work::Generate(generation) => match logits.first().and_then(Logits::last) {
                Some(last) => generation.draw(last, model, arithmetic),
                None => Ok(None),
            },
            Work::Choose(choice) | Work::Score(choice) => {
                choice.take(&logits, self.prompt.len(), arithmetic).map_err(Undrawn::Model)
            }
            Work::Embed | Work::Draw(_) => unreachable!("an embedding and a drawing have no parts"),
        };
        self.offer(prefix);
        match stopped {
            Ok(None) => Ok(None),
            Ok(Some(stop)) => Ok(Some(self.finish(stop))),
            Err(Undrawn::Model(error)) => numeric(error).map(Some),
            Err(Undrawn::Answer(error)) => Ok(Some(refused(error))),
        }
    }

    /// Hands on what has been read, for others that begin alike.
    fn offer(&mut self, prefix: &mut PrefixCache) {
        match &self.work {
            Work::Generate(generation) => {
                if generation.cache.len() > self.prompt.len() {
                    let all = [self.prompt.as_slice(), &generation.drawn].concat();
                    self.chain.extend(&all[..generation.cache.len()]);
                }
                prefix.keep(&self.chain, &generation.cache);
            }
            Work::Choose(choice) | Work::Score(choice) => prefix.keep(&self.chain, &choice.cache),
            Work::Embed | Work::Draw(_) => {}
        }
    }

    /// The next piece of the answer's text, if there is one.
    pub(crate) fn piece(&mut self) -> Option<String> {
        match &mut self.work {
            Work::Generate(generation) => generation.text.piece(),
            _ => None,
        }
    }

    /// Tokens drawn so far.
    pub(crate) const fn drawn(&self) -> usize {
        match &self.work {
            Work::Generate(generation) => generation.drawn.len(),
            _ => 0,
        }
    }

    /// One turn of a drawing.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn paint(&mut self, model: &LoadedModel, compute: &Compute) -> Result<Option<Answer>, ModelError> {
        match &mut self.work {
            Work::Draw(canvas) => drawing::turn(canvas, self.prompt.len(), model, compute),
            _ => unreachable!("a model that draws does nothing else"),
        }
    }

    pub(crate) const fn is_drawing(&self) -> bool {
        matches!(self.work, Work::Draw(_))
    }

    /// Answers of a model that embeds texts.
    ///
    /// # Errors
    /// A fault of this machine.
    pub(crate) fn embed(model: &LoadedModel, compute: &Compute, all: &[&Self]) -> Result<Vec<Answer>, ModelError> {
        let embedder = model.embedder().expect("jobs that other models cannot do are refused first");
        let texts: Vec<&[u32]> = all.iter().map(|sequence| sequence.prompt.as_slice()).collect();
        let results = embedder.embed(compute, &texts).into_iter();
        let answers = results.zip(&texts).map(|(result, text)| match result {
            Ok(values) => Ok(Answer::Embedded { values, prompt_tokens: count(text.len()) }),
            Err(ModelError::ContextExceeded { context, .. }) => {
                let tokens = count(text.len());
                Ok(refused(AnswerError::ContextExceeded { tokens, new_tokens: 0, context }))
            }
            Err(error) => numeric(error),
        });
        answers.collect()
    }

    fn finish(&self, stop: Stop) -> Answer {
        let prompt_tokens = count(self.prompt.len());
        match &self.work {
            Work::Generate(generation) => Answer::Generated(Generated {
                text: generation.text.finish(),
                prompt_tokens,
                new_tokens: count(generation.drawn.len()),
                stop,
            }),
            Work::Choose(choice) => Answer::Chosen {
                index: choice.best(),
                prompt_tokens,
                choice_tokens: count(choice.options.iter().map(|option| option.tokens.len()).sum()),
            },
            Work::Score(choice) => {
                let option = choice.options.first().expect("a score has one continuation");
                let (micro_nats, tokens) = (option.surprise, count(option.tokens.len()));
                Answer::Scored { micro_nats, prompt_tokens, tokens }
            }
            Work::Embed | Work::Draw(_) => unreachable!("embeddings and drawings are answered by their model"),
        }
    }
}

impl Work {
    fn new(job: &Job, prompt: &[u32], model: &LoadedModel, constraint: Option<Constraint>) -> Result<Self, ModelError> {
        Ok(match &job.kind {
            JobKind::Generate => Self::Generate(Box::new(Generation::new(job, prompt, model, constraint))),
            JobKind::Choose(choices) => Self::Choose(Choice::new(choices, model)?),
            JobKind::Score(text) => Self::Score(Choice::new(std::slice::from_ref(text), model)?),
            JobKind::Embed => Self::Embed,
            JobKind::Draw(_) => unreachable!("begun elsewhere"),
        })
    }

    fn new_tokens(&self) -> usize {
        match self {
            Self::Generate(generation) => generation.max_new,
            Self::Choose(choice) | Self::Score(choice) => {
                choice.options.iter().map(|option| option.tokens.len()).max().unwrap_or(0)
            }
            Self::Embed => 0,
            Self::Draw(_) => drawing::FRAME_TOKENS,
        }
    }

    /// The cache, while it reads a prompt of so many tokens.
    fn prompt_cache(&mut self, prompt: usize) -> Option<&mut KvCache> {
        let cache = match self {
            Self::Generate(generation) => &mut generation.cache,
            Self::Choose(choice) | Self::Score(choice) => &mut choice.cache,
            Self::Embed | Self::Draw(_) => return None,
        };
        (cache.len() < prompt).then_some(cache)
    }
}

/// Tokens of a job's prompt.
pub(crate) fn prompt(job: &Job, model: &LoadedModel) -> Result<Vec<u32>, ModelError> {
    match job.kind {
        // An embedder or a painter puts its own tokens around a text, and a text has none of them.
        JobKind::Embed | JobKind::Draw(_) => model.tokenizer.encode(&job.prompt, Special::Text),
        _ => model.tokenizer.encode_prompt(&job.prompt, Special::Parse),
    }
}

/// The network of a model that continues texts.
pub(crate) fn causal(model: &LoadedModel) -> &dyn Model {
    &**model.causal().expect("jobs that other models cannot do are refused first")
}

/// What this engine or this model does not do.
fn unsupported(job: &Job, model: &LoadedModel) -> Option<String> {
    let options = &job.options;
    let what = match &job.kind {
        JobKind::Draw(_) if model.painter().is_none() => "draw",
        JobKind::Draw(_) if options.grammar.is_some() => "draw under a grammar",
        JobKind::Draw(_) => return None,
        JobKind::Embed if model.embedder().is_none() => "embed",
        JobKind::Embed => return None,
        _ if model.causal().is_none() => "continue texts",
        JobKind::Generate => return None,
        JobKind::Choose(_) | JobKind::Score(_) if options.grammar.is_some() => "score texts under a grammar",
        JobKind::Choose(_) | JobKind::Score(_) if options.repetition_penalty_bps != BASIS_POINTS => {
            "score texts with a repetition penalty"
        }
        JobKind::Choose(_) | JobKind::Score(_) => return None,
    };
    Some(what.to_owned())
}

pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).expect("token counts are bounded by the limits of a job")
}

/// The next chunk of a prompt; the last one asks for logits.
fn prompt_part<'a>(prompt: &[u32], chunk: usize, cache: &'a mut KvCache) -> Part<'a> {
    let rest = &prompt[cache.len()..];
    let chunk = &rest[..rest.len().min(chunk)];
    let want = if chunk.len() == rest.len() { Want::Last } else { Want::Nothing };
    Part { tokens: chunk.to_vec(), cache, want }
}
