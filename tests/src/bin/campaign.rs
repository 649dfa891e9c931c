//! The fault campaign: real validators under load, killed, cut off, wiped, for as long as asked.
//!
//!   campaign [--minutes N] [--seed S]
#![allow(clippy::print_stdout, reason = "a program that people watch")]

use std::time::{Duration, Instant};

use noema_node::ConsensusTuning;
use noema_tests::faults::{Dice, balance, far_behind, kill_all, kills, load, partitions, settle, wipe};
use noema_tests::network::{Network, NetworkOptions};

/// Rounds that a validator without anything is behind when it starts.
const ROUNDS_BEHIND: u64 = 10_000;

fn argument(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    match args.nth(1) {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{name} takes a number, not {text:?}")),
        None => default,
    }
}

fn phase(name: &str, start: Instant, line: &str) {
    println!("{:>6.1} s  {name}: {line}", start.elapsed().as_secs_f64());
}

fn main() {
    let minutes = argument("--minutes", 10);
    let seed = argument("--seed", std::process::id().into());
    println!("fault campaign, {minutes} minutes of kills, seed {seed}");
    let (start, mut dice) = (Instant::now(), Dice::new(seed));
    let kill_time = Duration::from_secs(minutes * 60);

    let mut network = Network::start(&NetworkOptions::default());
    let before = balance(&network);
    let running = load(&network);
    let count = kills(&mut network, 1, kill_time * 6 / 10, &mut dice);
    let line = settle(&network, running, before);
    phase("kill -9, one of 4 at a time", start, &format!("{count} kills; {line}"));

    let before = balance(&network);
    let running = load(&network);
    kill_all(&mut network, usize::try_from(minutes).unwrap_or(1).max(2), &mut dice);
    phase("kill -9, all at once", start, &settle(&network, running, before));

    let before = balance(&network);
    let running = load(&network);
    for node in 0..network.validators() {
        wipe(&mut network, node);
    }
    phase("wiped disks, one after the other", start, &settle(&network, running, before));
    drop(network);

    let fast =
        ConsensusTuning { round_interval_ms: Some(1), idle_round_interval_ms: Some(1), ..ConsensusTuning::default() };
    let mut network = Network::start(&NetworkOptions { consensus: fast, ..NetworkOptions::default() });
    let before = balance(&network);
    let running = load(&network);
    let (rounds, took) = far_behind(&mut network, 3, ROUNDS_BEHIND);
    let line = settle(&network, running, before);
    phase("from nothing, far behind", start, &format!("{rounds} rounds, back after {took:.1?}; {line}"));
    drop(network);

    let mut network = Network::start(&NetworkOptions { stakes: vec![1_000; 7], ..NetworkOptions::default() });
    let before = balance(&network);
    let running = load(&network);
    let count = kills(&mut network, 2, kill_time * 4 / 10, &mut dice);
    let line = settle(&network, running, before);
    phase("kill -9, f = 2 of 7 at once", start, &format!("{count} kills; {line}"));
    drop(network);

    let tuning = ConsensusTuning { leader_timeout_ms: Some(600), ..ConsensusTuning::default() };
    let options = NetworkOptions { relays: true, consensus: tuning, ..NetworkOptions::default() };
    let network = Network::start(&options);
    network.set_quality(Duration::from_millis(100), 10_000);
    let before = balance(&network);
    let running = load(&network);
    for _ in 0..minutes.div_ceil(2) {
        partitions(&network, Duration::from_secs(5));
    }
    let line = settle(&network, running, before);
    let lost = network.lost_segments();
    phase("partitions, 100 ms and 1 % loss on every link", start, &format!("{lost} segments lost; {line}"));
    println!("nothing lost, nothing repeated, one history everywhere");
}
