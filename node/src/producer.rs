//! Two threads: one orders what the mempool holds, one executes and persists what was ordered.
//!
//! Ordering never waits for execution; the channel between them holds at most as many commits as the orderer is allowed
//! to be ahead. A commit that was ordered and not persisted before a crash was never reported to anyone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::single::limits::UNEXECUTED_COMMITS_MAX;
use crate::single::{
    Commit, CommitIndex, CommitSink, Input, PayloadLimits, Proposer, SingleConfig, SingleOrderer, TimestampMs, drive,
};
use bytes::Bytes;
use noema_types::Round;

use crate::chain::Chain;
use crate::{BlockConfig, NodeError};

/// Longest sleep, so that stopping is prompt.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// The running threads.
#[derive(Debug)]
pub(crate) struct Producer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Producer {
    /// Starts both threads from the last persisted commit.
    pub(crate) fn start(chain: Arc<Chain>, config: &BlockConfig) -> Result<Self, NodeError> {
        let stop = Arc::new(AtomicBool::new(false));
        let last = chain.last_commit();
        let executed = Arc::new(AtomicU64::new(last.index.0));
        let orderer = SingleOrderer::new(
            SingleConfig {
                round_interval_ms: config.interval_ms,
                limits: PayloadLimits { transactions_max: config.transactions_max, bytes_max: config.bytes_max },
                ..SingleConfig::default()
            },
            last,
        );
        let depth = usize::try_from(UNEXECUTED_COMMITS_MAX).expect("a small limit") + 2;
        let (sender, receiver) = sync_channel(depth);
        let order = {
            let (chain, stop, executed) = (Arc::clone(&chain), Arc::clone(&stop), Arc::clone(&executed));
            spawn("noema-order", move || order(orderer, &chain, sender, &executed, &stop))?
        };
        let execute = spawn("noema-execute", move || execute(&chain, &receiver, &executed))?;
        Ok(Self { stop, threads: vec![order, execute] })
    }

    /// Ends both threads: what was ordered is executed first.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the producer panicked");
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, NodeError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| NodeError::System(error.to_string()))
}

/// Milliseconds since 1970: the only clock that consensus sees, passed in as a value.
pub(crate) fn unix_now() -> TimestampMs {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

struct PoolProposer<'a>(&'a Chain);

impl Proposer for PoolProposer<'_> {
    fn payload(&mut self, now: TimestampMs, _round: Round, limits: PayloadLimits) -> Vec<Bytes> {
        self.0.next_payload(now, limits)
    }
}

struct ChannelSink(SyncSender<Commit>);

impl CommitSink for ChannelSink {
    type Error = std::sync::mpsc::SendError<Commit>;

    fn commit(&mut self, commit: Commit) -> Result<(), Self::Error> {
        self.0.send(commit)
    }
}

fn order(
    mut orderer: SingleOrderer,
    chain: &Chain,
    sender: SyncSender<Commit>,
    executed: &AtomicU64,
    stop: &AtomicBool,
) {
    let mut proposer = PoolProposer(chain);
    let mut sink = ChannelSink(sender);
    while !stop.load(Ordering::Relaxed) && chain.fault().is_none() {
        let now = unix_now();
        let input = Input::Executed(CommitIndex(executed.load(Ordering::Acquire)));
        match drive(&mut orderer, now, input, &mut proposer, &mut sink) {
            Ok(wake_at) => {
                let wait = wake_at.map_or(SLEEP_MAX, |time| Duration::from_millis(time.0.saturating_sub(now.0)));
                std::thread::sleep(wait.min(SLEEP_MAX));
            }
            Err(error) => return chain.stop_with(format!("ordering failed: {error}")),
        }
    }
}

fn execute(chain: &Chain, commits: &Receiver<Commit>, executed: &AtomicU64) {
    while let Ok(commit) = commits.recv() {
        let index = commit.index;
        if let Err(fault) = chain.apply(commit) {
            return chain.stop_with(fault);
        }
        executed.store(index.0, Ordering::Release);
    }
}
