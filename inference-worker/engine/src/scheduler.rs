//! The thread that runs jobs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use noema_inference_api::{Answer, Job, JobClass, JobId};
use noema_models::{Compute, LoadedModel, Logits, ModelError, Step};
use noema_types::Hash;

use crate::limits::{BATCH_OTHERS_MAX, BATCH_SEQUENCES_MAX};
use crate::pool::Shared;
use crate::sequence::{Part, Sequence, Turn, causal};

/// Runs jobs until the pool ends.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    compute: Compute,
    batch: Vec<Running>,
}

struct Running {
    id: JobId,
    model: Hash,
    sequence: Sequence,
}

impl Scheduler {
    pub(crate) fn new(shared: Arc<Shared>, compute: Compute) -> Self {
        Self { shared, compute, batch: Vec::new() }
    }

    /// Serves until the pool is stopped; a fault or panic stops it, and every waiter hears of it.
    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let served = std::panic::catch_unwind(AssertUnwindSafe(|| self.serve()));
        match served {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                tracing::error!(%fault, "the inference pool stops");
                shared.stop(fault.to_string());
            }
            Err(_) => {
                tracing::error!("the inference pool panicked");
                shared.stop("the scheduler panicked".to_owned());
            }
        }
    }

    fn serve(&mut self) -> Result<(), ModelError> {
        while let Some(jobs) = self.next_jobs() {
            for (id, job) in jobs {
                self.start(id, &job)?;
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Jobs that join the batch; waits while there is nothing to do; `None` when the pool ends.
    fn next_jobs(&self) -> Option<Vec<(JobId, Arc<Job>)>> {
        let mut state = self.shared.state.lock();
        loop {
            if state.stopped.is_some() {
                return None;
            }
            if !self.batch.is_empty() || !state.queue.is_empty() {
                break;
            }
            self.shared.work.wait(&mut state);
        }
        // A job's class may have risen while it ran.
        let is_other = |id: &JobId| state.open.get(id).is_some_and(|open| open.class != JobClass::Certified);
        let mut others = self.batch.iter().filter(|running| is_other(&running.id)).count();
        let mut jobs = Vec::new();
        while self.batch.len() + jobs.len() < BATCH_SEQUENCES_MAX {
            let Some(&(class, arrival, id)) = state.queue.first() else { break };
            if class != JobClass::Certified {
                if others >= BATCH_OTHERS_MAX {
                    break;
                }
                others += 1;
            }
            state.queue.remove(&(class, arrival, id));
            let open = state.open.get(&id).expect("a queued job is open");
            jobs.push((id, Arc::clone(&open.job)));
        }
        Some(jobs)
    }

    fn model(&self, root: &Hash) -> &LoadedModel {
        self.shared.models.get(root).expect("submit takes jobs for loaded models only")
    }

    fn start(&mut self, id: JobId, job: &Job) -> Result<(), ModelError> {
        self.shared.jobs_run.fetch_add(1, Ordering::Relaxed);
        match Sequence::new(job, self.model(&job.model))? {
            Ok(sequence) => self.batch.push(Running { id, model: job.model, sequence }),
            Err(answer) => self.answer(vec![(id, answer)]),
        }
        Ok(())
    }

    fn answer(&self, answers: Vec<(JobId, Answer)>) {
        if answers.is_empty() {
            return;
        }
        let mut state = self.shared.state.lock();
        for (id, answer) in answers {
            state.open.remove(&id);
            state.memo.insert(id, answer);
        }
        self.shared.answered.notify_all();
    }

    /// One pass over each model's weights for all of its sequences.
    fn turn(&mut self) -> Result<(), ModelError> {
        let batch = std::mem::take(&mut self.batch);
        let mut groups: Vec<(Hash, Vec<Running>)> = Vec::new();
        for running in batch {
            match groups.iter_mut().find(|(model, _)| *model == running.model) {
                Some((_, group)) => group.push(running),
                None => groups.push((running.model, vec![running])),
            }
        }
        let mut answers = Vec::new();
        for (root, mut group) in groups {
            let model = self.model(&root).clone();
            let logits = forward(&self.compute, &model, &mut group);
            for (running, logits) in group.into_iter().zip(logits) {
                let Running { id, model: root, sequence } = running;
                match sequence.take(logits, &model, self.compute.arithmetic())? {
                    Turn::Goes(sequence) => self.batch.push(Running { id, model: root, sequence: *sequence }),
                    Turn::Done(answer) => answers.push((id, answer)),
                }
            }
        }
        self.answer(answers);
        Ok(())
    }
}

/// Runs the parts of all sequences in one batch; results per sequence.
fn forward(compute: &Compute, model: &LoadedModel, group: &mut [Running]) -> Vec<Vec<Result<Logits, ModelError>>> {
    let mut parts: Vec<Vec<Part<'_>>> = group.iter_mut().map(|running| running.sequence.parts()).collect();
    let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
    let mut steps: Vec<Step<'_>> = parts
        .iter_mut()
        .flatten()
        .map(|part| Step { tokens: &part.tokens, cache: &mut *part.cache, want: part.want })
        .collect();
    let mut results = causal(model).forward(compute, &mut steps).into_iter();
    counts.iter().map(|count| results.by_ref().take(*count).collect()).collect()
}
