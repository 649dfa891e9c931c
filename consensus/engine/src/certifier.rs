//! The certifying thread: BLS signatures are made and checked here, so that they delay no block.

use std::sync::Arc;
use std::time::Instant;

use noema_crypto::sign_checkpoint;
use noema_network::{Channel, Transport};
use noema_types::{Author, Committee, Ed25519PublicKey, Hash, Height};

use crate::checkpoints::{CheckpointPool, ExecutedResult, PoolOutput};
use crate::driver::Event;
use crate::engine::Keys;
use crate::execution::{Execution, Slice};
use crate::inbox::Inbox;
use crate::limits::CHECKPOINT_TICK;
use crate::status::Shared;
use crate::wire::{CheckpointMessage, encode};
use crate::{ExecutedBlock, Ledger};

/// What the thread hears.
#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
#[derive(Debug)]
pub(crate) enum CertifierEvent {
    /// A block was executed.
    Executed { generation: u64, slice: Arc<Slice>, executed: ExecutedBlock },
    /// The digest is durable and may be signed.
    Stored { height: Height, digest: Hash },
    /// From a peer.
    Message { from: Ed25519PublicKey, message: CheckpointMessage },
    /// A peer is there (again).
    Connected(Ed25519PublicKey),
    /// The ledger now ends there; results of an older generation are void.
    Reset { generation: u64, committee: Arc<Committee>, certified: (Height, Hash) },
    /// Ends the thread.
    Stop,
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Certifier {
    pub(crate) pool: CheckpointPool,
    pub(crate) keys: Arc<Keys>,
    pub(crate) inbox: Arc<Inbox<CertifierEvent>>,
    pub(crate) driver: Arc<Inbox<Event>>,
    pub(crate) execution: Arc<Execution>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) generation: u64,
}

impl Certifier {
    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        let start = Instant::now();
        let mut tick = start + CHECKPOINT_TICK;
        let mut events = Vec::new();
        loop {
            self.inbox.take(64, tick, &mut events);
            for event in events.drain(..) {
                if matches!(event, CertifierEvent::Stop) {
                    return;
                }
                if !self.shared.is_halted() {
                    let outputs = self.handle(event);
                    self.carry_out(outputs);
                }
            }
            if self.shared.is_stopping() {
                return;
            }
            if Instant::now() >= tick && !self.shared.is_halted() {
                let outputs = self.pool.tick(start.elapsed());
                self.carry_out(outputs);
                tick = Instant::now() + CHECKPOINT_TICK;
            } else if self.shared.is_halted() {
                tick = Instant::now() + CHECKPOINT_TICK;
            }
        }
    }

    fn handle(&mut self, event: CertifierEvent) -> Vec<PoolOutput> {
        match event {
            CertifierEvent::Executed { generation, slice, executed } if generation == self.generation => {
                self.pool.executed(ExecutedResult {
                    height: slice.block.height,
                    timestamp: slice.block.timestamp,
                    commit: slice.block.commit,
                    commit_digest: slice.block.commit_digest.0,
                    consensus_state: slice.state.state_digest(),
                    block: executed,
                })
            }
            CertifierEvent::Stored { height, digest } => {
                let (keys, committee) = (&self.keys, self.pool.committee().clone());
                self.pool.stored(height, digest, |checkpoint| {
                    let (_, own) = keys.place(&committee).expect("only a member stores what it will sign");
                    sign_checkpoint(&own.checkpoint, checkpoint)
                })
            }
            CertifierEvent::Message { from, message } => self.message(&from, message),
            CertifierEvent::Connected(peer) => match self.pool.committee().author_of_network_key(&peer) {
                Some(author) => self.pool.connected(author),
                None => Vec::new(),
            },
            CertifierEvent::Reset { generation, committee, certified } => {
                self.generation = generation;
                let own = self.keys.author(&committee);
                self.pool.reset(committee, own, certified);
                Vec::new()
            }
            CertifierEvent::Executed { .. } | CertifierEvent::Stop => Vec::new(),
        }
    }

    fn message(&mut self, from: &Ed25519PublicKey, message: CheckpointMessage) -> Vec<PoolOutput> {
        let author = self.pool.committee().author_of_network_key(from);
        match (message, author) {
            (CheckpointMessage::Vote(vote), Some(author)) => self.pool.vote(author, vote),
            (CheckpointMessage::Want(height), Some(author)) => self.pool.wanted(author, height),
            (CheckpointMessage::Certified(certified), _) => self.pool.certificate(certified),
            _ => Vec::new(),
        }
    }

    fn carry_out(&mut self, outputs: Vec<PoolOutput>) {
        for output in outputs {
            match output {
                PoolOutput::Store { height, digest } => self.driver.push(Event::Sign { height, digest }),
                PoolOutput::Broadcast(vote) => self.broadcast(&CheckpointMessage::Vote(vote)),
                PoolOutput::Want(height) => self.broadcast(&CheckpointMessage::Want(height)),
                PoolOutput::Send(to, vote) => self.send(to, &CheckpointMessage::Vote(vote)),
                PoolOutput::Serve(to, height, certified) => self.serve(to, height, certified),
                PoolOutput::Certified(certified, next) => {
                    let end = (certified.data().height, certified.checkpoint.digest());
                    self.execution.certify(certified);
                    if let Some(next) = next {
                        let own = self.keys.author(&next.committee);
                        self.pool.reset(Arc::new(next.committee), own, end);
                    }
                }
                PoolOutput::Diverged { own, certified } => {
                    tracing::error!(
                        height = %own.data().height, own = %own.digest(), certified = %certified.checkpoint.digest(),
                        "a quorum certified another result than the own; executing again on safe paths, signing nothing"
                    );
                    self.shared.metrics.diverged.inc();
                    self.generation = self.execution.repeat(own, certified);
                }
                PoolOutput::Behind(height) => self.driver.push(Event::Behind(height)),
                PoolOutput::Halt(reason) => {
                    self.shared.halt(&reason);
                    self.driver.push(Event::Wake);
                }
            }
        }
    }

    fn serve(&self, to: Author, height: Height, recent: Option<noema_types::CertifiedCheckpoint>) {
        let certified = recent.or_else(|| match self.ledger.block(height) {
            Ok(block) => block.map(|block| block.certified),
            Err(halt) => {
                self.shared.halt(&halt.to_string());
                None
            }
        });
        if let Some(certified) = certified {
            self.send(to, &CheckpointMessage::Certified(certified));
        }
    }

    fn broadcast(&self, message: &CheckpointMessage) {
        let bytes = encode(message);
        let committee = self.pool.committee();
        let own = self.keys.author(committee);
        for (author, info) in committee.authors().zip(committee.validators()) {
            if Some(author) != own {
                self.deliver(&info.network_key, bytes.clone());
            }
        }
    }

    fn send(&self, to: Author, message: &CheckpointMessage) {
        if let Some(info) = self.pool.committee().get(to) {
            self.deliver(&info.network_key, encode(message));
        }
    }

    fn deliver(&self, to: &Ed25519PublicKey, bytes: bytes::Bytes) {
        // Votes are sent again while they are needed.
        if self.transport.send(to, Channel::Checkpoints, bytes).is_err() {
            self.shared.metrics.unsent.with_label_values(&[Channel::Checkpoints.name()]).inc();
        }
    }
}
