//! What can go wrong with the state database.

use noema_execution_api::StateError;
use noema_store::StoreError;
use noema_types::{Hash, Height, Version};

/// The database cannot do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateDbError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored contradicts itself.
    #[error("the state database is damaged: {reason}\nhint: move it away and restore a snapshot, or synchronise again")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The database was made by another program, or another version of this one.
    #[error("the state database has format {found}, this program reads {expected}\nhint: use the matching version")]
    Format {
        /// Format of the database.
        found: u64,
        /// Format of this program.
        expected: u64,
    },
    /// A version that is not committed yet.
    #[error("version {version} is ahead of the latest, {}", latest.map_or("none".to_owned(), |latest| latest.to_string()))]
    VersionAhead {
        /// The version asked for.
        version: Version,
        /// The latest version there is.
        latest: Option<Version>,
    },
    /// A height that is not committed yet.
    #[error("no block {height} yet")]
    HeightAhead {
        /// The height asked for.
        height: Height,
    },
    /// A block other than the one that was committed at its height.
    #[error("block {height} is committed already, and differs in {what}")]
    Conflict {
        /// Height of the blocks.
        height: Height,
        /// What differs.
        what: String,
    },
    /// A block that does not follow the latest.
    #[error("block {got} does not follow: expected block {expected}")]
    Gap {
        /// The height that comes next.
        expected: Height,
        /// The height given.
        got: Height,
    },
    /// A block without a transaction: even an idle block has its metadata.
    #[error("block {height} has no transactions")]
    EmptyBlock {
        /// Height of the block.
        height: Height,
    },
    /// A version, block or transaction from before the snapshot that the database began with.
    #[error(
        "{what} {asked} is not here: the database began with a snapshot and has {what}s from {first} on\nhint: ask a node that keeps the whole ledger"
    )]
    Pruned {
        /// What was asked for.
        what: &'static str,
        /// Which one.
        asked: u64,
        /// The first one there is.
        first: u64,
    },
    /// A snapshot is being restored, or was when the node stopped.
    #[error("the restore of the snapshot at block {height} is unfinished\nhint: let it go on, or begin it again")]
    RestoreUnfinished {
        /// Height of the snapshot.
        height: Height,
    },
    /// More blocks are executed than may wait for their commit.
    #[error(
        "{count} blocks are staged, which is the limit (STAGED_BLOCKS_MAX = {limit})\nhint: commit or discard them first"
    )]
    StagedFull {
        /// Blocks that are staged.
        count: usize,
        /// Blocks allowed.
        limit: usize,
    },
    /// A block cannot go in past those that are staged.
    #[error(
        "block {height} cannot be committed directly while blocks {oldest} to {newest} are staged\nhint: commit or discard them first"
    )]
    Staged {
        /// The block given.
        height: Height,
        /// The oldest staged block.
        oldest: Height,
        /// The newest staged block.
        newest: Height,
    },
    /// Not the block that must be committed next.
    #[error("block {height} is not the oldest staged block, {}", oldest.map_or("of which there is none".to_owned(), |oldest| oldest.to_string()))]
    NotStaged {
        /// The height asked for.
        height: Height,
        /// The oldest staged block.
        oldest: Option<Height>,
    },
    /// The view shows a staged state that was dropped.
    #[error("the staged state at version {version} was discarded")]
    Discarded {
        /// Version of the view.
        version: Version,
    },
    /// A caller's records belong in its own column.
    #[error("records with a block go into the column `records`, not into `{column}`")]
    ForeignColumn {
        /// The column given.
        column: &'static str,
    },
    /// A block, or what goes with it, is not what is certified.
    #[error("block {height} is not what its checkpoint certifies: {what} is {found}, certified {certified}")]
    NotCertified {
        /// Height of the block.
        height: Height,
        /// What differs.
        what: &'static str,
        /// What is certified.
        certified: String,
        /// What there is.
        found: String,
    },
    /// There is no checkpoint of a block that is there.
    #[error("block {height} has no checkpoint")]
    NoCheckpoint {
        /// Height of the block.
        height: Height,
    },
    /// A chunk of a snapshot that does not belong where it was given.
    #[error("the chunk of the snapshot at block {height} after {after} is refused: {reason}", after = after.map_or("its start".to_owned(), |after| format!("key hash {after}")))]
    BadChunk {
        /// Height of the snapshot.
        height: Height,
        /// The last key hash before the chunk.
        after: Option<Hash>,
        /// What is wrong.
        reason: String,
    },
    /// A snapshot goes into an empty database only.
    #[error("a snapshot cannot be restored here: the database has blocks up to {height}\nhint: use an empty folder")]
    NotEmpty {
        /// The latest block.
        height: Height,
    },
    /// An earlier write failed, and what of it is on disk is unknown.
    #[error("an earlier write to the state database failed ({reason})\nhint: restart the node")]
    Stopped {
        /// What the store said then.
        reason: String,
    },
}

impl StateDbError {
    /// Whether the fault is the caller's; else it is the node's own, which must then stop.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        match self {
            Self::VersionAhead { .. } | Self::HeightAhead { .. } | Self::Conflict { .. } | Self::Gap { .. } => true,
            Self::EmptyBlock { .. }
            | Self::Pruned { .. }
            | Self::RestoreUnfinished { .. }
            | Self::StagedFull { .. } => true,
            Self::Staged { .. } | Self::NotStaged { .. } | Self::Discarded { .. } | Self::ForeignColumn { .. } => true,
            Self::NotCertified { .. } | Self::NoCheckpoint { .. } | Self::BadChunk { .. } | Self::NotEmpty { .. } => {
                true
            }
            Self::Store(_) | Self::Damaged { .. } | Self::Format { .. } | Self::Stopped { .. } => false,
        }
    }
}

impl From<StateDbError> for StateError {
    fn from(error: StateDbError) -> Self {
        Self::Store { reason: error.to_string() }
    }
}
