//! What a node needs to know before it starts: `node.toml` (docs/validators.md describes every field).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use noema_dag::{Pace, PayloadLimits};
use noema_types::{Address, Ed25519PublicKey, Height};
use serde::{Deserialize, Serialize};

use crate::NodeError;

/// Configuration of a node, as in `node.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Folder of the database and, for a validator, of the consensus log.
    pub data_dir: PathBuf,
    /// The chain's first block: the BCS of its genesis transaction, as `noema genesis build` writes it.
    pub genesis: PathBuf,
    /// Where the REST API listens.
    pub api_address: SocketAddr,
    /// Where Prometheus metrics are served.
    pub metrics_address: SocketAddr,
    /// Where the faucet listens; only on a network whose genesis knows the local faucet's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faucet_address: Option<SocketAddr>,
    /// Canonical model files to load.
    #[serde(default)]
    pub models: Vec<PathBuf>,
    /// Inference.
    #[serde(default)]
    pub inference: InferenceConfig,
    /// OpenAI's and Anthropic's protocols.
    #[serde(default)]
    pub gateway: GatewayConfig,
    /// Keys and addresses of a validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<ValidatorNodeConfig>,
    /// Where a node that is no validator follows the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_node: Option<FullNodeConfig>,
    /// Pace of consensus.
    #[serde(default)]
    pub consensus: ConsensusTuning,
}

/// How this machine computes answers. Never influences one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// `scalar`, `avx2`, `avx512`, `neon`; the fastest available when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Threads; all cores when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// `cuda` or `cuda:N`: the NVIDIA device for models of the families that it has kernels for; the others, and these
    /// when it fails, run on the processor. Needs a program built with the feature `cuda`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Where workers attach (docs/workers.md); no workers when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_listen: Option<SocketAddr>,
    /// File of the Ed25519 key that workers know this node by; `worker.key` in the folder of the database when absent,
    /// made at the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_key: Option<PathBuf>,
    /// Keys of the workers that are admitted, as `noema worker key` prints them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<Ed25519PublicKey>,
    /// Jobs that this process's own pool takes at once beside the workers; 16 when absent. 0 leaves all jobs to the
    /// workers: the pool then only checks what they answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_jobs: Option<usize>,
    /// Compute wrong answers, as a broken device would: for tests of divergence, on local networks only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wrong_answers: bool,
    /// Go on doing so after the switch to the plain kernel.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wrong_answers_when_safe: bool,
}

/// What the gateway does beside answering (docs/gateway.md).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// File of an account's key: it pays for transactions that record answers on chain. Without one, none is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle_key: Option<PathBuf>,
    /// Record every answer, not only those of requests that ask for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub settle_all: bool,
}

/// What makes a node a validator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorNodeConfig {
    /// Account of the stake pool.
    pub account: Address,
    /// File of the Ed25519 key that signs blocks.
    pub consensus_key: PathBuf,
    /// File of the Ed25519 key of connections.
    pub network_key: PathBuf,
    /// File of the BLS12-381 key that signs checkpoints.
    pub checkpoint_key: PathBuf,
    /// While the consensus key is being rotated: the key of an epoch to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_consensus_key: Option<PathBuf>,
    /// While the checkpoint key is being rotated: the key of an epoch to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_checkpoint_key: Option<PathBuf>,
    /// File of an account's key that pays for transactions of the node itself: evidence of equivocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_key: Option<PathBuf>,
    /// Where other validators connect to.
    pub listen: SocketAddr,
    /// Where this validator reaches others, by account, when that is not the address they registered: a private
    /// network, a relay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub peer_addresses: BTreeMap<Address, String>,
    /// A person's word that checkpoints from this height on may be signed again with another digest, after validators
    /// disagreed and the wrong ones were replaced (docs/validators.md, divergence).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resign_from: Option<Height>,
}

/// How a full node follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullNodeConfig {
    /// REST URLs of validators or full nodes, for example `http://127.0.0.1:8080/v1`. Nothing they say is believed
    /// without a certificate; transactions go to the one that the sender's address picks, then to the next.
    pub upstream: Vec<String>,
}

/// Pace of this validator; each absent value has a default that fits a real network.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusTuning {
    /// Between two own blocks, at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_interval_ms: Option<u64>,
    /// The same while there is nothing to order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_round_interval_ms: Option<u64>,
    /// First timeout for a round's first leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_timeout_ms: Option<u64>,
    /// Transactions of one own block, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_transactions_max: Option<usize>,
    /// Bytes of one own block's transactions, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes_max: Option<usize>,
}

/// Names of the files of keys in a validator's folder.
pub mod key_files {
    /// Key of the account that owns and operates the stake.
    pub const ACCOUNT: &str = "account.key";
    /// Key that signs blocks.
    pub const CONSENSUS: &str = "consensus.key";
    /// Key of connections.
    pub const NETWORK: &str = "network.key";
    /// Key that signs checkpoints.
    pub const CHECKPOINT: &str = "checkpoint.key";
    /// Key that workers know the node by.
    pub const WORKER: &str = "worker.key";
}

impl ValidatorNodeConfig {
    /// A validator whose [`key_files`] lie beside its configuration.
    #[must_use]
    pub fn new(account: Address, listen: SocketAddr) -> Self {
        Self {
            account,
            consensus_key: key_files::CONSENSUS.into(),
            network_key: key_files::NETWORK.into(),
            checkpoint_key: key_files::CHECKPOINT.into(),
            next_consensus_key: None,
            next_checkpoint_key: None,
            operator_key: Some(key_files::ACCOUNT.into()),
            listen,
            peer_addresses: BTreeMap::new(),
            resign_from: None,
        }
    }
}

impl NodeConfig {
    /// Reads `node.toml`. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`NodeError::Config`].
    pub fn load(path: &Path) -> Result<Self, NodeError> {
        let error = |reason: String| NodeError::Config { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|why| error(why.to_string()))?;
        let mut config: Self = toml::from_str(&text).map_err(|why| error(why.to_string()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        config.paths(|path| *path = folder.join(&*path));
        if let Some(full_node) = &config.full_node
            && full_node.upstream.is_empty()
        {
            return Err(error("full_node.upstream is empty\nhint: name the REST URL of a validator".to_owned()));
        }
        if config.validator.is_none() && config.full_node.is_none() {
            let hint = "hint: a validator has a [validator] table, any other node a [full_node] table";
            return Err(error(format!("the node is neither a validator nor a full node\n{hint}")));
        }
        Ok(config)
    }

    /// The text of `node.toml`.
    ///
    /// # Panics
    /// Never: every field has a form in TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration always serialises")
    }

    fn paths(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        change(&mut self.data_dir);
        change(&mut self.genesis);
        self.models.iter_mut().for_each(&mut change);
        self.gateway.settle_key.iter_mut().for_each(&mut change);
        self.inference.worker_key.iter_mut().for_each(&mut change);
        if let Some(validator) = &mut self.validator {
            change(&mut validator.consensus_key);
            change(&mut validator.network_key);
            change(&mut validator.checkpoint_key);
            validator.operator_key.iter_mut().for_each(&mut change);
            validator.next_consensus_key.iter_mut().for_each(&mut change);
            validator.next_checkpoint_key.iter_mut().for_each(&mut change);
        }
    }

    /// File of the key that workers know this node by.
    #[must_use]
    pub fn worker_key(&self) -> PathBuf {
        self.inference.worker_key.clone().unwrap_or_else(|| self.data_dir.join(key_files::WORKER))
    }

    /// Folder of the consensus log.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.data_dir.join("consensus")
    }
}

impl ConsensusTuning {
    /// The pace that consensus runs at.
    pub(crate) fn pace(&self) -> Pace {
        let pace = Pace::default();
        Pace {
            round_interval_ms: self.round_interval_ms.unwrap_or(pace.round_interval_ms),
            idle_round_interval_ms: self.idle_round_interval_ms.unwrap_or(pace.idle_round_interval_ms),
            leader_timeout_ms: self.leader_timeout_ms.unwrap_or(pace.leader_timeout_ms),
            payload: PayloadLimits {
                transactions_max: self.payload_transactions_max.unwrap_or(pace.payload.transactions_max),
                bytes_max: self.payload_bytes_max.unwrap_or(pace.payload.bytes_max),
            },
            ..pace
        }
    }
}
