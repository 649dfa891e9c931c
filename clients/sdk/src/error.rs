//! Errors of the client.

use serde::{Deserialize, Serialize};

/// What the node answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({error_code})")]
pub struct ApiError {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// What is wrong, for people.
    pub message: String,
    /// What is wrong, for programs.
    pub error_code: String,
    /// Number of the validation or VM status, if one is the cause.
    pub vm_error_code: Option<u64>,
}

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The node refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The node cannot be reached.
    #[error("cannot reach {url}: {reason}")]
    Transport {
        /// Address that was called.
        url: String,
        /// What failed.
        reason: String,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer from {url}: {reason}")]
    Protocol {
        /// Address that was called.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The transaction did not reach the chain in time.
    #[error("transaction {hash} was not committed within {seconds} s")]
    NotCommitted {
        /// Hash of the transaction.
        hash: String,
        /// Time waited.
        seconds: u64,
    },
}

impl ClientError {
    /// Whether the node answered 404.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api(error) if error.status == 404)
    }
}
