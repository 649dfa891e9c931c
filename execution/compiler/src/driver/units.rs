//! What comes out.

use noema_bytecode::{CompiledModule, CompiledScript};
use noema_execution_api::module_metadata::ModuleMetadata;

use crate::diagnostics::Symbol;
use crate::emit::SourceMap;
use crate::expand::ast::ModuleIdent;
use crate::metadata::ModuleDocs;

/// A compiled module.
#[derive(Clone, Debug)]
pub struct CompiledUnit {
    /// Its identity.
    pub ident: ModuleIdent,
    /// The package it came from.
    pub package: Symbol,
    /// Whether that is the package that was asked for, not a dependency.
    pub is_target: bool,
    /// The tables.
    pub module: CompiledModule,
    /// The binary.
    pub bytes: Vec<u8>,
    /// Where each instruction comes from.
    pub source_map: SourceMap,
    /// Its description of itself, which also stands in the binary.
    pub metadata: ModuleMetadata,
    /// Doc comments.
    pub docs: ModuleDocs,
}

/// A compiled script.
#[derive(Clone, Debug)]
pub struct CompiledScriptUnit {
    /// The name of its function.
    pub name: Symbol,
    /// The tables.
    pub script: CompiledScript,
    /// The binary.
    pub bytes: Vec<u8>,
    /// Where each instruction comes from.
    pub source_map: SourceMap,
}
