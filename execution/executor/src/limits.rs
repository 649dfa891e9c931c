//! Named limits of execution.

use std::time::Duration;

/// Runs of one transaction that end in a question, at most, before the virtual machine counts as broken. A transaction
/// may ask far fewer questions; natives refuse the rest.
pub const PENDING_RUNS_MAX: usize = 64;
/// Transactions that are run ahead of a waiting one, at most, to find their questions early.
pub const SPECULATIVE_RUNS_MAX: usize = 512;
/// Pause before a job is offered again to an engine that is busy.
pub const ENGINE_BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Times a job is offered to a busy engine before the node counts as not ready: five minutes.
pub const ENGINE_BUSY_RETRIES_MAX: u32 = 60_000;
