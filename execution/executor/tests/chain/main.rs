//! Transactions on the real framework, from genesis on.

mod failures;
mod publishing;
mod questions;
mod random;
mod staking;
mod support;
mod validation;

use noema_types::{Address, Event};
use support::{Chain, address, bytes, executed, succeeded};

/// The package that the tests call, published by account 0.
const PROBE: &str = include_str!("probe.move");
const HELPER: &str = "module probe::helper { public fun one(): u64 { 1 } }";

/// A chain with the probe package.
fn chain_with_probe() -> Chain {
    let mut chain = Chain::new();
    let result = chain.publish(0, "probe", &[PROBE, HELPER]);
    succeeded(&result);
    chain
}

/// The probe's function of this name.
fn probe(function: &str) -> String {
    format!("{}::probe::{function}", address(0))
}

fn counter(chain: &Chain) -> u64 {
    let counter: (u64, u64) = chain.resource(address(0), &probe("Counter")).expect("published");
    counter.0
}

#[test]
fn a_transfer_moves_money_and_costs_a_fee() {
    let mut chain = Chain::new();
    let new = Address([0xAB; 32]);
    let tx = chain.call(1, "0x1::aptos_account::transfer", vec![bytes(&new), bytes(&1_000u64)]);
    let result = chain.run(tx);
    let output = succeeded(&result);
    assert!(output.gas_used.0 > 0);
    assert_eq!(chain.balance(new), 1_000);
    assert_eq!(chain.balance(address(1)), support::BALANCE - 1_000 - output.gas_used.0 * 100);
    assert_eq!(chain.sequence_number(address(1)), Some(1));
    assert_eq!(chain.sequence_number(new), Some(0), "the recipient has an account now");
    let statement = output.events.last().expect("a fee statement");
    assert_eq!(statement.type_tag().to_string(), "0x1::transaction_fee::FeeStatement");
    let fee: (u64, u64, u64, u64, u64) = bcs::from_bytes(statement.data()).expect("five numbers");
    assert_eq!((fee.0, fee.1 + fee.2), (output.gas_used.0, output.gas_used.0));
    assert!(fee.2 > 0, "storage costs");
}

#[test]
fn blocks_start_with_their_metadata() {
    let mut chain = Chain::new();
    chain.block(vec![]);
    chain.block(vec![]);
    let block: (u64, u64) = {
        let key = noema_types::StateKey::Resource {
            address: Address::ONE,
            tag: "0x1::block::BlockResource".parse().expect("a struct"),
        };
        let bytes = &chain.state.values[&key];
        bcs::from_bytes(&bytes[..16]).expect("two numbers")
    };
    assert_eq!(block.0, 2);
    let clock: u64 = chain.resource(Address::ONE, "0x1::timestamp::CurrentTimeMicroseconds").expect("runs");
    assert_eq!(clock, chain.context().timestamp_us);
}

#[test]
fn calls_change_state_and_emit_events() {
    let mut chain = chain_with_probe();
    let txs = vec![
        chain.call(1, &probe("bump"), vec![bytes(&5u64)]),
        chain.call(2, &probe("bump"), vec![bytes(&6u64)]),
        chain.call(1, &probe("bump"), vec![bytes(&7u64)]),
    ];
    let results = chain.block(txs);
    assert_eq!(counter(&chain), 18);
    let values: Vec<u64> = results
        .iter()
        .map(|result| match &succeeded(result).events[0] {
            Event::V2 { type_tag, data } => {
                assert_eq!(type_tag.to_string(), probe("Bumped"));
                bcs::from_bytes::<(Address, u64)>(data).expect("an event").1
            }
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(values, [5, 11, 18]);
    assert_eq!(executed(&results[0]).gas_used, executed(&results[2]).gas_used, "equal work, equal gas");
}

#[test]
fn tables_persist() {
    let mut chain = chain_with_probe();
    let items = |chain: &Chain| {
        chain.state.values.keys().filter(|key| matches!(key, noema_types::StateKey::TableItem { .. })).count()
    };
    let before = items(&chain);
    for _ in 0..6 {
        let tx = chain.call(3, &probe("fill"), vec![bytes(&4u64)]);
        succeeded(&chain.run(tx));
    }
    // Five rounds fill, count to three and remove; the sixth fills again.
    assert_eq!(items(&chain) - before, 4);
}
