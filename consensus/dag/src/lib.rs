//! Orders transactions into commits as a pure state machine.

mod batches;
mod committer;
mod config;
mod core;
mod dag;
pub mod dsl;
mod intake;
pub mod limits;
mod linearizer;
#[cfg(feature = "mutants")]
pub mod mutant;
#[cfg(not(feature = "mutants"))]
mod mutant;
mod proposer;
mod protocol;
mod recovery;
mod schedule;
mod slicer;
mod state;
mod stats;
mod sync;
mod types;
mod verify;
mod waiting;

pub use crate::core::Core;
pub use committer::{CommitStats, Committer};
pub use config::{CoreConfig, Pace, Rules};
pub use dag::Dag;
pub use noema_types::{Author, CommitIndex, Epoch, Round, TimestampMs};
pub use protocol::{Committed, Evidence, Fault, Input, Message, MessageClass, Output, PayloadLimits, Record, SliceEnd};
pub use state::{ConsensusState, ScheduleState};
pub use stats::CoreStats;
pub use types::{
    BLOCK_DOMAIN, Batch, BatchDigest, BatchRef, Block, BlockCrypto, BlockDigest, BlockHeader, BlockRef, BlockV1,
    Commit, CommitDigest, CommitVote, VerifiedBlock,
};
pub use verify::Invalid;
