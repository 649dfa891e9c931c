//! Errors and warnings as people read them, and the source text they point into.
//!
//! A [`Diagnostic`] has a stable [`Code`], a message, a primary place, further places, notes and a fix. A run collects
//! many in [`Diagnostics`]; their order is that of the source, so equal input gives equal output.

pub mod codes;
mod diagnostic;
mod explain;
mod files;
mod render;
mod similar;
mod span;
#[cfg(test)]
mod tests;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity, Suggestion};
pub use explain::{Example, ExampleKind, Explanation};
pub use files::{File, Files};
pub(crate) use similar::is_near;
pub use span::{FileId, Name, Span, Spanned, Symbol};
