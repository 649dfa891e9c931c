//! What can go wrong with the state database.

use noema_execution_api::StateError;
use noema_store::StoreError;
use noema_types::{Height, Version};

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
            Self::EmptyBlock { .. } => true,
            Self::Store(_) | Self::Damaged { .. } | Self::Format { .. } | Self::Stopped { .. } => false,
        }
    }
}

impl From<StateDbError> for StateError {
    fn from(error: StateDbError) -> Self {
        Self::Store { reason: error.to_string() }
    }
}
