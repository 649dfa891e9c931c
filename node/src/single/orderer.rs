//! A committee of one validator.
//!
//! What it guarantees: the guarantees of the crate, with one round per proposal and every proposal committed at once.
//!
//! Rules
//! 1. A round starts `round_interval_ms` after the last *proposal* at the earliest; then the proposer is asked.
//! 2. A payload with transactions becomes a commit. An empty one becomes a commit only when the last commit is
//!    `idle_interval_ms` old, so that time passes on an idle chain; otherwise it is dropped.
//! 3. The commit's time is `max(previous + 1 ms, now)`: a clock that jumps back never takes the chain with it.
//! 4. With more than [`UNEXECUTED_COMMITS_MAX`] commits not executed, payloads are empty until execution catches up.
//!
//! Failure: the state is [`SingleOrderer::last`]; a sink that stores each commit in one batch with its effects can
//! resume from it after any crash. A payload that was asked for and never became a commit is simply asked for again.

use crate::single::limits::{PAYLOAD_BYTES_MAX, PAYLOAD_TRANSACTIONS_MAX, TIMESTAMP_STEP_MS, UNEXECUTED_COMMITS_MAX};
use crate::single::{
    Author, Commit, CommitDigest, CommitIndex, Epoch, Input, Orderer, Output, PayloadLimits, Round, TimestampMs,
};
use serde::{Deserialize, Serialize};

/// Pace and identity of a single validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleConfig {
    /// The epoch of every commit.
    pub epoch: Epoch,
    /// The validator's place in its committee.
    pub author: Author,
    /// Milliseconds between proposals, at least.
    pub round_interval_ms: u64,
    /// Milliseconds between commits on an idle chain.
    pub idle_interval_ms: u64,
    /// How much one payload may hold.
    pub limits: PayloadLimits,
}

impl Default for SingleConfig {
    fn default() -> Self {
        Self {
            epoch: Epoch(1),
            author: Author(0),
            round_interval_ms: 50,
            idle_interval_ms: 1_000,
            limits: PayloadLimits { transactions_max: PAYLOAD_TRANSACTIONS_MAX, bytes_max: PAYLOAD_BYTES_MAX },
        }
    }
}

/// The point after which an orderer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCommit {
    /// Index of the commit.
    pub index: CommitIndex,
    /// Its digest.
    pub digest: CommitDigest,
    /// Its round.
    pub round: Round,
    /// Its time.
    pub timestamp: TimestampMs,
}

impl LastCommit {
    /// Before the first commit of a chain whose genesis has this digest.
    #[must_use]
    pub fn genesis(digest: CommitDigest, timestamp: TimestampMs) -> Self {
        Self { index: CommitIndex(0), digest, round: Round(0), timestamp }
    }

    /// After this commit.
    #[must_use]
    pub fn of(commit: &Commit) -> Self {
        Self { index: commit.index, digest: commit.digest(), round: commit.round, timestamp: commit.timestamp }
    }
}

/// An input that does not fit the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// A payload that was not asked for.
    #[error("a payload for round {got} came while {}", expected.map_or("none was asked for".to_owned(), |round| format!("round {round} was open")))]
    UnexpectedPayload {
        /// The open round, if one is.
        expected: Option<Round>,
        /// The payload's round.
        got: Round,
    },
    /// A payload beyond its limits.
    #[error("a payload of {transactions} transactions and {bytes} bytes exceeds {transactions_max} and {bytes_max}")]
    OversizedPayload {
        /// Transactions it holds.
        transactions: usize,
        /// Bytes it holds.
        bytes: usize,
        /// Transactions allowed.
        transactions_max: usize,
        /// Bytes allowed.
        bytes_max: usize,
    },
    /// Execution is ahead of ordering.
    #[error("commit {got} is said to be executed, but the last one is {last}")]
    ExecutedUnknown {
        /// The commit said to be executed.
        got: CommitIndex,
        /// The last commit made.
        last: CommitIndex,
    },
}

/// Orders the proposals of one validator. See the module's rules.
#[derive(Debug, Clone)]
pub struct SingleOrderer {
    config: SingleConfig,
    last: LastCommit,
    executed: CommitIndex,
    /// Last round proposed; at or above the last commit's.
    round: Round,
    proposed_at: Option<TimestampMs>,
    open: Option<(Round, PayloadLimits)>,
}

impl SingleOrderer {
    /// Goes on after `last`, everything up to which is executed.
    #[must_use]
    pub fn new(config: SingleConfig, last: LastCommit) -> Self {
        Self { config, last, executed: last.index, round: last.round, proposed_at: None, open: None }
    }

    /// The last commit made.
    #[must_use]
    pub fn last(&self) -> LastCommit {
        self.last
    }

    /// Commits that are ordered and not executed.
    #[must_use]
    pub fn unexecuted(&self) -> u64 {
        self.last.index.0 - self.executed.0
    }

    fn tick(&mut self, now: TimestampMs) -> Vec<Output> {
        if self.open.is_some() {
            return Vec::new();
        }
        // A clock that jumped back must not silence the proposer until it has caught up again.
        if self.proposed_at.is_some_and(|time| now < time) {
            self.proposed_at = None;
        }
        let next = self.next_proposal();
        if now < next {
            return vec![Output::WakeAt(next)];
        }
        let limits =
            if self.unexecuted() > UNEXECUTED_COMMITS_MAX { PayloadLimits::NOTHING } else { self.config.limits };
        self.round = Round(self.round.0 + 1);
        self.proposed_at = Some(now);
        self.open = Some((self.round, limits));
        vec![Output::Propose { round: self.round, limits }]
    }

    fn next_proposal(&self) -> TimestampMs {
        TimestampMs(self.proposed_at.map_or(0, |time| time.0.saturating_add(self.config.round_interval_ms)))
    }

    fn payload(
        &mut self,
        now: TimestampMs,
        round: Round,
        transactions: Vec<bytes::Bytes>,
    ) -> Result<Vec<Output>, StepError> {
        let limits = match self.open {
            Some((open, limits)) if open == round => limits,
            open => {
                return Err(StepError::UnexpectedPayload { expected: open.map(|(round, _)| round), got: round });
            }
        };
        let bytes = transactions.iter().map(bytes::Bytes::len).sum();
        if transactions.len() > limits.transactions_max || bytes > limits.bytes_max {
            return Err(StepError::OversizedPayload {
                transactions: transactions.len(),
                bytes,
                transactions_max: limits.transactions_max,
                bytes_max: limits.bytes_max,
            });
        }
        self.open = None;
        let mut outputs = Vec::with_capacity(2);
        let idle_end = self.last.timestamp.0.saturating_add(self.config.idle_interval_ms);
        // An empty commit still costs the executor work, so a chain that cannot keep up makes none at all.
        let wants_empty = now.0 >= idle_end && self.unexecuted() <= UNEXECUTED_COMMITS_MAX;
        if !transactions.is_empty() || wants_empty {
            outputs.push(Output::Commit(self.commit(now, round, transactions)));
        }
        outputs.push(Output::WakeAt(self.next_proposal()));
        Ok(outputs)
    }

    fn commit(&mut self, now: TimestampMs, round: Round, transactions: Vec<bytes::Bytes>) -> Commit {
        let timestamp = TimestampMs(now.0.max(self.last.timestamp.0 + TIMESTAMP_STEP_MS));
        let commit = Commit {
            index: CommitIndex(self.last.index.0 + 1),
            previous: self.last.digest,
            epoch: self.config.epoch,
            round,
            author: self.config.author,
            timestamp,
            transactions,
        };
        self.last = LastCommit::of(&commit);
        commit
    }
}

impl Orderer for SingleOrderer {
    fn step(&mut self, now: TimestampMs, input: Input) -> Result<Vec<Output>, StepError> {
        match input {
            Input::Tick => Ok(self.tick(now)),
            Input::Payload { round, transactions } => self.payload(now, round, transactions),
            Input::Executed(index) if index > self.last.index => {
                Err(StepError::ExecutedUnknown { got: index, last: self.last.index })
            }
            Input::Executed(index) => {
                self.executed = self.executed.max(index);
                Ok(self.tick(now))
            }
        }
    }

    fn author(&self) -> Author {
        self.config.author
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
