//! The log: what a validator must not forget, in the order in which it happened.
//!
//! Guarantees:
//! - What was appended before a [`Log::sync`] that returned is there after any crash.
//! - What is read back is what was appended, in order, a prefix of it. Damage to what was durable is an error, never a
//!   shorter log.
//! - A folder that never held a log is told apart from one whose log was just made: [`SegmentLog::create`] leaves a mark.

mod memory;
mod segments;
mod spares;

use std::fmt;
use std::io;
use std::path::PathBuf;

use noema_dag::{ConsensusState, Record};
use noema_types::{CertifiedCheckpoint, Epoch, Hash, Height, Round};
use serde::{Deserialize, Serialize};

pub use memory::{MemoryDisk, MemoryLog};
pub use segments::SegmentLog;

/// One record. The order of variants is the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogRecord {
    /// The log is complete from here on.
    Created {
        /// The chain it is for.
        chain: Hash,
        /// Whether there may have been a log before that is gone, with what it said about blocks signed.
        lost: bool,
    },
    /// A point to go on from: records of the DAG that matter are above it.
    Base(Box<Base>),
    /// A record of the DAG.
    Dag {
        /// Its epoch.
        epoch: Epoch,
        /// The record.
        record: Record,
    },
    /// A checkpoint that may have been signed.
    Signed {
        /// Its height.
        height: Height,
        /// Its digest: no other of this height is ever signed.
        digest: Hash,
    },
}

/// A certified block and the state of consensus after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The block.
    pub height: Height,
    /// Its checkpoint; none for genesis.
    pub certified: Option<CertifiedCheckpoint>,
    /// Decisions go on from here. At the end of an epoch, the start of the next.
    pub state: ConsensusState,
}

/// Nothing below is needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// The running epoch.
    pub epoch: Epoch,
    /// Blocks up to this round are collected.
    pub gc_round: Round,
    /// Rounds after its creation that a batch may be ordered in.
    pub gc_depth: u64,
    /// The certified block that a written base has.
    pub height: Height,
}

/// What the engine needs of a log.
pub trait Log: Send + fmt::Debug {
    /// Appends a record. It may be lost until the next [`Log::sync`].
    ///
    /// # Errors
    /// [`LogError`], after which the log must not be used.
    fn append(&mut self, record: &LogRecord) -> Result<(), LogError>;

    /// Makes everything appended durable.
    ///
    /// # Errors
    /// [`LogError`], after which the log must not be used.
    fn sync(&mut self) -> Result<(), LogError>;

    /// Reads all that is held, oldest first. Appended records that are not synced may be missing.
    ///
    /// # Errors
    /// [`LogError`].
    fn read(&mut self) -> Result<Vec<LogRecord>, LogError>;

    /// Frees space of records that are wholly below the floor, if there is any to free.
    ///
    /// # Errors
    /// [`LogError`], after which the log must not be used.
    fn forget(&mut self, floor: &Floor) -> Result<(), LogError>;

    /// Bytes it occupies.
    fn bytes(&self) -> u64;
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process has it.
    #[error(
        "the consensus log in {} is used by another process\nhint: two validators with one log, or one key, must never run", dir.display()
    )]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// No space is left.
    #[error(
        "no space is left for the consensus log in {}: {needed} more bytes were needed\nhint: free some space there and start again; nothing was lost", dir.display()
    )]
    Full {
        /// The folder.
        dir: PathBuf,
        /// Bytes that did not fit.
        needed: u64,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was durable is not what it was.
    #[error(
        "the consensus log is damaged: {} at byte {offset}: {reason}\nhint: check the disk, then move the folder away; the validator then asks its peers how far it was", path.display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The log of another chain.
    #[error("the consensus log in {} belongs to chain {found}, not {expected}", dir.display())]
    WrongChain {
        /// The folder.
        dir: PathBuf,
        /// The chain that runs.
        expected: Hash,
        /// The chain of the log.
        found: Hash,
    },
    /// There is a log already.
    #[error("there is a consensus log in {} already", dir.display())]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// A record longer than any should be.
    #[error("a record of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

/// The highest place that any record of a part of the log has: it goes once the floor is above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reach {
    epoch: Epoch,
    round: Round,
    created: Round,
    height: Height,
}

impl Reach {
    fn add(&mut self, record: &LogRecord) {
        match record {
            LogRecord::Created { .. } => {}
            LogRecord::Base(base) => self.height = self.height.max(base.height),
            LogRecord::Signed { height, .. } => self.height = self.height.max(*height),
            LogRecord::Dag { epoch, record } => {
                if *epoch > self.epoch {
                    *self = Self { epoch: *epoch, height: self.height, ..Self::default() };
                }
                if *epoch == self.epoch {
                    match record {
                        Record::Block(block) => self.round = self.round.max(block.v1().header.round),
                        Record::Batch(batch) => self.created = self.created.max(batch.created),
                        Record::Proposed(round) | Record::Resumed(round) => self.round = self.round.max(*round),
                    }
                }
            }
        }
    }

    fn is_below(&self, floor: &Floor) -> bool {
        let rounds_below =
            self.round <= floor.gc_round && self.created.0.saturating_add(floor.gc_depth) <= floor.gc_round.0;
        self.height < floor.height && (self.epoch < floor.epoch || (self.epoch == floor.epoch && rounds_below))
    }
}

#[cfg(test)]
mod tests;
