//! Runs generated programs through every machine and compares what they come to.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;

use noema_move_diff::campaign::{self, Options};

const USAGE: &str = "\
usage: move_diff [--programs N] [--start SEED]     N programs through our interpreters (1,000)
       move_diff --official N [--start SEED]       N programs through the official VM too
       move_diff --sources N [--start SEED]        N source texts through both compilers and all machines
       move_diff --seed SEED [--official 1]        one program: shows it and what becomes of it";

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|text| text.replace('_', "").parse::<u64>().ok());
        match (argument.as_str(), value) {
            ("--programs", Some(count)) => options.programs = count,
            ("--official", Some(count)) => options.official = count,
            ("--sources", Some(count)) => options.sources = count,
            ("--start", Some(seed)) => options.start = seed,
            ("--seed", Some(seed)) => options.one = Some(seed),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    match campaign::run(&options, &mut |line| println!("{line}")) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
