//! Named limits of ordering.

/// Transactions of one payload, at most.
pub const PAYLOAD_TRANSACTIONS_MAX: usize = 4_096;
/// Bytes of one payload, at most.
pub const PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// Commits that may be ordered and not executed before payloads become empty.
pub const UNEXECUTED_COMMITS_MAX: u64 = 64;
/// Least growth between the timestamps of two commits.
pub const TIMESTAMP_STEP_MS: u64 = 1;

const _: () = assert!(PAYLOAD_TRANSACTIONS_MAX > 0 && PAYLOAD_BYTES_MAX > 0 && TIMESTAMP_STEP_MS > 0);
