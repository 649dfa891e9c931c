//! Computes the normative arithmetic, bit for bit.
//!
//! What is guaranteed: every operation of [`Arithmetic`] returns the same bits on every [`Kernel`], machine, batch and
//! number of threads. `docs/numerics.md` is the standard in words; the `scalar` module is the standard in code; the
//! other kernels are faster ways to the same bits. Matrix products are exact integer sums, so their order is free;
//! everything else is IEEE-754 f32 with every operation and its order written out.
//!
//! A value that is not finite never leaves an operation unseen: the checks of [`NumericsError::NonFinite`] cover every
//! path a value can take from the weights to an answer.
//!
//! The crate reads no environment, no clock and no file, starts no thread, and knows no tensor library. Callers split
//! work over threads by rows, tokens or heads; the result cannot depend on how.

mod arithmetic;
mod error;
mod float_mode;
mod golden;
pub mod image;
mod kernel;
pub mod limits;
mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod rope;
mod sampling;
mod scalar;
mod tiles;
pub mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub use arithmetic::{Arithmetic, AttentionScratch, KvBlock, Lines};
pub use error::NumericsError;
pub use float_mode::assert_float_mode;
pub use golden::{Check, Report, self_test};
pub use kernel::Kernel;
pub use memory::{Arena, Buffer};
pub use sampling::{Candidate, Draws, Sampling, micro_nats};
pub use tiles::{Columns, Rows, TILE_ROWS, Tiles};
