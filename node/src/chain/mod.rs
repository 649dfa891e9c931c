//! The chain as the rest of the node sees it: what is certified, what waits, what would happen.
//!
//! Consensus hands blocks to [`Chain`] through two seams: it executes what is ordered and keeps the result aside
//! (`application`), and it appends what is certified (`ledger`). Everything that the API shows is certified. Reads go to
//! views of committed versions, so no answer ever mixes two states.

mod admission;
mod application;
mod database;
mod ledger;
mod read;
mod submit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_dag::Evidence;
use noema_execution_api::BlockExecutor;
use noema_executor::{MoveTransactionVm, SequentialExecutor, VerifiedSignatures};
use noema_inference_api::Engine;
use noema_mempool::{Mempool, MempoolConfig, StaticRules};
use noema_state::StateDb;
use noema_types::{BlockMetadata, ChainId, Epoch, Hash, Height, Transaction, Version, decode};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

pub(crate) use read::Found;

use admission::Admission;
use application::Staged;
use database::Database;
use ledger::Restore;

use crate::engine::Inference;
use crate::metrics::Metrics;
use crate::{NodeConfig, NodeError};

/// The certified end of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LedgerInfo {
    pub(crate) chain_id: ChainId,
    pub(crate) epoch: Epoch,
    pub(crate) version: Version,
    pub(crate) oldest_version: Version,
    pub(crate) height: Height,
    pub(crate) oldest_height: Height,
    pub(crate) timestamp_us: u64,
    pub(crate) state_root: Hash,
}

/// What runs blocks. It is exchanged for slower parts when this machine turns out to compute something wrong.
struct Machine {
    executor: Box<dyn BlockExecutor>,
    inference: Inference,
}

/// Everything that a node holds of its chain.
pub(crate) struct Chain {
    config: NodeConfig,
    chain_id: ChainId,
    /// Hash of the genesis transaction.
    id: Hash,
    genesis: Bytes,
    database: Database,
    vm: Arc<MoveTransactionVm>,
    machine: RwLock<Arc<Machine>>,
    signatures: Arc<VerifiedSignatures>,
    rules: StaticRules,
    mempool: Mutex<Mempool>,
    admission: Admission,
    staged: Mutex<BTreeMap<Height, Staged>>,
    restore: Mutex<Option<Restore>>,
    evidence: Mutex<Vec<Evidence>>,
    metrics: Metrics,
    commits: watch::Sender<Version>,
    arrivals: watch::Sender<u64>,
    fault: watch::Sender<Option<String>>,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("chain_id", &self.chain_id)
            .field("end", &self.ledger_info())
            .finish_non_exhaustive()
    }
}

impl Machine {
    fn new(vm: &Arc<MoveTransactionVm>, inference: Inference) -> Arc<Self> {
        let executor = Box::new(SequentialExecutor::new(vm.clone(), inference.engine.clone()));
        Arc::new(Self { executor, inference })
    }
}

impl Chain {
    /// Opens the database, writes genesis into an empty one, starts the engine.
    pub(crate) fn open(config: &NodeConfig) -> Result<Arc<Self>, NodeError> {
        let genesis = read_genesis(config)?;
        let transaction: Transaction = decode("genesis", &genesis)
            .map_err(|error| NodeError::Genesis(format!("{}: {error}", config.genesis.display())))?;
        let first = crate::genesis::first_block(&transaction)?;
        let chain_id = crate::genesis::chain_id(&transaction)?;
        if config.inference.wrong_answers && chain_id != crate::LOCALNET_CHAIN_ID {
            return Err(NodeError::Engine("inference.wrong_answers is for tests on local networks".to_owned()));
        }
        let database = Database::open(&config.data_dir)?;
        database.begin(&first)?;
        let inference = crate::engine::start(config)?;
        let signatures = Arc::new(VerifiedSignatures::new());
        let vm = Arc::new(crate::genesis::transaction_vm(signatures.clone()));
        let latest = database.state().latest().map_or(Version(0), |latest| latest.info.last_version);
        let chain = Arc::new(Self {
            config: config.clone(),
            chain_id,
            id: transaction.hash(),
            genesis,
            database,
            machine: RwLock::new(Machine::new(&vm, inference)),
            vm,
            signatures,
            rules: StaticRules { chain_id, gas: crate::genesis::gas_bounds() },
            mempool: Mutex::new(Mempool::new(MempoolConfig::default())),
            admission: Admission::new(),
            staged: Mutex::new(BTreeMap::new()),
            restore: Mutex::new(None),
            evidence: Mutex::new(Vec::new()),
            metrics: Metrics::new(),
            commits: watch::Sender::new(latest),
            arrivals: watch::Sender::new(0),
            fault: watch::Sender::new(None),
        });
        chain.admission.start(&chain)?;
        chain.check_models()?;
        chain.record_end();
        Ok(chain)
    }

    /// A node that lacks a resident model is not ready: it must not produce blocks that it cannot execute. A full node
    /// needs models only to answer views and simulations that ask them.
    fn check_models(&self) -> Result<(), NodeError> {
        if self.config.validator.is_none() {
            return Ok(());
        }
        let held = self.engine().models();
        let wanted = crate::genesis::resident_models(&self.db().latest_view()).map_err(NodeError::Genesis)?;
        for (name, root) in wanted {
            if !held.iter().any(|(held, _)| *held == root) {
                return Err(NodeError::Engine(format!(
                    "the chain's resident model {name} ({root}) is not loaded\nhint: name its file in `models`, or with \
                     --model on a local network"
                )));
            }
        }
        Ok(())
    }

    /// The database as it is now; another one takes its place when a snapshot is restored.
    pub(crate) fn db(&self) -> StateDb {
        self.database.state()
    }

    /// What answers inference jobs now.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        self.machine.read().inference.engine.clone()
    }

    /// What answers inference jobs now, with what there is to say of it.
    pub(crate) fn inference(&self) -> Inference {
        self.machine.read().inference.clone()
    }

    fn machine(&self) -> Arc<Machine> {
        self.machine.read().clone()
    }

    /// The chain's number.
    pub(crate) fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Hash of the genesis transaction.
    pub(crate) fn id(&self) -> Hash {
        self.id
    }

    /// The genesis transaction's bytes.
    pub(crate) fn genesis(&self) -> Bytes {
        self.genesis.clone()
    }

    /// How the node is configured.
    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The certified end of the ledger.
    pub(crate) fn ledger_info(&self) -> LedgerInfo {
        let db = self.db();
        let latest = db.latest().expect("genesis is committed before a chain is made");
        let oldest = db.base().map(|base| (base.info.first_version, base.info.height));
        let (oldest_version, oldest_height) = oldest.unwrap_or((Version(0), Height(0)));
        LedgerInfo {
            chain_id: self.chain_id,
            epoch: latest.info.epoch,
            version: latest.info.last_version,
            oldest_version,
            height: latest.info.height,
            oldest_height,
            timestamp_us: latest.info.timestamp_us,
            state_root: latest.state_root,
        }
    }

    /// Changes with every certified block.
    pub(crate) fn commits(&self) -> watch::Receiver<Version> {
        let mut receiver = self.commits.subscribe();
        receiver.mark_unchanged();
        receiver
    }

    /// Changes when transactions were admitted.
    pub(crate) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// The fault that stopped the node, once there is one.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// Changes when the node meets a fault.
    pub(crate) fn faults(&self) -> watch::Receiver<Option<String>> {
        self.fault.subscribe()
    }

    /// Stops the node's part in consensus for good.
    pub(crate) fn stop_with(&self, fault: String) {
        tracing::error!(%fault, "this node stops");
        self.fault.send_replace(Some(fault));
    }

    /// Where metrics are registered.
    pub(crate) fn registry(&self) -> &prometheus::Registry {
        self.metrics.registry()
    }

    /// Metrics as text.
    pub(crate) fn metrics_text(&self) -> String {
        let size = self.mempool.lock().size();
        self.metrics.mempool.set(i64::try_from(size.transactions).unwrap_or(i64::MAX));
        self.metrics.jobs.set(i64::try_from(self.engine().jobs_run()).unwrap_or(i64::MAX));
        self.metrics.inference.record(&self.inference().report());
        self.metrics.text()
    }

    fn record_end(&self) {
        let info = self.ledger_info();
        self.metrics.version.set(i64::try_from(info.version.0).unwrap_or(i64::MAX));
        self.metrics.height.set(i64::try_from(info.height.0).unwrap_or(i64::MAX));
        self.commits.send_replace(info.version);
    }
}

/// The chain that a configuration is for: the hash of its genesis transaction.
pub(crate) fn read_chain_id(config: &NodeConfig) -> Result<Hash, NodeError> {
    let transaction: Transaction = decode("genesis", &read_genesis(config)?)
        .map_err(|error| NodeError::Genesis(format!("{}: {error}", config.genesis.display())))?;
    Ok(transaction.hash())
}

/// Reads the genesis file.
fn read_genesis(config: &NodeConfig) -> Result<Bytes, NodeError> {
    let path = &config.genesis;
    let bytes = std::fs::read(path).map_err(|error| {
        NodeError::Genesis(format!(
            "cannot read {}: {error}\nhint: `noema genesis build` makes it; every node of a chain has the same file",
            path.display()
        ))
    })?;
    Ok(bytes.into())
}

/// The part of a block that its first transaction tells the chain.
fn metadata_of(transaction: &Transaction) -> Option<&BlockMetadata> {
    match transaction {
        Transaction::BlockMetadata(metadata) => Some(metadata),
        Transaction::User(_) | Transaction::Genesis(_) => None,
    }
}
