//! Reads, writes and disassembles Move binaries.
//!
//! [`CompiledModule`] and [`CompiledScript`] are the plain tables of the format; every index points into a table of the
//! same module. Nothing here says that the tables make sense: bounds are checked by the reader, everything else by the
//! verifier.
//!
//! # Formats
//! [`CompiledModule::deserialize`] reads the plain versions 5 and 6 and Sui's 7 (version word 0x05000007).
//! [`CompiledModule::serialize`] writes the version that the module names, and Sui 7 for a module of version 6 that has
//! enums. Reading what was written gives the same tables; writing what was read gives the same bytes when the input is
//! canonical, that is when its tables come in the order 1, 2, 3, 4, 5, 7, 8, 6, 0x10, 0xA to 0xF, 0x11 to 0x14.
//! Tables that overlap, leave gaps, are empty or occur twice, integers that are not minimal ULEB128, and bytes after the
//! end are errors in any order.
//!
//! # Safety of the reader
//! Any byte string gives a module or a [`ReadError`]: no panic, time linear in its length, memory at most about 60 times
//! its length. A module that was read has every index in bounds ([`check_module_bounds`]).

mod access;
mod bounds;
mod cursor;
mod disassemble;
mod encoding;
mod error;
mod file_format;
mod instruction;
pub mod limits;
mod reader;
mod types;
mod writer;

pub use bounds::{check_module_bounds, check_script_bounds};
pub use disassemble::{disassemble, disassemble_script};
pub use error::{ReadError, WriteError};
pub use file_format::*;
pub use instruction::Bytecode;

#[cfg(test)]
mod tests;
