//! The simulator in the normal test run: fresh seeds, seeds that failed once, determinism, and proof that it can fail.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use noema_sim::campaign::{campaign, explain, run_caught, threads};
use noema_sim::{Scenario, run};

/// Fresh seeds of a test run.
const SEEDS: u64 = 2_000;

/// Seeds that found something once, with what it was.
const REGRESSIONS: &[(u64, &str)] = &[
    (1_795_382_228_001_209, "a block after a restart named a batch twice"),
    (1_795_382_228_010_195, "a validator without its log began again at round 1 although it had been further"),
    (1_795_386_764_008_537, "a peer's copy of a block with other batches inside kept the block out for ever"),
    (1_795_386_764_005_852, "the same without a quorum of others"),
    (3, "the second chain of an equivocator was not taken because honest blocks name its tip only"),
    (21, "the same with equal stakes and one leader"),
    (45, "the same in the first rounds"),
    (52, "the same in a committee of four after a restart"),
    (49, "a validator whose clock is behind asked to catch up without pause"),
    (39, "a block dated at the end of time"),
    (78, "a committee of one"),
    (1_153, "a gap below blocks that waited for each other was never asked for"),
    (1_396, "an old block that only Byzantine validators name was asked of them only"),
    (1_367, "own transactions were lost where state was synchronised"),
];

fn base_seed() -> u64 {
    match std::env::var("NOEMA_SIM_SEED") {
        Ok(seed) => seed.parse().expect("NOEMA_SIM_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs() * 1_000_000,
    }
}

#[test]
fn fresh_seeds_hold_all_properties_and_exercise_everything() {
    let start = base_seed();
    let report = campaign(start, SEEDS, threads(), || (), |_, _| ());
    writeln!(std::io::stderr(), "seeds from {start}\n{}", report.coverage).expect("stderr is open");
    if let Some((seed, _)) = report.failures.first() {
        panic!("{}\nall failing: {:?}", explain(*seed), report.failures);
    }
    assert_eq!(report.seeds, SEEDS);
    let missing = report.coverage.missing(SEEDS);
    assert!(missing.is_empty(), "not exercised enough, seeds from {start}: {missing:#?}");
}

#[test]
fn seeds_that_failed_once_hold() {
    for (seed, what) in REGRESSIONS {
        let outcome = run_caught(&Scenario::of_seed(*seed), 0);
        assert!(outcome.violation.is_none(), "{what}: {}", explain(*seed));
    }
}

#[test]
fn equal_seeds_give_equal_events() {
    let mut hashes = Vec::new();
    for seed in 0..12 {
        let (first, second) = (run(&Scenario::of_seed(seed)), run(&Scenario::of_seed(seed)));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.coverage, second.coverage, "seed {seed}");
        hashes.push(first.hash);
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 12, "other seeds give other events");
}

#[test]
fn half_of_the_stake_equivocating_is_caught() {
    let seeds = 0..20;
    let outcomes = seeds.map(|seed| run_caught(&Scenario::beyond_the_bound(seed), 0));
    let caught: Vec<_> = outcomes.filter_map(|outcome| outcome.violation).collect();
    let disagree = caught.iter().filter(|violation| ["agreement", "equal execution"].contains(&violation.property));
    assert!(disagree.count() >= 5, "two halves were shown different worlds and nobody noticed: {caught:#?}");
}
