//! The worker's side: comes to the node, answers what it is asked, comes back when the node was away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use noema_crypto::Ed25519KeyPair;
use noema_inference_api::{Answer, Engine, EngineError, Job, JobClass, JobId, NUMERICS_VERSION};
use noema_network::{SecureError, SecureSide};
use noema_types::Ed25519PublicKey;
use rand::TryRngCore;
use rand::rngs::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::PROTOCOL;
use crate::book::Ticket;
use crate::limits::{
    BACKOFF_MAX, BACKOFF_MIN, BEAT, BUSY_PAUSE, DONE_MAX, GOODBYE_MAX, HANDSHAKE_MAX, NAME_BYTES_MAX,
    NODE_MESSAGE_BYTES_MAX, OUTGOING_MAX, SILENCE_MAX, WORKER_MESSAGE_BYTES_MAX,
};
use crate::report::PoolReport;
use crate::service::{ATTACH, Once};
use crate::wire::{
    Answered, Beat, FromNode, FromWorker, Hello, Leaving, NodeSaid, Order, Piece, Returned, VERSION, WorkerSaid, plain,
};

/// The place of connections in URIs; never resolved.
const PLACE: &str = "http://node.noema";

/// Who comes, and where to.
#[derive(Debug, Clone)]
pub struct AttachConfig {
    /// "host:port" of the node's `worker_listen`.
    pub node: String,
    /// The key that the node must have.
    pub node_key: Ed25519PublicKey,
    /// The worker's own key.
    pub key: Ed25519KeyPair,
    /// What to call it.
    pub name: String,
    /// Program and version, for people.
    pub program: String,
    /// What it computes on, for people.
    pub kernel: String,
    /// Threads it computes with, for people.
    pub threads: usize,
    /// Jobs it takes at once.
    pub capacity: u32,
    /// Time to finish jobs once it is told to stop.
    pub grace: Duration,
}

/// What answers, and what it does.
#[derive(Clone)]
pub struct Attached {
    /// Answers jobs.
    pub engine: Arc<dyn Engine>,
    /// What it does, for people.
    pub stats: Arc<dyn Fn() -> PoolReport + Send + Sync>,
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Why a worker ends although nobody told it to. Trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The node admits other keys.
    #[error("the node at {node} does not admit this worker's key {key}")]
    KeyRefused {
        /// The node.
        node: String,
        /// The worker's key.
        key: Ed25519PublicKey,
    },
    /// Somebody else is there.
    #[error("what answers at {node} does not have the key {expected}: it is not the node that this worker serves")]
    WrongNode {
        /// The address.
        node: String,
        /// The key that was expected.
        expected: Ed25519PublicKey,
    },
    /// Something else is there, or another release.
    #[error("what answers at {node} does not take workers of this release: {reason}")]
    Protocol {
        /// The address.
        node: String,
        /// What is wrong.
        reason: String,
    },
    /// The node does not want this worker.
    #[error("the node refuses this worker: {0}")]
    Refused(String),
    /// The own engine ended, or the own key cannot be used.
    #[error("this worker cannot go on: {0}")]
    Own(String),
}

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Trouble {
    For(AttachError),
    /// It may go better next time; whether it went well before.
    Again(String, bool),
}

/// What became of a job.
enum Done {
    Sent(Ticket),
    Failed(Ticket, String),
}

/// Serves a node until `stop` says so. Comes back when the connection is lost, at growing pauses.
///
/// # Errors
/// [`AttachError`], when coming back would not help.
pub async fn attach(
    config: &AttachConfig,
    attached: &Attached,
    mut stop: watch::Receiver<bool>,
) -> Result<(), AttachError> {
    let mut pause = BACKOFF_MIN;
    loop {
        if *stop.borrow() {
            return Ok(());
        }
        let (reason, was_good) = match once(config, attached, stop.clone()).await {
            Ok(()) => return Ok(()),
            Err(Trouble::For(error)) => return Err(error),
            Err(Trouble::Again(reason, was_good)) => (reason, was_good),
        };
        if was_good {
            pause = BACKOFF_MIN;
        }
        let drawn = jitter(pause);
        tracing::warn!(node = config.node, reason, again_in_ms = drawn.as_millis(), "the node is away");
        tokio::select! {
            () = sleep(drawn) => {}
            () = told(&mut stop) => return Ok(()),
        }
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

/// Resolves when the worker is told to stop, or nobody is left who could tell it.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Between half of a pause and the whole: workers of a node that comes back do not come all at once.
fn jitter(pause: Duration) -> Duration {
    let draw = OsRng.try_next_u32().unwrap_or(u32::MAX / 2) % 1_024;
    pause / 2 + pause * draw / 2_048
}

/// One connection, from the handshake to its end.
async fn once(config: &AttachConfig, attached: &Attached, mut stop: watch::Receiver<bool>) -> Result<(), Trouble> {
    let (out, outgoing) = mpsc::channel(OUTGOING_MAX);
    let _ = out.try_send(WorkerSaid::Hello(hello(config, attached)).into());
    let opened = tokio::select! {
        opened = open(config, outgoing, WORKER_MESSAGE_BYTES_MAX) => opened?,
        () = told(&mut stop) => return Ok(()),
    };
    let (done, mut ended) = mpsc::channel(DONE_MAX);
    let mut session = Session {
        attached: attached.clone(),
        out,
        done,
        jobs: BTreeMap::new(),
        heard: Instant::now(),
        silence_max: SILENCE_MAX,
        is_welcome: false,
        leave_by: None,
        grace: config.grace,
    };
    let outcome = session.run(opened, stop, &mut ended).await;
    // What only this node wanted is not worth computing any more; the rest stays in the pool's memory.
    for id in session.jobs.values() {
        session.attached.engine.cancel(*id);
    }
    outcome
}

pub(crate) fn hello(config: &AttachConfig, attached: &Attached) -> Hello {
    Hello {
        version: VERSION,
        numerics: NUMERICS_VERSION,
        name: plain(&config.name, NAME_BYTES_MAX),
        program: plain(&config.program, NAME_BYTES_MAX),
        kernel: plain(&config.kernel, NAME_BYTES_MAX),
        threads: u32::try_from(config.threads).unwrap_or(u32::MAX),
        capacity: config.capacity,
        models: attached.engine.models().iter().map(|(root, _)| root.0.to_vec()).collect(),
    }
}

/// Shakes hands and begins the stream.
pub(crate) async fn open(
    config: &AttachConfig,
    outgoing: mpsc::Receiver<FromWorker>,
    bytes_max: usize,
) -> Result<Streaming<FromNode>, Trouble> {
    let own = |error: &dyn fmt::Display| Trouble::For(AttachError::Own(error.to_string()));
    let side = SecureSide::new(&config.key, PROTOCOL).map_err(|error| own(&error))?;
    let node = || config.node.clone();
    let stream = side.connect(&config.node, config.node_key, HANDSHAKE_MAX).await.map_err(|error| match error {
        SecureError::KeyRefused => Trouble::For(AttachError::KeyRefused { node: node(), key: config.key.public() }),
        SecureError::UnknownKey | SecureError::KeyNotProven => {
            Trouble::For(AttachError::WrongNode { node: node(), expected: config.node_key })
        }
        SecureError::Protocol(_) => Trouble::For(AttachError::Protocol { node: node(), reason: error.to_string() }),
        SecureError::Timeout(_) | SecureError::Io(_) => Trouble::Again(error.to_string(), false),
    })?;
    let again = |error: &dyn fmt::Display| Trouble::Again(error.to_string(), false);
    let place = Endpoint::from_static(PLACE);
    let begin = async {
        let channel = place.connect_with_connector(Once(Some(stream))).await.map_err(|error| again(&error))?;
        let mut grpc =
            Grpc::new(channel).max_decoding_message_size(NODE_MESSAGE_BYTES_MAX).max_encoding_message_size(bytes_max);
        grpc.ready().await.map_err(|error| again(&error))?;
        let request = Request::new(ReceiverStream::new(outgoing));
        let codec = ProstCodec::<FromWorker, FromNode>::default();
        let response = grpc.streaming(request, PathAndQuery::from_static(ATTACH), codec).await;
        response.map(tonic::Response::into_inner).map_err(|status| again(&status.message()))
    };
    timeout(HANDSHAKE_MAX, begin).await.map_err(|_| again(&"the node does not begin the stream"))?
}

struct Session {
    attached: Attached,
    out: mpsc::Sender<FromWorker>,
    done: mpsc::Sender<Done>,
    jobs: BTreeMap<Ticket, JobId>,
    heard: Instant,
    silence_max: Duration,
    is_welcome: bool,
    /// Set once it is told to stop.
    leave_by: Option<Instant>,
    grace: Duration,
}

impl Session {
    async fn run(
        &mut self,
        mut inbound: Streaming<FromNode>,
        mut stop: watch::Receiver<bool>,
        ended: &mut mpsc::Receiver<Done>,
    ) -> Result<(), Trouble> {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbound.message() => self.hear(message)?,
                done = ended.recv() => self.done(done)?,
                () = told(&mut stop), if self.leave_by.is_none() => {
                    tracing::info!(jobs = self.jobs.len(), "finishing");
                    self.leave_by = Some(Instant::now() + self.grace);
                    self.say(WorkerSaid::Leaving(Leaving {})).await;
                }
                _ = beat.tick() => {
                    if self.heard.elapsed() > self.silence_max {
                        return Err(self.again("nothing was heard of the node"));
                    }
                    let report = (self.attached.stats)();
                    // A stream that is full says enough.
                    let _ = self.out.try_send(WorkerSaid::Beat(Beat::of(&report)).into());
                }
            }
            if let Some(by) = self.leave_by
                && (self.jobs.is_empty() || Instant::now() >= by)
            {
                self.hand_back().await;
                return Ok(());
            }
        }
    }

    fn again(&self, reason: &str) -> Trouble {
        Trouble::Again(reason.to_owned(), self.is_welcome)
    }

    async fn say(&self, said: WorkerSaid) {
        // Nothing is lost if the node is gone: its end shows on the other stream.
        let _ = timeout(GOODBYE_MAX, self.out.send(said.into())).await;
    }

    fn hear(&mut self, message: Result<Option<FromNode>, Status>) -> Result<(), Trouble> {
        let said = match message {
            Ok(Some(FromNode { said: Some(said) })) => said,
            Ok(Some(FromNode { said: None })) => return Err(self.again("the node sent an empty message")),
            Ok(None) => return Err(self.again("the node ended the stream")),
            Err(status) => return Err(self.again(status.message())),
        };
        self.heard = Instant::now();
        match said {
            NodeSaid::Welcome(welcome) => {
                self.is_welcome = true;
                self.silence_max = Duration::from_millis(welcome.silence_ms).clamp(BEAT, SILENCE_MAX * 6);
                tracing::info!("attached");
            }
            NodeSaid::Order(order) => self.order(&order)?,
            NodeSaid::Cancel(cancel) => {
                if let Some(id) = self.jobs.remove(&cancel.ticket) {
                    self.attached.engine.cancel(id);
                }
            }
            NodeSaid::Beat(_) => {}
            NodeSaid::Refusal(refusal) if refusal.permanent => {
                return Err(Trouble::For(AttachError::Refused(refusal.reason)));
            }
            NodeSaid::Refusal(refusal) => return Err(Trouble::Again(refusal.reason, false)),
        }
        Ok(())
    }

    fn order(&mut self, order: &Order) -> Result<(), Trouble> {
        let (job, class) = order.open().map_err(|why| self.again(&why))?;
        let ticket = order.ticket;
        if self.jobs.contains_key(&ticket) {
            // More depends on it than before. At worst the pool goes on with the class it knows.
            let _ = self.attached.engine.submit(&job, class);
            return Ok(());
        }
        if self.jobs.len() >= OUTGOING_MAX {
            let returned = Returned { ticket, reason: "it has more jobs than it can take".to_owned() };
            let _ = self.out.try_send(WorkerSaid::Returned(returned).into());
            return Ok(());
        }
        self.jobs.insert(ticket, job.id());
        // Weak: the stream ends with the session, whatever still computes.
        let (attached, out, done) = (self.attached.clone(), self.out.downgrade(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let ended = match answer(&*attached.engine, ticket, &job, class, &out) {
                Ok(answer) => {
                    // Once the stream is gone nobody wants it here.
                    send(&out, Answered::say(ticket, &answer));
                    Done::Sent(ticket)
                }
                Err(EngineError::ModelMissing(root)) => {
                    let reason = format!("it does not hold the model {root}");
                    send(&out, WorkerSaid::Returned(Returned { ticket, reason }).into());
                    Done::Sent(ticket)
                }
                Err(error) => Done::Failed(ticket, error.to_string()),
            };
            let _ = done.blocking_send(ended);
        });
        Ok(())
    }

    fn done(&mut self, done: Option<Done>) -> Result<(), Trouble> {
        match done {
            Some(Done::Sent(ticket)) => drop(self.jobs.remove(&ticket)),
            // A cancelled job ends like that too, but it is no longer among ours.
            Some(Done::Failed(ticket, reason)) if self.jobs.contains_key(&ticket) => {
                return Err(Trouble::For(AttachError::Own(reason)));
            }
            Some(Done::Failed(..)) | None => {}
        }
        Ok(())
    }

    /// Gives the node what is not done, and the last messages time to leave.
    async fn hand_back(&mut self) {
        for ticket in self.jobs.keys() {
            let returned = Returned { ticket: *ticket, reason: "it stops".to_owned() };
            self.say(WorkerSaid::Returned(returned)).await;
        }
        let since = Instant::now();
        while self.out.capacity() < self.out.max_capacity() && since.elapsed() < GOODBYE_MAX {
            sleep(BUSY_PAUSE).await;
        }
        // From the queue to the socket.
        sleep(BACKOFF_MIN).await;
    }
}

/// Whether the session still lives and took the message.
fn send(out: &mpsc::WeakSender<FromWorker>, message: FromWorker) -> bool {
    out.upgrade().is_some_and(|out| out.blocking_send(message).is_ok())
}

/// Answers one job; pieces of a text that somebody may be reading go ahead.
fn answer(
    engine: &dyn Engine,
    ticket: Ticket,
    job: &Job,
    class: JobClass,
    out: &mpsc::WeakSender<FromWorker>,
) -> Result<Answer, EngineError> {
    let id = loop {
        match engine.submit(job, class) {
            Ok(id) => break id,
            Err(EngineError::Busy(_)) if out.upgrade().is_some() => std::thread::sleep(BUSY_PAUSE),
            Err(error) => return Err(error),
        }
    };
    if class != JobClass::Simulation {
        return engine.wait(id);
    }
    let mut offset = 0;
    engine.watch(id, &mut |text| {
        let piece = Piece { ticket, offset, text: text.to_owned() };
        offset += text.len() as u64;
        send(out, WorkerSaid::Piece(piece).into())
    })
}
