//! Measures how fast modules are read and verified: `cargo run -p noema-verifier --example verifier_speed FILE.mv ...`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::print_stderr, reason = "a command")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use noema_bytecode::CompiledModule;
use noema_verifier::{Limits, verify_module};

/// Rounds over all files; the best counts.
const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let mut files = Vec::new();
    for path in std::env::args().skip(1) {
        match std::fs::read(&path) {
            Ok(bytes) => files.push((path, bytes)),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if files.is_empty() {
        eprintln!("usage: speed FILE.mv ...");
        return ExitCode::from(2);
    }
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut read, mut verified) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let modules: Vec<CompiledModule> = files
            .iter()
            .map(|(path, bytes)| CompiledModule::deserialize(bytes).unwrap_or_else(|error| panic!("{path}: {error}")))
            .collect();
        read = read.min(start.elapsed());
        let start = Instant::now();
        for (module, (path, _)) in modules.iter().zip(&files) {
            verify_module(module, &Limits::default()).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        verified = verified.min(start.elapsed());
    }
    let rate = |time: Duration| bytes as u64 * 1_000 / time.as_nanos().max(1) as u64;
    println!("{} modules, {bytes} bytes", files.len());
    println!("read     {read:>10.3?}  {} MB/s", rate(read));
    println!("verified {verified:>10.3?}  {} MB/s", rate(verified));
    ExitCode::SUCCESS
}
