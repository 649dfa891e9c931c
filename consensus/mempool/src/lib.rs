//! Admits transactions, orders them per account and cuts batches.
//!
//! Guarantees
//! 1. Pure: time, account states and signature checks come in as arguments; equal calls give equal pools and batches.
//! 2. A batch never holds a transaction before one of the same sender with a lower sequence number, nor one with a gap
//!    before it. Among what may go next, the higher gas price goes first, then the earlier arrival.
//! 3. A transaction is handed out once. It stays known until it is committed, discarded or expired; a proposal that
//!    failed is handed back with [`Mempool::release`].
//! 4. A sequence number ahead of the account's is parked, not refused, within [`limits`].
//! 5. Every queue is bounded, and a refusal names the limit it hit.
//!
//! The way in: [`verify`] checks what needs no state, signatures in one batch, outside any lock; [`Mempool::admit`]
//! takes the resulting [`VerifiedTransaction`]s.

mod admission;
pub mod limits;
mod pool;
mod rejection;

pub use admission::{
    AccountState, GasBounds, LedgerView, SignatureVerifier, StaticRules, UnixSeconds, VerifiedTransaction, verify,
};
pub use pool::{Admitted, Mempool, MempoolConfig, PoolSize};
pub use rejection::Rejection;
