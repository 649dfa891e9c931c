//! The first state of a chain.
//!
//! Genesis compiles nothing itself and keeps nothing: it publishes given modules of 0x1 in one session, runs the
//! functions of `0x1::genesis` in their order, and returns what the session wrote. Equal modules and parameters give an
//! equal write set, on every machine.

use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_inference_api::ModelManifest;
use noema_types::{Address, ChainId, Genesis, Hash, Identifier, ModuleId};
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
    /// A module of the framework is refused, or the session could not end.
    #[error("the framework's modules are refused: {0:?}")]
    Modules(ExecError),
}

/// The first state of a chain with these packages at 0x1.
///
/// # Errors
/// [`GenesisError`].
pub fn build_genesis(packages: &[GenesisPackage], config: &GenesisConfig) -> Result<Genesis, GenesisError> {
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
    for package in packages {
        call(session, "register_package", vec![argument(&package.metadata.to_bytes())])?;
    }
    for (address, amount) in &config.accounts {
        call(session, "fund", vec![argument(address), argument(amount)])?;
    }
    if let Some(faucet) = &config.faucet {
        call(session, "grant_faucet", vec![argument(faucet)])?;
    }
    for model in &config.resident_models {
        let roots = [model.weights, model.tokenizer].map(|root| argument(&root.0.to_vec()));
        let [weights, tokenizer] = roots;
        call(session, "add_resident_model", vec![weights, tokenizer, argument(&argument(&model.manifest))])?;
    }
    call(session, "finish", Vec::new())
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
