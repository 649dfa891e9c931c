//! An honest validator: the core of its epoch, a disk, the scripted application and a pool.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use noema_dag::{Committed, Core, CoreConfig, Input, Message, Output, PayloadLimits, Record};
use noema_types::{Author, CommitIndex, Ed25519Signature, Epoch, Hash, TimestampMs};

use crate::checkers::{Observation, Subject};
use crate::disk::Disk;
use crate::epochs::{EpochSetup, Epochs};
use crate::ledger::{Certificate, Certified, Entry, Ledger, Tip, TxId, execute, transaction_id, vote_message};
use crate::observer::Observer;
use crate::pool::Pool;
use crate::rng::Dice;
use crate::scenario::{Clock, Scenario};
use crate::world::{Envelope, Later};
use crate::{Micros, NodeId, START_MS};

/// A clock is this far off for good, at most.
const SKEW_AFTER_US: u64 = 20_000;
/// Certificates that one answer carries, at most.
const CERTIFICATES_MAX: usize = 8;
/// A wiped validator asks its peers also in epochs that began this much after the wipe: clocks differ.
const WIPE_MARGIN_MS: u64 = 8_000;

/// What a validator may touch while it handles an event.
#[derive(Debug)]
pub(crate) struct Ctx<'a> {
    pub(crate) now: Micros,
    pub(crate) scenario: &'a Scenario,
    pub(crate) epochs: &'a Epochs,
    pub(crate) dice: &'a mut Dice,
    pub(crate) observer: &'a mut Observer,
    /// Messages to send.
    pub(crate) sends: &'a mut Vec<(NodeId, Rc<Envelope>)>,
    /// Events to come back with.
    pub(crate) later: &'a mut Vec<(Micros, Later)>,
}

/// The core of an epoch with its place in it.
#[derive(Debug)]
struct Seat {
    setup: Rc<EpochSetup>,
    author: Author,
    core: Core,
}

/// What a process holds in memory.
#[derive(Debug)]
struct Process {
    setup: Rc<EpochSetup>,
    seat: Option<Seat>,
    previous: Option<Seat>,
    tip: Tip,
    known: BTreeSet<TxId>,
    staged: VecDeque<Entry>,
    open: Vec<Committed>,
    slices: VecDeque<(Micros, Vec<Committed>)>,
    executing: bool,
    last_commit: CommitIndex,
    votes: BTreeMap<(u64, Hash), BTreeMap<Author, Ed25519Signature>>,
    throttled: bool,
    lagging: Option<CommitIndex>,
    progress: (u64, Micros),
    wake: u64,
    wake_at: Option<TimestampMs>,
}

/// An honest validator, on or off.
#[derive(Debug)]
pub(crate) struct Validator {
    pub(crate) id: NodeId,
    clock: Clock,
    stabilisation: Micros,
    pub(crate) ledger: Ledger,
    disk: Disk,
    signed: BTreeMap<u64, Hash>,
    wiped_at: Option<TimestampMs>,
    pub(crate) pool: Pool,
    process: Option<Process>,
    /// Counts starts: events of an earlier life are void.
    pub(crate) life: u64,
    /// The process dies after carrying out so many more outputs.
    crash_after: Option<u64>,
    pub(crate) stalled: bool,
}

impl Validator {
    pub(crate) fn new(id: NodeId, clock: Clock, stabilisation: Micros) -> Self {
        Self {
            id,
            clock,
            stabilisation,
            ledger: Ledger::default(),
            disk: Disk::default(),
            signed: BTreeMap::new(),
            wiped_at: None,
            pool: Pool::default(),
            process: None,
            life: 0,
            crash_after: None,
            stalled: false,
        }
    }

    /// Whether the process runs.
    pub(crate) fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The epoch it is in; none while it is down.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.process.as_ref().map(|process| process.setup.epoch)
    }

    /// Whether it validates now.
    pub(crate) fn is_member(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.seat.is_some())
    }

    /// One line for those who look for what is stuck.
    pub(crate) fn describe(&self) -> String {
        let Some(process) = &self.process else { return "down".to_owned() };
        let core = process.seat.as_ref().map(|seat| {
            let state = seat.core.state();
            format!("round {} committed {} at round {}", seat.core.round(), state.index, state.round)
        });
        format!(
            "epoch {} height {} staged {} slices {} {} lagging {:?} throttled {}",
            process.setup.epoch,
            self.ledger.height(),
            process.staged.len(),
            process.slices.len(),
            core.unwrap_or_else(|| "observes".to_owned()),
            process.lagging,
            process.throttled
        )
    }

    /// What the local clock shows. After stabilisation it is drawn towards the true time, at half the speed of time.
    fn local(&self, now: Micros) -> TimestampMs {
        let drawn = now.saturating_sub(self.stabilisation) / 2;
        let spared = self.clock.offset_us.unsigned_abs().min(SKEW_AFTER_US);
        let offset = self.clock.offset_us.unsigned_abs().saturating_sub(drawn).max(spared);
        let offset = i128::from(offset) * i128::from(self.clock.offset_us.signum());
        let now = i128::from(now);
        let local = now + offset + now * i128::from(self.clock.drift_ppm) / 1_000_000;
        let ms = i128::from(START_MS) + local.div_euclid(1_000);
        TimestampMs(u64::try_from(ms).expect("a time after the year 2000"))
    }

    /// First moment at which the local clock shows this time.
    fn moment(&self, time: TimestampMs, now: Micros) -> Micros {
        let missing = time.0.saturating_sub(self.local(now).0);
        if missing == 0 {
            return now + 1;
        }
        // The fastest clock runs at one and a half times the speed of time.
        let mut moment = now + (missing - 1) * 600;
        while self.local(moment) < time {
            moment += 250;
        }
        moment
    }

    fn subject(&self, ctx: &Ctx<'_>) -> Subject {
        let setup = self.process.as_ref().map(|process| &process.setup);
        let epoch = setup.map(|setup| setup.epoch).unwrap_or_default();
        let author = setup.and_then(|setup| setup.author(self.id));
        Subject { node: self.id, epoch, author, at: ctx.now }
    }

    /// Starts the process from what is on disk.
    pub(crate) fn start(&mut self, ctx: &mut Ctx<'_>) {
        self.life += 1;
        self.crash_after = None;
        self.open_process(ctx, None);
        let at = ctx.now + ctx.dice.below(ctx.scenario.unit);
        ctx.later.push((at, Later::Housekeeping { node: self.id, life: self.life }));
    }

    /// Builds the process around the ledger's tip.
    fn open_process(&mut self, ctx: &mut Ctx<'_>, previous: Option<Seat>) {
        let tip = self.ledger.tip(ctx.epochs);
        let setup = ctx.epochs.get(tip.epoch);
        let process = Process {
            setup: Rc::clone(&setup),
            seat: None,
            previous,
            known: self.ledger.executed(),
            staged: VecDeque::new(),
            open: Vec::new(),
            slices: VecDeque::new(),
            executing: false,
            last_commit: tip.base.index,
            votes: BTreeMap::new(),
            throttled: false,
            lagging: None,
            progress: (tip.height, ctx.now),
            wake: ctx.dice.any(),
            wake_at: None,
            tip,
        };
        self.process = Some(process);
        self.open_core(ctx, &setup);
    }

    fn open_core(&mut self, ctx: &mut Ctx<'_>, setup: &Rc<EpochSetup>) {
        let who = self.subject(ctx);
        ctx.observer.observe(who, &Observation::Base(self.running().last_commit));
        let Some(author) = setup.author(self.id) else { return };
        self.disk.open(setup.epoch);
        let tip = &self.running().tip;
        let base = tip.base.clone();
        let log_lost = self.wiped_at.is_some_and(|at| tip.epoch_start.0 <= at.0 + WIPE_MARGIN_MS);
        if log_lost {
            ctx.observer.coverage.count("amnesia restarts");
        }
        let config = CoreConfig {
            committee: setup.committee.clone(),
            own: author,
            epoch_end: ctx.epochs.end(tip.epoch_start),
            rules: ctx.scenario.rules.clone(),
            pace: ctx.scenario.pace.clone(),
            crypto: setup.crypto(author),
            log_lost,
            nonce: ctx.dice.any(),
        };
        let records = self.disk.records().to_vec();
        let recovered = if records.is_empty() {
            Ok((Core::new(config, base), Vec::new()))
        } else {
            ctx.observer.coverage.count("recoveries from a log");
            Core::recover(config, base, records)
        };
        match recovered {
            Ok((core, outputs)) => {
                self.running_mut().seat = Some(Seat { setup: Rc::clone(setup), author, core });
                if self.carry_out(ctx, outputs) {
                    self.feed(ctx, Input::Tick);
                }
            }
            Err(fault) => ctx.observer.observe(who, &Observation::Fault(&fault)),
        }
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the process runs")
    }

    fn running_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("the process runs")
    }

    /// The process dies, now.
    pub(crate) fn crash(&mut self, ctx: &mut Ctx<'_>) {
        if self.process.is_none() {
            return;
        }
        self.count_stats(ctx);
        let who = self.subject(ctx);
        let lost = self.disk.crash(ctx.dice);
        ctx.observer.coverage.count("crashes");
        ctx.observer.coverage.add("records lost in crashes", lost as u64);
        ctx.observer.event(ctx.now, self.id, "crash", lost as u64, || format!("{lost} records lost"));
        ctx.observer.observe(who, &Observation::Crashed { wiped: false });
        self.process = None;
        self.pool = Pool::default();
        self.life += 1;
    }

    /// The process dies in the midst of what it does next.
    pub(crate) fn crash_soon(&mut self, outputs: u64) {
        self.crash_after = Some(outputs);
    }

    /// The log is gone, perhaps the ledger too.
    pub(crate) fn wipe(&mut self, ctx: &mut Ctx<'_>, keep_ledger: bool) {
        let who = self.subject(ctx);
        ctx.observer.observe(who, &Observation::Crashed { wiped: true });
        self.disk = Disk::default();
        self.wiped_at = Some(self.local(ctx.now));
        if !keep_ledger {
            self.ledger = Ledger::default();
            self.signed.clear();
        }
    }

    /// Adds up what the cores have seen.
    pub(crate) fn count_stats(&self, ctx: &mut Ctx<'_>) {
        let Some(process) = &self.process else { return };
        for seat in process.seat.iter().chain(&process.previous) {
            count_stats(ctx, &seat.core);
        }
    }

    /// Feeds the running core and all that follows from it.
    fn feed(&mut self, ctx: &mut Ctx<'_>, input: Input) {
        let now = self.local(ctx.now);
        let Some(seat) = self.process.as_mut().and_then(|process| process.seat.as_mut()) else { return };
        let outputs = seat.core.step(now, input);
        if !outputs.iter().any(|output| matches!(output, Output::WakeAt(_))) {
            let process = self.running_mut();
            process.wake = process.wake.wrapping_add(1);
            process.wake_at = None;
        }
        self.carry_out(ctx, outputs);
    }

    /// Carries outputs out in their order. False if the process died on the way.
    fn carry_out(&mut self, ctx: &mut Ctx<'_>, outputs: Vec<Output>) -> bool {
        let mut inputs = Vec::new();
        for output in outputs {
            if let Some(left) = &mut self.crash_after {
                if *left == 0 {
                    self.crash_after = None;
                    ctx.observer.coverage.count("crashes between outputs");
                    self.crash(ctx);
                    return false;
                }
                *left -= 1;
            }
            inputs.extend(self.output(ctx, output));
        }
        for input in inputs {
            self.feed(ctx, input);
            if self.process.is_none() {
                return false;
            }
        }
        self.update_throttle(ctx);
        self.process.is_some()
    }

    fn output(&mut self, ctx: &mut Ctx<'_>, output: Output) -> Option<Input> {
        let who = self.subject(ctx);
        match output {
            Output::Store(record) => self.store(ctx, who, record),
            Output::Sync => self.disk.sync(),
            Output::Send { to, message } => {
                let (setup, _) = self.place();
                if let Some(node) = setup.node(to) {
                    count_message(ctx, &message);
                    self.observe_sent(ctx, who, &message);
                    ctx.sends.push((node, Rc::new(Envelope::Dag { epoch: setup.epoch, message })));
                }
            }
            Output::Broadcast(message) => {
                let (setup, _) = self.place();
                count_message(ctx, &message);
                self.observe_sent(ctx, who, &message);
                let envelope = Rc::new(Envelope::Dag { epoch: setup.epoch, message });
                for member in setup.members.iter().filter(|member| member.node != self.id) {
                    ctx.sends.push((member.node, Rc::clone(&envelope)));
                }
            }
            Output::Propose { round, limits } => return Some(self.propose(ctx, who, round, limits)),
            Output::Commit(committed) => self.committed(ctx, who, *committed),
            Output::Release(transactions) => {
                let ids: Vec<TxId> = transactions.iter().filter_map(transaction_id).collect();
                ctx.observer.coverage.add("transactions released", ids.len() as u64);
                ctx.observer.observe(who, &Observation::Released(&ids));
                for id in ids {
                    self.pool.release(id);
                }
            }
            Output::Evidence(evidence) => {
                ctx.observer.coverage.count("evidence");
                ctx.observer.observe(who, &Observation::Evidence(&evidence));
            }
            Output::Lagging { commit } => {
                ctx.observer.coverage.count("lagging");
                let process = self.running_mut();
                process.lagging = process.lagging.max(Some(commit));
                self.ask_for_state(ctx);
            }
            Output::WakeAt(at) => self.wake_at(ctx, at),
            Output::Fault(fault) => {
                ctx.observer.observe(who, &Observation::Fault(&fault));
                self.running_mut().seat = None;
            }
        }
        None
    }

    fn place(&self) -> (Rc<EpochSetup>, Option<Author>) {
        let process = self.running();
        (Rc::clone(&process.setup), process.seat.as_ref().map(|seat| seat.author))
    }

    fn observe_sent(&self, ctx: &mut Ctx<'_>, who: Subject, message: &Message) {
        if let Message::Block(block) = message
            && self.running().seat.as_ref().is_some_and(|seat| seat.author == block.v1().header.author)
        {
            ctx.observer.observe(who, &Observation::Sent(block));
        }
    }

    fn store(&mut self, ctx: &mut Ctx<'_>, who: Subject, record: Record) {
        if let Record::Batch(batch) = &record
            && self.place().1 == Some(batch.author)
        {
            ctx.observer.observe(who, &Observation::OwnBatch(batch));
        }
        self.disk.append(record);
    }

    fn propose(&mut self, ctx: &mut Ctx<'_>, who: Subject, round: noema_types::Round, limits: PayloadLimits) -> Input {
        let payload = self.pool.payload(limits);
        let ids: Vec<TxId> = payload.iter().map(|(id, _)| *id).collect();
        if !ids.is_empty() {
            ctx.observer.observe(who, &Observation::Handed(&ids));
        }
        ctx.observer.event(ctx.now, self.id, "propose", round.0, || format!("round {round} transactions {ids:?}"));
        Input::Payload { round, transactions: payload.into_iter().map(|(_, bytes)| bytes).collect() }
    }

    fn wake_at(&mut self, ctx: &mut Ctx<'_>, at: TimestampMs) {
        // A block dated into the far future is nothing to wake up for in this run.
        if at.0 > START_MS + ctx.scenario.deadline {
            return;
        }
        if self.running().wake_at == Some(at) && at > self.local(ctx.now) {
            return;
        }
        let moment = self.moment(at, ctx.now);
        let process = self.running_mut();
        process.wake = process.wake.wrapping_add(1);
        process.wake_at = Some(at);
        let (wake, node, life) = (process.wake, self.id, self.life);
        ctx.later.push((moment, Later::Wake { node, life, wake }));
    }

    /// The time for which the core asked has come.
    pub(crate) fn woken(&mut self, ctx: &mut Ctx<'_>, wake: u64) {
        if self.process.as_ref().is_some_and(|process| process.wake == wake) {
            self.running_mut().wake_at = None;
            self.feed(ctx, Input::Tick);
        }
    }

    /// A peer is there again.
    pub(crate) fn connected(&mut self, ctx: &mut Ctx<'_>, peer: NodeId) {
        let author = self.process.as_ref().and_then(|process| process.setup.author(peer));
        if let Some(author) = author {
            self.feed(ctx, Input::Connected(author));
        }
    }

    /// A client's transaction. False if it is not taken.
    pub(crate) fn submit(&mut self, ctx: &mut Ctx<'_>, id: TxId, bytes: &bytes::Bytes, eager: bool) -> bool {
        let Some(process) = &self.process else { return false };
        if process.seat.is_none() {
            return false;
        }
        let known = process.known.contains(&id);
        if eager && !known && self.pool.admit_eagerly(id, bytes.clone()) {
            let who = self.subject(ctx);
            ctx.observer.observe(who, &Observation::Handed(&[id]));
            self.feed(ctx, Input::Transactions(vec![bytes.clone()]));
        } else if !known {
            self.pool.admit(id, bytes.clone());
        }
        true
    }

    // The application.

    fn committed(&mut self, ctx: &mut Ctx<'_>, who: Subject, committed: Committed) {
        let digest = committed.commit.digest();
        let print = u64::from_le_bytes(digest.0.0[..8].try_into().expect("eight bytes"));
        ctx.observer.event(ctx.now, self.id, "commit", print, || {
            let commit = &committed.commit;
            format!("{} leader {} blocks {} {digest}", commit.index, commit.leader, commit.blocks.len())
        });
        count_commit(ctx, &committed);
        ctx.observer.observe(who, &Observation::Committed(&committed));
        let (now, process) = (ctx.now, self.running_mut());
        if committed.commit.index <= process.last_commit {
            return;
        }
        process.last_commit = committed.commit.index;
        let ends = committed.end.is_some();
        process.open.push(committed);
        if ends {
            let slice = std::mem::take(&mut process.open);
            process.slices.push_back((now, slice));
            self.execute_next(ctx);
        }
    }

    fn execute_next(&mut self, ctx: &mut Ctx<'_>) {
        let stalled = self.stalled;
        let process = self.running_mut();
        if process.executing || stalled || process.slices.is_empty() {
            return;
        }
        process.executing = true;
        let batches =
            process.slices.front().into_iter().flat_map(|(_, slice)| slice.iter().flat_map(|part| &part.batches));
        let mut ids = batches.flat_map(|batch| batch.transactions.iter().filter_map(transaction_id));
        let busy = ids.any(|id| !process.known.contains(&id));
        let longest = if busy { ctx.scenario.execution.delay } else { ctx.scenario.unit / 20 };
        let at = ctx.now + 1 + ctx.dice.below(longest + 1);
        ctx.later.push((at, Later::Executed { node: self.id, life: self.life }));
    }

    /// Execution of the oldest slice is done.
    pub(crate) fn executed(&mut self, ctx: &mut Ctx<'_>) {
        let Some(process) = self.process.as_mut().filter(|process| process.executing) else { return };
        process.executing = false;
        let Some((_, slice)) = process.slices.pop_front() else { return };
        let entry = execute(&process.tip, &process.known, &slice);
        process.known.extend(&entry.executed);
        let tip = &mut process.tip;
        (tip.height, tip.root, tip.digest) = (entry.height, entry.root, entry.digest);
        process.staged.push_back(entry.clone());
        let who = self.subject(ctx);
        let (height, digest, state) = (entry.height, entry.digest, entry.state.state_digest());
        ctx.observer.event(ctx.now, self.id, "execute", height, || format!("height {height} {digest}"));
        let executed = &entry.executed;
        ctx.observer.observe(who, &Observation::Executed { height, digest, state, executed });
        // Signed only once per height: what was signed is on disk before it is sent.
        let signed = *self.signed.entry(height).or_insert(digest);
        if signed != digest {
            ctx.observer.observe(who, &Observation::Diverged { height });
        }
        self.vote(ctx, height, digest);
        self.execute_next(ctx);
        self.certify_ready(ctx);
    }

    fn vote(&mut self, ctx: &mut Ctx<'_>, height: u64, digest: Hash) {
        let (setup, author) = self.place();
        let Some(author) = author else { return };
        let signature = setup.crypto(author).sign(&vote_message(setup.epoch, height, &digest));
        self.running_mut().votes.entry((height, digest)).or_default().insert(author, signature);
        let envelope = Rc::new(Envelope::Vote { epoch: setup.epoch, height, digest, signature });
        for member in setup.members.iter().filter(|member| member.node != self.id) {
            ctx.sends.push((member.node, Rc::clone(&envelope)));
        }
    }

    /// Certifies the oldest executed blocks for which a quorum has voted.
    fn certify_ready(&mut self, ctx: &mut Ctx<'_>) {
        while let Some(process) = &self.process {
            let Some(entry) = process.staged.front() else { return };
            let height = entry.height;
            let committee = &process.setup.committee;
            let quorum = |votes: &BTreeMap<Author, Ed25519Signature>| {
                committee.stake_of(&votes.keys().copied().collect()) >= committee.quorum()
            };
            let of_height = process.votes.range((height, Hash::ZERO)..=(height, Hash([u8::MAX; 32])));
            let Some(((_, digest), votes)) = of_height.into_iter().find(|(_, votes)| quorum(votes)) else { return };
            if *digest != entry.digest {
                let who = self.subject(ctx);
                ctx.observer.observe(who, &Observation::Diverged { height });
                return;
            }
            let votes = votes.iter().map(|(author, signature)| (*author, *signature)).collect();
            self.certify(ctx, Certificate { votes });
        }
    }

    fn certify(&mut self, ctx: &mut Ctx<'_>, certificate: Certificate) {
        let process = self.running_mut();
        let entry = process.staged.pop_front().expect("a staged block");
        process.votes.retain(|(height, _), _| *height > entry.height);
        process.progress = (entry.height, ctx.now);
        self.pool.executed(&entry.executed);
        let (height, commit, epoch_end) = (entry.height, entry.commit, entry.epoch_end);
        let gc_round = entry.state.gc_round;
        ctx.observer.coverage.count("blocks certified");
        ctx.observer.event(ctx.now, self.id, "certify", height, || format!("height {height} commit {commit}"));
        self.ledger.append(Certified { entry, certificate });
        self.feed(ctx, Input::Certified(commit));
        if self.process.is_none() {
            return;
        }
        if epoch_end {
            self.enter_epoch(ctx);
        } else if ctx.dice.chance(ctx.scenario.prune) {
            self.disk.prune(gc_round, ctx.scenario.rules.gc_depth);
        }
    }

    fn enter_epoch(&mut self, ctx: &mut Ctx<'_>) {
        self.count_stats_of_previous(ctx);
        let seat = self.running_mut().seat.take();
        self.pool.release_all();
        let who = self.subject(ctx);
        ctx.observer.observe(who, &Observation::Entered);
        self.open_process(ctx, seat);
        ctx.observer.coverage.count("epoch changes");
        ctx.later.push((ctx.now, Later::Entered { node: self.id, life: self.life }));
    }

    fn count_stats_of_previous(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(previous) = self.running_mut().previous.take() {
            count_stats(ctx, &previous.core);
        }
    }

    fn update_throttle(&mut self, ctx: &mut Ctx<'_>) {
        let Some(process) = &mut self.process else { return };
        let plan = &ctx.scenario.execution;
        let waiting = (process.slices.len() + process.staged.len()) as u64;
        let oldest = process.slices.front().map_or(ctx.now, |(at, _)| *at);
        let late = process.slices.len() > 1 && ctx.now > oldest + plan.throttle;
        let throttled = waiting > plan.throttle_blocks || late;
        if throttled != process.throttled {
            process.throttled = throttled;
            if throttled {
                ctx.observer.coverage.count("throttled");
            }
            self.feed(ctx, Input::Throttle(throttled));
        }
    }

    /// Repeats votes, tells peers how far it is, asks for state.
    pub(crate) fn housekeeping(&mut self, ctx: &mut Ctx<'_>) {
        let at = ctx.now + 4 * ctx.scenario.unit;
        ctx.later.push((at, Later::Housekeeping { node: self.id, life: self.life }));
        let unsettled: Vec<(u64, Hash)> =
            self.running().staged.iter().take(4).map(|entry| (entry.height, entry.digest)).collect();
        for (height, digest) in unsettled {
            self.vote(ctx, height, digest);
        }
        self.execute_next(ctx);
        self.update_throttle(ctx);
        let Some(process) = &self.process else { return };
        let stuck = ctx.now > process.progress.1 + 12 * ctx.scenario.unit;
        let status = Envelope::Status { epoch: process.setup.epoch, height: self.ledger.height(), stuck };
        for _ in 0..2 {
            self.send_to_any(ctx, status.clone());
        }
        if self.running().lagging.is_some() {
            self.ask_for_state(ctx);
        }
    }

    fn send_to_any(&mut self, ctx: &mut Ctx<'_>, envelope: Envelope) {
        let peer = NodeId::try_from(ctx.dice.below(u64::from(ctx.scenario.nodes))).expect("a node");
        if peer != self.id {
            ctx.sends.push((peer, Rc::new(envelope)));
        }
    }

    fn ask_for_state(&mut self, ctx: &mut Ctx<'_>) {
        self.send_to_any(ctx, Envelope::SyncRequest);
    }

    // Messages.

    /// A message has arrived.
    pub(crate) fn receive(&mut self, ctx: &mut Ctx<'_>, from: NodeId, envelope: &Envelope) {
        match envelope {
            Envelope::Dag { epoch, message } => self.receive_dag(ctx, from, *epoch, message.clone()),
            Envelope::Bytes { epoch, bytes } => match Message::decode(bytes) {
                Ok(message) => self.receive_dag(ctx, from, *epoch, message),
                Err(_) => ctx.observer.coverage.count("undecodable messages"),
            },
            Envelope::Vote { epoch, height, digest, signature } => {
                self.receive_vote(ctx, from, (*epoch, *height), *digest, *signature);
            }
            Envelope::Status { epoch, height, stuck } => self.answer_status(ctx, from, *epoch, *height, *stuck),
            Envelope::Certificates(certified) => {
                for (height, digest, certificate) in certified {
                    self.receive_certificate(ctx, *height, *digest, certificate);
                }
            }
            Envelope::SyncRequest => {
                ctx.sends.push((from, Rc::new(Envelope::Snapshot(self.ledger.clone()))));
            }
            Envelope::Snapshot(ledger) => self.receive_snapshot(ctx, ledger),
        }
    }

    fn receive_dag(&mut self, ctx: &mut Ctx<'_>, from: NodeId, epoch: Epoch, message: Message) {
        let now = self.local(ctx.now);
        let process = self.running_mut();
        if process.setup.epoch == epoch {
            if let Some(from) = process.setup.author(from) {
                self.feed(ctx, Input::Message { from, message });
            }
            return;
        }
        let Some(previous) = process.previous.as_mut().filter(|seat| seat.setup.epoch == epoch) else { return };
        let Some(from) = previous.setup.author(from) else { return };
        ctx.observer.coverage.count("messages to the epoch before");
        let setup = Rc::clone(&previous.setup);
        for output in previous.core.step(now, Input::Message { from, message }) {
            if let Output::Send { to, message } = output
                && let Some(node) = setup.node(to)
            {
                ctx.sends.push((node, Rc::new(Envelope::Dag { epoch, message })));
            }
        }
    }

    fn receive_vote(
        &mut self,
        ctx: &mut Ctx<'_>,
        from: NodeId,
        (epoch, height): (Epoch, u64),
        digest: Hash,
        signature: Ed25519Signature,
    ) {
        if let Some(certified) = self.ledger.get(height) {
            let known = vec![(height, certified.entry.digest, certified.certificate.clone())];
            if certified.entry.height < self.ledger.height() {
                ctx.sends.push((from, Rc::new(Envelope::Certificates(known))));
            }
            return;
        }
        let setup = Rc::clone(&self.running().setup);
        let Some(author) = setup.author(from).filter(|_| setup.epoch == epoch) else { return };
        let message = vote_message(epoch, height, &digest);
        if height < self.ledger.height() + 1_000 && setup.crypto(author).verify(author, &message, &signature) {
            self.running_mut().votes.entry((height, digest)).or_default().insert(author, signature);
            self.certify_ready(ctx);
        }
    }

    fn answer_status(&mut self, ctx: &mut Ctx<'_>, from: NodeId, epoch: Epoch, height: u64, stuck: bool) {
        if height >= self.ledger.height() {
            return;
        }
        let later_epoch = self.running().setup.epoch > epoch;
        let reply = if later_epoch && stuck {
            Envelope::Snapshot(self.ledger.clone())
        } else {
            let missing = (height + 1..).map_while(|height| self.ledger.get(height)).take(CERTIFICATES_MAX);
            let named = |certified: &Rc<Certified>| {
                (certified.entry.height, certified.entry.digest, certified.certificate.clone())
            };
            Envelope::Certificates(missing.map(named).collect())
        };
        ctx.sends.push((from, Rc::new(reply)));
    }

    fn receive_certificate(&mut self, ctx: &mut Ctx<'_>, height: u64, digest: Hash, certificate: &Certificate) {
        let Some(process) = &self.process else { return };
        if height <= self.ledger.height() {
            return;
        }
        let setup = Rc::clone(&process.setup);
        let crypto = setup.crypto(Author(0));
        if certificate.holds(&setup, crypto.as_ref(), height, &digest) {
            let votes = self.running_mut().votes.entry((height, digest)).or_default();
            votes.extend(certificate.votes.iter().copied());
            self.certify_ready(ctx);
        }
    }

    fn receive_snapshot(&mut self, ctx: &mut Ctx<'_>, ledger: &Ledger) {
        let process = self.running();
        let Some(last) = ledger.last().filter(|_| ledger.height() > self.ledger.height()) else { return };
        let stuck = ctx.now > process.progress.1 + 12 * ctx.scenario.unit;
        let wanted = process.lagging.is_some() && last.entry.commit > process.last_commit;
        if !wanted && !stuck && process.seat.is_some() {
            return;
        }
        let setup = ctx.epochs.get(last.entry.epoch);
        let (height, digest) = (last.entry.height, last.entry.digest);
        if !last.certificate.holds(&setup, setup.crypto(Author(0)).as_ref(), height, &digest) {
            return;
        }
        ctx.observer.coverage.count("state syncs");
        ctx.observer.event(ctx.now, self.id, "sync", height, || format!("state of height {height}"));
        self.count_stats(ctx);
        self.ledger = ledger.clone();
        let executed: Vec<TxId> = self.ledger.executed().into_iter().collect();
        self.pool.executed(&executed);
        // What was on its way may have been in rounds that are passed over: it is offered again.
        self.pool.release_all();
        let who = self.subject(ctx);
        ctx.observer.observe(who, &Observation::Entered);
        self.open_process(ctx, None);
        ctx.later.push((ctx.now, Later::Entered { node: self.id, life: self.life }));
    }
}

fn count_message(ctx: &mut Ctx<'_>, message: &Message) {
    let what = match message {
        Message::FetchBlocks(_) => "requests for blocks",
        Message::Blocks { .. } => "answers with blocks",
        Message::FetchBatches(_) => "requests for batches",
        Message::Batches(_) => "answers with batches",
        Message::FetchLast { .. } => "requests for latest blocks",
        Message::Last { .. } => "answers with latest blocks",
        Message::FetchAfter(_) => "requests to catch up",
        Message::Batch(_) => "batches sent",
        Message::Block(_) => return,
    };
    ctx.observer.coverage.count(what);
}

fn count_commit(ctx: &mut Ctx<'_>, committed: &Committed) {
    let coverage = &mut ctx.observer.coverage;
    coverage.count("commits");
    coverage.add("batches committed", committed.batches.len() as u64);
    let slots = committed.commit.blocks.windows(2);
    let both = slots.filter(|pair| (pair[0].round, pair[0].author) == (pair[1].round, pair[1].author));
    coverage.add("both halves of an equivocation ordered", both.count() as u64);
}

fn count_stats(ctx: &mut Ctx<'_>, core: &Core) {
    let (stats, rule) = (core.stats(), core.commit_stats());
    let coverage = &mut ctx.observer.coverage;
    for (what, times) in [
        ("core: equivocations accepted", stats.equivocations_accepted),
        ("core: equivocations refused", stats.equivocations_refused),
        ("core: blocks held for their time", stats.blocks_future),
        ("core: gc drops", stats.gc_drops),
        ("core: batches missing", stats.batches_missing),
        ("core: block fetches", stats.block_fetches),
        ("core: batch fetches", stats.batch_fetches),
        ("core: resends", stats.resends),
        ("core: leader timeouts", stats.leader_timeouts),
        ("core: ancestors left out", stats.ancestors_left_out),
        ("core: batches proposed again", stats.batches_proposed_again),
        ("core: slots skipped", stats.slots_skipped),
        ("core: amnesia resumed", stats.amnesia_resumed),
        ("core: invalid blocks", stats.blocks_invalid.values().sum()),
        ("core: proposals", stats.proposals),
        ("rule: direct commits", rule.direct_commits),
        ("rule: indirect commits", rule.indirect_commits),
        ("rule: direct skips", rule.direct_skips),
        ("rule: indirect skips", rule.indirect_skips),
        ("rule: undecided anchors", rule.undecided_anchors),
        ("rule: equivocated slots", rule.equivocated_slots),
        ("rule: schedule changes", rule.schedule_changes),
        ("rule: lapsed slots", rule.lapsed_slots),
        ("rule: gc drops", rule.gc_drops),
        ("rule: duplicate batches", rule.duplicate_batches),
    ] {
        coverage.add(what, times);
    }
}
