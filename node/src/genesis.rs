//! The first block of a chain, and what a node reads of the chain's rules from its state.

use std::path::PathBuf;
use std::sync::Arc;

use noema_consensus::NextEpoch;
use noema_crypto::Ed25519KeyPair;
use noema_dag::Rules;
use noema_execution_api::{GasSchedule, StateView};
use noema_executor::{MoveTransactionVm, SignatureCheck, TransactionCosts, limits};
use noema_framework::{GenesisConfig, GenesisValidator, StakingParameters, build_genesis, compile_packages, on_chain};
use noema_mempool::GasBounds;
use noema_types::{
    Address, AuthKey, BlockCommit, ChainId, Epoch, ExecutionStatus, Gas, Hash, Height, Round, StateKey, StructTag,
    Transaction, TransactionCommit, WriteSet,
};
use noema_vm::{Vm, VmLimits};
use serde::de::DeserializeOwned;

use crate::NodeError;

/// Chain id of local networks.
pub const LOCALNET_CHAIN_ID: ChainId = ChainId(4);
/// What `estimate_gas_price` says.
pub(crate) const GAS_PRICE_ESTIMATE: u64 = 100;
/// Balance of a local network's faucet at genesis, in the coin's smallest unit.
pub const LOCALNET_FAUCET_BALANCE: u64 = 1_000_000_000_000_000_000;
/// Local networks let one transaction ask ten times as much as a real one.
pub const LOCALNET_INFERENCE_UNITS: u64 = 10_000_000;
/// Seed of the faucet's key. A local network's coins are worth nothing: the key is public on purpose.
const FAUCET_SEED: [u8; 32] = *b"noema local network faucet key!!";

/// What a chain begins with. Equal parameters and models give an equal first block.
#[derive(Debug, Clone)]
pub struct GenesisSpec {
    /// The chain's number.
    pub chain_id: ChainId,
    /// Time of the first block, in microseconds since 1970.
    pub timestamp_us: u64,
    /// Length of an epoch, in microseconds.
    pub epoch_interval_us: u64,
    /// Accounts and their first balances.
    pub accounts: Vec<(Address, u64)>,
    /// The account among them that may mint, on a test network.
    pub faucet: Option<Address>,
    /// Canonical files of models that every validator holds.
    pub models: Vec<PathBuf>,
    /// The first validators.
    pub validators: Vec<GenesisValidator>,
    /// Rules of staking.
    pub staking: StakingParameters,
    /// Inference units that a transaction may use.
    pub inference_units_per_transaction: u64,
}

impl GenesisSpec {
    /// The genesis file: the BCS of the genesis transaction.
    ///
    /// # Errors
    /// [`NodeError`] for a model that cannot be read and for parameters that the framework refuses.
    pub fn build(&self) -> Result<Vec<u8>, NodeError> {
        let config = GenesisConfig {
            chain_id: self.chain_id,
            timestamp_us: self.timestamp_us,
            epoch_interval_us: self.epoch_interval_us,
            accounts: self.accounts.clone(),
            faucet: self.faucet,
            resident_models: crate::engine::resident_models(&self.models)?,
            inference_units_per_transaction: self.inference_units_per_transaction,
            inference_calls_per_transaction: noema_framework::INFERENCE_CALLS_PER_TRANSACTION,
            validators: self.validators.clone(),
            staking: self.staking.clone(),
        };
        let packages = compile_packages()
            .map_err(|failure| NodeError::Genesis(format!("the framework does not compile:\n{failure}")))?;
        let genesis = build_genesis(&packages, &config).map_err(|error| NodeError::Genesis(error.to_string()))?;
        Ok(bcs::to_bytes(&Transaction::Genesis(genesis)).expect("a genesis always serialises"))
    }

    /// The account that gives coins away on local networks, and its key.
    #[must_use]
    pub fn localnet_faucet() -> (Address, Ed25519KeyPair) {
        let key = Ed25519KeyPair::from_private_bytes(FAUCET_SEED);
        (AuthKey::ed25519(&key.public()).to_address(), key)
    }
}

/// Block 0 of the chain that begins with this transaction.
pub(crate) fn first_block(transaction: &Transaction) -> Result<BlockCommit, NodeError> {
    let Transaction::Genesis(genesis) = transaction else {
        return Err(NodeError::Genesis("the genesis file holds another kind of transaction".to_owned()));
    };
    let timestamp_us: u64 = framework_resource(&genesis.write_set, "timestamp", "CurrentTimeMicroseconds")?;
    Ok(BlockCommit {
        height: Height(0),
        id: transaction.hash(),
        epoch: Epoch(0),
        round: Round(0),
        proposer: Address::ZERO,
        timestamp_us,
        transactions: vec![TransactionCommit {
            write_set: genesis.write_set.clone(),
            events: genesis.events.clone(),
            transaction: transaction.clone(),
            gas_used: Gas(0),
            status: ExecutionStatus::Success,
        }],
    })
}

/// The number of the chain that begins with this transaction.
pub(crate) fn chain_id(transaction: &Transaction) -> Result<ChainId, NodeError> {
    let Transaction::Genesis(genesis) = transaction else {
        return Err(NodeError::Genesis("the genesis file holds another kind of transaction".to_owned()));
    };
    framework_resource::<u8>(&genesis.write_set, "chain_id", "ChainId").map(ChainId)
}

fn framework_resource<T: DeserializeOwned>(writes: &WriteSet, module: &str, name: &str) -> Result<T, NodeError> {
    let key = StateKey::Resource { address: Address::ONE, tag: framework_tag(module, name) };
    let bytes = writes.0.get(&key).and_then(|write| write.bytes());
    let bytes = bytes.ok_or_else(|| NodeError::Genesis(format!("the genesis file has no 0x1::{module}::{name}")))?;
    bcs::from_bytes(bytes).map_err(|error| NodeError::Genesis(format!("malformed 0x1::{module}::{name}: {error}")))
}

fn framework_tag(module: &str, name: &str) -> StructTag {
    StructTag {
        address: Address::ONE,
        module: module.parse().expect("a valid identifier"),
        name: name.parse().expect("a valid identifier"),
        type_args: Vec::new(),
    }
}

/// The epoch that runs in this state: its committee and its end.
pub(crate) fn next_epoch(view: &dyn StateView) -> Result<NextEpoch, String> {
    let state = on_chain::epoch_state(view).map_err(|error| error.to_string())?;
    Ok(NextEpoch { committee: state.committee, epoch_end: state.end })
}

/// Rules of consensus that all validators share.
pub(crate) fn rules() -> Rules {
    Rules::default()
}

/// The machine that runs transactions.
pub(crate) fn transaction_vm(signatures: Arc<dyn SignatureCheck>) -> MoveTransactionVm {
    let vm = Vm::new(noema_framework::natives(), GasSchedule::default(), VmLimits::default());
    MoveTransactionVm::new(Arc::new(vm), TransactionCosts::default(), signatures)
}

/// What a transaction may offer for gas.
pub(crate) fn gas_bounds() -> GasBounds {
    GasBounds {
        price_min: limits::GAS_UNIT_PRICE_MIN,
        price_max: limits::GAS_UNIT_PRICE_MAX,
        amount_min: limits::GAS_AMOUNT_MIN,
        amount_max: limits::GAS_AMOUNT_MAX,
    }
}

/// Names and roots of the models that transactions may ask, read from the state.
pub(crate) fn resident_models(view: &dyn StateView) -> Result<Vec<(String, Hash)>, String> {
    let read = |address: Address, name: &str| {
        view.get(&StateKey::Resource { address, tag: framework_tag("model", name) }).map_err(|error| error.to_string())
    };
    let Some(bytes) = read(Address::ONE, "ResidentModels")? else { return Ok(Vec::new()) };
    let addresses: Vec<Address> =
        bcs::from_bytes(&bytes).map_err(|error| format!("malformed ResidentModels: {error}"))?;
    let mut models = Vec::new();
    for address in addresses {
        let bytes = read(address, "Model")?.ok_or_else(|| format!("no Model at {address}"))?;
        // The resource begins with the root, a vector of 32 bytes.
        let root = bytes.split_first().filter(|(length, _)| **length == 32).and_then(|(_, rest)| rest.first_chunk());
        let root = root.ok_or_else(|| format!("malformed Model at {address}"))?;
        models.push((format!("at {address}"), Hash(*root)));
    }
    Ok(models)
}
