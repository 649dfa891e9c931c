//! The chain as the rest of the node sees it: what is committed, what waits, what would happen.
//!
//! One thread calls [`Chain::apply`]; everything else may be called from anywhere. Reads go to views of committed
//! versions, so no answer ever mixes two states.

mod apply;
mod read;
mod submit;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::single::{CommitDigest, CommitIndex, LastCommit, TimestampMs};
use noema_execution_api::BlockExecutor;
use noema_executor::{MoveTransactionVm, SequentialExecutor, VerifiedSignatures};
use noema_inference_api::Engine;
use noema_mempool::{Mempool, MempoolConfig, StaticRules};
use noema_state::{COLUMNS, StateDb};
use noema_store::{RocksOptions, RocksStore};
use noema_types::{ChainId, Epoch, Hash, Height, Version};
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use read::Found;

use crate::genesis::LocalnetGenesis;
use crate::metrics::Metrics;
use crate::{NodeConfig, NodeError};

/// The committed end of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LedgerInfo {
    pub(crate) chain_id: ChainId,
    pub(crate) epoch: Epoch,
    pub(crate) version: Version,
    pub(crate) height: Height,
    pub(crate) timestamp_us: u64,
    pub(crate) state_root: Hash,
}

/// Everything that a node holds of its chain.
pub(crate) struct Chain {
    chain_id: ChainId,
    db: StateDb,
    vm: Arc<MoveTransactionVm>,
    executor: Box<dyn BlockExecutor>,
    engine: Arc<dyn Engine>,
    signatures: Arc<VerifiedSignatures>,
    rules: StaticRules,
    mempool: Mutex<Mempool>,
    metrics: Metrics,
    commits: watch::Sender<Version>,
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

impl Chain {
    /// Opens the database, writes genesis into an empty one, starts the engine.
    pub(crate) fn open(config: &NodeConfig, genesis: &LocalnetGenesis) -> Result<Self, NodeError> {
        let (engine, residents) = crate::engine::start(config)?;
        let db = open_database(&config.data_dir)?;
        let chain_id = genesis.chain_id();
        let signatures = Arc::new(VerifiedSignatures::new());
        let vm = Arc::new(crate::genesis::transaction_vm(signatures.clone()));
        if db.latest().is_none() {
            let commit = genesis.commit(&residents)?;
            db.commit_block(&commit).map_err(|error| NodeError::Genesis(error.to_string()))?;
        }
        let latest = db.latest().ok_or_else(|| NodeError::Genesis("the database is still empty".to_owned()))?;
        let chain = Self {
            chain_id,
            executor: Box::new(SequentialExecutor::new(vm.clone(), engine.clone())),
            vm,
            engine,
            signatures,
            rules: StaticRules { chain_id, gas: crate::genesis::gas_bounds() },
            mempool: Mutex::new(Mempool::new(MempoolConfig::default())),
            metrics: Metrics::new(),
            commits: watch::Sender::new(latest.info.last_version),
            fault: watch::Sender::new(None),
            db,
        };
        chain.check_models()?;
        chain.record_end();
        Ok(chain)
    }

    /// A node that lacks a resident model is not ready: it must not produce blocks that it cannot execute.
    fn check_models(&self) -> Result<(), NodeError> {
        let held = self.engine.models();
        let wanted = crate::genesis::resident_models(&self.db.latest_view()).map_err(NodeError::Genesis)?;
        for (name, root) in wanted {
            if !held.iter().any(|(held, _)| *held == root) {
                return Err(NodeError::Engine(format!(
                    "the chain's resident model {name} ({root}) is not loaded; hint: name its file with --model"
                )));
            }
        }
        Ok(())
    }

    /// The committed end of the ledger.
    pub(crate) fn ledger_info(&self) -> LedgerInfo {
        let latest = self.db.latest().expect("genesis is committed before a chain is made");
        LedgerInfo {
            chain_id: self.chain_id,
            epoch: latest.info.epoch,
            version: latest.info.last_version,
            height: latest.info.height,
            timestamp_us: latest.info.timestamp_us,
            state_root: latest.state_root,
        }
    }

    /// Where ordering resumes.
    pub(crate) fn last_commit(&self) -> LastCommit {
        let latest = self.db.latest().expect("genesis is committed before a chain is made");
        LastCommit {
            index: CommitIndex(latest.info.height.0),
            digest: CommitDigest(latest.info.id),
            round: latest.info.round,
            timestamp: TimestampMs(latest.info.timestamp_us / 1_000),
        }
    }

    /// Changes with every committed block.
    pub(crate) fn commits(&self) -> watch::Receiver<Version> {
        let mut receiver = self.commits.subscribe();
        receiver.mark_unchanged();
        receiver
    }

    /// The fault that stopped block production, once there is one.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// Changes when the node meets a fault.
    pub(crate) fn faults(&self) -> watch::Receiver<Option<String>> {
        self.fault.subscribe()
    }

    /// Stops block production for good.
    pub(crate) fn stop_with(&self, fault: String) {
        tracing::error!(%fault, "block production stops");
        self.fault.send_replace(Some(fault));
    }

    /// Metrics as text.
    pub(crate) fn metrics_text(&self) -> String {
        let size = self.mempool.lock().size();
        self.metrics.mempool.set(i64::try_from(size.transactions).unwrap_or(i64::MAX));
        self.metrics.jobs.set(i64::try_from(self.engine.jobs_run()).unwrap_or(i64::MAX));
        self.metrics.text()
    }

    fn record_end(&self) {
        let info = self.ledger_info();
        self.metrics.version.set(i64::try_from(info.version.0).unwrap_or(i64::MAX));
        self.metrics.height.set(i64::try_from(info.height.0).unwrap_or(i64::MAX));
    }
}

fn open_database(path: &Path) -> Result<StateDb, NodeError> {
    let error = |reason: String| NodeError::Database { path: path.to_owned(), reason };
    let store = RocksStore::open(path, COLUMNS, RocksOptions::default()).map_err(|why| error(why.to_string()))?;
    StateDb::open(Arc::new(store)).map_err(|why| error(why.to_string()))
}
