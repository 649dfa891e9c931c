//! What a node needs to know before it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Configuration of a node, as in `node.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Folder of the database.
    pub data_dir: PathBuf,
    /// Where the REST API listens.
    pub api_address: SocketAddr,
    /// Where Prometheus metrics are served.
    pub metrics_address: SocketAddr,
    /// Where the faucet listens; none on a real network.
    pub faucet_address: Option<SocketAddr>,
    /// Canonical model files to load.
    #[serde(default)]
    pub models: Vec<PathBuf>,
    /// Inference.
    #[serde(default)]
    pub inference: InferenceConfig,
    /// Block production.
    #[serde(default)]
    pub blocks: BlockConfig,
}

/// How this machine computes answers. Never influences one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// `scalar`, `avx2`, `avx512`; the fastest available when absent.
    pub kernel: Option<String>,
    /// Threads; all cores when absent.
    pub threads: Option<usize>,
}

/// When blocks are cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlockConfig {
    /// Time between blocks while transactions wait, in milliseconds.
    pub interval_ms: u64,
    /// Transactions of a block, at most.
    pub transactions_max: usize,
    /// Bytes of a block's transactions, at most.
    pub bytes_max: usize,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self { interval_ms: 50, transactions_max: 2_000, bytes_max: 4 * 1024 * 1024 }
    }
}

impl BlockConfig {
    /// Time between blocks.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }
}
