//! Flips bits of modules and compares our verdicts with the official verifier's.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;

use noema_move_diff::run::Bench;
use noema_move_diff::{campaign, flips};

fn main() -> ExitCode {
    let (mut count, mut seed) = (2_000, campaign::fresh_seed());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|text| text.replace('_', "").parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--flips", Some(value)) => count = value,
            ("--start", Some(value)) => seed = value,
            _ => {
                eprintln!("usage: move_flips [--flips N] [--start SEED]");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {seed}");
    match flips::run(&Bench::new().library, seed, count, &mut |line| println!("{line}")) {
        Ok(report) => {
            report.say(&mut |line| println!("{line}"));
            let unexplained = report.different.keys().any(|pair| !flips::is_explained(pair));
            if unexplained { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
