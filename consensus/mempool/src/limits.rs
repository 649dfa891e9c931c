//! Named limits of the pool. All of them are local choices, never validity.

/// Transactions in the pool, at most.
pub const TRANSACTIONS_MAX: usize = 100_000;
/// Bytes over all transactions in the pool, at most.
pub const BYTES_MAX: usize = 256 << 20;
/// Transactions of one sender, at most. Client libraries keep up to 100 in flight.
pub const SENDER_TRANSACTIONS_MAX: usize = 200;
/// How far a sequence number may be ahead of the account's.
pub const SEQUENCE_AHEAD_MAX: u64 = 1_000;
/// Seconds a transaction may wait, whatever its own expiry says.
pub const WAIT_SECONDS_MAX: u64 = 600;

const _: () = assert!(SENDER_TRANSACTIONS_MAX <= TRANSACTIONS_MAX);
const _: () = assert!(SENDER_TRANSACTIONS_MAX as u64 <= SEQUENCE_AHEAD_MAX);
