//! What people and metrics want to know of queue, pool and workers.

use noema_engine::PoolStats;
use noema_types::{Ed25519PublicKey, Hash};
use serde::Serialize;

/// What a pool does and did since its start, here or at a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PoolReport {
    /// Jobs that wait.
    pub queued: u64,
    /// Sequences in the batch.
    pub running: u64,
    /// Jobs the models ran.
    pub jobs_run: u64,
    /// Submissions whose answer was known.
    pub memo_hits: u64,
    /// Jobs dropped because nobody wanted them any more.
    pub cancelled: u64,
    /// Tokens that models read.
    pub tokens_read: u64,
    /// Tokens drawn.
    pub tokens_made: u64,
    /// Times a prompt took over pages that were read before.
    pub prefix_hits: u64,
    /// Tokens not read for that.
    pub prefix_tokens: u64,
    /// Bytes of pages kept for prompts that begin alike.
    pub prefix_bytes: u64,
    /// Bytes of memory that the process holds.
    pub memory_bytes: u64,
}

/// Where a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Not attached.
    Away,
    /// Attached, and has jobs to answer that the node knows the answers of.
    Testing,
    /// Gets jobs.
    Ready,
    /// Finishes its jobs and gets no more.
    Leaving,
    /// Gave a wrong answer: gets no more jobs until the node starts again.
    Refused,
}

/// One worker, by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkerReport {
    /// What it calls itself; empty before it came for the first time.
    pub name: String,
    /// Its key.
    pub key: Ed25519PublicKey,
    /// Where it is.
    pub state: WorkerState,
    /// Program and version.
    pub program: String,
    /// What it computes on.
    pub kernel: String,
    /// Threads it computes with.
    pub threads: u32,
    /// Jobs it takes at once.
    pub capacity: u32,
    /// Roots of its models.
    pub models: Vec<Hash>,
    /// Jobs it has now.
    pub in_flight: u64,
    /// Answers taken from it since the node's start.
    pub answered: u64,
    /// Jobs that it lost and that moved on.
    pub moved: u64,
    /// Wrong answers, broken rules, deadlines missed.
    pub faults: u64,
    /// Times it attached.
    pub attached: u64,
    /// Answers of it that were checked and found right.
    pub audited: u64,
    /// Why it was let go, the last time.
    pub last_problem: String,
    /// Milliseconds since it was heard of; none if it never was.
    pub last_seen_ms: Option<u64>,
    /// What its pool does, as it says.
    pub pool: PoolReport,
}

/// Jobs that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct QueueReport {
    /// Jobs that wait for a worker or for the pool.
    pub jobs: u64,
    /// Jobs without an answer: those that wait and those that run.
    pub open: u64,
    /// Bytes of their texts.
    pub bytes: u64,
    /// Milliseconds that the oldest one waits.
    pub oldest_ms: u64,
}

/// The pool of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LocalReport {
    /// Jobs it takes at once; 0 while it only checks the workers.
    pub capacity: u64,
    /// Jobs it has now.
    pub in_flight: u64,
    /// Its answers since start.
    pub answered: u64,
    /// What it does.
    pub pool: PoolReport,
}

/// Counts since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Jobs answered.
    pub answered: u64,
    /// Submissions whose answer was known.
    pub memo_hits: u64,
    /// Jobs dropped because nobody wanted them any more.
    pub cancelled: u64,
    /// Jobs taken from a lost worker.
    pub moved: u64,
    /// Jobs given up because every worker that had them was lost.
    pub given_up: u64,
    /// Answers to jobs that had moved on or were cancelled; not used.
    pub late: u64,
    /// Connections that proved no admitted key.
    pub unknown_keys: u64,
    /// Workers refused after their key was proven, by what they said or answered.
    pub refused: u64,
    /// Wrong answers, broken rules, deadlines missed.
    pub faults: u64,
}

/// Everything of inference on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct InferenceReport {
    /// Jobs that wait.
    pub queue: QueueReport,
    /// The pool of the node's process.
    pub local: Option<LocalReport>,
    /// Workers that are admitted, by key.
    pub workers: Vec<WorkerReport>,
    /// Counts since start.
    pub totals: Totals,
}

impl From<PoolStats> for PoolReport {
    fn from(stats: PoolStats) -> Self {
        Self {
            queued: stats.queued,
            running: stats.running,
            jobs_run: stats.jobs_run,
            memo_hits: stats.memo_hits,
            cancelled: stats.cancelled,
            tokens_read: stats.tokens_read,
            tokens_made: stats.tokens_made,
            prefix_hits: stats.prefix_hits,
            prefix_tokens: stats.prefix_tokens,
            prefix_bytes: stats.prefix_bytes,
            memory_bytes: memory_bytes(),
        }
    }
}

impl PoolReport {
    const COUNTS: usize = 11;

    /// The counts in the order of the wire.
    pub(crate) fn to_counts(self) -> [u64; Self::COUNTS] {
        let Self { queued, running, jobs_run, memo_hits, cancelled, tokens_read, tokens_made, .. } = self;
        let Self { prefix_hits, prefix_tokens, prefix_bytes, memory_bytes, .. } = self;
        [
            queued,
            running,
            jobs_run,
            memo_hits,
            cancelled,
            tokens_read,
            tokens_made,
            prefix_hits,
            prefix_tokens,
            prefix_bytes,
            memory_bytes,
        ]
    }

    /// Counts of the wire; missing ones are zero, further ones ignored.
    pub(crate) fn from_counts(counts: &[u64]) -> Self {
        let at = |index: usize| counts.get(index).copied().unwrap_or(0);
        Self {
            queued: at(0),
            running: at(1),
            jobs_run: at(2),
            memo_hits: at(3),
            cancelled: at(4),
            tokens_read: at(5),
            tokens_made: at(6),
            prefix_hits: at(7),
            prefix_tokens: at(8),
            prefix_bytes: at(9),
            memory_bytes: at(10),
        }
    }
}

/// Bytes of memory that this process holds, as Linux says; 0 elsewhere.
#[must_use]
pub fn memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_travel_in_order() {
        let counts: Vec<u64> = (1..=PoolReport::COUNTS as u64).collect();
        assert_eq!(PoolReport::from_counts(&counts).to_counts().to_vec(), counts);
        assert_eq!(PoolReport::from_counts(&[]), PoolReport::default());
        assert!(memory_bytes() > 0);
    }
}
