//! Schedules inference jobs over loaded models.
//!
//! [`Pool`] answers jobs with the models it was given, on its own threads. What is guaranteed:
//! - an answer is a function of the job: batching, order, threads, kernel and memo never change a bit of it;
//! - a machine whose arithmetic differs by one bit from the golden vectors does not start ([`PoolError::SelfTest`]);
//! - a job is run at most once while its answer is remembered, however often it is submitted;
//! - queue, batch, memo, kept pages and the work of a grammar are bounded ([`limits`]); a full queue refuses, it never
//!   drops; a job that anybody but a cancelled simulation waits for is never dropped.
//!
//! Grammars are compiled by a thread of their own; a job joins the batch when its grammar is ready.
//!
//! Rules of the scheduler, one thread:
//! 1. Waiting jobs enter the batch by class (certified, speculative, simulation), then in order of arrival.
//! 2. Every turn, each sequence of the batch adds tokens: a chunk of its prompt, or the token just drawn, or one chunk
//!    of each choice. Sequences of one model share one pass over its weights.
//! 3. A prompt that begins like one read before takes over its pages of 64 positions instead of reading them.
//! 4. Of the drawings in the batch, few by limit, the first takes one step a turn, so that texts go on meanwhile.
//! 5. A sequence leaves the batch with its answer; the next waiting job joins between two turns.
//!
//! Kernels and device are tested against the golden vectors at the start and then once an hour. A device that fails, in a
//! turn or at a test, is left: its models go on on the processor, and what ran there begins anew.
//!
//! Any other failure that is not a property of the job (kernels that lie, a broken invariant) stops the pool: every
//! waiter hears of it, and nothing is answered any more.

mod choice;
mod compiling;
#[cfg(test)]
mod device_tests;
mod drawing;
mod generation;
mod grammar;
pub mod limits;
mod memo;
mod pool;
mod prefix;
mod scheduler;
#[cfg(test)]
mod schedules;
mod sequence;
mod spill;
mod testing;
#[cfg(test)]
mod tests;
mod text;

pub use memo::Memo;
pub use pool::{Pool, PoolConfig, PoolError, PoolStats, Resources, weight};
pub use spill::Spill;
