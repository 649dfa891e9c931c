//! Attaches other machines to a node's inference pool, tests them, and spreads jobs over them.
//!
//! [`Dispatcher`] is an [`Engine`](noema_inference_api::Engine) over the pool of its process and any number of workers;
//! [`attach`] is the worker's side. What is guaranteed:
//! - every job taken is answered once to its callers, whatever happens to workers: a job whose worker is lost, silent or
//!   too slow waits again in the place it had, and goes to another;
//! - an answer that is taken is of the kind that was asked for and bounded; a worker that answers anything else, or
//!   otherwise than the node's own pool when that checks, is refused from then on, loudly;
//! - only workers whose keys are admitted get past the handshake of TLS 1.3, and workers serve only the node of the key
//!   they were given;
//! - queues, messages, connections and waiting times are bounded ([`limits`]).
//!
//! What is not: a worker that lies rarely may get a wrong answer in between two audits. Workers are machines of the
//! node's operator, not of strangers; the audits are there to find broken ones.
//!
//! ```text
//! callers ─► Dispatcher ─► Book: queue, seats, answers ─┬─► threads ─► local pool
//!                                                       └─► sessions ══ gRPC over TLS 1.3 ══ attach ─► the worker's pool
//! ```

mod attach;
mod book;
mod check;
mod dispatcher;
mod host;
pub mod limits;
mod report;
mod service;
mod session;
#[cfg(test)]
mod tests;
mod trial;
mod wire;

use std::net::SocketAddr;

pub use attach::{AttachConfig, AttachError, Attached, attach};
pub use dispatcher::{Dispatcher, Listen, Local, Timing};
pub use report::{
    InferenceReport, LocalReport, PoolReport, QueueReport, Totals, WorkerReport, WorkerState, memory_bytes,
};
pub use service::parse_key;
pub use wire::PROTOCOL;

/// Why workers cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address cannot be listened on.
    #[error("cannot listen for workers on {address}: {reason} (hint: is another process using the port?)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        reason: String,
    },
    /// TLS does not take the key.
    #[error("the node's key for workers cannot be used: {0}")]
    Key(String),
    /// More workers than a node takes.
    #[error("{got} workers are admitted, a node takes {max}")]
    TooMany {
        /// Keys given.
        got: usize,
        /// The limit.
        max: usize,
    },
    /// The system gives no thread.
    #[error("the system gives no thread: {0}")]
    System(String),
}
