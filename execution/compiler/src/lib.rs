//! Compiles Move source into verified bytecode, with diagnostics.

pub mod diagnostics;
pub mod expand;
pub mod limits;
pub mod package;
pub mod parse;
pub mod name;
pub mod typing;
mod lower;
mod emit;
mod driver;
pub mod metadata;

pub use driver::{
    CompileFailure, CompiledProgram, CompiledScriptUnit, CompiledUnit, Options, SourcePackage, compile_sources,
};
pub use emit::{FunctionMap, SourceMap};
