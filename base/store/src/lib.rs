//! Stores ordered bytes in columns, with atomic batches: on disk, in memory, or failing on purpose.
//!
//! [`Store`] is the contract. [`RocksStore`] keeps it on disk, [`MemoryStore`] in memory, and [`FaultyStore`] loses,
//! tears and refuses writes as a test tells it to. One test body runs over all of them (`tests/contract.rs`).

mod error;
mod faulty;
pub mod limits;
mod memory;
mod rocks;
mod store;

pub use error::StoreError;
pub use faulty::{Fault, FaultyStore};
pub use memory::MemoryStore;
pub use rocks::{RocksOptions, RocksStore};
pub use store::{Batch, Column, Direction, Durability, Entry, Range, Scan, Store, WriteOp, prefix_end};
