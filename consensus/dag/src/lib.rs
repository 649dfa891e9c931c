//! Orders transactions into commits as a pure state machine.

mod committer;
mod waiting;
mod sync;
mod recovery;
mod proposer;
mod intake;
mod batches;
mod config;
mod dag;
mod core;
pub mod dsl;
pub mod limits;
mod linearizer;
mod protocol;
mod schedule;
mod slicer;
mod state;
mod stats;
mod types;
mod verify;

pub use committer::{CommitStats, Committer};
pub use config::{CoreConfig, Pace, Rules};
pub use crate::core::Core;
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
