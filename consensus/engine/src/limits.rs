//! Named limits of the engine.

use std::time::Duration;

/// A segment of the log is closed at this size.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// A segment's file grows by this much at least.
pub(crate) const LOG_GROWTH_BYTES: u64 = 1024 * 1024;
/// Files that are made before they are needed.
pub(crate) const SPARE_SEGMENTS_AHEAD: usize = 3;
/// Files of forgotten segments that are kept to be written over, at most.
pub(crate) const SPARE_SEGMENTS_MAX: usize = 16;
/// Files are made longer than what they hold only where they take up less than this part of the free space.
pub(crate) const SPARE_FREE_SHARE: u64 = 16;
/// Bytes of one record, at most: the largest consensus state and every message fit.
pub const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Records are written to the file once this many bytes wait.
pub const LOG_BUFFER_BYTES: usize = 1024 * 1024;

/// After a log was lost, peers are asked in every epoch that began earlier than this after the start of the process: clocks
/// may differ.
pub(crate) const LOST_LOG_MARGIN_MS: u64 = 10 * 60 * 1_000;

/// Events that wait for the consensus thread before reading from the network pauses.
pub(crate) const CONSENSUS_EVENTS_MAX: usize = 8 * 1024;
/// Bytes of messages that wait for it.
pub(crate) const CONSENSUS_EVENTS_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Events that wait for the certifying thread; more are dropped, votes are sent again.
pub(crate) const CERTIFIER_EVENTS_MAX: usize = 8 * 1024;
/// Requests and answers that wait for the synchronising thread; more are dropped, they are asked again.
pub(crate) const SYNC_EVENTS_MAX: usize = 256;
/// Inputs carried out together, so that they share one sync.
pub(crate) const INPUTS_PER_TURN_MAX: usize = 256;
/// A batch is cut before its proposal once this many bytes wait.
pub(crate) const EARLY_BATCH_BYTES: usize = 192 * 1024;
/// Rounds whose time is kept to measure the latency of commits.
pub(crate) const CUTS_KEPT: usize = 4_096;
/// How often waiting transactions are looked for without being told of them.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Execution blocks ordered and not certified above which proposals are empty.
pub const THROTTLE_BLOCKS: u64 = 64;
/// Age of the oldest such block above which proposals are empty.
pub const THROTTLE_AGE: Duration = Duration::from_secs(10);
/// Ordered blocks that wait for execution, at most; beyond, certified results are fetched instead.
pub const EXECUTION_QUEUE_BLOCKS_MAX: usize = 1_024;
/// Bytes of transactions of such blocks, at most.
pub const EXECUTION_QUEUE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Heights above the last certified one for which votes and certificates are kept.
pub const VOTE_WINDOW: u64 = 512;
/// Votes that are sent again at once.
pub(crate) const RESEND_VOTES_MAX: usize = 64;
/// Certificates kept in memory for those who missed them.
pub(crate) const RECENT_CERTIFICATES: usize = 1_024;
/// Between two rounds of sending votes again.
pub(crate) const CHECKPOINT_TICK: Duration = Duration::from_millis(400);
/// Votes that cannot make a quorum any more are left standing this long before the chain halts.
pub const SPLIT_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a base is written to the log while blocks are certified.
pub(crate) const BASE_INTERVAL: Duration = Duration::from_secs(5);
/// A finished epoch's DAG is served at least this long.
pub const OLD_EPOCH_SERVES: Duration = Duration::from_secs(5);
/// News of a later epoch, or of far later blocks, are acted on after this time without own progress.
pub(crate) const BEHIND_PATIENCE: Duration = Duration::from_millis(1_500);

/// Bytes of one message of synchronisation.
pub(crate) const SYNC_PART_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one answer in all its parts, at most.
pub(crate) const SYNC_ANSWER_BYTES_MAX: usize = 288 * 1024 * 1024;
/// Bytes after which no further block is put into an answer.
pub(crate) const SYNC_BLOCKS_BYTES: usize = 2 * 1024 * 1024;
/// Blocks asked for at once.
pub(crate) const SYNC_BLOCKS_MAX: u64 = 64;
/// Epoch changes in one answer, at most.
pub(crate) const SYNC_EPOCHS_MAX: u64 = 64;
/// Requests that are under way at once.
pub(crate) const SYNC_REQUESTS_MAX: usize = 6;
/// Before a request is given up.
pub(crate) const SYNC_TIMEOUT: Duration = Duration::from_secs(4);
/// Requests served to one peer per second.
pub(crate) const SYNC_SERVED_PER_S: u32 = 200;
/// A peer that sent wrong data, or did not answer, is left out this long.
pub(crate) const SYNC_BLAME: Duration = Duration::from_secs(20);
/// A peer that had nothing to give is left out this long.
pub(crate) const SYNC_PAUSE: Duration = Duration::from_millis(500);
/// How often a validator outside of the committee looks for new blocks.
pub(crate) const FOLLOW_INTERVAL: Duration = Duration::from_millis(500);
/// Blocks behind, from which a snapshot is fetched rather than all blocks.
pub const SNAPSHOT_DISTANCE: u64 = 20_000;

const _: () = assert!(SYNC_BLOCKS_BYTES < SYNC_PART_BYTES);
const _: () = assert!(THROTTLE_BLOCKS < VOTE_WINDOW);
