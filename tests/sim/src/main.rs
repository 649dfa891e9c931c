//! `noema-sim`: campaigns of seeds, single seeds, latency with wide-area delays, planted faults.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use noema_sim::args::{Command, USAGE, parse};
use noema_sim::campaign::{campaign, explain, run_caught, threads};
use noema_sim::measure::measure;
use noema_sim::{Scenario, Violation};

/// The check says no.
const FAILED: u8 = 1;
/// Wrong use.
const MISUSED: u8 = 2;
/// Failing seeds of a campaign that are shown with their last events.
const EXPLAINED: usize = 1;
/// Events shown of a single seed.
const TRACED_EVENTS: usize = 1_000_000;

fn main() -> ExitCode {
    let done = match parse(std::env::args().skip(1)) {
        Ok(Command::Campaign { start, seeds, threads }) => run_campaign(start, seeds, threads),
        Ok(Command::One { seed, trace }) => run_one(seed, trace),
        Ok(Command::Latency { validators }) => run_latency(&validators),
        Ok(Command::Mutants { seeds, only }) => run_mutants(seeds, &only),
        Ok(Command::Help) => writeln!(stdout(), "{USAGE}").map(|()| ExitCode::SUCCESS),
        Err(message) => writeln!(stderr(), "error: {message}").map(|()| ExitCode::from(MISUSED)),
    };
    done.unwrap_or(ExitCode::from(MISUSED))
}

fn run_campaign(start: Option<u64>, seeds: u64, wanted: Option<usize>) -> std::io::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let start = start.unwrap_or(now * 1_000_000);
    writeln!(stderr(), "seeds {start} to {}", start.wrapping_add(seeds.saturating_sub(1)))?;
    let step = if stderr().is_terminal() { 20 } else { (seeds / 10).max(1) };
    let progress = |done: u64, failed: Option<(u64, &Violation)>| {
        if let Some((seed, violation)) = failed {
            let _ = writeln!(stderr(), "seed {seed}: {violation}");
        }
        if done.is_multiple_of(step) {
            let _ = if stderr().is_terminal() {
                write!(stderr(), "\r{done} of {seeds}")
            } else {
                writeln!(stderr(), "{done} of {seeds}")
            };
        }
    };
    let report = campaign(start, seeds, wanted.unwrap_or_else(threads), || (), progress);
    writeln!(stdout(), "{}", report.coverage)?;
    for (seed, _) in report.failures.iter().take(EXPLAINED) {
        writeln!(stderr(), "\n{}", explain(*seed))?;
    }
    let missing = report.coverage.missing(report.seeds);
    for what in &missing {
        writeln!(stderr(), "not exercised enough: {what}")?;
    }
    let failed = report.failures.len();
    writeln!(stdout(), "{} seeds, {failed} failed", report.seeds)?;
    Ok(if failed == 0 && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn run_one(seed: u64, trace: bool) -> std::io::Result<ExitCode> {
    let scenario = Scenario::of_seed(seed);
    writeln!(stdout(), "{}", scenario.summary())?;
    let outcome = run_caught(&scenario, if trace { TRACED_EVENTS } else { 0 });
    for line in &outcome.trace {
        writeln!(stdout(), "{line}")?;
    }
    writeln!(stdout(), "{}event hash {}", outcome.coverage, outcome.hash)?;
    Ok(match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            writeln!(stdout(), "{violation}")?;
            ExitCode::from(FAILED)
        }
    })
}

fn run_latency(sizes: &[u16]) -> std::io::Result<ExitCode> {
    let mut within = true;
    for validators in sizes {
        for crashed in [0, (validators - 1) / 3] {
            let measured = measure(*validators, crashed);
            within &= measured.is_within_bounds();
            writeln!(stdout(), "{measured}")?;
        }
    }
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

#[cfg(feature = "mutants")]
fn run_mutants(seeds: u64, only: &[String]) -> std::io::Result<ExitCode> {
    use noema_sim::mutants::{hunt, named};
    let mutants = match named(only) {
        Ok(mutants) => mutants,
        Err(message) => {
            writeln!(stderr(), "error: {message}")?;
            return Ok(ExitCode::from(MISUSED));
        }
    };
    // A panic is one of the ways to be caught: its report is noise here.
    std::panic::set_hook(Box::new(|_| ()));
    let mut escaped = 0;
    for mutant in mutants {
        let verdict = hunt(mutant, 0, seeds, threads());
        match verdict.caught {
            Some((seed, violation)) => {
                let detail: String = violation.detail.chars().take(110).collect();
                writeln!(stdout(), "{mutant:?}: caught by seed {seed}: {}: {detail}", violation.property)?;
            }
            None => {
                escaped += 1;
                writeln!(stdout(), "{mutant:?}: not caught by {} seeds", verdict.tried)?;
            }
        }
    }
    Ok(if escaped == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

#[cfg(not(feature = "mutants"))]
fn run_mutants(_: u64, _: &[String]) -> std::io::Result<ExitCode> {
    writeln!(stderr(), "error: this build cannot plant faults\nhint: make sim-mutants")?;
    Ok(ExitCode::from(MISUSED))
}
