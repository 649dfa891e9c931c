//! Named limits of execution.

use std::time::Duration;

use noema_types::Gas;

/// Runs of one transaction that end in a question, at most, before the virtual machine counts as broken. A transaction
/// may ask far fewer questions; natives refuse the rest.
pub const PENDING_RUNS_MAX: usize = 64;
/// Transactions that are run ahead of a waiting one, at most, to find their questions early.
pub const SPECULATIVE_RUNS_MAX: usize = 512;
/// Pause before a job is offered again to an engine that is busy.
pub const ENGINE_BUSY_PAUSE: Duration = Duration::from_millis(5);
/// Times a job is offered to a busy engine before the node counts as not ready: five minutes.
pub const ENGINE_BUSY_RETRIES_MAX: u32 = 60_000;
/// Transactions whose signatures are remembered as verified.
pub const VERIFIED_SIGNATURES_MAX: usize = 200_000;

/// Least price of a unit of gas, in the native coin's smallest unit.
pub const GAS_UNIT_PRICE_MIN: u64 = 1;
/// Highest price of a unit of gas.
pub const GAS_UNIT_PRICE_MAX: u64 = 10_000_000_000;
/// Gas that a transaction may allow itself, at most.
pub const GAS_AMOUNT_MAX: u64 = 2_000_000;
/// Gas of the smallest transaction: below this none can run.
pub const GAS_AMOUNT_MIN: u64 = 2;
/// Gas that a view function may use.
pub const VIEW_GAS_MAX: Gas = Gas(2_000_000);

/// Bytes of keys and values that one transaction may write.
pub const WRITE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Bytes of events that one transaction may emit.
pub const EVENT_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Modules that one transaction may publish.
pub const PUBLISHED_MODULES_MAX: usize = 64;

// The largest fee fits the coin's numbers.
const _: () = assert!(GAS_AMOUNT_MAX.checked_mul(GAS_UNIT_PRICE_MAX).is_some());
const _: () = assert!(GAS_UNIT_PRICE_MIN <= GAS_UNIT_PRICE_MAX && GAS_AMOUNT_MIN <= GAS_AMOUNT_MAX);
