//! The state of consensus after a commit: all that the decisions after it depend on.

use noema_types::{Author, CommitIndex, Epoch, Hash, Round, TimestampMs};
use serde::{Deserialize, Serialize};

use crate::types::{hash, to_bytes};
use crate::{BatchDigest, BlockRef, CommitDigest};

/// What decisions after a commit depend on. Equal on every honest validator; its digest is part of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsensusState {
    /// The chain.
    pub chain: Hash,
    /// The epoch.
    pub epoch: Epoch,
    /// What the epoch's genesis blocks cover: the chain, or the digest of the checkpoint that ended the epoch before.
    pub origin: Hash,
    /// Last commit; at the epoch's start the last of the epoch before.
    pub index: CommitIndex,
    /// Its digest.
    pub digest: CommitDigest,
    /// Its time.
    pub timestamp: TimestampMs,
    /// Round of its leader; 0 at the epoch's start.
    pub round: Round,
    /// Which of the round's leader slots it was: later slots are undecided.
    pub slot: u16,
    /// Blocks of this round and below are collected: nobody waits for them and no commit takes them any more.
    pub gc_round: Round,
    /// Ordered blocks above `gc_round`, ascending.
    pub ordered: Vec<BlockRef>,
    /// Ordered batches that were made above `gc_round` less the depth, ascending, with the round they name.
    pub batches: Vec<(BatchDigest, Round)>,
    /// The leader schedule.
    pub schedule: ScheduleState,
}

/// The leader schedule and the scores of the window that runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScheduleState {
    /// Number of the window; changes the schedule's seed.
    pub window: u64,
    /// Commits made in the running window.
    pub commits: u64,
    /// Authors that lead less in this window, for those that lead more: (out, in), by `out`.
    pub swaps: Vec<(Author, Author)>,
    /// Score of each author in the running window.
    pub scores: Vec<u64>,
}

impl ConsensusState {
    /// Before the first commit of an epoch.
    ///
    /// `origin` is the chain in the first epoch, later the digest of the checkpoint that ended the epoch before, whose
    /// last commit has `index`, `digest` and `timestamp`.
    #[must_use]
    pub fn epoch_start(
        chain: Hash,
        epoch: Epoch,
        origin: Hash,
        index: CommitIndex,
        digest: CommitDigest,
        timestamp: TimestampMs,
        validators: usize,
    ) -> Self {
        Self {
            chain,
            epoch,
            origin,
            index,
            digest,
            timestamp,
            round: Round(0),
            slot: 0,
            gc_round: Round(0),
            ordered: Vec::new(),
            batches: Vec::new(),
            schedule: ScheduleState { scores: vec![0; validators], ..ScheduleState::default() },
        }
    }

    /// BLAKE3 of its BCS.
    #[must_use]
    pub fn state_digest(&self) -> Hash {
        hash("noema 2026 consensus state", &to_bytes(self))
    }
}
