//! What becomes of one transaction.
//!
//! Three outcomes stay apart. A program's result, failed or not, is [`Outcome::Executed`]: it is part of the chain and
//! costs its fee. An input that must leave no trace is [`Outcome::Discarded`]. The node's own fault is [`VmFault`]: it
//! says nothing about the transaction, and a node that meets it stops or tries again, but never records it.

use noema_types::{Event, ExecutionStatus, Gas, Hash, Transaction, WriteSet};

use crate::{AnswerSource, BlockContext, PendingJob, StateError, StateView, StatusCode};

/// Inference that a transaction paid for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InferenceUse {
    /// Inference units charged: microseconds of the reference machine, by formula.
    pub units: u64,
    /// Calls made.
    pub calls: u32,
    /// Jobs asked for, in order of first use.
    pub jobs: Vec<Hash>,
}

/// Everything a transaction leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionOutput {
    /// Changes to state.
    pub write_set: WriteSet,
    /// Events, in order of emission.
    pub events: Vec<Event>,
    /// Gas charged, in the units that a transaction's price is quoted for.
    pub gas_used: Gas,
    /// How the program ended.
    pub status: ExecutionStatus,
    /// Inference paid for.
    pub inference: InferenceUse,
}

/// Why a transaction leaves no trace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", status.name())]
pub struct DiscardReason {
    /// The validation code.
    pub status: StatusCode,
    /// What is wrong, with values.
    pub message: String,
}

impl DiscardReason {
    /// A reason with its code and message.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

/// What one run of a transaction came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran, well or badly, and is part of the chain.
    Executed(Box<TransactionOutput>),
    /// It is refused and leaves no trace.
    Discarded(DiscardReason),
    /// It needs an answer that is not known yet: run it again from its start when it is. No effect of this run counts.
    Pending(PendingJob),
}

/// The node's own fault during a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmFault {
    /// State could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The chain's own code or data is not what the machine relies on.
    #[error("the chain's own code failed: {0}")]
    System(String),
}

/// Runs one transaction.
///
/// The outcome is a function of what `view` and `answers` said, of `block` and of `tx`, and of nothing else: equal
/// reads, equal outcome, on every machine. A run has no effect outside its outcome, so it may be repeated or thrown
/// away. Answers decide only *whether* a run gets past a question ([`Outcome::Pending`] if not): every run that ends
/// otherwise, on equal state, ends alike.
pub trait TransactionVm: Send + Sync {
    /// Runs `tx` at the point of order that `view` stands for.
    ///
    /// # Errors
    /// [`VmFault`] for the node's own faults; they never depend on `tx` alone.
    fn execute(
        &self,
        view: &dyn StateView,
        answers: &dyn AnswerSource,
        block: &BlockContext,
        tx: &Transaction,
    ) -> Result<Outcome, VmFault>;
}
