//! Compiles Move source into verified bytecode, with diagnostics.

pub mod diagnostics;
pub mod expand;
pub mod limits;
pub mod parse;
