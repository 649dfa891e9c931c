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
/// Points of reputation that a leader loses when its slot is skipped; being in time for a commit is worth one.
pub const SKIPPED_LEADER_PENALTY: u64 = 20;
/// Least collection depth: a commit's time needs the blocks of the round before its leader.
pub const GC_DEPTH_MIN: u64 = 2;

const _: () = assert!(INLINE_BYTES_MAX <= BATCH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < FETCH_BYTES_MAX && FETCH_BYTES_MAX < MESSAGE_BYTES_MAX);

/// Blocks further than this above the own round are not kept: they are fetched when the rounds between are there.
pub const AHEAD_ROUNDS_MAX: u64 = 128;
/// Blocks of one author that wait for ancestors or batches, at most.
pub const SUSPENDED_BLOCKS_MAX: usize = 256;
/// Blocks of one author that are held because their time is ahead, at most.
pub const FUTURE_BLOCKS_MAX: usize = 16;
/// Blocks of one slot that are stored on the word of one other author each; more need the word of a third of the stake.
pub const SLOT_BLOCKS_MAX: usize = 8;
/// Rounds that the own round is behind before everything above it is asked for at once, instead of block by block.
pub const CATCH_UP_ROUNDS: u64 = 8;
/// Rounds kept below the last certified commit's collected ones, for those that start there, in collection depths.
pub const RETAIN_DEPTHS: u64 = 1;
/// Rounds kept at most, if no commit is ever certified: others then synchronise state.
pub const RETAIN_ROUNDS_MAX: u64 = 4_096;
/// Commits remembered until they are certified, at most; the oldest are forgotten, and their blocks kept longer.
pub const UNCERTIFIED_COMMITS_MAX: usize = 8_192;
/// Own blocks sent to a validator that connects, at most.
pub const CONNECT_BLOCKS_MAX: usize = 16;
/// A leader whose last block is this many rounds old is not waited for.
pub const SILENT_ROUNDS: u64 = 10;
/// Blocks in a row with late batches after which their author is left out where a quorum remains.
pub const LATE_BLOCKS: u32 = 3;
/// An author that is left out is taken in every so many rounds all the same.
pub const LATE_ROUNDS: u64 = 8;
/// Memory counted for a transaction besides its bytes.
pub const TRANSACTION_OVERHEAD_BYTES: usize = 32;
/// Between two complaints that this validator is behind.
pub const LAGGING_INTERVAL_MS: u64 = 1_000;
/// Blocks looked through to find who can have what is missing, at most, the first time it is asked for.
pub const REFERRERS_MAX: usize = 64;
/// Doubles with each failed request, so many times at most.
pub const REFERRERS_DOUBLINGS_MAX: u64 = 8;
