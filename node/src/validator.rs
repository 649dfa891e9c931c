//! A validator's part in the network: connections, consensus, and what the chain must hear of faulty validators.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use noema_consensus::{Application, Engine, EngineConfig, EngineHandle, Ledger, Role, SegmentLog, ValidatorKeys};
use noema_crypto::{Ed25519KeyPair, read_bls_key_file, read_key_file};
use noema_dag::Evidence;
use noema_network::{Channel, Limits, Network, NetworkConfig, Peer, SendError, Transport};
use noema_types::{
    Address, AuthKey, Ed25519PublicKey, EntryFunction, Gas, Height, ModuleId, RawTransaction, SignedTransaction,
    TransactionAuthenticator, TransactionPayload,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::chain::Chain;
use crate::clock::unix_now;
use crate::config::ValidatorNodeConfig;
use crate::status::{Status, StatusSource};
use crate::{NodeConfig, NodeError};

/// Threads of connections. Consensus, execution and inference have their own.
const NETWORK_THREADS: usize = 2;
/// Between two looks for evidence that the chain should hear of.
const EVIDENCE_INTERVAL: Duration = Duration::from_millis(500);
const EVIDENCE_GAS: u64 = 200_000;
const EVIDENCE_EXPIRY_SECONDS: u64 = 60;

/// Consensus that runs.
#[derive(Debug)]
pub(crate) struct Validator {
    engine: Arc<EngineHandle>,
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    watch: JoinHandle<()>,
}

/// Marks the consensus log of a validator whose keys have never signed: without the mark, a missing log means that it is
/// lost, and the validator asks its peers how far it was before it signs.
///
/// # Errors
/// [`NodeError`] if there is a log already, or the folder takes none.
pub fn init_validator(config: &NodeConfig) -> Result<(), NodeError> {
    let chain = crate::chain::read_chain_id(config)?;
    SegmentLog::create(&config.log_dir(), chain).map_err(|error| NodeError::Consensus(error.to_string()))
}

impl Validator {
    /// Connects and joins consensus.
    pub(crate) fn start(chain: &Arc<Chain>, config: &ValidatorNodeConfig, status: &Status) -> Result<Self, NodeError> {
        let network_key = read_key_file(&config.network_key)?;
        let keys = validator_keys(config)?;
        let operator = config.operator_key.as_deref().map(read_key_file).transpose()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(NETWORK_THREADS)
            .thread_name("noema-net")
            .enable_all()
            .build()
            .map_err(|error| NodeError::System(error.to_string()))?;
        let network = NetworkConfig {
            listen: config.listen,
            key: network_key,
            chain: chain.id(),
            peers: Vec::new(),
            limits: Limits::default(),
        };
        let (network, events) =
            Network::start(network, runtime.handle()).map_err(|error| NodeError::Consensus(error.to_string()))?;
        network.register(chain.registry()).map_err(|error| NodeError::System(error.to_string()))?;
        let network = Arc::new(network);
        let routes = Routes {
            network: Arc::clone(&network),
            by_account: config.peer_addresses.clone(),
            chain: Arc::clone(chain),
        };
        let engine = Engine::start(
            EngineConfig {
                rules: crate::genesis::rules(),
                pace: chain.config().consensus.pace(),
                resign_from: config.resign_from,
                registry: chain.registry().clone(),
                ..EngineConfig::new(chain.id(), config.account, keys, chain.config().log_dir())
            },
            Arc::clone(chain) as Arc<dyn Application>,
            Arc::clone(chain) as Arc<dyn Ledger>,
            Arc::new(routes),
            events,
        )
        .map_err(|error| NodeError::Consensus(error.to_string()))?;
        let engine = Arc::new(engine);
        status.set(Box::new(ValidatorStatus {
            chain: Arc::clone(chain),
            engine: Arc::clone(&engine),
            network,
            own: config.account,
        }));
        let (waker, mut arrivals) = (Arc::downgrade(&engine), chain.arrivals());
        runtime.spawn(async move {
            while arrivals.changed().await.is_ok() {
                let Some(engine) = waker.upgrade() else { return };
                engine.wake();
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Watch { chain: Arc::clone(chain), engine: Arc::clone(&engine), operator, stop: Arc::clone(&stop) };
        let watch = std::thread::Builder::new()
            .name("noema-watch".to_owned())
            .spawn(move || watch.run())
            .map_err(|error| NodeError::System(error.to_string()))?;
        Ok(Self { engine, runtime, stop, watch })
    }

    /// Leaves consensus; what is certified is on disk.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.watch.join().is_err() {
            tracing::error!("the watch of consensus panicked");
        }
        self.engine.stop();
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// The keys of now and, while they are being rotated, those of an epoch to come.
fn validator_keys(config: &ValidatorNodeConfig) -> Result<Vec<ValidatorKeys>, NodeError> {
    let now = ValidatorKeys {
        consensus: read_key_file(&config.consensus_key)?,
        checkpoint: read_bls_key_file(&config.checkpoint_key)?,
    };
    let consensus = config.next_consensus_key.as_deref().map(read_key_file).transpose()?;
    let checkpoint = config.next_checkpoint_key.as_deref().map(read_bls_key_file).transpose()?;
    let mut keys = vec![now.clone()];
    if consensus.is_some() || checkpoint.is_some() {
        // Each of the two may change alone, or both at once.
        let (old, new) = (now.clone(), consensus.unwrap_or(now.consensus));
        let latest = checkpoint.unwrap_or(now.checkpoint);
        keys.push(ValidatorKeys { consensus: new.clone(), checkpoint: old.checkpoint });
        keys.push(ValidatorKeys { consensus: old.consensus, checkpoint: latest.clone() });
        keys.push(ValidatorKeys { consensus: new, checkpoint: latest });
    }
    Ok(keys)
}

/// The network, with this node's own ways to some validators.
#[derive(Debug)]
struct Routes {
    network: Arc<Network>,
    by_account: BTreeMap<Address, String>,
    chain: Arc<Chain>,
}

impl Transport for Routes {
    fn send(&self, to: &Ed25519PublicKey, channel: Channel, bytes: Bytes) -> Result<(), SendError> {
        self.network.send(to, channel, bytes)
    }

    fn broadcast(&self, channel: Channel, bytes: &Bytes) {
        self.network.broadcast(channel, bytes);
    }

    fn set_peers(&self, mut peers: Vec<Peer>) {
        if !self.by_account.is_empty()
            && let Ok(tip) = self.chain.tip()
        {
            let accounts: BTreeMap<Ed25519PublicKey, Address> =
                tip.epoch.committee.validators().iter().map(|one| (one.network_key, one.address)).collect();
            for peer in &mut peers {
                let own_way = accounts.get(&peer.key).and_then(|account| self.by_account.get(account));
                if let Some(address) = own_way {
                    peer.address.clone_from(address);
                }
            }
        }
        self.network.set_peers(peers);
    }
}

struct ValidatorStatus {
    chain: Arc<Chain>,
    engine: Arc<EngineHandle>,
    network: Arc<Network>,
    own: Address,
}

impl StatusSource for ValidatorStatus {
    fn json(&self) -> Value {
        let status = self.engine.status();
        let info = self.chain.ledger_info();
        let validators: Vec<Value> = match self.chain.tip() {
            Ok(tip) => tip
                .epoch
                .committee
                .validators()
                .iter()
                .zip(tip.epoch.committee.authors())
                .map(|(validator, author)| {
                    json!({
                        "address": validator.address,
                        "author": author.0,
                        "stake": validator.stake.0,
                        "network_address": validator.network_address,
                        "connected": validator.address == self.own || self.network.is_connected(&validator.network_key),
                    })
                })
                .collect(),
            Err(_) => Vec::new(),
        };
        let (role, detail) = match &status.role {
            Role::Validator(author) => ("validator", format!("place {author} of the committee")),
            Role::Follower(reason) => ("follower", reason.clone()),
            Role::Syncing(reason) => ("syncing", reason.clone()),
            Role::Halted(reason) => ("halted", reason.clone()),
            Role::Stopped => ("stopped", String::new()),
        };
        json!({
            "role": role,
            "detail": detail,
            "epoch": status.epoch.0,
            "round": status.round.0,
            "ordered_height": status.ordered.0,
            "executed_height": status.executed.0,
            "certified_height": info.height.0,
            "throttled": status.throttled,
            "peers_connected": status.peers,
            "proposals": status.core.proposals,
            "log_bytes": status.log_bytes,
            "held_bytes": status.held_bytes,
            "validators": validators,
        })
    }

    fn ordered_height(&self) -> Option<Height> {
        Some(self.engine.status().ordered)
    }

    fn behind(&self) -> Option<String> {
        match self.engine.status().role {
            Role::Syncing(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Looks after consensus: wakes it when transactions arrive, ends the node with it, and brings evidence to the chain.
struct Watch {
    chain: Arc<Chain>,
    engine: Arc<EngineHandle>,
    operator: Option<Ed25519KeyPair>,
    stop: Arc<AtomicBool>,
}

impl Watch {
    fn run(self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Role::Halted(reason) = self.engine.status().role {
                return self.chain.stop_with(reason);
            }
            for evidence in self.chain.take_evidence() {
                self.report(&evidence);
            }
            std::thread::sleep(EVIDENCE_INTERVAL);
        }
    }

    fn report(&self, evidence: &Evidence) {
        let Some(key) = &self.operator else {
            tracing::warn!("evidence of equivocation is not reported\nhint: name an account's key as operator_key");
            return;
        };
        match self.transaction(key, evidence) {
            Ok(transaction) => match self.chain.submit(transaction) {
                Ok(()) => tracing::warn!(author = evidence.first.header.author.0, "equivocation is reported"),
                Err(error) => tracing::warn!(?error, "the report of an equivocation was refused"),
            },
            Err(error) => tracing::warn!(error, "the report of an equivocation was not made"),
        }
    }

    fn transaction(&self, key: &Ed25519KeyPair, evidence: &Evidence) -> Result<SignedTransaction, String> {
        let sender = AuthKey::ed25519(&key.public()).to_address();
        let view = self.chain.view_at(None).map_err(|error| format!("{error:?}"))?;
        let account = Chain::account(&*view, sender).map_err(|error| format!("{error:?}"))?;
        let account = account.ok_or_else(|| format!("the operator's account {sender} does not exist"))?;
        let header = |block: &noema_dag::BlockV1| bcs::to_bytes(&block.header).expect("a header always serialises");
        let bytes = |bytes: &[u8]| bcs::to_bytes(bytes).expect("bytes always serialise");
        let name = |text: &str| text.parse().expect("a valid identifier");
        let (first, second) = (&evidence.first, &evidence.second);
        let raw = RawTransaction {
            sender,
            sequence_number: account.sequence_number,
            payload: TransactionPayload::EntryFunction(EntryFunction {
                module: ModuleId::new(Address::ONE, name("stake")),
                function: name("report_equivocation"),
                type_args: Vec::new(),
                args: vec![
                    bytes(&header(first)),
                    bytes(&first.signature.0),
                    bytes(&header(second)),
                    bytes(&second.signature.0),
                ],
            }),
            max_gas_amount: Gas(EVIDENCE_GAS),
            gas_unit_price: self.chain.gas_price_estimate(),
            expiration_timestamp_secs: unix_now().0 / 1_000 + EVIDENCE_EXPIRY_SECONDS,
            chain_id: self.chain.chain_id(),
        };
        let signature = key.sign(&raw.signing_message());
        let authenticator = TransactionAuthenticator::Ed25519 { public_key: key.public(), signature };
        Ok(SignedTransaction { raw, authenticator })
    }
}
