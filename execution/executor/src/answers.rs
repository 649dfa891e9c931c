//! Answers out of an engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_execution_api::{AnswerSource, PendingJob};
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, Poll};
use noema_types::Hash;
use parking_lot::Mutex;

use crate::limits::{ENGINE_BUSY_PAUSE, ENGINE_BUSY_RETRIES_MAX};

/// Answers that an engine gave, and the way to ask for more.
///
/// One lives as long as one block, simulation or view: what it has seen stays known for that long, whatever the engine's
/// memo forgets meanwhile.
pub struct EngineAnswers {
    engine: Arc<dyn Engine>,
    known: Mutex<BTreeMap<Hash, Bytes>>,
}

/// Why a job was not taken or not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// The request is not the job it is said to be.
    #[error("{0}")]
    BadJob(String),
    /// The engine cannot answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl fmt::Debug for EngineAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineAnswers").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl EngineAnswers {
    /// Knows nothing yet, and asks `engine`.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, known: Mutex::default() }
    }

    /// Hands a job to the engine, without waiting for anything.
    pub(crate) fn submit(&self, pending: &PendingJob, class: JobClass) -> Result<JobId, AskError> {
        let job: Job = bcs::from_bytes(&pending.request)
            .map_err(|error| AskError::BadJob(format!("the request is not a job: {error}")))?;
        let id = job.id();
        if id.0 != pending.id {
            return Err(AskError::BadJob(format!("the request is the job {id}")));
        }
        Ok(self.engine.submit(&job, class)?)
    }

    /// Hands a job to the engine and waits for its answer. Blocks the calling thread.
    pub(crate) fn ask(&self, pending: &PendingJob, class: JobClass) -> Result<(), AskError> {
        let mut retries = 0;
        let id = loop {
            match self.submit(pending, class) {
                Err(AskError::Engine(EngineError::Busy(_))) if retries < ENGINE_BUSY_RETRIES_MAX => {
                    retries += 1;
                    std::thread::sleep(ENGINE_BUSY_PAUSE);
                }
                result => break result?,
            }
        };
        let answer = self.engine.wait(id)?;
        self.learn(id, &answer);
        Ok(())
    }

    fn learn(&self, id: JobId, answer: &Answer) -> Bytes {
        let bytes = Bytes::from(bcs::to_bytes(answer).expect("an answer always serialises"));
        self.known.lock().insert(id.0, bytes.clone());
        bytes
    }
}

impl AnswerSource for EngineAnswers {
    fn answer(&self, id: &Hash) -> Option<Bytes> {
        if let Some(bytes) = self.known.lock().get(id) {
            return Some(bytes.clone());
        }
        match self.engine.poll(JobId(*id)) {
            Poll::Ready(answer) => Some(self.learn(JobId(*id), &answer)),
            Poll::Pending | Poll::Unknown => None,
        }
    }
}
