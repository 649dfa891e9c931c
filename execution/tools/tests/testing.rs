//! Unit tests of a small package: verdicts, order, bounds, coverage, profile, traces.

use std::collections::BTreeMap;

use noema_compiler::package::{EmbeddedPackages, LoadOptions, LoadedProgram, load_texts};
use noema_compiler::{CompiledProgram, Options, compile_package};
use noema_execution_api::GasSchedule;
use noema_framework::test_natives;
use noema_move_tools::unit_tests::{TestOptions, TestRun, run};
use noema_vm::{Vm, VmLimits};

const SOURCE: &str = "module 0x42::shop {
    /// Nothing is sold for nothing.
    const EFREE: u64 = 7;

    enum Size has drop { Small, Large }

    public fun price(amount: u64, loyal: bool): u64 {
        assert!(amount > 0, EFREE);
        if (loyal) {
            amount * 9
        } else {
            amount * 10
        }
    }

    fun weight(size: Size): u64 {
        match (size) {
            Size::Small => 1,
            Size::Large => 2,
        }
    }

    public fun never(): u64 {
        41
    }

    inline fun double(x: u64): u64 {
        x * 2
    }

    public fun both(): u64 {
        double(3) + double(4)
    }

    #[test_only]
    fun helper(): u64 { price(2, true) }

    #[test]
    fun loyal_pays_less() {
        assert!(helper() == 18, 0);
    }

    #[test]
    fun small_is_light() {
        assert!(weight(Size::Small) == 1 && both() == 14, 0);
    }

    #[test]
    #[expected_failure(abort_code = EFREE, location = Self)]
    fun nothing_is_free() {
        price(0, true);
    }

    #[test]
    fun fails_inside() {
        price(0, false);
    }

    #[test]
    fun never_ends() {
        loop {}
    }

    #[test]
    #[expected_failure(abort_code = 8)]
    fun fails_otherwise() {
        abort 9
    }
}
";

fn package() -> (LoadedProgram, CompiledProgram) {
    let library = noema_move_stdlib::package();
    let mut embedded = EmbeddedPackages::new();
    embedded.add(library.name, library.manifest, library.sources.iter().copied());
    let options = LoadOptions { test: true, ..LoadOptions::default() };
    let loaded = load_texts([("shop.move", SOURCE)], &embedded, &options).unwrap_or_else(|failure| panic!("{failure}"));
    let program = compile_package(&loaded, Options { test: true }).unwrap_or_else(|failure| panic!("{failure}"));
    (loaded, program)
}

fn run_with(threads: usize, record: bool, filter: Option<&str>) -> (TestRun, Vec<String>) {
    let (loaded, program) = package();
    let vm = Vm::new(test_natives(), GasSchedule::default(), VmLimits::default());
    let options = TestOptions { filter, gas_limit: 10_000, threads, record };
    let mut seen = Vec::new();
    let run = run(&vm, &loaded, &program, options, |result| seen.push(result.name.clone())).expect("no fault");
    (run, seen)
}

/// What does not depend on the clock.
fn facts(run: &TestRun) -> Vec<(String, Option<String>, u64, u64)> {
    let fact = |one: &noema_move_tools::unit_tests::TestResult| {
        (one.name.clone(), one.failure.clone(), one.gas.0, one.instructions)
    };
    run.results.iter().map(fact).collect()
}

/// 1-based line of the first line that contains `text`.
fn line_of(text: &str) -> usize {
    SOURCE.lines().position(|line| line.contains(text)).expect("it is there") + 1
}

#[test]
fn verdicts_come_in_order_whatever_the_threads() {
    let (one, seen) = run_with(1, false, None);
    let (many, seen_by_many) = run_with(7, false, None);
    assert_eq!(facts(&one), facts(&many));
    assert_eq!(seen, seen_by_many);
    let names: Vec<_> = one.results.iter().map(|result| (result.name.as_str(), result.failure.is_none())).collect();
    let wanted = [
        ("shop::fails_inside", false),
        ("shop::fails_otherwise", false),
        ("shop::loyal_pays_less", true),
        ("shop::never_ends", false),
        ("shop::nothing_is_free", true),
        ("shop::small_is_light", true),
    ];
    assert_eq!(names, wanted);
}

#[test]
fn recording_changes_no_verdict_and_no_gas() {
    assert_eq!(facts(&run_with(2, true, None).0), facts(&run_with(2, false, None).0));
}

#[test]
fn the_filter_chooses_by_name() {
    let (_, seen) = run_with(2, false, Some("fails_"));
    assert_eq!(seen, ["shop::fails_inside", "shop::fails_otherwise"]);
    assert!(run_with(2, true, Some("nowhere")).1.is_empty());
}

#[test]
fn failures_show_their_lines() {
    let (run, _) = run_with(2, false, None);
    let failures: BTreeMap<_, _> =
        run.results.iter().filter_map(|one| Some((one.name.as_str(), one.failure.clone()?))).collect();
    let inside = &failures["shop::fails_inside"];
    let (assert, call) = (line_of("assert!(amount"), line_of("price(0, false)"));
    assert!(inside.starts_with("ABORTED (4016), code 7 (0x7) in 0x42::shop::price at offset "), "{inside}");
    assert!(inside.contains("EFREE: Nothing is sold for nothing."), "{inside}");
    assert!(inside.contains(&format!("--> shop.move:{assert}:")), "{inside}");
    assert!(inside.contains(&format!("{assert} |         assert!(amount > 0, EFREE);")), "{inside}");
    assert!(inside.contains(&format!("called from 0x42::shop::fails_inside at shop.move:{call}:")), "{inside}");
    assert!(failures["shop::never_ends"].contains("--gas-limit"), "{}", failures["shop::never_ends"]);
    assert!(failures["shop::fails_otherwise"].starts_with("expected abort code 8 (0x8), got ABORTED"), "{failures:?}");
}

#[test]
fn lines_and_branches_are_counted() {
    let (run, _) = run_with(3, true, None);
    let coverage = run.recorded.expect("recorded").coverage;
    let file = &coverage.files["shop.move"];
    let hits = |text: &str| file.lines.get(&line_of(text)).copied();
    assert_eq!(hits("amount * 9"), Some(1));
    assert_eq!(hits("amount * 10"), Some(0));
    assert_eq!(hits("        41"), Some(0));
    assert_eq!(hits("Size::Small => 1"), Some(1));
    assert_eq!(hits("Size::Large => 2"), Some(0));
    assert!(hits("x * 2").is_some_and(|count| count > 0), "an inline body counts where it is written");
    assert_eq!(hits("price(2, true)"), None, "test code does not count");
    assert_eq!(hits("loop {}"), None);
    let ways = |text: &str| {
        let line = line_of(text);
        let mut ways: Vec<_> =
            file.choices.values().filter(|choice| choice.line == line).map(|c| c.ways.clone()).collect();
        assert_eq!(ways.len(), 1, "one choice on line {line}: {ways:?}");
        ways.pop().expect("one")
    };
    // price: true once, false twice; loyal: once, never not.
    assert_eq!(ways("assert!(amount"), [1, 2]);
    assert_eq!(ways("if (loyal)"), [1, 0]);
    assert_eq!((ways("Size::Small => 1"), ways("Size::Large => 2")), (vec![1], vec![0]));
    let module = coverage.modules["0x42::shop"];
    assert_eq!((module.functions.hit, module.functions.all), (3, 4), "{module:?}");
    assert_eq!((module.branches.hit, module.branches.all), (4, 6), "{module:?}");
    assert!(module.lines.hit < module.lines.all, "{module:?}");
    let table = coverage.table();
    assert!(table.contains("0x42::shop") && table.contains("    4/6") && table.contains("total"), "{table}");
}

#[test]
fn the_tracefile_has_what_was_counted() {
    let (run, _) = run_with(3, true, None);
    let lcov = run.recorded.expect("recorded").coverage.lcov();
    let lines: Vec<&str> = lcov.lines().collect();
    assert_eq!(lines[..2], ["TN:", "SF:shop.move"]);
    assert_eq!(lines.last(), Some(&"end_of_record"));
    for wanted in [
        format!("DA:{},1", line_of("amount * 9")),
        format!("DA:{},0", line_of("amount * 10")),
        "FNDA:0,shop::never".to_owned(),
        "FNDA:3,shop::price".to_owned(),
        "BRF:6".to_owned(),
        "BRH:4".to_owned(),
        "FNF:4".to_owned(),
        "FNH:3".to_owned(),
    ] {
        assert!(lines.contains(&wanted.as_str()), "{wanted} is not in\n{lcov}");
    }
    let function = format!("FN:{},shop::never", line_of("public fun never"));
    assert!(lines.contains(&function.as_str()), "{lcov}");
    let counted = lines.iter().filter(|line| line.starts_with("DA:")).count();
    assert!(lines.contains(&format!("LF:{counted}").as_str()), "{lcov}");
}

#[test]
fn the_profile_accounts_for_all_gas() {
    let (run, _) = run_with(2, true, None);
    let all: u64 = run.results.iter().map(|result| result.gas.0).sum();
    let profile = run.recorded.expect("recorded").profile;
    assert_eq!(profile.total(), all);
    let folded = profile.folded();
    assert!(folded.contains("\n0x42::shop::loyal_pays_less;0x42::shop::helper;0x42::shop::price "), "{folded}");
    let sum: u64 =
        folded.lines().map(|line| line.rsplit_once(' ').expect("a weight").1.parse::<u64>().expect("a number")).sum();
    assert_eq!(sum, all);
    let price = profile.functions().into_iter().find(|cost| cost.name == "0x42::shop::price").expect("it ran");
    assert_eq!(price.calls, 3);
}
