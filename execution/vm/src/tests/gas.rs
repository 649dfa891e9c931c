//! What runs cost, and where an empty balance shows.

use noema_bytecode::Bytecode as B;
use noema_execution_api::{GasMeter, InternalGas, NativeTable, NoAnswers, StatusCode, TransactionContext};

use super::{M, bytes, failure, fib, one, state, vm};
use crate::tests::builder::{Builder, T, id};
use crate::{ExecError, Vm};

fn run(modules: Vec<Builder>, name: &str, args: &[Vec<u8>], limit: u64) -> (Result<(), ExecError>, u64) {
    let (vm, state): (Vm, _) = (vm(NativeTable::new()), state(modules));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let mut gas = GasMeter::new(InternalGas(limit));
    let result = session.execute_function(&id(M), name, vec![], args.to_vec(), &mut gas);
    (result.map(drop), gas.used().0)
}

#[test]
fn blocks_are_charged_whole() {
    let schedule = noema_execution_api::GasSchedule::default();
    let c = &schedule.instructions;
    // fib(1): the entry block, then the block that returns n.
    let entry = c.copy_loc.0 + c.load.0 + c.compare.0 + c.branch.0;
    let small = c.move_loc.0 + c.ret.0;
    let large = c.copy_loc.0 + c.move_loc.0 + 2 * (c.load.0 + c.add_sub.0 + c.call.0) + c.add_sub.0 + c.ret.0;
    let (result, used) = run(vec![fib()], "fib", &[bytes(&1u64)], u64::MAX);
    assert!(result.is_ok());
    assert_eq!(used, entry + small);
    // fib(2) calls fib(1) and fib(0); calls do not end a block.
    let (_, used) = run(vec![fib()], "fib", &[bytes(&2u64)], u64::MAX);
    assert_eq!(used, 3 * entry + 2 * small + large);
}

#[test]
fn a_failing_block_is_not_refunded() {
    let code = |_: &mut Builder| vec![B::LdU64(1), B::LdU64(0), B::Div, B::LdU64(1), B::Pop, B::Ret];
    let (result, used) = run(one(&[T::U64], &[], code), "f", &[], u64::MAX);
    assert_eq!(failure(result).status, StatusCode::ARITHMETIC_ERROR);
    let c = noema_execution_api::GasSchedule::default().instructions;
    assert_eq!(used, 3 * c.load.0 + c.div_mod.0 + c.pop.0 + c.ret.0);
}

#[test]
fn an_empty_balance_shows_at_the_first_instruction_of_the_block() {
    let schedule = noema_execution_api::GasSchedule::default();
    let c = &schedule.instructions;
    let entry = c.copy_loc.0 + c.load.0 + c.compare.0 + c.branch.0;
    // The next block would fail at its first division, but nothing of it runs.
    let code =
        |_: &mut Builder| vec![B::LdTrue, B::BrTrue(3), B::Nop, B::LdU64(1), B::LdU64(0), B::Div, B::Pop, B::Ret];
    let (result, used) = run(one(&[], &[], code), "f", &[], c.load.0 + c.branch.0 + 1);
    let error = failure(result);
    assert_eq!((error.status, error.at.unwrap().code_offset), (StatusCode::OUT_OF_GAS, 3));
    assert_eq!(used, c.load.0 + c.branch.0 + 1, "running out takes everything");
    let (result, _) = run(vec![fib()], "fib", &[bytes(&1u64)], entry - 1);
    assert_eq!(failure(result).at.unwrap().code_offset, 0);
    let (result, _) = run(vec![fib()], "fib", &[bytes(&1u64)], entry);
    assert_eq!(failure(result).at.unwrap().code_offset, 4);
}

#[test]
fn large_copies_cost_by_size() {
    let vector = T::Vector(Box::new(T::U8));
    let used = |length: usize| {
        let code = move |m: &mut Builder| {
            let constant = m.constant(T::Vector(Box::new(T::U8)), bytes(&vec![7u8; length]));
            vec![B::LdConst(constant), B::StLoc(0), B::CopyLoc(0), B::MoveLoc(0), B::Eq, B::Ret]
        };
        run(one(&[T::Bool], std::slice::from_ref(&vector), code), "f", &[], u64::MAX).1
    };
    let dynamic = noema_execution_api::GasSchedule::default().dynamic;
    let per_byte = dynamic.constant_byte.0 + dynamic.copy_byte.0 + dynamic.equality_byte.0;
    assert_eq!(used(1000) - used(100), 900 * per_byte);
}

#[test]
fn an_endless_loop_ends() {
    let code = |_: &mut Builder| vec![B::Branch(0)];
    let (result, used) = run(one(&[], &[], code), "f", &[], 1_000_000);
    assert_eq!(failure(result).status, StatusCode::OUT_OF_GAS);
    assert_eq!(used, 1_000_000);
}
