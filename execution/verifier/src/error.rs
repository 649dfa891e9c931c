//! What is wrong with a module, and where.

use std::fmt;

use noema_bytecode::{CodeOffset, CompiledModule, FunctionDefIndex};
use noema_execution_api::StatusCode;
use noema_types::{Identifier, ModuleId};

/// A module or script was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} ({}){location}: {message}", status.number())]
pub struct VerifyError {
    /// Which rule is broken, as a number that every Move tool knows.
    pub status: StatusCode,
    /// Where.
    pub location: Box<Location>,
    /// What was expected and found.
    pub message: String,
}

/// A place in a module or script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// The module; `None` in a script.
    pub module: Option<ModuleId>,
    /// The function, if the place is in one.
    pub function: Option<(FunctionDefIndex, Identifier)>,
    /// The instruction, if the place is in code.
    pub offset: Option<CodeOffset>,
    /// The table and the position in it, if the place is a table's entry.
    pub entry: Option<(&'static str, usize)>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.module {
            Some(id) => write!(f, " in {}::{}", id.address.to_short_hex(), id.name.as_str())?,
            None => f.write_str(" in the script")?,
        }
        if let Some((_, name)) = &self.function {
            write!(f, "::{}", name.as_str())?;
        }
        if let Some(offset) = self.offset {
            write!(f, " at instruction {offset}")?;
        }
        if let Some((table, position)) = self.entry {
            write!(f, ", {table} {position}")?;
        }
        Ok(())
    }
}

impl VerifyError {
    /// Of a module (or a script's tables), nowhere in particular.
    pub(crate) fn in_module(module: &CompiledModule, status: StatusCode, message: impl Into<String>) -> Self {
        let id = module.self_id();
        let id = (id.name.as_str() != "<SELF>").then_some(id);
        let location = Box::new(Location { module: id, ..Location::default() });
        Self { status, location, message: message.into() }
    }

    /// Of an entry of a table.
    pub(crate) fn at_entry(
        module: &CompiledModule,
        table: &'static str,
        position: usize,
        status: StatusCode,
        message: impl Into<String>,
    ) -> Self {
        let mut error = Self::in_module(module, status, message);
        error.location.entry = Some((table, position));
        error
    }

    /// Of a function.
    pub(crate) fn in_function(
        module: &CompiledModule,
        function: FunctionDefIndex,
        status: StatusCode,
        message: impl Into<String>,
    ) -> Self {
        let mut error = Self::in_module(module, status, message);
        error.location.function = Some((function, module.function_name(function).clone()));
        error
    }
}
