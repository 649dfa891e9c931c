//! Measures the transport: validators in processes of their own on loopback, each sending bulk to all others and a
//! small block every few milliseconds. Prints MB/s, CPU per GB and the delay of the blocks.
//!
//! `throughput [--validators 4] [--bytes 524288] [--rate 5] [--seconds 10] [--block-ms 50] [--port 27000]`, the rate in
//! MB/s from each validator to each other, 0 for as much as goes.
#![allow(clippy::print_stdout, reason = "the figures are the result")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use noema_crypto::Ed25519KeyPair;
use noema_network::{Channel, Limits, Network, NetworkConfig, NetworkEvent, Peer, SendError, Transport};
use noema_types::Hash;
use tokio::sync::mpsc;

const BLOCK_BYTES: usize = 1_000;
const WARM_UP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
struct Options(BTreeMap<String, u64>);

impl Options {
    fn parse() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let pairs = arguments.chunks(2).map(|pair| {
            let value = pair.get(1).and_then(|value| value.parse().ok());
            (pair[0].trim_start_matches('-').to_owned(), value.expect("--name number"))
        });
        Self(pairs.collect())
    }

    fn get(&self, name: &str, default: u64) -> u64 {
        self.0.get(name).copied().unwrap_or(default)
    }

    fn validators(&self) -> u64 {
        self.get("validators", 4)
    }

    fn address(&self, index: u64) -> SocketAddr {
        ([127, 0, 0, 1], u16::try_from(self.get("port", 27_000) + index).expect("a port")).into()
    }
}

fn key(index: u64) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([u8::try_from(index).expect("few validators") + 1; 32])
}

/// User and system time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_nanos()).expect("before 2554")
}

fn main() {
    let options = Options::parse();
    match options.0.get("index") {
        Some(index) => run(&options, *index),
        None => {
            let own = std::env::current_exe().expect("this program");
            let start = |index: u64| {
                let arguments: Vec<String> = std::env::args().skip(1).collect();
                Command::new(&own).args(arguments).args(["--index", &index.to_string()]).spawn().expect("it starts")
            };
            let processes: Vec<_> = (0..options.validators()).map(start).collect();
            for mut process in processes {
                process.wait().expect("it ran");
            }
        }
    }
}

fn run(options: &Options, index: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let peers: Vec<Peer> = (0..options.validators())
        .map(|other| Peer { key: key(other).public(), address: options.address(other).to_string() })
        .collect();
    let mut limits = Limits::default();
    // What is measured is what goes, not the limit.
    limits.of_mut(Channel::Batches).receive_bytes_per_s = 1 << 34;
    let config = NetworkConfig {
        listen: options.address(index),
        key: key(index),
        chain: Hash([1; 32]),
        peers: peers.iter().filter(|peer| peer.key != key(index).public()).cloned().collect(),
        limits,
    };
    let others = config.peers.clone();
    let (network, events) = Network::start(config, runtime.handle()).expect("it starts");
    let network = Arc::new(network);
    let rate = options.get("rate", 5);
    let size = usize::try_from(options.get("bytes", 512 * 1024)).expect("it fits");
    for peer in others {
        runtime.spawn(bulk(Arc::clone(&network), peer, size, rate));
    }
    runtime.spawn(blocks(Arc::clone(&network), Duration::from_millis(options.get("block-ms", 50))));
    let seconds = Duration::from_secs(options.get("seconds", 10));
    println!("{}", runtime.block_on(measure(index, events, seconds)));
}

async fn bulk(network: Arc<Network>, peer: Peer, size: usize, rate: u64) {
    let bytes = Bytes::from(vec![7; size]);
    let (started, mut sent) = (Instant::now(), 0u64);
    loop {
        match network.send(&peer.key, Channel::Batches, bytes.clone()) {
            Ok(()) => sent += size as u64,
            Err(SendError::TooLarge { size, limit, .. }) => panic!("{size} bytes, the limit is {limit}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
        if let Some(micros) = sent.checked_div(rate) {
            let due = started + Duration::from_micros(micros);
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

async fn blocks(network: Arc<Network>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let mut block = BytesMut::zeroed(BLOCK_BYTES);
        block[..8].copy_from_slice(&now_ns().to_be_bytes());
        network.broadcast(Channel::Blocks, &block.freeze());
    }
}

async fn measure(index: u64, mut events: mpsc::Receiver<NetworkEvent>, seconds: Duration) -> String {
    let (mut began, mut cpu_before, mut warm) = (Instant::now(), cpu(), false);
    let (mut bytes, mut messages, mut delays) = (0u64, 0u64, Vec::new());
    loop {
        let event = tokio::time::timeout(Duration::from_secs(1), events.recv()).await;
        match event.ok().flatten() {
            Some(NetworkEvent::Message { channel: Channel::Blocks, bytes, .. }) => {
                let sent = u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
                delays.push(now_ns().saturating_sub(sent));
            }
            Some(NetworkEvent::Message { bytes: batch, .. }) => {
                bytes += batch.len() as u64;
                messages += 1;
            }
            _ => {}
        }
        if !warm && began.elapsed() >= WARM_UP {
            (began, cpu_before, warm) = (Instant::now(), cpu(), true);
            (bytes, messages) = (0, 0);
            delays.clear();
        }
        if warm && began.elapsed() >= seconds {
            break;
        }
    }
    let (elapsed, spent) = (began.elapsed().as_secs_f64(), (cpu() - cpu_before).as_secs_f64());
    delays.sort_unstable();
    let delay = |part: usize| delays.get(delays.len() * part / 1000).map_or(f64::NAN, |ns| *ns as f64 / 1e6);
    let mb = bytes as f64 / 1e6;
    format!(
        "validator {index}: {:.1} MB/s in and as much out ({messages} messages), {:.1} % of a core, {:.2} CPU-s per GB \
         in and out; blocks: {} at p50 {:.2} ms, p99 {:.2} ms",
        mb / elapsed,
        100.0 * spent / elapsed,
        spent / (mb / 1e3),
        delays.len(),
        delay(500),
        delay(990),
    )
}
