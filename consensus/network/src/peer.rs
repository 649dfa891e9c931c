//! Looks after one peer: dials, takes what it dials, keeps at most one session, and begins again.
//!
//! Both sides dial, so that whoever restarts is back at once. When both have dialled at the same time, the session
//! dialled by the smaller key stays:
//!
//! - The smaller key, while its own dial is under way, keeps the other's waiting, and takes it only if its own fails.
//! - The larger key takes the other's at any time, gives its own dial up for it, and replaces what session it has.
//! - Neither dials while it has a session. So a session that the other dials, while one it had dialled is still here,
//!   means that the other has lost it: it is replaced.
//!
//! What is left is the smaller key holding a session it dialled itself, dead without a sign, while the larger dials: it
//! refuses until silence ends the dead one ([`SILENCE_MAX`](crate::limits::SILENCE_MAX)).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::TryRngCore;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep_until, timeout};

use crate::error::{HandshakeError, LaneError, Reason};
use crate::frame::Lane;
use crate::handshake::{Arrival, Lanes, SessionId, Stream, dial, refuse, welcome};
use crate::identity::Identity;
use crate::inbox::{Inbox, SessionNumber};
use crate::lane::LaneContext;
use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, GOODBYE_MAX, QUARANTINE, SESSION_GOOD, YIELD};
use crate::link::Link;

/// What a peer's task works with.
#[derive(Debug)]
pub(crate) struct PeerTask {
    pub(crate) identity: Identity,
    pub(crate) link: Arc<Link>,
    pub(crate) inbox: Inbox,
    /// The address to dial; its sender is dropped when the peer is removed.
    pub(crate) address: watch::Receiver<String>,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) sessions: Arc<AtomicU64>,
    pub(crate) started: Instant,
    pub(crate) pending: Option<Pending>,
    pub(crate) backoff: Backoff,
}

/// Lanes of a session that the peer dials.
#[derive(Debug)]
pub(crate) struct Pending {
    session: SessionId,
    lanes: [Option<Stream>; Lane::COUNT],
}

/// When to dial next.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Dialled,
    Accepted,
}

type Dial = Pin<Box<dyn Future<Output = Result<Lanes, HandshakeError>> + Send>>;

/// How a session ended.
enum End {
    Lane(Lane, LaneError),
    Removed,
    Replaced(Box<Lanes>),
}

impl Backoff {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { pause: BACKOFF_MIN, at: Instant::now() + wait }
    }

    fn grow(&mut self) {
        let spread = u128::from(rand::rngs::OsRng.try_next_u32().expect("the operating system gives randomness"));
        let half = self.pause / 2;
        let jitter = Duration::from_nanos(u64::try_from((half.as_nanos() * spread) >> 32).expect("seconds at most"));
        self.at = Instant::now() + half + jitter;
        self.pause = (self.pause * 2).min(BACKOFF_MAX);
    }

    fn reset(&mut self) {
        self.pause = BACKOFF_MIN;
    }
}

/// Runs the dial if there is one; pends for ever otherwise.
async fn dialled(dial: &mut Option<Dial>) -> Result<Lanes, HandshakeError> {
    match dial {
        Some(dial) => dial.await,
        None => std::future::pending().await,
    }
}

impl PeerTask {
    /// Runs until the peer is removed. `previous`, the task of the same key before, is waited for first.
    pub(crate) async fn run(mut self, previous: Option<JoinHandle<()>>) {
        if let Some(previous) = previous {
            // Whether it ended well or not, it has ended.
            let _ = previous.await;
        }
        if self.first() == Side::Accepted {
            self.backoff = Backoff::new(YIELD);
        }
        let mut next = None;
        loop {
            let (side, lanes) = match next.take() {
                Some(lanes) => (Side::Accepted, lanes),
                None => match self.connect().await {
                    Some(begun) => begun,
                    None => return,
                },
            };
            let began = Instant::now();
            let Ok(end) = self.converse(side, lanes).await else { return };
            if began.elapsed() >= SESSION_GOOD {
                self.backoff.reset();
            }
            self.backoff.grow();
            match end {
                End::Removed => return,
                End::Replaced(lanes) => next = Some(*lanes),
                End::Lane(_, error) if error.is_violation() => tokio::time::sleep(QUARANTINE).await,
                End::Lane(..) => {}
            }
        }
    }

    /// Whose dial stays when both dial.
    fn first(&self) -> Side {
        if self.identity.key() < self.link.peer { Side::Dialled } else { Side::Accepted }
    }

    /// Waits for a session, whoever begins it; `None` when the peer is removed.
    async fn connect(&mut self) -> Option<(Side, Lanes)> {
        let mut dialling: Option<Dial> = None;
        let mut held: Option<Lanes> = None;
        let mut told = String::new();
        loop {
            if let Some(mut lanes) = held.take_if(|_| dialling.is_none() || self.first() == Side::Accepted) {
                match welcome(&mut lanes).await {
                    Ok(()) => return Some((Side::Accepted, lanes)),
                    Err(error) => tracing::debug!(peer = %self.link.peer, %error, "the peer gave its session up"),
                }
            }
            tokio::select! {
                changed = self.address.changed() => {
                    changed.ok()?;
                    self.backoff.reset();
                    dialling = None;
                }
                arrival = self.arrivals.recv() => held = self.collect(arrival?).or(held),
                result = dialled(&mut dialling) => {
                    dialling = None;
                    match result {
                        Ok(lanes) => {
                            if let Some(lanes) = held {
                                refuse_all(lanes, Reason::Duplicate).await;
                            }
                            return Some((Side::Dialled, lanes));
                        }
                        Err(error) => self.dial_failed(&error, &mut told),
                    }
                }
                () = sleep_until(self.backoff.at.into()), if dialling.is_none() => {
                    let address = self.address.borrow_and_update().clone();
                    dialling =
                        Some(Box::pin(dial(self.identity.clone(), self.link.peer, address, self.link.limits)));
                }
            }
        }
    }

    fn dial_failed(&mut self, error: &HandshakeError, told: &mut String) {
        self.link.metrics.dials_failed.inc();
        self.backoff.grow();
        let (peer, address, text) = (self.link.peer, self.address.borrow().clone(), error.to_string());
        // Once per cause, not once per attempt.
        if *told == text {
            tracing::debug!(%peer, address, error = text, "dial failed");
        } else {
            tracing::warn!(%peer, address, error = text, "dial failed, trying on");
            *told = text;
        }
    }

    /// Adds a lane to the session that the peer is dialling; the lanes when all are there.
    fn collect(&mut self, arrival: Arrival) -> Option<Lanes> {
        let Arrival { session, lane, stream } = arrival;
        let pending = match self.pending.take() {
            Some(pending) if pending.session == session => self.pending.insert(pending),
            _ => self.pending.insert(Pending { session, lanes: Default::default() }),
        };
        pending.lanes[lane.index()] = Some(stream);
        if pending.lanes.iter().any(Option::is_none) {
            return None;
        }
        let lanes = self.pending.take().expect("inserted above").lanes;
        Some(lanes.map(|lane| lane.expect("checked above")))
    }

    /// Runs a session to its end.
    async fn converse(&mut self, side: Side, lanes: Lanes) -> Result<End, LaneError> {
        let peer = self.link.peer;
        let session: SessionNumber = self.sessions.fetch_add(1, Ordering::Relaxed);
        let outboxes = self.link.open();
        let begun = self.inbox.begin(peer, session).await;
        tracing::info!(%peer, ?side, "connected");
        let mut tasks = JoinSet::new();
        for ((lane, stream), outbox) in Lane::ALL.into_iter().zip(lanes).zip(&outboxes) {
            let context = LaneContext {
                lane,
                session,
                link: Arc::clone(&self.link),
                inbox: self.inbox.clone(),
                outbox: Arc::clone(outbox),
                started: self.started,
            };
            tasks.spawn(async move { (lane, context.run(stream).await) });
        }
        let end = match begun {
            Ok(()) => self.until_end(side, &mut tasks).await,
            Err(error) => End::Lane(Lane::Urgent, error),
        };
        self.link.close();
        self.say_goodbye(&end, &outboxes, &mut tasks).await;
        tasks.shutdown().await;
        self.inbox.end(peer).await?;
        Ok(end)
    }

    async fn until_end(&mut self, side: Side, tasks: &mut JoinSet<(Lane, LaneError)>) -> End {
        loop {
            tokio::select! {
                ended = tasks.join_next() => {
                    let (lane, error) = ended.expect("lanes run").expect("lanes neither panic nor are cancelled here");
                    return End::Lane(lane, error);
                }
                changed = self.address.changed() => {
                    if changed.is_err() {
                        return End::Removed;
                    }
                }
                arrival = self.arrivals.recv() => {
                    let Some(arrival) = arrival else { return End::Removed };
                    let Some(mut lanes) = self.collect(arrival) else { continue };
                    if side == Side::Dialled && self.first() == Side::Dialled {
                        refuse_all(lanes, Reason::Duplicate).await;
                    } else if welcome(&mut lanes).await.is_ok() {
                        return End::Replaced(Box::new(lanes));
                    }
                }
            }
        }
    }

    /// Tells the peer why, where that is not plain, and counts and logs it.
    async fn say_goodbye(&self, end: &End, outboxes: &crate::link::Outboxes, tasks: &mut JoinSet<(Lane, LaneError)>) {
        let peer = self.link.peer;
        let (failed, reason, name) = match end {
            End::Removed => (None, Some(Reason::Removed), LaneError::Ended(Reason::Removed).name()),
            End::Replaced(_) => (None, Some(Reason::Replaced), LaneError::Ended(Reason::Replaced).name()),
            End::Lane(lane, error) => {
                let reason = error.is_violation().then_some(Reason::Violation);
                if error.is_violation() {
                    tracing::warn!(%peer, %lane, %error, "the peer broke the protocol and is disconnected");
                } else {
                    tracing::info!(%peer, %lane, %error, "disconnected");
                }
                (Some(*lane), reason, error.name())
            }
        };
        self.link.metrics.session_closed(name);
        if let Some(reason) = reason {
            let other = if failed == Some(Lane::Urgent) { Lane::Fetch } else { Lane::Urgent };
            outboxes[other.index()].goodbye(reason);
            let said = async {
                while tasks.join_next().await.is_some_and(|ended| ended.is_ok_and(|(lane, _)| lane != other)) {}
            };
            // A peer that does not read hears nothing.
            let _ = timeout(GOODBYE_MAX, said).await;
        }
    }
}

async fn refuse_all(lanes: Lanes, reason: Reason) {
    for mut stream in lanes {
        refuse(&mut stream, reason).await;
    }
}
