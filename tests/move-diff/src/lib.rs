//! Generates Move programs and compares what different verifiers, compilers and machines make of them.
//!
//! - [`generate`] makes modules that verify, type-directed, from a seed, and calls of their functions.
//! - [`run`] runs them through our interpreters: values, gas, status, sub-status, place, writes and events must be equal,
//!   with gas that suffices and with less.
//! - [`source`] makes source text of pure functions, for both compilers; [`traps`] is the list of known traps.
//! - [`official`] asks the official Sui Move VM and verifier.
//! - [`shrink`] makes a program with a difference smaller.
//!
//! Everything is decided by one seed, so a failure is a number.

pub mod arguments;
pub mod body;
pub mod bombs;
pub mod builder;
pub mod campaign;
pub mod compiler_peer;
pub mod dice;
pub mod flips;
pub mod fuzz;
pub mod generate;
pub mod official;
pub mod run;
pub mod shrink;
pub mod source;
pub mod traps;
pub mod world;
