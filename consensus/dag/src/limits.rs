//! Named limits of the protocol.

/// Bytes of transactions of one batch, at most.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Transactions of one batch, at most.
pub const BATCH_TRANSACTIONS_MAX: usize = 8_192;
/// Bytes of transactions that travel inside of the block that names them, at most.
pub const INLINE_BYTES_MAX: usize = 32 * 1024;
/// Batches that one block names, at most.
pub const BLOCK_BATCHES_MAX: usize = 64;
/// Commit votes of one block, at most.
pub const BLOCK_COMMIT_VOTES_MAX: usize = 64;
/// Bytes of an encoded block without its inline batches, at most: 512 ancestors, batches and votes fit.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// References that one request names, at most.
pub const FETCH_REFERENCES_MAX: usize = 1_024;
/// Bytes of one answer to a request, at most.
pub const FETCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of one encoded message, at most.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A block whose time is further ahead of the own clock is held until it is not.
pub const FUTURE_MS_MAX: u64 = 500;
/// Least growth between the timestamps of two commits.
pub const TIMESTAMP_STEP_MS: u64 = 1;

const _: () = assert!(INLINE_BYTES_MAX <= BATCH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < FETCH_BYTES_MAX && FETCH_BYTES_MAX < MESSAGE_BYTES_MAX);
