//! What must hold, each property in a module of its own, judged by what honest validators put out.
//!
//! A checker sees [`Observation`]s of honest validators in the order of virtual time and nothing else; it can refuse
//! one at once, or owe something that has to be settled by the end of the run.

mod accusation;
mod agreement;
mod execution;
mod signing;
mod timestamps;
mod total_order;
mod validity;

use std::collections::BTreeMap;
use std::fmt;

use noema_dag::{Batch, Block, Committed, Evidence, Fault};
use noema_types::{Author, CommitIndex, Epoch, Hash};

use crate::ledger::TxId;
use crate::{Micros, NodeId};

/// Something that a validator did or that happened to it.
#[derive(Debug)]
pub enum Observation<'a> {
    /// It sends a block of its own.
    Sent(&'a Block),
    /// It stores a batch of its own.
    OwnBatch(&'a Batch),
    /// It commits.
    Committed(&'a Committed),
    /// Its next commit is the one after this: it starts, or follows another's state.
    Base(CommitIndex),
    /// It accuses somebody.
    Evidence(&'a Evidence),
    /// It stops.
    Fault(&'a Fault),
    /// It was given transactions to order.
    Handed(&'a [TxId]),
    /// It gives transactions back.
    Released(&'a [TxId]),
    /// It executed a block.
    Executed {
        /// Which.
        height: u64,
        /// Name of the block: state, order and consensus state.
        digest: Hash,
        /// Digest of the consensus state after it.
        state: Hash,
        /// Transactions that had an effect.
        executed: &'a [TxId],
    },
    /// A quorum certified another block than the one it executed.
    Diverged {
        /// At which height.
        height: u64,
    },
    /// It enters an epoch.
    Entered,
    /// Its process dies; true if its log is wiped as well.
    Crashed {
        /// Whether nothing is left of the log.
        wiped: bool,
    },
}

/// Who an observation is about, and when.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// The validator.
    pub node: NodeId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its place in the epoch's committee, if it has one.
    pub author: Option<Author>,
    /// Virtual time.
    pub at: Micros,
}

/// Which places in which committees honest validators hold.
#[derive(Debug, Default)]
pub struct Roster {
    honest: BTreeMap<(Epoch, Author), bool>,
}

impl Roster {
    /// Notes a place.
    pub fn add(&mut self, epoch: Epoch, author: Author, honest: bool) {
        self.honest.insert((epoch, author), honest);
    }

    /// Whether an honest validator holds this place; false for places that nobody holds.
    #[must_use]
    pub fn is_honest(&self, epoch: Epoch, author: Author) -> bool {
        self.honest.get(&(epoch, author)).copied().unwrap_or(false)
    }
}

/// A property.
pub trait Checker: fmt::Debug {
    /// Its name.
    fn property(&self) -> &'static str;

    /// Takes one observation.
    ///
    /// # Errors
    /// What broke the property.
    fn observe(&mut self, who: Subject, roster: &Roster, what: &Observation<'_>) -> Result<(), String>;

    /// What has to happen yet; none if nothing.
    fn owes(&self) -> Option<String> {
        None
    }
}

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: &'static str,
    /// When.
    pub at: Micros,
    /// What happened.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} violated at {} µs: {}", self.property, self.at, self.detail)
    }
}

/// All properties.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(agreement::Agreement::default()),
        Box::new(total_order::TotalOrder::default()),
        Box::new(timestamps::Timestamps::default()),
        Box::new(signing::Signing::default()),
        Box::new(accusation::Accusation),
        Box::new(validity::Validity::default()),
        Box::new(execution::Execution::default()),
    ]
}
