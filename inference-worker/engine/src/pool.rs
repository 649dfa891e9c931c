//! The pool: what callers hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, ModelManifest, Poll};
use noema_models::{Compute, LoadedModel, ModelError};
use noema_types::Hash;
use parking_lot::{Condvar, Mutex};

use crate::limits::QUEUE_JOBS_MAX;
use crate::memo::Memo;
use crate::scheduler::Scheduler;

/// How a pool computes. No choice made here changes an answer.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Kernel and threads.
    pub compute: Compute,
}

/// A pool does not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// This machine computes wrongly: it must not serve.
    #[error("the self-test failed: {0}; this machine must not serve")]
    SelfTest(ModelError),
    /// The system gives no thread.
    #[error("cannot start the scheduler's thread: {0}")]
    Thread(std::io::Error),
    /// Two models have one root.
    #[error("model {0} is loaded twice")]
    Duplicate(Hash),
}

/// An engine in this process.
pub struct Pool {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What callers and the scheduler share.
pub(crate) struct Shared {
    pub(crate) models: BTreeMap<Hash, LoadedModel>,
    pub(crate) state: Mutex<State>,
    /// Signalled when there is work, or the pool ends.
    pub(crate) work: Condvar,
    /// Signalled when there are answers, or the pool ends.
    pub(crate) answered: Condvar,
    pub(crate) jobs_run: AtomicU64,
}

/// Jobs and answers.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) memo: Memo,
    /// Jobs that wait or run.
    pub(crate) open: BTreeMap<JobId, Open>,
    /// Jobs that wait, by class and arrival.
    pub(crate) queue: BTreeSet<(JobClass, u64, JobId)>,
    pub(crate) arrivals: u64,
    /// Why the pool ended.
    pub(crate) stopped: Option<String>,
}

/// A job without an answer yet.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) job: Arc<Job>,
    pub(crate) class: JobClass,
    pub(crate) arrival: u64,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("models", &self.shared.models.keys()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Tests the machine against the golden vectors, then starts to serve.
    ///
    /// # Errors
    /// [`PoolError`]; nothing is served then.
    pub fn start(models: Vec<LoadedModel>, config: &PoolConfig) -> Result<Self, PoolError> {
        let kernel = config.compute.arithmetic().kernel();
        noema_numerics::self_test(kernel).map_err(|error| PoolError::SelfTest(error.into()))?;
        noema_models::self_test(&config.compute).map_err(PoolError::SelfTest)?;
        let mut by_root = BTreeMap::new();
        for model in models {
            let root = model.root;
            if by_root.insert(root, model).is_some() {
                return Err(PoolError::Duplicate(root));
            }
        }
        let shared = Arc::new(Shared {
            models: by_root,
            state: Mutex::default(),
            work: Condvar::new(),
            answered: Condvar::new(),
            jobs_run: AtomicU64::new(0),
        });
        let scheduler = Scheduler::new(Arc::clone(&shared), config.compute.clone());
        let thread = std::thread::Builder::new().name("noema-engine".to_owned()).spawn(move || scheduler.run());
        Ok(Self { shared, thread: Some(thread.map_err(PoolError::Thread)?) })
    }
}

#[cfg(test)]
impl Pool {
    pub(crate) fn stop_for_test(&self) {
        self.shared.stop("stopped by a test".to_owned());
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop("the pool was dropped".to_owned());
        if let Some(thread) = self.thread.take() {
            // A panic of the scheduler has been reported to every waiter already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Ends the pool; the first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        let mut state = self.state.lock();
        state.stopped.get_or_insert(reason);
        self.work.notify_all();
        self.answered.notify_all();
    }
}

impl State {
    fn raise(&mut self, id: JobId, class: JobClass) {
        let Some(open) = self.open.get_mut(&id) else { return };
        if class < open.class {
            if self.queue.remove(&(open.class, open.arrival, id)) {
                self.queue.insert((class, open.arrival, id));
            }
            open.class = class;
        }
    }
}

impl Engine for Pool {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        let model = self.shared.models.get(&job.model);
        if model.is_none_or(|model| model.manifest.numerics != job.numerics) {
            return Err(EngineError::ModelMissing(job.model));
        }
        let id = job.id();
        let mut state = self.shared.state.lock();
        if let Some(reason) = &state.stopped {
            return Err(EngineError::Stopped(reason.clone()));
        }
        if state.memo.get(id).is_some() {
            return Ok(id);
        }
        if state.open.contains_key(&id) {
            state.raise(id, class);
            return Ok(id);
        }
        if state.open.len() >= QUEUE_JOBS_MAX {
            return Err(EngineError::Busy(state.open.len()));
        }
        let arrival = state.arrivals;
        state.arrivals += 1;
        state.open.insert(id, Open { job: Arc::new(job.clone()), class, arrival });
        state.queue.insert((class, arrival, id));
        self.shared.work.notify_one();
        Ok(id)
    }

    fn poll(&self, id: JobId) -> Poll {
        let state = self.shared.state.lock();
        match state.memo.get(id) {
            Some(answer) => Poll::Ready(answer.clone()),
            None if state.open.contains_key(&id) => Poll::Pending,
            None => Poll::Unknown,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        let mut state = self.shared.state.lock();
        loop {
            if let Some(answer) = state.memo.get(id) {
                return Ok(answer.clone());
            }
            if let Some(reason) = &state.stopped {
                return Err(EngineError::Stopped(reason.clone()));
            }
            if !state.open.contains_key(&id) {
                return Err(EngineError::Stopped(format!("job {id} was never submitted, or its answer is forgotten")));
            }
            self.shared.answered.wait(&mut state);
        }
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        self.shared.models.iter().map(|(root, model)| (*root, (*model.manifest).clone())).collect()
    }

    fn jobs_run(&self) -> u64 {
        self.shared.jobs_run.load(Ordering::Relaxed)
    }
}
