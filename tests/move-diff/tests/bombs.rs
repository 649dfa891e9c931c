//! Programs made to cost a machine more than they pay for end as they should.

#![allow(missing_docs, reason = "a test")]

use noema_move_diff::bombs;
use noema_move_diff::generate;
use noema_move_diff::run::{ALL, Bench, End};

#[test]
fn bombs_end_with_their_status_on_every_machine() {
    let bench = Bench::new();
    for bomb in bombs::all() {
        generate::verify(&bomb.program, &bench.library).unwrap_or_else(|error| panic!("{}: {error}", bomb.name));
        // A tenth of the gas shows the same, but where memory is what ends it.
        let gas = if bomb.gas > bombs::GAS { bomb.gas } else { bomb.gas / 10 };
        let oracle = bench.run(ALL[0], &bomb.program, &[gas]);
        let status = match &oracle.calls[0].end {
            End::Failure { status, .. } => Some(*status),
            End::Results(_) => None,
            End::Broken(words) => panic!("{}: {words}", bomb.name),
        };
        assert_eq!(status, bomb.status, "{}: {:?}", bomb.name, oracle.calls[0]);
        for which in &ALL[1..] {
            let found = bench.run(*which, &bomb.program, &[gas]);
            assert_eq!(found, oracle, "{} on {which:?}", bomb.name);
        }
    }
}
