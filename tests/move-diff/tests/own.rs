//! Generated programs through our interpreters: a slice with a fresh seed in every run.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use noema_bytecode::Bytecode;
use noema_move_diff::campaign;
use noema_move_diff::generate::{self, Program};
use noema_move_diff::run::{ALL, Bench, End};
use noema_move_diff::shrink::shrink;

#[test]
fn interpreters_agree_on_a_fresh_slice() {
    let bench = Bench::new();
    let seed = campaign::fresh_seed();
    let mut said = Vec::new();
    let differences = campaign::own(&bench, seed, 300, &mut |line| said.push(line.to_owned()));
    assert_eq!(differences, 0, "replay with `move_diff --seed N`:\n{}", said.join("\n"));
}

#[test]
fn a_seed_is_a_program() {
    let bench = Bench::new();
    for seed in 0..20 {
        let make = || generate::program(seed, &bench.world, campaign::own_features(seed)).0;
        assert_eq!(make(), make(), "seed {seed}");
    }
}

/// Without this the campaign could pass by running next to nothing.
#[test]
fn programs_reach_most_instructions_and_ends() {
    let bench = Bench::new();
    let (mut instructions, mut ends) = (BTreeSet::new(), BTreeSet::new());
    let (mut results, mut calls, mut events, mut writes) = (0, 0, 0, 0);
    for seed in 0..400 {
        let (program, _) = generate::program(seed, &bench.world, campaign::own_features(seed));
        generate::verify(&program, &bench.library).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for unit in program.modules.iter().flat_map(|module| &module.function_defs).filter_map(|def| def.code.as_ref())
        {
            instructions.extend(unit.code.iter().map(name));
        }
        let outcome = bench.run(ALL[0], &program, &[]);
        events += outcome.events.len();
        writes += outcome.writes.0.len();
        for call in outcome.calls {
            calls += 1;
            match call.end {
                End::Results(_) => results += 1,
                End::Failure { status, .. } => drop(ends.insert(status.name())),
                End::Broken(words) => panic!("seed {seed}: {words}"),
            }
        }
    }
    assert!(instructions.len() >= 84, "{} kinds: {instructions:?}", instructions.len());
    assert!(ends.len() >= 5, "{ends:?}");
    assert!(results * 4 > calls, "{results} of {calls} calls gave results");
    assert!(writes > 50 && events > 10, "{writes} writes, {events} events");
}

fn name(instruction: &Bytecode) -> String {
    let text = format!("{instruction:?}");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

#[test]
fn a_difference_is_made_small() {
    let bench = Bench::new();
    let has_division = |program: &Program| {
        let ends = bench.run(ALL[0], program, &[]).calls;
        let divides =
            |status: &End| matches!(status, End::Failure { status, .. } if status.name() == "ARITHMETIC_ERROR");
        generate::verify(program, &bench.library).is_ok() && ends.iter().any(|call| divides(&call.end))
    };
    let (program, _) = (0..)
        .map(|seed| generate::program(seed, &bench.world, campaign::own_features(seed)))
        .find(|(program, _)| has_division(program))
        .expect("some program divides by zero or overflows");
    let size = |program: &Program| {
        let units = program.modules.iter().flat_map(|module| &module.function_defs).filter_map(|def| def.code.as_ref());
        units.map(|unit| unit.code.len()).sum::<usize>()
    };
    let small = shrink(&program, has_division);
    assert!(has_division(&small));
    assert!(size(&small) * 2 < size(&program), "{} of {}", size(&small), size(&program));
    assert_eq!(small.calls.len(), 1);
}

#[test]
fn mutated_modules_are_judged_without_panic_and_in_time() {
    let seed = campaign::fresh_seed();
    let report = noema_move_diff::fuzz::run(&Bench::new(), seed, std::time::Duration::from_secs(8));
    assert!(report.too_slow.is_empty(), "seed {seed}: {report:?}");
    assert!(report.read * 4 > report.inputs && report.accepted > 10, "seed {seed}: {report:?}");
}
