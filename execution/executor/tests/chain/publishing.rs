//! Packages: what is accepted, what is refused, and what an upgrade may change.

use noema_execution_api::{StatusCode, TransactionResult};
use noema_executor::limits::VIEW_GAS_MAX;
use noema_types::ExecutionStatus;

use crate::support::{Chain, address, bytes, compile, entry, executed, succeeded};
use crate::{HELPER, PROBE, chain_with_probe, counter, probe};

#[track_caller]
fn refused(result: &TransactionResult) -> String {
    let output = executed(result);
    assert!(!output.status.is_success(), "published");
    match &output.status {
        ExecutionStatus::MiscellaneousError(number) => {
            StatusCode::from_number(*number).expect("a known status").name().to_owned()
        }
        ExecutionStatus::MoveAbort { info: Some(info), .. } => info.reason_name.clone(),
        status => status.to_string(),
    }
}

fn view_u64(chain: &Chain, function: &str) -> u64 {
    let call = entry(&probe(function), vec![]);
    let output = chain.vm.view_function(&chain.state, &chain.answers(), &chain.context(), &call, VIEW_GAS_MAX);
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    bcs::from_bytes(&output.values[0].0).expect("a number")
}

#[test]
fn init_module_runs_once() {
    let mut chain = chain_with_probe();
    assert_eq!((view_u64(&chain, "value"), view_u64(&chain, "runs_of_init")), (0, 1));
    let tx = chain.call(1, &probe("bump"), vec![bytes(&5u64)]);
    succeeded(&chain.run(tx));
    let changed = PROBE.replace("index + 1", "index + 2");
    assert_ne!(changed, PROBE);
    succeeded(&chain.publish(0, "probe", &[&changed, HELPER]));
    assert_eq!((view_u64(&chain, "value"), view_u64(&chain, "runs_of_init")), (5, 1));
}

#[test]
fn an_upgrade_takes_effect_from_the_next_transaction_on() {
    let mut chain = chain_with_probe();
    let changed = PROBE.replace("counter.value + by;", "counter.value + by * 100;");
    assert_ne!(changed, PROBE);
    let txs = vec![
        chain.call(1, &probe("bump"), vec![bytes(&1u64)]),
        chain.publication(0, "probe", &[&changed, HELPER]),
        chain.call(1, &probe("bump"), vec![bytes(&1u64)]),
    ];
    for result in chain.block(txs) {
        succeeded(&result);
    }
    assert_eq!(counter(&chain), 101);
}

#[test]
fn incompatible_upgrades_are_refused() {
    let mut chain = chain_with_probe();
    let without_function = PROBE.replace("public fun not_a_view(): u64 {\n        1\n    }", "");
    let other_layout = PROBE.replace("runs_of_init: u64\n", "runs_of_init: u64, more: u64\n");
    let other_layout = other_layout.replace("runs_of_init: 1 }", "runs_of_init: 1, more: 0 }");
    for source in [without_function, other_layout] {
        assert_ne!(source, PROBE);
        let result = chain.publish(0, "probe", &[&source, HELPER]);
        assert_eq!(refused(&result), "BACKWARD_INCOMPATIBLE_MODULE_UPDATE");
    }
    let result = chain.publish(0, "probe", &[PROBE.replace("friend probe::helper;", "").as_str()]);
    assert_eq!(refused(&result), "EMODULE_MISSING");
    assert_eq!(view_u64(&chain, "value"), 0, "the old code runs on");
}

#[test]
fn modules_of_somebody_else_are_refused() {
    let mut chain = Chain::new();
    let theirs = compile("x", &["module probe::m { public fun f() {} }"], address(5));
    let unit = theirs.modules.iter().find(|unit| unit.is_target).expect("a module");
    let metadata =
        noema_framework::PackageMetadata::new("x", noema_framework::UpgradePolicy::COMPATIBLE, ["m".to_owned()]);
    let args = vec![bytes(&metadata.to_bytes()), bytes(&vec![unit.bytes.clone()])];
    let tx = chain.call(1, "0x1::code::publish_package_txn", args);
    assert_eq!(refused(&chain.run(tx)), "MODULE_ADDRESS_DOES_NOT_MATCH_SENDER");
}

/// Publishes raw bytes as module `m` of account 1.
fn publish_bytes(chain: &mut Chain, code: &[u8]) -> TransactionResult {
    let policy = noema_framework::UpgradePolicy::COMPATIBLE;
    let metadata = noema_framework::PackageMetadata::new("x", policy, ["m".to_owned()]);
    let args = vec![bytes(&metadata.to_bytes()), bytes(&vec![code.to_vec()])];
    let tx = chain.call(1, "0x1::code::publish_package_txn", args);
    chain.run(tx)
}

#[test]
fn damaged_modules_are_refused_and_harm_nothing() {
    let mut chain = Chain::new();
    let source = "module probe::m { struct S has key { x: u64 } public entry fun f(a: &signer, x: u64) { \
                  if (x > 3) { move_to(a, S { x }) } } }";
    let program = compile("x", &[source], address(1));
    let good = &program.modules.iter().find(|unit| unit.is_target).expect("a module").bytes;
    assert_eq!(refused(&publish_bytes(&mut chain, b"not a module")), "BAD_MAGIC");
    let mut rejected = 0;
    for position in (4..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[position] ^= 0x15;
        if !executed(&publish_bytes(&mut chain, &bad)).status.is_success() {
            rejected += 1;
        } else {
            // What a flip leaves valid (a constant, an offset of no effect) is published and cannot be published over
            // incompatibly; the rest of the flips go on from there.
            continue;
        }
    }
    assert!(rejected > 20, "{rejected} of {} flips were refused", good.len() / 3);
}

#[test]
fn wrong_init_module_is_refused() {
    let mut chain = Chain::new();
    for source in [
        "module probe::m { fun init_module() {} }",
        "module probe::m { fun init_module(_a: u64) {} }",
        "module probe::m { public fun init_module(_a: &signer) {} }",
    ] {
        assert_eq!(refused(&chain.publish(1, "x", &[source])), "INVALID_MAIN_FUNCTION_SIGNATURE", "{source}");
    }
    let aborting = "module probe::m { fun init_module(_a: &signer) { abort 3 } }";
    assert!(refused(&chain.publish(1, "x", &[aborting])).starts_with("Move abort in"));
    let good = "module probe::m { struct S has key {} fun init_module(a: &signer) { move_to(a, S {}) } }";
    succeeded(&chain.publish(1, "x", &[good]));
}

#[test]
fn publishing_twice_in_one_block_sees_the_first() {
    let mut chain = Chain::new();
    let one = "module probe::m { public fun f(): u64 { 1 } }";
    let two = "module probe::n { public fun g(): u64 { 2 } }";
    let txs = vec![
        chain.publication(1, "one", &[one]),
        chain.publication(1, "two", &[two]),
        chain.publication(1, "three", &[one]),
    ];
    let results = chain.block(txs);
    succeeded(&results[0]);
    succeeded(&results[1]);
    assert_eq!(refused(&results[2]), "EMODULE_NAME_CLASH");
}
