//! Feeds the reader and the verifier mutated modules for a while.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;
use std::time::Duration;

use noema_move_diff::run::Bench;
use noema_move_diff::{campaign, fuzz};

fn main() -> ExitCode {
    let (mut seconds, mut seed) = (60, campaign::fresh_seed());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|text| text.replace('_', "").parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--seconds", Some(value)) => seconds = value,
            ("--start", Some(value)) => seed = value,
            _ => {
                eprintln!("usage: fuzz_move [--seconds N] [--start SEED]");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {seed}");
    let report = fuzz::run(&Bench::new(), seed, Duration::from_secs(seconds));
    report.say(&mut |line| println!("{line}"));
    if report.too_slow.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
