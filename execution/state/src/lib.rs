//! Keeps versioned, authenticated state and the ledger: values, Merkle tree, transactions, events, blocks.
//!
//! Guarantees of [`StateDb`]:
//! - A block is committed whole, by one synced batch, or not at all. After a crash the ledger ends with a whole block.
//! - Committing a block again is no-op if it is the same, an error if it is not: nothing is applied twice.
//! - A view at a version gives the same values for ever, whatever is committed later.
//! - The state root after a block is a function of the state alone, not of how it came about.
//! - A store that fails gives errors, never wrong values; after a failed write nothing more is written.
//!
//! Values lie under `address ‖ kind ‖ name`, newest version first, so that reading one is one seek and an account's
//! resources lie together. The tree is a Jellyfish Merkle tree (SHA-256) with one version a block; it holds hashes
//! only. Old versions are kept: there is no pruning yet.

mod builder;
mod cache;
mod certified;
mod commit;
mod db;
mod error;
mod ledger;
pub mod limits;
mod restore;
mod schema;
mod snapshot;
mod staged;
mod tree;
mod view;

pub use db::StateDb;
pub use error::StateDbError;
pub use ledger::CommittedTransaction;
pub use noema_types::{BlockCommit, CommittedBlock, ProofError, StateProof, TransactionCommit};
pub use restore::SnapshotWriter;
pub use schema::{COLUMNS, RECORDS};
pub use view::{DbView, Page};
