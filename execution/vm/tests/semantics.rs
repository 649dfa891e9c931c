//! The run verdicts of the list of traps, compiled from source.

#![allow(missing_docs, reason = "a test")]

mod common;

use common::{Outcome, call, compile};
use noema_execution_api::StatusCode;
use noema_types::{Address, CodeLocation};

/// What a call must come to.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Is(Vec<u8>),
    Fails(StatusCode, Option<u64>),
}

use Verdict::{Fails, Nothing};

fn is<T: serde::Serialize>(value: T) -> Verdict {
    Verdict::Is(bcs::to_bytes(&value).expect("a plain value serialises"))
}

fn aborts(code: u64) -> Verdict {
    Fails(StatusCode::ABORTED, Some(code))
}

fn arithmetic() -> Verdict {
    Fails(StatusCode::ARITHMETIC_ERROR, None)
}

fn vector_error(sub_status: u64) -> Verdict {
    Fails(StatusCode::VECTOR_OPERATION_ERROR, Some(sub_status))
}

fn verdict(outcome: &Outcome) -> Verdict {
    match outcome {
        Ok(results) => results.first().map_or(Nothing, |(bytes, _)| Verdict::Is(bytes.clone())),
        Err(error) => {
            let error = error.program().expect("a program's failure");
            Fails(error.status, error.sub_status)
        }
    }
}

/// The text of one module of the programs, so that each test stands alone.
fn source(module: &str) -> &'static str {
    let all = include_str!("programs/semantics.move");
    let start = all.find(&format!("module 0x42::{module} {{")).expect("the module is there");
    let end = all[start..].find("\n}").expect("the module ends");
    &all[start..start + end + 2]
}

fn check(cases: Vec<(&str, Vec<Vec<u8>>, Verdict)>) {
    let module = cases[0].0.split_once("::").expect("MODULE::FUNCTION").0;
    let state = compile(source(module));
    let wrong: Vec<_> = cases
        .into_iter()
        .filter_map(|(function, args, expected)| {
            let outcome = call(&state, function, args);
            let found = verdict(&outcome);
            (found != expected).then(|| format!("{function}: expected {expected:?}, got {found:?} from {outcome:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn plain(cases: Vec<(&'static str, Verdict)>) {
    check(cases.into_iter().map(|(function, verdict)| (function, vec![], verdict)).collect());
}

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[test]
fn evaluation_order() {
    plain(vec![
        ("order::local", is(11u64)),
        ("order::field", is(6u64)),
        ("order::field_of_what_is_moved", is(25u64)),
        ("order::through_reference", is(4u64)),
        ("order::arguments", is(107u64)),
        ("order::less", is(true)),
        ("order::equal", is(true)),
        ("order::call", is(3u64)),
        ("order::pack", is(21u64)),
        ("order::right_side_first", vector_error(1)),
        ("order::place_after_value", is(10u64)),
        ("order::abort_before_index", aborts(2)),
        ("order::swap", is(21u64)),
        ("order::lazy_code", Nothing),
        ("order::eager_code", aborts(6)),
        ("order::short_circuit", is(true)),
        ("order::first_operand_fails", arithmetic()),
        ("order::first_argument_fails", aborts(1)),
        ("order::literals", is(12u64)),
        ("order::condition_block", is(10u64)),
    ]);
}

#[test]
fn arithmetic_never_wraps() {
    plain(vec![
        ("numbers::add", arithmetic()),
        ("numbers::sub", arithmetic()),
        ("numbers::mul", arithmetic()),
        ("numbers::div", arithmetic()),
        ("numbers::modulo", arithmetic()),
        ("numbers::shift_by_width", arithmetic()),
        ("numbers::narrow", arithmetic()),
        ("numbers::shift_drops", is(true)),
        ("numbers::shift_u256", is(true)),
        ("numbers::folded_add", arithmetic()),
        ("numbers::folded_cast", arithmetic()),
        ("numbers::digits", is(1000u64)),
        ("numbers::precedence", is(true)),
    ]);
}

#[test]
fn control_flow() {
    check(vec![
        ("flow::braced_if", vec![vec![1]], is(4u64)),
        ("flow::braced_if", vec![vec![0]], is(5u64)),
        ("flow::bare_if", vec![vec![1]], is(1u64)),
        ("flow::bare_if", vec![vec![0]], is(5u64)),
        ("flow::shadow", vec![], is(2u64)),
        ("flow::function_scope", vec![], is(1u64)),
        ("flow::released_at_once", vec![], is(2u64)),
        ("flow::nested_loops", vec![], is(7u64)),
    ]);
}

#[test]
fn values_and_vectors() {
    plain(vec![
        ("data::deep_copy", is(17u64)),
        ("data::structural_equality", is(true)),
        ("data::index", vector_error(1)),
        ("data::pop", vector_error(2)),
        ("data::destroy", vector_error(3)),
        ("data::swap_empty", vector_error(1)),
        ("data::swap_same", is(4u64)),
        ("data::destroy_without_drop", Nothing),
        ("data::option_set", aborts(0x40000)),
        ("data::option_unset", aborts(0x40001)),
        ("data::bad_utf8", aborts(1)),
        ("data::index_in_index", is(5u64)),
    ]);
}

#[test]
fn instructions_fail_in_the_caller_and_library_code_in_itself() {
    let state = compile(source("data"));
    let location = |function: &str| {
        let error = call(&state, function, vec![]).expect_err("it fails");
        error.program().and_then(|error| error.at.clone()).expect("a place").location
    };
    let module = |text: &str| CodeLocation::Module(text.parse().expect("a module's name"));
    assert_eq!(location("data::pop"), module("0x42::data"));
    assert_eq!(location("data::option_set"), module("0x1::option"));
}

#[test]
fn depth() {
    check(vec![
        ("frames::down", vec![number(1024)], is(0u64)),
        ("frames::down", vec![number(1025)], Fails(StatusCode::CALL_STACK_OVERFLOW, None)),
        ("frames::ones", vec![number(510)], is(1020u64)),
        ("frames::ones", vec![number(514)], Fails(StatusCode::EXECUTION_STACK_OVERFLOW, None)),
    ]);
}

#[test]
fn global_storage() {
    let one = Address::ONE.0.to_vec();
    check(vec![
        ("store::put", vec![one.clone(), number(1)], Nothing),
        ("store::get", vec![one.clone()], Fails(StatusCode::MISSING_DATA, None)),
        ("store::take", vec![one.clone()], Fails(StatusCode::MISSING_DATA, None)),
        ("store::twice", vec![one.clone()], Fails(StatusCode::RESOURCE_ALREADY_EXISTS, None)),
        ("store::cycle", vec![one.clone()], is(606u64)),
        ("store::phantoms", vec![one], is(true)),
    ]);
}
