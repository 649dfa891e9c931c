//! Talks to a node from Rust.
//!
//! [`Client`] speaks the REST API (docs/rest-api.md): blocking, one connection pool, JSON in and out, transactions as
//! BCS. Every error says what the node said ([`ClientError::Api`]) or what failed on the way. [`LightClient`] verifies
//! what a node says against the genesis bytes alone.

mod client;
mod error;
pub mod light;
mod transaction;

pub use client::{Client, DEFAULT_FAUCET_URL, DEFAULT_NODE_URL};
pub use error::{ApiError, ClientError};
pub use light::{LightClient, LightError};
pub use transaction::{TransactionBuilder, address_of, entry_function};
