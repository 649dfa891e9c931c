//! Prometheus metrics, all prefixed `noema_` (docs/metrics.md lists them).

use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};

use crate::inference_metrics::InferenceMetrics;

/// Every metric of a node.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Committed blocks since start.
    pub(crate) blocks: IntCounter,
    /// Committed user transactions since start, by how they ended.
    pub(crate) transactions: IntCounterVec,
    /// Submissions since start, by verdict.
    pub(crate) submissions: IntCounterVec,
    /// Latest version.
    pub(crate) version: IntGauge,
    /// Latest height.
    pub(crate) height: IntGauge,
    /// Transactions in the mempool.
    pub(crate) mempool: IntGauge,
    /// Seconds to execute a block.
    pub(crate) execute: Histogram,
    /// Seconds to persist a block.
    pub(crate) persist: Histogram,
    /// Jobs the models ran since start.
    pub(crate) jobs: IntGauge,
    /// Gas used since start.
    pub(crate) gas: IntCounter,
    /// Queue, pool and workers.
    pub(crate) inference: InferenceMetrics,
}

impl Metrics {
    /// Registers all metrics.
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a valid metric name");
            registry.register(Box::new(counter.clone())).expect("each metric is registered once");
            counter
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect("a valid metric name");
            registry.register(Box::new(counters.clone())).expect("each metric is registered once");
            counters
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("a valid metric name");
            registry.register(Box::new(gauge.clone())).expect("each metric is registered once");
            gauge
        };
        let histogram = |name: &str, help: &str| {
            let buckets = vec![0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
            let options = HistogramOpts::new(name, help).buckets(buckets);
            let histogram = Histogram::with_opts(options).expect("a valid metric name");
            registry.register(Box::new(histogram.clone())).expect("each metric is registered once");
            histogram
        };
        Self {
            blocks: counter("noema_blocks_total", "Committed blocks since start"),
            transactions: counters("noema_transactions_total", "Committed user transactions since start", "status"),
            submissions: counters("noema_submissions_total", "Submitted transactions since start", "verdict"),
            version: gauge("noema_ledger_version", "Latest version of the ledger"),
            height: gauge("noema_block_height", "Height of the latest block"),
            mempool: gauge("noema_mempool_transactions", "Transactions in the mempool"),
            execute: histogram("noema_block_execute_seconds", "Time to execute a block"),
            persist: histogram("noema_block_persist_seconds", "Time to persist a block"),
            jobs: gauge("noema_inference_jobs_run", "Inference jobs the models ran since start"),
            gas: counter("noema_gas_used_total", "Gas used by user transactions since start"),
            inference: InferenceMetrics::new(&registry),
            registry,
        }
    }

    /// Where other parts of the node register theirs.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut buffer = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut buffer);
        match encoded {
            Ok(()) => String::from_utf8_lossy(&buffer).into_owned(),
            Err(error) => format!("# metrics could not be written: {error}\n"),
        }
    }
}
