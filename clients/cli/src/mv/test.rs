//! `noema move test`: runs unit tests in memory and says what went how.

use std::path::Path;

use noema_framework::test_natives;
use noema_move_tools::coverage::{ModuleCoverage, Share};
use noema_move_tools::unit_tests::{Recorded, TestOptions, TestResult, TestRun, run as run_tests};
use serde_json::{Value, json};

use super::package::{Source, compile};
use super::run::machine;
use crate::args::TestArgs;
use crate::output::{CliError, CliResult, Context, Output, paint};

/// Runs the command.
pub(super) fn run(output: Output, args: &TestArgs) -> CliResult {
    let package = compile(output, Source::Folder(&args.package.dir), &args.package.named_addresses, true)?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let options = TestOptions {
        filter: args.filter.as_deref(),
        gas_limit: args.gas_limit,
        threads: args.threads.unwrap_or_else(cores),
        record: args.coverage || args.lcov.is_some() || args.profile.is_some(),
    };
    let vm = machine(test_natives(), &args.vm);
    let run = run_tests(&vm, &package.loaded, &package.program, options, |result| {
        if !output.json {
            output.note(line(result, args.gas));
            result.printed.iter().for_each(|text| output.note(format!("[debug] {text}")));
        }
    });
    let run = run.map_err(CliError::fault)?;
    if let Some(recorded) = &run.recorded {
        record(output, args, recorded)?;
    }
    finish(output, args, &package.loaded.root().name, &run)
}

fn line(result: &TestResult, gas: bool) -> String {
    let verdict = if result.failure.is_none() { paint("PASS", "32") } else { paint("FAIL", "31;1") };
    let cost = if gas {
        format!(
            "{:>12} gas {:>9} instructions {:>7} \u{b5}s  ",
            result.gas.0,
            result.instructions,
            result.elapsed.as_micros()
        )
    } else {
        String::new()
    };
    let why = result.failure.iter().flat_map(|why| why.lines()).map(|line| format!("\n  {line}")).collect::<String>();
    format!("[ {verdict} ] {cost}{}{why}", result.name)
}

/// Writes what was recorded and shows the tables.
fn record(output: Output, args: &TestArgs, recorded: &Recorded) -> CliResult {
    let write = |path: &Path, text: String| -> CliResult {
        std::fs::write(path, text).context(format!("cannot write {}", path.display()))?;
        if !output.json {
            output.note(format!("wrote {}", path.display()));
        }
        Ok(())
    };
    if let Some(path) = &args.lcov {
        write(path, recorded.coverage.lcov())?;
    }
    if let Some(path) = &args.profile {
        write(path, recorded.profile.folded())?;
        if !output.json {
            output.note(format!("\n{}", recorded.profile.table()));
        }
    }
    if args.coverage && !output.json {
        output.note(format!("\n{}", recorded.coverage.table()));
    }
    Ok(())
}

fn share(share: Share) -> Value {
    json!({ "hit": share.hit, "all": share.all })
}

fn figures(coverage: &ModuleCoverage) -> Value {
    json!({
        "lines": share(coverage.lines),
        "branches": share(coverage.branches),
        "functions": share(coverage.functions),
    })
}

fn finish(output: Output, args: &TestArgs, name: &str, run: &TestRun) -> CliResult {
    let results = &run.results;
    let failed = results.iter().filter(|one| one.failure.is_some()).count();
    let passed = results.len() - failed;
    let gas: u64 = results.iter().map(|one| one.gas.0).sum();
    output.result(
        || {
            let sum = if args.gas { format!(", {gas} gas") } else { String::new() };
            format!("{name}: {passed} passed, {failed} failed{sum}")
        },
        || {
            let one = |one: &TestResult| {
                json!({
                    "name": one.name,
                    "passed": one.failure.is_none(),
                    "failure": one.failure,
                    "gas": one.gas.0.to_string(),
                    "instructions": one.instructions.to_string(),
                    "printed": one.printed,
                    "time_us": one.elapsed.as_micros().to_string(),
                })
            };
            let coverage = run.recorded.as_ref().map(|recorded| {
                let modules = recorded.coverage.modules.iter();
                let modules: serde_json::Map<String, Value> =
                    modules.map(|(name, one)| (name.clone(), figures(one))).collect();
                json!({ "modules": modules, "total": figures(&recorded.coverage.total()) })
            });
            json!({
                "package": name,
                "passed": passed,
                "failed": failed,
                "tests": results.iter().map(one).collect::<Vec<_>>(),
                "coverage": coverage,
            })
        },
    );
    if results.is_empty() {
        let named = args.filter.as_ref().map_or(String::new(), |text| format!(" whose name holds `{text}`"));
        return Err(CliError::verdict(format!("{name} has no test{named}")).hint("mark functions with #[test]"));
    }
    if failed > 0 {
        return Err(CliError::verdict(format!("{failed} of {} tests failed", results.len())));
    }
    Ok(())
}
