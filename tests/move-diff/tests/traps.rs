//! Every entry of the list of traps has its verdict.

#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeSet;

use noema_move_diff::run::{ALL, Bench};
use noema_move_diff::traps;

/// Entries of the list. Number 61 is about attributes of unit tests, whose tests are the command line's
/// (`clients/cli`), and 62 about the official tool itself, whose own failures are no verdict (`compiler_peer`).
const ENTRIES: std::ops::RangeInclusive<u32> = 1..=60;

#[test]
fn every_trap_has_its_verdict() {
    let bench = Bench::new();
    let cases = traps::cases();
    let numbers: BTreeSet<u32> = cases.iter().map(|case| case.number).collect();
    assert_eq!(numbers, ENTRIES.collect());
    let mut wrong = Vec::new();
    for case in &cases {
        for which in ALL {
            let found = traps::ours(&bench, *which, case);
            if found != case.ours {
                let words = traps::compile(&case.text).err().map(|failure| failure.to_string()).unwrap_or_default();
                wrong.push(format!(
                    "{} {} on {which:?}: expected {:?}, found {found:?} {words}",
                    case.number, case.name, case.ours
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
