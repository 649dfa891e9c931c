//! Drives the DAG with timers, peers and disk: synchronises, recovers, certifies checkpoints.
//!
//! Guarantees:
//! - What a validator sends follows from what its log holds durably: no crash makes it contradict itself.
//! - [`Application::execute`] sees each block of the order once, in order of height, and never delays ordering.
//! - A block reaches the ledger with a certificate only, by execution here or by synchronisation from peers.
//! - A validator that is behind, was wiped, or computed a wrong result finds back without help; where it cannot know
//!   what is right it halts with a message that says what to do.

// The toy network of the tests names the crate as any user does.
#[cfg(test)]
extern crate self as noema_consensus;

mod application;
mod base;
mod certifier;
mod checkpoints;
mod clock;
mod crypto;
mod driver;
mod engine;
mod execution;
mod inbox;
pub mod limits;
mod log;
mod status;
mod sync;
mod wire;

pub use application::{
    Application, ExecutedBlock, Halt, Ledger, NextEpoch, OrderedBlock, SnapshotChunk, SyncBlock, SyncError, Tip,
};
pub use engine::{Engine, EngineConfig, EngineError, EngineHandle, ValidatorKeys};
pub use log::{Base, Floor, Log, LogError, LogRecord, MemoryDisk, MemoryLog, SegmentLog};
pub use status::{Role, Status};
