//! What a core has seen and done, counted: for metrics, and for proof that a simulation exercised what it claims.

use std::collections::BTreeMap;

use crate::Invalid;

/// Counts since the core was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreStats {
    /// Blocks that arrived, known ones included.
    pub blocks_received: u64,
    /// Blocks whose ancestors and batches were all there, own ones included.
    pub blocks_accepted: u64,
    /// Blocks refused, by the rule they break.
    pub blocks_invalid: BTreeMap<Invalid, u64>,
    /// Blocks that had to wait for ancestors or batches.
    pub blocks_suspended: u64,
    /// Blocks that were dropped because too many waited, or because they were too far ahead.
    pub blocks_dropped: u64,
    /// Second blocks of a slot that nobody referenced, so that they were not stored.
    pub equivocations_refused: u64,
    /// Second blocks of a slot that were accepted, because others built on them: both halves are in the DAG.
    pub equivocations_accepted: u64,
    /// Slots for which two signed headers were seen.
    pub evidence: u64,
    /// Blocks held because their time was too far ahead.
    pub blocks_future: u64,
    /// Blocks that arrived or waited below the collected rounds.
    pub gc_drops: u64,
    /// Batches that arrived, in blocks too.
    pub batches_received: u64,
    /// Batches refused: malformed, or over their author's share.
    pub batches_refused: u64,
    /// Batches that a block named and that were not there.
    pub batches_missing: u64,
    /// Requests for blocks that were sent.
    pub block_fetches: u64,
    /// Requests for everything above what is known that were sent.
    pub catch_ups: u64,
    /// Requests for batches that were sent.
    pub batch_fetches: u64,
    /// Blocks sent in answers.
    pub blocks_served: u64,
    /// Batches sent in answers.
    pub batches_served: u64,
    /// Times the own latest block was sent again.
    pub resends: u64,
    /// Own blocks.
    pub proposals: u64,
    /// Own blocks without batches.
    pub proposals_empty: u64,
    /// Own blocks made without the round's first leader because the timeout passed.
    pub leader_timeouts: u64,
    /// Authors left out of an own block because their batches are repeatedly late.
    pub ancestors_left_out: u64,
    /// Own batches proposed again because their block was collected.
    pub batches_proposed_again: u64,
    /// Own transactions given back.
    pub released: u64,
    /// Own transactions too large for any batch, thrown away.
    pub oversized: u64,
    /// Commits.
    pub commits: u64,
    /// Leader slots skipped.
    pub slots_skipped: u64,
    /// Times state synchronisation was asked for.
    pub lagging: u64,
    /// Times proposing was resumed after the log was lost.
    pub amnesia_resumed: u64,
}

impl CoreStats {
    pub(crate) fn invalid(&mut self, reason: Invalid) {
        *self.blocks_invalid.entry(reason).or_default() += 1;
    }
}
