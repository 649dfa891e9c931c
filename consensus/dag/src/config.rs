//! Parameters of the protocol.

use std::sync::Arc;

use noema_types::{Author, Committee, TimestampMs};

use crate::{BlockCrypto, PayloadLimits};

/// What all validators of an epoch must agree on: it decides what is valid and what is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Leader slots of a round, at least 1.
    pub leaders: u16,
    /// Rounds below the last committed leader whose blocks are kept for ordering.
    pub gc_depth: u64,
    /// Commits of a schedule window.
    pub window_commits: u64,
    /// Share of the stake, in percent, that is swapped out of the schedule at most.
    pub swap_percent: u64,
    /// An execution block ends at a commit at least this much later than the last one's end, if it has transactions.
    pub block_interval_ms: u64,
    /// The same for one without transactions.
    pub idle_block_interval_ms: u64,
    /// An execution block ends at the commit that brings it to this many transactions, whatever the time.
    pub block_transactions: u64,
    /// The same, in bytes of transactions.
    pub block_bytes: u64,
}

/// What each validator may choose for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Between two own blocks, at least.
    pub round_interval_ms: u64,
    /// The same while there is nothing to order.
    pub idle_round_interval_ms: u64,
    /// First timeout for a round's first leader; adapts between this and the maximum.
    pub leader_timeout_ms: u64,
    /// Longest timeout.
    pub leader_timeout_ms_max: u64,
    /// Before an unanswered request goes to somebody else.
    pub fetch_retry_ms: u64,
    /// Before the own latest block is sent again while no round is won.
    pub resend_ms: u64,
    /// Commits that validators with > 1/3 of stake are ahead before state is synchronised instead of blocks.
    pub lag_commits_max: u64,
    /// How much one block's payload may hold.
    pub payload: PayloadLimits,
    /// Bytes of batches of one author that are not committed, at most; more are not fetched or taken.
    pub uncommitted_bytes_max: usize,
}

/// Everything that a core starts with, apart from its state.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// The validators.
    pub committee: Arc<Committee>,
    /// The own place among them.
    pub own: Author,
    /// First commit at or after this time ends the epoch.
    pub epoch_end: TimestampMs,
    /// Common rules.
    pub rules: Rules,
    /// Own choices.
    pub pace: Pace,
    /// Keys.
    pub crypto: Arc<dyn BlockCrypto>,
    /// Whether the log that proves what was sent is gone: peers are asked before anything is proposed.
    pub log_lost: bool,
    /// Differs from start to start; names requests.
    pub nonce: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            leaders: 2,
            gc_depth: 60,
            window_commits: 300,
            // A third of equal validators may be down: so much has to fit, at 4 validators too.
            swap_percent: 33,
            block_interval_ms: 50,
            idle_block_interval_ms: 1_000,
            block_transactions: 4_000,
            block_bytes: 4 * 1024 * 1024,
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            round_interval_ms: 20,
            idle_round_interval_ms: 250,
            leader_timeout_ms: 150,
            leader_timeout_ms_max: 2_000,
            fetch_retry_ms: 200,
            resend_ms: 500,
            lag_commits_max: 400,
            payload: PayloadLimits { transactions_max: 32 * 1024, bytes_max: 4 * 1024 * 1024 },
            uncommitted_bytes_max: 64 * 1024 * 1024,
        }
    }
}
