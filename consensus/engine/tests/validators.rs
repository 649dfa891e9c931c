//! Validators of one process commit, certify, crash and come back.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod toy;

use noema_consensus::Role;
use toy::Net;

#[test]
fn one_validator_alone_certifies_at_once() {
    let mut net = Net::new(1);
    net.start_all();
    let start = std::time::Instant::now();
    let mut slowest = std::time::Duration::ZERO;
    for index in 0..20 {
        let begun = std::time::Instant::now();
        let transaction = net.submit(0, &format!("alone {index}"));
        net.wait_for(&[0], &transaction, 10);
        slowest = slowest.max(begun.elapsed());
    }
    eprintln!("20 transactions one after the other in {:?}, slowest {slowest:?}", start.elapsed());
    assert_eq!(net.toy(0).transactions(), 20);
}

#[test]
fn four_validators_certify_equal_blocks() {
    let mut net = Net::new(4);
    net.start_all();
    for index in 0..40 {
        net.submit(index % 4, &format!("transaction {index}"));
    }
    net.wait(30, "all transactions everywhere", |net| (0..4).all(|validator| net.toy(validator).transactions() == 40));
    assert!(net.check_agreement() >= 3);
    for validator in 0..4 {
        net.stop(validator);
    }
}

/// Submits transactions to a validator in turn until stopped; returns them.
fn load(net: &Net, validators: &[u8], name: &str, count: usize, pause_ms: u64) -> Vec<bytes::Bytes> {
    let one = |index: usize| {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        net.submit(validators[index % validators.len()], &format!("{name} {index}"))
    };
    (0..count).map(one).collect()
}

fn wait_all(net: &Net, validators: &[u8], transactions: &[bytes::Bytes]) {
    net.wait(60, "all transactions", |net| {
        validators.iter().all(|validator| transactions.iter().all(|transaction| net.toy(*validator).has(transaction)))
    });
}

#[test]
fn a_validator_stops_and_comes_back_from_its_log() {
    let mut net = Net::new(4);
    let folder = tempfile::TempDir::new().unwrap();
    noema_consensus::SegmentLog::create(folder.path(), toy::CHAIN).unwrap();
    net.nodes[3].folder = Some(folder.path().to_owned());
    net.start_all();
    let before = load(&net, &[0, 1, 2, 3], "before", 20, 5);
    wait_all(&net, &[0, 1, 2, 3], &before);
    net.stop(3);
    let without = load(&net, &[0, 1, 2], "without", 20, 5);
    wait_all(&net, &[0, 1, 2], &without);
    net.start(3);
    let after = load(&net, &[0, 1, 2, 3], "after", 20, 5);
    wait_all(&net, &[0, 1, 2, 3], &without);
    wait_all(&net, &[0, 1, 2, 3], &after);
    assert!(net.check_agreement() > 5);
    assert_eq!(net.status(3).role, Role::Validator(noema_types::Author(3)));
}

#[test]
fn all_stop_at_once_and_go_on() {
    let mut net = Net::new(4);
    net.start_all();
    for round in 0..3 {
        let transactions = load(&net, &[0, 1, 2, 3], &format!("round {round}"), 12, 5);
        wait_all(&net, &[0, 1, 2, 3], &transactions);
        // Under way when the power goes.
        load(&net, &[0, 1], &format!("maybe {round}"), 10, 1);
        for validator in 0..4 {
            net.kill(validator);
        }
        net.start_all();
    }
    let last = load(&net, &[0, 1, 2, 3], "last", 4, 1);
    wait_all(&net, &[0, 1, 2, 3], &last);
    assert!(net.check_agreement() > 5);
}

#[test]
fn a_validator_is_killed_again_and_again_under_load() {
    let mut net = Net::new(4);
    net.start_all();
    let mut all = Vec::new();
    for round in 0..5 {
        all.extend(load(&net, &[0, 1, 2], &format!("round {round}"), 20, 5));
        net.kill(3);
        all.extend(load(&net, &[0, 1, 2], &format!("dead {round}"), 20, 5));
        net.start(3);
    }
    wait_all(&net, &[0, 1, 2, 3], &all);
    assert!(net.check_agreement() > 5);
    net.wait(20, "proposing again", |net| net.status(3).core.proposals > 5);
}

#[test]
fn a_lost_log_is_noticed_and_peers_are_asked() {
    let mut net = Net::new(4);
    net.start_all();
    let before = load(&net, &[0, 1, 2, 3], "before", 20, 5);
    wait_all(&net, &[0, 1, 2, 3], &before);
    net.kill(2);
    net.nodes[2].disk.wipe();
    net.start(2);
    let after = load(&net, &[0, 1, 2, 3], "after", 20, 5);
    wait_all(&net, &[0, 1, 2, 3], &after);
    net.wait(20, "resumed", |net| net.status(2).core.amnesia_resumed == 1 && net.status(2).core.proposals > 3);
    assert!(net.check_agreement() > 5);
    // Known to be complete from then on.
    net.kill(2);
    net.start(2);
    let last = load(&net, &[2], "last", 3, 5);
    wait_all(&net, &[0, 1, 2, 3], &last);
    assert_eq!(net.status(2).core.amnesia_resumed, 0);
}

#[test]
fn a_wiped_validator_fetches_everything() {
    let mut net = Net::new(4);
    net.change = Box::new(|_, config| {
        config.pace.lag_commits_max = 40;
        config.rules.gc_depth = 20;
    });
    net.start_all();
    let before = load(&net, &[0, 1, 2, 3], "before", 30, 20);
    wait_all(&net, &[0, 1, 2, 3], &before);
    net.kill(1);
    net.wipe_ledger(1);
    net.nodes[1].disk.wipe();
    let without = load(&net, &[0, 2, 3], "without", 60, 20);
    wait_all(&net, &[0, 2, 3], &without);
    net.wait(60, "far ahead", |net| net.status(0).core.commits > 300);
    net.start(1);
    let executed = net.toy(1).executions().len();
    assert_eq!(executed, 0);
    let after = load(&net, &[0, 2, 3], "after", 5, 5);
    wait_all(&net, &[0, 1, 2, 3], &after);
    wait_all(&net, &[1], &before);
    net.wait(20, "proposing again", |net| net.status(1).core.proposals > 3);
    let own = load(&net, &[1], "own", 3, 5);
    wait_all(&net, &[0, 1, 2, 3], &own);
    let (executed, tip) = (net.toy(1).executions().len() as u64, net.toy(1).height().0);
    assert!(executed + 10 < tip, "of {tip} blocks {executed} were executed and not fetched");
    assert!(net.check_agreement() > 5);
}

#[test]
fn a_wiped_validator_takes_a_snapshot_where_blocks_are_gone() {
    let mut net = Net::new(4);
    net.change = Box::new(|_, config| config.pace.lag_commits_max = 40);
    net.start_all();
    let before = load(&net, &[0, 1, 2], "before", 60, 10);
    wait_all(&net, &[0, 1, 2, 3], &before);
    net.kill(3);
    net.wipe_ledger(3);
    net.nodes[3].disk.wipe();
    net.wait(60, "far ahead", |net| net.status(0).core.commits > 400);
    let tip = net.toy(0).height();
    for validator in 0..3 {
        net.toy(validator).prune(tip);
    }
    net.start(3);
    let after = load(&net, &[0, 1, 2, 3], "after", 5, 5);
    wait_all(&net, &[0, 1, 2, 3], &after);
    wait_all(&net, &[3], &before);
    assert!(net.toy(3).restored() >= 1);
}

#[test]
fn a_validator_thousands_of_rounds_behind_catches_up() {
    let mut net = Net::new(4);
    net.change = Box::new(|_, config| {
        config.pace.round_interval_ms = 2;
        config.pace.idle_round_interval_ms = 2;
        config.pace.lag_commits_max = 100;
        config.rules.gc_depth = 20;
    });
    net.start_all();
    let before = load(&net, &[0, 1, 2, 3], "before", 10, 5);
    wait_all(&net, &[0, 1, 2, 3], &before);
    net.kill(3);
    let (target, stopped) = (2_000, net.status(0).round.0);
    net.wait(120, "rounds", |net| net.status(0).round.0 > stopped + target);
    net.start(3);
    let after = load(&net, &[0, 1, 2, 3], "after", 10, 5);
    wait_all(&net, &[0, 1, 2, 3], &after);
    net.wait(30, "proposing again", |net| net.status(3).core.proposals > 10);
    let executions = net.toy(3).executions();
    assert!(executions.windows(2).any(|pair| pair[1].0 > pair[0].0 + 10), "blocks were fetched, not executed");
    assert!(net.check_agreement() > 5);
}
