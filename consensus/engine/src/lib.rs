//! Drives the DAG with timers, peers and disk: synchronises, recovers, certifies checkpoints.

mod application;

pub use application::{
    Application, ExecutedBlock, Halt, Ledger, NextEpoch, OrderedBlock, SnapshotChunk, SyncBlock, SyncError, Tip,
};
