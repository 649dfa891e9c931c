//! A committee of one: orders what the mempool hands out, at once.

#![allow(dead_code, unreachable_pub, reason = "goes away with the engine of many validators")]

mod commit;
mod driver;
pub(crate) mod limits;
mod orderer;

pub(crate) use commit::Author;
pub(crate) use commit::{Commit, CommitDigest, CommitIndex, TimestampMs};
pub(crate) use driver::{CommitSink, Input, Orderer, Output, PayloadLimits, Proposer, drive};
pub(crate) use noema_types::{Epoch, Round};
pub(crate) use orderer::{LastCommit, SingleConfig, SingleOrderer, StepError};
