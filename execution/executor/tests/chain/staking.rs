//! Epochs, joining and leaving, and evidence, as blocks and transactions.

use noema_crypto::BlsKeyPair;
use noema_execution_api::TransactionResult;
use noema_framework::on_chain;
use noema_types::{Address, Author, Committee, Epoch, ExecutionStatus, Hash, Height, Round, Stake, TimestampMs};

use crate::support::{BALANCE, Chain, GENESIS_US, address, bytes, consensus_key, executed, succeeded, validator};

const EPOCH_US: u64 = 10_000_000;
/// The account that joins.
const NEW: u8 = 5;

fn chain() -> Chain {
    Chain::with_validators((0..4).map(|who| validator(who, 1_000_000)).collect(), EPOCH_US)
}

fn committee(chain: &Chain) -> Committee {
    on_chain::committee(&chain.state).expect("the state has a committee")
}

fn epoch(chain: &Chain) -> u64 {
    on_chain::epoch(&chain.state).expect("the state has an epoch").0
}

/// Empty blocks until this height; one is made per second.
fn run_to(chain: &mut Chain, height: u64) {
    while chain.height < height {
        chain.block(vec![]);
    }
}

fn call(chain: &mut Chain, who: u8, function: &str, args: Vec<Vec<u8>>) -> TransactionResult {
    let tx = chain.call(who, &format!("0x1::stake::{function}"), args);
    chain.run(tx)
}

/// Active, inactive, waiting and unlocked stake, by the view that wallets use.
fn stake(chain: &Chain, who: u8) -> Vec<u64> {
    let call = crate::support::entry("0x1::stake::get_stake", vec![bytes(&address(who))]);
    let output = chain
        .vm
        .view_function(&chain.state, &chain.answers(), &chain.context(), &call, noema_types::Gas(1_000_000))
        .expect("the view answers");
    output.values.iter().map(|(value, _)| bcs::from_bytes(value).expect("a number")).collect()
}

#[track_caller]
fn aborted(result: &TransactionResult, module: &str, code: u64) {
    match &executed(result).status {
        ExecutionStatus::MoveAbort { location, code: got, .. } => {
            assert_eq!((location.to_string(), *got), (format!("0x1::{module}"), code));
        }
        status => panic!("{status}"),
    }
}

#[test]
fn blocks_end_epochs_when_consensus_does() {
    let mut chain = chain();
    let mut end = on_chain::epoch_end_ms(&chain.state).expect("an end");
    assert_eq!(end, TimestampMs((GENESIS_US + EPOCH_US) / 1_000));
    for _ in 0..25 {
        let before = epoch(&chain);
        chain.block(vec![]);
        let time = TimestampMs(chain.context().timestamp_us / 1_000);
        assert_eq!(epoch(&chain) == before + 1, time >= end, "at {time}");
        assert!(epoch(&chain) <= before + 1);
        end = on_chain::epoch_end_ms(&chain.state).expect("an end");
        assert_eq!(committee(&chain).epoch(), Epoch(epoch(&chain)));
    }
    assert_eq!(epoch(&chain), 3);
    assert_eq!(on_chain::epoch_state(&chain.state).expect("an epoch").begun_us, GENESIS_US + 20_000_000);
}

#[test]
fn leaders_earn_and_those_that_fail_do_not() {
    let mut chain = chain();
    chain.failed = vec![1, 1];
    run_to(&mut chain, 10);
    let stakes = |chain: &Chain| committee(chain).validators().iter().map(|info| info.stake.0).collect::<Vec<_>>();
    assert_eq!(stakes(&chain), [1_001_000, 1_000_000, 1_000_000, 1_000_000]);
    // Half of the blocks of the second epoch: the validator's own position is among those that failed.
    chain.failed = vec![0];
    run_to(&mut chain, 20);
    assert_eq!(stakes(&chain), [1_001_500, 1_000_000, 1_000_000, 1_000_000]);
}

fn join(chain: &mut Chain) {
    let new = validator(NEW, 0);
    let args = vec![
        bytes(&new.consensus_key),
        bytes(&new.network_key),
        bytes(&new.checkpoint_key),
        bytes(&new.proof_of_possession),
        bytes(&new.network_address),
        bytes(&"https://full.example.org"),
    ];
    succeeded(&call(chain, NEW, "initialize_validator", args));
    succeeded(&call(chain, NEW, "add_stake", vec![bytes(&500_000u64)]));
    succeeded(&call(chain, NEW, "join_validator_set", vec![bytes(&address(NEW))]));
}

#[test]
fn a_validator_joins_serves_leaves_and_withdraws() {
    let mut chain = chain();
    join(&mut chain);
    let first = committee(&chain);
    assert_eq!(first.author_of(address(NEW)), None);
    run_to(&mut chain, 10);
    let second = committee(&chain);
    assert_eq!(second.author_of(address(NEW)), Some(Author(4)));
    assert_eq!((second.stake(Author(4)), second.total_stake()), (Stake(500_000), Stake(4_501_000)));
    assert_eq!(second.validators()[4].checkpoint_key, BlsKeyPair::from_seed(&[NEW; 32]).public());
    // Whoever leaves or rotates in the middle of an epoch changes nothing of its committee, nor of anyone's position.
    succeeded(&call(&mut chain, 1, "leave_validator_set", vec![bytes(&address(1))]));
    succeeded(&call(&mut chain, NEW, "leave_validator_set", vec![bytes(&address(NEW))]));
    let key = consensus_key(50).public();
    succeeded(&call(&mut chain, 2, "rotate_consensus_key", vec![bytes(&address(2)), bytes(&key)]));
    assert_eq!(committee(&chain), second);
    run_to(&mut chain, 20);
    let third = committee(&chain);
    let addresses: Vec<Address> = third.validators().iter().map(|info| info.address).collect();
    assert_eq!(addresses, [0, 3, 2].map(address));
    assert_eq!(third.validators()[2].consensus_key, key);
    // Locked from the border at 10 s on for 20 s, and answerable for the epoch that ended at 20 s until 40 s.
    succeeded(&call(&mut chain, NEW, "unlock", vec![bytes(&500_000u64)]));
    run_to(&mut chain, 38);
    succeeded(&call(&mut chain, NEW, "withdraw", vec![bytes(&500_000u64)]));
    assert_eq!(stake(&chain, NEW), [0, 0, 0, 500_000], "too early");
    let before = chain.balance(address(NEW));
    let result = call(&mut chain, NEW, "withdraw", vec![bytes(&500_000u64)]);
    let fee = succeeded(&result).gas_used.0 * 100;
    assert_eq!(chain.context().height, Height(40));
    assert_eq!((stake(&chain, NEW), chain.balance(address(NEW))), (vec![0; 4], before + 500_000 - fee));
    assert!(chain.balance(address(NEW)) < BALANCE, "only fees were paid");
}

/// The bytes that a validator signs for a block, and their header.
fn header(round: u64, author: u16, timestamp: u64) -> Vec<u8> {
    let nothing: Vec<u8> = Vec::new();
    bytes(&(
        Hash([7; 32]),
        Epoch(1),
        Round(round),
        Author(author),
        &nothing,
        &nothing,
        TimestampMs(timestamp),
        &nothing,
    ))
}

fn sign(who: u8, header: &[u8]) -> Vec<u8> {
    consensus_key(who).sign(&[b"NOEMA::Block", header].concat()).0.to_vec()
}

fn report(chain: &mut Chain, who: u8, author: u16, rounds: [u64; 2]) -> TransactionResult {
    let (a, b) = (header(rounds[0], author, 1), header(rounds[1], author, 2));
    let args = vec![bytes(&a), bytes(&sign(who, &a)), bytes(&b), bytes(&sign(who, &b))];
    call(chain, 7, "report_equivocation", args)
}

#[test]
fn evidence_in_a_transaction_slashes_and_jails() {
    let mut chain = chain();
    aborted(&report(&mut chain, 2, 2, [8, 9]), "evidence", 0x10005);
    aborted(&report(&mut chain, 3, 2, [8, 8]), "evidence", 0x10009);
    let before = chain.balance(address(7));
    let result = report(&mut chain, 2, 2, [8, 8]);
    let fee = succeeded(&result).gas_used.0 * 100;
    // Half of a million, of which a tenth goes to the reporter.
    assert_eq!((stake(&chain, 2), chain.balance(address(7))), (vec![500_000, 0, 0, 0], before + 50_000 - fee));
    aborted(&report(&mut chain, 2, 2, [9, 9]), "evidence", 0x8000a);
    assert_eq!(committee(&chain).stake(Author(2)), Stake(1_000_000));
    run_to(&mut chain, 10);
    let addresses: Vec<Address> = committee(&chain).validators().iter().map(|info| info.address).collect();
    assert_eq!(addresses, [0, 1, 3].map(address));
    aborted(&call(&mut chain, 2, "join_validator_set", vec![bytes(&address(2))]), "stake", 0x3001a);
    // Evidence of the first epoch counts until 20 s after its end.
    run_to(&mut chain, 30);
    aborted(&report(&mut chain, 1, 1, [8, 8]), "evidence", 0x20007);
}
