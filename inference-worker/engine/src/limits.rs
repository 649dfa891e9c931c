//! Limits of the pool.

use std::time::Duration;

/// Jobs that wait or run, at most.
pub const QUEUE_JOBS_MAX: usize = 4_096;
/// Jobs that wait or run before only certified ones are taken: a block finds room.
pub const QUEUE_OTHERS_MAX: usize = 3_072;
/// Bytes of the texts of jobs that wait or run, at most.
pub const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of texts before only certified jobs are taken.
pub const QUEUE_OTHERS_BYTES_MAX: usize = 192 * 1024 * 1024;
/// Sequences that run together, at most, unless the pool is told otherwise.
pub const BATCH_SEQUENCES_MAX: usize = 16;
/// Sequences of a batch that are kept for certified jobs: a block never waits behind views and guesses.
pub const BATCH_RESERVED: usize = 4;
/// Drawings of a batch, at most: each holds images between its steps.
pub const DRAWINGS_MAX: usize = 2;
/// Drawings of a batch that no block waits for, at most.
pub const DRAWINGS_OTHERS_MAX: usize = 1;
/// Tokens of one job's choices that one turn scores, at most: each holds a row of logits.
pub const SCORED_TOKENS_MAX: usize = 64;
/// Tokens of a prompt that one turn reads, at most: longer prompts do not hold the others up.
pub const PREFILL_TOKENS_MAX: usize = 128;
/// Bytes of pages kept for prompts that begin alike, at most.
pub const PREFIX_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Answers remembered, at most.
pub const MEMO_ANSWERS_MAX: usize = 65_536;
/// Bytes of remembered answers, at most.
pub const MEMO_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Answers never forgotten to make room: those that somebody may be about to collect.
pub const MEMO_FRESH_ANSWERS: usize = 1_024;

/// Brackets that may be open at once in a grammar's text.
pub const GRAMMAR_DEPTH_MAX: usize = 100;
/// Bytes of a token that a grammar may use, at most.
pub const GRAMMAR_TOKEN_BYTES_MAX: usize = 255;
/// Nodes of a grammar, at most.
pub const GRAMMAR_NODES_MAX: usize = 100_000;
/// Work units to compile a grammar's regular expressions (about 50,000 a millisecond).
pub const GRAMMAR_COMPILE_FUEL: u64 = 1_000_000;
/// Work units of the lexer for one token (about 14,000 a millisecond).
pub const GRAMMAR_TOKEN_FUEL: u64 = 100_000;
/// Parser items for one token (about 20,000 a millisecond).
pub const GRAMMAR_TOKEN_ITEMS: usize = 50_000;
/// Parser items of one position.
pub const GRAMMAR_ROW_ITEMS: usize = 1_000;
/// States of the lexer (about 2 KiB each).
pub const GRAMMAR_LEXER_STATES: usize = 10_000;
/// Grammars compiled before their jobs run, those being compiled included: each holds a parser.
pub const GRAMMARS_AHEAD: usize = 8;
/// Time between two tests of a machine that serves against the golden vectors.
pub const RETEST: Duration = Duration::from_secs(3_600);
/// Stack of the scheduler's and the grammars' thread: what compiles and follows grammars recurses with their depth.
pub const SCHEDULER_STACK_BYTES: usize = 64 * 1024 * 1024;

const _: () = assert!(
    MEMO_FRESH_ANSWERS < MEMO_ANSWERS_MAX
        && BATCH_SEQUENCES_MAX <= QUEUE_JOBS_MAX
        && BATCH_RESERVED < BATCH_SEQUENCES_MAX
        && QUEUE_OTHERS_MAX < QUEUE_JOBS_MAX
        && QUEUE_OTHERS_BYTES_MAX < QUEUE_BYTES_MAX
);
