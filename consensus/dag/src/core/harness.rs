//! A small network of cores in memory, for this crate's tests: one clock, fixed delay, losses on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use noema_types::{
    Address, Author, BlsPublicKey, CommitIndex, Committee, Ed25519PublicKey, Ed25519Signature, Epoch, Hash, Round,
    Stake, TimestampMs, ValidatorInfo,
};

use crate::{
    Batch, Block, BlockCrypto, BlockHeader, BlockRef, BlockV1, CommitDigest, Committed, ConsensusState, Core,
    CoreConfig, Evidence, Fault, Input, Message, Output, Pace, PayloadLimits, Record, Rules,
};

pub(crate) const EPOCH: Epoch = Epoch(7);
pub(crate) const CHAIN: Hash = Hash([3; 32]);
pub(crate) const DELAY_MS: u64 = 10;

/// Signs with a hash that anybody could compute: enough to tell authors and contents apart.
#[derive(Debug)]
pub(crate) struct Keyed(pub(crate) Author);

fn keyed(author: Author, message: &[u8]) -> Ed25519Signature {
    let mut signature = [0; 64];
    let key = [u8::try_from(author.0 % 256).expect("a byte"); 32];
    blake3::Hasher::new_keyed(&key).update(message).finalize_xof().fill(&mut signature);
    Ed25519Signature(signature)
}

impl BlockCrypto for Keyed {
    fn sign(&self, message: &[u8]) -> Ed25519Signature {
        keyed(self.0, message)
    }

    fn verify(&self, author: Author, message: &[u8], signature: &Ed25519Signature) -> bool {
        keyed(author, message) == *signature
    }
}

pub(crate) fn committee(stakes: &[u64]) -> Arc<Committee> {
    let validator = |(stake, seed): (&u64, u8)| ValidatorInfo {
        address: Address([seed; 32]),
        stake: Stake(*stake),
        consensus_key: Ed25519PublicKey([seed; 32]),
        network_key: Ed25519PublicKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        network_address: format!("127.0.0.1:{}", 7000 + u16::from(seed)),
    };
    Arc::new(Committee::new(EPOCH, stakes.iter().zip(1..).map(validator).collect()).unwrap())
}

pub(crate) fn base(validators: usize) -> ConsensusState {
    let digest = CommitDigest(CHAIN);
    ConsensusState::epoch_start(CHAIN, EPOCH, CHAIN, CommitIndex(0), digest, TimestampMs(1_000), validators)
}

pub(crate) fn config(stakes: &[u64], own: u16) -> CoreConfig {
    CoreConfig {
        committee: committee(stakes),
        own: Author(own),
        epoch_end: TimestampMs(u64::MAX),
        rules: Rules { gc_depth: 20, window_commits: 30, ..Rules::default() },
        pace: Pace::default(),
        crypto: Arc::new(Keyed(Author(own))),
        log_lost: false,
        nonce: 1,
    }
}

/// A block with these ancestors, signed by its author.
pub(crate) fn block(author: u16, round: u64, ancestors: Vec<BlockRef>, edit: impl FnOnce(&mut BlockV1)) -> Block {
    let header = BlockHeader {
        chain: CHAIN,
        epoch: EPOCH,
        round: Round(round),
        author: Author(author),
        ancestors,
        batches: Vec::new(),
        timestamp: TimestampMs(1_000),
        commit_votes: Vec::new(),
    };
    let mut block = BlockV1 { header, signature: Ed25519Signature([0; 64]), inline: Vec::new() };
    edit(&mut block);
    block.signature = keyed(Author(author), &block.header.signing_message());
    Block::V1(block)
}

pub(crate) fn batch(author: u16, created: u64, transactions: &[&[u8]]) -> Batch {
    let transactions = transactions.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
    Batch { epoch: EPOCH, author: Author(author), created: Round(created), transactions }
}

pub(crate) fn names(block: &mut BlockV1, batch: &Batch) {
    block.header.batches.push(batch.reference());
}

pub(crate) fn reference(block: &Block) -> BlockRef {
    block.v1().reference()
}

pub(crate) fn genesis(author: u16) -> BlockRef {
    BlockRef::genesis(EPOCH, CHAIN, Author(author))
}

/// Ancestors of a block: the author's own first.
pub(crate) fn on(author: u16, blocks: &[BlockRef]) -> Vec<BlockRef> {
    let own = blocks.iter().filter(|block| block.author == Author(author));
    let others = blocks.iter().filter(|block| block.author != Author(author));
    own.chain(others).copied().collect()
}

/// What one validator did.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) commits: BTreeMap<CommitIndex, Committed>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) released: Vec<Bytes>,
    pub(crate) lagging: usize,
    /// Own blocks that were sent, by round.
    pub(crate) sent: BTreeMap<Round, BTreeSet<BlockRef>>,
    pub(crate) waiting: Vec<Bytes>,
}

type Filter = Box<dyn FnMut(u64, Author, Author, &Message) -> bool>;

/// Cores, their logs and what is on the way.
pub(crate) struct Net {
    pub(crate) configs: Vec<CoreConfig>,
    pub(crate) cores: Vec<Option<Core>>,
    pub(crate) seen: Vec<Seen>,
    /// What is durable, and what is not yet.
    pub(crate) logs: Vec<(Vec<Record>, Vec<Record>)>,
    pub(crate) now: u64,
    pub(crate) passes: Filter,
    pub(crate) certify: bool,
    /// Validators whose inputs are kept, each with its time.
    pub(crate) recorded: Option<(usize, Vec<(TimestampMs, Input)>)>,
    queue: BTreeMap<(u64, u64), (usize, Input)>,
    wakes: Vec<u64>,
    count: u64,
}

impl Net {
    pub(crate) fn new(stakes: &[u64], edit: impl Fn(&mut CoreConfig)) -> Self {
        let size = stakes.len();
        let mut configs: Vec<CoreConfig> = (0..size).map(|own| config(stakes, u16::try_from(own).unwrap())).collect();
        configs.iter_mut().for_each(edit);
        let cores = configs.iter().map(|config| Some(Core::new(config.clone(), base(size)))).collect();
        Self {
            configs,
            cores,
            seen: (0..size).map(|_| Seen::default()).collect(),
            logs: vec![Default::default(); size],
            now: 1_000,
            passes: Box::new(|_, _, _, _| true),
            certify: true,
            recorded: None,
            queue: BTreeMap::new(),
            wakes: vec![0; size],
            count: 0,
        }
    }

    pub(crate) fn core(&self, place: usize) -> &Core {
        self.cores[place].as_ref().unwrap()
    }

    pub(crate) fn input(&mut self, place: usize, input: Input) {
        let Some(core) = &mut self.cores[place] else { return };
        let now = TimestampMs(self.now);
        if let Some((_, inputs)) = self.recorded.as_mut().filter(|(recorded, _)| *recorded == place) {
            inputs.push((now, input.clone()));
        }
        let outputs = core.step(now, input);
        self.wakes[place] = u64::MAX;
        self.carry_out(place, outputs);
    }

    pub(crate) fn carry_out(&mut self, place: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Store(record) => self.logs[place].1.push(record),
                Output::Sync => {
                    let (durable, fresh) = &mut self.logs[place];
                    durable.append(fresh);
                }
                Output::Send { to, message } => self.send(place, usize::from(to.0), message),
                Output::Broadcast(message) => {
                    if let Message::Block(block) = &message {
                        let name = reference(block);
                        assert!(self.is_durable(place, &name), "{name} is sent before it is durable");
                        self.seen[place].sent.entry(name.round).or_default().insert(name);
                    }
                    for to in (0..self.cores.len()).filter(|to| *to != place) {
                        self.send(place, to, message.clone());
                    }
                }
                Output::Propose { round, limits } => {
                    assert_ne!(limits, PayloadLimits::NOTHING);
                    let waiting = &mut self.seen[place].waiting;
                    let count = waiting.len().min(limits.transactions_max);
                    let transactions = waiting.drain(..count).collect();
                    self.input(place, Input::Payload { round, transactions });
                }
                Output::Commit(committed) => self.take_commit(place, *committed),
                Output::Release(transactions) => self.seen[place].released.extend(transactions),
                Output::Evidence(evidence) => self.seen[place].evidence.push(*evidence),
                Output::Lagging { .. } => self.seen[place].lagging += 1,
                Output::WakeAt(time) => self.wakes[place] = time.0,
                Output::Fault(fault) => self.seen[place].faults.push(fault),
            }
        }
    }

    fn is_durable(&self, place: usize, name: &BlockRef) -> bool {
        self.logs[place]
            .0
            .iter()
            .rev()
            .any(|record| matches!(record, Record::Block(block) if reference(block) == *name))
    }

    fn take_commit(&mut self, place: usize, committed: Committed) {
        let index = committed.commit.index;
        if let Some(before) = self.seen[place].commits.get(&index) {
            assert_eq!(before.commit, committed.commit, "a commit never changes");
        }
        self.seen[place].commits.insert(index, committed);
        if self.certify && self.cores[place].is_some() {
            self.count += 1;
            self.queue.insert((self.now + 50, self.count), (place, Input::Certified(index)));
        }
    }

    fn send(&mut self, from: usize, to: usize, message: Message) {
        let (author, peer) = (Author(u16::try_from(from).unwrap()), Author(u16::try_from(to).unwrap()));
        if (self.passes)(self.now, author, peer, &message) {
            // What is sent is what decodes.
            let message = Message::decode(&message.to_bytes()).unwrap();
            self.count += 1;
            self.queue.insert((self.now + DELAY_MS, self.count), (to, Input::Message { from: author, message }));
        }
    }

    /// Runs for so long.
    pub(crate) fn run(&mut self, duration: u64) {
        let end = self.now + duration;
        loop {
            let wake = (0..self.cores.len())
                .filter(|place| self.cores[*place].is_some())
                .min_by_key(|place| self.wakes[*place]);
            let wake = wake.map(|place| (self.wakes[place], place)).filter(|(time, _)| *time <= end);
            let message = self.queue.first_key_value().map(|(key, _)| *key).filter(|(time, _)| *time <= end);
            match (wake, message) {
                (None, None) => break,
                (Some((time, place)), message) if message.is_none_or(|(arrival, _)| time <= arrival) => {
                    self.now = self.now.max(time);
                    self.input(place, Input::Tick);
                }
                (_, Some(key)) => {
                    self.now = self.now.max(key.0);
                    let (place, input) = self.queue.remove(&key).unwrap();
                    self.input(place, input);
                }
                (Some(_), None) => unreachable!("a wake without a message is taken above"),
            }
        }
        self.now = end;
    }

    pub(crate) fn offer(&mut self, place: usize, transaction: impl AsRef<[u8]>) {
        self.seen[place].waiting.push(Bytes::copy_from_slice(transaction.as_ref()));
    }

    /// Stops a validator; what is not durable is gone.
    pub(crate) fn crash(&mut self, place: usize) {
        self.cores[place] = None;
        self.logs[place].1.clear();
    }

    pub(crate) fn restart(&mut self, place: usize) {
        let records = self.logs[place].0.clone();
        let (core, outputs) = Core::recover(self.configs[place].clone(), base(self.cores.len()), records).unwrap();
        self.cores[place] = Some(core);
        self.carry_out(place, outputs);
        self.wakes[place] = self.now;
        let place = Author(u16::try_from(place).unwrap());
        for peer in (0..self.cores.len()).filter(|peer| *peer != usize::from(place.0)) {
            self.input(peer, Input::Connected(place));
            self.input(usize::from(place.0), Input::Connected(Author(u16::try_from(peer).unwrap())));
        }
    }

    /// Checks that all sequences are one, without gap, and returns the length of the shortest among these validators.
    pub(crate) fn agreed(&self, places: &[usize]) -> u64 {
        let mut all: BTreeMap<CommitIndex, &Committed> = BTreeMap::new();
        for seen in &self.seen {
            for (index, committed) in &seen.commits {
                let first = all.entry(*index).or_insert(committed);
                assert_eq!(first.commit, committed.commit);
                assert_eq!(first.batches, committed.batches);
                assert_eq!(first.end, committed.end);
            }
            assert!(seen.commits.keys().zip(1..).all(|(index, expected)| index.0 == expected), "no gap");
            assert!(seen.sent.values().all(|blocks| blocks.len() == 1), "one own block for a round");
        }
        places.iter().map(|place| self.seen[*place].commits.len() as u64).min().unwrap()
    }

    /// Transactions in the order that a validator has seen.
    pub(crate) fn ordered(&self, place: usize) -> Vec<Bytes> {
        let commits = self.seen[place].commits.values();
        commits.flat_map(|committed| committed.batches.iter().flat_map(|batch| batch.transactions.clone())).collect()
    }
}

/// A core alone, into which the blocks of others are put by hand.
pub(crate) struct Alone {
    pub(crate) core: Core,
    pub(crate) now: u64,
    pub(crate) outputs: Vec<Output>,
}

impl Alone {
    pub(crate) fn new(edit: impl FnOnce(&mut CoreConfig)) -> Self {
        let mut config = config(&[1; 4], 0);
        edit(&mut config);
        Self { core: Core::new(config, base(4)), now: 1_000, outputs: Vec::new() }
    }

    /// Takes an input and answers proposals with nothing; returns what came out.
    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = self.core.step(TimestampMs(self.now), input);
        let asked = outputs.iter().find_map(|output| match output {
            Output::Propose { round, .. } => Some(*round),
            _ => None,
        });
        if let Some(round) = asked {
            outputs.extend(self.input(Input::Payload { round, transactions: Vec::new() }));
        } else {
            self.outputs.extend(outputs.clone());
        }
        outputs
    }

    pub(crate) fn message(&mut self, from: u16, message: Message) -> Vec<Output> {
        self.input(Input::Message { from: Author(from), message })
    }

    /// A block from its author.
    pub(crate) fn block(&mut self, block: &Block) -> Vec<Output> {
        self.message(block.v1().header.author.0, Message::Block(block.clone()))
    }

    pub(crate) fn tick(&mut self, after: u64) -> Vec<Output> {
        self.now += after;
        self.input(Input::Tick)
    }

    pub(crate) fn has(&self, block: &Block) -> bool {
        self.core.dag.contains(&reference(block))
    }

    pub(crate) fn own_last(&self) -> BlockRef {
        self.core.own.last
    }
}

pub(crate) fn requests(outputs: &[Output]) -> Vec<(Author, Vec<BlockRef>)> {
    let requests = outputs.iter().filter_map(|output| match output {
        Output::Send { to, message: Message::FetchBlocks(blocks) } => Some((*to, blocks.clone())),
        _ => None,
    });
    requests.collect()
}
