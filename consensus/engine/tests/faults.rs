//! Machines that compute wrong results, validators that lie, and a network that sends rubbish.

#![allow(clippy::unwrap_used, reason = "a test")]

mod toy;

use std::time::Duration;

use bytes::Bytes;
use noema_consensus::Role;
use noema_dag::{BLOCK_DOMAIN, Block, BlockHeader, BlockRef, BlockV1, Message};
use noema_network::{Channel, Peer, Transport};
use noema_types::{Author, Epoch, Height, Round, TimestampMs};
use toy::{CHAIN, Lie, Net, keys, network_key};

fn load(net: &Net, validators: &[u8], name: &str, count: usize) -> Vec<Bytes> {
    let one = |index: usize| {
        std::thread::sleep(Duration::from_millis(5));
        net.submit(validators[index % validators.len()], &format!("{name} {index}"))
    };
    (0..count).map(one).collect()
}

fn wait_all(net: &Net, validators: &[u8], transactions: &[Bytes]) {
    net.wait(60, "all transactions", |net| {
        validators.iter().all(|validator| transactions.iter().all(|transaction| net.toy(*validator).has(transaction)))
    });
}

#[test]
fn one_wrong_machine_of_four_recovers_on_safe_paths() {
    let mut net = Net::new(4);
    net.start_all();
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "before", 10));
    net.toy(2).lie(Lie::Fast(net.toy(2).height().0 + 2));
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "wrong", 30));
    assert!(net.toy(2).divergences() >= 1);
    net.toy(2).lie(Lie::None);
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "right", 10));
    assert_eq!(net.status(2).role, Role::Validator(Author(2)));
    assert!(net.check_agreement() > 5);
}

#[test]
fn a_machine_that_stays_wrong_halts_alone() {
    let mut net = Net::new(4);
    net.start_all();
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "before", 10));
    net.toy(2).lie(Lie::Always(net.toy(2).height().0 + 2));
    let rest = load(&net, &[0, 1, 3], "rest", 20);
    wait_all(&net, &[0, 1, 3], &rest);
    let reason = net.handle(2).wait_halted(Duration::from_secs(30)).expect("the wrong one halts");
    assert!(reason.contains("executed twice"), "{reason}");
    // With another machine it goes on from the same folders: nothing is signed twice, the chain is followed.
    net.toy(2).lie(Lie::None);
    net.kill(2);
    net.start(2);
    wait_all(&net, &[2], &rest);
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "after", 10));
}

#[test]
fn two_wrong_machines_of_four_halt_the_chain_and_replacing_them_goes_on() {
    let mut net = Net::new(4);
    net.change = Box::new(|_, config| config.split_timeout = Duration::from_secs(2));
    net.start_all();
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "before", 10));
    let from = net.toy(0).height().0 + 15;
    net.toy(2).lie(Lie::Always(from));
    net.toy(3).lie(Lie::Always(from));
    load(&net, &[0, 1, 2, 3], "stuck", 10);
    for validator in 0..4 {
        let reason = net.handle(validator).wait_halted(Duration::from_secs(60)).expect("all halt");
        assert!(reason.contains("different results") && reason.contains("hint"), "{reason}");
    }
    assert!((0..4).all(|validator| net.toy(validator).height() < Height(from)), "nothing wrong is certified");
    for validator in 0..4 {
        net.kill(validator);
        net.toy(validator).lie(Lie::None);
    }
    net.change = Box::new(move |validator, config| {
        config.resign_from = (validator >= 2).then_some(Height(from));
    });
    net.start_all();
    wait_all(&net, &[0, 1, 2, 3], &load(&net, &[0, 1, 2, 3], "after", 10));
    assert!(net.check_agreement() > 5);
}

fn envelope(message: &Message) -> Bytes {
    let mut bytes = vec![1];
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(&CHAIN.0[..8]);
    bytes.extend(message.to_bytes());
    bytes.into()
}

/// A first block of validator 3, one for each timestamp.
fn first_block(timestamp: u64) -> Block {
    let genesis = |author| BlockRef::genesis(Epoch(1), CHAIN, Author(author));
    let header = BlockHeader {
        chain: CHAIN,
        epoch: Epoch(1),
        round: Round(1),
        author: Author(3),
        ancestors: [3, 0, 1, 2].map(genesis).to_vec(),
        batches: Vec::new(),
        timestamp: TimestampMs(timestamp),
        commit_votes: Vec::new(),
    };
    let signature = keys(3, 0).consensus.sign(&header.signing_message());
    assert!(header.signing_message().starts_with(BLOCK_DOMAIN));
    Block::V1(BlockV1 { header, signature, inline: Vec::new() })
}

#[test]
fn a_validator_with_two_blocks_in_a_slot_is_reported_and_rubbish_is_ignored() {
    let mut net = Net::new(4);
    let (liar, mut events) = net.hub.join(network_key(3));
    for validator in 0..3 {
        net.start(validator);
    }
    liar.set_peers((0..3).map(|validator| Peer { key: network_key(validator), address: String::new() }).collect());
    wait_all(&net, &[0, 1, 2], &load(&net, &[0, 1, 2], "before", 3));
    for (validator, timestamps) in [(0, [1, 2]), (1, [2, 1]), (2, [1, 1])] {
        for timestamp in timestamps {
            let bytes = envelope(&Message::Block(first_block(timestamp)));
            liar.send(&network_key(validator), Channel::Blocks, bytes).unwrap();
        }
    }
    let mut state = 9u64;
    for round in 0..2_000usize {
        while events.try_recv().is_ok() {}
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = envelope(&Message::Block(first_block(state))).to_vec();
        let at = (state >> 33) as usize % bytes.len();
        bytes[at] ^= (state >> 20) as u8;
        bytes.truncate(if round % 3 == 0 { at } else { bytes.len() });
        let channel = Channel::ALL[round % Channel::COUNT];
        let _ = liar.send(&network_key((round % 3) as u8), channel, bytes.into());
    }
    net.wait(30, "evidence", |net| (0..3).any(|validator| !net.toy(validator).evidence().is_empty()));
    for validator in 0..3 {
        for evidence in net.toy(validator).evidence() {
            assert_ne!(evidence.first.header, evidence.second.header);
            assert_eq!((evidence.first.header.author, evidence.second.header.author), (Author(3), Author(3)));
            assert_eq!(evidence.first.header.round, evidence.second.header.round);
        }
    }
    wait_all(&net, &[0, 1, 2], &load(&net, &[0, 1, 2], "after", 10));
}

#[test]
fn slow_execution_makes_proposals_empty_until_it_has_caught_up() {
    let mut net = Net::new(1);
    net.change = Box::new(|_, config| {
        config.rules.block_interval_ms = 30;
        config.rules.idle_block_interval_ms = 30;
        config.pace.idle_round_interval_ms = 5;
        config.pace.round_interval_ms = 5;
    });
    net.start_all();
    net.toy(0).slow(Duration::from_millis(300));
    net.wait(60, "throttled", |net| net.status(0).throttled);
    let held = net.submit(0, "held back");
    net.toy(0).slow(Duration::ZERO);
    net.wait(60, "caught up", |net| !net.status(0).throttled);
    net.wait_for(&[0], &held, 20);
}

#[test]
fn a_lone_validator_without_its_log_says_that_nobody_can_help() {
    let mut net = Net::new(1);
    net.start_all();
    wait_all(&net, &[0], &load(&net, &[0], "before", 3));
    net.kill(0);
    net.nodes[0].disk.wipe();
    let error = net.start_with(0, net.config(0)).unwrap_err();
    assert!(error.to_string().contains("is lost"), "{error}");
}
