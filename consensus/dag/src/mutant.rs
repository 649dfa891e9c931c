//! Faults that can be planted into the core on purpose, one at a time and per thread, to prove that the simulator
//! catches them. Without the feature `mutants` nothing can be planted and the hooks compile to nothing.

/// A fault, named after what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "planted only with the feature"))]
#[cfg_attr(not(feature = "mutants"), allow(unreachable_pub, reason = "public with the feature"))]
pub enum Mutant {
    /// An undecided slot does not stop the ones behind it.
    JumpOverUndecided,
    /// Stake of blocks that certify is counted per block instead of per author.
    StakePerBlock,
    /// The own block is sent without being synced first.
    NoSyncBeforeSend,
    /// Slots decided under the schedule of a window that ended are kept.
    StaleSchedule,
    /// Equivocating blocks of a slot are taken for one: support of any is support of each.
    NoDigestTieBreak,
    /// Half of the stake passes for a quorum in the commit rule.
    SmallQuorum,
    /// More than a third of the stake without support skips a slot.
    SkipOnValidity,
    /// A block two rounds above certifies with more than a third of support.
    WeakCertificate,
    /// Collected rounds follow the highest round seen instead of the last committed leader.
    CollectByOwnView,
    /// The median of timestamps counts heads.
    MedianWithoutStake,
    /// A batch is ordered at each commit that names it.
    BatchOrderedAgain,
    /// After a restart, rounds for which the log has an own block are proposed again.
    ForgetProposed,
    /// Blocks are accepted while their batches are missing.
    AcceptWithoutBatches,
    /// Blocks are accepted while ancestors are missing.
    AcceptWithoutAncestors,
    /// The anchor of a slot is looked for two rounds above it instead of three.
    AnchorTooLow,
    /// Blocks of two rounds are taken for an equivocation.
    EvidenceAgainstHonest,
    /// A validator without its log goes on at once.
    AmnesiaWithoutWaiting,
    /// Commits take the median time even if it is not after the commit before.
    TimeGoesBack,
    /// Own batches whose block was collected are forgotten.
    CollectedBatchForgotten,
    /// The sub-DAG of a leader is ordered as it was reached.
    UnsortedSubDag,
    /// A missing batch is asked for once.
    FetchOnce,
    /// What was lost is not asked for, and nothing is sent again.
    NoResend,
    /// Nobody waits for the epoch to end: commits go on after it.
    EpochWithoutEnd,
    /// Signatures are not looked at.
    NoSignatureCheck,
}

#[cfg(feature = "mutants")]
mod planting {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    impl Mutant {
        /// All of them.
        pub const ALL: [Self; 24] = [
            Self::JumpOverUndecided,
            Self::StakePerBlock,
            Self::NoSyncBeforeSend,
            Self::StaleSchedule,
            Self::NoDigestTieBreak,
            Self::SmallQuorum,
            Self::SkipOnValidity,
            Self::WeakCertificate,
            Self::CollectByOwnView,
            Self::MedianWithoutStake,
            Self::BatchOrderedAgain,
            Self::ForgetProposed,
            Self::AcceptWithoutBatches,
            Self::AcceptWithoutAncestors,
            Self::AnchorTooLow,
            Self::EvidenceAgainstHonest,
            Self::AmnesiaWithoutWaiting,
            Self::TimeGoesBack,
            Self::CollectedBatchForgotten,
            Self::UnsortedSubDag,
            Self::FetchOnce,
            Self::NoResend,
            Self::EpochWithoutEnd,
            Self::NoSignatureCheck,
        ];
    }

    /// Plants a fault into every core of this thread, or none.
    pub fn plant(mutant: Option<Mutant>) {
        PLANTED.set(mutant);
    }

    pub(crate) fn planted(mutant: Mutant) -> bool {
        PLANTED.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub use planting::plant;
#[cfg(feature = "mutants")]
pub(crate) use planting::planted;

/// Whether this fault is planted: never, in a build without the feature.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn planted(_: Mutant) -> bool {
    false
}
