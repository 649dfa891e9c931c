//! Latency of four real validators, with and without inference at its limit.
//!
//!   bench_network MODEL.noema [--seconds N]
#![allow(clippy::print_stdout, reason = "a program that people read")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use noema_sdk::{address_of, entry_function};
use noema_tests::chain::{Account, resident_model, text};
use noema_tests::load::Load;
use noema_tests::network::{Network, NetworkOptions};
use noema_types::ChainId;

/// Tokens of each answer.
const TOKENS: u64 = 16;

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
}

/// Sums of a histogram over all validators, by upper bound in seconds.
fn histogram(network: &Network, name: &str) -> Vec<(f64, f64)> {
    let mut sums: Vec<(f64, f64)> = Vec::new();
    for node in 0..network.validators() {
        let Ok(mut response) = ureq::get(network.metrics_url(node)).call() else { continue };
        let body = response.body_mut().read_to_string().unwrap_or_default();
        let prefix = format!("{name}_bucket{{le=\"");
        let lines = body.lines().filter_map(|line| line.strip_prefix(prefix.as_str()));
        for (place, line) in lines.enumerate() {
            let Some((bound, count)) = line.split_once("\"} ") else { continue };
            let bound = bound.parse().unwrap_or(f64::INFINITY);
            let count: f64 = count.trim().parse().unwrap_or(0.0);
            match sums.get_mut(place) {
                Some((_, sum)) => *sum += count,
                None => sums.push((bound, count)),
            }
        }
    }
    sums
}

/// The value below which this share of what came between two histograms lies, interpolated, in milliseconds.
fn quantile(before: &[(f64, f64)], after: &[(f64, f64)], share: f64) -> f64 {
    let counts: Vec<(f64, f64)> = after
        .iter()
        .enumerate()
        .map(|(place, (bound, count))| (*bound, count - before.get(place).map_or(0.0, |(_, count)| *count)))
        .collect();
    let wanted = counts.last().map_or(0.0, |(_, total)| *total) * share;
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in counts {
        if count >= wanted && count > below {
            let high = if bound.is_finite() { bound } else { low };
            return (low + (high - low) * (wanted - below) / (count - below)) * 1_000.0;
        }
        (low, below) = (bound, count);
    }
    0.0
}

struct Measured {
    certified_p50: f64,
    certified_p95: f64,
    ordered_p50: f64,
    ordered_p95: f64,
    rate: f64,
}

const COMMIT_LATENCY: &str = "noema_consensus_commit_latency_seconds";

fn measure(network: &Network, seconds: u64) -> Measured {
    let clients: Vec<_> = (0..network.validators()).map(|node| network.client(node)).collect();
    let load = Load::start(&network.faucet(), &clients, 4, Duration::from_millis(50));
    std::thread::sleep(Duration::from_secs(2));
    let (before, done) = (histogram(network, COMMIT_LATENCY), load.committed());
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, done) = (histogram(network, COMMIT_LATENCY), load.committed() - done);
    let (_, seen) = load.finish();
    let mut latencies = seen.latencies;
    latencies.sort();
    Measured {
        certified_p50: percentile(&latencies, 50),
        certified_p95: percentile(&latencies, 95),
        ordered_p50: quantile(&before, &after, 0.5),
        ordered_p95: quantile(&before, &after, 0.95),
        rate: done as f64 / seconds as f64,
    }
}

fn print(name: &str, measured: &Measured) {
    println!(
        "{name:<28} ordered p50 {:>7.0} ms  p95 {:>7.0} ms   certified p50 {:>7.0} ms  p95 {:>7.0} ms   {:>6.1} transfers/s",
        measured.ordered_p50, measured.ordered_p95, measured.certified_p50, measured.certified_p95, measured.rate
    );
}

/// Asks the model again and again, each prompt another.
fn ask(network: &Network, mut account: Account, stop: Arc<AtomicBool>, asked: Arc<AtomicU64>) -> impl FnOnce() + use<> {
    let client = network.client(0);
    let model = resident_model(&client);
    let module = address_of(&account.key);
    move || {
        while !stop.load(Ordering::Relaxed) {
            let prompt = format!("Story number {}: once upon a time", account.next);
            let args = vec![model.0.to_vec(), text(prompt), TOKENS.to_le_bytes().to_vec()];
            let function = format!("{module}::scribe::write");
            assert!(entry_function(&function, Vec::new(), args.clone()).is_ok());
            let transaction = account.builder(&function, args, account.next, ChainId(4)).gas(1_000_000, 100);
            let Ok(hash) = client.submit(&transaction.sign(&account.key)) else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            account.next += 1;
            if client.wait(&hash, Duration::from_secs(120)).is_ok() {
                asked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(model) = args.first() else { panic!("usage: bench_network MODEL.noema [--seconds N]") };
    let seconds = args.iter().position(|arg| arg == "--seconds").and_then(|place| args.get(place + 1)?.parse().ok());
    let seconds = seconds.unwrap_or(30);
    let network = Network::start(&NetworkOptions { models: vec![PathBuf::from(model)], ..NetworkOptions::default() });
    println!("four validators in processes of their own; transfers one after the other by 4 senders; {seconds} s each");
    let quiet = measure(&network, seconds);
    print("without inference", &quiet);
    let account = network.publish_example("scribe", 0);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let asking = std::thread::spawn(ask(&network, account, Arc::clone(&stop), Arc::clone(&asked)));
    let busy = measure(&network, seconds);
    stop.store(true, Ordering::Relaxed);
    print("with inference all the time", &busy);
    asking.join().expect("the asking thread ends");
    println!("answers of {TOKENS} tokens: {}", asked.load(Ordering::Relaxed));
    println!(
        "p95 with inference / without: ordered {:.2} x, certified {:.2} x",
        busy.ordered_p95 / quiet.ordered_p95.max(0.001),
        busy.certified_p95 / quiet.certified_p95.max(0.001)
    );
}
