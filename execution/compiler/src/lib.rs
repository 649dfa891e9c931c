//! Compiles Move source into verified bytecode, with diagnostics.
//!
//! The passes, each a folder: `parse` builds the syntax tree, `expand` flattens files into modules, [`name`] numbers
//! members and resolves signatures, [`typing`] checks bodies, `lower` makes stack code of them, `emit` fills the tables of
//! a binary, [`metadata`] describes it; the driver runs them and passes every result to the verifier. [`package`] reads
//! folders with `Move.toml`, [`analysis`] answers an editor's questions about a package.

pub mod analysis;
pub mod diagnostics;
mod driver;
mod emit;
pub mod expand;
pub mod limits;
mod lower;
pub mod metadata;
pub mod name;
pub mod package;
pub mod parse;
pub mod typing;

pub(crate) use driver::compile_units;
pub use driver::{
    Cache, CompileFailure, CompiledProgram, CompiledScriptUnit, CompiledUnit, FolderCache, Options, STACK_BYTES,
    SourcePackage, compile_package, compile_package_with, compile_sources,
};
pub use emit::{FunctionMap, SourceMap};
