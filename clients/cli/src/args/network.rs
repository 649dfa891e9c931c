//! Arguments of the commands that run, found and join networks.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use noema_types::Address;

use super::NodeArgs;

/// Stake of a validator where none is named: a million coins.
pub(crate) const DEFAULT_STAKE: u64 = 100_000_000_000_000;

#[derive(Debug, Args)]
pub(crate) struct LocalnetArgs {
    /// Folder of the network: keys, genesis, data; `~/.noema/localnet` when absent. Started again, the network goes on.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Delete the network first: its keys, its genesis and all data.
    #[arg(long)]
    pub(crate) force_restart: bool,
    /// Port of validator 0's REST API. Validator i: this + 10 i; metrics two above, consensus five above; the faucet
    /// listens one above validator 0. 8080 when absent, or what the network had.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Validators. What the network has when absent, 1 for a new one.
    #[arg(long)]
    pub(crate) validators: Option<u16>,
    /// Full nodes, which follow the validators and serve the REST API. What the network has when absent, 0 for a new one.
    #[arg(long)]
    pub(crate) full_nodes: Option<u16>,
    /// Length of an epoch in seconds, for a new network; 7200 when absent.
    #[arg(long)]
    pub(crate) epoch_secs: Option<u64>,
    /// Model that every validator holds: a canonical file, its root, or the name of an imported one. Repeatable. What
    /// the network has when absent.
    #[arg(long = "model")]
    pub(crate) models: Vec<String>,
    /// Kernel of the arithmetic: scalar, avx2, avx512 or neon; the fastest available when absent.
    #[arg(long, env = "NOEMA_KERNEL")]
    pub(crate) kernel: Option<String>,
    /// Threads for inference, of each node; all cores when absent.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Record every answer of the validators' gateways on chain, paid for by their accounts; else those of requests that
    /// ask for it (docs/gateway.md).
    #[arg(long)]
    pub(crate) settle: bool,
    /// Key of a worker that validator 0 admits, as `noema worker key` prints it; workers attach six ports above its REST
    /// API. Repeatable.
    #[arg(long = "worker", value_name = "KEY")]
    pub(crate) workers: Vec<String>,
    /// Jobs that validator 0's own pool takes at once beside workers; 0 leaves all of them to the workers.
    #[arg(long, requires = "workers")]
    pub(crate) local_jobs: Option<usize>,
    /// Write keys, genesis and configuration, and start nothing: run the nodes with `noema node run`.
    #[arg(long)]
    pub(crate) prepare: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How a node logs. What it logs: `RUST_LOG` (or `NOEMA_LOG`), `warn,noema=info` when absent.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogArgs {
    /// Form of the log on stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Form of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run a validator or a full node until Ctrl-C, SIGTERM or a fault.
    Run(NodeRunArgs),
    /// Make a node's folder: configuration, keys if there are none, and a validator's consensus log.
    Init(NodeInitArgs),
    /// Print a commented configuration file.
    ConfigExample,
}

#[derive(Debug, Args)]
pub(crate) struct NodeRunArgs {
    /// The configuration file (docs/validators.md describes it).
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Kernel of the arithmetic instead of the configured one: scalar, avx2, avx512 or neon.
    #[arg(long, env = "NOEMA_KERNEL")]
    pub(crate) kernel: Option<String>,
    /// Threads for inference instead of the configured number.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Record every answer of the gateway on chain, by the account of `settle_key` (docs/gateway.md).
    #[arg(long)]
    pub(crate) settle: bool,
    /// Stop when stdin ends: with whoever holds its other end.
    #[arg(long)]
    pub(crate) stop_with_stdin: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Args)]
pub(crate) struct NodeInitArgs {
    /// Folder of the node.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// The chain's genesis, which is copied into the folder.
    #[arg(long)]
    pub(crate) genesis: PathBuf,
    /// Make a validator: uses the keys in the folder, or makes them.
    #[arg(long, conflicts_with = "upstream", required_unless_present = "upstream")]
    pub(crate) validator: bool,
    /// REST API that a full node follows, for example http://203.0.113.7:8080/v1. Repeatable.
    #[arg(long)]
    pub(crate) upstream: Vec<String>,
    /// Where a validator listens for others; its registered port on all addresses when absent.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Where the REST API listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) api: SocketAddr,
    /// Where metrics are served.
    #[arg(long, default_value = "127.0.0.1:8082")]
    pub(crate) metrics: SocketAddr,
    /// Model that the chain holds: a canonical file, its root, or the name of an imported one. Repeatable.
    #[arg(long = "model")]
    pub(crate) models: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GenesisCommand {
    /// Make a validator's keys and the registration to send to whoever builds genesis.
    Keys(GenesisKeysArgs),
    /// Verify registrations and build genesis from them: equal inputs, in any order, give equal bytes.
    Build(GenesisBuildArgs),
    /// Show what a genesis holds: chain hash, committee, accounts, models.
    Show {
        /// The genesis.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GenesisKeysArgs {
    /// Folder of the validator: keys and registration.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Name of the validator, for people.
    #[arg(long)]
    pub(crate) name: String,
    /// Where other validators reach it: HOST:PORT.
    #[arg(long)]
    pub(crate) address: String,
    /// Number of the chain: 1 to 255. The registration holds for no other.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) chain_id: u8,
}

#[derive(Debug, Args)]
pub(crate) struct GenesisBuildArgs {
    /// Registrations of all validators.
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    pub(crate) registrations: Vec<PathBuf>,
    /// Number of the chain, in every transaction: 1 to 255. 4 is that of local networks.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) chain_id: u8,
    /// Time of block 0: seconds since 1970, or for example 2026-12-01T09:30:00Z.
    #[arg(long, value_parser = crate::genesis::parse_time)]
    pub(crate) time: u64,
    /// Length of an epoch in seconds.
    #[arg(long, default_value_t = 7200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) epoch_secs: u64,
    /// Stake of each validator, in the coin's smallest unit.
    #[arg(long, default_value_t = DEFAULT_STAKE)]
    pub(crate) stake: u64,
    /// Stake of one validator instead. Repeatable.
    #[arg(long, value_name = "ADDRESS=AMOUNT", value_parser = crate::genesis::parse_fund)]
    pub(crate) stake_of: Vec<(Address, u64)>,
    /// Stake that a validator needs; one coin when absent.
    #[arg(long)]
    pub(crate) minimum_stake: Option<u64>,
    /// Length of a lockup of stake, and the time for which evidence of misbehaviour counts; a day when absent.
    #[arg(long)]
    pub(crate) lockup_secs: Option<u64>,
    /// Model that every validator holds: a canonical file, its root, or the name of an imported one. Repeatable.
    #[arg(long = "model")]
    pub(crate) models: Vec<String>,
    /// First balance of an account, in the coin's smallest unit. Repeatable.
    #[arg(long, value_name = "ADDRESS=AMOUNT", value_parser = crate::genesis::parse_fund)]
    pub(crate) fund: Vec<(Address, u64)>,
    /// Give the public faucet account coins without end: test networks only, whose coins are worth nothing.
    #[arg(long)]
    pub(crate) public_faucet: bool,
    /// Inference units that a transaction may use.
    #[arg(long, default_value_t = noema_framework::INFERENCE_UNITS_PER_TRANSACTION)]
    pub(crate) inference_units: u64,
    /// Where to write genesis.
    #[arg(long, default_value = "genesis.blob")]
    pub(crate) out: PathBuf,
}

/// The validator that signs, and what it may cost.
#[derive(Debug, Clone, Args)]
pub(crate) struct ValidatorSignArgs {
    /// Folder of the validator, with its keys.
    #[arg(long, default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Gas units a transaction may use; simulated first when absent.
    #[arg(long)]
    pub(crate) max_gas: Option<u64>,
    /// Price of a gas unit; the node's estimate when absent.
    #[arg(long)]
    pub(crate) gas_price: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ValidatorCommand {
    /// Show a validator's stake and term, the committee, and how the node sees the network.
    Status {
        #[command(flatten)]
        node: NodeArgs,
        /// Folder of the validator.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Account of the validator, instead of its folder.
        #[arg(long, conflicts_with = "dir")]
        address: Option<Address>,
    },
    /// Become a validator: make a stake pool if there is none, add stake, join the set from the next epoch on.
    Join {
        #[command(flatten)]
        sign: ValidatorSignArgs,
        /// Stake to add first, in the coin's smallest unit.
        #[arg(long)]
        stake: Option<u64>,
        /// Where other validators reach it: HOST:PORT; from registration.toml when absent.
        #[arg(long)]
        address: Option<String>,
        /// REST API that full nodes may follow, for example http://203.0.113.7:8080/v1.
        #[arg(long)]
        full_node_url: Option<String>,
    },
    /// Leave the set of validators at the end of the epoch, or give up joining.
    Leave {
        #[command(flatten)]
        sign: ValidatorSignArgs,
    },
    /// Add stake: it counts from the next epoch on.
    Stake {
        #[command(flatten)]
        sign: ValidatorSignArgs,
        /// Amount in the coin's smallest unit.
        #[arg(long)]
        amount: u64,
    },
    /// Let stake go: it votes and earns until the end of the lockup, then it can be withdrawn.
    Unlock {
        #[command(flatten)]
        sign: ValidatorSignArgs,
        /// Amount in the coin's smallest unit; more than there is means all.
        #[arg(long)]
        amount: u64,
    },
    /// Take free coins out of the stake pool.
    Withdraw {
        #[command(flatten)]
        sign: ValidatorSignArgs,
        /// Amount in the coin's smallest unit; all that is free when absent.
        #[arg(long)]
        amount: Option<u64>,
    },
    /// Replace a key from the next epoch on; the new one is written beside the old one.
    RotateKey {
        #[command(flatten)]
        sign: ValidatorSignArgs,
        /// Which.
        #[arg(long, value_enum)]
        key: KeyKind,
    },
}

/// A key that signs for a validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// Signs blocks.
    Consensus,
    /// Proves who is at the end of a connection.
    Network,
    /// Signs checkpoints.
    Checkpoint,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LightCommand {
    /// Verify a value of the state from genesis alone: committees, certificate, proof. Exit code 1 if it does not hold.
    Verify(LightVerifyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LightVerifyArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// The chain's genesis: the only thing that is trusted.
    #[arg(long)]
    pub(crate) genesis: PathBuf,
    /// The resource, as ADDRESS/TYPE, for example 0x1/0x1::block::BlockResource.
    #[arg(long, value_name = "ADDRESS/TYPE")]
    pub(crate) resource: String,
}
