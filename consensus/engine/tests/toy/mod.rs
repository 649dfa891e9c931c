//! A toy node: an application that hashes transactions, its ledger, and a network of validators over the memory hub.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a part of tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noema_consensus::{
    Application, Engine, EngineConfig, EngineHandle, ExecutedBlock, Halt, Ledger, MemoryDisk, NextEpoch, OrderedBlock,
    SnapshotChunk, Status, SyncBlock, SyncError, Tip, ValidatorKeys,
};
use noema_crypto::{BlsKeyPair, Ed25519KeyPair};
use noema_dag::{Evidence, PayloadLimits};
use noema_network::memory::Hub;
use noema_types::{
    Address, CertifiedCheckpoint, Checkpoint, Committee, Ed25519PublicKey, Epoch, EpochChange, Hash, Height, Stake,
    TimestampMs, ValidatorInfo, Version,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

pub(crate) const CHAIN: Hash = Hash([0xC4; 32]);

/// The epoch that follows, given its number and the time of the block that ended the one before.
pub(crate) type Plan = dyn Fn(Epoch, TimestampMs) -> NextEpoch + Send + Sync;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct World {
    root: Hash,
    accumulator: Hash,
    version: u64,
    seen: BTreeSet<Bytes>,
}

#[derive(Debug, Clone)]
struct Staged {
    block: OrderedBlock,
    executed: ExecutedBlock,
    world: World,
    content: Bytes,
}

#[derive(Debug)]
struct Book {
    world: World,
    epoch: NextEpoch,
    blocks: BTreeMap<Height, SyncBlock>,
    changes: BTreeMap<Epoch, EpochChange>,
    tip: Option<CertifiedCheckpoint>,
    staged: VecDeque<Staged>,
    pool: VecDeque<Bytes>,
    evidence: Vec<Evidence>,
    divergences: usize,
    safe: bool,
    lie: Lie,
    slow: Duration,
    restoring: Vec<u8>,
    restored: usize,
    executions: Vec<Height>,
}

/// What is wrong with a validator's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// Wrong on fast paths from a height on.
    Fast(u64),
    /// Always wrong from a height on.
    Always(u64),
}

pub(crate) struct Toy {
    book: Mutex<Book>,
    plan: Arc<Plan>,
    liar: u8,
}

impl fmt::Debug for Toy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Toy").finish_non_exhaustive()
    }
}

impl Toy {
    pub(crate) fn new(genesis: NextEpoch, plan: Arc<Plan>, liar: u8) -> Self {
        let world = World { root: Hash([1; 32]), accumulator: Hash([2; 32]), version: 0, seen: BTreeSet::new() };
        let book = Book {
            world,
            epoch: genesis,
            blocks: BTreeMap::new(),
            changes: BTreeMap::new(),
            tip: None,
            staged: VecDeque::new(),
            pool: VecDeque::new(),
            evidence: Vec::new(),
            divergences: 0,
            safe: false,
            lie: Lie::None,
            slow: Duration::ZERO,
            restoring: Vec::new(),
            restored: 0,
            executions: Vec::new(),
        };
        Self { book: Mutex::new(book), plan, liar }
    }

    pub(crate) fn submit(&self, transaction: Bytes) {
        self.book.lock().pool.push_back(transaction);
    }

    pub(crate) fn lie(&self, lie: Lie) {
        self.book.lock().lie = lie;
    }

    pub(crate) fn slow(&self, by: Duration) {
        self.book.lock().slow = by;
    }

    /// What a crash leaves.
    pub(crate) fn crash(&self) {
        let mut book = self.book.lock();
        book.staged.clear();
        book.safe = false;
        book.restoring.clear();
    }

    pub(crate) fn height(&self) -> Height {
        self.book.lock().tip.as_ref().map_or(Height(0), |tip| tip.data().height)
    }

    pub(crate) fn has(&self, transaction: &Bytes) -> bool {
        self.book.lock().world.seen.contains(transaction)
    }

    pub(crate) fn transactions(&self) -> usize {
        self.book.lock().world.seen.len()
    }

    pub(crate) fn checkpoints(&self) -> BTreeMap<Height, Checkpoint> {
        let book = self.book.lock();
        book.blocks.iter().map(|(height, block)| (*height, block.certified.checkpoint.clone())).collect()
    }

    pub(crate) fn divergences(&self) -> usize {
        self.book.lock().divergences
    }

    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        self.book.lock().evidence.clone()
    }

    pub(crate) fn restored(&self) -> usize {
        self.book.lock().restored
    }

    pub(crate) fn executions(&self) -> Vec<Height> {
        self.book.lock().executions.clone()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.book.lock().epoch.committee.epoch()
    }

    /// Forgets blocks below a height, as a pruned node.
    pub(crate) fn prune(&self, below: Height) {
        let mut book = self.book.lock();
        book.blocks = book.blocks.split_off(&below);
    }

    fn run(world: &World, transactions: &[Bytes]) -> (World, Vec<Bytes>) {
        let mut world = world.clone();
        let fresh: Vec<Bytes> = transactions.iter().filter(|tx| world.seen.insert((*tx).clone())).cloned().collect();
        for transaction in &fresh {
            world.root = Hash::sha3(&[&world.root.0, transaction]);
        }
        world.accumulator = Hash::sha3(&[&world.accumulator.0, &world.root.0]);
        world.version += 1 + fresh.len() as u64;
        (world, fresh)
    }
}

impl Application for Toy {
    fn payload(&self, _now: TimestampMs, limits: PayloadLimits) -> Vec<Bytes> {
        let mut book = self.book.lock();
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < limits.transactions_max {
            let Some(next) = book.pool.front() else { break };
            if bytes + next.len() > limits.bytes_max {
                break;
            }
            bytes += next.len();
            taken.extend(book.pool.pop_front());
        }
        taken
    }

    fn waiting_bytes(&self) -> usize {
        self.book.lock().pool.iter().map(Bytes::len).sum()
    }

    fn release(&self, transactions: Vec<Bytes>) {
        self.book.lock().pool.extend(transactions);
    }

    fn execute(&self, block: &OrderedBlock) -> Result<ExecutedBlock, Halt> {
        let slow = self.book.lock().slow;
        std::thread::sleep(slow);
        let mut book = self.book.lock();
        let last = book.staged.back().map(|staged| staged.block.height);
        let last = last.unwrap_or_else(|| book.tip.as_ref().map_or(Height(0), |tip| tip.data().height));
        if block.height != last.next() {
            return Err(Halt(format!("block {} executed after {last}", block.height)));
        }
        book.executions.push(block.height);
        let before = book.staged.back().map_or(&book.world, |staged| &staged.world);
        let (mut world, fresh) = Self::run(before, &block.transactions);
        let wrong = match book.lie {
            Lie::None => false,
            Lie::Fast(from) => block.height.0 >= from && !book.safe,
            Lie::Always(from) => block.height.0 >= from,
        };
        if wrong {
            world.root = Hash([self.liar; 32]);
        }
        let next = block.epoch_end.then(|| (self.plan)(block.epoch.next(), block.timestamp));
        let executed = ExecutedBlock {
            version: Version(world.version),
            state_root: world.root,
            accumulator_root: world.accumulator,
            next,
        };
        let content = bcs::to_bytes(&(fresh, block.timestamp)).unwrap().into();
        book.staged.push_back(Staged { block: block.clone(), executed: executed.clone(), world, content });
        Ok(executed)
    }

    fn certify(&self, certified: &CertifiedCheckpoint) -> Result<(), Halt> {
        let mut book = self.book.lock();
        let Some(staged) = book.staged.pop_front() else { return Err(Halt("nothing to certify".to_owned())) };
        let data = certified.data();
        if data.height != staged.block.height || data.state_root != staged.executed.state_root {
            return Err(Halt(format!("block {} is not what is certified", data.height)));
        }
        let next_committee = staged.executed.next.as_ref().map(|next| next.committee.clone());
        book.keep(certified, next_committee, staged.content, staged.world, staged.executed.next);
        book.safe = false;
        Ok(())
    }

    fn roll_back(&self, safe: bool) -> Result<(), Halt> {
        let mut book = self.book.lock();
        book.staged.clear();
        book.safe = safe;
        Ok(())
    }

    fn report(&self, evidence: Evidence) {
        self.book.lock().evidence.push(evidence);
    }

    fn diverged(&self, own: &Checkpoint, certified: &CertifiedCheckpoint) {
        assert_ne!(*own, certified.checkpoint);
        self.book.lock().divergences += 1;
    }
}

impl Book {
    fn keep(
        &mut self,
        certified: &CertifiedCheckpoint,
        next_committee: Option<Committee>,
        content: Bytes,
        world: World,
        next: Option<NextEpoch>,
    ) {
        let data = certified.data();
        if let Some(committee) = &next_committee {
            let change = EpochChange { certified: certified.clone(), committee: committee.clone() };
            self.changes.insert(data.epoch, change);
        }
        self.blocks.insert(data.height, SyncBlock { certified: certified.clone(), next_committee, content });
        self.world = world;
        self.tip = Some(certified.clone());
        if let Some(next) = next {
            self.epoch = next;
        }
    }
}

impl Ledger for Toy {
    fn tip(&self) -> Result<Tip, Halt> {
        let book = self.book.lock();
        let height = book.tip.as_ref().map_or(Height(0), |tip| tip.data().height);
        let timestamp = TimestampMs(0);
        Ok(Tip { chain: CHAIN, height, timestamp, certified: book.tip.clone(), epoch: book.epoch.clone() })
    }

    fn block(&self, height: Height) -> Result<Option<SyncBlock>, Halt> {
        Ok(self.book.lock().blocks.get(&height).cloned())
    }

    fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, Halt> {
        Ok(self.book.lock().changes.get(&epoch).cloned())
    }

    fn append(&self, block: &SyncBlock) -> Result<Option<NextEpoch>, SyncError> {
        let mut book = self.book.lock();
        if !book.staged.is_empty() {
            return Err(SyncError::Halt(Halt("appended while blocks are staged".to_owned())));
        }
        let (fresh, timestamp): (Vec<Bytes>, TimestampMs) =
            bcs::from_bytes(&block.content).map_err(|error| SyncError::Bad(error.to_string()))?;
        let (world, _) = Self::run(&book.world, &fresh);
        let data = block.certified.data();
        if world.root != data.state_root || Version(world.version) != data.version || timestamp != data.timestamp {
            return Err(SyncError::Bad("the content is not what is certified".to_owned()));
        }
        let next = block.next_committee.as_ref().map(|_| (self.plan)(data.epoch.next(), timestamp));
        book.keep(&block.certified, block.next_committee.clone(), block.content.clone(), world, next.clone());
        Ok(next)
    }

    fn snapshot(&self, height: Height, from: Option<&[u8]>) -> Result<Option<SnapshotChunk>, Halt> {
        let book = self.book.lock();
        if book.tip.as_ref().is_none_or(|tip| tip.data().height != height) {
            return Ok(None);
        }
        let all = bcs::to_bytes(&(&book.world, book.epoch.epoch_end, &book.epoch.committee)).unwrap();
        let start = from.map_or(0, |from| u64::from_le_bytes(from.try_into().unwrap()) as usize);
        let end = all.len().min(start + 700);
        let next = (end < all.len()).then(|| Bytes::copy_from_slice(&(end as u64).to_le_bytes()));
        Ok(Some(SnapshotChunk { content: Bytes::copy_from_slice(&all[start..end]), next }))
    }

    fn restore(
        &self,
        certified: &CertifiedCheckpoint,
        chunk: &SnapshotChunk,
        _next: Option<&NextEpoch>,
    ) -> Result<bool, SyncError> {
        let mut book = self.book.lock();
        book.restoring.extend_from_slice(&chunk.content);
        if chunk.next.is_some() {
            return Ok(false);
        }
        let bytes = std::mem::take(&mut book.restoring);
        let (world, epoch_end, committee): (World, TimestampMs, Committee) =
            bcs::from_bytes(&bytes).map_err(|error| SyncError::Bad(error.to_string()))?;
        if world.root != certified.data().state_root {
            return Err(SyncError::Bad("not the state that is certified".to_owned()));
        }
        book.world = world;
        book.tip = Some(certified.clone());
        book.blocks.clear();
        book.epoch = NextEpoch { committee, epoch_end };
        book.restored += 1;
        Ok(true)
    }
}

/// Keys of a validator in a version: rotation takes the next.
pub(crate) fn keys(validator: u8, version: u8) -> ValidatorKeys {
    let seed = |what: u8| [validator ^ 0x5A, version, what, 7].repeat(8).try_into().unwrap();
    ValidatorKeys {
        consensus: Ed25519KeyPair::from_private_bytes(seed(1)),
        checkpoint: BlsKeyPair::from_seed(&seed(2)),
    }
}

pub(crate) fn network_key(validator: u8) -> Ed25519PublicKey {
    Ed25519KeyPair::from_private_bytes([validator + 100; 32]).public()
}

pub(crate) fn address(validator: u8) -> Address {
    Address([validator + 1; 32])
}

/// A committee of validators with a version of their keys each.
pub(crate) fn committee(epoch: Epoch, members: &[(u8, u8)]) -> Committee {
    let info = |(validator, version): &(u8, u8)| {
        let keys = keys(*validator, *version);
        ValidatorInfo {
            address: address(*validator),
            stake: Stake(100),
            consensus_key: keys.consensus.public(),
            network_key: network_key(*validator),
            checkpoint_key: keys.checkpoint.public(),
            network_address: format!("validator-{validator}:1"),
        }
    };
    Committee::new(epoch, members.iter().map(info).collect()).unwrap()
}

pub(crate) fn forever(members: &[(u8, u8)]) -> NextEpoch {
    NextEpoch { committee: committee(Epoch(1), members), epoch_end: TimestampMs(u64::MAX) }
}

/// What a test changes in the configuration of a validator.
pub(crate) type Change = dyn Fn(u8, &mut EngineConfig);

pub(crate) struct Node {
    pub(crate) toy: Arc<Toy>,
    pub(crate) disk: MemoryDisk,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) handle: Option<EngineHandle>,
}

pub(crate) struct Net {
    pub(crate) hub: Hub,
    pub(crate) nodes: Vec<Node>,
    pub(crate) genesis: NextEpoch,
    pub(crate) plan: Arc<Plan>,
    pub(crate) change: Box<Change>,
}

impl Net {
    /// Validators that never change.
    pub(crate) fn new(count: u8) -> Self {
        let members: Vec<(u8, u8)> = (0..count).map(|validator| (validator, 0)).collect();
        Self::with_plan(count, forever(&members), Arc::new(|_, _| unreachable!("the epoch never ends")))
    }

    pub(crate) fn with_plan(count: u8, genesis: NextEpoch, plan: Arc<Plan>) -> Self {
        let node = |validator: u8| Node {
            toy: Arc::new(Toy::new(genesis.clone(), plan.clone(), 0xE0 + validator)),
            disk: MemoryDisk::created(CHAIN),
            folder: None,
            handle: None,
        };
        let nodes = (0..count).map(node).collect();
        Self { hub: Hub::default(), nodes, genesis, plan, change: Box::new(|_, _| {}) }
    }

    pub(crate) fn start(&mut self, validator: u8) {
        let config = self.config(validator);
        self.start_with(validator, config).unwrap();
    }

    pub(crate) fn config(&self, validator: u8) -> EngineConfig {
        let both = vec![keys(validator, 0), keys(validator, 1)];
        let folder = self.nodes[usize::from(validator)].folder.clone().unwrap_or_default();
        let mut config = EngineConfig::new(CHAIN, address(validator), both, folder);
        config.pace.round_interval_ms = 10;
        config.pace.idle_round_interval_ms = 40;
        config.rules.idle_block_interval_ms = 100;
        (self.change)(validator, &mut config);
        config
    }

    pub(crate) fn start_with(
        &mut self,
        validator: u8,
        config: EngineConfig,
    ) -> Result<(), noema_consensus::EngineError> {
        let (transport, events) = self.hub.join(network_key(validator));
        let node = &mut self.nodes[usize::from(validator)];
        let (toy, transport) = (node.toy.clone(), Arc::new(transport));
        let handle = match node.folder {
            Some(_) => Engine::start(config, toy.clone(), toy, transport, events)?,
            None => {
                let log = Box::new(node.disk.open());
                Engine::start_with_log(config, log, toy.clone(), toy, transport, events)?
            }
        };
        node.handle = Some(handle);
        Ok(())
    }

    pub(crate) fn start_all(&mut self) {
        for validator in 0..self.nodes.len() {
            self.start(validator as u8);
        }
    }

    /// Ends a validator as `kill -9` and a power cut together: what was not synced is lost.
    pub(crate) fn kill(&mut self, validator: u8) {
        // Nothing is sent any more before the disk forgets what was not synced.
        drop(self.hub.join(network_key(validator)));
        let node = &mut self.nodes[usize::from(validator)];
        node.disk.cut_power();
        node.handle = None;
        node.toy.crash();
    }

    /// Ends a validator in order.
    pub(crate) fn stop(&mut self, validator: u8) {
        let node = &mut self.nodes[usize::from(validator)];
        node.handle = None;
        node.toy.crash();
    }

    /// A validator that lost its ledger.
    pub(crate) fn wipe_ledger(&mut self, validator: u8) {
        let toy = Toy::new(self.genesis.clone(), self.plan.clone(), 0xE0 + validator);
        self.nodes[usize::from(validator)].toy = Arc::new(toy);
    }

    pub(crate) fn toy(&self, validator: u8) -> &Arc<Toy> {
        &self.nodes[usize::from(validator)].toy
    }

    pub(crate) fn status(&self, validator: u8) -> Status {
        self.nodes[usize::from(validator)].handle.as_ref().unwrap().status()
    }

    pub(crate) fn handle(&self, validator: u8) -> &EngineHandle {
        self.nodes[usize::from(validator)].handle.as_ref().unwrap()
    }

    pub(crate) fn submit(&self, validator: u8, name: &str) -> Bytes {
        let transaction = Bytes::from(name.to_owned());
        self.toy(validator).submit(transaction.clone());
        self.handle(validator).wake();
        transaction
    }

    /// Waits until all of these validators have a transaction in the ledger.
    pub(crate) fn wait_for(&self, validators: &[u8], transaction: &Bytes, seconds: u64) {
        self.wait(seconds, &format!("{transaction:?}"), |net| {
            validators.iter().all(|validator| net.toy(*validator).has(transaction))
        });
    }

    pub(crate) fn wait(&self, seconds: u64, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !done(self) {
            if Instant::now() > end {
                for node in &self.nodes {
                    let all = (node.toy.height(), node.toy.transactions(), node.toy.waiting_bytes());
                    eprintln!("{all:?} {:?}", node.handle.as_ref().map(EngineHandle::status));
                }
                panic!("not within {seconds} s: {what}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every height that two ledgers hold has one checkpoint. Says how many heights were compared.
    pub(crate) fn check_agreement(&self) -> usize {
        let mut all: BTreeMap<Height, Checkpoint> = BTreeMap::new();
        let mut compared = 0;
        for node in &self.nodes {
            for (height, checkpoint) in node.toy.checkpoints() {
                if let Some(other) = all.insert(height, checkpoint.clone()) {
                    assert_eq!(other, checkpoint, "two ledgers differ at {height}");
                    compared += 1;
                }
            }
        }
        compared
    }
}
