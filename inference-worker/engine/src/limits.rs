//! Limits of the pool.

/// Jobs that wait or run, at most.
pub const QUEUE_JOBS_MAX: usize = 4_096;
/// Sequences that run together, at most.
pub const BATCH_SEQUENCES_MAX: usize = 16;
/// Sequences that nothing certified waits for, at most: a block never waits behind views and guesses.
pub const BATCH_OTHERS_MAX: usize = 12;
/// Tokens of one job's choices that one turn scores, at most: each holds a row of logits.
pub const SCORED_TOKENS_MAX: usize = 64;
/// Tokens of a prompt that one turn reads, at most: longer prompts do not hold the others up.
pub const PREFILL_TOKENS_MAX: usize = 128;
/// Answers remembered, at most.
pub const MEMO_ANSWERS_MAX: usize = 65_536;
/// Bytes of remembered answers, at most.
pub const MEMO_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Answers never forgotten to make room: those that somebody may be about to collect.
pub const MEMO_FRESH_ANSWERS: usize = 1_024;

const _: () = assert!(
    MEMO_FRESH_ANSWERS < MEMO_ANSWERS_MAX
        && BATCH_SEQUENCES_MAX <= QUEUE_JOBS_MAX
        && BATCH_OTHERS_MAX < BATCH_SEQUENCES_MAX
);
