//! What a tracer sees.

use noema_execution_api::{GasMeter, InternalGas, NoAnswers, TransactionContext};

use super::builder::{Builder, declare, id};
use super::*;
use crate::{TraceFrame, Tracer};

/// Writes down every event, and the gas between events under the event that it follows.
#[derive(Default)]
struct Log {
    events: Vec<String>,
    used: u64,
}

impl Log {
    fn push(&mut self, event: String, used: InternalGas) {
        assert!(used.0 >= self.used, "gas only grows here");
        self.used = used.0;
        self.events.push(event);
    }
}

impl Tracer for Log {
    fn enter(&mut self, function: TraceFrame, used: InternalGas) {
        self.push(format!("enter {function}"), used);
    }

    fn leave(&mut self, used: InternalGas) {
        self.push("leave".to_owned(), used);
    }

    fn at(&mut self, code_offset: u16, used: InternalGas) {
        self.push(format!("at {code_offset}"), used);
    }
}

/// `fun inner() { if (true) return; abort 77 }  fun f() { inner() }`
fn nested(fails: bool) -> Builder {
    let mut m = Builder::new(M);
    let inner = declare("inner", &[], &[]);
    let handle = m.handle(None, &inner);
    let condition = if fails { B::LdFalse } else { B::LdTrue };
    m.function(&inner, &[], vec![condition, B::BrTrue(4), B::LdU64(77), B::Abort, B::Ret]);
    m.function(&declare("f", &[], &[]), &[], vec![B::Call(handle), B::Ret]);
    m
}

fn run(builder: Builder, traced: bool) -> (Vec<String>, bool, u64, u64) {
    let (vm, state) = (vm(NativeTable::new()), state(vec![builder]));
    let mut log = Log::default();
    let mut gas = GasMeter::new(InternalGas(1_000_000));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    if traced {
        session.trace(&mut log);
    }
    let passed = session.execute_function(&id(M), "f", vec![], vec![], &mut gas).is_ok();
    let instructions = session.instructions();
    drop(session);
    (log.events, passed, gas.used().0, instructions)
}

#[test]
fn a_tracer_sees_every_call_and_instruction() {
    let (events, passed, _, instructions) = run(nested(false), true);
    assert!(passed);
    let (f, inner) = (format!("enter {}::f at offset 0", id(M)), format!("enter {}::inner at offset 0", id(M)));
    let wanted = [&*f, "at 0", &*inner, "at 0", "at 1", "at 4", "leave", "at 1", "leave"];
    assert_eq!(events, wanted);
    assert_eq!(instructions as usize, events.iter().filter(|event| event.starts_with("at")).count());
}

#[test]
fn a_failure_ends_the_trace_where_it_happens() {
    let (events, passed, ..) = run(nested(true), true);
    assert!(!passed);
    assert_eq!(events[events.len() - 4..], ["at 0", "at 1", "at 2", "at 3"]);
}

#[test]
fn a_tracer_changes_nothing() {
    for fails in [false, true] {
        let (_, passed, gas, instructions) = run(nested(fails), true);
        assert_eq!(run(nested(fails), false), (vec![], passed, gas, instructions));
    }
}
