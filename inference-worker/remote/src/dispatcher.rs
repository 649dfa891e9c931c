//! The engine that spreads jobs over this process's pool and the attached workers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::time::{Duration, Instant};

use noema_crypto::Ed25519KeyPair;
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, ModelManifest, Poll, SpecialTexts};
use noema_types::{Ed25519PublicKey, Hash};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{mpsc, watch};

use crate::RemoteError;
use crate::book::{Assignment, Book, Millis, Seat, Submitted, Taken, Ticket};
use crate::host::Host;
use crate::limits::{AUDIT_EVERY, BEAT, BUSY_PAUSE, JOB_MAX, LOSSES_MAX, SILENCE_MAX, TEST_MAX};
use crate::report::{InferenceReport, LocalReport, PoolReport, WorkerReport, WorkerState};
use crate::wire::{Cancel, FromNode, Introduction, NodeSaid, Order};

/// The pool of this process.
pub struct Local {
    /// It answers, and it knows what workers must answer.
    pub engine: Arc<dyn Engine>,
    /// What it does, for people.
    pub stats: Box<dyn Fn() -> PoolReport + Send + Sync>,
    /// Jobs it takes at once; 0 keeps it for checking the workers, and jobs wait for those.
    pub jobs: usize,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("engine", &self.engine).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

/// How long workers may take. No choice made here changes an answer.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two beats.
    pub beat: Duration,
    /// A worker that is silent for so long is lost.
    pub silence_max: Duration,
    /// A job moves on after so long.
    pub job_max: Duration,
    /// A worker has so long to answer its tests.
    pub test_max: Duration,
    /// Between two audits of a worker.
    pub audit_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let (beat, silence_max, job_max) = (BEAT, SILENCE_MAX, JOB_MAX);
        Self { beat, silence_max, job_max, test_max: TEST_MAX, audit_every: AUDIT_EVERY }
    }
}

/// Where workers come to, and which.
#[derive(Debug)]
pub struct Listen {
    /// Where to listen.
    pub address: SocketAddr,
    /// The node's key, which workers expect.
    pub key: Ed25519KeyPair,
    /// Keys of the workers that are admitted.
    pub workers: Vec<Ed25519PublicKey>,
}

/// An engine over a pool and workers.
#[derive(Debug)]
pub struct Dispatcher {
    shared: Arc<Shared>,
    host: Option<Host>,
}

/// What callers, the pool's threads and the workers' sessions share.
pub(crate) struct Shared {
    pub(crate) timing: Timing,
    pub(crate) local: Option<Local>,
    pub(crate) models: BTreeMap<Hash, ModelManifest>,
    state: Mutex<State>,
    answered: Condvar,
    grown: Condvar,
    start: Instant,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("local", &self.local).finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) book: Book,
    lines: BTreeMap<Seat, Line>,
    pub(crate) workers: BTreeMap<Ed25519PublicKey, Worker>,
    local: Option<Seat>,
    local_answered: u64,
}

/// The way to a seat.
enum Line {
    Local(std_mpsc::Sender<Assignment>),
    Remote { out: mpsc::Sender<FromNode>, end: watch::Sender<Option<String>> },
}

/// What is known of an admitted worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) report: WorkerReport,
    pub(crate) seat: Option<Seat>,
    /// Its stream, while there is one: a newer stream takes its place.
    pub(crate) end: Option<watch::Sender<Option<String>>>,
    pub(crate) heard: Option<Instant>,
}

impl Dispatcher {
    /// Spreads jobs for these models, and those of the local pool; without workers yet.
    ///
    /// # Errors
    /// [`RemoteError::System`] if the system gives no thread.
    pub fn new(
        local: Option<Local>,
        models: impl IntoIterator<Item = (Hash, ModelManifest)>,
        timing: Timing,
    ) -> Result<Self, RemoteError> {
        let held = local.as_ref().map(|local| local.engine.models()).unwrap_or_default();
        let models: BTreeMap<_, _> = models.into_iter().chain(held.iter().cloned()).collect();
        let jobs = local.as_ref().map_or(0, |local| local.jobs);
        let shared = Arc::new(Shared {
            timing,
            local,
            models,
            state: Mutex::default(),
            answered: Condvar::new(),
            grown: Condvar::new(),
            start: Instant::now(),
        });
        if jobs > 0 {
            let (line, orders) = std_mpsc::channel();
            let orders = Arc::new(Mutex::new(orders));
            for _ in 0..jobs {
                let (shared, orders) = (Arc::clone(&shared), Arc::clone(&orders));
                std::thread::Builder::new()
                    .name("noema-dispatch".to_owned())
                    .spawn(move || shared.serve_locally(&orders))
                    .map_err(|error| RemoteError::System(error.to_string()))?;
            }
            let mut state = shared.state.lock();
            let seat = state.book.sit(held.into_iter().map(|(root, _)| root), jobs);
            state.lines.insert(seat, Line::Local(line));
            state.local = Some(seat);
        }
        Ok(Self { shared, host: None })
    }

    /// Lets workers come; where they find it.
    ///
    /// # Errors
    /// [`RemoteError`], when the address or the key cannot be used.
    pub fn listen(&mut self, listen: Listen) -> Result<SocketAddr, RemoteError> {
        {
            let mut state = self.shared.state.lock();
            for key in &listen.workers {
                state.workers.entry(*key).or_insert_with(|| Worker::unseen(*key));
            }
        }
        let host = Host::start(&self.shared, listen)?;
        let address = host.address();
        self.host = Some(host);
        Ok(address)
    }

    /// Queue, pool, workers, counts.
    #[must_use]
    pub fn report(&self) -> InferenceReport {
        self.shared.report()
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.host = None;
        self.shared.stop("the dispatcher was dropped".to_owned());
    }
}

impl Worker {
    fn unseen(key: Ed25519PublicKey) -> Self {
        let report = WorkerReport {
            name: String::new(),
            key,
            state: WorkerState::Away,
            program: String::new(),
            kernel: String::new(),
            threads: 0,
            capacity: 0,
            models: Vec::new(),
            in_flight: 0,
            answered: 0,
            moved: 0,
            faults: 0,
            attached: 0,
            audited: 0,
            last_problem: String::new(),
            last_seen_ms: None,
            pool: PoolReport::default(),
        };
        Self { report, seat: None, end: None, heard: None }
    }

    /// What it says of itself is what people see from now on.
    pub(crate) fn introduce(&mut self, said: &Introduction) {
        self.report.name.clone_from(&said.name);
        self.report.program.clone_from(&said.program);
        self.report.kernel.clone_from(&said.kernel);
        self.report.models.clone_from(&said.models);
        (self.report.threads, self.report.capacity) = (said.threads, said.capacity);
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn now(&self) -> Millis {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends everything; the first reason stays.
    pub(crate) fn stop(&self, reason: String) {
        let mut state = self.state.lock();
        state.book.stopped.get_or_insert(reason);
        state.lines.clear();
        for worker in state.workers.values_mut() {
            worker.end = None;
        }
        self.answered.notify_all();
        self.grown.notify_all();
    }

    /// Hands waiting jobs to seats with room.
    pub(crate) fn pump(&self, state: &mut State) {
        loop {
            let mut lost = Vec::new();
            for order in state.book.assign(self.now()) {
                if !lost.contains(&order.seat) && !state.hand(&order) {
                    lost.push(order.seat);
                }
            }
            if lost.is_empty() {
                return;
            }
            for seat in lost {
                state.lose(seat);
            }
        }
    }

    /// Gives a worker a seat, and jobs.
    pub(crate) fn sit(
        &self,
        key: Ed25519PublicKey,
        said: &Introduction,
        out: mpsc::Sender<FromNode>,
        end: watch::Sender<Option<String>>,
    ) -> Seat {
        let mut state = self.state.lock();
        let held = said.models.iter().copied().filter(|root| self.models.contains_key(root));
        let seat = state.book.sit(held, said.capacity as usize);
        state.lines.insert(seat, Line::Remote { out, end });
        if let Some(worker) = state.workers.get_mut(&key) {
            worker.seat = Some(seat);
            worker.report.state = WorkerState::Ready;
        }
        self.pump(&mut state);
        seat
    }

    /// Takes a worker's seat away; its jobs go to others. How many there were.
    pub(crate) fn leave(&self, seat: Seat) -> u64 {
        let mut state = self.state.lock();
        let moved = state.lose(seat);
        self.pump(&mut state);
        // Some may have been given up.
        self.answered.notify_all();
        self.grown.notify_all();
        moved
    }

    /// Takes an answer.
    pub(crate) fn answer(&self, seat: Seat, ticket: Ticket, answer: Answer) -> Taken {
        let mut state = self.state.lock();
        let taken = state.book.answer(seat, ticket, answer);
        if matches!(taken, Taken::Yes(_)) {
            if state.local == Some(seat) {
                state.local_answered += 1;
            }
            self.answered.notify_all();
            self.grown.notify_all();
            self.pump(&mut state);
        }
        taken
    }

    /// Takes a piece of a text.
    pub(crate) fn piece(&self, seat: Seat, ticket: Ticket, offset: u64, piece: &str) -> Result<(), String> {
        if self.state.lock().book.piece(seat, ticket, offset, piece)? {
            self.grown.notify_all();
        }
        Ok(())
    }

    /// One thread of the local pool: has one job at a time.
    fn serve_locally(&self, orders: &Mutex<std_mpsc::Receiver<Assignment>>) {
        loop {
            let order = orders.lock().recv();
            let Ok(order) = order else { return };
            self.run_locally(&order);
        }
    }

    fn run_locally(&self, order: &Assignment) {
        let Assignment { seat, ticket, job, class } = order;
        let Some(local) = &self.local else { return };
        let is_wanted = || self.state.lock().book.job_of(*seat, *ticket).is_some();
        let id = loop {
            if !is_wanted() {
                return;
            }
            match local.engine.submit(job, *class) {
                Ok(id) => break id,
                Err(EngineError::Busy(_)) => std::thread::sleep(BUSY_PAUSE),
                Err(error) => return self.stop(error.to_string()),
            }
        };
        let mut offset = 0;
        let answer = local.engine.watch(id, &mut |piece| {
            // The pool does not contradict itself; a lost worker's text is told apart by the book.
            let is_taken = self.piece(*seat, *ticket, offset, piece).is_ok();
            offset += piece.len() as u64;
            is_taken
        });
        match answer {
            Ok(answer) => drop(self.answer(*seat, *ticket, answer)),
            // A cancelled job ends like that; a pool that has stopped too, but then its job is still wanted.
            Err(error) if is_wanted() => self.stop(error.to_string()),
            Err(_) => {}
        }
    }

    fn report(&self) -> InferenceReport {
        let pool = self.local.as_ref().map(|local| (local.jobs, (local.stats)()));
        let state = self.state.lock();
        let workers = state.workers.values().map(|worker| {
            let last_seen_ms = worker.heard.map(|heard| u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX));
            let in_flight = worker.seat.map_or(0, |seat| state.book.load_of(seat) as u64);
            WorkerReport { in_flight, last_seen_ms, ..worker.report.clone() }
        });
        InferenceReport {
            queue: state.book.queue_report(self.now()),
            local: pool.map(|(jobs, pool)| LocalReport {
                capacity: jobs as u64,
                in_flight: state.local.map_or(0, |seat| state.book.load_of(seat) as u64),
                answered: state.local_answered,
                pool,
            }),
            workers: workers.collect(),
            totals: state.book.totals,
        }
    }
}

impl State {
    /// Hands a job over; whether the seat took it.
    fn hand(&self, order: &Assignment) -> bool {
        match self.lines.get(&order.seat) {
            Some(Line::Local(line)) => line.send(order.clone()).is_ok(),
            Some(Line::Remote { out, .. }) => out.try_send(Order::say(order.ticket, order.class, &order.job)).is_ok(),
            None => false,
        }
    }

    /// Takes a seat away and tells its session, if that does not know yet.
    fn lose(&mut self, seat: Seat) -> u64 {
        if let Some(Line::Remote { end, .. }) = self.lines.remove(&seat) {
            end.send_if_modified(|reason| {
                let is_news = reason.is_none();
                reason.get_or_insert_with(|| "it does not read what it is sent".to_owned());
                is_news
            });
        }
        let moved = self.book.leave(seat);
        for worker in self.workers.values_mut().filter(|worker| worker.seat == Some(seat)) {
            worker.seat = None;
            worker.report.moved += moved;
        }
        moved
    }
}

/// Why a job has neither answer nor place.
fn gone(book: &Book, id: JobId) -> EngineError {
    if book.is_given_up(id) {
        let hint = "hint: the workers' logs say why they ended";
        return EngineError::Stopped(format!("job {id} was given up: {LOSSES_MAX} workers were lost with it\n{hint}"));
    }
    EngineError::Stopped(format!("job {id} was never submitted, was cancelled, or its answer is forgotten"))
}

impl Engine for Dispatcher {
    fn submit(&self, job: &Job, class: JobClass) -> Result<JobId, EngineError> {
        if self.shared.models.get(&job.model).is_none_or(|manifest| manifest.numerics != job.numerics) {
            return Err(EngineError::ModelMissing(job.model));
        }
        let mut state = self.shared.state.lock();
        let (id, submitted) = state.book.submit(job, class, self.shared.now())?;
        match submitted {
            Submitted::Known => {}
            Submitted::Waits => self.shared.pump(&mut state),
            Submitted::Raised(order) if state.local == Some(order.seat) => {
                if let Some(local) = &self.shared.local {
                    drop(state);
                    // At worst the pool goes on with the class it knows.
                    let _ = local.engine.submit(job, class);
                }
            }
            Submitted::Raised(order) => {
                if !state.hand(&order) {
                    state.lose(order.seat);
                    self.shared.pump(&mut state);
                }
            }
        }
        Ok(id)
    }

    fn poll(&self, id: JobId) -> Poll {
        let state = self.shared.state.lock();
        match state.book.answer_of(id) {
            Some(answer) => Poll::Ready(answer.clone()),
            None if state.book.text_of(id).is_some() => Poll::Pending,
            None => Poll::Unknown,
        }
    }

    fn wait(&self, id: JobId) -> Result<Answer, EngineError> {
        let mut state = self.shared.state.lock();
        loop {
            if let Some(answer) = state.book.answer_of(id) {
                return Ok(answer.clone());
            }
            if let Some(reason) = &state.book.stopped {
                return Err(EngineError::Stopped(reason.clone()));
            }
            if state.book.text_of(id).is_none() {
                return Err(gone(&state.book, id));
            }
            self.shared.answered.wait(&mut state);
        }
    }

    fn watch(&self, id: JobId, each: &mut dyn FnMut(&str) -> bool) -> Result<Answer, EngineError> {
        let mut sent = 0;
        let mut state = self.shared.state.lock();
        loop {
            if let Some(answer) = state.book.answer_of(id).cloned() {
                drop(state);
                if let Answer::Generated(generated) = &answer
                    && let Some(rest) = generated.text.get(sent..).filter(|rest| !rest.is_empty())
                {
                    each(rest);
                }
                return Ok(answer);
            }
            if let Some(reason) = &state.book.stopped {
                return Err(EngineError::Stopped(reason.clone()));
            }
            let Some(text) = state.book.text_of(id) else { return Err(gone(&state.book, id)) };
            if text.len() == sent {
                self.shared.grown.wait(&mut state);
                continue;
            }
            let piece = text[sent..].to_owned();
            sent = text.len();
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
        let was_open = state.book.text_of(id).is_some();
        let at = state.book.cancel(id);
        if let Some((seat, ticket)) = at {
            match state.lines.get(&seat) {
                Some(Line::Remote { out, .. }) => {
                    // One that does not hear it answers in vain.
                    let _ = out.try_send(NodeSaid::Cancel(Cancel { ticket }).into());
                }
                Some(Line::Local(_)) => {
                    if let Some(local) = &self.shared.local {
                        local.engine.cancel(id);
                    }
                }
                None => {}
            }
        }
        if was_open && state.book.text_of(id).is_none() {
            // Whoever waits without having submitted hears that there will be no answer.
            self.shared.answered.notify_all();
            self.shared.grown.notify_all();
            self.shared.pump(&mut state);
        }
    }

    fn models(&self) -> Vec<(Hash, ModelManifest)> {
        self.shared.models.iter().map(|(root, manifest)| (*root, manifest.clone())).collect()
    }

    fn special_texts(&self, model: Hash) -> Option<Arc<SpecialTexts>> {
        self.shared.local.as_ref()?.engine.special_texts(model)
    }

    fn prompt_tokens(&self, job: &Job) -> Option<u32> {
        self.shared.local.as_ref()?.engine.prompt_tokens(job)
    }

    fn jobs_run(&self) -> u64 {
        self.shared.state.lock().book.totals.answered
    }
}
