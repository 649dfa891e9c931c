//! Drives the DAG with timers, peers and disk: synchronises, recovers, certifies checkpoints.

mod application;
pub mod limits;
mod log;

pub use application::{
    Application, ExecutedBlock, Halt, Ledger, NextEpoch, OrderedBlock, SnapshotChunk, SyncBlock, SyncError, Tip,
};
pub use log::{Base, Floor, Log, LogError, LogRecord, MemoryDisk, MemoryLog, SegmentLog};
