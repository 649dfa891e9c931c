//! Validators that break the rules, each behaviour in a module named after what it does.

mod double_run;
mod equivocator;
mod future_timestamps;
mod garbage;
mod puppet;
mod replayer;
mod selective_sender;
mod silent;
mod withholder;

use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use noema_dag::{ConsensusState, Message};

use crate::NodeId;
use crate::epochs::EpochSetup;
use crate::rng::Dice;
use crate::scenario::Scenario;
use crate::world::Envelope;

/// How a Byzantine validator behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Signs different blocks of a round for different validators.
    Equivocator,
    /// Names batches that it shows to nobody and never answers requests.
    Withholder,
    /// Sends its blocks to some only.
    SelectiveSender,
    /// Sends random bytes, mutated messages and well-signed nonsense.
    Garbage,
    /// Follows the protocol, late.
    Slow,
    /// Says nothing.
    Silent,
    /// Dates its blocks into the future.
    FutureTimestamps,
    /// Runs twice with one key.
    DoubleRun,
    /// Repeats what others said.
    Replayer,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Equivocator,
        Self::Withholder,
        Self::SelectiveSender,
        Self::Garbage,
        Self::Slow,
        Self::Silent,
        Self::FutureTimestamps,
        Self::DoubleRun,
        Self::Replayer,
    ];

    /// Its name in the coverage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivocator => "byzantine: equivocator",
            Self::Withholder => "byzantine: withholder",
            Self::SelectiveSender => "byzantine: selective_sender",
            Self::Garbage => "byzantine: garbage",
            Self::Slow => "byzantine: slow",
            Self::Silent => "byzantine: silent",
            Self::FutureTimestamps => "byzantine: future_timestamps",
            Self::DoubleRun => "byzantine: double_run",
            Self::Replayer => "byzantine: replayer",
        }
    }

    /// A validator that behaves like this. [`Behaviour::Slow`] is an honest one behind a slow link.
    pub(crate) fn adversary(self, node: NodeId, scenario: &Scenario) -> Box<dyn Adversary> {
        match self {
            Self::Equivocator => Box::new(equivocator::Equivocator::new(node, scenario)),
            Self::Withholder => Box::new(withholder::Withholder::new(node)),
            Self::SelectiveSender => Box::new(selective_sender::SelectiveSender::new(node)),
            Self::Garbage => Box::new(garbage::Garbage::new(node)),
            Self::Slow | Self::Silent => Box::new(silent::Silent),
            Self::FutureTimestamps => Box::new(future_timestamps::FutureTimestamps::new(node)),
            Self::DoubleRun => Box::new(double_run::DoubleRun::new(node, scenario)),
            Self::Replayer => Box::new(replayer::Replayer::new(node)),
        }
    }
}

/// What a Byzantine validator has at hand.
#[derive(Debug)]
pub(crate) struct Evil<'a> {
    pub(crate) now_ms: u64,
    /// The newest epoch that an honest validator is in.
    pub(crate) setup: Rc<EpochSetup>,
    pub(crate) dice: &'a mut Dice,
    pub(crate) sends: &'a mut Vec<(NodeId, Rc<Envelope>)>,
}

impl Evil<'_> {
    /// Sends to one.
    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        let epoch = self.setup.epoch;
        self.sends.push((to, Rc::new(Envelope::Dag { epoch, message })));
    }

    /// Sends to these.
    pub(crate) fn send_all(&mut self, to: impl IntoIterator<Item = NodeId>, message: &Message) {
        let epoch = self.setup.epoch;
        let envelope = Rc::new(Envelope::Dag { epoch, message: message.clone() });
        self.sends.extend(to.into_iter().map(|node| (node, Rc::clone(&envelope))));
    }

    /// All members of the epoch.
    pub(crate) fn members(&self) -> Vec<NodeId> {
        self.setup.members.iter().map(|member| member.node).collect()
    }
}

/// A Byzantine validator.
pub(crate) trait Adversary: fmt::Debug {
    /// A new epoch has begun somewhere.
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState);

    /// A message has arrived.
    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope);

    /// Time passes.
    fn tick(&mut self, evil: &mut Evil<'_>);

    /// A client has left a transaction here.
    fn submit(&mut self, _transaction: &Bytes) {}
}
