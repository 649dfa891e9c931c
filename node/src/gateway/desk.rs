//! Jobs that requests wait for: each is given up when its last request goes away.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_inference_api::{Engine, EngineError, Job, JobClass, JobId};
use parking_lot::Mutex;

/// An engine of this process, by where it is: a node may start another one after a divergence.
type EngineKey = usize;

fn key(engine: &Arc<dyn Engine>) -> EngineKey {
    Arc::as_ptr(engine).cast::<()>().addr()
}

/// How many requests wait for each job.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<BTreeMap<(EngineKey, JobId), usize>>);

impl Desk {
    /// Submits a job unless another request waits for it already.
    fn take(&self, engine: &Arc<dyn Engine>, job: &Job) -> Result<JobId, EngineError> {
        let mut waiting = self.0.lock();
        let id = job.id();
        if let Some(count) = waiting.get_mut(&(key(engine), id)) {
            *count += 1;
            return Ok(id);
        }
        engine.submit(job, JobClass::Simulation)?;
        waiting.insert((key(engine), id), 1);
        Ok(id)
    }

    /// One request less; the last that has no answer cancels.
    fn release(&self, engine: &Arc<dyn Engine>, id: JobId, answered: bool) {
        let mut waiting = self.0.lock();
        let Some(count) = waiting.get_mut(&(key(engine), id)) else { return };
        *count -= 1;
        if *count == 0 {
            waiting.remove(&(key(engine), id));
            if !answered {
                engine.cancel(id);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// What one request waits for.
#[derive(Debug)]
pub(crate) struct Ticket {
    desk: Arc<Desk>,
    pub(crate) engine: Arc<dyn Engine>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    job: Option<JobId>,
    given_up: bool,
}

impl Ticket {
    /// Submits a job.
    pub(crate) fn open(desk: &Arc<Desk>, engine: &Arc<dyn Engine>, job: &Job) -> Result<(Holder, JobId), EngineError> {
        let ticket = Self { desk: Arc::clone(desk), engine: Arc::clone(engine), state: Mutex::default() };
        let id = ticket.submit(job)?;
        Ok((Holder(Arc::new(ticket)), id))
    }

    /// Submits a job; one that was submitted before is answered.
    pub(crate) fn submit(&self, job: &Job) -> Result<JobId, EngineError> {
        let mut state = self.state.lock();
        if state.given_up {
            return Err(EngineError::Stopped("the client went away".to_owned()));
        }
        let id = self.desk.take(&self.engine, job)?;
        if let Some(before) = state.job.replace(id) {
            self.desk.release(&self.engine, before, true);
        }
        Ok(id)
    }

    /// The answer is there.
    pub(crate) fn answered(&self) {
        if let Some(id) = self.state.lock().job.take() {
            self.desk.release(&self.engine, id, true);
        }
    }

    fn give_up(&self) {
        let mut state = self.state.lock();
        state.given_up = true;
        if let Some(id) = state.job.take() {
            self.desk.release(&self.engine, id, false);
        }
    }
}

/// Whoever the answer is for: when it is dropped before the answer is there, the job is given up.
#[derive(Debug)]
pub(crate) struct Holder(pub(crate) Arc<Ticket>);

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.give_up();
    }
}
