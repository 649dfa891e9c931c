//! Why a node does not start, or stops.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// The database cannot be opened or read.
    #[error("cannot use the database in {path}: {reason}")]
    Database {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A model file cannot be used.
    #[error("cannot load the model {path}: {reason}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A configuration cannot be used.
    #[error("cannot use {path}: {reason}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] noema_crypto::KeyFileError),
    /// Consensus does not start.
    #[error("consensus does not start: {0}")]
    Consensus(String),
    /// The inference engine refuses to start.
    #[error("the inference engine does not start: {0}")]
    Engine(String),
    /// Genesis fails.
    #[error("genesis failed: {0}")]
    Genesis(String),
    /// A thread or runtime cannot be made.
    #[error("the system refuses: {0}")]
    System(String),
}
