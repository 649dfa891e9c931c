//! Runs jobs through workers that are killed at random, and checks every answer: `make kill-workers`.

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use noema_tests::workers::kill_run;

fn number(args: &[String], name: &str, otherwise: u64) -> Result<u64, String> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(otherwise) };
    let text = args.get(at + 1).ok_or_else(|| format!("{name} needs a number"))?;
    text.parse().map_err(|_| format!("{name} {text} is no number"))
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
    let asked = (number(&args, "--jobs", 10_000), number(&args, "--workers", 3), number(&args, "--seed", now));
    let mut stdout = std::io::stdout();
    let (jobs, workers, seed) = match asked {
        (Ok(jobs), Ok(workers), Ok(seed)) if (1..=60).contains(&workers) => (jobs, workers, seed),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            return ExitCode::from(2);
        }
        _ => {
            let _ = writeln!(std::io::stderr(), "--workers is 1 to 60");
            return ExitCode::from(2);
        }
    };
    let _ = writeln!(stdout, "{jobs} jobs through {workers} workers, seed {seed}");
    let run = kill_run(seed, jobs, workers as usize);
    let verdict = if run.is_right() { "every job answered once, every answer the single pool's" } else { "FAILED" };
    let _ = writeln!(stdout, "{}\n{verdict}", run.summary());
    if run.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
