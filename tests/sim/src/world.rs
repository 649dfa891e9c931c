//! The event loop: virtual time, one heap of events ordered by time and number, one source of chance.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};
use std::rc::Rc;

use noema_dag::Message;
use noema_types::{Ed25519Signature, Epoch, Hash};

use crate::byzantine::{Adversary, Behaviour, Evil};
use crate::checkers::Violation;
use crate::coverage::Coverage;
use crate::epochs::Epochs;
use crate::ledger::{Certificate, Ledger, TxId};
use crate::network::Network;
use crate::observer::Observer;
use crate::pool::{Transaction, transactions};
use crate::rng::Dice;
use crate::scenario::{Fault, Scenario};
use crate::validator::{Ctx, Validator};
use crate::{Micros, NodeId, START_MS};

/// What travels between validators.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "always behind one pointer")]
pub(crate) enum Envelope {
    /// Of the core of an epoch.
    Dag { epoch: Epoch, message: Message },
    /// The same as bytes, perhaps not decodable.
    Bytes { epoch: Epoch, bytes: Vec<u8> },
    /// The sender has executed this.
    Vote { epoch: Epoch, height: u64, digest: Hash, signature: Ed25519Signature },
    /// The sender's ledger ends here, and whether it did so for long.
    Status { epoch: Epoch, height: u64, stuck: bool },
    /// Certificates by height.
    Certificates(Vec<(u64, Hash, Certificate)>),
    /// The sender wants the ledger.
    SyncRequest,
    /// A certified ledger.
    Snapshot(Ledger),
}

/// Something that a validator wants to be told later.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Later {
    /// Its core asked for a tick.
    Wake { node: NodeId, life: u64, wake: u64 },
    /// Time for votes and status.
    Housekeeping { node: NodeId, life: u64 },
    /// A block is executed.
    Executed { node: NodeId, life: u64 },
    /// It is in a new epoch, or in another place: peers connect.
    Entered { node: NodeId, life: u64 },
}

/// An event in the order of time, and of scheduling where times are equal.
#[derive(Debug)]
struct Scheduled {
    at: Micros,
    number: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest, so that a heap gives it first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[derive(Debug)]
enum Event {
    Deliver { from: NodeId, to: NodeId, envelope: Rc<Envelope> },
    Later(Later),
    Connected { node: NodeId, peer: NodeId },
    Submit { transaction: usize, attempt: u64 },
    FaultBegins(usize),
    FaultEnds(usize),
    EvilTick(NodeId),
    Check,
}

#[derive(Debug)]
enum Seat {
    Honest(Box<Validator>),
    Byzantine(Box<dyn Adversary>),
}

/// Events of a run, at most: a storm of messages is a fault too. Sixteen validators next to each other come to a thousand
/// rounds, and with that to 400,000 events.
const EVENTS_MAX: u64 = 1_000_000;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Hash over all events: equal for equal seeds.
    pub hash: Hash,
    /// What was exercised.
    pub coverage: Coverage,
    /// What did not hold.
    pub violation: Option<Violation>,
    /// The last events, if they were asked for.
    pub trace: Vec<String>,
}

struct World<'a> {
    scenario: &'a Scenario,
    epochs: Epochs,
    now: Micros,
    number: u64,
    heap: BinaryHeap<Scheduled>,
    seats: Vec<Seat>,
    network: Network,
    dice: Dice,
    observer: Observer,
    transactions: Vec<Transaction>,
    done: BTreeSet<TxId>,
    taken: u64,
    newest: Epoch,
    goal: Option<u64>,
}

/// Runs a scenario to its end.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    run_traced(scenario, 0)
}

/// Runs a scenario and keeps the last events as text.
#[must_use]
pub fn run_traced(scenario: &Scenario, events: usize) -> Outcome {
    let mut world = World::new(scenario, events);
    if scenario.two_sided {
        // Half of the stake sets the time as well: what it does to the order is what such a run is for.
        world.observer.ignore("timestamps");
    }
    world.begin();
    while world.observer.violation.is_none() && world.turn() {}
    world.finish()
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, events: usize) -> Self {
        let mut dice = Dice::new(scenario.seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        let transactions = transactions(&scenario.load, &mut dice);
        let honest = |node: NodeId| {
            let clock = scenario.clocks[usize::from(node)];
            Seat::Honest(Box::new(Validator::new(node, clock, scenario.stabilisation)))
        };
        let seat = |node: NodeId| match scenario.byzantine.get(&node) {
            None | Some(Behaviour::Slow) => honest(node),
            Some(behaviour) => Seat::Byzantine(behaviour.adversary(node, scenario)),
        };
        Self {
            scenario,
            epochs: Epochs::new(scenario),
            now: 0,
            number: 0,
            heap: BinaryHeap::new(),
            seats: (0..scenario.nodes).map(seat).collect(),
            network: Network::new(scenario.network.clone(), scenario.stabilisation),
            dice,
            observer: Observer::new(events),
            transactions,
            done: BTreeSet::new(),
            taken: 0,
            newest: Epoch(0),
            goal: None,
        }
    }

    fn schedule(&mut self, at: Micros, event: Event) {
        self.number += 1;
        self.heap.push(Scheduled { at: at.max(self.now), number: self.number, event });
    }

    fn begin(&mut self) {
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            self.schedule(fault.from, Event::FaultBegins(index));
            self.schedule(fault.until, Event::FaultEnds(index));
        }
        for index in 0..self.transactions.len() {
            self.schedule(self.transactions[index].at, Event::Submit { transaction: index, attempt: 0 });
        }
        for (number, (node, behaviour)) in self.scenario.byzantine.iter().enumerate() {
            if *behaviour == Behaviour::Slow {
                let extra = self.scenario.unit;
                self.network.slow_node(usize::MAX - number, *node, extra);
            } else {
                self.schedule(0, Event::EvilTick(*node));
            }
            self.observer.coverage.count(behaviour.name());
        }
        self.enter(Epoch(1));
        for node in 0..self.scenario.nodes {
            self.honest(node, |validator, ctx| validator.start(ctx));
        }
        self.schedule(self.scenario.stabilisation, Event::Check);
    }

    /// Takes the next event. False when the run is over.
    fn turn(&mut self) -> bool {
        let Some(Scheduled { at, event, .. }) = self.heap.pop() else { return false };
        self.taken += 1;
        if self.taken > EVENTS_MAX {
            let detail = format!("{EVENTS_MAX} events are not enough");
            self.observer.violation = Some(Violation { property: "bounded work", at, detail });
            return false;
        }
        self.now = at;
        match event {
            Event::Deliver { from, to, envelope } => self.deliver(from, to, &envelope),
            Event::Later(later) => self.later(later),
            Event::Connected { node, peer } => {
                if self.network.reaches(node, peer) && self.is_up(peer) {
                    self.honest(node, |validator, ctx| validator.connected(ctx, peer));
                }
            }
            Event::Submit { transaction, attempt } => self.submit(transaction, attempt),
            Event::FaultBegins(index) => self.fault_begins(index),
            Event::FaultEnds(index) => self.fault_ends(index),
            Event::EvilTick(node) => {
                self.evil(node, |adversary, evil| adversary.tick(evil));
                self.schedule(self.now + self.scenario.unit / 3, Event::EvilTick(node));
            }
            Event::Check => return self.check(),
        }
        true
    }

    fn is_up(&self, node: NodeId) -> bool {
        match &self.seats[usize::from(node)] {
            Seat::Honest(validator) => validator.is_up(),
            Seat::Byzantine(_) => true,
        }
    }

    fn validators(&self) -> impl Iterator<Item = &Validator> {
        self.seats.iter().filter_map(|seat| match seat {
            Seat::Honest(validator) => Some(validator.as_ref()),
            Seat::Byzantine(_) => None,
        })
    }

    /// Lets an honest validator handle something and carries out what follows.
    fn honest(&mut self, node: NodeId, handle: impl FnOnce(&mut Validator, &mut Ctx<'_>)) {
        let Seat::Honest(validator) = &mut self.seats[usize::from(node)] else { return };
        let (mut sends, mut later) = (Vec::new(), Vec::new());
        let height = validator.ledger.height();
        let mut ctx = Ctx {
            now: self.now,
            scenario: self.scenario,
            epochs: &self.epochs,
            dice: &mut self.dice,
            observer: &mut self.observer,
            sends: &mut sends,
            later: &mut later,
        };
        handle(validator, &mut ctx);
        let epoch = validator.epoch();
        for height in height + 1..=validator.ledger.height() {
            let certified = validator.ledger.get(height).expect("a height of the ledger");
            self.done.extend(&certified.entry.executed);
        }
        for (to, envelope) in sends {
            self.send(node, to, &envelope);
        }
        for (at, later) in later {
            self.schedule(at, Event::Later(later));
        }
        if let Some(epoch) = epoch.filter(|epoch| *epoch > self.newest) {
            self.enter(epoch);
        }
    }

    /// Lets a Byzantine validator do something and sends what it says.
    fn evil(&mut self, node: NodeId, handle: impl FnOnce(&mut dyn Adversary, &mut Evil<'_>)) {
        let Seat::Byzantine(adversary) = &mut self.seats[usize::from(node)] else { return };
        let mut sends = Vec::new();
        let mut evil = Evil {
            now_ms: START_MS + self.now / 1_000,
            setup: self.epochs.get(self.newest),
            dice: &mut self.dice,
            sends: &mut sends,
        };
        handle(adversary.as_mut(), &mut evil);
        for (to, envelope) in sends {
            if to != node {
                self.send(node, to, &envelope);
            }
        }
    }

    /// The first honest validator is in a new epoch.
    fn enter(&mut self, epoch: Epoch) {
        self.newest = epoch;
        let setup = self.epochs.get(epoch);
        for author in setup.committee.authors() {
            let node = setup.node(author).expect("a member");
            let honest = matches!(self.seats[usize::from(node)], Seat::Honest(_));
            self.observer.roster.add(epoch, author, honest);
        }
        let tip = self
            .validators()
            .find(|validator| validator.epoch() == Some(epoch))
            .map_or_else(|| Ledger::default().tip(&self.epochs), |validator| validator.ledger.tip(&self.epochs));
        for node in 0..self.scenario.nodes {
            let base = tip.base.clone();
            self.evil(node, |adversary, evil| adversary.enter(evil, &base));
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, envelope: &Rc<Envelope>) {
        for at in self.network.arrivals(self.now, from, to, &mut self.dice) {
            self.schedule(at, Event::Deliver { from, to, envelope: Rc::clone(envelope) });
        }
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, envelope: &Rc<Envelope>) {
        if !self.network.reaches(from, to) || !self.is_up(to) {
            return;
        }
        let (now, print) = (self.now, fingerprint(envelope));
        self.observer.event(now, to, "receive", print, || format!("from v{from}: {}", describe(envelope)));
        self.honest(to, |validator, ctx| validator.receive(ctx, from, envelope));
        self.evil(to, |adversary, evil| adversary.receive(evil, from, envelope));
    }

    fn later(&mut self, later: Later) {
        let (Later::Wake { node, life, .. }
        | Later::Housekeeping { node, life }
        | Later::Executed { node, life }
        | Later::Entered { node, life }) = later;
        let Seat::Honest(validator) = &self.seats[usize::from(node)] else { return };
        if validator.life != life || !validator.is_up() {
            return;
        }
        match later {
            Later::Wake { wake, .. } => {
                self.observer.event(self.now, node, "tick", 0, String::new);
                self.honest(node, |validator, ctx| validator.woken(ctx, wake));
            }
            Later::Housekeeping { .. } => self.honest(node, |validator, ctx| validator.housekeeping(ctx)),
            Later::Executed { .. } => self.honest(node, |validator, ctx| validator.executed(ctx)),
            Later::Entered { .. } => self.connect(node),
        }
    }

    /// A validator is there (again): everybody who reaches it hears of it, and it of them.
    fn connect(&mut self, node: NodeId) {
        for peer in (0..self.scenario.nodes).filter(|peer| *peer != node) {
            if self.network.reaches(node, peer) && self.is_up(peer) {
                let at = self.now + self.scenario.network.latency.one_way(node, peer) * 2 + 1;
                self.schedule(at, Event::Connected { node, peer });
                self.schedule(at, Event::Connected { node: peer, peer: node });
            }
        }
    }

    fn submit(&mut self, index: usize, attempt: u64) {
        let Transaction { id, bytes, eager, .. } = self.transactions[index].clone();
        if self.done.contains(&id) {
            return;
        }
        if attempt > 0 {
            self.observer.coverage.count("fail-overs of clients");
        }
        let members = &self.epochs.get(self.newest).members;
        let turn = usize::try_from(attempt).expect("few attempts") + usize::try_from(id).expect("few transactions");
        let node = members[turn % members.len()].node;
        let mut taken = matches!(self.seats[usize::from(node)], Seat::Byzantine(_));
        self.honest(node, |validator, ctx| taken = validator.submit(ctx, id, &bytes, eager));
        self.evil(node, |adversary, _| adversary.submit(&bytes));
        let timeout = self.scenario.load.timeout;
        let wait = if taken { timeout * (attempt + 1).min(3) } else { timeout / 4 + 1 };
        self.schedule(self.now + wait, Event::Submit { transaction: index, attempt: attempt + 1 });
    }

    fn fault_begins(&mut self, index: usize) {
        let fault = self.scenario.faults[index].fault.clone();
        self.observer.event(self.now, 0, "fault", index as u64, || format!("{fault:?} begins"));
        match fault {
            Fault::Crash(nodes) => {
                for node in nodes {
                    if self.dice.chance(400) {
                        let outputs = self.dice.below(12);
                        self.honest(node, |validator, _| validator.crash_soon(outputs));
                    } else {
                        self.honest(node, |validator, ctx| validator.crash(ctx));
                    }
                }
            }
            Fault::Amnesia { node, keep_ledger } => {
                self.honest(node, |validator, ctx| {
                    validator.crash(ctx);
                    validator.wipe(ctx, keep_ledger);
                });
            }
            Fault::Partition(side) => {
                self.observer.coverage.count("partitions");
                self.network.cut(index, side);
            }
            Fault::Asymmetric { from, to, extra } => self.network.slow_link(index, from, to, extra),
            Fault::SlowNode { node, extra } => self.network.slow_node(index, node, extra),
            Fault::Stall(node) => self.honest(node, |validator, _| validator.stalled = true),
        }
    }

    fn fault_ends(&mut self, index: usize) {
        let fault = self.scenario.faults[index].fault.clone();
        self.observer.event(self.now, 0, "heal", index as u64, || format!("{fault:?} ends"));
        let side = self.network.heal(index);
        match fault {
            Fault::Crash(nodes) => nodes.into_iter().for_each(|node| self.restart(node)),
            Fault::Amnesia { node, .. } => self.restart(node),
            Fault::Partition(_) => {
                for node in side.unwrap_or_default() {
                    self.connect(node);
                }
            }
            Fault::Stall(node) => self.honest(node, |validator, _| validator.stalled = false),
            Fault::Asymmetric { .. } | Fault::SlowNode { .. } => {}
        }
    }

    fn restart(&mut self, node: NodeId) {
        // One that was to die in the midst of something dies now at the latest.
        self.honest(node, |validator, ctx| {
            validator.crash(ctx);
            validator.start(ctx);
        });
        self.connect(node);
    }

    /// After stabilisation: is everything done? False when it is, or when it is too late.
    fn check(&mut self) -> bool {
        if self.is_done() {
            return false;
        }
        if self.now >= self.scenario.deadline {
            self.give_up();
            return false;
        }
        self.schedule(self.now + 2 * self.scenario.unit, Event::Check);
        true
    }

    fn is_done(&mut self) -> bool {
        let all_executed = self.done.len() == self.transactions.len();
        let settled = all_executed && self.observer.owes().is_none();
        if self.goal.is_none() && settled {
            let highest = self.validators().map(|validator| validator.ledger.height()).max();
            self.goal = Some(highest.unwrap_or(0) + 2);
        }
        let Some(goal) = self.goal else { return false };
        let newest = self.newest;
        let caught_up = |validator: &Validator| {
            validator.epoch() != Some(newest) || !validator.is_member() || validator.ledger.height() >= goal
        };
        let in_newest = |validator: &Validator| validator.epoch().is_some_and(|epoch| epoch >= newest);
        settled && self.validators().all(|validator| in_newest(validator) && caught_up(validator))
    }

    fn give_up(&mut self) {
        let missing = self.transactions.len() - self.done.len();
        let validators: Vec<String> =
            self.validators().map(|validator| format!("v{}: {}", validator.id, validator.describe())).collect();
        let owed = self.observer.owes();
        let property = owed.as_ref().map_or("progress", |(property, _)| *property);
        let detail = format!(
            "{} µs after stabilisation: {missing} transactions are not executed, goal {:?}, owed {owed:?}; {}",
            self.now - self.scenario.stabilisation,
            self.goal,
            validators.join("; ")
        );
        self.observer.violation = Some(Violation { property, at: self.now, detail });
    }

    fn finish(mut self) -> Outcome {
        let units = self.now.saturating_sub(self.scenario.stabilisation) / self.scenario.unit;
        self.observer.coverage.highest("max rounds of time to settle", units);
        self.observer.coverage.count("seeds");
        for node in 0..self.scenario.nodes {
            self.honest(node, |validator, ctx| validator.count_stats(ctx));
        }
        let events = self.number;
        self.observer.coverage.add("events", events);
        let (hash, coverage, violation, trace) = self.observer.finish();
        Outcome { hash, coverage, violation, trace }
    }
}

/// A cheap number that differs where contents differ.
fn fingerprint(envelope: &Envelope) -> u64 {
    let first = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    match envelope {
        Envelope::Dag { message: Message::Block(block), .. } => first(&block.v1().signature.0),
        Envelope::Dag { message, .. } => message.class() as u64,
        Envelope::Bytes { bytes, .. } => first(blake3::hash(bytes).as_bytes()),
        Envelope::Vote { height, digest, .. } => height ^ first(&digest.0),
        Envelope::Status { height, .. } => *height,
        Envelope::Certificates(certified) => certified.len() as u64,
        Envelope::SyncRequest => 1,
        Envelope::Snapshot(ledger) => ledger.height(),
    }
}

fn describe(envelope: &Envelope) -> String {
    match envelope {
        Envelope::Dag { epoch, message } => format!("epoch {epoch} {}", describe_message(message)),
        Envelope::Bytes { bytes, .. } => format!("{} bytes", bytes.len()),
        Envelope::Vote { height, digest, .. } => format!("vote for height {height} {digest}"),
        Envelope::Status { epoch, height, stuck } => format!("status epoch {epoch} height {height} stuck {stuck}"),
        Envelope::Certificates(certified) => format!("{} certificates", certified.len()),
        Envelope::SyncRequest => "request for state".to_owned(),
        Envelope::Snapshot(ledger) => format!("state of height {}", ledger.height()),
    }
}

fn describe_message(message: &Message) -> String {
    match message {
        Message::Block(block) => {
            let ancestors: Vec<String> =
                block.v1().header.ancestors.iter().map(|ancestor| ancestor.to_string()).collect();
            let batches = block.v1().header.batches.len();
            format!("block {} batches {batches} on {}", block.v1().reference(), ancestors.join(", "))
        }
        Message::Blocks { blocks, held_from } => {
            let names: Vec<String> = blocks.iter().map(|block| block.v1().reference().to_string()).collect();
            format!("blocks {} held from {held_from}", names.join(", "))
        }
        Message::FetchBlocks(wanted) => {
            let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            format!("wants {}", names.join(", "))
        }
        other => {
            let text = format!("{other:?}");
            text.chars().take(200).collect()
        }
    }
}
