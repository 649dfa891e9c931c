//! The reference interpreter: stack bytecode on plain values.
//!
//! It is the oracle of every other way to run Move here, so it is written to be read: one match arm per instruction,
//! values that own what they hold, references as checked places. It trusts the verifier for nothing that it can check on
//! the way: kinds of operands, stack bounds of the frame, fields and variants, mutability and life of references. What
//! verified code cannot do ends the run with UNKNOWN_INVARIANT_VIOLATION_ERROR, never with a panic.
//!
//! Order of charges: a block's static gas at its first instruction; then each instruction's dynamic part before its work.
//! A failing instruction is located at its own offset, an empty balance at a block's entry at the block's first.

mod arithmetic;
mod host;
mod machine;
mod meter;
mod places;
mod storage;
mod vectors;

pub(crate) use machine::{Machine, NO_TYPE_ARGS, Run};
pub(crate) use meter::Meter;
