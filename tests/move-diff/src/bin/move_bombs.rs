//! Measures time for gas on programs made to cost more than they pay, and prints the table.
#![allow(clippy::print_stdout, reason = "a command")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use noema_move_diff::bombs;
use noema_move_diff::run::{ALL, Bench};

fn main() -> ExitCode {
    let bench = Bench::new();
    let mut is_bounded = true;
    for which in ALL {
        let mut rows = Vec::new();
        for bomb in bombs::all() {
            let mut best = Duration::MAX;
            let mut gas = 0;
            for _ in 0..3 {
                let started = Instant::now();
                let outcome = bench.run(*which, &bomb.program, &[bomb.gas]);
                best = best.min(started.elapsed());
                gas = outcome.calls[0].gas;
            }
            rows.push((best.as_nanos() as u64 * 1000 / gas.max(1), bomb.name, best, gas));
        }
        rows.sort();
        let median = rows[rows.len() / 2].0;
        println!("{which:?}: median {median} ps for a unit of gas");
        for (rate, name, time, gas) in &rows {
            // A bomb that ends at once says nothing about rates.
            let is_short = *time < Duration::from_millis(2);
            let times = rate * 10 / median.max(1);
            let mark = if is_short {
                "short"
            } else if times > 100 {
                "TOO SLOW"
            } else {
                ""
            };
            is_bounded &= is_short || times <= 100;
            println!("  {rate:8} ps/gas  {}.{} x  {time:>12.3?}  gas {gas:>12}  {name} {mark}", times / 10, times % 10);
        }
    }
    if is_bounded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
