//! Reads, writes and disassembles Move binaries.
//!
//! [`CompiledModule`] and [`CompiledScript`] are the plain tables of the format; every index points into a table of the
//! same module. Nothing here says that the tables make sense: bounds are checked by the reader, everything else by the
//! verifier.

mod file_format;
mod instruction;
pub mod limits;

pub use file_format::*;
pub use instruction::Bytecode;
