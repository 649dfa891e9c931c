//! Runs a Noema node: consensus, execution, storage, REST API.
//!
//! [`Node::start`] opens the database (or writes genesis), loads the models, joins consensus or follows others, and
//! serves the API; [`Node::stop`] ends all of it. A fault of the node itself (a broken store, a device that lies) ends
//! its part in consensus: the API goes on to answer from what is certified and says why at `/v1/-/healthy`.

mod api;
mod chain;
mod clock;
pub mod config;
mod engine;
mod error;
mod faucet;
mod follower;
mod gateway;
mod genesis;
mod inference_metrics;
mod metrics;
mod server;
mod settler;
mod spill;
mod status;
mod validator;

pub use config::{
    ConsensusTuning, FullNodeConfig, GatewayConfig, InferenceConfig, NodeConfig, ValidatorNodeConfig, key_files,
};
pub use error::NodeError;
pub use gateway::{Turn, chat_prompt};
pub use genesis::{GenesisSpec, LOCALNET_CHAIN_ID, LOCALNET_FAUCET_BALANCE, LOCALNET_INFERENCE_UNITS};
pub use noema_framework::{GenesisValidator, StakingParameters};
pub use server::Node;
pub use validator::init_validator;
