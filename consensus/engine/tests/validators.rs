//! Validators of one process commit, certify, crash and come back.

mod toy;

use toy::{Net, keys};

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
    assert_eq!(keys(0, 0).consensus.public(), net.genesis.committee.validators()[0].consensus_key);
}
