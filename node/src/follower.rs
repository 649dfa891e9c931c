//! A full node: follows the certified ledger of others over their REST API, and hands transactions on to them.
//!
//! Nothing that an upstream says is believed: every block and every snapshot is verified by the certificate of the
//! committee of its epoch, from genesis on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use noema_consensus::{Ledger, NextEpoch, SnapshotChunk, SyncBlock, SyncError};
use noema_crypto::verify_certified;
use noema_types::{
    CertifiedBlock, CertifiedCheckpoint, Committee, EpochChange, Hash, Height, SignedTransaction, TimestampMs, decode,
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::Agent;

use crate::NodeError;
use crate::api::{ApiError, ApiResult};
use crate::chain::Chain;
use crate::status::StatusSource;

/// Between two questions to an upstream that has nothing new.
const POLL: Duration = Duration::from_millis(100);
/// Before an upstream that failed is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How long an upstream may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// How long an upstream may take to take a transaction, before it goes to the next one.
const FORWARD_MAX: Duration = Duration::from_secs(1);
/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// A node that is so many blocks behind takes a snapshot.
const SNAPSHOT_DISTANCE: u64 = 5_000;
const BCS_TRANSACTION: &str = "application/x.aptos.signed_transaction+bcs";

/// The thread that follows.
#[derive(Debug)]
pub(crate) struct Follower {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Progress {
    upstream: String,
    upstream_height: Height,
    problem: Option<String>,
}

/// What a full node says of itself.
struct FollowerStatus {
    chain: Arc<Chain>,
    progress: Arc<Mutex<Progress>>,
}

impl StatusSource for FollowerStatus {
    fn json(&self) -> Value {
        let info = self.chain.ledger_info();
        let progress = self.progress.lock();
        json!({
            "role": "full_node",
            "epoch": info.epoch.0,
            "certified_height": info.height.0,
            "upstream": progress.upstream,
            "upstream_height": progress.upstream_height.0,
            "problem": progress.problem,
        })
    }

    fn ordered_height(&self) -> Option<Height> {
        None
    }

    fn behind(&self) -> Option<String> {
        None
    }
}

/// Why an upstream is left for the next one.
#[derive(Debug, thiserror::Error)]
enum UpstreamError {
    /// It does not answer, or not with what was asked for.
    #[error("{0}")]
    Failed(String),
    /// It does not have it (yet).
    #[error("not there")]
    Missing,
    /// It had it once.
    #[error("no longer there")]
    Pruned,
    /// This node's own fault.
    #[error("{0}")]
    Own(String),
}

impl From<SyncError> for UpstreamError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Bad(reason) => Self::Failed(reason),
            SyncError::Halt(halt) => Self::Own(halt.0),
        }
    }
}

impl Follower {
    /// Starts following; the status board shows how far it is.
    pub(crate) fn start(
        chain: &Arc<Chain>,
        upstream: Vec<String>,
        status: &crate::status::Status,
    ) -> Result<Self, NodeError> {
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Mutex::new(Progress::default()));
        status.set(Box::new(FollowerStatus { chain: Arc::clone(chain), progress: Arc::clone(&progress) }));
        let mut run = Run { chain: Arc::clone(chain), agent: agent(ANSWER_MAX), upstream, progress };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("noema-follow".to_owned())
            .spawn(move || run.all(&stopped))
            .map_err(|error| NodeError::System(error.to_string()))?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread.
    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.join().is_err() {
            tracing::error!("the follower panicked");
        }
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).build().into()
}

struct Run {
    chain: Arc<Chain>,
    agent: Agent,
    upstream: Vec<String>,
    progress: Arc<Mutex<Progress>>,
}

impl Run {
    fn all(&mut self, stop: &AtomicBool) {
        let mut place = 0usize;
        let mut expired = Instant::now();
        while !stop.load(Ordering::Relaxed) && self.chain.fault().is_none() {
            if expired.elapsed() > RETRY {
                self.chain.expire();
                expired = Instant::now();
            }
            let url = self.upstream[place % self.upstream.len()].trim_end_matches('/').to_owned();
            match self.step(&url) {
                Ok(()) => self.progress.lock().problem = None,
                Err(UpstreamError::Missing) => {
                    self.progress.lock().problem = None;
                    std::thread::sleep(POLL);
                }
                Err(UpstreamError::Own(fault)) => return self.chain.stop_with(fault),
                Err(error) => {
                    tracing::warn!(%url, %error, "an upstream is left for the next one");
                    self.progress.lock().problem = Some(format!("{url}: {error}"));
                    place += 1;
                    std::thread::sleep(RETRY / 4);
                }
            }
        }
    }

    /// Takes the next block, or a snapshot when it is far away.
    fn step(&self, url: &str) -> Result<(), UpstreamError> {
        let tip = self.chain.tip().map_err(|halt| UpstreamError::Own(halt.0))?;
        let next = tip.height.next();
        let found = self.get::<CertifiedBlock>(url, &format!("/noema/blocks/{next}"));
        self.progress.lock().upstream = url.to_owned();
        match found {
            Ok(block) => {
                self.check(&tip.epoch.committee, block.certified(), next)?;
                let certified = block.certified().clone();
                let next_committee = block.next_committee().cloned();
                let content = bcs::to_bytes(block.block()).expect("a decoded block serialises").into();
                self.chain.append(&SyncBlock { certified, next_committee, content })?;
                let mut progress = self.progress.lock();
                progress.upstream_height = progress.upstream_height.max(next);
                let behind = progress.upstream_height.0.saturating_sub(next.0);
                drop(progress);
                if next.0 % 1_000 == 0 {
                    let latest: CertifiedCheckpoint = self.get(url, "/noema/checkpoints/latest")?;
                    self.progress.lock().upstream_height = latest.data().height;
                }
                if behind > SNAPSHOT_DISTANCE { self.snapshot(url, tip.epoch.committee) } else { Ok(()) }
            }
            Err(UpstreamError::Pruned) => self.snapshot(url, tip.epoch.committee),
            Err(error) => Err(error),
        }
    }

    fn check(
        &self,
        committee: &Committee,
        certified: &CertifiedCheckpoint,
        height: Height,
    ) -> Result<(), UpstreamError> {
        let data = certified.data();
        let failed = |reason: String| Err(UpstreamError::Failed(reason));
        if data.chain != self.chain.id() {
            return failed(format!("it follows the chain {}, not {}", data.chain, self.chain.id()));
        }
        if data.height != height {
            return failed(format!("asked for block {height}, it sent {}", data.height));
        }
        verify_certified(committee, certified).map_err(|error| UpstreamError::Failed(error.to_string()))
    }

    /// Restores the state after the upstream's last block, verified along the chain of committees.
    fn snapshot(&self, url: &str, mut committee: Committee) -> Result<(), UpstreamError> {
        let latest: CertifiedCheckpoint = self.get(url, "/noema/checkpoints/latest")?;
        let height = latest.data().height;
        let mut changes = Vec::new();
        let ends_epoch = latest.data().next_committee.is_some();
        while committee.epoch() < latest.data().epoch || (ends_epoch && committee.epoch() == latest.data().epoch) {
            let change: EpochChange = self.get(url, &format!("/noema/epochs/{}", committee.epoch()))?;
            self.check(&committee, &change.certified, change.certified.data().height)?;
            if change.certified.data().next_committee != Some(change.committee.hash()) {
                return Err(UpstreamError::Failed(
                    "an epoch change names another committee than it carries".to_owned(),
                ));
            }
            if change.certified.data().height == height {
                changes.push(change);
                break;
            }
            committee = change.committee.clone();
            changes.push(change);
        }
        self.check(&committee, &latest, height)?;
        let ended = changes.last().filter(|change| change.certified == latest);
        // Only the committee is compared: the end of its epoch is read from the state once that is there.
        let next = ended.map(|change| NextEpoch { committee: change.committee.clone(), epoch_end: TimestampMs(0) });
        let mut from: Option<bytes::Bytes> = None;
        loop {
            let cursor = from.as_ref().map(|from| format!("?from={}", hex::encode(from))).unwrap_or_default();
            let part: SnapshotChunk = self.get(url, &format!("/noema/snapshot/{height}{cursor}"))?;
            if self.chain.restore(&latest, &part, next.as_ref())? {
                let db = self.chain.db();
                let added = changes.iter().try_for_each(|change| db.add_epoch_change(change));
                return added.map_err(|error| UpstreamError::Own(error.to_string()));
            }
            from = Some(part.next.ok_or_else(|| UpstreamError::Failed("the snapshot ends too early".to_owned()))?);
        }
    }

    fn get<T: DeserializeOwned>(&self, url: &str, path: &str) -> Result<T, UpstreamError> {
        let failed = |reason: String| UpstreamError::Failed(format!("{path}: {reason}"));
        let mut response = self.agent.get(format!("{url}{path}")).call().map_err(|error| failed(error.to_string()))?;
        match response.status().as_u16() {
            200 => {}
            404 => return Err(UpstreamError::Missing),
            410 => return Err(UpstreamError::Pruned),
            status => return Err(failed(format!("HTTP status {status}"))),
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| failed(error.to_string()))?;
        decode("answer", &body).map_err(|error| failed(error.to_string()))
    }
}

/// Hands transactions of a full node to validators.
#[derive(Debug)]
pub(crate) struct Forwarder {
    agent: Agent,
    upstream: Vec<String>,
}

impl Forwarder {
    /// Hands on to these.
    pub(crate) fn new(upstream: Vec<String>) -> Self {
        Self { agent: agent(FORWARD_MAX), upstream }
    }

    /// Sends a transaction to the upstream that its sender's address picks, and to the next if that one does not take
    /// it within a second. A transaction that two of them take runs once: its sequence number is used up.
    pub(crate) fn send(&self, transaction: &SignedTransaction) -> ApiResult<()> {
        let start = pick(&transaction.raw.sender.0, self.upstream.len());
        let bytes = transaction.to_bytes();
        let mut last = String::new();
        for offset in 0..self.upstream.len() {
            let url = self.upstream[(start + offset) % self.upstream.len()].trim_end_matches('/');
            let request = self.agent.post(format!("{url}/transactions")).header("content-type", BCS_TRANSACTION);
            match request.send(&bytes[..]) {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(mut response) if response.status().is_client_error() => {
                    let body: Value = response.body_mut().read_json().unwrap_or_default();
                    let message = body["message"].as_str().unwrap_or("the validator refuses it").to_owned();
                    return Err(match body["vm_error_code"].as_u64() {
                        Some(code) => ApiError::vm_error(message, code),
                        None => ApiError::invalid_input(message),
                    });
                }
                Ok(response) => last = format!("{url}: HTTP status {}", response.status()),
                Err(error) => last = format!("{url}: {error}"),
            }
        }
        Err(ApiError::unavailable(format!("no validator takes the transaction now; the last one said {last}")))
    }
}

fn pick(sender: &[u8; 32], count: usize) -> usize {
    let hash = Hash::sha3(&[sender]);
    let number = u64::from_le_bytes(*hash.0.first_chunk().expect("a hash is longer than a number"));
    usize::try_from(number % count.max(1) as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_spread_over_upstreams_and_each_keeps_its_own() {
        let picks: Vec<usize> = (0..200u8).map(|seed| pick(&[seed; 32], 4)).collect();
        for place in 0..4 {
            let count = picks.iter().filter(|pick| **pick == place).count();
            assert!((25..=75).contains(&count), "{count} of 200 go to upstream {place}");
        }
        assert_eq!(picks, (0..200u8).map(|seed| pick(&[seed; 32], 4)).collect::<Vec<_>>());
        assert_eq!(pick(&[1; 32], 1), 0);
    }
}
