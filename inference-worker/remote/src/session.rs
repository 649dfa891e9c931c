//! One attached worker, as the node sees it.
//!
//! A worker introduces itself, answers tests that the node's pool knows the answers of, then gets a seat and jobs.
//! Its answers are checked for kind and size, and now and then one is computed again. The session ends
//! - in order, when the worker leaves, or a newer stream of the same key takes its place;
//! - with a fault, when the worker is silent, does not answer in time or does not read: it may come back;
//! - for good, when it breaks the protocol or gives a wrong answer: its key is refused until the node starts again.
//!
//! However it ends, its jobs move on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use noema_inference_api::{Answer, Job, NUMERICS_VERSION};
use noema_types::Ed25519PublicKey;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Code, Status, Streaming};

use crate::book::{Seat, Taken, Ticket};
use crate::check::fits;
use crate::dispatcher::Shared;
use crate::limits::{HELLO_MAX, RECENT_MAX};
use crate::report::{PoolReport, WorkerState};
use crate::trial;
use crate::wire::{
    Answered, Beat, FromNode, FromWorker, Introduction, NodeSaid, Order, Piece, Refusal, Welcome, WorkerSaid,
};

/// How a session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The worker left.
    Left,
    /// The stream is gone.
    Gone(String),
    /// A newer stream of this key, or the node itself, ends it.
    Ended(String),
    /// It may come back.
    Fault(String),
    /// What it says of itself does not fit this node; nothing wrong was answered.
    Unfit(String),
    /// It must not serve.
    Wrong(String),
}

/// What was computed aside.
enum Checked {
    /// Tests, with the answers of the node's own pool.
    Tests(Result<Vec<(Job, Answer)>, String>),
    /// An answer of the worker, and the pool's.
    Audit(Arc<Job>, Answer, Result<Answer, String>),
}

struct Session {
    shared: Arc<Shared>,
    key: Ed25519PublicKey,
    said: Introduction,
    out: mpsc::Sender<FromNode>,
    end: watch::Sender<Option<String>>,
    checks: mpsc::Sender<Checked>,
    seat: Option<Seat>,
    /// Tests without an answer yet.
    tests: BTreeMap<Ticket, (Job, Answer)>,
    started: Instant,
    heard: Instant,
    recent: VecDeque<(Arc<Job>, Answer)>,
    next_audit: Instant,
    is_auditing: bool,
    is_leaving: bool,
}

/// Serves one stream to its end.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    key: Ed25519PublicKey,
    mut inbound: Streaming<FromWorker>,
    out: mpsc::Sender<FromNode>,
) {
    let (end, ended) = watch::channel(None);
    let (checks, checked) = mpsc::channel(2);
    let said = introduction(&shared, key, &mut inbound).await;
    let (ending, seat, name) = match said {
        Err(ending) => (ending, None, String::new()),
        Ok(said) => {
            let now = Instant::now();
            let mut session = Session {
                next_audit: now + shared.timing.audit_every,
                shared: Arc::clone(&shared),
                key,
                said,
                out: out.clone(),
                end,
                checks,
                seat: None,
                tests: BTreeMap::new(),
                started: now,
                heard: now,
                recent: VecDeque::new(),
                is_auditing: false,
                is_leaving: false,
            };
            session.begin();
            let ending = session.run(&mut inbound, ended, checked).await;
            session.forget();
            (ending, session.seat, session.said.name)
        }
    };
    let moved = seat.map_or(0, |seat| shared.leave(seat));
    conclude(&shared, key, &name, &ending, moved);
    let (permanent, reason) = match &ending {
        End::Left | End::Gone(_) => return,
        End::Ended(reason) | End::Fault(reason) => (false, reason),
        End::Unfit(reason) | End::Wrong(reason) => (true, reason),
    };
    let _ = out.try_send(Refusal::say(permanent, reason));
}

/// Logs and counts the end of a session.
fn conclude(shared: &Shared, key: Ed25519PublicKey, name: &str, ending: &End, moved: u64) {
    match ending {
        End::Left => tracing::info!(%key, name, moved, "a worker left"),
        End::Gone(reason) | End::Ended(reason) => tracing::warn!(%key, name, moved, reason, "a worker is gone"),
        End::Fault(reason) => tracing::warn!(%key, name, moved, reason, "a worker was dropped"),
        End::Unfit(reason) => tracing::warn!(%key, name, reason, "a worker was refused"),
        End::Wrong(reason) => {
            tracing::error!(%key, name, moved, reason, "a worker gave a wrong answer or broke the protocol and is refused from now on\nhint: run `noema worker selftest` on its machine");
        }
    }
    let mut state = shared.lock();
    match ending {
        End::Fault(_) => state.book.totals.faults += 1,
        End::Unfit(_) => state.book.totals.refused += 1,
        End::Wrong(_) => {
            state.book.totals.faults += 1;
            state.book.totals.refused += 1;
        }
        End::Left | End::Gone(_) | End::Ended(_) => {}
    }
    let Some(worker) = state.workers.get_mut(&key) else { return };
    match ending {
        End::Fault(reason) | End::Wrong(reason) => {
            worker.report.faults += 1;
            worker.report.last_problem.clone_from(reason);
        }
        End::Gone(reason) | End::Unfit(reason) => worker.report.last_problem.clone_from(reason),
        End::Left | End::Ended(_) => {}
    }
    if matches!(ending, End::Wrong(_)) {
        worker.report.state = WorkerState::Refused;
    }
}

/// The worker's first message, checked.
async fn introduction(
    shared: &Shared,
    key: Ed25519PublicKey,
    inbound: &mut Streaming<FromWorker>,
) -> Result<Introduction, End> {
    let first = timeout(HELLO_MAX, inbound.message());
    let first = first.await.map_err(|_| End::Fault(format!("it said nothing for {} s", HELLO_MAX.as_secs())))?;
    let said = match first.map_err(|status| ended_by(&status))? {
        Some(FromWorker { said: Some(WorkerSaid::Hello(hello)) }) => {
            hello.check(NUMERICS_VERSION).map_err(End::Unfit)?
        }
        Some(_) => return Err(End::Wrong("its first message is no introduction".to_owned())),
        None => return Err(End::Gone("it said nothing".to_owned())),
    };
    if !said.models.iter().any(|root| shared.models.contains_key(root)) {
        let served: Vec<String> = shared.models.keys().map(ToString::to_string).collect();
        return Err(End::Unfit(format!("it holds none of the models that the node serves ({})", served.join(", "))));
    }
    let state = shared.lock();
    match state.workers.get(&key) {
        Some(worker) if worker.report.state == WorkerState::Refused => Err(End::Unfit(format!(
            "it was refused before: {}; the node must start again to take it back",
            worker.report.last_problem
        ))),
        Some(_) => Ok(said),
        None => Err(End::Unfit("its key is not admitted".to_owned())),
    }
}

/// What the end of a stream means.
fn ended_by(status: &Status) -> End {
    match status.code() {
        // What tonic says to a message that is too long, and to one that does not decode.
        Code::OutOfRange | Code::Internal if status.source_is_none() => End::Wrong(status.message().to_owned()),
        _ => End::Gone(status.message().to_owned()),
    }
}

/// Tells errors of decoding from errors of the connection, which have a source.
trait SourceIsNone {
    fn source_is_none(&self) -> bool;
}

impl SourceIsNone for Status {
    fn source_is_none(&self) -> bool {
        std::error::Error::source(self).is_none()
    }
}

impl Session {
    /// Takes the place of an older stream of this key, and asks for tests.
    fn begin(&mut self) {
        {
            let mut state = self.shared.lock();
            let older = state.workers.get_mut(&self.key).and_then(|worker| {
                worker.introduce(&self.said);
                worker.report.state = WorkerState::Testing;
                worker.report.attached += 1;
                worker.heard = Some(self.heard);
                worker.end.replace(self.end.clone())
            });
            if let Some(older) = older {
                older.send_replace(Some("a newer connection of this worker takes its place".to_owned()));
            }
        }
        tracing::info!(key = %self.key, name = self.said.name, kernel = self.said.kernel, capacity = self.said.capacity, "a worker came");
        let timing = self.shared.timing;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let welcome = Welcome { beat_ms: millis(timing.beat), silence_ms: millis(timing.silence_max) };
        self.say(NodeSaid::Welcome(welcome).into());
        if self.shared.local.is_none() {
            tracing::warn!(key = %self.key, "there is no pool here: the worker is believed without a test");
            self.sit();
            return;
        }
        let (shared, checks, models) = (Arc::clone(&self.shared), self.checks.clone(), self.said.models.clone());
        tokio::task::spawn_blocking(move || {
            let held = models.iter().filter_map(|root| Some((*root, shared.models.get(root)?)));
            let jobs: Vec<Job> = held.flat_map(|(root, manifest)| trial::of_model(root, manifest)).collect();
            let answered = jobs.into_iter().map(|job| Ok((job.clone(), recompute(&shared, &job)?)));
            let _ = checks.blocking_send(Checked::Tests(answered.collect()));
        });
    }

    fn sit(&mut self) {
        let seat = self.shared.sit(self.key, &self.said, self.out.clone(), self.end.clone());
        self.seat = Some(seat);
        tracing::info!(key = %self.key, name = self.said.name, "a worker gets jobs");
    }

    /// Clears what the board says of this stream, unless a newer one says it.
    fn forget(&self) {
        let mut state = self.shared.lock();
        let Some(worker) = state.workers.get_mut(&self.key) else { return };
        if worker.end.as_ref().is_some_and(|end| end.same_channel(&self.end)) {
            worker.end = None;
            worker.report.pool = PoolReport::default();
            worker.report.state = WorkerState::Away;
        }
    }

    fn say(&self, message: FromNode) {
        if self.out.try_send(message).is_err() {
            self.end.send_if_modified(|reason| {
                let is_news = reason.is_none();
                reason.get_or_insert_with(|| "it does not read what it is sent".to_owned());
                is_news
            });
        }
    }

    async fn run(
        &mut self,
        inbound: &mut Streaming<FromWorker>,
        mut ended: watch::Receiver<Option<String>>,
        mut checked: mpsc::Receiver<Checked>,
    ) -> End {
        let mut beat = interval(self.shared.timing.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                reason = ended.wait_for(Option::is_some) => {
                    let reason = reason.ok().and_then(|reason| reason.clone());
                    Err(End::Ended(reason.unwrap_or_else(|| "the node stops".to_owned())))
                }
                message = inbound.message() => match message {
                    Ok(Some(FromWorker { said: Some(said) })) => self.hear(said),
                    Ok(Some(FromWorker { said: None })) => Err(End::Wrong("an empty message".to_owned())),
                    Ok(None) if self.is_leaving => Err(End::Left),
                    Ok(None) => Err(End::Gone("it ended the stream".to_owned())),
                    Err(_) if self.is_leaving => Err(End::Left),
                    Err(status) => Err(ended_by(&status)),
                },
                check = checked.recv() => check.map_or(Ok(()), |check| self.checked(check)),
                _ = beat.tick() => self.tick(),
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    fn hear(&mut self, said: WorkerSaid) -> Result<(), End> {
        self.heard = Instant::now();
        match said {
            WorkerSaid::Hello(_) => Err(End::Wrong("it introduces itself twice".to_owned())),
            WorkerSaid::Answered(answered) => self.answered(&answered),
            WorkerSaid::Piece(Piece { ticket, offset, text }) => match self.seat {
                Some(seat) => self.shared.piece(seat, ticket, offset, &text).map_err(End::Wrong),
                None => Ok(()),
            },
            WorkerSaid::Beat(beat) => {
                let mut state = self.shared.lock();
                if let Some(worker) = state.workers.get_mut(&self.key) {
                    worker.heard = Some(self.heard);
                    worker.report.pool = beat.report();
                }
                Ok(())
            }
            WorkerSaid::Returned(returned) => {
                let Some(seat) = self.seat else {
                    return Err(End::Fault(format!("it hands a test back: {}", returned.reason)));
                };
                let mut state = self.shared.lock();
                if state.book.hand_back(seat, returned.ticket) {
                    self.shared.pump(&mut state);
                    if !self.is_leaving {
                        return Err(End::Fault(format!("it hands a job back: {}", returned.reason)));
                    }
                }
                Ok(())
            }
            WorkerSaid::Leaving(_) => {
                self.is_leaving = true;
                let mut state = self.shared.lock();
                if let Some(seat) = self.seat {
                    state.book.close_seat(seat);
                }
                if let Some(worker) = state.workers.get_mut(&self.key) {
                    worker.report.state = WorkerState::Leaving;
                }
                Ok(())
            }
        }
    }

    fn answered(&mut self, answered: &Answered) -> Result<(), End> {
        let answer = answered.open().map_err(End::Wrong)?;
        if let Some((job, expected)) = self.tests.remove(&answered.ticket) {
            if answer != expected {
                return Err(wrong(&job, &answer, &expected));
            }
            self.passed();
            if self.tests.is_empty() && self.seat.is_none() {
                self.sit();
            }
            return Ok(());
        }
        let Some(seat) = self.seat else { return Ok(()) };
        // Looked at before it is taken: a malformed answer answers nothing.
        let job = self.shared.lock().book.job_of(seat, answered.ticket).cloned();
        if let Some(job) = job {
            fits(&job, &answer).map_err(|why| End::Wrong(format!("{why} (job {})", job.id())))?;
        }
        match self.shared.answer(seat, answered.ticket, answer.clone()) {
            Taken::Late => Ok(()),
            Taken::Contradiction => Err(End::Wrong("an answer is not what its pieces were".to_owned())),
            Taken::Yes(job) => {
                if let Some(worker) = self.shared.lock().workers.get_mut(&self.key) {
                    worker.report.answered += 1;
                }
                self.recent.truncate(RECENT_MAX - 1);
                self.recent.push_front((job, answer));
                Ok(())
            }
        }
    }

    fn passed(&self) {
        if let Some(worker) = self.shared.lock().workers.get_mut(&self.key) {
            worker.report.audited += 1;
        }
    }

    fn checked(&mut self, checked: Checked) -> Result<(), End> {
        match checked {
            Checked::Tests(Err(why)) => Err(End::Ended(format!("the node cannot test it now: {why}"))),
            Checked::Tests(Ok(tests)) => {
                for (job, answer) in tests {
                    let ticket = self.shared.lock().book.ticket();
                    self.say(Order::say(ticket, noema_inference_api::JobClass::Speculative, &job));
                    self.tests.insert(ticket, (job, answer));
                }
                self.is_auditing = false;
                Ok(())
            }
            Checked::Audit(job, answer, expected) => {
                self.is_auditing = false;
                match expected {
                    Ok(expected) if expected == answer => self.passed(),
                    Ok(expected) => return Err(wrong(&job, &answer, &expected)),
                    Err(why) => tracing::warn!(why, "an audit could not be made"),
                }
                Ok(())
            }
        }
    }

    fn tick(&mut self) -> Result<(), End> {
        let timing = self.shared.timing;
        let now = Instant::now();
        if now - self.heard > timing.silence_max {
            return Err(End::Fault(format!("nothing was heard of it for {} ms", timing.silence_max.as_millis())));
        }
        if self.seat.is_none() && now - self.started > timing.test_max {
            return Err(End::Fault(format!("its tests were not done after {} s", timing.test_max.as_secs())));
        }
        let since = self.seat.and_then(|seat| self.shared.lock().book.oldest_of(seat));
        let age = since.map_or(0, |since| self.shared.now().saturating_sub(since));
        if u128::from(age) > timing.job_max.as_millis() {
            return Err(End::Fault(format!("it did not answer a job for {age} ms")));
        }
        self.say(NodeSaid::Beat(Beat { counts: Vec::new() }).into());
        if self.seat.is_some() && !self.is_leaving && !self.is_auditing && now >= self.next_audit {
            self.next_audit = now + timing.audit_every;
            self.audit();
        }
        Ok(())
    }

    /// Computes again what the worker has answered. A job of its own would be one it could tell from others.
    fn audit(&mut self) {
        if self.recent.is_empty() || self.shared.local.is_none() {
            return;
        }
        let drawn = OsRng.try_next_u64().unwrap_or(0) as usize % self.recent.len();
        let Some((job, answer)) = self.recent.remove(drawn) else { return };
        self.is_auditing = true;
        let (shared, checks) = (Arc::clone(&self.shared), self.checks.clone());
        tokio::task::spawn_blocking(move || {
            let expected = recompute(&shared, &job);
            let _ = checks.blocking_send(Checked::Audit(job, answer, expected));
        });
    }
}

fn recompute(shared: &Shared, job: &Job) -> Result<Answer, String> {
    let local = shared.local.as_ref().ok_or_else(|| "there is no pool here".to_owned())?;
    trial::compute(&*local.engine, job).map_err(|error| error.to_string())
}

fn wrong(job: &Job, answer: &Answer, expected: &Answer) -> End {
    End::Wrong(format!(
        "its answer to job {} has the digest {}, the node's {}",
        job.id(),
        answer.digest(),
        expected.digest()
    ))
}
