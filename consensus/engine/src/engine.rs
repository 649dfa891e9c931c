//! Starts and stops the threads of consensus.
//!
//! ```text
//! transport ──► router ──┬─► consensus ──► execution ──► certifier ──┐
//!                        ├─► certifier ◄──────────────────────────────┤ votes, digests to store
//!                        └─► synchroniser ──► ledger                  └─► execution: certified
//! ```
//! Ordering never waits: the consensus thread hands blocks over and goes on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use noema_crypto::{BlsKeyPair, Ed25519KeyPair};
use noema_dag::{CoreConfig, Pace, Rules};
use noema_network::{Channel, NetworkEvent, Peer, Transport};
use noema_types::{Address, Author, Committee, Hash, Height, TimestampMs};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::certifier::{Certifier, CertifierEvent};
use crate::checkpoints::CheckpointPool;
use crate::crypto::CommitteeCrypto;
use crate::driver::{Beginning, Driver, Event, Parts, is_dag};
use crate::execution::{Execution, ExecutionThread};
use crate::inbox::Inbox;
use crate::limits::{
    CERTIFIER_EVENTS_MAX, CONSENSUS_EVENTS_BYTES_MAX, CONSENSUS_EVENTS_MAX, OLD_EPOCH_SERVES, SNAPSHOT_DISTANCE,
    SPLIT_TIMEOUT, SYNC_EVENTS_MAX,
};
use crate::log::{Base, Log, LogError, LogRecord, SegmentLog};
use crate::status::{Metrics, Role, Shared, Status};
use crate::sync::{State, SyncEvent, Synchroniser};
use crate::{Application, Halt, Ledger, Tip, wire};

/// The keys that a validator signs with.
#[derive(Debug, Clone)]
pub struct ValidatorKeys {
    /// Signs blocks.
    pub consensus: Ed25519KeyPair,
    /// Signs checkpoints.
    pub checkpoint: BlsKeyPair,
}

/// What an engine starts with.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The chain: hash of the genesis transaction.
    pub chain: Hash,
    /// Account of this validator.
    pub address: Address,
    /// Its keys; more than one where keys are being rotated: each epoch takes the pair that its committee names.
    pub keys: Vec<ValidatorKeys>,
    /// Common rules.
    pub rules: Rules,
    /// Own choices.
    pub pace: Pace,
    /// Folder of the log.
    pub log_dir: PathBuf,
    /// Peers besides the committee's members: validators to be, and those to start from when genesis is long ago.
    pub extra_peers: Vec<Peer>,
    /// A person's word that checkpoints from this height on may be signed again with another digest, after validators
    /// disagreed and the wrong ones were replaced.
    pub resign_from: Option<Height>,
    /// How long votes that can make no quorum are waited on before the chain halts.
    pub split_timeout: Duration,
    /// How long a finished epoch's DAG is served at least.
    pub old_epoch_serves: Duration,
    /// Blocks behind from which a snapshot is fetched rather than blocks.
    pub snapshot_distance: u64,
    /// Where metrics are registered.
    pub registry: prometheus::Registry,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The ledger or the protocol refuses.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The ledger is another chain's.
    #[error("the ledger is of chain {ledger}, the configuration of chain {config}")]
    WrongChain {
        /// The ledger's.
        ledger: Hash,
        /// The configured one.
        config: Hash,
    },
    /// No other validator can say what was lost.
    #[error(
        "the consensus log in {} is lost, and the other validators have a stake of {others}, too little to say how far this one was: more than two thirds of {total} are needed\nhint: restore the folder", dir.display()
    )]
    LostAlone {
        /// Where the log was.
        dir: PathBuf,
        /// Stake of the others.
        others: u64,
        /// Stake of all.
        total: u64,
    },
    /// Metrics of this name are registered already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

impl EngineConfig {
    /// The default choices.
    #[must_use]
    pub fn new(chain: Hash, address: Address, keys: Vec<ValidatorKeys>, log_dir: PathBuf) -> Self {
        Self {
            chain,
            address,
            keys,
            rules: Rules::default(),
            pace: Pace::default(),
            log_dir,
            extra_peers: Vec::new(),
            resign_from: None,
            split_timeout: SPLIT_TIMEOUT,
            old_epoch_serves: OLD_EPOCH_SERVES,
            snapshot_distance: SNAPSHOT_DISTANCE,
            registry: prometheus::Registry::new(),
        }
    }
}

/// Own keys, and the place they have in a committee.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) address: Address,
    keys: Vec<ValidatorKeys>,
}

impl Keys {
    /// The own place in a committee and the keys it names; none if there is none, or the keys are not here.
    pub(crate) fn place(&self, committee: &Committee) -> Option<(Author, &ValidatorKeys)> {
        let author = committee.author_of(self.address)?;
        let info = committee.get(author)?;
        let fits = |keys: &&ValidatorKeys| {
            keys.consensus.public() == info.consensus_key && keys.checkpoint.public() == info.checkpoint_key
        };
        Some((author, self.keys.iter().find(fits)?))
    }

    pub(crate) fn author(&self, committee: &Committee) -> Option<Author> {
        self.place(committee).map(|(author, _)| author)
    }

    /// Why there is no place.
    pub(crate) fn why_not(&self, committee: &Committee) -> String {
        match committee.author_of(self.address) {
            Some(_) => format!(
                "the committee of epoch {} names keys of {} that are not configured here",
                committee.epoch(),
                self.address
            ),
            None => format!("{} is not in the committee of epoch {}", self.address, committee.epoch()),
        }
    }

    pub(crate) fn core_config(
        &self,
        config: &EngineConfig,
        committee: Arc<Committee>,
        epoch_end: TimestampMs,
        log_lost: bool,
        nonce: u64,
    ) -> CoreConfig {
        let (own, keys) = self.place(&committee).expect("only a member starts a core");
        let crypto = CommitteeCrypto { key: keys.consensus.clone(), committee: committee.clone() };
        let (rules, pace) = (config.rules.clone(), config.pace.clone());
        CoreConfig { committee, own, epoch_end, rules, pace, crypto: Arc::new(crypto), log_lost, nonce }
    }
}

/// Runs consensus.
#[derive(Debug)]
pub struct Engine;

/// A running engine. Dropping it stops it.
#[derive(Debug)]
pub struct EngineHandle {
    shared: Arc<Shared>,
    driver: Arc<Inbox<Event>>,
    certifier: Arc<Inbox<CertifierEvent>>,
    sync: Arc<Inbox<SyncEvent>>,
    execution: Arc<Execution>,
    stop_router: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts consensus from the log in the configured folder and from the ledger's end.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn start(
        config: EngineConfig,
        application: Arc<dyn Application>,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        events: mpsc::Receiver<NetworkEvent>,
    ) -> Result<EngineHandle, EngineError> {
        let log = Box::new(SegmentLog::open(&config.log_dir, config.chain)?);
        Self::start_with_log(config, log, application, ledger, transport, events)
    }

    /// As [`Engine::start`], with a log of any kind.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn start_with_log(
        config: EngineConfig,
        mut log: Box<dyn Log>,
        application: Arc<dyn Application>,
        ledger: Arc<dyn Ledger>,
        transport: Arc<dyn Transport>,
        events: mpsc::Receiver<NetworkEvent>,
    ) -> Result<EngineHandle, EngineError> {
        let tip = ledger.tip()?;
        if tip.chain != config.chain {
            return Err(EngineError::WrongChain { ledger: tip.chain, config: config.chain });
        }
        let beginning = begin(&config, log.read()?, &tip)?;
        let keys = Arc::new(Keys { address: config.address, keys: config.keys.clone() });
        let status = Status {
            role: Role::Syncing("starting".to_owned()),
            epoch: tip.epoch.committee.epoch(),
            round: noema_types::Round(0),
            ordered: tip.height,
            executed: tip.height,
            certified: tip.height,
            peers: 0,
            throttled: false,
            log_bytes: 0,
            held_bytes: 0,
            core: noema_dag::CoreStats::default(),
        };
        let shared = Arc::new(Shared::new(status, Metrics::new(&config.registry)?));
        let (driver, certifier, sync) = (Arc::new(Inbox::new()), Arc::new(Inbox::new()), Arc::new(Inbox::new()));
        let execution = Arc::new(Execution::default());
        let latest = Arc::new(Mutex::new(None));
        let committee = Arc::new(tip.epoch.committee.clone());
        let certified = tip.certified.as_ref().map_or(tip.chain, |certified| certified.checkpoint.digest());
        let pool = CheckpointPool::new(
            config.chain,
            committee.clone(),
            keys.author(&committee),
            (tip.height, certified),
            beginning.signed.clone(),
            config.split_timeout,
        );
        let certifier_thread = Certifier {
            pool,
            keys: keys.clone(),
            inbox: certifier.clone(),
            driver: driver.clone(),
            execution: execution.clone(),
            ledger: ledger.clone(),
            transport: transport.clone(),
            shared: shared.clone(),
            generation: 0,
        };
        let sync_thread = Synchroniser {
            chain: config.chain,
            snapshot_distance: config.snapshot_distance,
            inbox: sync.clone(),
            driver: driver.clone(),
            ledger: ledger.clone(),
            transport: transport.clone(),
            latest: latest.clone(),
            shared: shared.clone(),
            state: State::default(),
        };
        let execution_thread = ExecutionThread {
            execution: execution.clone(),
            application: application.clone(),
            certifier: certifier.clone(),
            driver: driver.clone(),
            shared: shared.clone(),
        };
        let chain = config.chain;
        let parts = Parts {
            config: Arc::new(config),
            keys,
            application,
            ledger,
            transport,
            log,
            inbox: driver.clone(),
            execution: execution.clone(),
            certifier: certifier.clone(),
            sync: sync.clone(),
            latest,
            shared: shared.clone(),
        };
        let driver_thread = Driver::new(parts, beginning)?;
        let (stop_router, stopped) = watch::channel(false);
        let router = Router {
            chain,
            driver: driver.clone(),
            certifier: certifier.clone(),
            sync: sync.clone(),
            shared: shared.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let handle =
            EngineHandle { shared, driver, certifier, sync, execution, stop_router, threads: Mutex::new(Vec::new()) };
        handle.spawn("execution", move || execution_thread.run())?;
        handle.spawn("certifier", move || certifier_thread.run())?;
        handle.spawn("sync", move || sync_thread.run())?;
        handle.spawn("consensus", move || driver_thread.run())?;
        handle.spawn("router", move || runtime.block_on(router.run(events, stopped)))?;
        Ok(handle)
    }
}

/// Finds out where to go on.
fn begin(config: &EngineConfig, records: Vec<LogRecord>, tip: &Tip) -> Result<Beginning, EngineError> {
    let committee = &tip.epoch.committee;
    let mut base = None;
    let (mut lost, mut asked) = (true, false);
    let mut signed = BTreeMap::new();
    for record in &records {
        match record {
            LogRecord::Created { lost: was, .. } => lost = *was,
            LogRecord::Base(found) if found.state.epoch == committee.epoch() && found.height <= tip.height => {
                base = Some((**found).clone());
            }
            LogRecord::Signed { height, digest } if *height > tip.height => {
                signed.insert(*height, *digest);
            }
            LogRecord::Dag { epoch, record: noema_dag::Record::Proposed(_) | noema_dag::Record::Resumed(_) } => {
                asked |= *epoch == committee.epoch();
            }
            _ => {}
        }
    }
    if let Some(from) = config.resign_from {
        tracing::warn!(%from, forgotten = signed.range(from..).count(), "checkpoints may be signed again, as configured");
        signed.split_off(&from);
    }
    let base = base.or_else(|| match &tip.certified {
        None => Some(Base::genesis(config.chain, committee, tip.timestamp)),
        Some(certified) if certified.data().next_committee.is_some() => {
            Some(Base::after_epoch(config.chain, committee, certified.clone()))
        }
        Some(_) => None,
    });
    if lost && !asked {
        let own = committee.author_of(config.address);
        let total = committee.total_stake().0;
        let others = total - own.map_or(0, |own| committee.stake(own).0);
        if own.is_some() && others < committee.quorum().0 {
            return Err(EngineError::LostAlone { dir: config.log_dir.clone(), others, total });
        }
        tracing::warn!("the consensus log was lost: peers are asked how far this validator was before it proposes");
    }
    Ok(Beginning { tip: tip.height, epoch: tip.epoch.clone(), base, records, lost, signed })
}

impl EngineHandle {
    fn spawn(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), EngineError> {
        let thread = std::thread::Builder::new().name(format!("noema-{name}")).spawn(run)?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Waits until the status is as wished, or until the time is over.
    #[must_use]
    pub fn wait(&self, timeout: Duration, wished: impl Fn(&Status) -> bool) -> Option<Status> {
        self.shared.wait(timeout, wished)
    }

    /// Waits until consensus halts or is stopped, and says why it halted.
    #[must_use]
    pub fn wait_halted(&self, timeout: Duration) -> Option<String> {
        match self.shared.wait(timeout, |status| matches!(status.role, Role::Halted(_) | Role::Stopped))?.role {
            Role::Halted(reason) => Some(reason),
            _ => None,
        }
    }

    /// Says that transactions wait: they are proposed without the wait of an idle chain.
    pub fn wake(&self) {
        self.driver.offer(Event::Wake, 1);
    }

    /// Ends all threads and waits for them. What was handed to the log is durable then.
    pub fn stop(&self) {
        self.shared.stop();
        let _ = self.stop_router.send(true);
        self.driver.push(Event::Stop);
        self.certifier.push(CertifierEvent::Stop);
        self.sync.push(SyncEvent::Stop);
        self.execution.stop();
        let threads: Vec<JoinHandle<()>> = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of consensus panicked");
            }
        }
        self.shared.update(|status| status.role = Role::Stopped);
    }
}

impl Drop for EngineHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Decodes what the network brings and hands it on.
struct Router {
    chain: Hash,
    driver: Arc<Inbox<Event>>,
    certifier: Arc<Inbox<CertifierEvent>>,
    sync: Arc<Inbox<SyncEvent>>,
    shared: Arc<Shared>,
}

impl Router {
    async fn run(self, mut events: mpsc::Receiver<NetworkEvent>, mut stopped: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(128);
        loop {
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                count = events.recv_many(&mut batch, 128) => {
                    if count == 0 {
                        return;
                    }
                }
            }
            for event in batch.drain(..) {
                self.route(event);
            }
        }
    }

    fn route(&self, event: NetworkEvent) {
        match event {
            NetworkEvent::Connected(peer) => {
                self.driver.push(Event::Connected(peer));
                self.certifier.push(CertifierEvent::Connected(peer));
                self.sync.push(SyncEvent::Connected(peer));
            }
            NetworkEvent::Disconnected(peer) => {
                self.driver.push(Event::Disconnected(peer));
                self.sync.push(SyncEvent::Disconnected(peer));
            }
            NetworkEvent::Message { from, channel, bytes } => {
                let routed = if is_dag(channel) {
                    wire::decode_dag(&self.chain, &bytes).map(|(epoch, message)| {
                        let event = Event::Message { from, epoch, message };
                        let (items_max, bytes_max) = (CONSENSUS_EVENTS_MAX, CONSENSUS_EVENTS_BYTES_MAX);
                        self.driver.push_waiting(event, bytes.len(), items_max, bytes_max);
                    })
                } else if channel == Channel::Checkpoints {
                    wire::decode_checkpoint_message(&bytes).map(|message| {
                        self.certifier.offer(CertifierEvent::Message { from, message }, CERTIFIER_EVENTS_MAX);
                    })
                } else {
                    wire::decode_sync_message(&bytes).map(|message| {
                        self.sync.offer(SyncEvent::Message { from, message }, SYNC_EVENTS_MAX);
                    })
                };
                if let Err(error) = routed {
                    self.shared.metrics.malformed.with_label_values(&[channel.name()]).inc();
                    tracing::debug!(%from, %channel, %error, "a message that does not decode");
                }
            }
        }
    }
}
