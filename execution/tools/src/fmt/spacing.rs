//! Space between two tokens that stand on one line.

use noema_compiler::parse::token::TokenKind as T;

use super::marks::Marks;
use super::tokens::Tok;

/// Reserved words behind which a bracket does not touch.
const SPACED: &[&str] = &["let", "return", "abort", "if", "else", "while", "as", "move", "copy", "break", "mut", "in"];

/// Whether a space stands between token `left` and the next visible one, `right`.
pub(super) fn space(tokens: &[Tok<'_>], marks: &Marks, left: usize, right: usize) -> bool {
    use T::*;
    let (a, b) = (tokens[left].kind, tokens[right].kind);
    if marks.is_glued[right] {
        return false;
    }
    // What touches the token before it.
    match b {
        RParen | RBracket | Comma | Semicolon | Colon | ColonColon | End => return false,
        Dot => return false,
        Less | Greater if marks.is_angle[right] => return false,
        Exclaim if !marks.is_prefix[right] => return false,
        Pipe if marks.is_bar[right] && marks.partner[right].is_some_and(|open| open < right) => return false,
        RBrace if a == LBrace || marks.is_tight[right] => return false,
        _ => {}
    }
    // What touches the token behind it.
    match a {
        LParen | LBracket | ColonColon | Dot | Hash => return false,
        At => return marks.is_binding[left],
        Less if marks.is_angle[left] => return false,
        LBrace => return !marks.is_tight[left],
        Pipe if marks.is_bar[left] && marks.partner[left].is_some_and(|close| close > left) => return false,
        Amp | AmpAmp | Star | Minus | Exclaim if marks.is_prefix[left] => return false,
        Exclaim => return false,
        DotDot => return b == RBrace,
        _ => {}
    }
    match b {
        DotDot => matches!(a, LBrace | Comma),
        LParen | LBracket => match a {
            Ident => marks.is_keyword[left] || SPACED.contains(&tokens[left].text),
            QuotedIdent | RParen | RBracket => false,
            Greater => !marks.is_angle[left],
            _ => true,
        },
        _ => true,
    }
}
