//! One validator as a process, over real connections and a real log, without execution: what consensus alone can do.
//!
//! `bench_validator --index 0 --validators 4 --rate 10000 [--size 512] [--seconds 20] [--warm-up 5] [--port 27000]
//! [--verbose 1] --dir DIR`
//! Start one per index. Each makes transactions of `size` random-looking bytes at `rate` per second whether or not they
//! are ordered (open loop), and prints one line of JSON: transactions per second ordered here by all validators, latency
//! from a transaction's due time to its commit at its maker, CPU seconds and bytes sent.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the result")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use noema_consensus::{
    Application, Engine, EngineConfig, ExecutedBlock, Halt, Ledger, NextEpoch, OrderedBlock, SegmentLog, SnapshotChunk,
    SyncBlock, SyncError, Tip, ValidatorKeys,
};
use noema_crypto::{BlsKeyPair, Ed25519KeyPair};
use noema_dag::{Evidence, PayloadLimits};
use noema_network::{Limits, Network, NetworkConfig};
use noema_types::{
    Address, Author, CertifiedCheckpoint, Checkpoint, Committee, Epoch, Hash, Height, Stake, TimestampMs,
    ValidatorInfo, Version,
};
use parking_lot::Mutex;

const CHAIN: Hash = Hash([0xBE; 32]);

fn options() -> BTreeMap<String, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pair =
        |pair: &[String]| (pair[0].trim_start_matches('-').to_owned(), pair.get(1).expect("--name value").clone());
    arguments.chunks(2).map(pair).collect()
}

fn number(options: &BTreeMap<String, String>, name: &str, default: u64) -> u64 {
    options.get(name).map_or(default, |value| value.parse().expect("a number"))
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros() as u64
}

fn network_key(index: u64) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([index as u8 + 101; 32])
}

fn keys(index: u64) -> ValidatorKeys {
    let seed = [index as u8 + 1; 32];
    ValidatorKeys { consensus: Ed25519KeyPair::from_private_bytes(seed), checkpoint: BlsKeyPair::from_seed(&seed) }
}

/// Makes transactions when they are due and forgets them when they are ordered.
struct Null {
    index: u64,
    rate: u64,
    size: usize,
    start: u64,
    epoch: NextEpoch,
    state: Mutex<State>,
}

struct State {
    made: u64,
    ordered: u64,
    latencies: Vec<u32>,
    tip: Option<CertifiedCheckpoint>,
}

impl std::fmt::Debug for Null {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Null").finish_non_exhaustive()
    }
}

impl Null {
    fn due(&self) -> u64 {
        micros().saturating_sub(self.start) * self.rate / 1_000_000
    }
}

impl Application for Null {
    fn payload(&self, _now: TimestampMs, limits: PayloadLimits) -> Vec<Bytes> {
        let mut state = self.state.lock();
        let fit = (limits.bytes_max / self.size).min(limits.transactions_max) as u64;
        let last = self.due().min(state.made + fit);
        let first = state.made;
        state.made = last.max(first);
        drop(state);
        let count = last.saturating_sub(first) as usize;
        let mut all = BytesMut::zeroed(count * self.size);
        for (at, transaction) in (first..last).zip(all.chunks_mut(self.size)) {
            transaction[..8].copy_from_slice(&at.to_le_bytes());
            transaction[8..16].copy_from_slice(&self.index.to_le_bytes());
            let mut word = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.index;
            for part in transaction[16..].chunks_mut(8) {
                word = word.wrapping_mul(0xD129_0D3B_3F0B_4F1D).rotate_left(23);
                part.copy_from_slice(&word.to_le_bytes()[..part.len()]);
            }
        }
        let all = all.freeze();
        (0..count).map(|at| all.slice(at * self.size..(at + 1) * self.size)).collect()
    }

    fn waiting_bytes(&self) -> usize {
        (self.due().saturating_sub(self.state.lock().made)) as usize * self.size
    }

    fn release(&self, transactions: Vec<Bytes>) {
        eprintln!("{} transactions were given back", transactions.len());
    }

    fn ordered(&self, author: Author, transactions: &[Bytes]) {
        let now = micros();
        let mut state = self.state.lock();
        state.ordered += transactions.len() as u64;
        if u64::from(author.0) == self.index {
            for transaction in transactions {
                let at = u64::from_le_bytes(transaction[..8].try_into().expect("8 bytes"));
                let due = self.start + (at + 1) * 1_000_000 / self.rate.max(1);
                state.latencies.push(now.saturating_sub(due) as u32);
            }
        }
    }

    fn execute(&self, block: &OrderedBlock) -> Result<ExecutedBlock, Halt> {
        let root = block.commit_digest.0;
        Ok(ExecutedBlock { version: Version(block.height.0), state_root: root, accumulator_root: root, next: None })
    }

    fn certify(&self, certified: &CertifiedCheckpoint) -> Result<(), Halt> {
        self.state.lock().tip = Some(certified.clone());
        Ok(())
    }

    fn roll_back(&self, _safe: bool) -> Result<(), Halt> {
        Ok(())
    }

    fn report(&self, evidence: Evidence) {
        eprintln!("evidence against {}", evidence.first.header.author);
    }

    fn diverged(&self, own: &Checkpoint, _certified: &CertifiedCheckpoint) {
        eprintln!("diverged at {}", own.data().height);
    }
}

impl Ledger for Null {
    fn tip(&self) -> Result<Tip, Halt> {
        let certified = self.state.lock().tip.clone();
        let height = certified.as_ref().map_or(Height(0), |tip| tip.data().height);
        let timestamp = TimestampMs(0);
        Ok(Tip { chain: CHAIN, height, timestamp, certified, epoch: self.epoch.clone() })
    }

    fn block(&self, _height: Height) -> Result<Option<SyncBlock>, Halt> {
        Ok(None)
    }

    fn append(&self, _block: &SyncBlock) -> Result<Option<NextEpoch>, SyncError> {
        Err(SyncError::Halt(Halt("the benchmark keeps no blocks: this validator fell behind".to_owned())))
    }

    fn snapshot(&self, _height: Height, _from: Option<&[u8]>) -> Result<Option<SnapshotChunk>, Halt> {
        Ok(None)
    }

    fn restore(
        &self,
        _certified: &CertifiedCheckpoint,
        _chunk: &SnapshotChunk,
        _next: Option<&NextEpoch>,
    ) -> Result<bool, SyncError> {
        Err(SyncError::Bad("the benchmark keeps no state".to_owned()))
    }
}

/// CPU seconds of this process, in user and system mode.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after = stat.rsplit(')').next().expect("a name in brackets");
    let ticks: Vec<u64> =
        after.split_whitespace().skip(11).take(2).map(|field| field.parse().expect("ticks")).collect();
    (ticks[0] + ticks[1]) as f64 / 100.0
}

fn counters(registry: &prometheus::Registry, names: &[&str]) -> u64 {
    let families = registry.gather();
    let wanted = families.iter().filter(|family| names.contains(&family.name()));
    wanted.flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value() as u64).sum()
}

fn main() {
    let options = options();
    let (index, validators) = (number(&options, "index", 0), number(&options, "validators", 4));
    let (port, seconds) = (number(&options, "port", 27_000), number(&options, "seconds", 20));
    let warm_up = number(&options, "warm-up", 5);
    let dir = PathBuf::from(options.get("dir").expect("--dir")).join(format!("validator-{index}"));
    let info = |index: u64| ValidatorInfo {
        address: Address([index as u8 + 1; 32]),
        stake: Stake(1),
        consensus_key: keys(index).consensus.public(),
        network_key: network_key(index).public(),
        checkpoint_key: keys(index).checkpoint.public(),
        network_address: format!("127.0.0.1:{}", port + index),
    };
    let committee = Committee::new(Epoch(1), (0..validators).map(info).collect()).expect("a committee");
    let own = committee.validators()[index as usize].address;
    let application = Arc::new(Null {
        index,
        rate: number(&options, "rate", 1_000),
        size: number(&options, "size", 512).max(16) as usize,
        start: micros() + 2_000_000,
        epoch: NextEpoch { committee, epoch_end: TimestampMs(u64::MAX) },
        state: Mutex::new(State { made: 0, ordered: 0, latencies: Vec::new(), tip: None }),
    });
    SegmentLog::create(&dir, CHAIN).expect("an empty folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let listen = format!("127.0.0.1:{}", port + index).parse().expect("an address");
    let limits = Limits::default();
    let network = NetworkConfig { listen, key: network_key(index), chain: CHAIN, peers: Vec::new(), limits };
    let (network, events) = Network::start(network, runtime.handle()).expect("a free port");
    let mut config = EngineConfig::new(CHAIN, own, vec![keys(index)], dir);
    config.pace.round_interval_ms = number(&options, "round-interval", config.pace.round_interval_ms);
    let registry = config.registry.clone();
    network.register(&registry).expect("fresh names");
    let handle =
        Engine::start(config, application.clone(), application.clone(), Arc::new(network), events).expect("an engine");
    std::thread::sleep(Duration::from_secs(2 + warm_up));
    application.state.lock().latencies.clear();
    let sent = ["noema_network_sent_bytes_total"];
    let before = (Instant::now(), application.state.lock().ordered, cpu_seconds(), counters(&registry, &sent));
    let rounds = handle.status().round.0;
    std::thread::sleep(Duration::from_secs(seconds));
    let took = before.0.elapsed().as_secs_f64();
    let (ordered, mut latencies) = {
        let mut state = application.state.lock();
        (state.ordered - before.1, std::mem::take(&mut state.latencies))
    };
    let (cpu, bytes) = (cpu_seconds() - before.2, counters(&registry, &sent) - before.3);
    let status = handle.status();
    latencies.sort_unstable();
    let at = |percent: usize| f64::from(latencies.get(latencies.len() * percent / 100).copied().unwrap_or(0)) / 1e3;
    let mean = latencies.iter().map(|micros| f64::from(*micros)).sum::<f64>() / 1e3 / latencies.len().max(1) as f64;
    println!(
        "{{\"index\":{index},\"tx_per_s\":{:.0},\"latency_ms_mean\":{mean:.1},\"latency_ms_p50\":{:.1},\
         \"latency_ms_p95\":{:.1},\"cpu_s\":{cpu:.2},\"cpu_s_per_committed_mb\":{:.4},\"bytes_sent\":{bytes},\
         \"bytes_sent_per_committed_byte\":{:.3},\"rounds_per_s\":{:.1},\"certified_height\":{},\"role\":\"{:?}\"}}",
        ordered as f64 / took,
        at(50),
        at(95),
        cpu / (ordered as f64 * application.size as f64 / 1e6).max(1e-9),
        bytes as f64 / (ordered as f64 * application.size as f64).max(1.0),
        (status.round.0 - rounds) as f64 / took,
        status.certified,
        status.role
    );
    if options.contains_key("verbose") {
        eprintln!("{status:#?}");
    }
    // The others may still be measuring.
    std::thread::sleep(Duration::from_secs(2));
    handle.stop();
}
