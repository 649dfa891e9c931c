//! Failures keep the fee and the sequence number, and nothing else.

use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable, StatusCode, TransactionResult};
use noema_types::{CodeLocation, ExecutionStatus, Gas};

use crate::support::{BALANCE, Chain, address, bytes, executed, sign, succeeded};
use crate::{HELPER, PROBE, chain_with_probe, counter, probe};

/// Runs a call of account 1 that must fail; checks that only the fee and the sequence number changed.
fn fail(chain: &mut Chain, function: &str, args: Vec<Vec<u8>>, gas: Option<u64>) -> (ExecutionStatus, u64) {
    let (before, number) = (chain.balance(address(1)), chain.sequence_number(address(1)).expect("exists"));
    let counter_before = counter(chain);
    chain.forget_sequence_number(1);
    let mut raw = chain.raw(1, function, args);
    if let Some(gas) = gas {
        raw.max_gas_amount = Gas(gas);
    }
    let result = chain.run(sign(1, raw));
    let output = executed(&result);
    assert!(!output.status.is_success());
    assert_eq!(chain.balance(address(1)), before - output.gas_used.0 * 100, "the fee is kept");
    assert_eq!(chain.sequence_number(address(1)), Some(number + 1));
    assert_eq!(counter(chain), counter_before, "no other effect");
    let events: Vec<String> = output.events.iter().map(|event| event.type_tag().to_string()).collect();
    assert_eq!(events.first().map(String::as_str), Some("0x1::transaction_fee::FeeStatement"));
    (output.status.clone(), output.gas_used.0)
}

#[test]
fn aborts_say_where_and_why() {
    let mut chain = chain_with_probe();
    let (status, gas) = fail(&mut chain, &probe("only_even"), vec![bytes(&3u64)], None);
    let module = probe("x").parse::<noema_types::StructTag>().expect("a name").module_id();
    let expected = format!("Move abort in {module}: EODD(0x7): The number is odd.");
    assert_eq!(status.to_string(), expected);
    assert!(gas > 0);
    let (status, _) =
        fail(&mut chain, "0x1::aptos_account::transfer", vec![bytes(&address(2)), bytes(&u64::MAX)], None);
    let ExecutionStatus::MoveAbort { location: CodeLocation::Module(module), info: Some(info), .. } = status else {
        panic!("{status}")
    };
    assert_eq!((module.to_string().as_str(), info.reason_name.as_str()), ("0x1::coin", "EINSUFFICIENT_BALANCE"));
}

#[test]
fn failing_instructions_say_where() {
    let mut chain = chain_with_probe();
    let (status, _) = fail(&mut chain, &probe("divide"), vec![bytes(&0u64)], None);
    let ExecutionStatus::ExecutionFailure { location, status, .. } = status else { panic!("{status}") };
    assert_eq!(status, StatusCode::ARITHMETIC_ERROR.number());
    assert!(matches!(location, CodeLocation::Module(id) if id.address == address(0)));
}

#[test]
fn running_out_costs_all_the_gas_allowed() {
    let mut chain = chain_with_probe();
    let (status, gas) = fail(&mut chain, &probe("spin"), vec![], Some(1_234));
    assert_eq!((status, gas), (ExecutionStatus::OutOfGas, 1_234));
}

#[test]
fn running_out_of_memory_costs_what_was_used() {
    let mut chain = chain_with_probe();
    let allowed = 100_000;
    let (status, gas) = fail(&mut chain, &probe("hoard"), vec![bytes(&1u64)], Some(allowed));
    let ExecutionStatus::ExecutionFailure { status, .. } = status else { panic!("{status}") };
    assert_eq!(status, StatusCode::MEMORY_LIMIT_EXCEEDED.number());
    assert!(gas > 0 && gas < allowed);
}

#[test]
fn storage_that_cannot_be_paid_is_out_of_gas_too() {
    let mut chain = chain_with_probe();
    let tx = chain.call(2, &probe("fill"), vec![bytes(&50u64)]);
    let needed = executed(&chain.run(tx)).gas_used.0;
    let (status, gas) = fail(&mut chain, &probe("fill"), vec![bytes(&50u64)], Some(needed - 1));
    assert_eq!((status, gas), (ExecutionStatus::OutOfGas, needed - 1));
    chain.forget_sequence_number(3);
    let mut raw = chain.raw(3, &probe("fill"), vec![bytes(&50u64)]);
    raw.max_gas_amount = Gas(needed);
    let result = chain.run(sign(3, raw));
    assert!(executed(&result).status.is_success(), "exactly enough is enough");
}

#[test]
fn what_cannot_be_called_costs_its_fee() {
    let mut chain = chain_with_probe();
    let cases: [(&str, Vec<Vec<u8>>, StatusCode); 6] = [
        ("private_function", vec![], StatusCode::EXECUTE_ENTRY_FUNCTION_CALLED_ON_NON_ENTRY_FUNCTION),
        ("absent", vec![], StatusCode::FUNCTION_RESOLUTION_FAILURE),
        ("bump", vec![], StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH),
        ("bump", vec![vec![1, 2]], StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT),
        ("bump", vec![bytes(&1u64), bytes(&1u64)], StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH),
        ("two_signers", vec![], StatusCode::NUMBER_OF_SIGNER_ARGUMENTS_MISMATCH),
    ];
    for (function, args, expected) in cases {
        let (status, _) = fail(&mut chain, &probe(function), args, None);
        assert_eq!(status, ExecutionStatus::MiscellaneousError(expected.number()), "{function}");
    }
    let missing = format!("{}::nowhere::f", address(5));
    assert!(matches!(fail(&mut chain, &missing, vec![], None).0, ExecutionStatus::MiscellaneousError(_)));
}

#[test]
fn spending_the_fee_fails_the_transaction_and_keeps_the_fee() {
    let mut chain = chain_with_probe();
    let balance = chain.balance(address(1));
    let args = vec![bytes(&address(2)), bytes(&balance)];
    let (status, gas) = fail(&mut chain, &probe("give_all"), args, None);
    assert!(matches!(&status, ExecutionStatus::MoveAbort { .. }), "{status}");
    assert_eq!(chain.balance(address(2)), BALANCE);
    assert!(gas > 0);
}

#[test]
fn effects_of_earlier_failures_do_not_leak_into_later_transactions() {
    let mut chain = chain_with_probe();
    let txs = vec![
        chain.call(1, &probe("only_even"), vec![bytes(&3u64)]),
        chain.call(2, &probe("bump"), vec![bytes(&10u64)]),
    ];
    let results = chain.block(txs);
    assert!(matches!(&results[0], TransactionResult::Executed(output) if !output.status.is_success()));
    assert_eq!(counter(&chain), 10);
}

fn broken_native(_: &mut NativeContext<'_>, _: NativeArgs) -> NativeResult {
    panic!("a bug in a native")
}

/// The framework's natives, one of them broken.
fn broken_natives() -> NativeTable {
    let natives = noema_framework::natives();
    let mut broken = NativeTable::new();
    for (address, module, function) in natives.names() {
        let native = natives.get(*address, module, function).expect("it is in the list");
        let native = if function == "generate_auid_address" { broken_native } else { native };
        broken.add(*address, module, function, native);
    }
    broken
}

#[test]
fn a_panic_below_the_payload_is_a_status_and_costs_its_gas() {
    let mut used = Vec::new();
    for _ in 0..2 {
        let mut chain = Chain::with_natives(broken_natives());
        succeeded(&chain.publish(0, "probe", &[PROBE, HELPER]));
        let (status, gas) = fail(&mut chain, &probe("unique"), vec![], None);
        let expected = StatusCode::UNKNOWN_INVARIANT_VIOLATION_ERROR.number();
        assert_eq!(status, ExecutionStatus::MiscellaneousError(expected));
        used.push(gas);
        let tx = chain.call(2, &probe("bump"), vec![bytes(&10u64)]);
        succeeded(&chain.run(tx));
        assert_eq!(counter(&chain), 10, "the node goes on");
    }
    assert!(used[0] > 2 && used[0] == used[1], "{used:?}");
    let mut chain = chain_with_probe();
    let tx = chain.call(1, &probe("unique"), vec![]);
    succeeded(&chain.run(tx));
}
