//! Errors and warnings as people read them, and the source text they point into.

mod span;

pub use span::{FileId, Name, Span, Spanned, Symbol};
