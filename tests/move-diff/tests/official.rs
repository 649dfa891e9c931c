//! The official Sui Move VM and verifier against ours: slices with fresh seeds. `make peers` installs them.

#![allow(missing_docs, reason = "a test")]

use noema_move_diff::run::Bench;
use noema_move_diff::{campaign, flips};

#[test]
fn the_official_vm_agrees_on_a_fresh_slice() {
    let bench = Bench::new();
    let seed = campaign::fresh_seed();
    let mut said = Vec::new();
    let differences = campaign::official(&bench, seed, 100, &mut |line| said.push(line.to_owned()));
    let said = said.join("\n");
    assert_eq!(differences, Ok(0), "replay with `move_diff --official 1 --seed N`:\n{said}");
    let equal: u64 = said.split(" equal").next().and_then(|text| text.rsplit(' ').next()?.parse().ok()).unwrap_or(0);
    assert!(equal >= 80, "{said}");
}

#[test]
fn the_official_verifier_agrees_on_a_fresh_slice_of_flips() {
    let seed = campaign::fresh_seed();
    let mut said = vec![format!("seed {seed}; replay with `move_flips --flips 400 --start {seed}`")];
    let report = flips::run(&Bench::new().library, seed, 400, &mut |line| said.push(line.to_owned()));
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    report.say(&mut |line| said.push(line.to_owned()));
    let unexplained: Vec<_> = report.different.keys().filter(|pair| !flips::is_explained(pair)).collect();
    assert!(unexplained.is_empty(), "{}", said.join("\n"));
    assert!(report.equal.len() >= 8, "{}", said.join("\n"));
}
