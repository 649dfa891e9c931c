//! Real validators, each a process of its own: faults, epochs, divergence, full disks, full nodes.
//!
//! `make campaign` runs the same faults for minutes.
#![allow(clippy::print_stdout, reason = "a test that fails shows its seed and what it saw")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use noema_node::{ConsensusTuning, InferenceConfig};
use noema_tests::chain::tiny_model;
use noema_tests::faults::{Dice, HEAL, balance, kill_all, kills, load, partitions, settle, wipe};
use noema_tests::network::{Network, NetworkOptions};

fn seed() -> u64 {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    seed
}

#[test]
fn validators_that_are_killed_one_by_one_and_all_at_once_lose_and_repeat_nothing() {
    let mut network = Network::start(&NetworkOptions::default());
    let before = balance(&network);
    let running = load(&network);
    let mut dice = Dice::new(seed());
    let count = kills(&mut network, 1, Duration::from_secs(12), &mut dice);
    kill_all(&mut network, 2, &mut dice);
    println!("{count} kills; {}", settle(&network, running, before));
}

#[test]
fn a_wiped_validator_joins_again_and_votes() {
    let mut network = Network::start(&NetworkOptions::default());
    let before = balance(&network);
    let running = load(&network);
    wipe(&mut network, 2);
    println!("{}", settle(&network, running, before));
}

#[test]
fn halves_without_quorum_stand_still_and_a_healed_network_goes_on_with_delay_and_loss() {
    let tuning = ConsensusTuning { leader_timeout_ms: Some(600), ..ConsensusTuning::default() };
    let options = NetworkOptions { relays: true, consensus: tuning, ..NetworkOptions::default() };
    let network = Network::start(&options);
    network.set_quality(Duration::from_millis(100), 10_000);
    let before = balance(&network);
    let running = load(&network);
    partitions(&network, Duration::from_secs(3));
    println!("{}", settle(&network, running, before));
    assert!(network.lost_segments() > 0, "the relays lost nothing");
}

#[test]
fn a_quorum_by_stake_goes_on_and_heads_do_not_count() {
    // One validator has more than two thirds: the other three are not needed, and cannot do without it.
    let mut network =
        Network::start(&NetworkOptions { stakes: vec![7_000, 1_000, 1_000, 1_000], ..Default::default() });
    for node in 1..4 {
        network.kill(node);
    }
    let height = network.height(0).expect("it answers");
    network.wait_height([0], height + 3, HEAL);
    for node in 1..4 {
        network.spawn(node);
    }
    for node in 1..4 {
        network.wait_up(node);
    }
    let height = network.height(0).expect("it answers");
    network.wait_height(0..4, height + 1, HEAL);
    network.kill(0);
    std::thread::sleep(Duration::from_secs(3));
    let stuck: Vec<_> = (1..4).map(|node| network.height(node)).collect();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(stuck, (1..4).map(|node| network.height(node)).collect::<Vec<_>>(), "without a quorum of stake");
}

/// A network whose validators hold a small model; these compute wrong answers.
fn network_with_wrong(nodes: &[usize], even_when_safe: bool) -> (tempfile::TempDir, Network) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let wrong =
        InferenceConfig { wrong_answers: true, wrong_answers_when_safe: even_when_safe, ..InferenceConfig::default() };
    let inference: BTreeMap<usize, InferenceConfig> = nodes.iter().map(|node| (*node, wrong.clone())).collect();
    let options = NetworkOptions { models: vec![tiny_model(folder.path())], inference, ..NetworkOptions::default() };
    (folder, Network::start(&options))
}

/// Publishes the scribe and has it ask the model once, through this validator.
fn ask(network: &Network, through: usize) -> String {
    let model = noema_tests::chain::resident_model(&network.client(through));
    let account = network.publish_example("scribe", through);
    let call = format!("{}::scribe::write", account.address());
    let args = vec![model.0.to_vec(), noema_tests::chain::text("Once upon a time"), 4u64.to_le_bytes().to_vec()];
    let transaction = account.call(&call, args, account.next, 1_000_000);
    network.client(through).submit(&transaction).expect("submitted")
}

#[test]
fn one_device_of_four_that_lies_is_found_out_and_the_chain_goes_on() {
    let (_folder, network) = network_with_wrong(&[3], false);
    let hash = ask(&network, 0);
    let found = network.client(0).wait(&hash, HEAL).expect("the three others go on");
    assert_eq!(found["success"], true, "{found}");
    let height = network.height(0).expect("it answers");
    // The liar throws its results away, computes again with the plain kernel, agrees, and goes on.
    network.wait_height([3], height + 2, HEAL);
    network.assert_equal(&[0, 1, 2, 3]);
    assert!(network.log(3).contains("certified another state"), "the divergence is logged:\n{}", network.log(3));
}

#[test]
fn two_devices_of_four_that_lie_halt_the_chain_cleanly_and_it_recovers_when_they_are_mended() {
    let (_folder, mut network) = network_with_wrong(&[2, 3], true);
    let hash = ask(&network, 0);
    let start = Instant::now();
    let stuck = loop {
        let heights = |network: &Network| (0..4).map(|node| network.height(node)).collect::<Vec<_>>();
        let before = heights(&network);
        std::thread::sleep(Duration::from_secs(4));
        if before == heights(&network) {
            break before;
        }
        assert!(start.elapsed() < Duration::from_secs(40), "the chain does not halt: {before:?}");
    };
    let found = network.client(0).get::<serde_json::Value>(&format!("/transactions/by_hash/{hash}"));
    assert!(found.is_ok_and(|found| found["type"] == "pending_transaction"), "nothing is committed without a quorum");
    // The runbook: mend the devices, and allow what they signed to be signed again.
    let certified = stuck[0].expect("it answers");
    for node in [2, 3] {
        network.kill(node);
        network.mend(node, certified + 1);
        network.spawn(node);
    }
    for node in [2, 3] {
        network.wait_up(node);
    }
    let found = network.client(0).wait(&hash, HEAL).expect("it is committed in the end");
    assert_eq!(found["success"], true, "{found}");
    let height = network.height(0).expect("it answers");
    network.wait_height(0..4, height + 2, HEAL);
    network.assert_equal(&[0, 1, 2, 3]);
}

#[test]
fn a_full_disk_stops_the_node_with_a_clear_message_and_it_goes_on_with_more_room() {
    let mut network = Network::prepare(&NetworkOptions::default());
    for node in 0..3 {
        network.spawn(node);
    }
    // In a mount namespace of its own, the fourth has a small disk.
    network.spawn_on_small_disk(3, 10);
    for node in 0..4 {
        network.wait_up(node);
    }
    let running = load(&network);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = network.ended(3) {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "the disk is never full: {}", network.status(3));
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(status.code(), Some(2), "a fault of the node ends it with code 2");
    let log = network.log(3);
    let says = ["No space left", "disk is full", "disk full"].iter().any(|words| log.contains(words));
    assert!(says && log.contains("hint"), "the message says what is wrong and what to do:\n{log}");
    network.kill(3);
    let height = network.height(0).expect("the others go on");
    network.wait_height(0..3, height + 3, HEAL);
    // Its disk is gone with its namespace: it joins again from nothing.
    network.spawn(3);
    network.wait_up(3);
    println!("{}", settle(&network, running, 0));
}

#[test]
fn a_full_node_follows_serves_and_hands_transactions_on_past_a_dead_validator() {
    let mut network = Network::start(&NetworkOptions { full_nodes: 1, ..NetworkOptions::default() });
    let full = network.validators();
    network.wait_height([full], 2, HEAL);
    let sender = network.account(9, 10_000_000_000);
    let height = network.height(0).expect("it answers");
    network.wait_height([full], height, HEAL);
    let client = network.client(full);
    assert_eq!(client.ledger_info().expect("it answers")["node_role"], "full_node");
    // Whichever validator the sender's address picks, one dead validator at a time does not stop the transfer.
    for victim in 0..4u64 {
        let node = usize::try_from(victim).expect("small");
        network.kill(node);
        let args = vec![[0x55; 32].to_vec(), 1u64.to_le_bytes().to_vec()];
        let transaction = sender.call("0x1::aptos_account::transfer", args, victim, 200_000);
        let hash = client.submit(&transaction).expect("another validator takes it");
        client.wait(&hash, HEAL).expect("it is committed");
        network.spawn(node);
        network.wait_up(node);
        let height = network.height(full).expect("it answers");
        network.wait_height(0..4, height, HEAL);
    }
    let receiver = noema_types::Address([0x55; 32]);
    assert_eq!(client.balance(receiver).expect("a balance"), 4, "each transfer ran once");
    network.assert_equal(&[0, 1, 2, 3, full]);
}
