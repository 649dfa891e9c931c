//! From stack code to the tables of a binary.
//!
//! A module's own datatypes and functions stand in its tables in the order of the source; everything else is entered
//! when it is first used, so equal source gives equal bytes. `public(package)` becomes friend visibility with one
//! friend entry for each calling module.

mod code;
mod module;
mod source_map;
mod tables;

pub(crate) use module::{Link, emit_module, emit_script};
pub use source_map::{FunctionMap, SourceMap};
