//! What an engine says of itself: its status, and metrics.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use noema_dag::CoreStats;
use noema_types::{Author, Epoch, Height, Round};
use parking_lot::{Condvar, Mutex};
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// What this validator does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Takes part, in this place of the committee.
    Validator(Author),
    /// Has no part in the epoch, and follows what is certified.
    Follower(String),
    /// Fetches certified blocks, for this reason.
    Syncing(String),
    /// Does nothing any more, for this reason: a person must act.
    Halted(String),
    /// Was told to stop.
    Stopped,
}

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it does.
    pub role: Role,
    /// The epoch that runs.
    pub epoch: Epoch,
    /// Round of the next own block.
    pub round: Round,
    /// Last block ordered.
    pub ordered: Height,
    /// Last block executed.
    pub executed: Height,
    /// Last block certified and in the ledger.
    pub certified: Height,
    /// Peers connected.
    pub peers: usize,
    /// Whether proposals are empty because execution or certification is behind.
    pub throttled: bool,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of blocks and batches in memory, about.
    pub held_bytes: usize,
    /// Counters of the running epoch's core.
    pub core: CoreStats,
}

/// Shared by the threads of an engine and its handle.
#[derive(Debug)]
pub(crate) struct Shared {
    status: Mutex<Status>,
    changed: Condvar,
    stopping: AtomicBool,
    pub(crate) metrics: Metrics,
}

/// Metrics with names `noema_consensus_*`.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) epoch: IntGauge,
    pub(crate) round: IntGauge,
    pub(crate) ordered: IntGauge,
    pub(crate) executed: IntGauge,
    pub(crate) certified: IntGauge,
    pub(crate) peers: IntGauge,
    pub(crate) throttled: IntGauge,
    pub(crate) halted: IntGauge,
    pub(crate) log_bytes: IntGauge,
    pub(crate) commits: IntCounter,
    pub(crate) transactions: IntCounter,
    pub(crate) transaction_bytes: IntCounter,
    pub(crate) malformed: IntCounterVec,
    pub(crate) unsent: IntCounterVec,
    pub(crate) synced_blocks: IntCounter,
    pub(crate) diverged: IntCounter,
    pub(crate) sync_seconds: Histogram,
    pub(crate) certify_seconds: Histogram,
    pub(crate) step_seconds: Histogram,
    pub(crate) commit_latency: Histogram,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// A name is taken in the registry.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("noema_consensus_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("noema_consensus_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counters = |name: &str, help: &str| {
            let opts = Opts::new(format!("noema_consensus_{name}"), help);
            let counters = IntCounterVec::new(opts, &["channel"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let histogram = |name: &str, help: &str| {
            let buckets = prometheus::exponential_buckets(0.0001, 1.5, 30)?;
            let opts = HistogramOpts::new(format!("noema_consensus_{name}"), help).buckets(buckets);
            let histogram = Histogram::with_opts(opts)?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        Ok(Self {
            epoch: gauge("epoch", "Epoch that runs")?,
            round: gauge("round", "Round of the next own block")?,
            ordered: gauge("ordered_height", "Last execution block ordered")?,
            executed: gauge("executed_height", "Last execution block executed")?,
            certified: gauge("certified_height", "Last execution block certified")?,
            peers: gauge("peers", "Peers connected")?,
            throttled: gauge("throttled", "1 while proposals are empty because execution is behind")?,
            halted: gauge("halted", "1 when consensus has halted and a person must act")?,
            log_bytes: gauge("log_bytes", "Bytes of the consensus log")?,
            commits: counter("commits_total", "Commits since the start")?,
            transactions: counter("ordered_transactions_total", "Transactions ordered since the start")?,
            transaction_bytes: counter("ordered_bytes_total", "Bytes of transactions ordered since the start")?,
            malformed: counters("malformed_messages_total", "Messages that do not decode")?,
            unsent: counters("unsent_messages_total", "Messages that the transport did not take")?,
            synced_blocks: counter("synced_blocks_total", "Certified blocks fetched from peers")?,
            diverged: counter("divergences_total", "Own results that a quorum contradicted")?,
            sync_seconds: histogram("log_sync_seconds", "Time to make the log durable")?,
            certify_seconds: histogram("certify_seconds", "Time from ordering a block to its certificate")?,
            commit_latency: histogram(
                "commit_latency_seconds",
                "Time from handing an own transaction to consensus to its commit here",
            )?,
            step_seconds: histogram("turn_seconds", "Time of one turn of the consensus thread")?,
        })
    }
}

impl Shared {
    pub(crate) fn new(status: Status, metrics: Metrics) -> Self {
        Self { status: Mutex::new(status), changed: Condvar::new(), stopping: AtomicBool::new(false), metrics }
    }

    /// Whether all threads are to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    pub(crate) fn is_halted(&self) -> bool {
        matches!(self.status.lock().role, Role::Halted(_))
    }

    /// Nothing is proposed, signed or executed from now on. The first reason stays.
    pub(crate) fn halt(&self, reason: &str) {
        let mut status = self.status.lock();
        if !matches!(status.role, Role::Halted(_)) {
            tracing::error!(reason, "consensus has halted on this validator");
            status.role = Role::Halted(reason.to_owned());
            self.metrics.halted.set(1);
        }
        self.changed.notify_all();
    }

    /// Changes the status; a halted validator stays halted.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock();
        let halted = matches!(status.role, Role::Halted(_)).then(|| status.role.clone());
        change(&mut status);
        if let Some(role) = halted {
            status.role = role;
        }
        let metrics = &self.metrics;
        metrics.epoch.set(number(status.epoch.0));
        metrics.round.set(number(status.round.0));
        metrics.ordered.set(number(status.ordered.0));
        metrics.executed.set(number(status.executed.0));
        metrics.certified.set(number(status.certified.0));
        metrics.peers.set(number(status.peers as u64));
        metrics.throttled.set(i64::from(status.throttled));
        metrics.log_bytes.set(number(status.log_bytes));
        drop(status);
        self.changed.notify_all();
    }

    pub(crate) fn status(&self) -> Status {
        self.status.lock().clone()
    }

    /// Waits until the status is as wished; the status then, or none when the time is over.
    pub(crate) fn wait(&self, timeout: Duration, wished: impl Fn(&Status) -> bool) -> Option<Status> {
        let deadline = Instant::now() + timeout;
        let mut status = self.status.lock();
        while !wished(&status) {
            if self.changed.wait_until(&mut status, deadline).timed_out() {
                return wished(&status).then(|| status.clone());
            }
        }
        Some(status.clone())
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
