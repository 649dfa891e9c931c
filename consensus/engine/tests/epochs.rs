//! Epochs end under load: validators join, leave and change their keys.

#![allow(clippy::unwrap_used, reason = "a test")]

mod toy;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use noema_consensus::{NextEpoch, Role};
use noema_types::{Epoch, TimestampMs};
use toy::{Net, committee};

/// Epoch 1: validators 0 to 3. Epoch 2: 1 with new keys, 2, 3, 4. From epoch 3 on: 0, 1, 2, 4.
fn members(epoch: Epoch) -> &'static [(u8, u8)] {
    match epoch.0 {
        1 => &[(0, 0), (1, 0), (2, 0), (3, 0)],
        2 => &[(1, 1), (2, 0), (3, 0), (4, 0)],
        _ => &[(0, 0), (1, 1), (2, 0), (4, 0)],
    }
}

fn net(length_ms: u64) -> Net {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let plan = move |epoch: Epoch, end: TimestampMs| {
        let epoch_end = if epoch.0 >= 4 { u64::MAX } else { end.0 + length_ms };
        NextEpoch { committee: committee(epoch, members(epoch)), epoch_end: TimestampMs(epoch_end) }
    };
    let genesis = plan(Epoch(1), TimestampMs(now));
    let mut net = Net::with_plan(5, genesis, Arc::new(plan));
    net.change = Box::new(|_, config| config.old_epoch_serves = Duration::from_millis(500));
    net
}

fn wait_all(net: &Net, validators: &[u8], transactions: &[Bytes]) {
    net.wait(60, "all transactions", |net| {
        validators.iter().all(|validator| transactions.iter().all(|transaction| net.toy(*validator).has(transaction)))
    });
}

#[test]
fn epochs_change_under_load_with_members_and_keys() {
    let mut net = net(2_500);
    net.start_all();
    assert!(matches!(net.status(4).role, Role::Follower(_)), "validator 4 is not a member yet");
    let mut all = Vec::new();
    let mut index = 0;
    while net.toy(1).epoch() < Epoch(4) {
        // Validators 1 and 2 are members throughout.
        all.push(net.submit(1 + (index % 2) as u8, &format!("transaction {index}")));
        index += 1;
        std::thread::sleep(Duration::from_millis(10));
        assert!(index < 6_000, "epochs do not end: {:?}", net.status(1));
    }
    wait_all(&net, &[0, 1, 2, 4], &all);
    assert!(net.check_agreement() > 5);
    net.wait(20, "validators 0 and 4 take part", |net| {
        [0, 4].iter().all(|validator| net.status(*validator).core.proposals > 3)
    });
    assert!(matches!(net.status(3).role, Role::Follower(_) | Role::Syncing(_)), "{:?}", net.status(3).role);
    let last = [0, 1, 2, 4].map(|validator| net.submit(validator, &format!("last of {validator}")));
    wait_all(&net, &[0, 1, 2, 4], &last);
}

#[test]
fn a_validator_that_slept_through_epochs_follows() {
    let mut net = net(1_500);
    net.start_all();
    net.kill(2);
    let mut index = 0;
    while net.toy(1).epoch() < Epoch(3) {
        net.submit(1, &format!("transaction {index}"));
        index += 1;
        std::thread::sleep(Duration::from_millis(10));
        assert!(index < 6_000, "epochs do not end: {:?}", net.status(1));
    }
    net.start(2);
    let last = [1, 4].map(|validator| net.submit(validator, &format!("last of {validator}")));
    wait_all(&net, &[1, 2, 4], &last);
    net.wait(30, "taking part", |net| net.status(2).core.proposals > 3 && net.toy(2).epoch() >= Epoch(3));
    assert!(net.check_agreement() > 5);
}

#[test]
fn without_its_log_a_validator_asks_in_every_epoch_that_may_have_begun_before() {
    let mut net = net(2_000);
    net.start_all();
    let first = net.submit(1, "first");
    net.wait_for(&[0, 1, 2], &first, 30);
    net.kill(2);
    net.nodes[2].disk.wipe();
    net.start(2);
    let mut asked = std::collections::BTreeSet::new();
    let mut index = 0;
    while asked.len() < 3 {
        net.submit(1, &format!("transaction {index}"));
        index += 1;
        std::thread::sleep(Duration::from_millis(10));
        let status = net.status(2);
        if status.core.amnesia_resumed == 1 && status.core.proposals > 3 {
            asked.insert(status.epoch);
        }
        assert!(index < 6_000, "asked in {asked:?}: {status:?}");
    }
    // The log that it has now is complete for the epoch that runs.
    net.kill(2);
    net.start(2);
    let last = net.submit(2, "last");
    net.wait_for(&[1, 2], &last, 30);
    net.wait(30, "the last epoch", |net| net.toy(2).epoch() == Epoch(4));
    assert!(net.check_agreement() > 5);
}

#[test]
fn all_are_killed_around_the_end_of_an_epoch() {
    let mut net = net(1_000);
    net.start_all();
    for round in 0..4 {
        std::thread::sleep(Duration::from_millis(700));
        let transaction = net.submit(1, &format!("round {round}"));
        net.wait_for(&[1, 2], &transaction, 30);
        for validator in 0..5 {
            net.kill(validator);
        }
        net.start_all();
    }
    net.wait(60, "epoch 4", |net| [1, 2, 4].iter().all(|validator| net.toy(*validator).epoch() == Epoch(4)));
    let last = net.submit(2, "last");
    net.wait_for(&[0, 1, 2, 4], &last, 30);
    assert!(net.check_agreement() > 5);
}
