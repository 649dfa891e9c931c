//! The command line, as clap reads it.

mod inference;
mod network;
mod tools;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use inference::{
    AskedArgs, ComputeArgs, DrawArgs, EvalArgs, GrammarArgs, InferArgs, ModelCommand, TokenizeArgs, WorkerCommand,
    WorkerKeyArgs, WorkerRunArgs,
};
pub(crate) use network::{
    DEFAULT_STAKE, GenesisBuildArgs, GenesisCommand, GenesisKeysArgs, KeyKind, LightCommand, LightVerifyArgs,
    LocalnetArgs, LogArgs, LogFormat, NodeCommand, NodeInitArgs, NodeRunArgs, ValidatorCommand, ValidatorSignArgs,
};

pub(crate) use tools::{DisassembleArgs, DocArgs, FmtArgs, TestArgs};

use crate::home::DEFAULT_ACCOUNT;

/// Noema: a Layer 1 whose Move contracts call AI models and get the same bits on every machine.
#[derive(Debug, Parser)]
#[command(name = "noema", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print one JSON document instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a local network: genesis, validators, full nodes, faucet, REST APIs, metrics.
    Localnet(LocalnetArgs),
    /// Run one node of a network.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Begin a network: keys, registrations, genesis.
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// Join and leave the validators, stake, rotate keys.
    #[command(subcommand)]
    Validator(ValidatorCommand),
    /// Verify what a node says from genesis alone.
    #[command(subcommand)]
    Light(LightCommand),
    /// Make and use accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Compile, test, publish and run Move.
    #[command(subcommand)]
    Move(MoveCommand),
    /// Import, list, look into and evaluate models.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Run an inference job on this machine and print answer, speed and digest.
    Infer(Box<InferArgs>),
    /// Answer for others: run a worker, watch a node's workers, test this machine.
    #[command(subcommand)]
    Worker(WorkerCommand),
}

/// The node to talk to.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// Address of the REST API.
    #[arg(long, env = "NOEMA_URL", default_value = noema_sdk::DEFAULT_NODE_URL)]
    pub(crate) url: String,
}

/// Who signs, and what it may cost.
#[derive(Debug, Clone, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(crate) node: NodeArgs,
    /// Stored account that signs.
    #[arg(long, default_value = DEFAULT_ACCOUNT)]
    pub(crate) account: String,
    /// Gas units the transaction may use; simulated first when absent.
    #[arg(long)]
    pub(crate) max_gas: Option<u64>,
    /// Price of a gas unit; the node's estimate when absent.
    #[arg(long)]
    pub(crate) gas_price: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make a key pair and store it.
    New {
        /// Name to store it under.
        #[arg(long, default_value = DEFAULT_ACCOUNT)]
        name: String,
        /// Hexadecimal Ed25519 secret key to import instead of making one.
        #[arg(long)]
        secret_key: Option<String>,
    },
    /// Ask the faucet for coins; creates the account on chain.
    Fund {
        #[command(flatten)]
        node: NodeArgs,
        /// Address or stored account.
        #[arg(default_value = DEFAULT_ACCOUNT)]
        to: String,
        /// Amount in the coin's smallest unit.
        #[arg(long, default_value_t = 100_000_000)]
        amount: u64,
        /// Address of the faucet.
        #[arg(long, env = "NOEMA_FAUCET_URL", default_value = noema_sdk::DEFAULT_FAUCET_URL)]
        faucet_url: String,
    },
    /// Show an account: address, sequence number, balance, resources.
    Show {
        #[command(flatten)]
        node: NodeArgs,
        /// Address or stored account.
        #[arg(default_value = DEFAULT_ACCOUNT)]
        account: String,
    },
    /// Send coins.
    Transfer {
        #[command(flatten)]
        sign: SignArgs,
        /// Address or stored account of the recipient.
        #[arg(long)]
        to: String,
        /// Amount in the coin's smallest unit.
        #[arg(long)]
        amount: u64,
    },
}

/// A package and its named addresses.
#[derive(Debug, Clone, Args)]
pub(crate) struct PackageArgs {
    /// Folder of the package.
    #[arg(short = 'p', long = "package-dir", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Named addresses, for example `a=0x1` (a stored account's name stands for its address).
    #[arg(long, num_args = 1.., value_name = "NAME=ADDRESS")]
    pub(crate) named_addresses: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MoveCommand {
    /// Make a package.
    New {
        /// Name of the package and its folder.
        name: String,
    },
    /// Compile without writing anything; exit code 1 with diagnostics.
    Check {
        /// A package's folder, or source files.
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Named addresses, for example `a=0x1`.
        #[arg(long, num_args = 1.., value_name = "NAME=ADDRESS")]
        named_addresses: Vec<String>,
        /// Include unit tests.
        #[arg(long)]
        test: bool,
    },
    /// Compile into `build/NAME`: modules, source maps, ABI, package metadata.
    Build {
        #[command(flatten)]
        package: PackageArgs,
    },
    /// Run the package's unit tests, in parallel.
    Test(TestArgs),
    /// Bring source files into one layout.
    Fmt(FmtArgs),
    /// Write Markdown pages from doc comments and declarations.
    Doc(DocArgs),
    /// Compile a package and publish it under the signer's address.
    Publish {
        #[command(flatten)]
        package: PackageArgs,
        #[command(flatten)]
        sign: SignArgs,
    },
    /// Run a function in memory and print results, gas, instructions and time.
    Run(RunArgs),
    /// Call an entry function on chain.
    Call {
        #[command(flatten)]
        sign: SignArgs,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Call a view function on chain.
    View {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        call: CallArgs,
    },
    /// Verify a binary; exit code 1 with status code and location.
    Verify {
        /// The module's binary.
        file: PathBuf,
        /// Folder of the binaries it depends on.
        #[arg(long)]
        deps: Option<PathBuf>,
    },
    /// Explain a diagnostic code of the compiler, or list all.
    Explain {
        /// The code, such as E0604.
        code: Option<String>,
    },
    /// Serve Move to an editor on stdin and stdout (docs/editors.md).
    Lsp {
        /// Named addresses, for example `a=0x1`.
        #[arg(long, num_args = 1.., value_name = "NAME=ADDRESS")]
        named_addresses: Vec<String>,
    },
    /// Print a binary as text, with the lines of source it comes from if they are at hand.
    Disassemble(DisassembleArgs),
}

/// A function and its arguments.
#[derive(Debug, Clone, Args)]
pub(crate) struct CallArgs {
    /// Function, as ADDRESS::MODULE::NAME.
    pub(crate) function: String,
    /// Type arguments.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    pub(crate) type_args: Vec<String>,
    /// Arguments, as TYPE:VALUE, for example `u64:5 address:0x1 string:hello vector<u8>:0x00ff`.
    #[arg(long, num_args = 1.., value_name = "TYPE:VALUE", allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Folder of the package to compile.
    #[arg(short = 'p', long = "package-dir")]
    pub(crate) dir: Option<PathBuf>,
    /// Binaries to load, then the function as ADDRESS::MODULE::NAME.
    #[arg(required = true, num_args = 1..)]
    pub(crate) files_and_function: Vec<String>,
    /// Named addresses, for example `a=0x1`.
    #[arg(long, num_args = 1.., value_name = "NAME=ADDRESS")]
    pub(crate) named_addresses: Vec<String>,
    /// Type arguments.
    #[arg(long, num_args = 1.., value_name = "TYPE")]
    pub(crate) type_args: Vec<String>,
    /// Arguments, as TYPE:VALUE.
    #[arg(long, num_args = 1.., value_name = "TYPE:VALUE")]
    pub(crate) args: Vec<String>,
    /// Signers, in the order of the parameters.
    #[arg(long = "signer")]
    pub(crate) signers: Vec<String>,
    /// Gas the call may use.
    #[arg(long, default_value_t = 100_000_000_000)]
    pub(crate) gas_limit: u64,
    /// Runs; the best time is printed.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: u32,
    /// Interpreter; `paranoid` runs both and compares them.
    #[arg(long, env = "NOEMA_VM", default_value = "fast", value_parser = ["fast", "reference", "paranoid"])]
    pub(crate) vm: String,
}
