//! The benchmark programs give the official machine's results.

#![allow(missing_docs, reason = "a test")]

mod common;

use std::time::Instant;

use common::{call, compile, plain_vm, vm};
use noema_execution_api::{GasMeter, MemoryState, NoAnswers, TransactionContext};
use noema_types::{Address, U256};
use noema_vm::{Interpreter, Vm};

const SOURCE: &str = include_str!("programs/bench.move");

fn arg<T: serde::Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("a number serialises")
}

/// Function, argument, BCS of the result.
fn programs() -> Vec<(&'static str, u64, Vec<u8>)> {
    let wide: U256 = "98198928683844896079899328885370923021".parse().expect("a number");
    vec![
        ("fib", 27, arg(&196_418u64)),
        ("loop_sum", 2_000_000, arg(&147u64)),
        ("sort", 800, arg(&1_086_531_792u64)),
        ("points", 100_000, arg(&805_003u64)),
        ("wide", 200_000, wide.to_le_bytes::<32>().to_vec()),
    ]
}

#[test]
fn results_are_the_official_ones() {
    let state = compile(SOURCE);
    for (name, size, expected) in programs() {
        let results = call(&state, &format!("bench::{name}"), vec![arg(&size)]).expect(name);
        assert_eq!(results[0].0, expected, "{name}");
    }
}

/// Transfers among accounts, each its own transaction, whose changes are applied; gives the sum that was sent.
fn transfers(vm: &Vm, state: &mut MemoryState, accounts: u64, count: u64) -> u64 {
    let module = "0x42::bench".parse().expect("a module's name");
    let address = |at: u64| {
        let mut address = Address::ZERO;
        address.0[..8].copy_from_slice(&(at + 1).to_le_bytes());
        arg(&address)
    };
    let run = |state: &mut MemoryState, name: &str, args| {
        let mut session = vm.session(&*state, &NoAnswers, TransactionContext::default());
        session.execute_function(&module, name, vec![], args, &mut GasMeter::unlimited()).expect(name);
        let writes = session.finish().expect("changes").write_set;
        state.apply(&writes);
        writes.0.len()
    };
    (0..accounts).for_each(|at| assert_eq!(run(state, "init_account", vec![address(at)]), 1));
    let mut random = 1u64;
    let mut sent = 0;
    for _ in 0..count {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (from, to) = ((random >> 33) % accounts, (random >> 40) % accounts);
        let writes = run(state, "transfer", vec![address(from), address(to), arg(&(1 + (random >> 60)))]);
        assert_eq!(writes, if from == to { 1 } else { 2 });
        sent += 1;
    }
    sent
}

#[test]
fn transfers_move_balances() {
    let mut state = compile(SOURCE);
    let sent = transfers(&vm(), &mut state, 20, 200);
    let total: (u64, u64) = state
        .values
        .iter()
        .filter(|(key, _)| matches!(key, noema_types::StateKey::Resource { .. }))
        .map(|(_, bytes)| bcs::from_bytes::<(u64, u64)>(bytes).expect("a balance"))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(total, (20_000_000, sent));
}

/// `cargo test -p noema-vm --test bench -- --ignored --nocapture`
#[test]
#[ignore = "prints times"]
#[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "its only purpose is to show times")]
fn times() {
    let state = compile(SOURCE);
    let module = "0x42::bench".parse().expect("a module's name");
    let machine = |interpreter| plain_vm().with_interpreter(interpreter);
    let machines = [
        ("reference", machine(Interpreter::Reference)),
        ("fast", machine(Interpreter::Fast)),
        ("fast, no charges", machine(Interpreter::Fast).without_block_charges()),
    ];
    for ((name, size, _), (kind, vm)) in
        programs().into_iter().flat_map(|p| machines.iter().map(move |m| (p.clone(), m)))
    {
        let mut best = None;
        for _ in 0..7 {
            let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
            let mut gas = GasMeter::unlimited();
            let started = Instant::now();
            session.execute_function(&module, name, vec![], vec![arg(&size)], &mut gas).expect(name);
            let taken = started.elapsed();
            best = best.filter(|(least, _, _)| *least < taken).or(Some((taken, session.instructions(), gas.used())));
        }
        eprintln!("{name}({size}) {kind}: {best:?}");
    }
    for (kind, vm) in &machines[..2] {
        let state = compile(SOURCE);
        let best = (0..3).map(|_| {
            let mut state = state.clone();
            let started = Instant::now();
            transfers(vm, &mut state, 2_000, 50_000);
            started.elapsed() / 52_000
        });
        eprintln!("transfer {kind}: {:?} each, with view and write set applied", best.min());
    }
}

/// Runs one program for a profiler: `perf stat -e cycles:u,instructions:u BINARY profile_fib --ignored`.
fn profile(name: &str) {
    let (state, vm) = (compile(SOURCE), plain_vm().with_interpreter(Interpreter::Fast));
    let module = "0x42::bench".parse().expect("a module's name");
    let (name, size, _) = programs().into_iter().find(|program| program.0 == name).expect("a program");
    for _ in 0..100 {
        let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
        session.execute_function(&module, name, vec![], vec![arg(&size)], &mut GasMeter::unlimited()).expect(name);
    }
}

macro_rules! profiles {
    ($($test:ident $name:literal)*) => {$(
        #[test]
        #[ignore = "for profilers"]
        fn $test() {
            profile($name);
        }
    )*};
}

profiles! {
    profile_fib "fib"
    profile_loop_sum "loop_sum"
    profile_sort "sort"
    profile_points "points"
    profile_wide "wide"
}
