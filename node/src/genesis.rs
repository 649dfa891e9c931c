//! The first block of a local network, and the parameters that its node runs with.

use std::sync::Arc;

use noema_crypto::Ed25519KeyPair;
use noema_execution_api::{GasSchedule, StateView};
use noema_executor::{MoveTransactionVm, SignatureCheck, TransactionCosts, limits};
use noema_framework::{GenesisConfig, ResidentModel, build_genesis, compile_packages};
use noema_mempool::GasBounds;
use noema_state::{BlockCommit, TransactionCommit};
use noema_types::{
    Address, AuthKey, ChainId, Epoch, ExecutionStatus, Gas, Hash, Height, Round, StateKey, StructTag, Transaction,
};
use noema_vm::{Vm, VmLimits};

use crate::NodeError;

/// Chain id of local networks.
pub const LOCALNET_CHAIN_ID: ChainId = ChainId(4);
/// The validator of a local network.
pub(crate) const VALIDATOR_ADDRESS: Address = Address([0xA1; 32]);
/// What `estimate_gas_price` says.
pub(crate) const GAS_PRICE_ESTIMATE: u64 = 100;

/// Balance of the faucet at genesis, in the coin's smallest unit.
const FAUCET_BALANCE: u64 = 1_000_000_000_000_000_000;
/// Seed of the faucet's key. A local network's coins are worth nothing: the key is public on purpose.
const FAUCET_SEED: [u8; 32] = *b"noema local network faucet key!!";
const EPOCH_INTERVAL_US: u64 = 2 * 60 * 60 * 1_000_000;
/// Local networks let one transaction ask ten times as much as a real one.
const LOCALNET_INFERENCE_UNITS: u64 = 10_000_000;

/// Parameters of a local network. Equal parameters and models give an equal first state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalnetGenesis {
    /// Time of the first block, in microseconds since 1970.
    pub timestamp_us: u64,
}

impl LocalnetGenesis {
    /// A network that begins at this time.
    #[must_use]
    pub fn new(timestamp_us: u64) -> Self {
        Self { timestamp_us }
    }

    pub(crate) fn chain_id(&self) -> ChainId {
        LOCALNET_CHAIN_ID
    }

    pub(crate) fn faucet_key(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_private_bytes(FAUCET_SEED)
    }

    pub(crate) fn faucet_address(&self) -> Address {
        AuthKey::ed25519(&self.faucet_key().public()).to_address()
    }

    /// Block 0: compiles the embedded framework and runs its genesis functions.
    pub(crate) fn commit(&self, residents: &[ResidentModel]) -> Result<BlockCommit, NodeError> {
        let config = GenesisConfig {
            chain_id: self.chain_id(),
            timestamp_us: self.timestamp_us,
            epoch_interval_us: EPOCH_INTERVAL_US,
            accounts: vec![(self.faucet_address(), FAUCET_BALANCE)],
            faucet: Some(self.faucet_address()),
            resident_models: residents.to_vec(),
            inference_units_per_transaction: LOCALNET_INFERENCE_UNITS,
            inference_calls_per_transaction: noema_framework::INFERENCE_CALLS_PER_TRANSACTION,
        };
        let packages = compile_packages()
            .map_err(|failure| NodeError::Genesis(format!("the framework does not compile:\n{failure}")))?;
        let genesis = build_genesis(&packages, &config).map_err(|error| NodeError::Genesis(error.to_string()))?;
        let transaction = TransactionCommit {
            write_set: genesis.write_set.clone(),
            events: genesis.events.clone(),
            transaction: Transaction::Genesis(genesis),
            gas_used: Gas(0),
            status: ExecutionStatus::Success,
        };
        Ok(BlockCommit {
            height: Height(0),
            id: transaction.transaction.hash(),
            epoch: Epoch(0),
            round: Round(0),
            proposer: Address::ZERO,
            timestamp_us: self.timestamp_us,
            transactions: vec![transaction],
        })
    }
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
    let tag = |name: &str| StructTag {
        address: Address::ONE,
        module: "model".parse().expect("a valid identifier"),
        name: name.parse().expect("a valid identifier"),
        type_args: Vec::new(),
    };
    let read = |address: Address, name: &str| {
        view.get(&StateKey::Resource { address, tag: tag(name) }).map_err(|error| error.to_string())
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
