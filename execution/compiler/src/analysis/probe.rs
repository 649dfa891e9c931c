//! Makes the text around a cursor complete enough to parse.
//!
//! At the cursor stands half a statement: `x.`, `f(a, `, `use std::`. A name is put where one is missing and brackets are
//! closed, so that the parser keeps the statement and the checker says what the names in it mean.

use crate::diagnostics::{Diagnostics, FileId};
use crate::parse::lexer::lex;
use crate::parse::token::{Token, TokenKind};

use super::complete::Place;

/// Stands for the name that is not written yet.
const FILLER: &str = "noema_filler";

/// A text that was made complete.
#[derive(Debug)]
pub(super) struct Probe {
    /// The text.
    pub(super) text: String,
    /// A byte inside the name at the cursor.
    pub(super) byte: u32,
    /// What stands before that name.
    pub(super) place: Place,
}

/// Completes `text` around `byte`. `None` inside comments, and if a `name` is wanted inside literals.
pub(super) fn probe(text: &str, byte: u32, name: bool) -> Option<Probe> {
    let at = usize::try_from(byte).ok().filter(|at| text.is_char_boundary(*at))?;
    if in_comment(text, at) {
        return None;
    }
    let tokens = lex(FileId(0), text, &mut Diagnostics::new()).tokens;
    let touched = tokens.iter().position(|token| {
        matches!(token.kind, TokenKind::Ident | TokenKind::QuotedIdent | TokenKind::Label)
            && token.span.start < byte
            && byte <= token.span.end
    });
    let literal = tokens.iter().position(|token| {
        matches!(token.kind, TokenKind::String | TokenKind::ByteString | TokenKind::HexString | TokenKind::Number)
            && token.span.start < byte
            && (byte < token.span.end || (byte == token.span.end && token.kind == TokenKind::Number))
    });
    if name && literal.is_some() {
        return None;
    }
    let touched = touched.or(literal);
    // Tokens before the name, and from the first one behind it.
    let (before, behind, insert_at) = match touched {
        Some(index) => (index, index + 1, tokens[index].span.end as usize),
        None => {
            let index = tokens.partition_point(|token| token.span.start < byte);
            (index, index, at)
        }
    };
    let mut insertion = String::new();
    if touched.is_none() {
        // Apart from what follows: `x.|y` is cut, and so is what was typed after the cursor.
        insertion.push_str(FILLER);
    }
    let starts_statement = statement_start(&tokens[..before]);
    if is_use(text, &tokens, starts_statement) {
        insertion.push_str(&use_tail(text, &tokens[starts_statement..before], &tokens[behind..]));
    } else {
        insertion.push_str(&closers(&tokens, before, behind));
        if needs_body(text, &tokens, before, behind) {
            insertion.push_str(" {}");
        }
    }
    if !insertion.is_empty() && text[insert_at..].starts_with(|next: char| next.is_alphanumeric() || next == '_') {
        insertion.push(' ');
    }
    let mut completed = text.to_owned();
    completed.insert_str(insert_at, &insertion);
    let place = match before.checked_sub(1).map(|index| tokens[index].kind) {
        Some(TokenKind::Dot) => Place::Dot,
        Some(TokenKind::ColonColon) => Place::Colons,
        Some(TokenKind::LBrace | TokenKind::Comma) if in_braces(&tokens[..before]) => Place::Field,
        _ => Place::Name,
    };
    Some(Probe { text: completed, byte, place })
}

fn in_comment(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
    let opened = before.rfind("/*").is_some_and(|open| before[open..].find("*/").is_none());
    line.contains("//") && !line.contains('"') || opened && !line.contains('"')
}

/// The token at which the statement or member that ends in `tokens` begins.
fn statement_start(tokens: &[Token]) -> usize {
    let behind = |index: usize| index + 1;
    let ends = |(index, token): (usize, &Token)| match token.kind {
        TokenKind::Semicolon | TokenKind::RBrace => true,
        // The braces of `use a::{..}` end nothing.
        TokenKind::LBrace => index == 0 || tokens[index - 1].kind != TokenKind::ColonColon,
        _ => false,
    };
    tokens.iter().enumerate().rev().find(|(index, token)| ends((*index, token))).map_or(0, |(index, _)| behind(index))
}

fn word<'t>(text: &'t str, token: &Token) -> &'t str {
    text.get(token.span.start as usize..token.span.end as usize).unwrap_or_default()
}

fn is_use(text: &str, tokens: &[Token], start: usize) -> bool {
    let first = tokens.get(start).map(|token| word(text, token));
    matches!(first, Some("use" | "friend"))
        || first == Some("public") && tokens.get(start + 1).is_some_and(|token| word(text, token) == "use")
}

/// What ends a `use`: its braces and `;`.
fn use_tail(text: &str, before: &[Token], behind: &[Token]) -> String {
    let open = before.iter().filter(|token| token.kind == TokenKind::LBrace).count();
    let closed = before.iter().filter(|token| token.kind == TokenKind::RBrace).count();
    let mut missing = open.saturating_sub(closed);
    for token in behind {
        match token.kind {
            TokenKind::RBrace if missing > 0 => missing -= 1,
            TokenKind::Comma | TokenKind::ColonColon => {}
            TokenKind::Ident if !matches!(word(text, token), "use" | "fun" | "public" | "struct" | "const") => {}
            TokenKind::Semicolon => return "}".repeat(missing),
            _ => break,
        }
        if missing == 0 {
            let next = behind.iter().find(|token| !matches!(token.kind, TokenKind::RBrace));
            return if next.is_some_and(|token| token.kind == TokenKind::Semicolon) {
                String::new()
            } else {
                ";".into()
            };
        }
    }
    format!("{};", "}".repeat(missing))
}

/// Closing brackets for the `(` and `[` before the cursor that nothing closes.
fn closers(tokens: &[Token], before: usize, behind: usize) -> String {
    let partner = |kind: TokenKind| match kind {
        TokenKind::RParen => Some(TokenKind::LParen),
        TokenKind::RBracket => Some(TokenKind::LBracket),
        TokenKind::RBrace => Some(TokenKind::LBrace),
        _ => None,
    };
    let mut open: Vec<usize> = Vec::new();
    let mut unclosed: Vec<usize> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LParen | TokenKind::LBracket | TokenKind::LBrace => open.push(index),
            kind => {
                let Some(opener) = partner(kind) else { continue };
                let Some(found) = open.iter().rposition(|index| tokens[*index].kind == opener) else { continue };
                unclosed.extend(open.drain(found..).skip(1));
            }
        }
    }
    unclosed.extend(open);
    unclosed.retain(|index| *index < before.min(behind) && tokens[*index].kind != TokenKind::LBrace);
    unclosed.sort_unstable();
    let closing = |index: &usize| if tokens[*index].kind == TokenKind::LParen { ')' } else { ']' };
    unclosed.iter().rev().map(closing).collect()
}

/// Whether the cursor is in the condition of an `if` or `while` that has no body yet and no `)` either.
fn needs_body(text: &str, tokens: &[Token], before: usize, behind: usize) -> bool {
    let mut depth = 0usize;
    for index in (0..before).rev() {
        match tokens[index].kind {
            TokenKind::RParen => depth += 1,
            TokenKind::LParen if depth > 0 => depth -= 1,
            TokenKind::LParen => {
                let is_condition =
                    index > 0 && matches!(word(text, &tokens[index - 1]), "if" | "while" | "for" | "match");
                let closed = tokens.get(behind).is_some_and(|next| next.kind == TokenKind::RParen);
                return is_condition && !closed;
            }
            TokenKind::LBrace | TokenKind::RBrace | TokenKind::Semicolon => return false,
            _ => {}
        }
    }
    false
}

/// Whether the innermost open bracket is a brace.
fn in_braces(tokens: &[Token]) -> bool {
    let mut depth = 0usize;
    for token in tokens.iter().rev() {
        match token.kind {
            TokenKind::RBrace | TokenKind::RParen | TokenKind::RBracket => depth += 1,
            TokenKind::LBrace | TokenKind::LParen | TokenKind::LBracket if depth > 0 => depth -= 1,
            TokenKind::LBrace => return true,
            TokenKind::LParen | TokenKind::LBracket => return false,
            _ => {}
        }
    }
    false
}
