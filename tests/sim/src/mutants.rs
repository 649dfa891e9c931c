//! Plants one fault after the other into the core and looks for a seed that catches it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use noema_dag::mutant::{Mutant, plant};

use crate::campaign::run_caught;
use crate::checkers::Violation;
use crate::scenario::Scenario;

/// What became of a planted fault.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The fault.
    pub mutant: Mutant,
    /// The lowest seed found that caught it, and the property that did not hold; none if it got away.
    pub caught: Option<(u64, Violation)>,
    /// Seeds that were tried.
    pub tried: u64,
}

/// The faults with these names; all if there are no names.
///
/// # Errors
/// A name that no fault has.
pub fn named(names: &[String]) -> Result<Vec<Mutant>, String> {
    if names.is_empty() {
        return Ok(Mutant::ALL.to_vec());
    }
    let find = |name: &String| {
        let mutant = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}").eq_ignore_ascii_case(name));
        mutant.ok_or_else(|| format!("no planted fault is called `{name}`"))
    };
    names.iter().map(find).collect()
}

/// Plants a fault and runs seeds from `start` on until one catches it, `seeds` at most.
#[must_use]
pub fn hunt(mutant: Mutant, start: u64, seeds: u64, threads: usize) -> Verdict {
    let next = AtomicU64::new(0);
    let caught: Mutex<Option<(u64, Violation)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                plant(Some(mutant));
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= seeds {
                        return;
                    }
                    let seed = start.wrapping_add(index);
                    if let Some(violation) = run_caught(&Scenario::of_seed(seed), 0).violation {
                        next.store(seeds, Ordering::Relaxed);
                        let mut caught = caught.lock().expect("no worker panics with the lock");
                        if caught.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *caught = Some((seed, violation));
                        }
                        return;
                    }
                }
            });
        }
    });
    let caught = caught.into_inner().expect("no worker panics with the lock");
    let tried = caught.as_ref().map_or(seeds, |(seed, _)| seed - start + 1);
    Verdict { mutant, caught, tried }
}
