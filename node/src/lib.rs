//! Runs a Noema node: consensus, execution, storage, REST API.
//!
//! [`Node::start`] opens the database (or writes genesis), loads the models, starts the block producer and serves the
//! API; [`Node::stop`] ends all of it. A fault of the node itself (a broken store, a device that lies) stops block
//! production: the API goes on to answer from what is committed and says why at `/v1/-/healthy`.

mod api;
mod chain;
pub mod config;
mod engine;
mod error;
mod faucet;
mod genesis;
mod metrics;
mod producer;
mod server;
mod single;

pub use config::{BlockConfig, InferenceConfig, NodeConfig};
pub use error::NodeError;
pub use genesis::{LOCALNET_CHAIN_ID, LocalnetGenesis};
pub use server::Node;
