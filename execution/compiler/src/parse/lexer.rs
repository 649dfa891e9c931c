//! From text to tokens.
//!
//! Comments may hold any text but bidirectional controls; block comments nest. Doc comments (`///`, `/** */`) are kept
//! apart, by the token that follows them.

use std::collections::BTreeMap;

use super::token::{Token, TokenKind};
use crate::diagnostics::{Diagnostic, Diagnostics, FileId, Span, Symbol, codes};
use crate::limits::SYNTAX_ERRORS_MAX;

/// A lexed file.
#[derive(Debug)]
pub struct Lexed {
    /// The tokens; the last one is [`TokenKind::End`].
    pub tokens: Vec<Token>,
    /// Doc comments by the index of the token that follows them.
    pub docs: BTreeMap<usize, DocComment>,
}

/// The doc comments before one token, joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocComment {
    /// The text without markers.
    pub text: Symbol,
    /// Where they stand.
    pub span: Span,
}

/// Splits `text` into tokens. Malformed pieces are reported and skipped.
pub fn lex(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Lexed {
    let mut lexer = Lexer {
        file,
        text,
        position: 0,
        lexed: Lexed { tokens: Vec::with_capacity(text.len() / 4 + 1), docs: BTreeMap::new() },
        errors: 0,
        diagnostics,
    };
    lexer.run();
    lexer.lexed
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    position: usize,
    lexed: Lexed,
    errors: usize,
    diagnostics: &'a mut Diagnostics,
}

/// Overrides and isolates of text direction.
const fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn is_ident_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

const fn is_ident_continue(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl Lexer<'_> {
    fn run(&mut self) {
        self.check_bidi();
        if let Some(rest) = self.text.strip_prefix('\u{feff}') {
            self.position = self.text.len() - rest.len();
        }
        while self.errors < SYNTAX_ERRORS_MAX {
            self.skip_space();
            let Some(byte) = self.peek(0) else { break };
            match byte {
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'b' if self.peek(1) == Some(b'"') => self.string(1, TokenKind::ByteString),
                b'x' if self.peek(1) == Some(b'"') => self.string(1, TokenKind::HexString),
                b'"' => self.string(0, TokenKind::String),
                b'`' => self.quoted_ident(),
                b'$' if self.peek(1).is_some_and(is_ident_start) => self.word(1, TokenKind::Ident),
                b'\'' if self.peek(1).is_some_and(is_ident_start) => self.word(1, TokenKind::Label),
                _ if is_ident_start(byte) => self.word(0, TokenKind::Ident),
                b'0'..=b'9' => self.word(0, TokenKind::Number),
                _ => self.punctuation(),
            }
        }
        self.position = self.text.len();
        self.push(TokenKind::End, 0);
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.position + ahead).copied()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        let at = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        Span::new(self.file, at(start), at(end))
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors += 1;
        self.diagnostics.push(diagnostic);
    }

    /// Pushes a token of `length` bytes and moves past it.
    fn push(&mut self, kind: TokenKind, length: usize) {
        let start = self.position;
        self.position += length;
        let span = self.span(start, self.position);
        self.lexed.tokens.push(Token { kind, span });
    }

    fn skip_space(&mut self) {
        while self.peek(0).is_some_and(|byte| byte.is_ascii_whitespace() || byte == 0x0b) {
            self.position += 1;
        }
    }

    /// Bidirectional controls are refused wherever they stand, comments and strings included.
    fn check_bidi(&mut self) {
        if self.text.is_ascii() {
            return;
        }
        let found: Vec<(usize, char)> = self
            .text
            .char_indices()
            .filter(|(_, character)| is_bidi_control(*character))
            .take(SYNTAX_ERRORS_MAX)
            .collect();
        for (start, character) in found {
            let span = self.span(start, start + character.len_utf8());
            self.error(
                Diagnostic::new(
                    codes::BIDI_CONTROL,
                    span,
                    format!("the bidirectional control U+{:04X} is not allowed in source", u32::from(character)),
                )
                .label("hidden here")
                .note("it makes an editor show code in another order than the compiler reads it")
                .help("delete it")
                .suggest(span, ""),
            );
        }
    }

    fn line_comment(&mut self) {
        let start = self.position;
        let rest = &self.text[start..];
        let length = rest.find('\n').unwrap_or(rest.len());
        self.position += length;
        let comment = rest[..length].trim_end_matches('\r');
        if let Some(text) = comment.strip_prefix("///")
            && !text.starts_with('/')
        {
            self.doc(text.strip_prefix(' ').unwrap_or(text), start);
        }
    }

    fn block_comment(&mut self) {
        let start = self.position;
        let mut depth = 0usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.position += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.position += 2;
                    if depth == 0 {
                        break;
                    }
                }
                (Some(_), _) => self.position += 1,
                (None, _) => {
                    let span = self.span(start, start + 2);
                    self.error(
                        Diagnostic::new(codes::UNCLOSED_COMMENT, span, "this block comment is never closed")
                            .label("opened here")
                            .note("block comments nest: every `/*` inside needs its own `*/`")
                            .help("add `*/`"),
                    );
                    return;
                }
            }
        }
        let comment = &self.text[start..self.position];
        if let Some(text) = comment.strip_prefix("/**").and_then(|text| text.strip_suffix("*/"))
            && !text.starts_with('*')
        {
            let lines: Vec<&str> = text
                .trim()
                .lines()
                .map(|line| {
                    let line = line.trim();
                    let line = line.strip_prefix('*').unwrap_or(line);
                    line.strip_prefix(' ').unwrap_or(line)
                })
                .collect();
            self.doc(&lines.join("\n"), start);
        }
    }

    fn doc(&mut self, text: &str, start: usize) {
        let span = self.span(start, self.position);
        let index = self.lexed.tokens.len();
        let joined = match self.lexed.docs.remove(&index) {
            Some(before) => {
                DocComment { text: Symbol::from(format!("{}\n{text}", before.text)), span: before.span.to(span) }
            }
            None => DocComment { text: Symbol::from(text), span },
        };
        self.lexed.docs.insert(index, joined);
    }

    fn word(&mut self, prefix: usize, kind: TokenKind) {
        let mut length = prefix;
        while self.peek(length).is_some_and(is_ident_continue) {
            length += 1;
        }
        self.push(kind, length);
    }

    fn quoted_ident(&mut self) {
        let mut length = 1;
        while self.peek(length).is_some_and(is_ident_continue) {
            length += 1;
        }
        let starts_well = self.peek(1).is_some_and(is_ident_start);
        if starts_well && self.peek(length) == Some(b'`') {
            self.push(TokenKind::QuotedIdent, length + 1);
            return;
        }
        let span = self.span(self.position, self.position + length);
        self.error(
            Diagnostic::new(codes::UNCLOSED_QUOTES, span, "a name in back quotes must be `` `letters` ``")
                .label("opened here"),
        );
        self.position += length;
    }

    /// A string of any kind; `prefix` is what stands before the opening quote.
    fn string(&mut self, prefix: usize, kind: TokenKind) {
        let mut length = prefix + 1;
        loop {
            match self.peek(length) {
                Some(b'"') => {
                    self.push(kind, length + 1);
                    return;
                }
                Some(b'\\') if kind != TokenKind::HexString && self.peek(length + 1).is_some() => length += 2,
                Some(_) => length += 1,
                None => break,
            }
        }
        let rest = &self.text[self.position..];
        let line = rest.find('\n').unwrap_or(rest.len());
        let span = self.span(self.position, self.position + prefix + 1);
        self.error(
            Diagnostic::new(codes::UNCLOSED_STRING, span, "this string is never closed")
                .label("opened here")
                .help("add the closing `\"`"),
        );
        // One lost quote gives one error: the string ends with the line, what closes the statement left out.
        let closers: &[char] = &[' ', '\t', '\r', ')', ']', '}', ';', ','];
        let length = rest[..line].trim_end_matches(closers).len();
        self.push(kind, length.max(prefix + 1));
    }

    fn punctuation(&mut self) {
        use TokenKind as T;
        let rest = &self.text.as_bytes()[self.position..];
        let table: &[(&[u8], TokenKind)] = &[
            (b"<<=", T::LessLessEqual),
            (b"::", T::ColonColon),
            (b"..", T::DotDot),
            (b"==", T::EqualEqual),
            (b"=>", T::FatArrow),
            (b"->", T::Arrow),
            (b"!=", T::ExclaimEqual),
            (b"<=", T::LessEqual),
            (b"<<", T::LessLess),
            (b"+=", T::PlusEqual),
            (b"-=", T::MinusEqual),
            (b"*=", T::StarEqual),
            (b"/=", T::SlashEqual),
            (b"%=", T::PercentEqual),
            (b"&&", T::AmpAmp),
            (b"&=", T::AmpEqual),
            (b"||", T::PipePipe),
            (b"|=", T::PipeEqual),
            (b"^=", T::CaretEqual),
            (b"{", T::LBrace),
            (b"}", T::RBrace),
            (b"(", T::LParen),
            (b")", T::RParen),
            (b"[", T::LBracket),
            (b"]", T::RBracket),
            (b",", T::Comma),
            (b";", T::Semicolon),
            (b":", T::Colon),
            (b".", T::Dot),
            (b"@", T::At),
            (b"#", T::Hash),
            (b"=", T::Equal),
            (b"!", T::Exclaim),
            (b"<", T::Less),
            (b">", T::Greater),
            (b"+", T::Plus),
            (b"-", T::Minus),
            (b"*", T::Star),
            (b"/", T::Slash),
            (b"%", T::Percent),
            (b"&", T::Amp),
            (b"|", T::Pipe),
            (b"^", T::Caret),
        ];
        if let Some((text, kind)) = table.iter().find(|(text, _)| rest.starts_with(text)) {
            self.push(*kind, text.len());
            return;
        }
        let character = self.text[self.position..].chars().next().unwrap_or('\u{fffd}');
        let start = self.position;
        if is_bidi_control(character) {
            self.position += character.len_utf8();
            return;
        }
        self.push(TokenKind::Unknown, character.len_utf8());
        let span = self.span(start, self.position);
        let mut diagnostic = Diagnostic::new(
            codes::UNKNOWN_CHARACTER,
            span,
            format!("unexpected character `{}`", character.escape_debug()),
        );
        if let Some((plain, name)) = look_alike(character) {
            diagnostic =
                diagnostic.label(format!("this is {name}")).help(format!("write `{plain}`")).suggest(span, plain);
        } else if !character.is_ascii() {
            diagnostic = diagnostic.note("characters outside of ASCII may stand in comments and strings only");
        }
        self.error(diagnostic);
    }
}

/// What a character that editors and chats put in place of ASCII was meant to be.
const fn look_alike(character: char) -> Option<(&'static str, &'static str)> {
    match character {
        '\u{201c}' | '\u{201d}' => Some(("\"", "a typographic quote")),
        '\u{2018}' | '\u{2019}' => Some(("'", "a typographic quote")),
        '\u{2013}' | '\u{2014}' | '\u{2212}' => Some(("-", "a dash")),
        '\u{a0}' => Some((" ", "a no-break space")),
        '\u{37e}' => Some((";", "a Greek question mark")),
        '\u{d7}' => Some(("*", "a multiplication sign")),
        '\u{2264}' => Some(("<=", "a mathematical sign")),
        '\u{2265}' => Some((">=", "a mathematical sign")),
        '\u{2260}' => Some(("!=", "a mathematical sign")),
        _ => None,
    }
}
