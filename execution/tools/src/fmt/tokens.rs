//! The text as tokens that carry their comments: nothing of it is lost but white space.

use noema_compiler::diagnostics::{Diagnostics, FileId};
use noema_compiler::parse::lexer::lex;
use noema_compiler::parse::token::TokenKind;

/// A token with the comments around it.
#[derive(Debug, Clone)]
pub(super) struct Tok<'t> {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// What is printed; the whole of a verbatim piece for its first token.
    pub(super) text: &'t str,
    /// Comments between the line of the token before and this one.
    pub(super) before: Vec<Comment<'t>>,
    /// Comments behind it on its line.
    pub(super) after: Vec<Comment<'t>>,
    /// A line ends between the token before and this one.
    pub(super) on_new_line: bool,
    /// An empty line stands directly above.
    pub(super) blank_above: bool,
}

/// A comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment<'t> {
    pub(super) text: &'t str,
    /// `true` if code cannot go on behind it, or did not.
    pub(super) ends_line: bool,
    pub(super) blank_above: bool,
}

/// Splits a text that lexes without errors.
pub(super) fn tokens(file: FileId, text: &str) -> Vec<Tok<'_>> {
    let mut unused = Diagnostics::new();
    let lexed = lex(file, text, &mut unused);
    let mut tokens: Vec<Tok<'_>> = Vec::with_capacity(lexed.tokens.len());
    let mut position = text.len() - text.trim_start_matches('\u{feff}').len();
    for token in lexed.tokens {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        let gap = Gap::read(&text[position..start]);
        let is_first = tokens.is_empty();
        let mut before = gap.comments;
        if let Some(last) = tokens.last_mut() {
            // What stands on the line of the token before and ends it belongs to that token.
            let behind = if gap.has_newline { gap.on_first_line } else { 0 };
            last.after = before.drain(..behind).collect();
            if let Some(comment) = last.after.last_mut() {
                comment.ends_line = true;
            }
        }
        tokens.push(Tok {
            kind: token.kind,
            start,
            end,
            text: &text[start..end],
            before,
            after: Vec::new(),
            on_new_line: gap.has_newline || is_first,
            blank_above: gap.blank_last,
        });
        position = end;
    }
    tokens
}

/// White space and comments between two tokens.
#[derive(Debug, Default)]
struct Gap<'t> {
    comments: Vec<Comment<'t>>,
    /// How many of the comments begin on the first line.
    on_first_line: usize,
    has_newline: bool,
    blank_last: bool,
}

impl<'t> Gap<'t> {
    fn read(mut rest: &'t str) -> Self {
        let mut gap = Self::default();
        loop {
            let space = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}').len();
            let newlines = rest[..space].matches('\n').count();
            if newlines > 0 {
                gap.has_newline = true;
                if let Some(comment) = gap.comments.last_mut() {
                    comment.ends_line = true;
                }
            }
            rest = &rest[space..];
            if rest.is_empty() {
                gap.blank_last = newlines > 1;
                return gap;
            }
            let length = comment_length(rest);
            let text = rest[..length].trim_end();
            let is_line = text.starts_with("//");
            gap.comments.push(Comment { text, ends_line: is_line, blank_above: newlines > 1 });
            gap.on_first_line += usize::from(!gap.has_newline);
            rest = &rest[length..];
        }
    }
}

/// Length of the comment that `text` begins with.
fn comment_length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    let bytes = text.as_bytes();
    let (mut position, mut depth) = (0, 0usize);
    while position < bytes.len() {
        match bytes.get(position..position + 2) {
            Some(b"/*") => (depth, position) = (depth + 1, position + 2),
            Some(b"*/") => (depth, position) = (depth.saturating_sub(1), position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            break;
        }
    }
    // Whatever it is, it is passed: a text that lexes has nothing but comments here.
    position.max(1).min(text.len())
}
