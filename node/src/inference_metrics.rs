//! Metrics of queue, pool and workers, taken from their report whenever they are asked for.

use noema_remote::{InferenceReport, PoolReport, WorkerState};
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Label of the pool of the node's own process.
const LOCAL: &str = "local";
/// Characters of a worker's key in labels: `0x` and eight bytes.
const KEY_CHARACTERS: usize = 18;

/// Every metric of inference.
#[derive(Debug, Clone)]
pub(crate) struct InferenceMetrics {
    queue_jobs: IntGauge,
    queue_oldest: IntGauge,
    open_jobs: IntGauge,
    ready: IntGauge,
    late: IntCounter,
    given_up: IntCounter,
    refused: IntCounterVec,
    in_flight: IntGaugeVec,
    answered: IntCounterVec,
    moved: IntCounterVec,
    faults: IntCounterVec,
    batch: IntGaugeVec,
    tokens_read: IntCounterVec,
    tokens_made: IntCounterVec,
    memo_hits: IntCounterVec,
    prefix_hits: IntCounterVec,
    memory: IntGaugeVec,
    /// Counters are set, not counted: one at a time.
    turn: std::sync::Arc<Mutex<()>>,
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn set(counter: &IntCounter, count: u64) {
    counter.reset();
    counter.inc_by(count);
}

impl InferenceMetrics {
    /// Registers all of them.
    pub(crate) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("a valid metric name");
            registry.register(Box::new(gauge.clone())).expect("each metric is registered once");
            gauge
        };
        let gauges = |name: &str, help: &str| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), &["worker"]).expect("a valid metric name");
            registry.register(Box::new(gauges.clone())).expect("each metric is registered once");
            gauges
        };
        let counters = |name: &str, help: &str, label: &str| {
            let counters = IntCounterVec::new(Opts::new(name, help), &[label]).expect("a valid metric name");
            registry.register(Box::new(counters.clone())).expect("each metric is registered once");
            counters
        };
        let by_worker = |name: &str, help: &str| counters(name, help, "worker");
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a valid metric name");
            registry.register(Box::new(counter.clone())).expect("each metric is registered once");
            counter
        };
        Self {
            queue_jobs: gauge("noema_inference_queue_jobs", "Jobs that wait"),
            queue_oldest: gauge("noema_inference_queue_oldest_milliseconds", "Age of the oldest waiting job"),
            open_jobs: gauge("noema_inference_open_jobs", "Jobs without an answer"),
            ready: gauge("noema_inference_workers_ready", "Workers that get jobs"),
            late: counter("noema_inference_late_answers_total", "Answers to jobs that had moved on"),
            given_up: counter("noema_inference_given_up_total", "Jobs that took too many workers with them"),
            refused: counters("noema_inference_workers_refused_total", "Workers refused", "reason"),
            in_flight: gauges("noema_inference_in_flight_jobs", "Jobs of a worker or the pool"),
            answered: by_worker("noema_inference_answered_total", "Answers of a worker or the pool"),
            moved: by_worker("noema_inference_moved_total", "Jobs that a worker lost"),
            faults: by_worker("noema_inference_faults_total", "Faults of a worker"),
            batch: gauges("noema_inference_batch_sequences", "Sequences that run together"),
            tokens_read: by_worker("noema_inference_tokens_read_total", "Tokens that models read"),
            tokens_made: by_worker("noema_inference_tokens_made_total", "Tokens that models made"),
            memo_hits: by_worker("noema_inference_memo_hits_total", "Submissions whose answer was known"),
            prefix_hits: by_worker("noema_inference_prefix_hits_total", "Prompts that took over pages read before"),
            memory: gauges("noema_inference_memory_bytes", "Memory of the process that computes"),
            turn: std::sync::Arc::default(),
        }
    }

    /// Shows a report.
    pub(crate) fn record(&self, report: &InferenceReport) {
        let _turn = self.turn.lock();
        self.queue_jobs.set(signed(report.queue.jobs));
        self.queue_oldest.set(signed(report.queue.oldest_ms));
        self.open_jobs.set(signed(report.queue.open));
        self.ready.set(report.workers.iter().filter(|worker| worker.state == WorkerState::Ready).count() as i64);
        set(&self.late, report.totals.late);
        set(&self.given_up, report.totals.given_up);
        set(&self.refused.with_label_values(&["unknown_key"]), report.totals.unknown_keys);
        set(&self.refused.with_label_values(&["unfit_or_wrong"]), report.totals.refused);
        if let Some(local) = &report.local {
            self.in_flight.with_label_values(&[LOCAL]).set(signed(local.in_flight));
            set(&self.answered.with_label_values(&[LOCAL]), local.answered);
            self.pool(LOCAL, &local.pool);
        }
        for worker in &report.workers {
            let mut key = worker.key.to_string();
            key.truncate(KEY_CHARACTERS);
            self.in_flight.with_label_values(&[&key]).set(signed(worker.in_flight));
            set(&self.answered.with_label_values(&[&key]), worker.answered);
            set(&self.moved.with_label_values(&[&key]), worker.moved);
            set(&self.faults.with_label_values(&[&key]), worker.faults);
            self.pool(&key, &worker.pool);
        }
    }

    fn pool(&self, worker: &str, pool: &PoolReport) {
        self.batch.with_label_values(&[worker]).set(signed(pool.running));
        set(&self.tokens_read.with_label_values(&[worker]), pool.tokens_read);
        set(&self.tokens_made.with_label_values(&[worker]), pool.tokens_made);
        set(&self.memo_hits.with_label_values(&[worker]), pool.memo_hits);
        set(&self.prefix_hits.with_label_values(&[worker]), pool.prefix_hits);
        self.memory.with_label_values(&[worker]).set(signed(pool.memory_bytes));
    }
}
