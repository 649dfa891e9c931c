//! The seam between ordering and the rest of a node.

use std::error::Error;

use bytes::Bytes;

use crate::single::{Author, Commit, CommitIndex, Round, StepError, TimestampMs};

/// How much a payload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimits {
    /// Transactions, at most.
    pub transactions_max: usize,
    /// Bytes over all transactions, at most.
    pub bytes_max: usize,
}

impl PayloadLimits {
    /// Room for nothing: the orderer wants an empty payload.
    pub const NOTHING: Self = Self { transactions_max: 0, bytes_max: 0 };
}

/// Says what to order. Called on the orderer's thread, so it answers at once, with nothing if there is nothing.
///
/// A transaction handed out may be asked for again when its proposal did not commit: the proposer removes it only when
/// it is committed.
pub trait Proposer {
    /// Transactions to propose in `round`, within `limits`.
    fn payload(&mut self, now: TimestampMs, round: Round, limits: PayloadLimits) -> Vec<Bytes>;
}

/// Takes what was ordered, each commit exactly once and in order of index.
///
/// An error is the node's own fault (a full disk, a dead executor): the driver stops and hands it up.
pub trait CommitSink {
    /// Fault of the sink.
    type Error: Error;

    /// Takes the next commit.
    ///
    /// # Errors
    /// The sink's own fault; the commit was not taken.
    fn commit(&mut self, commit: Commit) -> Result<(), Self::Error>;
}

/// Something that happened, from outside the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed, or transactions arrived.
    Tick,
    /// The answer to [`Output::Propose`].
    Payload {
        /// The round it is for.
        round: Round,
        /// Transactions to order.
        transactions: Vec<Bytes>,
    },
    /// Everything up to this commit has been executed and is durable.
    Executed(CommitIndex),
}

/// Something the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask the proposer and answer with [`Input::Payload`].
    Propose {
        /// The round to propose in.
        round: Round,
        /// How much to take.
        limits: PayloadLimits,
    },
    /// Hand this to the sink.
    Commit(Commit),
    /// Come back with [`Input::Tick`] at this time, unless something happens before.
    WakeAt(TimestampMs),
}

/// A protocol that orders transactions: inputs in, outputs out.
pub trait Orderer {
    /// Advances by one input.
    ///
    /// # Errors
    /// [`StepError`] for an input that does not fit the state; the state is unchanged then.
    fn step(&mut self, now: TimestampMs, input: Input) -> Result<Vec<Output>, StepError>;

    /// This validator's place in the committee.
    fn author(&self) -> Author;
}

/// Why [`drive`] stopped.
#[derive(Debug, thiserror::Error)]
pub enum DriveError<E: Error> {
    /// The orderer refused an input.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The sink failed.
    #[error("the commit sink failed: {0}")]
    Sink(E),
}

/// Feeds `input` to `orderer`, answers its questions through `proposer`, hands its commits to `sink`, and returns when
/// to come back with [`Input::Tick`] at the latest.
///
/// # Errors
/// [`DriveError`] when the orderer refuses an input or the sink fails.
pub fn drive<O: Orderer, P: Proposer, S: CommitSink>(
    orderer: &mut O,
    now: TimestampMs,
    input: Input,
    proposer: &mut P,
    sink: &mut S,
) -> Result<Option<TimestampMs>, DriveError<S::Error>> {
    let mut wake_at = None;
    let mut inputs = std::collections::VecDeque::from([input]);
    while let Some(input) = inputs.pop_front() {
        for output in orderer.step(now, input)? {
            match output {
                Output::Propose { round, limits } => {
                    let transactions = proposer.payload(now, round, limits);
                    inputs.push_back(Input::Payload { round, transactions });
                }
                Output::Commit(commit) => sink.commit(commit).map_err(DriveError::Sink)?,
                Output::WakeAt(time) => wake_at = Some(time),
            }
        }
    }
    Ok(wake_at)
}
