//! Runs many seeds over all cores, and shows a failing one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::checkers::Violation;
use crate::coverage::Coverage;
use crate::scenario::Scenario;
use crate::world::{Outcome, run_traced};

/// Failing seeds that a campaign collects before it stops.
const FAILURES_MAX: usize = 5;
/// Events shown of a failing seed.
const LAST_EVENTS: usize = 60;

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Seeds that were run.
    pub seeds: u64,
    /// What they exercised.
    pub coverage: Coverage,
    /// Seeds that failed, the first few, ascending.
    pub failures: Vec<(u64, Violation)>,
}

/// Runs a scenario. A panic of the core is a violation.
#[must_use]
pub fn run_caught(scenario: &Scenario, events: usize) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| run_traced(scenario, events))).unwrap_or_else(|panic| Outcome {
        hash: noema_types::Hash::ZERO,
        coverage: Coverage::default(),
        violation: Some(Violation { property: "no panic", at: 0, detail: text_of(panic.as_ref()) }),
        trace: Vec::new(),
    })
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without text").to_owned()
}

/// Runs the scenarios of `seeds` seeds from `start` on, on `threads` threads. `prepare` runs first on each thread;
/// `progress` is told how
/// many are done, and of each failing seed.
pub fn campaign(
    start: u64,
    seeds: u64,
    threads: usize,
    prepare: impl Fn() + Sync,
    progress: impl Fn(u64, Option<(u64, &Violation)>) + Sync,
) -> Report {
    let next = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                prepare();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= seeds {
                        return;
                    }
                    let seed = start.wrapping_add(index);
                    let outcome = run_caught(&Scenario::of_seed(seed), 0);
                    let mut report = report.lock().expect("no worker panics with the lock");
                    report.seeds += 1;
                    report.coverage.merge(&outcome.coverage);
                    progress(report.seeds, outcome.violation.as_ref().map(|violation| (seed, violation)));
                    if let Some(violation) = outcome.violation {
                        report.failures.push((seed, violation));
                        if report.failures.len() >= FAILURES_MAX {
                            next.store(seeds, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut report = report.into_inner().expect("no worker panics with the lock");
    report.failures.sort_by_key(|(seed, _)| *seed);
    report
}

/// What a person needs to look into a failing seed: the property, the scenario, the last events, the command.
#[must_use]
pub fn explain(seed: u64) -> String {
    let scenario = Scenario::of_seed(seed);
    let outcome = run_caught(&scenario, LAST_EVENTS);
    let verdict = outcome.violation.map_or_else(|| "nothing is violated".to_owned(), |found| found.to_string());
    format!(
        "{}\nseed {seed}: {verdict}\nscenario: {}\nreplay: cargo run -p noema-sim -- --seed {seed} --trace\n",
        outcome.trace.join("\n"),
        scenario.summary()
    )
}

/// As many threads as the machine runs at once.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
