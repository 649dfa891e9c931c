//! What a seed stands for: who validates with which stake, who is Byzantine and how, network, clocks, faults, load.

use std::collections::{BTreeMap, BTreeSet};

use noema_dag::{Pace, PayloadLimits, Rules};

use crate::byzantine::Behaviour;
use crate::latency::Latency;
use crate::rng::Dice;
use crate::{Micros, NodeId};

/// A validator's place in an epoch's committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// Its weight.
    pub stake: u64,
    /// Which of its keys it uses.
    pub key: u64,
}

/// A validator's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Ahead of true time by so much.
    pub offset_us: i64,
    /// Too fast, in millionths.
    pub drift_ppm: i64,
}

/// Something that goes wrong, and when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// These processes are killed; what they did not sync is lost in part.
    Crash(Vec<NodeId>),
    /// The process is killed and its log is wiped; the ledger too, unless it is kept.
    Amnesia {
        /// Whose.
        node: NodeId,
        /// Whether the executed ledger survives.
        keep_ledger: bool,
    },
    /// These do not reach the others, nor the others them.
    Partition(BTreeSet<NodeId>),
    /// Messages from one to another take longer, in this direction only.
    Asymmetric {
        /// From.
        from: NodeId,
        /// To.
        to: NodeId,
        /// By how much.
        extra: Micros,
    },
    /// Everything that this validator sends is late.
    SlowNode {
        /// Who.
        node: NodeId,
        /// By how much.
        extra: Micros,
    },
    /// Execution stands still.
    Stall(NodeId),
}

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedFault {
    /// It begins.
    pub from: Micros,
    /// It is over: healed, restarted.
    pub until: Micros,
    /// What.
    pub fault: Fault,
}

/// How messages travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Base delays.
    pub latency: Latency,
    /// Extra delay of a message, at most.
    pub jitter: Micros,
    /// Messages lost of a thousand, before stabilisation.
    pub loss: u64,
    /// Messages lost of a thousand, afterwards.
    pub loss_after: u64,
    /// Messages that arrive twice, of a thousand.
    pub duplicates: u64,
    /// Whether a link delivers in order.
    pub ordered: bool,
}

/// What clients do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Transactions submitted.
    pub transactions: u64,
    /// Between them, about.
    pub interval: Micros,
    /// Before a client turns to the next validator.
    pub timeout: Micros,
    /// Of a thousand transactions, so many are too large to travel inline.
    pub large: u64,
    /// Of a thousand transactions, so many are made into a batch at once.
    pub eager: u64,
}

/// What execution is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Longest time for a block.
    pub delay: Micros,
    /// Blocks ordered and not certified before proposals are empty.
    pub throttle_blocks: u64,
    /// The same, as time.
    pub throttle: Micros,
}

/// All of a run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Where it comes from.
    pub seed: u64,
    /// Validators over all epochs.
    pub nodes: u16,
    /// Committees, epoch after epoch; the last one goes on.
    pub committees: Vec<Vec<Member>>,
    /// How long an epoch takes; none if there is only one.
    pub epoch_ms: Option<u64>,
    /// Who is Byzantine.
    pub byzantine: BTreeMap<NodeId, Behaviour>,
    /// Rules that all share.
    pub rules: Rules,
    /// Own choices, the same for all.
    pub pace: Pace,
    /// Network.
    pub network: NetworkPlan,
    /// Clocks by validator.
    pub clocks: Vec<Clock>,
    /// Faults.
    pub faults: Vec<TimedFault>,
    /// Load.
    pub load: Load,
    /// Execution.
    pub execution: Execution,
    /// About the time of a round: what the other times are multiples of.
    pub unit: Micros,
    /// From here on nothing goes wrong but Byzantine validators.
    pub stabilisation: Micros,
    /// Everything must be done by then.
    pub deadline: Micros,
    /// Of a thousand certified blocks, so many are followed by a log pruning.
    pub prune: u64,
    /// Whether Byzantine equivocators show each half of the others a world of its own. Only with too much stake.
    pub two_sided: bool,
}

/// Rounds' worth of time after stabilisation in which everything must be done.
pub const UNITS_TO_SETTLE: u64 = 800;

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let nodes = committee_size(&mut dice);
        let (network, unit) = network(nodes, &mut dice);
        let committees = committees(nodes, &mut dice);
        let mut suspects = Suspects::new(&committees);
        let byzantine = byzantine(nodes, &mut suspects, &mut dice);
        let active = unit * dice.between(20, 50);
        let faults = faults(nodes, active, unit, &mut suspects, &byzantine, &mut dice);
        let epoch_ms = (committees.len() > 1 || dice.chance(150)).then(|| unit * dice.between(15, 40) / 1_000);
        let clocks = clocks(nodes, unit, &mut dice);
        let skew = clocks.iter().map(|clock| clock.offset_us.unsigned_abs()).max().unwrap_or(0);
        let load = load(active, unit, &mut dice);
        let slow = network.jitter > unit / 2 || byzantine.values().any(|behaviour| *behaviour == Behaviour::Slow);
        let deep = slow || committees.iter().any(|members| is_dominated(members));
        let (rules, pace) = parameters(unit, deep, &mut dice);
        let execution = Execution {
            delay: dice.between(0, 2 * unit),
            throttle_blocks: if dice.chance(300) { dice.between(2, 8) } else { 64 },
            throttle: if dice.chance(300) { 10 * unit } else { 10_000_000 },
        };
        let stabilisation = active;
        let deadline = stabilisation + UNITS_TO_SETTLE * unit + 6 * skew;
        let prune = if dice.chance(500) { 300 } else { 0 };
        Self {
            seed,
            nodes,
            committees,
            epoch_ms,
            byzantine,
            rules,
            pace,
            network,
            clocks,
            faults,
            load,
            execution,
            unit,
            stabilisation,
            deadline,
            prune,
            two_sided: false,
        }
    }

    /// Half of the stake, or a bit more, equivocates towards two halves of the others that do not reach each other:
    /// beyond what the protocol withstands, so that the checkers have to fire.
    #[must_use]
    pub fn beyond_the_bound(seed: u64) -> Self {
        let mut scenario = Self::of_seed(seed);
        let mut dice = Dice::new(seed ^ 0x5eed);
        scenario.nodes = 4;
        scenario.committees = vec![(0..4).map(|node| Member { node, stake: 1, key: 0 }).collect()];
        scenario.epoch_ms = None;
        scenario.byzantine = [(2, Behaviour::Equivocator), (3, Behaviour::Equivocator)].into();
        let (network, unit) = network(4, &mut dice);
        scenario.network = NetworkPlan { loss: 0, loss_after: 0, ..network };
        scenario.unit = unit;
        (scenario.rules, scenario.pace) = parameters(unit, true, &mut dice);
        scenario.clocks = vec![Clock::default(); 4];
        scenario.stabilisation = 60 * unit;
        scenario.deadline = 400 * unit;
        let cut = Fault::Partition(BTreeSet::from([0]));
        scenario.faults = vec![TimedFault { from: 0, until: scenario.stabilisation, fault: cut }];
        scenario.load = load(scenario.stabilisation, unit, &mut dice);
        scenario.two_sided = true;
        scenario
    }

    /// One line about it.
    #[must_use]
    pub fn summary(&self) -> String {
        let stakes: Vec<u64> = self.committees[0].iter().map(|member| member.stake).collect();
        let faults: Vec<&TimedFault> = self.faults.iter().collect();
        format!(
            "nodes {} stakes {stakes:?} committees {} byzantine {:?} unit {} µs stable at {} ms loss {}/{} ‰ \
             leaders {} gc {} window {} epoch {:?} ms skew {:?} faults {faults:?}",
            self.nodes,
            self.committees.len(),
            self.byzantine,
            self.unit,
            self.stabilisation / 1_000,
            self.network.loss,
            self.network.loss_after,
            self.rules.leaders,
            self.rules.gc_depth,
            self.rules.window_commits,
            self.epoch_ms,
            self.clocks.iter().map(|clock| clock.offset_us / 1_000).collect::<Vec<_>>(),
        )
    }
}

/// Counts the stake that may fail for good, in every epoch.
struct Suspects<'a> {
    committees: &'a [Vec<Member>],
    nodes: BTreeSet<NodeId>,
}

impl<'a> Suspects<'a> {
    fn new(committees: &'a [Vec<Member>]) -> Self {
        Self { committees, nodes: BTreeSet::new() }
    }

    /// Whether this one may fail as well: less than a third of every committee's stake does.
    fn admit(&mut self, node: NodeId) -> bool {
        let fits = self.committees.iter().all(|members| {
            let total: u64 = members.iter().map(|member| member.stake).sum();
            let failing = |member: &&Member| member.node == node || self.nodes.contains(&member.node);
            let stake: u64 = members.iter().filter(failing).map(|member| member.stake).sum();
            stake * 3 < total
        });
        if fits {
            self.nodes.insert(node);
        }
        fits
    }
}

fn committee_size(dice: &mut Dice) -> u16 {
    let size = match dice.below(100) {
        0..=2 => dice.between(1, 2),
        3..=7 => 3,
        8..=54 => 4,
        55..=74 => dice.between(5, 6),
        75..=89 => 7,
        90..=98 => dice.between(8, 10),
        _ => dice.between(11, 20),
    };
    u16::try_from(size).expect("small")
}

fn network(nodes: u16, dice: &mut Dice) -> (NetworkPlan, Micros) {
    let count = usize::from(nodes);
    let (latency, unit) = match dice.below(10) {
        0..=3 => (Latency::local(count, dice), 4_000),
        4..=6 => {
            let high = dice.between(2_000, 40_000);
            (Latency::random(count, high / 4, high, dice), 2 * high)
        }
        7 => {
            let high = dice.between(20_000, 60_000);
            (Latency::random(count, high, high, dice), 2 * high)
        }
        _ => (Latency::wide_area(count, dice.index(10)), 150_000),
    };
    let jitter = if dice.chance(700) { dice.between(0, unit / 2) } else { dice.between(0, 2 * unit) };
    let loss = if dice.chance(500) { 0 } else { dice.between(1, 300) };
    let plan = NetworkPlan {
        latency,
        jitter,
        loss,
        loss_after: if dice.chance(800) { 0 } else { loss.min(50) },
        duplicates: if dice.chance(500) { 0 } else { dice.between(1, 150) },
        ordered: dice.chance(400),
    };
    (plan, unit)
}

fn committees(nodes: u16, dice: &mut Dice) -> Vec<Vec<Member>> {
    let shape = dice.below(4);
    let stake = |dice: &mut Dice| match shape {
        0 | 1 => 10,
        2 => dice.between(1, 10),
        _ => 1 << dice.below(7),
    };
    let all: Vec<Member> = (0..nodes).map(|node| Member { node, stake: stake(dice), key: 0 }).collect();
    let epochs = if dice.chance(350) { dice.between(2, 4) } else { 1 };
    let spare = nodes > 3 && epochs > 1 && dice.chance(500);
    let mut first = all.clone();
    if spare {
        first.truncate(all.len() - 1);
    }
    let mut committees = vec![first];
    for _ in 1..epochs {
        let mut next = committees.last().expect("there is a first").clone();
        if dice.chance(500) {
            let absent: Vec<Member> =
                all.iter().filter(|member| next.iter().all(|other| other.node != member.node)).copied().collect();
            if let Some(joining) = dice.pick(&absent).copied() {
                next.push(Member { key: dice.below(2), ..joining });
            }
            if next.len() > 3 && dice.chance(500) {
                let leaving = dice.index(next.len());
                next.remove(leaving);
            }
            if dice.chance(300) {
                dice.shuffle(&mut next);
            }
        }
        for member in &mut next {
            if dice.chance(200) {
                member.key += 1;
            }
            if dice.chance(200) {
                member.stake = stake(dice);
            }
        }
        committees.push(next);
    }
    committees
}

fn byzantine(nodes: u16, suspects: &mut Suspects<'_>, dice: &mut Dice) -> BTreeMap<NodeId, Behaviour> {
    let mut byzantine = BTreeMap::new();
    if dice.chance(400) {
        return byzantine;
    }
    let mut order: Vec<NodeId> = (0..nodes).collect();
    dice.shuffle(&mut order);
    let wanted = if dice.chance(600) { 1 } else { usize::from(nodes) };
    let theme = *dice.pick(&Behaviour::ALL).expect("there are behaviours");
    let mixed = dice.chance(400);
    for node in order {
        if byzantine.len() < wanted && suspects.admit(node) {
            let behaviour = if mixed { *dice.pick(&Behaviour::ALL).expect("there are behaviours") } else { theme };
            byzantine.insert(node, behaviour);
        }
    }
    byzantine
}

fn faults(
    nodes: u16,
    active: Micros,
    unit: Micros,
    suspects: &mut Suspects<'_>,
    byzantine: &BTreeMap<NodeId, Behaviour>,
    dice: &mut Dice,
) -> Vec<TimedFault> {
    let mut faults = Vec::new();
    let honest: Vec<NodeId> = (0..nodes).filter(|node| !byzantine.contains_key(node)).collect();
    let any = |dice: &mut Dice| *dice.pick(&honest).expect("somebody is honest");
    let count = if dice.chance(200) { 0 } else { dice.between(1, 4) };
    for _ in 0..count {
        let from = dice.between(0, active * 8 / 10);
        let until = (from + unit * dice.between(1, 30)).min(active);
        let mut add = |from, until, fault| faults.push(TimedFault { from, until, fault });
        match dice.below(12) {
            0 | 1 => add(from, until, Fault::Crash(vec![any(dice)])),
            2 => add(from, until, Fault::Crash(honest.clone())),
            3 => {
                let mut some = honest.clone();
                dice.shuffle(&mut some);
                some.truncate(1 + honest.len() / 2);
                add(from, until, Fault::Crash(some));
            }
            4 | 5 => {
                let node = any(dice);
                if suspects.admit(node) {
                    add(from, until, Fault::Amnesia { node, keep_ledger: dice.chance(400) });
                }
            }
            6 => {
                let side = (0..nodes).filter(|_| dice.chance(500)).collect();
                add(from, until, Fault::Partition(side));
            }
            7 => add(from, until, Fault::Partition([any(dice)].into())),
            8 => {
                let side: BTreeSet<NodeId> = (0..nodes).filter(|_| dice.chance(500)).collect();
                let step = (2 * unit).max((until - from) / 5);
                for cut in (from..until).step_by(usize::try_from(2 * step).expect("small")) {
                    add(cut, (cut + step).min(active), Fault::Partition(side.clone()));
                }
            }
            9 => {
                let extra = unit * dice.between(1, 8);
                add(from, until, Fault::Asymmetric { from: any(dice), to: any(dice), extra });
            }
            10 => add(from, until, Fault::SlowNode { node: any(dice), extra: unit * dice.between(1, 6) }),
            _ => add(from, until, Fault::Stall(any(dice))),
        }
    }
    faults.sort_by_key(|fault| (fault.from, fault.until));
    faults
}

fn clocks(nodes: u16, unit: Micros, dice: &mut Dice) -> Vec<Clock> {
    let widest = match dice.below(10) {
        0..=4 => unit / 4,
        5..=8 => 4 * unit,
        _ => 2_000_000.min(60 * unit),
    };
    let widest = i64::try_from(widest).expect("seconds");
    let mut one = || Clock {
        offset_us: i64::try_from(dice.between(0, 2 * widest.unsigned_abs())).expect("seconds") - widest,
        drift_ppm: i64::try_from(dice.below(2_000)).expect("small") - 1_000,
    };
    (0..nodes).map(|_| one()).collect()
}

fn load(active: Micros, unit: Micros, dice: &mut Dice) -> Load {
    let transactions = dice.between(5, 50);
    Load {
        transactions,
        interval: active / transactions,
        timeout: unit * dice.between(10, 40),
        large: if dice.chance(300) { dice.between(50, 400) } else { 0 },
        eager: if dice.chance(300) { dice.between(100, 1_000) } else { 0 },
    }
}

/// Whether one validator goes on alone, as fast as it can: the blocks of others need more rounds to reach it.
fn is_dominated(members: &[Member]) -> bool {
    let total: u64 = members.iter().map(|member| member.stake).sum();
    members.iter().any(|member| member.stake * 3 > total * 2)
}

/// `deep` keeps blocks for many rounds: where messages take longer than a few rounds, fewer would starve who is slow.
fn parameters(unit: Micros, deep: bool, dice: &mut Dice) -> (Rules, Pace) {
    let unit_ms = (unit / 1_000).max(1);
    let rules = Rules {
        leaders: u16::try_from(dice.between(1, 3)).expect("small"),
        gc_depth: if dice.chance(500) && !deep { dice.between(4, 12) } else { dice.between(20, 60) },
        window_commits: if dice.chance(600) { dice.between(3, 12) } else { dice.between(20, 60) },
        swap_percent: dice.between(0, 33),
        block_interval_ms: unit_ms * dice.between(0, 4),
        idle_block_interval_ms: unit_ms * dice.between(1, 20),
        block_transactions: if dice.chance(200) { dice.between(1, 10) } else { 4_000 },
        block_bytes: 4 * 1024 * 1024,
    };
    let pace = Pace {
        round_interval_ms: (unit_ms / 2).max(1),
        idle_round_interval_ms: (unit_ms * dice.between(1, 2)).max(1),
        leader_timeout_ms: unit_ms * dice.between(1, 2) + 2,
        leader_timeout_ms_max: unit_ms * 8 + 2,
        fetch_retry_ms: unit_ms * dice.between(1, 3) + 2,
        resend_ms: unit_ms * dice.between(3, 6),
        lag_commits_max: if dice.chance(300) { dice.between(10, 40) } else { 400 },
        payload: PayloadLimits { transactions_max: 16, bytes_max: 256 * 1024 },
        uncommitted_bytes_max: 64 * 1024 * 1024,
    };
    (rules, pace)
}
