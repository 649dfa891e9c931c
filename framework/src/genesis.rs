//! The first state of a chain.
//!
//! Genesis compiles nothing itself and keeps nothing: it publishes given modules of 0x1 in one session, runs the
//! functions of `0x1::genesis` in their order, and returns what the session wrote. Equal modules and parameters give an
//! equal write set, on every machine.

use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_inference_api::ModelManifest;
use noema_types::{
    Address, BlsPublicKey, BlsSignature, ChainId, Ed25519PublicKey, Genesis, Hash, Identifier, ModuleId,
};
use noema_vm::{ExecError, Session, Vm, VmLimits};
use serde::Serialize;

use crate::{PackageMetadata, natives};

/// Inference units that a transaction may use: one second of the reference machine.
pub const INFERENCE_UNITS_PER_TRANSACTION: u64 = 1_000_000;
/// Questions that a transaction may ask.
pub const INFERENCE_CALLS_PER_TRANSACTION: u64 = 4;

/// What a chain begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisConfig {
    /// The chain's number.
    pub chain_id: ChainId,
    /// Time of block 0, microseconds since the Unix epoch.
    pub timestamp_us: u64,
    /// Length of an epoch in microseconds.
    pub epoch_interval_us: u64,
    /// Validators of the first epoch, in the order of their positions. There must be one.
    pub validators: Vec<GenesisValidator>,
    /// The numbers of staking.
    pub staking: StakingParameters,
    /// Accounts and their first balances.
    pub accounts: Vec<(Address, u64)>,
    /// The account among them that may mint, on a test network.
    pub faucet: Option<Address>,
    /// Models that transactions may ask.
    pub resident_models: Vec<ResidentModel>,
    /// Inference units that a transaction may use.
    pub inference_units_per_transaction: u64,
    /// Questions that a transaction may ask.
    pub inference_calls_per_transaction: u64,
}

/// A validator of the first epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisValidator {
    /// The account that owns and operates its stake pool.
    pub address: Address,
    /// What the account has beside its stake.
    pub balance: u64,
    /// What votes.
    pub stake: u64,
    /// Signs blocks.
    pub consensus_key: Ed25519PublicKey,
    /// Proves who is at the other end of a connection.
    pub network_key: Ed25519PublicKey,
    /// Signs checkpoints.
    pub checkpoint_key: BlsPublicKey,
    /// Shows that the validator has the checkpoint key's private key.
    pub proof_of_possession: BlsSignature,
    /// Where it listens: `host:port`.
    pub network_address: String,
}

/// The numbers of staking; `0x1::staking_config` says what they mean and bounds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StakingParameters {
    /// Stake that a validator needs.
    pub minimum_stake: u64,
    /// Stake that a validator may have.
    pub maximum_stake: u64,
    /// Length of a lockup.
    pub recurring_lockup_secs: u64,
    /// Whether validators may join and leave.
    pub allow_validator_set_change: bool,
    /// Reward of an epoch without failures, as a part of the stake: this over the denominator.
    pub rewards_rate: u64,
    /// The denominator.
    pub rewards_rate_denominator: u64,
    /// Stake that may join in one epoch, in percent of the stake that votes, at most 50.
    pub voting_power_increase_limit: u64,
    /// Part of the stake that an equivocation burns, in basis points.
    pub equivocation_share: u64,
    /// Part of what is taken that the reporter gets, in basis points, at most 1,000.
    pub reporter_share: u64,
    /// Epochs that an equivocator must stay out.
    pub jail_epochs: u64,
    /// Time after an epoch during which evidence of it counts; not longer than a lockup.
    pub evidence_window_secs: u64,
}

impl Default for StakingParameters {
    /// Those of a test network: anyone with some stake may join, lockups of a day.
    fn default() -> Self {
        Self {
            minimum_stake: 100_000_000,
            maximum_stake: 30_000_000_000_000_000,
            recurring_lockup_secs: 86_400,
            allow_validator_set_change: true,
            rewards_rate: 1_000,
            rewards_rate_denominator: 1_000_000_000,
            voting_power_increase_limit: 50,
            equivocation_share: 500,
            reporter_share: 1_000,
            jail_epochs: 12,
            evidence_window_secs: 86_400,
        }
    }
}

/// A model that every validator holds from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentModel {
    /// BLAKE3 root of the canonical file.
    pub weights: Hash,
    /// BLAKE3 root of the tokenizer; the root of the canonical file where the tokenizer is only in there.
    pub tokenizer: Hash,
    /// Its shape.
    pub manifest: ModelManifest,
}

/// A package of 0x1: its metadata and its modules' bytes, dependencies first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisPackage {
    /// What the registry keeps.
    pub metadata: PackageMetadata,
    /// The modules.
    pub modules: Vec<Vec<u8>>,
}

/// Why there is no first state. Every one is a fault of this software or of the parameters.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// A function of genesis failed.
    #[error("genesis::{function} failed: {error:?}")]
    Function {
        /// Its name.
        function: &'static str,
        /// How it ended.
        error: ExecError,
    },
    /// Nobody could make block 1.
    #[error("a chain needs a validator")]
    NoValidators,
    /// A module of the framework is refused, or the session could not end.
    #[error("the framework's modules are refused: {0:?}")]
    Modules(ExecError),
}

/// The first state of a chain with these packages at 0x1.
///
/// # Errors
/// [`GenesisError`].
pub fn build_genesis(packages: &[GenesisPackage], config: &GenesisConfig) -> Result<Genesis, GenesisError> {
    if config.validators.is_empty() {
        return Err(GenesisError::NoValidators);
    }
    let vm = Vm::new(natives(), GasSchedule::default(), VmLimits::default());
    let (state, answers) = (MemoryState::new(), NoAnswers);
    // One session and one hash for all steps, so that table handles and unique addresses never repeat.
    let hash = Hash::sha3(&[b"NOEMA::Genesis", &[config.chain_id.0]]);
    let context = TransactionContext { hash, chain_id: config.chain_id.0, ..TransactionContext::default() };
    let mut session = vm.session(&state, &answers, context);
    let modules = packages.iter().flat_map(|package| package.modules.iter().cloned()).collect();
    session.publish_modules(modules).map_err(GenesisError::Modules)?;
    run_steps(&mut session, packages, config)?;
    let output = session.finish().map_err(GenesisError::Modules)?;
    Ok(Genesis { write_set: output.write_set, events: output.events })
}

fn run_steps(
    session: &mut Session<'_>,
    packages: &[GenesisPackage],
    config: &GenesisConfig,
) -> Result<(), GenesisError> {
    let numbers = [
        argument(&config.chain_id.0),
        argument(&config.timestamp_us),
        argument(&config.epoch_interval_us),
        argument(&config.inference_units_per_transaction),
        argument(&config.inference_calls_per_transaction),
    ];
    call(session, "initialize", numbers.to_vec())?;
    initialize_staking(session, &config.staking)?;
    for package in packages {
        call(session, "register_package", vec![argument(&package.metadata.to_bytes())])?;
    }
    for (address, amount) in &config.accounts {
        call(session, "fund", vec![argument(address), argument(amount)])?;
    }
    if let Some(faucet) = &config.faucet {
        call(session, "grant_faucet", vec![argument(faucet)])?;
    }
    for validator in &config.validators {
        create_validator(session, validator)?;
    }
    for model in &config.resident_models {
        let roots = [model.weights, model.tokenizer].map(|root| argument(&root.0.to_vec()));
        let [weights, tokenizer] = roots;
        call(session, "add_resident_model", vec![weights, tokenizer, argument(&argument(&model.manifest))])?;
    }
    call(session, "finish", Vec::new())
}

fn initialize_staking(session: &mut Session<'_>, staking: &StakingParameters) -> Result<(), GenesisError> {
    let args = vec![
        argument(&staking.minimum_stake),
        argument(&staking.maximum_stake),
        argument(&staking.recurring_lockup_secs),
        argument(&staking.allow_validator_set_change),
        argument(&staking.rewards_rate),
        argument(&staking.rewards_rate_denominator),
        argument(&staking.voting_power_increase_limit),
    ];
    call(session, "initialize_staking", args)?;
    let args = [staking.equivocation_share, staking.reporter_share, staking.jail_epochs, staking.evidence_window_secs];
    call(session, "initialize_slashing", args.iter().map(argument).collect())
}

fn create_validator(session: &mut Session<'_>, validator: &GenesisValidator) -> Result<(), GenesisError> {
    let args = vec![
        argument(&validator.address),
        argument(&validator.balance),
        argument(&validator.stake),
        argument(&validator.consensus_key),
        argument(&validator.network_key),
        argument(&validator.checkpoint_key),
        argument(&validator.proof_of_possession),
        argument(&validator.network_address),
    ];
    call(session, "create_validator", args)
}

/// Runs a function of `0x1::genesis` as the framework.
fn call(session: &mut Session<'_>, function: &'static str, args: Vec<Vec<u8>>) -> Result<(), GenesisError> {
    let module = ModuleId::new(Address::ONE, Identifier::new("genesis").expect("a plain word is an identifier"));
    let args = std::iter::once(Address::ONE.0.to_vec()).chain(args).collect();
    session
        .execute_function(&module, function, Vec::new(), args, &mut GasMeter::unlimited())
        .map(drop)
        .map_err(|error| GenesisError::Function { function, error })
}

fn argument(value: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(value).expect("arguments of genesis always serialise")
}
