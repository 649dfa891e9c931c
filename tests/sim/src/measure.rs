//! Latency with wide-area delays: from the moment a batch is cut to its commit at its maker.
//!
//! Validators of equal stake are spread over the ten regions of [`crate::latency`] in turn. Every payload carries one
//! transaction; it is cut when the core asks for it. D is the median, over live validators, of the one-way delay from
//! the nearest validators with more than two thirds of the stake, itself included.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::rc::Rc;

use noema_dag::{Committed, Core, CoreConfig, Input, Message, Output, Pace, Rules};
use noema_types::{Author, Epoch, TimestampMs};

use crate::epochs::{EpochSetup, Epochs};
use crate::latency::Latency;
use crate::rng::Dice;
use crate::scenario::{Member, Scenario};
use crate::{Micros, NodeId, START_MS};

/// Commits of a schedule window in this measurement.
const WINDOW_COMMITS: u64 = 60;
/// Virtual time that is measured.
const DURATION: Micros = 14_000_000;
/// Extra delay of a message, at most.
const JITTER: Micros = 2_000;
/// Bounds of the specification, in tenths of D.
const BOUND: u64 = 45;
const LEADER_BOUND: u64 = 35;
const BOUND_FIRST_WINDOW: u64 = 75;

/// What was measured with one committee.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Validators.
    pub validators: u16,
    /// Of these, never started.
    pub crashed: u16,
    /// One-way delay that a quorum takes.
    pub d: Micros,
    /// Latency of all transactions.
    pub all: Micros,
    /// Latency of all transactions cut in the first window.
    pub first: Micros,
    /// Latency of all transactions cut after it.
    pub later: Micros,
    /// Latency of transactions in blocks of leaders, after the first window.
    pub leaders: Micros,
    /// Transactions measured.
    pub samples: usize,
}

impl Measured {
    /// Whether the bounds of the specification hold.
    #[must_use]
    pub fn is_within_bounds(&self) -> bool {
        let within = |latency: Micros, tenths: u64| latency * 10 <= self.d * tenths;
        if self.crashed == 0 {
            return within(self.all, BOUND) && within(self.leaders, LEADER_BOUND);
        }
        within(self.first, BOUND_FIRST_WINDOW) && within(self.later, BOUND)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |latency: Micros| {
            let hundredths = latency * 100 / self.d.max(1);
            format!("{} ms = {}.{:02} D", latency / 1_000, hundredths / 100, hundredths % 100)
        };
        write!(
            f,
            "{} validators, {} crashed: D {} ms; p50 of all {}, cut in the first window {}, cut later {}, in leader \
             blocks {}; {} transactions; bounds {}: {}",
            self.validators,
            self.crashed,
            self.d / 1_000,
            times(self.all),
            times(self.first),
            times(self.later),
            times(self.leaders),
            self.samples,
            if self.crashed == 0 { "all 4.5 D, leader blocks 3.5 D" } else { "first window 7.5 D, later 4.5 D" },
            if self.is_within_bounds() { "within" } else { "NOT WITHIN" }
        )
    }
}

enum Event {
    Message { from: Author, message: Rc<Message> },
    Wake(u64),
}

struct Seat {
    core: Core,
    wake: u64,
    /// When the payload with this number was cut.
    cuts: Vec<Micros>,
}

struct Sample {
    cut: Micros,
    latency: Micros,
    leader: bool,
}

struct Bench {
    setup: Rc<EpochSetup>,
    latency: Latency,
    dice: Dice,
    now: Micros,
    seats: Vec<Option<Seat>>,
    heap: BinaryHeap<Reverse<(Micros, u64)>>,
    events: BTreeMap<u64, (usize, Event)>,
    number: u64,
    samples: Vec<Sample>,
    first_window_until: Option<Micros>,
}

/// Measures a committee of which the last `crashed` never start.
#[must_use]
pub fn measure(validators: u16, crashed: u16) -> Measured {
    let mut bench = Bench::new(validators, crashed);
    bench.run();
    bench.result(validators, crashed)
}

/// Time from the nearest validators with more than two thirds of the stake to each live one; the median of these.
fn quorum_delay(latency: &Latency, validators: u16, live: &[NodeId]) -> Micros {
    let quorum = usize::from(validators) * 2 / 3 + 1;
    let delay = |to: &NodeId| {
        let mut delays: Vec<Micros> = live.iter().map(|from| latency.one_way(*from, *to)).collect();
        delays.sort_unstable();
        delays[quorum - 1]
    };
    median(live.iter().map(delay).collect())
}

fn median(mut values: Vec<Micros>) -> Micros {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

impl Bench {
    fn new(validators: u16, crashed: u16) -> Self {
        let mut scenario = Scenario::of_seed(0);
        scenario.committees = vec![(0..validators).map(|node| Member { node, stake: 1, key: 0 }).collect()];
        scenario.epoch_ms = None;
        let epochs = Epochs::new(&scenario);
        let setup = epochs.get(Epoch(1));
        let base = epochs.genesis();
        let seat = |author: Author| {
            // Spread over the committee, so that no region is lost as a whole.
            let dead = crashed > 0 && author.0 % 3 == 1 && author.0 / 3 < crashed;
            let config = CoreConfig {
                committee: setup.committee.clone(),
                own: author,
                epoch_end: TimestampMs(u64::MAX),
                rules: Rules { window_commits: WINDOW_COMMITS, ..Rules::default() },
                pace: Pace::default(),
                crypto: setup.crypto(author),
                log_lost: false,
                nonce: u64::from(author.0),
            };
            (!dead).then(|| Seat { core: Core::new(config, base.clone()), wake: 0, cuts: Vec::new() })
        };
        Self {
            seats: setup.committee.authors().map(seat).collect(),
            latency: Latency::wide_area(usize::from(validators), 0),
            dice: Dice::new(1),
            now: 0,
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            samples: Vec::new(),
            first_window_until: None,
            setup,
        }
    }

    fn schedule(&mut self, at: Micros, seat: usize, event: Event) {
        self.number += 1;
        self.heap.push(Reverse((at, self.number)));
        self.events.insert(self.number, (seat, event));
    }

    fn run(&mut self) {
        for seat in 0..self.seats.len() {
            self.feed(seat, Input::Tick);
        }
        while let Some(Reverse((at, number))) = self.heap.pop() {
            let (seat, event) = self.events.remove(&number).expect("every number on the heap has an event");
            self.now = at;
            if at > DURATION {
                return;
            }
            match event {
                Event::Message { from, message } => {
                    let message = (*message).clone();
                    self.feed(seat, Input::Message { from, message });
                }
                Event::Wake(wake) => {
                    if self.seats[seat].as_ref().is_some_and(|seat| seat.wake == wake) {
                        self.feed(seat, Input::Tick);
                    }
                }
            }
        }
    }

    fn feed(&mut self, place: usize, input: Input) {
        let now = TimestampMs(START_MS + self.now / 1_000);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(seat) = &mut self.seats[place] else { return };
            seat.wake += 1;
            let outputs = seat.core.step(now, input);
            for output in outputs {
                inputs.extend(self.output(place, output));
            }
        }
    }

    fn output(&mut self, place: usize, output: Output) -> Option<Input> {
        let from = Author(u16::try_from(place).expect("a small committee"));
        match output {
            Output::Broadcast(message) => {
                let message = Rc::new(message);
                for to in self.setup.committee.authors().filter(|to| *to != from) {
                    self.send(from, to, &message);
                }
            }
            Output::Send { to, message } => self.send(from, to, &Rc::new(message)),
            Output::Propose { round, .. } => {
                let seat = self.seats[place].as_mut().expect("it has just put this out");
                let mut transaction = (seat.cuts.len() as u64).to_le_bytes().to_vec();
                transaction.resize(512, 0);
                seat.cuts.push(self.now);
                return Some(Input::Payload { round, transactions: vec![transaction.into()] });
            }
            Output::Commit(committed) => self.committed(place, from, &committed),
            Output::WakeAt(at) => {
                let moment = at.0.saturating_sub(START_MS).saturating_mul(1_000).max(self.now + 1);
                let wake = self.seats[place].as_ref().expect("it has just put this out").wake;
                self.schedule(moment, place, Event::Wake(wake));
            }
            _ => {}
        }
        None
    }

    fn send(&mut self, from: Author, to: Author, message: &Rc<Message>) {
        let at = self.now + self.latency.one_way(from.0, to.0) + self.dice.below(JITTER);
        self.schedule(at, usize::from(to.0), Event::Message { from, message: Rc::clone(message) });
    }

    fn committed(&mut self, place: usize, own: Author, committed: &Committed) {
        if committed.commit.index.0 == WINDOW_COMMITS && self.first_window_until.is_none() {
            self.first_window_until = Some(self.now);
        }
        let seat = self.seats[place].as_ref().expect("it has just put this out");
        for batch in committed.batches.iter().filter(|batch| batch.author == own) {
            for transaction in &batch.transactions {
                let number = u64::from_le_bytes(transaction[..8].try_into().expect("eight bytes of 512"));
                let cut = seat.cuts[usize::try_from(number).expect("few payloads")];
                let leader = committed.commit.leader.author == own && committed.commit.leader.round == batch.created;
                self.samples.push(Sample { cut, latency: self.now - cut, leader });
            }
        }
    }

    fn result(&self, validators: u16, crashed: u16) -> Measured {
        let live: Vec<NodeId> = (0..validators).filter(|node| self.seats[usize::from(*node)].is_some()).collect();
        let until = self.first_window_until.unwrap_or(DURATION);
        let p50 = |wanted: &dyn Fn(&Sample) -> bool| {
            median(self.samples.iter().filter(|sample| wanted(sample)).map(|sample| sample.latency).collect())
        };
        Measured {
            validators,
            crashed,
            d: quorum_delay(&self.latency, validators, &live),
            all: p50(&|_| true),
            first: p50(&|sample| sample.cut < until),
            later: p50(&|sample| sample.cut >= until),
            leaders: p50(&|sample| sample.cut >= until && sample.leader),
            samples: self.samples.len(),
        }
    }
}
