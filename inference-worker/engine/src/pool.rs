//! The pool: what callers hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use noema_inference_api::{
    Answer, Engine, EngineError, Grammar, Job, JobClass, JobId, JobKind, ModelManifest, Poll, SpecialTexts,
};
use noema_models::{Compute, Device, LoadedModel, ModelError};
use noema_types::Hash;
use parking_lot::{Condvar, Mutex};

use crate::compiling::{self, Compiled};
use crate::limits::{
    BATCH_RESERVED, BATCH_SEQUENCES_MAX, PREFILL_TOKENS_MAX, PREFIX_BYTES_MAX, QUEUE_BYTES_MAX, QUEUE_JOBS_MAX,
    QUEUE_OTHERS_BYTES_MAX, QUEUE_OTHERS_MAX, RETEST, SCHEDULER_STACK_BYTES,
};
use crate::memo::Memo;
use crate::scheduler::{Scheduler, Shape};
use crate::sequence;
use crate::spill::{self, Spill};
use crate::testing::Tester;

/// How a pool computes. No choice made here changes an answer.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Kernel and threads.
    pub compute: Compute,
}

/// What a pool may use. No choice made here changes an answer.
#[derive(Debug)]
pub struct Resources {
    /// Sequences that run together, at most; at least 1 is used.
    pub batch: usize,
    /// Tokens of a prompt that one turn reads, at most; at least 1 is used.
    pub chunk: usize,
    /// Bytes of pages kept for prompts that begin alike; 0 keeps none.
    pub prefix_bytes: usize,
    /// Where answers go that memory has no room for.
    pub spill: Option<Box<dyn Spill>>,
    /// A device for those models that it has kernels for. When it fails they go on with [`PoolConfig::compute`].
    pub device: Option<Device>,
    /// How often kernels and device are tested against the golden vectors again, between turns.
    pub retest: Duration,
}

impl Default for Resources {
    fn default() -> Self {
        let (batch, chunk) = (BATCH_SEQUENCES_MAX, PREFILL_TOKENS_MAX);
        Self { batch, chunk, prefix_bytes: PREFIX_BYTES_MAX, spill: None, device: None, retest: RETEST }
    }
}

/// What a pool does and did since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStats {
    /// Jobs that wait.
    pub queued: u64,
    /// Sequences in the batch, after the last turn.
    pub running: u64,
    /// Jobs the models ran.
    pub jobs_run: u64,
    /// Submissions whose answer was known.
    pub memo_hits: u64,
    /// Answers found in the spill store, of those.
    pub spill_hits: u64,
    /// Jobs dropped because nobody wanted them any more.
    pub cancelled: u64,
    /// Tokens that models read, those just drawn included.
    pub tokens_read: u64,
    /// Tokens drawn.
    pub tokens_made: u64,
    /// Times a prompt took over pages that were read before.
    pub prefix_hits: u64,
    /// Tokens not read for that.
    pub prefix_tokens: u64,
    /// Pages forgotten to make room.
    pub prefix_evictions: u64,
    /// Bytes of pages kept.
    pub prefix_bytes: u64,
    /// Times a device failed and its models went on without it.
    pub device_faults: u64,
    /// Times kernels and device were tested again and found right.
    pub retests: u64,
}

/// Counts of a pool.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) running: AtomicU64,
    pub(crate) tokens_read: AtomicU64,
    pub(crate) tokens_made: AtomicU64,
    pub(crate) prefix_hits: AtomicU64,
    pub(crate) prefix_tokens: AtomicU64,
    pub(crate) prefix_evictions: AtomicU64,
    pub(crate) prefix_bytes: AtomicU64,
    pub(crate) device_faults: AtomicU64,
    pub(crate) retests: AtomicU64,
    memo_hits: AtomicU64,
    spill_hits: AtomicU64,
    cancelled: AtomicU64,
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
    /// The device fails or has no room.
    #[error("cannot put model {model} on the device: {error}")]
    Device {
        /// The model's name.
        model: String,
        /// What went wrong.
        error: ModelError,
    },
    /// Two models have one root.
    #[error("model {0} is loaded twice")]
    Duplicate(Hash),
}

/// An engine in this process.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What callers and the scheduler share.
pub(crate) struct Shared {
    pub(crate) models: BTreeMap<Hash, LoadedModel>,
    /// Of each model.
    special: BTreeMap<Hash, Arc<SpecialTexts>>,
    pub(crate) state: Mutex<State>,
    /// Signalled when there is work, or the pool ends.
    pub(crate) work: Condvar,
    /// Signalled when there are answers, or the pool ends.
    pub(crate) answered: Condvar,
    /// Signalled when a text has grown, there are answers, or the pool ends.
    pub(crate) grown: Condvar,
    pub(crate) jobs_run: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) spill: Option<Box<dyn Spill>>,
    /// Digests of the logits behind each answer.
    #[cfg(test)]
    pub(crate) logits: Mutex<BTreeMap<JobId, blake3::Hash>>,
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
    /// Grammars of jobs that wait, by arrival; none while it is being compiled.
    pub(crate) grammars: BTreeMap<u64, Option<Compiled>>,
    /// Bytes of the texts of open jobs.
    bytes: usize,
    /// Why the pool ended.
    pub(crate) stopped: Option<String>,
}

/// A job without an answer yet.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) job: Arc<Job>,
    pub(crate) class: JobClass,
    pub(crate) arrival: u64,
    /// Times it was submitted, less the times it was cancelled.
    wanted: u64,
    /// Bytes of its texts.
    bytes: usize,
    /// What is certain of the answer's text.
    pub(crate) text: String,
}

/// Bytes a job is counted with.
#[must_use]
pub fn weight(job: &Job) -> usize {
    let options = &job.options;
    let kind = match &job.kind {
        JobKind::Choose(choices) => choices.iter().map(String::len).sum(),
        JobKind::Score(text) => text.len(),
        JobKind::Draw(drawing) => drawing.negative_prompt.len(),
        JobKind::Generate | JobKind::Embed => 0,
    };
    let grammar = match &options.grammar {
        Some(Grammar::JsonSchema(text) | Grammar::Regex(text) | Grammar::Lark(text)) => text.len(),
        None => 0,
    };
    let stops: usize = options.stop.iter().map(String::len).sum();
    job.prompt.len() + kind + grammar + stops + size_of::<Job>()
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
        Self::start_with(models, config, Resources::default())
    }

    /// As [`Pool::start`], with a say in what the pool uses.
    ///
    /// # Errors
    /// As [`Pool::start`].
    pub fn start_with(models: Vec<LoadedModel>, config: &PoolConfig, resources: Resources) -> Result<Self, PoolError> {
        let kernel = config.compute.arithmetic().kernel();
        noema_numerics::self_test(kernel).map_err(|error| PoolError::SelfTest(error.into()))?;
        noema_models::self_test(&config.compute).map_err(PoolError::SelfTest)?;
        let mut by_root = BTreeMap::new();
        for model in models {
            let root = model.root;
            let model = match &resources.device {
                Some(device) => place(model, device)?,
                None => model,
            };
            if by_root.insert(root, model).is_some() {
                return Err(PoolError::Duplicate(root));
            }
        }
        let special = by_root.iter().map(|(root, model)| {
            let ends = &model.manifest.special.eos;
            (*root, Arc::new(model.tokenizer.special_texts(ends)))
        });
        let shared = Arc::new(Shared {
            special: special.collect(),
            models: by_root,
            state: Mutex::default(),
            work: Condvar::new(),
            answered: Condvar::new(),
            grown: Condvar::new(),
            jobs_run: AtomicU64::new(0),
            counters: Counters::default(),
            spill: resources.spill,
            #[cfg(test)]
            logits: Mutex::default(),
        });
        let shape = Shape {
            batch: resources.batch.max(1),
            reserved: BATCH_RESERVED,
            chunk: resources.chunk.max(1),
            prefix_bytes: resources.prefix_bytes,
        };
        let tester = Tester::new(resources.device, resources.retest);
        let (orders, grammars) = std::sync::mpsc::channel();
        let compiler = Arc::clone(&shared);
        let scheduler = Scheduler::new(Arc::clone(&shared), config.compute.clone(), shape, orders, tester);
        // Dropping the pool ends the scheduler, which ends the compiler of grammars.
        let mut pool = Self { shared, threads: Vec::new() };
        pool.threads.push(spawn("noema-engine", move || scheduler.run())?);
        pool.threads.push(spawn("noema-grammars", move || compiling::run(&compiler, &grammars))?);
        Ok(pool)
    }

    /// What the pool does and did.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let queued = self.shared.state.lock().queue.len() as u64;
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolStats {
            queued,
            running: count(&counters.running),
            jobs_run: count(&self.shared.jobs_run),
            memo_hits: count(&counters.memo_hits),
            spill_hits: count(&counters.spill_hits),
            cancelled: count(&counters.cancelled),
            tokens_read: count(&counters.tokens_read),
            tokens_made: count(&counters.tokens_made),
            prefix_hits: count(&counters.prefix_hits),
            prefix_tokens: count(&counters.prefix_tokens),
            prefix_evictions: count(&counters.prefix_evictions),
            prefix_bytes: count(&counters.prefix_bytes),
            device_faults: count(&counters.device_faults),
            retests: count(&counters.retests),
        }
    }

    /// An answer that was remembered or spilled; takes a spilled one back into memory.
    fn known(&self, id: JobId) -> bool {
        let counters = &self.shared.counters;
        {
            let state = self.shared.state.lock();
            if state.memo.get(id).is_some() {
                counters.memo_hits.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            if state.open.contains_key(&id) {
                return false;
            }
        }
        let Some(store) = &self.shared.spill else { return false };
        let Some(sealed) = store.get(id) else { return false };
        let Some(answer) = spill::open(id, &sealed) else {
            tracing::warn!(job = %id, "a kept answer is damaged and is made again");
            store.remove(id);
            return false;
        };
        counters.memo_hits.fetch_add(1, Ordering::Relaxed);
        counters.spill_hits.fetch_add(1, Ordering::Relaxed);
        let forgotten = self.shared.state.lock().memo.insert(id, answer);
        for (id, answer) in forgotten {
            store.put(id, &spill::seal(id, &answer));
        }
        true
    }
}

#[cfg(test)]
impl Pool {
    pub(crate) fn stop_for_test(&self) {
        self.shared.stop("stopped by a test".to_owned());
    }

    pub(crate) fn logits(&self, id: JobId) -> Option<blake3::Hash> {
        self.shared.logits.lock().get(&id).copied()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop("the pool was dropped".to_owned());
        for thread in self.threads.drain(..) {
            // A panic of the scheduler has been reported to every waiter already.
            let _ = thread.join();
        }
    }
}

/// A model on the device, if it can be there.
fn place(model: LoadedModel, device: &Device) -> Result<LoadedModel, PoolError> {
    let name = model.manifest.name.clone();
    let placed = model.placed_on(device).map_err(|error| match error {
        ModelError::Golden { .. } => PoolError::SelfTest(error),
        error => PoolError::Device { model: name.clone(), error },
    })?;
    let place = if placed.is_on_device() { device.name() } else { "processor" };
    tracing::info!(model = name, place, "model placed");
    Ok(placed)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PoolError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).stack_size(SCHEDULER_STACK_BYTES);
    thread.spawn(work).map_err(PoolError::Thread)
}

impl Shared {
    /// Ends the pool; the first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        let mut state = self.state.lock();
        state.stopped.get_or_insert(reason);
        self.work.notify_all();
        self.answered.notify_all();
        self.grown.notify_all();
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

    /// Takes a job out; it is answered or unwanted.
    pub(crate) fn close(&mut self, id: JobId) {
        if let Some(open) = self.open.remove(&id) {
            self.queue.remove(&(open.class, open.arrival, id));
            self.bytes -= open.bytes;
            // One that is being compiled counts until its turn comes: there is a bound of those.
            if self.grammars.get(&open.arrival).is_some_and(Option::is_some) {
                self.grammars.remove(&open.arrival);
            }
        }
    }

    /// Whether this submission of a job waits or runs.
    pub(crate) fn is_open(&self, id: JobId, arrival: u64) -> bool {
        self.open.get(&id).is_some_and(|open| open.arrival == arrival)
    }

    /// A grammar is ready: its job waits for a place in the batch again, unless it was cancelled.
    pub(crate) fn compiled(&mut self, id: JobId, arrival: u64, compiled: Compiled) {
        self.grammars.remove(&arrival);
        if let Some(open) = self.open.get(&id).filter(|open| open.arrival == arrival) {
            self.queue.insert((open.class, arrival, id));
            self.grammars.insert(arrival, Some(compiled));
        }
    }

    fn is_full(&self, class: JobClass, bytes: usize) -> bool {
        let (jobs_max, bytes_max) = match class {
            JobClass::Certified => (QUEUE_JOBS_MAX, QUEUE_BYTES_MAX),
            JobClass::Speculative | JobClass::Simulation => (QUEUE_OTHERS_MAX, QUEUE_OTHERS_BYTES_MAX),
        };
        self.open.len() >= jobs_max || self.bytes + bytes > bytes_max
    }
}

fn forgotten(id: JobId) -> EngineError {
    EngineError::Stopped(format!("job {id} was never submitted, was cancelled, or its answer is forgotten"))
}

impl Engine for Pool {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        let model = self.shared.models.get(&job.model);
        if model.is_none_or(|model| model.manifest.numerics != job.numerics) {
            return Err(EngineError::ModelMissing(job.model));
        }
        let id = job.id();
        let is_known = self.known(id);
        let mut state = self.shared.state.lock();
        if let Some(reason) = &state.stopped {
            return Err(EngineError::Stopped(reason.clone()));
        }
        // It may have been answered since it was looked for.
        if is_known || state.memo.get(id).is_some() {
            return Ok(id);
        }
        if let Some(open) = state.open.get_mut(&id) {
            open.wanted += 1;
            state.raise(id, class);
            return Ok(id);
        }
        let bytes = weight(job);
        if state.is_full(class, bytes) {
            return Err(EngineError::Busy(state.open.len()));
        }
        let arrival = state.arrivals;
        state.arrivals += 1;
        state.bytes += bytes;
        let open = Open { job: Arc::new(job.clone()), class, arrival, wanted: 1, bytes, text: String::new() };
        state.open.insert(id, open);
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
                return Err(forgotten(id));
            }
            self.shared.answered.wait(&mut state);
        }
    }

    fn watch(&self, id: JobId, each: &mut dyn FnMut(&str) -> bool) -> Result<Answer, EngineError> {
        let mut sent = 0;
        let mut state = self.shared.state.lock();
        loop {
            if let Some(answer) = state.memo.get(id).cloned() {
                drop(state);
                if let Answer::Generated(generated) = &answer
                    && let Some(rest) = generated.text.get(sent..).filter(|rest| !rest.is_empty())
                {
                    each(rest);
                }
                return Ok(answer);
            }
            if let Some(reason) = &state.stopped {
                return Err(EngineError::Stopped(reason.clone()));
            }
            let Some(open) = state.open.get(&id) else { return Err(forgotten(id)) };
            if open.text.len() == sent {
                self.shared.grown.wait(&mut state);
                continue;
            }
            let piece = open.text[sent..].to_owned();
            sent = open.text.len();
            // The caller may be slow; it holds nobody up.
            drop(state);
            if !each(&piece) {
                return self.wait(id);
            }
            state = self.shared.state.lock();
        }
    }

    fn cancel(&self, id: JobId) {
        let mut state = self.shared.state.lock();
        let Some(open) = state.open.get_mut(&id) else { return };
        open.wanted = open.wanted.saturating_sub(1);
        if open.wanted > 0 || open.class != JobClass::Simulation {
            return;
        }
        state.close(id);
        self.shared.counters.cancelled.fetch_add(1, Ordering::Relaxed);
        // Whoever waits without having submitted hears that there will be no answer.
        self.shared.answered.notify_all();
        self.shared.grown.notify_all();
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        self.shared.models.iter().map(|(root, model)| (*root, (*model.manifest).clone())).collect()
    }

    fn special_texts(&self, model: Hash) -> Option<Arc<SpecialTexts>> {
        self.shared.special.get(&model).cloned()
    }

    fn prompt_tokens(&self, job: &Job) -> Option<u32> {
        let model = self.shared.models.get(&job.model)?;
        job.check().ok()?;
        sequence::prompt(job, model).ok().map(|tokens| sequence::count(tokens.len()))
    }

    fn jobs_run(&self) -> u64 {
        self.shared.jobs_run.load(Ordering::Relaxed)
    }
}
