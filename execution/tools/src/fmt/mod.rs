//! One layout for Move source.
//!
//! The formatter works on the compiler's own tokens: the tree only says which of them belong together. What it changes is
//! white space and commas at the end of lists; [`format()`] proves that before it gives the text away, by reading it again.
//!
//! # The layout
//! Lines of at most 120 columns where the text allows it, four spaces for each level. What fits on a line stands on one,
//! except where the author's choice is kept: blocks of one statement, fields, variants and match arms that were written on
//! several lines stay so. Lists that do not fit move between their brackets, all items on one line or each on its own; a
//! last item that ends in a block may stay on the bracket's line. At most one empty line stands between two things. `spec`
//! blocks are not touched.

mod expressions;
mod lists;
mod marks;
mod print;
mod spacing;
mod tokens;
mod walk;

use noema_compiler::diagnostics::{Diagnostics, FileId, Files};
use noema_compiler::parse::parse;
use noema_compiler::parse::token::TokenKind;

use crate::limits::FORMAT_STACK_BYTES;
use marks::Marks;
use print::Printer;
use tokens::{Tok, tokens};
use walk::Walker;

/// Why a text was not formatted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FormatError {
    /// It does not parse.
    #[error("{path} has syntax errors:\n{}", .diagnostics.render(.files, false).trim_end())]
    Syntax {
        /// How messages call it.
        path: String,
        /// What is wrong.
        diagnostics: Box<Diagnostics>,
        /// The text.
        files: Files,
    },
    /// The formatter is at fault: its own check failed, and the text stays as it is.
    #[error("the formatter would have changed {path}: {what}; it is left alone (please report this)")]
    Changed {
        /// How messages call it.
        path: String,
        /// What the check found.
        what: &'static str,
    },
}

/// The text in its layout.
///
/// # Errors
/// [`FormatError`]; the text is to be left as it is.
pub fn format(path: &str, text: &str) -> Result<String, FormatError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("move-fmt".into()).stack_size(FORMAT_STACK_BYTES);
        let handle =
            thread.spawn_scoped(scope, || format_here(path, text)).expect("the system can start one more thread");
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn format_here(path: &str, text: &str) -> Result<String, FormatError> {
    let before = Read::new(text).map_err(|diagnostics| {
        let mut files = Files::new();
        files.add(path, text);
        FormatError::Syntax { path: path.to_owned(), diagnostics, files }
    })?;
    let formatted = Printer::new(&before.tokens, &before.marks).print();
    let changed = |what| FormatError::Changed { path: path.to_owned(), what };
    let after = Read::new(&formatted).map_err(|_| changed("it would no longer parse"))?;
    if before.words() != after.words() {
        return Err(changed("a token would be lost or moved"));
    }
    if before.comments() != after.comments() {
        return Err(changed("a comment would be lost"));
    }
    if before.shape() != after.shape() {
        return Err(changed("it would mean something else"));
    }
    Ok(formatted)
}

/// A text that parses, with its marks.
struct Read<'t> {
    tokens: Vec<Tok<'t>>,
    marks: Marks,
}

impl<'t> Read<'t> {
    fn new(text: &'t str) -> Result<Self, Box<Diagnostics>> {
        let file = FileId(0);
        let mut diagnostics = Diagnostics::new();
        let unit = parse(file, text, &mut diagnostics);
        if diagnostics.has_errors() {
            return Err(Box::new(diagnostics));
        }
        let mut tokens = tokens(file, text);
        let marks = Marks::new(&tokens);
        let mut walker = Walker { tokens: &tokens, marks, verbatim: Vec::new() };
        walker.unit(&unit);
        walker.lists();
        let Walker { mut marks, verbatim, .. } = walker;
        for (first, last) in verbatim {
            for (at, token) in tokens.iter_mut().enumerate().take(last + 1).skip(first + 1) {
                marks.is_hidden[at] = true;
                marks.breaks[at] = marks::Break::No;
                token.before.clear();
                if at < last {
                    token.after.clear();
                }
            }
            if first < last {
                tokens[first].after.clear();
            }
            tokens[first].text = &text[tokens[first].start..tokens[last].end];
            marks.groups.retain(|group| {
                group.last <= first || group.first > last || (group.first < first && group.last > last)
            });
        }
        Ok(Self { tokens, marks })
    }

    /// The tokens without commas at the end of lists.
    fn words(&self) -> Vec<(TokenKind, &str)> {
        let visible = (0..self.tokens.len()).filter(|at| !self.marks.is_optional[*at] && !self.marks.is_hidden[*at]);
        visible.map(|at| (self.tokens[at].kind, self.tokens[at].text)).collect()
    }

    /// The comments, each with its lines as they are but for the indentation of the first.
    fn comments(&self) -> Vec<&str> {
        let around = self.tokens.iter().flat_map(|token| token.before.iter().chain(&token.after));
        around.map(|comment| comment.text).collect()
    }

    /// How the parser read what can be read in two ways: angles, prefixes, joined operators, bars.
    fn shape(&self) -> Vec<[bool; 4]> {
        let visible = (0..self.tokens.len()).filter(|at| !self.marks.is_optional[*at] && !self.marks.is_hidden[*at]);
        let marks = &self.marks;
        visible.map(|at| [marks.is_angle[at], marks.is_prefix[at], marks.is_glued[at], marks.is_bar[at]]).collect()
    }
}
