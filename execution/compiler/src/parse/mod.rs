//! From text to the syntax tree.
//!
//! Any text gives a tree: what does not parse is reported and stands as an error node or is left out, and parsing goes
//! on at the next statement or item. Nesting is bounded by [`crate::limits::NESTING_MAX`], so neither the parser nor a
//! later pass that recurses over the tree can exhaust the stack.

mod assign;
pub mod ast;
mod attributes;
mod cursor;
mod expressions;
mod functions;
mod items;
pub mod lexer;
pub mod literal;
mod operators;
mod paths;
mod patterns;
mod statements;
#[cfg(test)]
mod tests;
pub mod token;
mod types;

use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Span, codes};
use crate::limits::SOURCE_BYTES_MAX;

use ast::SourceUnit;

/// Parses one file. The tree is whole if and only if `diagnostics` gained no error.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> SourceUnit {
    if text.len() > SOURCE_BYTES_MAX {
        diagnostics.push(Diagnostic::new(
            codes::FILE_TOO_LARGE,
            Span::new(file, 0, 0),
            format!("the file has {} bytes, the limit is {SOURCE_BYTES_MAX}", text.len()),
        ));
        return SourceUnit { file, definitions: Vec::new() };
    }
    let lexed = lexer::lex(file, text, diagnostics);
    let mut parser = cursor::Parser::new(file, text, lexed, diagnostics);
    let definitions = parser.definitions();
    parser.report_unused_docs();
    SourceUnit { file, definitions }
}
