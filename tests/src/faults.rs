//! Faults of real processes under load, and what must hold after each.
//!
//! Every scenario takes a running network and a duration, so that the tests run a slice of what the campaign runs for
//! minutes.

use std::time::{Duration, Instant};

use noema_sdk::Client;
use serde_json::Value;

use crate::load::{Load, RECEIVER};
use crate::network::Network;

/// How long a network may take to be whole again after a fault.
pub const HEAL: Duration = Duration::from_secs(120);

/// A small generator of moments and choices, seeded, so that a campaign can say what it did.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A time between two bounds, in milliseconds.
    pub fn pause(&mut self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.below(to_ms - from_ms))
    }
}

fn clients(network: &Network) -> Vec<Client> {
    (0..network.validators()).map(|node| network.client(node)).collect()
}

/// Load on a network: a few senders.
#[must_use]
pub fn load(network: &Network) -> Load {
    Load::start(&network.faucet(), &clients(network), 6, Duration::from_millis(20))
}

/// Ends the load and checks: every validator has certified the same history, every transaction that was seen committed
/// is in it at its version on every validator, none is in it twice, and the money says the same. Returns a line to print.
///
/// # Panics
/// If anything is lost, repeated or different.
pub fn settle(network: &Network, load: Load, before: u64) -> String {
    let (counts, seen) = load.finish();
    assert!(seen.refused.is_empty(), "validators refused good transactions: {:?}", seen.refused);
    let committed: u64 = counts.iter().sum();
    let nodes: Vec<usize> = (0..network.validators()).collect();
    let tip = nodes.iter().filter_map(|node| network.height(*node)).max().expect("a validator answers");
    network.wait_height(nodes.iter().copied(), tip, HEAL);
    for node in &nodes {
        for (hash, (version, ..)) in &seen.committed {
            let found: Value = network
                .client(*node)
                .get(&format!("/transactions/by_hash/{hash}"))
                .unwrap_or_else(|error| panic!("validator {node} lost committed transaction {hash}: {error}"));
            let here: Option<u64> = found["version"].as_str().and_then(|text| text.parse().ok());
            assert_eq!(here, Some(*version), "validator {node} has {hash} elsewhere: {found}");
        }
        let balance = network.client(*node).balance(RECEIVER).expect("a balance");
        assert_eq!(balance - before, committed, "validator {node}: transfers and money differ");
    }
    let (height, root) = network.assert_equal(&nodes);
    let mut latencies = seen.latencies;
    latencies.sort();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    format!(
        "{committed} transactions committed once each, {} sent again, p50 {:?}, p99 {:?}; {} validators agree on block \
         {height}, root {root}",
        seen.resubmitted,
        at(50),
        at(99),
        nodes.len()
    )
}

/// Money that the receiver has now.
#[must_use]
pub fn balance(network: &Network) -> u64 {
    network.client(0).balance(RECEIVER).unwrap_or(0)
}

/// Kills `at_once` validators with SIGKILL at random moments, starts them again a little later, and so on.
///
/// # Panics
/// If the rest does not go on.
pub fn kills(network: &mut Network, at_once: usize, duration: Duration, dice: &mut Dice) -> usize {
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < duration {
        std::thread::sleep(dice.pause(500, 3_000));
        let count = network.validators() as u64;
        let first = usize::try_from(dice.below(count)).expect("a small number");
        let victims: Vec<usize> = (0..at_once).map(|offset| (first + offset) % network.validators()).collect();
        for victim in &victims {
            network.kill(*victim);
            kills += 1;
        }
        let witness = (0..network.validators()).find(|node| !victims.contains(node)).expect("somebody lives");
        let height = network.height(witness).expect("the others answer");
        // Without a fault of more than a third, the others go on.
        network.wait_height([witness], height + 1, HEAL);
        std::thread::sleep(dice.pause(0, 2_000));
        for victim in &victims {
            network.spawn(*victim);
        }
        for victim in &victims {
            network.wait_up(*victim);
        }
        let height = network.height(witness).expect("the others answer");
        network.wait_height(victims, height, HEAL);
    }
    kills
}

/// Kills all validators at one moment and starts them again.
///
/// # Panics
/// If they do not go on from where they were.
pub fn kill_all(network: &mut Network, times: usize, dice: &mut Dice) {
    for _ in 0..times {
        std::thread::sleep(dice.pause(1_000, 4_000));
        let all: Vec<usize> = (0..network.validators()).collect();
        let before = all.iter().filter_map(|node| network.height(*node)).max().expect("a validator answers");
        all.iter().for_each(|node| network.kill(*node));
        all.iter().for_each(|node| network.spawn(*node));
        all.iter().for_each(|node| network.wait_up(*node));
        network.wait_height(all, before + 2, HEAL);
    }
}

/// Cuts the network in two halves without quorum, then one validator off, heals each; with delay and loss on all links.
///
/// # Panics
/// If a side without quorum goes on, or the network does not heal.
pub fn partitions(network: &Network, hold: Duration) {
    let all: Vec<usize> = (0..network.validators()).collect();
    let (left, right) = all.split_at(all.len() / 2);
    network.partition(&[left, right]);
    std::thread::sleep(Duration::from_secs(3));
    let stuck: Vec<u64> = all.iter().map(|node| network.height(*node).expect("it answers")).collect();
    std::thread::sleep(hold);
    for (node, before) in all.iter().zip(stuck) {
        let now = network.height(*node).expect("it answers");
        assert_eq!(now, before, "validator {node} certified blocks without a quorum");
    }
    network.heal();
    let height = network.height(0).expect("it answers");
    network.wait_height(all.iter().copied(), height + 3, HEAL);

    let (one, rest) = all.split_first().expect("validators");
    network.partition(&[rest]);
    let height = network.height(rest[0]).expect("it answers");
    std::thread::sleep(hold);
    network.wait_height(rest.iter().copied(), height + 3, HEAL);
    network.heal();
    let height = network.height(rest[0]).expect("it answers");
    network.wait_height([*one], height, HEAL);
}

/// A validator loses its disk, and joins again when the others are so many rounds further. Returns how far behind it was
/// and how long it took to have what they have.
///
/// # Panics
/// If it does not catch up and propose.
pub fn far_behind(network: &mut Network, node: usize, rounds: u64) -> (u64, Duration) {
    let witness = (node + 1) % network.validators();
    let round = |network: &Network| network.status(witness)["round"].as_u64().expect("a validator has a round");
    network.kill(node);
    network.wipe(node);
    let (start, from) = (Instant::now(), round(network));
    while round(network) < from + rounds {
        assert!(start.elapsed() < Duration::from_secs(1_200), "at round {} from {from}", round(network));
        std::thread::sleep(Duration::from_millis(500));
    }
    let (start, behind) = (Instant::now(), round(network));
    network.spawn(node);
    network.wait_up(node);
    let height = network.height(witness).expect("the others answer");
    network.wait_height([node], height, HEAL);
    while network.status(node)["proposals"].as_u64() < Some(3) {
        assert!(start.elapsed() < HEAL, "it does not propose: {}", network.status(node));
        std::thread::sleep(Duration::from_millis(100));
    }
    (behind, start.elapsed())
}

/// A validator loses its disk and joins again.
///
/// # Panics
/// If it does not catch up and take part.
pub fn wipe(network: &mut Network, node: usize) {
    network.kill(node);
    let witness = (node + 1) % network.validators();
    let height = network.height(witness).expect("the others answer");
    network.wait_height([witness], height + 3, HEAL);
    network.wipe(node);
    network.spawn(node);
    network.wait_up(node);
    let height = network.height(witness).expect("the others answer");
    network.wait_height([node], height, HEAL);
    // It takes part again: without it and another one there would be no quorum.
    let other = (node + 2) % network.validators();
    if network.validators() == 4 {
        let start = Instant::now();
        while network.status(node)["role"] != "validator" || network.status(node)["proposals"].as_u64() < Some(3) {
            assert!(start.elapsed() < HEAL, "the wiped validator does not vote: {}", network.status(node));
            std::thread::sleep(Duration::from_millis(100));
        }
        network.kill(other);
        let height = network.height(witness).expect("the others answer");
        network.wait_height([witness, node], height + 3, HEAL);
        network.spawn(other);
        network.wait_up(other);
    }
}
