//! The consensus thread: the core of the running epoch, the log, and the messages of the DAG.
//!
//! A turn takes what waits, feeds it to the core, and carries out what the core asked for, in order. Records are handed
//! to the log as they come out, and one sync serves the whole turn: what the core put before its first
//! [`Output::Sync`] is carried out before, everything after it afterwards. So nothing leaves before what it depends on
//! is durable, and what needs no sync does not wait for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use noema_dag::{Committed, Core, Input, Message, Output, PayloadLimits, Record};
use noema_network::{Channel, Peer, Transport};
use noema_types::{Author, CertifiedCheckpoint, Committee, Ed25519PublicKey, Epoch, Hash, Height, Round, TimestampMs};

use crate::certifier::CertifierEvent;
use crate::clock::Clock;
use crate::engine::{EngineConfig, Keys};
use crate::execution::{CertifiedSlice, Execution, Slice};
use crate::inbox::Inbox;
use crate::limits::{
    BASE_INTERVAL, BEHIND_PATIENCE, CUTS_KEPT, EARLY_BATCH_BYTES, EXECUTION_QUEUE_BLOCKS_MAX,
    EXECUTION_QUEUE_BYTES_MAX, FOLLOW_INTERVAL, INPUTS_PER_TURN_MAX, POLL_INTERVAL, THROTTLE_AGE, THROTTLE_BLOCKS,
};
use crate::log::{Base, Floor, Log, LogRecord};
use crate::status::{Role, Shared};
use crate::sync::SyncEvent;
use crate::{Application, Halt, Ledger, NextEpoch, OrderedBlock, wire};

/// What the thread hears.
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation per message")]
#[derive(Debug)]
pub(crate) enum Event {
    /// A message of the DAG.
    Message { from: Ed25519PublicKey, epoch: Epoch, message: Message },
    /// A peer is there (again).
    Connected(Ed25519PublicKey),
    /// A peer is gone.
    Disconnected(Ed25519PublicKey),
    /// Make this durable, so that it can be signed.
    Sign { height: Height, digest: Hash },
    /// A block is in the ledger.
    Certified(Box<CertifiedSlice>),
    /// Others are far ahead.
    Behind(Height),
    /// Execution has dropped everything that was not certified.
    Idle,
    /// The ledger was brought up to where others are; the base to go on from, unless there is none to take part from.
    Synced(Option<Box<Base>>),
    /// Transactions wait, or something changed.
    Wake,
    /// Ends the thread.
    Stop,
}

/// The latest base, for others to start from.
pub(crate) type Latest = parking_lot::Mutex<Option<LatestBase>>;

/// A base whose parts are shared.
#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
#[derive(Debug, Clone)]
pub(crate) enum LatestBase {
    /// As read or fetched.
    Base(Arc<Base>),
    /// As just certified.
    Slice(Arc<Slice>, CertifiedCheckpoint),
}

/// One epoch's core.
#[derive(Debug)]
struct Live {
    epoch: Epoch,
    core: Core,
    committee: Arc<Committee>,
    own: Author,
    authors: BTreeMap<Ed25519PublicKey, Author>,
    wake: Option<TimestampMs>,
    /// Transactions ordered since the last slice ended.
    transactions: Vec<bytes::Bytes>,
    /// Leaders skipped since then.
    failed: Vec<Author>,
    /// Last block ordered.
    height: Height,
    /// Last time that the core asked for transactions.
    proposed_at: Instant,
    /// When the first own transactions were handed over in each round, until they are ordered.
    cut_at: BTreeMap<Round, Instant>,
}

impl Live {
    /// Own transactions are handed over now.
    fn cut(&mut self) {
        self.cut_at.entry(self.core.round()).or_insert_with(Instant::now);
    }

    /// Time since own transactions of a batch of this round were handed over, if it is known.
    fn latency(&mut self, created: Round) -> Option<Duration> {
        let latency = self.cut_at.range(..=created).next_back().map(|(_, at)| at.elapsed());
        while self.cut_at.len() > CUTS_KEPT {
            self.cut_at.pop_first();
        }
        latency
    }
}

/// A finished epoch's core, which goes on serving.
#[derive(Debug)]
struct Old {
    live: Live,
    since: Instant,
    heard: BTreeSet<Author>,
}

#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation per message")]
#[derive(Debug)]
enum Action {
    /// Of the running epoch's core, or the old one's.
    Core(Epoch, Output),
    Stored {
        height: Height,
        digest: Hash,
    },
}

/// What this validator is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Taking part.
    Active,
    /// Waiting for blocks from others.
    Syncing,
    /// Outside of the committee; looks for blocks again at this time.
    Following(Instant),
}

/// What the thread works with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) application: Arc<dyn Application>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) log: Box<dyn Log>,
    pub(crate) inbox: Arc<Inbox<Event>>,
    pub(crate) execution: Arc<Execution>,
    pub(crate) certifier: Arc<Inbox<CertifierEvent>>,
    pub(crate) sync: Arc<Inbox<SyncEvent>>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) shared: Arc<Shared>,
}

/// The consensus thread.
#[derive(Debug)]
pub(crate) struct Driver {
    parts: Parts,
    clock: Clock,
    mode: Mode,
    live: Option<Live>,
    old: Option<Old>,
    /// The epoch after the last certified block.
    epoch: NextEpoch,
    /// Last block in the ledger.
    tip: Height,
    /// Ordered and not certified, oldest first, with the time of ordering.
    uncertified: std::collections::VecDeque<(Height, Instant)>,
    connected: BTreeSet<Ed25519PublicKey>,
    actions: Vec<Action>,
    /// Actions from this one on wait for the log to be durable.
    sync_before: Option<usize>,
    /// Whether a log before this one is gone, with what it said of own blocks.
    lost: bool,
    /// When this process began: no log is lost while it runs.
    started: TimestampMs,
    /// Latest own round of the running epoch in the log, in the form that it has there.
    marks: BTreeMap<Epoch, Vec<Record>>,
    signed: BTreeMap<Height, Hash>,
    last_base: Instant,
    forget: Option<Floor>,
    throttled: bool,
    /// Peers that sent messages of a later epoch, and since when.
    later: Option<(Instant, BTreeSet<Ed25519PublicKey>)>,
    last_progress: Instant,
    last_publish: Option<Instant>,
    generation: u64,
    starts: u64,
}

/// How the thread begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) tip: Height,
    pub(crate) epoch: NextEpoch,
    pub(crate) base: Option<Base>,
    pub(crate) records: Vec<LogRecord>,
    pub(crate) lost: bool,
    pub(crate) signed: BTreeMap<Height, Hash>,
}

impl Driver {
    pub(crate) fn new(parts: Parts, beginning: Beginning) -> Result<Self, Halt> {
        let now = Instant::now();
        let mut driver = Self {
            parts,
            clock: Clock::default(),
            mode: Mode::Syncing,
            live: None,
            old: None,
            epoch: beginning.epoch,
            tip: beginning.tip,
            uncertified: std::collections::VecDeque::new(),
            connected: BTreeSet::new(),
            actions: Vec::new(),
            sync_before: None,
            lost: beginning.lost,
            started: TimestampMs(0),
            marks: BTreeMap::new(),
            signed: beginning.signed,
            last_base: now,
            forget: None,
            throttled: false,
            later: None,
            last_progress: now,
            last_publish: None,
            generation: 0,
            starts: 0,
        };
        driver.started = driver.clock.now();
        for record in &beginning.records {
            if let LogRecord::Dag { epoch, record } = record {
                driver.mark(*epoch, record);
            }
        }
        driver.set_peers();
        match beginning.base {
            Some(base) => driver.enter(base, beginning.records)?,
            None => driver.start_sync("no state of consensus to go on from is in the log")?,
        }
        Ok(driver)
    }

    /// Works until told to stop, or until consensus halts.
    pub(crate) fn run(mut self) {
        let mut events = Vec::new();
        loop {
            self.parts.inbox.take(INPUTS_PER_TURN_MAX, self.deadline(), &mut events);
            let stop = self.parts.shared.is_stopping() || events.iter().any(|event| matches!(event, Event::Stop));
            if stop || self.parts.shared.is_halted() {
                break;
            }
            let turn = self.parts.shared.metrics.step_seconds.start_timer();
            if let Err(halt) = self.turn(&mut events) {
                self.parts.shared.halt(&halt.to_string());
                break;
            }
            turn.observe_duration();
        }
        if let Err(error) = self.parts.log.sync() {
            tracing::error!(%error, "the consensus log could not be closed");
        }
        self.publish(true);
        self.parts.inbox.close();
    }

    fn turn(&mut self, events: &mut Vec<Event>) -> Result<(), Halt> {
        for event in events.drain(..) {
            self.handle(event)?;
        }
        self.tick_cores();
        self.offer_transactions();
        self.throttle();
        self.carry_out()?;
        self.look_after_epochs()?;
        self.publish(false);
        Ok(())
    }

    /// When something is due without any event.
    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let mut wait = match self.mode {
            Mode::Active => POLL_INTERVAL,
            _ => FOLLOW_INTERVAL,
        };
        let current = self.clock.now();
        for live in self.live.iter().chain(self.old.as_ref().map(|old| &old.live)) {
            if let Some(at) = live.wake {
                wait = wait.min(Duration::from_millis(at.0.saturating_sub(current.0)));
            }
        }
        now + wait
    }

    fn handle(&mut self, event: Event) -> Result<(), Halt> {
        match event {
            Event::Message { from, epoch, message } => self.message(from, epoch, message),
            Event::Connected(peer) => {
                self.connected.insert(peer);
                self.step_author(&peer, Input::Connected);
            }
            Event::Disconnected(peer) => {
                self.connected.remove(&peer);
            }
            Event::Sign { height, digest } => {
                if self.signed.insert(height, digest) != Some(digest) {
                    self.append(&LogRecord::Signed { height, digest })?;
                    self.sync_before.get_or_insert(self.actions.len());
                }
                self.actions.push(Action::Stored { height, digest });
            }
            Event::Certified(certified) => self.certified(*certified)?,
            Event::Behind(height) => {
                if self.mode == Mode::Active && self.last_progress.elapsed() > BEHIND_PATIENCE {
                    self.start_sync(&format!("others have certified blocks up to {height}"))?;
                }
            }
            Event::Idle => {
                if self.mode != Mode::Active {
                    self.parts.sync.push(SyncEvent::Go);
                }
            }
            Event::Synced(base) => self.synced(base)?,
            Event::Wake | Event::Stop => {}
        }
        Ok(())
    }

    fn message(&mut self, from: Ed25519PublicKey, epoch: Epoch, message: Message) {
        let running = self.epoch.committee.epoch();
        if epoch > running {
            let (_, senders) = self.later.get_or_insert_with(|| (Instant::now(), BTreeSet::new()));
            senders.insert(from);
            return;
        }
        if let (Some(old), Some(live)) = (&mut self.old, &self.live)
            && epoch == live.epoch
        {
            old.heard.extend(live.authors.get(&from));
        }
        let Some(live) = self.core_of(epoch) else { return };
        let Some(from) = live.authors.get(&from).copied() else { return };
        self.step(epoch, Input::Message { from, message });
    }

    fn core_of(&self, epoch: Epoch) -> Option<&Live> {
        let old = self.old.as_ref().map(|old| &old.live);
        self.live.as_ref().into_iter().chain(old).find(|live| live.epoch == epoch)
    }

    fn step_author(&mut self, peer: &Ed25519PublicKey, input: impl Fn(Author) -> Input) {
        let cores = self.live.iter().chain(self.old.as_ref().map(|old| &old.live));
        let known: Vec<(Epoch, Author)> =
            cores.filter_map(|live| Some((live.epoch, *live.authors.get(peer)?))).collect();
        for (epoch, author) in known {
            self.step(epoch, input(author));
        }
    }

    /// Feeds a core and takes its outputs: records go to the log, questions are answered, the rest waits for the turn's
    /// end.
    fn step(&mut self, epoch: Epoch, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let old = self.old.as_mut().map(|old| &mut old.live);
            let Some(live) = self.live.iter_mut().chain(old).find(|live| live.epoch == epoch) else { return };
            let outputs = live.core.step(self.clock.now(), input);
            self.take_outputs(epoch, outputs, &mut inputs);
        }
    }

    fn take_outputs(&mut self, epoch: Epoch, outputs: Vec<Output>, inputs: &mut Vec<Input>) {
        let now = self.clock.now();
        let running = self.live.as_ref().is_some_and(|live| live.epoch == epoch);
        for output in outputs {
            match output {
                Output::WakeAt(at) => {
                    let old = self.old.as_mut().map(|old| &mut old.live);
                    if let Some(live) = self.live.iter_mut().chain(old).find(|live| live.epoch == epoch) {
                        live.wake = Some(at);
                    }
                }
                Output::Sync => {
                    self.sync_before.get_or_insert(self.actions.len());
                }
                Output::Propose { round, limits } => {
                    let transactions = match limits {
                        PayloadLimits::NOTHING => Vec::new(),
                        _ if !running => Vec::new(),
                        _ => self.parts.application.payload(now, limits),
                    };
                    if let Some(live) = self.live.as_mut().filter(|_| running) {
                        live.proposed_at = Instant::now();
                        if !transactions.is_empty() {
                            live.cut();
                        }
                    }
                    inputs.insert(0, Input::Payload { round, transactions });
                }
                other => self.actions.push(Action::Core(epoch, other)),
            }
        }
    }

    fn append(&mut self, record: &LogRecord) -> Result<(), Halt> {
        self.parts.log.append(record).map_err(|error| Halt(error.to_string()))
    }

    /// Carries out what waits: first what needs no sync, then, after one, the rest.
    fn carry_out(&mut self) -> Result<(), Halt> {
        let mut actions = std::mem::take(&mut self.actions);
        let sync_before = self.sync_before.take();
        // All records first: each is durable earlier than it must be, never later.
        let mut kept = Vec::with_capacity(actions.len());
        let mut first_after = None;
        for (index, action) in actions.drain(..).enumerate() {
            if sync_before == Some(index) {
                first_after = Some(kept.len());
            }
            match action {
                Action::Core(epoch, Output::Store(record)) => {
                    self.mark(epoch, &record);
                    self.append(&LogRecord::Dag { epoch, record })?;
                }
                other => kept.push(other),
            }
        }
        let after = kept.split_off(first_after.unwrap_or(kept.len()));
        for action in kept {
            self.act(action)?;
        }
        if sync_before.is_some() {
            self.sync_log()?;
        }
        for action in after {
            self.act(action)?;
        }
        Ok(())
    }

    fn sync_log(&mut self) -> Result<(), Halt> {
        let timer = self.parts.shared.metrics.sync_seconds.start_timer();
        self.parts.log.sync().map_err(|error| Halt(error.to_string()))?;
        timer.observe_duration();
        if let Some(floor) = self.forget.take() {
            self.parts.log.forget(&floor).map_err(|error| Halt(error.to_string()))?;
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), Halt> {
        match action {
            Action::Stored { height, digest } => self.parts.certifier.push(CertifierEvent::Stored { height, digest }),
            Action::Core(epoch, output) => match output {
                Output::Send { to, message } => self.send(epoch, Some(to), &message),
                Output::Broadcast(message) => self.send(epoch, None, &message),
                Output::Commit(committed) => self.committed(epoch, *committed)?,
                Output::Release(transactions) => self.parts.application.release(transactions),
                Output::Evidence(evidence) => self.parts.application.report(*evidence),
                Output::Lagging { commit } => {
                    if self.live.as_ref().is_some_and(|live| live.epoch == epoch) {
                        self.start_sync(&format!("others have made commits up to {commit}, out of reach"))?;
                    }
                }
                Output::Fault(fault) => return Err(Halt(fault.to_string())),
                Output::Store(_) | Output::Sync | Output::Propose { .. } | Output::WakeAt(_) => {
                    unreachable!("taken by `take_outputs` and `carry_out`")
                }
            },
        }
        Ok(())
    }

    fn send(&self, epoch: Epoch, to: Option<Author>, message: &Message) {
        let Some(live) = self.core_of(epoch) else { return };
        let channel = wire::channel(message);
        let bytes = wire::encode_dag(&self.parts.config.chain, epoch, message);
        for (author, info) in live.committee.authors().zip(live.committee.validators()) {
            if author != live.own
                && to.is_none_or(|to| to == author)
                && self.parts.transport.send(&info.network_key, channel, bytes.clone()).is_err()
            {
                self.parts.shared.metrics.unsent.with_label_values(&[channel.name()]).inc();
            }
        }
    }

    /// Adds a commit to the slice that is being filled, and hands the slice on where it ends.
    fn committed(&mut self, epoch: Epoch, committed: Committed) -> Result<(), Halt> {
        let metrics = &self.parts.shared.metrics;
        let Some(live) = self.live.as_mut().filter(|live| live.epoch == epoch) else { return Ok(()) };
        metrics.commits.inc();
        for batch in &committed.batches {
            metrics.transactions.inc_by(batch.transactions.len() as u64);
            metrics.transaction_bytes.inc_by(batch.bytes() as u64);
            if batch.author == live.own
                && let Some(latency) = live.latency(batch.created)
            {
                for _ in &batch.transactions {
                    metrics.commit_latency.observe(latency.as_secs_f64());
                }
            }
            self.parts.application.ordered(batch.author, &batch.transactions);
            live.transactions.extend_from_slice(&batch.transactions);
        }
        live.failed.extend(committed.skipped);
        let Some(end) = committed.end else { return Ok(()) };
        live.height = live.height.next();
        let (transactions, failed) = (std::mem::take(&mut live.transactions), std::mem::take(&mut live.failed));
        let height = live.height;
        if height <= self.tip {
            return Ok(());
        }
        let leader = committed.commit.leader;
        let proposer = live.committee.get(leader.author).expect("a committed leader is in the committee").address;
        let block = OrderedBlock {
            height,
            epoch,
            round: leader.round,
            proposer,
            author: leader.author,
            failed,
            voters: committed.voters,
            timestamp: committed.commit.timestamp,
            commit: committed.commit.index,
            commit_digest: end.state.digest,
            transactions,
            epoch_end: end.epoch_end,
        };
        let now = Instant::now();
        self.uncertified.push_back((height, now));
        let (blocks, bytes) = self.parts.execution.push(Slice { block, state: end.state, ordered_at: now });
        if blocks > EXECUTION_QUEUE_BLOCKS_MAX || bytes > EXECUTION_QUEUE_BYTES_MAX {
            self.start_sync("execution is too far behind what is ordered")?;
        }
        Ok(())
    }

    fn certified(&mut self, certified: CertifiedSlice) -> Result<(), Halt> {
        let CertifiedSlice { slice, certified, executed } = certified;
        let height = slice.block.height;
        if height <= self.tip {
            return Ok(());
        }
        self.tip = height;
        self.last_progress = Instant::now();
        while self.uncertified.front().is_some_and(|(ordered, _)| *ordered <= height) {
            self.uncertified.pop_front();
        }
        self.signed = self.signed.split_off(&height.next());
        let Some(epoch) = self.live.as_ref().map(|live| live.epoch).filter(|epoch| *epoch == slice.block.epoch) else {
            return Ok(());
        };
        self.step(epoch, Input::Certified(slice.block.commit));
        match executed.next {
            Some(next) => {
                let base = Base::after_epoch(self.parts.config.chain, &next.committee, certified);
                self.next_epoch(next, base)?;
            }
            None => {
                *self.parts.latest.lock() = Some(LatestBase::Slice(slice.clone(), certified.clone()));
                if self.last_base.elapsed() >= BASE_INTERVAL {
                    let state = slice.state.clone();
                    self.write_base(Base { height, certified: Some(certified), state })?;
                }
            }
        }
        Ok(())
    }

    /// Writes a point to go on from, with everything below that still matters; the next sync makes it durable and frees
    /// what is below.
    fn write_base(&mut self, base: Base) -> Result<(), Halt> {
        let chain = self.parts.config.chain;
        let epoch = base.state.epoch;
        let floor = Floor {
            epoch,
            gc_round: base.state.gc_round,
            gc_depth: self.parts.config.rules.gc_depth,
            height: base.height,
        };
        self.append(&LogRecord::Created { chain, lost: self.lost })?;
        self.append(&LogRecord::Base(Box::new(base)))?;
        self.marks = self.marks.split_off(&epoch);
        let marks: Vec<(Epoch, Record)> =
            self.marks.iter().flat_map(|(epoch, marks)| marks.iter().map(|mark| (*epoch, mark.clone()))).collect();
        for (epoch, record) in marks {
            self.append(&LogRecord::Dag { epoch, record })?;
        }
        let signed: Vec<_> = self.signed.iter().map(|(height, digest)| (*height, *digest)).collect();
        for (height, digest) in signed {
            self.append(&LogRecord::Signed { height, digest })?;
        }
        self.forget = Some(floor);
        self.sync_before.get_or_insert(self.actions.len());
        self.last_base = Instant::now();
        Ok(())
    }

    /// Remembers what must outlive the segment it is in: how far this validator went, its latest block included.
    fn mark(&mut self, epoch: Epoch, record: &Record) {
        let marks = self.marks.entry(epoch).or_default();
        match record {
            Record::Proposed(round) => {
                marks.retain(|mark| !matches!(mark, Record::Proposed(_)));
                marks.push(Record::Proposed(*round));
            }
            Record::Resumed(round) => {
                marks.retain(|mark| !matches!(mark, Record::Resumed(_)));
                marks.push(Record::Resumed(*round));
            }
            Record::Block(_) | Record::Batch(_) => {}
        }
    }

    /// The epoch has ended and its last block is certified.
    fn next_epoch(&mut self, next: NextEpoch, base: Base) -> Result<(), Halt> {
        tracing::info!(
            epoch = %next.committee.epoch(), validators = next.committee.size(), height = %base.height,
            "the epoch has ended"
        );
        self.epoch = next;
        self.later = None;
        if let Some(live) = self.live.take() {
            self.old = Some(Old { live, since: Instant::now(), heard: BTreeSet::new() });
        }
        self.enter(base, Vec::new())
    }

    /// Takes part from a base on, if the committee has a place for this validator.
    fn enter(&mut self, base: Base, records: Vec<LogRecord>) -> Result<(), Halt> {
        assert_eq!(base.state.epoch, self.epoch.committee.epoch(), "a base is of the epoch that runs");
        *self.parts.latest.lock() = Some(LatestBase::Base(Arc::new(base.clone())));
        self.set_peers();
        self.last_progress = Instant::now();
        let Some((own, _)) = self.parts.keys.place(&self.epoch.committee) else {
            self.follow();
            return Ok(());
        };
        let (state, height) = (base.state.clone(), base.height);
        let committee = Arc::new(self.epoch.committee.clone());
        let epoch = committee.epoch();
        self.lost &= base.may_be_older_than(self.started);
        // Once it is known how far this validator was in an epoch, or it has gone on there, the log is complete for it.
        let lost = self.lost && self.marks.get(&epoch).is_none_or(Vec::is_empty);
        self.write_base(base)?;
        let records = records.into_iter().filter_map(|record| match record {
            LogRecord::Dag { epoch: of, record } if of == epoch => Some(record),
            _ => None,
        });
        self.starts += 1;
        let nonce = self.clock.now().0.wrapping_mul(1_000).wrapping_add(self.starts);
        let config =
            self.parts.keys.core_config(&self.parts.config, committee.clone(), self.epoch.epoch_end, lost, nonce);
        let (core, outputs) = Core::recover(config, state, records).map_err(|fault| Halt(fault.to_string()))?;
        let authors = committee.authors().zip(committee.validators()).map(|(author, info)| (info.network_key, author));
        let now = Instant::now();
        self.live = Some(Live {
            epoch,
            core,
            authors: authors.filter(|(_, author)| *author != own).collect(),
            committee,
            own,
            wake: None,
            transactions: Vec::new(),
            failed: Vec::new(),
            height,
            proposed_at: now,
            cut_at: BTreeMap::new(),
        });
        self.mode = Mode::Active;
        self.throttled = false;
        self.uncertified.clear();
        tracing::info!(%epoch, %own, %height, lost, "taking part in consensus");
        self.parts.shared.update(|status| status.role = Role::Validator(own));
        let mut inputs = Vec::new();
        self.take_outputs(epoch, outputs, &mut inputs);
        for input in inputs {
            self.step(epoch, input);
        }
        for peer in self.connected.clone() {
            self.step_author(&peer, Input::Connected);
        }
        self.step(epoch, Input::Tick);
        Ok(())
    }

    fn follow(&mut self) {
        let epoch = self.epoch.committee.epoch();
        let reason = self.parts.keys.why_not(&self.epoch.committee);
        if !matches!(self.mode, Mode::Following(_)) {
            tracing::warn!(%epoch, reason, "following certified blocks");
        }
        self.live = None;
        self.mode = Mode::Following(Instant::now() + FOLLOW_INTERVAL);
        self.parts.shared.update(|status| status.role = Role::Follower(reason));
    }

    /// Stops taking part until the ledger is where others are.
    fn start_sync(&mut self, reason: &str) -> Result<(), Halt> {
        tracing::warn!(reason, tip = %self.tip, "fetching certified blocks from peers");
        self.mode = Mode::Syncing;
        if let Some(live) = self.live.take() {
            self.parts.application.release(live.core.into_unordered());
        }
        self.later = None;
        self.uncertified.clear();
        self.generation = self.parts.execution.reset();
        self.parts.shared.update(|status| status.role = Role::Syncing(reason.to_owned()));
        Ok(())
    }

    fn synced(&mut self, base: Option<Box<Base>>) -> Result<(), Halt> {
        let tip = self.parts.ledger.tip()?;
        let certified = tip.certified.as_ref().map_or(tip.chain, |certified| certified.checkpoint.digest());
        (self.tip, self.epoch) = (tip.height, tip.epoch);
        self.signed = self.signed.split_off(&tip.height.next());
        self.set_peers();
        let committee = Arc::new(self.epoch.committee.clone());
        let certified = (tip.height, certified);
        self.parts.certifier.push(CertifierEvent::Reset { generation: self.generation, committee, certified });
        let epoch = self.epoch.committee.epoch();
        match base.filter(|base| base.state.epoch == epoch) {
            Some(base) => {
                let records = self.parts.log.read().map_err(|error| Halt(error.to_string()))?;
                self.enter(*base, records)
            }
            None if self.parts.keys.place(&self.epoch.committee).is_none() => {
                self.follow();
                Ok(())
            }
            None => {
                self.parts.sync.push(SyncEvent::Go);
                Ok(())
            }
        }
    }

    fn tick_cores(&mut self) {
        let now = self.clock.now();
        let cores = self.live.iter_mut().chain(self.old.as_mut().map(|old| &mut old.live));
        let mut due = Vec::new();
        for live in cores {
            if live.wake.is_some_and(|at| at <= now) {
                live.wake = None;
                due.push(live.epoch);
            }
        }
        for epoch in due {
            self.step(epoch, Input::Tick);
        }
    }

    /// Cuts batches before the core asks for them: full ones early, any where nothing else will come soon.
    fn offer_transactions(&mut self) {
        let Some(live) = self.live.as_ref().filter(|_| !self.throttled) else { return };
        let idle = Duration::from_millis(self.parts.config.pace.round_interval_ms);
        let (epoch, waited) = (live.epoch, live.proposed_at.elapsed() >= idle);
        let limits = PayloadLimits {
            transactions_max: noema_dag::limits::BATCH_TRANSACTIONS_MAX,
            bytes_max: noema_dag::limits::BATCH_BYTES_MAX,
        };
        for _ in 0..4 {
            let waiting = self.parts.application.waiting_bytes();
            if waiting < EARLY_BATCH_BYTES && !(waited && waiting > 0) {
                return;
            }
            let transactions = self.parts.application.payload(self.clock.now(), limits);
            if transactions.is_empty() {
                return;
            }
            if let Some(live) = self.live.as_mut() {
                live.cut();
            }
            self.step(epoch, Input::Transactions(transactions));
        }
    }

    fn throttle(&mut self) {
        let Some(epoch) = self.live.as_ref().map(|live| live.epoch) else { return };
        let behind = self.uncertified.len() as u64;
        let age = self.uncertified.front().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        let throttled = match self.throttled {
            false => behind > THROTTLE_BLOCKS || age > THROTTLE_AGE,
            true => behind > THROTTLE_BLOCKS / 2 || age > THROTTLE_AGE / 2,
        };
        if throttled != self.throttled {
            tracing::warn!(
                throttled,
                behind,
                age_ms = age.as_millis(),
                "execution and certification are behind ordering"
            );
            self.throttled = throttled;
            self.step(epoch, Input::Throttle(throttled));
        }
    }

    /// Lets the old epoch go, follows a later one, looks for blocks as a follower.
    fn look_after_epochs(&mut self) -> Result<(), Halt> {
        if let Some(old) = &self.old {
            let committee = &self.epoch.committee;
            let mut heard = old.heard.clone();
            heard.extend(self.parts.keys.author(committee));
            let live = committee.stake_of(&heard) >= committee.validity();
            if live && old.since.elapsed() >= self.parts.config.old_epoch_serves {
                self.old = None;
                self.set_peers();
            }
        }
        if let Mode::Following(at) = self.mode
            && Instant::now() >= at
        {
            self.mode = Mode::Syncing;
            self.parts.sync.push(SyncEvent::Go);
        }
        let Some((since, senders)) = self.later.as_ref().filter(|_| self.mode == Mode::Active) else { return Ok(()) };
        let committee = &self.epoch.committee;
        let authors = senders.iter().filter_map(|key| committee.author_of_network_key(key)).collect();
        let believed = committee.stake_of(&authors) >= committee.validity();
        let patience = if believed { BEHIND_PATIENCE } else { 8 * BEHIND_PATIENCE };
        if since.elapsed() > patience && self.last_progress.elapsed() > patience {
            self.start_sync("others are in a later epoch")?;
        }
        Ok(())
    }

    /// Peers are the committee's members, those of the old one while it is served, and those named in the config.
    fn set_peers(&self) {
        let old = self.old.as_ref().map(|old| old.live.committee.validators()).unwrap_or_default();
        let mut peers: BTreeMap<Ed25519PublicKey, String> = BTreeMap::new();
        for peer in &self.parts.config.extra_peers {
            peers.insert(peer.key, peer.address.clone());
        }
        for info in old.iter().chain(self.epoch.committee.validators()) {
            if info.address != self.parts.keys.address {
                peers.insert(info.network_key, info.network_address.clone());
            }
        }
        self.parts.transport.set_peers(peers.into_iter().map(|(key, address)| Peer { key, address }).collect());
    }

    fn publish(&mut self, always: bool) {
        let due = self.last_publish.is_none_or(|last| last.elapsed() > Duration::from_millis(50));
        if !always && !due {
            return;
        }
        self.last_publish = Some(Instant::now());
        let epoch = self.epoch.committee.epoch();
        let executed = self.parts.shared.metrics.executed.get();
        let live = self.live.as_ref();
        self.parts.shared.update(|status| {
            status.epoch = epoch;
            status.certified = self.tip;
            status.executed = Height(u64::try_from(executed).unwrap_or(0)).max(self.tip);
            status.ordered = live.map_or(self.tip, |live| live.height.max(self.tip));
            status.round = live.map_or(Round(0), |live| live.core.round());
            status.peers = self.connected.len();
            status.throttled = self.throttled;
            status.log_bytes = self.parts.log.bytes();
            status.held_bytes = live.map_or(0, |live| live.core.held_bytes());
            if let Some(live) = live {
                status.core = live.core.stats().clone();
            }
        });
    }
}

/// The channels of the DAG.
pub(crate) fn is_dag(channel: Channel) -> bool {
    matches!(channel, Channel::Blocks | Channel::Batches | Channel::Fetch)
}
