//! The seam to whatever computes answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use noema_types::Hash;

use crate::{Answer, Job, JobId, ModelManifest, SpecialTexts};

/// Who waits for a job: decides order, never the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobClass {
    /// A committed prefix of a block waits for it.
    Certified,
    /// A transaction whose reads are not final asked for it.
    Speculative,
    /// A simulation, a view or an off-chain caller.
    Simulation,
}

/// State of a submitted job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Never submitted, or evicted from the memo.
    Unknown,
    /// Queued or running.
    Pending,
    /// Answered.
    Ready(Answer),
}

/// Faults of the node or its devices. They never reach a transaction's status: the node retries or stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The node does not hold this model: it is not ready.
    #[error("model {0} is not loaded here")]
    ModelMissing(Hash),
    /// The queue is full.
    #[error("the queue holds {0} jobs and takes no more")]
    Busy(usize),
    /// The engine has stopped.
    #[error("the inference engine has stopped: {0}")]
    Stopped(String),
}

/// Computes answers to jobs. Implementations differ in speed only: the answer is a function of the job.
///
/// `submit` is idempotent by [`Job::id`]: submitting a known job again runs nothing and may raise its class.
/// `wait` blocks the calling thread until the job is answered; only callers that hold no executor thread use it.
pub trait Engine: Send + Sync + fmt::Debug {
    /// Queues a job unless it is known.
    ///
    /// # Errors
    /// [`EngineError`] when the node cannot take it; the caller decides whether to retry.
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError>;

    /// State of a job, without waiting.
    fn poll(&self, id: JobId) -> Poll;

    /// Waits for a submitted job.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] when the engine ends, or the job was never submitted.
    fn wait(&self, id: JobId) -> Result<Answer, EngineError>;

    /// Waits like [`Engine::wait`], and hands on pieces of a generated text as they come: whole characters, in order, each
    /// once; together they are the answer's text. `each` returns `false` to hear no more.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    fn watch(&self, id: JobId, each: &mut dyn FnMut(&str) -> bool) -> Result<Answer, EngineError> {
        let answer = self.wait(id)?;
        if let Answer::Generated(generated) = &answer {
            each(&generated.text);
        }
        Ok(answer)
    }

    /// Says that a caller of class [`JobClass::Simulation`] wants the answer no more: a job that nobody else asked for may
    /// be dropped. Does nothing by default.
    fn cancel(&self, _id: JobId) {}

    /// Models ready to answer, ordered by root.
    fn models(&self) -> Vec<(Hash, ModelManifest)>;

    /// The texts of a model's special tokens; `None` when the engine does not know the model or its tokens.
    fn special_texts(&self, _model: Hash) -> Option<Arc<SpecialTexts>> {
        None
    }

    /// Tokens of a job's prompt, as its answer will count them; `None` when the engine cannot say without running it.
    fn prompt_tokens(&self, _job: &Job) -> Option<u32> {
        None
    }

    /// Jobs the models actually ran since start (memo hits excluded).
    fn jobs_run(&self) -> u64;
}

/// An engine with scripted answers, for tests of what stands above it.
#[derive(Debug, Default)]
pub struct FixedEngine {
    answers: BTreeMap<JobId, Answer>,
    fallback: Option<Answer>,
}

impl FixedEngine {
    /// Answers exactly these jobs.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = (Job, Answer)>) -> Self {
        Self { answers: answers.into_iter().map(|(job, answer)| (job.id(), answer)).collect(), fallback: None }
    }

    /// Answers every job the same.
    #[must_use]
    pub fn always(answer: Answer) -> Self {
        Self { answers: BTreeMap::new(), fallback: Some(answer) }
    }
}

impl Engine for FixedEngine {
    fn submit(&self, job: &Job, _class: JobClass) -> Result<JobId, EngineError> {
        match self.poll(job.id()) {
            Poll::Ready(_) => Ok(job.id()),
            _ => Err(EngineError::ModelMissing(job.model)),
        }
    }

    fn poll(&self, id: JobId) -> Poll {
        match self.answers.get(&id).or(self.fallback.as_ref()) {
            Some(answer) => Poll::Ready(answer.clone()),
            None => Poll::Unknown,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        match self.poll(id) {
            Poll::Ready(answer) => Ok(answer),
            _ => Err(EngineError::Stopped(format!("no answer is scripted for job {id}"))),
        }
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        Vec::new()
    }

    fn jobs_run(&self) -> u64 {
        0
    }
}
