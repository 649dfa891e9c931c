//! Which source each instruction comes from.

use crate::diagnostics::{Span, Symbol};

/// The sources of a module's code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    /// One entry for each function definition, in the order of the binary.
    pub functions: Vec<FunctionMap>,
}

/// The sources of a function's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionMap {
    /// Its name.
    pub name: Symbol,
    /// Its declaration.
    pub span: Span,
    /// Names of its type parameters.
    pub type_params: Vec<Symbol>,
    /// Names of its parameters.
    pub params: Vec<Symbol>,
    /// Names of its locals behind the parameters; temporaries are called `%0`, `%1` and so on.
    pub locals: Vec<Symbol>,
    /// For each instruction where it comes from.
    pub code: Vec<Span>,
}

impl SourceMap {
    /// The source of an instruction.
    #[must_use]
    pub fn span(&self, function: usize, offset: usize) -> Option<Span> {
        self.functions.get(function)?.code.get(offset).copied()
    }

    /// The function called `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionMap> {
        self.functions.iter().find(|function| &*function.name == name)
    }
}
