//! Which source each instruction comes from.

use serde_json::{Value, json};

use crate::diagnostics::{Files, Span, Symbol};

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

    /// The map as a JSON document: for each function its names and, for each instruction, `[file, line, column]`, where
    /// `file` is a position in `files`.
    #[must_use]
    pub fn to_json(&self, files: &Files) -> Value {
        let mut paths: Vec<&str> = Vec::new();
        let functions: Vec<Value> = self
            .functions
            .iter()
            .map(|function| {
                let mut place = |span: &Span| {
                    let path = files.path(span.file);
                    let file = paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                        paths.push(path);
                        paths.len() - 1
                    });
                    let (line, column) = files.line_column(span.file, span.start);
                    json!([file, line, column])
                };
                json!({
                    "name": function.name.as_str(),
                    "declared": place(&function.span),
                    "type_params": names(&function.type_params),
                    "params": names(&function.params),
                    "locals": names(&function.locals),
                    "code": function.code.iter().map(place).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "files": paths, "functions": functions })
    }

    /// The function called `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&FunctionMap> {
        self.functions.iter().find(|function| &*function.name == name)
    }
}

fn names(symbols: &[Symbol]) -> Vec<&str> {
    symbols.iter().map(Symbol::as_str).collect()
}
