//! What can go wrong with a store.

use std::path::PathBuf;

/// A store that cannot do what it was asked. Says nothing about the data asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No room left on the disk. Nothing of the batch is in.
    #[error("no space left for the database at {}: {reason}\nhint: free disk space, then restart the node", path.display())]
    DiskFull {
        /// Where the store is.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The files are damaged.
    #[error(
        "the database at {} is damaged: {reason}\nhint: move the folder away and restore it from a snapshot or by \
         synchronising again; check the disk",
        path.display()
    )]
    Corrupt {
        /// Where the store is.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process has the store open.
    #[error(
        "the database at {} is in use by another process\nhint: stop the other node, or give this one a folder of its \
         own",
        path.display()
    )]
    Locked {
        /// Where the store is.
        path: PathBuf,
    },
    /// The system refused to read or write.
    #[error("the database at {} cannot be used: {reason}", path.display())]
    Io {
        /// Where the store is.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// A column that was not named when the store was opened.
    #[error("the store has no column `{column}`")]
    NoColumn {
        /// The column.
        column: &'static str,
    },
    /// A key or value over the limit.
    #[error("an entry of {size} bytes is over the limit of {limit} bytes")]
    EntryTooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

impl StoreError {
    /// Whether the same call may succeed later, once somebody made room or let go.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Locked { .. })
    }
}
