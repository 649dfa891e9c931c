//! Orders transactions into commits as a pure state machine.
//!
//! What stands above this crate sees two traits and one driver:
//! - a [`Proposer`] is asked for transactions whenever the protocol may propose some,
//! - a [`CommitSink`] receives [`Commit`]s, in order, each exactly once,
//! - [`drive`] hands inputs to an [`Orderer`] and its outputs to the two.
//!
//! An orderer is synchronous and pure: time comes in with each input, outputs go out, nothing else happens. Whether one
//! validator or a whole committee stands behind it does not show: commits carry an author, a round and a digest chain
//! in either case.
//!
//! Guarantees of every orderer
//! 1. Commits are numbered 1, 2, 3, ... without gap; each names the digest of the one before.
//! 2. Commit timestamps grow strictly, by one millisecond at least.
//! 3. Rounds never go down.
//! 4. Ordering never waits for execution. An orderer too far ahead of it proposes *empty* payloads: a local choice.
//!
//! The one implementation here is [`SingleOrderer`]: a committee of one validator.

mod commit;
mod driver;
pub mod limits;
mod single;

pub use commit::{Author, Commit, CommitDigest, CommitIndex, TimestampMs};
pub use driver::{CommitSink, DriveError, Input, Orderer, Output, PayloadLimits, Proposer, drive};
pub use noema_types::{Epoch, Round};
pub use single::{LastCommit, SingleConfig, SingleOrderer, StepError};
