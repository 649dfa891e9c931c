//! The thread that runs jobs.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use noema_inference_api::{Answer, Job, JobClass, JobId, JobKind};
use noema_models::{Compute, LoadedModel, Logits, ModelError, Step};
use noema_types::Hash;

use crate::compiling::{Compiled, Order};
use crate::limits::{DRAWINGS_MAX, DRAWINGS_OTHERS_MAX, GRAMMARS_AHEAD};
use crate::pool::{Shared, State};
use crate::prefix::PrefixCache;
use crate::sequence::{Part, Sequence, causal};
use crate::spill;
use crate::testing::{Finding, Tester};

/// How a scheduler cuts and keeps work; no choice changes an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) reserved: usize,
    pub(crate) chunk: usize,
    pub(crate) prefix_bytes: usize,
}

/// Runs jobs until the pool ends.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    compute: Compute,
    shape: Shape,
    batch: Vec<Running>,
    prefix: PrefixCache,
    /// To the thread that compiles grammars.
    orders: Sender<Order>,
    tester: Tester,
    /// Models that left a device that failed.
    returned: BTreeMap<Hash, LoadedModel>,
}

struct Running {
    id: JobId,
    arrival: u64,
    model: Hash,
    sequence: Sequence,
    /// Bytes of its text that were handed out before it began anew.
    told: usize,
}

/// A job that joins the batch.
struct Joining {
    id: JobId,
    arrival: u64,
    job: Arc<Job>,
    constraint: Option<Compiled>,
    /// Bytes of its text that were handed out before it began anew.
    told: usize,
}

impl Scheduler {
    pub(crate) fn new(
        shared: Arc<Shared>,
        compute: Compute,
        shape: Shape,
        orders: Sender<Order>,
        tester: Tester,
    ) -> Self {
        let prefix = PrefixCache::new(shape.prefix_bytes);
        Self { shared, compute, shape, batch: Vec::new(), prefix, orders, tester, returned: BTreeMap::new() }
    }

    /// A model where it runs now.
    fn model(&self, root: &Hash) -> LoadedModel {
        let known = self.returned.get(root).or_else(|| self.shared.models.get(root));
        known.expect("submit takes jobs for loaded models only").clone()
    }

    /// Takes all models from the device and begins what runs there anew: answers do not depend on where they are made.
    fn leave_device(&mut self, fault: &str) {
        tracing::error!(fault, "the device failed; its models go on on the processor");
        self.shared.counters.device_faults.fetch_add(1, Ordering::Relaxed);
        self.tester.forget_device();
        self.prefix = PrefixCache::new(self.shape.prefix_bytes);
        let models = self.shared.models.iter();
        self.returned = models.filter_map(|(root, model)| Some((*root, model.on_processor()?))).collect();
        let (again, rest) =
            std::mem::take(&mut self.batch).into_iter().partition(|running| self.returned.contains_key(&running.model));
        self.batch = rest;
        self.requeue(again);
    }

    /// Puts jobs back into the queue, where they were.
    fn requeue(&self, group: Vec<Running>) {
        let mut state = self.shared.state.lock();
        for Running { id, arrival, .. } in group {
            if state.is_open(id, arrival) {
                let class = state.open[&id].class;
                state.queue.insert((class, arrival, id));
            }
        }
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

    fn serve(&mut self) -> Result<(), PoolFault> {
        while let Some(jobs) = self.next_jobs() {
            for job in jobs {
                self.start(job)?;
            }
            self.turn()?;
            match self.tester.look(&self.compute) {
                None => {}
                Some(Finding::Right) => {
                    self.shared.counters.retests.fetch_add(1, Ordering::Relaxed);
                }
                Some(Finding::Device(fault)) => self.leave_device(&fault),
                Some(Finding::Processor(fault)) => return Err(PoolFault::Wrong(fault)),
            }
        }
        Ok(())
    }

    /// Jobs that join the batch; waits while there is nothing to do, until the next test; `None` when the pool ends.
    /// Cancelled ones leave.
    fn next_jobs(&mut self) -> Option<Vec<Joining>> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        loop {
            if state.stopped.is_some() {
                return None;
            }
            self.batch.retain(|running| state.is_open(running.id, running.arrival));
            let jobs = self.join(&mut state);
            if !self.batch.is_empty() || !jobs.is_empty() {
                return Some(jobs);
            }
            if shared.work.wait_for(&mut state, self.tester.next()).timed_out() {
                return Some(Vec::new());
            }
        }
    }

    /// Takes jobs from the queue that the batch has room for; those whose grammar is not compiled yet are passed over,
    /// and leave the queue while it is.
    fn join(&self, state: &mut State) -> Vec<Joining> {
        // A job's class may have risen while it ran.
        let is_other = |id: &JobId| state.open.get(id).is_some_and(|open| open.class != JobClass::Certified);
        let mut others = self.batch.iter().filter(|running| is_other(&running.id)).count();
        let others_max = self.shape.batch.saturating_sub(self.shape.reserved).max(1);
        let mut drawings = self.batch.iter().filter(|running| running.sequence.is_drawing()).count();
        let mut jobs = Vec::new();
        let mut after = Bound::Unbounded;
        while self.batch.len() + jobs.len() < self.shape.batch {
            let Some(&key) = state.queue.range((after, Bound::Unbounded)).next() else { break };
            let (class, arrival, id) = key;
            after = Bound::Excluded(key);
            let open = state.open.get(&id).expect("a queued job is open");
            let (job, told) = (Arc::clone(&open.job), open.text.len());
            // Drawings take long: those that find no room let the texts behind them pass.
            let is_drawing = matches!(job.kind, JobKind::Draw(_));
            let drawings_max = if class == JobClass::Certified { DRAWINGS_MAX } else { DRAWINGS_OTHERS_MAX };
            if is_drawing && drawings >= drawings_max {
                continue;
            }
            if job.options.grammar.is_some() && !state.grammars.contains_key(&arrival) {
                if state.grammars.len() < GRAMMARS_AHEAD && self.orders.send(Order { id, arrival, job }).is_ok() {
                    state.grammars.insert(arrival, None);
                    state.queue.remove(&key);
                }
                continue;
            }
            if class != JobClass::Certified {
                if others >= others_max {
                    break;
                }
                others += 1;
            }
            drawings += usize::from(is_drawing);
            state.queue.remove(&key);
            let constraint = state.grammars.remove(&arrival).flatten();
            jobs.push(Joining { id, arrival, job, constraint, told });
        }
        jobs
    }

    fn start(&mut self, joining: Joining) -> Result<(), ModelError> {
        self.shared.jobs_run.fetch_add(1, Ordering::Relaxed);
        let Joining { id, arrival, job, constraint, told } = joining;
        match Sequence::new(&job, &self.model(&job.model), self.shape.chunk, constraint)? {
            Ok(sequence) => {
                self.batch.push(Running { id, arrival, model: job.model, sequence, told });
            }
            Err(answer) => self.publish(vec![(id, answer)], Vec::new()),
        }
        Ok(())
    }

    /// Hands out answers, and pieces of texts that still grow.
    fn publish(&self, answers: Vec<(JobId, Answer)>, pieces: Vec<(JobId, u64, String)>) {
        if answers.is_empty() && pieces.is_empty() {
            return;
        }
        let mut forgotten = Vec::new();
        let mut state = self.shared.state.lock();
        for (id, arrival, piece) in pieces {
            if let Some(open) = state.open.get_mut(&id).filter(|open| open.arrival == arrival) {
                open.text.push_str(&piece);
            }
        }
        self.shared.grown.notify_all();
        if answers.is_empty() {
            return;
        }
        for (id, answer) in answers {
            state.close(id);
            forgotten.extend(state.memo.insert(id, answer));
        }
        self.shared.answered.notify_all();
        drop(state);
        if let Some(store) = &self.shared.spill {
            for (id, answer) in forgotten {
                store.put(id, &spill::seal(id, &answer));
            }
        }
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
        let (mut answers, mut pieces) = (Vec::new(), Vec::new());
        let had_device = self.returned.is_empty();
        for (root, group) in groups {
            // The device failed in this very turn, under another model.
            if had_device && self.returned.contains_key(&root) {
                self.requeue(group);
                continue;
            }
            let model = self.model(&root);
            if model.embedder().is_some() {
                answers.extend(self.embed(&model, &group)?);
            } else if model.painter().is_some() {
                answers.extend(self.paint(&model, group)?);
            } else {
                self.advance(&model, group, &mut answers, &mut pieces)?;
            }
        }
        let counters = &self.shared.counters;
        counters.running.store(self.batch.len() as u64, Ordering::Relaxed);
        counters.prefix_bytes.store(self.prefix.bytes() as u64, Ordering::Relaxed);
        counters.prefix_evictions.store(self.prefix.evictions, Ordering::Relaxed);
        self.publish(answers, pieces);
        Ok(())
    }

    fn embed(&self, model: &LoadedModel, group: &[Running]) -> Result<Vec<(JobId, Answer)>, ModelError> {
        let all: Vec<&Sequence> = group.iter().map(|running| &running.sequence).collect();
        let answers = Sequence::embed(model, &self.compute, &all)?;
        Ok(group.iter().map(|running| running.id).zip(answers).collect())
    }

    /// One turn of the drawing that comes first by class and arrival; the others wait.
    fn paint(&mut self, model: &LoadedModel, mut group: Vec<Running>) -> Result<Option<(JobId, Answer)>, ModelError> {
        let class = |running: &Running| self.shared.state.lock().open.get(&running.id).map(|open| open.class);
        let key = |running: &Running| (class(running).unwrap_or(JobClass::Simulation), running.arrival);
        let first = (0..group.len()).min_by_key(|&i| key(&group[i])).expect("a group has a sequence");
        let running = &mut group[first];
        let answer = running.sequence.paint(model, &self.compute)?;
        let answer = answer.map(|answer| (running.id, answer));
        if answer.is_some() {
            group.remove(first);
        }
        self.batch.append(&mut group);
        Ok(answer)
    }

    fn advance(
        &mut self,
        model: &LoadedModel,
        mut group: Vec<Running>,
        answers: &mut Vec<(JobId, Answer)>,
        pieces: &mut Vec<(JobId, u64, String)>,
    ) -> Result<(), ModelError> {
        let counters = Arc::clone(&self.shared);
        let counters = &counters.counters;
        for running in &mut group {
            let shared = running.sequence.adopt(&mut self.prefix) as u64;
            if shared > 0 {
                counters.prefix_hits.fetch_add(1, Ordering::Relaxed);
                counters.prefix_tokens.fetch_add(shared, Ordering::Relaxed);
            }
        }
        let (logits, read) = forward(&self.compute, model, &mut group);
        if let Some(fault) = device_fault(&logits) {
            self.batch.append(&mut group);
            self.leave_device(&fault);
            return Ok(());
        }
        counters.tokens_read.fetch_add(read, Ordering::Relaxed);
        for (mut running, logits) in group.into_iter().zip(logits) {
            let sequence = &mut running.sequence;
            let before = sequence.drawn();
            let answer = sequence.take(logits, model, self.compute.arithmetic(), &mut self.prefix)?;
            counters.tokens_made.fetch_add((sequence.drawn() - before) as u64, Ordering::Relaxed);
            match answer {
                Some(answer) => {
                    #[cfg(test)]
                    self.shared.logits.lock().insert(running.id, sequence.logits.finalize());
                    answers.push((running.id, answer));
                }
                None => {
                    let piece = sequence.piece().and_then(|piece| untold(piece, &mut running.told));
                    pieces.extend(piece.map(|piece| (running.id, running.arrival, piece)));
                    self.batch.push(running);
                }
            }
        }
        Ok(())
    }
}

/// Why a pool ends by itself.
#[derive(Debug, thiserror::Error)]
enum PoolFault {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("tested again, this machine computes wrongly: {0}")]
    Wrong(String),
}

/// What of a piece was not handed out yet, if the text began anew.
fn untold(mut piece: String, told: &mut usize) -> Option<String> {
    let known = piece.len().min(*told);
    *told -= known;
    let rest = piece.split_off(known);
    (!rest.is_empty()).then_some(rest)
}

/// The first fault of a device among results.
fn device_fault(results: &[Results]) -> Option<String> {
    results.iter().flatten().find_map(|result| match result {
        Err(ModelError::Device(fault)) => Some(fault.clone()),
        _ => None,
    })
}

/// Results of one sequence, per part.
type Results = Vec<Result<Logits, ModelError>>;

/// Runs the parts of all sequences in one batch; results per sequence, and tokens read.
fn forward(compute: &Compute, model: &LoadedModel, group: &mut [Running]) -> (Vec<Results>, u64) {
    let mut parts: Vec<Vec<Part<'_>>> = group.iter_mut().map(|running| running.sequence.parts()).collect();
    let counts: Vec<usize> = parts.iter().map(Vec::len).collect();
    let mut steps: Vec<Step<'_>> = parts
        .iter_mut()
        .flatten()
        .map(|part| Step { tokens: &part.tokens, cache: &mut *part.cache, want: part.want })
        .collect();
    let read = steps.iter().map(|step| step.tokens.len() as u64).sum();
    let mut results = causal(model).forward(compute, &mut steps).into_iter();
    (counts.iter().map(|count| results.by_ref().take(*count).collect()).collect(), read)
}
