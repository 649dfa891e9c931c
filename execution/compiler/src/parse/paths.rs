//! Names with module access, addresses, literals.

use super::ast::{AddressSpecifier, Literal, ModuleName, Path, PathHead, PathSegment, Spanned, Type};
use super::cursor::{Parsed, Parser, Reported};
use super::literal::{self, NumberError, StringError};
use super::token::{Token, TokenKind};
use crate::diagnostics::{Diagnostic, Span, codes};

/// Longest path: address, module, enum, variant.
const PATH_SEGMENTS_MAX: usize = 4;

/// How `<` behind a path segment is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Generics {
    /// Always type arguments.
    Type,
    /// Type arguments only if it touches the name and the whole parses as such: `f<T>(x)` against `a < b`.
    Expression,
    /// Never.
    None,
}

impl Parser<'_> {
    /// `a::m::f<T>`, `0x1::m::S`, `S`.
    pub(super) fn path(&mut self, generics: Generics, what: &str) -> Parsed<Path> {
        let start = self.span();
        let mut segments = Vec::new();
        if self.kind() == TokenKind::Number && self.kind_at(1) == TokenKind::ColonColon {
            let token = self.advance();
            segments.push(PathSegment {
                head: PathHead::Address(self.address_number(token)?),
                type_args: None,
                span: token.span,
            });
            self.advance();
        }
        loop {
            let name = if segments.is_empty() {
                if !self.is_name_at(0) {
                    return Err(self.unexpected(what, ""));
                }
                self.name(what)?
            } else {
                self.name("a name after `::`")?
            };
            let turbofish = generics == Generics::Expression
                && self.kind() == TokenKind::ColonColon
                && self.kind_at(1) == TokenKind::Less;
            if turbofish {
                self.advance();
            }
            let type_args = self.path_type_args(if turbofish { Generics::Type } else { generics })?;
            segments.push(PathSegment { head: PathHead::Name(name.value), type_args, span: name.span });
            if self.kind() != TokenKind::ColonColon {
                break;
            }
            if segments.len() == PATH_SEGMENTS_MAX {
                let span = self.span_from(start);
                return Err(self.error(
                    codes::PATH_TOO_LONG,
                    span,
                    "a path has at most four parts: address, module, enum, variant",
                ));
            }
            self.advance();
        }
        Ok(Path { segments, span: self.span_from(start) })
    }

    fn path_type_args(&mut self, generics: Generics) -> Parsed<Option<Vec<Type>>> {
        if self.kind() != TokenKind::Less {
            return Ok(None);
        }
        match generics {
            Generics::None => Ok(None),
            Generics::Type => self.type_args().map(Some),
            Generics::Expression => Ok(self.try_type_args()),
        }
    }

    /// Type arguments if `<` touches the name before and a `>` that is followed by what can follow a generic name ends
    /// them; otherwise nothing is passed and `<` is an operator.
    pub(super) fn try_type_args(&mut self) -> Option<Vec<Type>> {
        if self.previous_span().end != self.span().start {
            return None;
        }
        let position = self.position;
        let reported = self.diagnostics.len();
        let errors = self.error_count();
        let result = self.type_args();
        let follows = matches!(
            self.kind(),
            TokenKind::LParen
                | TokenKind::LBrace
                | TokenKind::LBracket
                | TokenKind::ColonColon
                | TokenKind::Exclaim
                | TokenKind::RParen
                | TokenKind::Comma
                | TokenKind::Semicolon
        );
        match result {
            Ok(arguments) if follows => Some(arguments),
            _ => {
                self.position = position;
                self.diagnostics.truncate(reported);
                self.restore_error_count(errors);
                None
            }
        }
    }

    /// `a::m`
    pub(super) fn module_name(&mut self) -> Parsed<ModuleName> {
        let start = self.span();
        let address = self.leading_address("an address")?;
        self.expect(TokenKind::ColonColon, "between address and module")?;
        let name = self.name("a module name")?;
        Ok(ModuleName { address, name, span: self.span_from(start) })
    }

    /// `0x1` or `std`.
    pub(super) fn leading_address(&mut self, what: &str) -> Parsed<Spanned<AddressSpecifier>> {
        if self.kind() == TokenKind::Number {
            let token = self.advance();
            let address = self.address_number(token)?;
            return Ok(Spanned::new(AddressSpecifier::Numeric(address), token.span));
        }
        let name = self.name(what)?;
        Ok(name.map(AddressSpecifier::Named))
    }

    pub(super) fn address_number(&mut self, token: Token) -> Parsed<noema_types::Address> {
        literal::address(self.text_of(token.span)).map_err(|error| match error {
            NumberError::UnknownSuffix => self.error(codes::BAD_NUMBER, token.span, "an address has no type suffix"),
            other => self.number_error(other, token.span),
        })
    }

    /// A literal if one stands here.
    pub(super) fn literal(&mut self) -> Option<Parsed<Spanned<Literal>>> {
        let token = self.token(0);
        let value = match token.kind {
            TokenKind::Number => {
                self.advance();
                let parsed = literal::number(self.text_of(token.span));
                parsed
                    .map(|(value, suffix)| Literal::Number { value, suffix })
                    .map_err(|error| self.number_error(error, token.span))
            }
            TokenKind::ByteString => self.string_literal(2, literal::escaped).map(Literal::Bytes),
            TokenKind::HexString => self.string_literal(2, literal::hex).map(Literal::Hex),
            TokenKind::String => self.string_literal(1, literal::escaped).map(Literal::String),
            TokenKind::At => {
                self.advance();
                self.leading_address("an address after `@`").map(|address| Literal::Address(address.value))
            }
            TokenKind::Ident if self.at_word("true") || self.at_word("false") => {
                self.advance();
                Ok(Literal::Bool(self.text_of(token.span) == "true"))
            }
            _ => return None,
        };
        let span = self.span_from(token.span);
        Some(value.map(|value| Spanned::new(value, span)))
    }

    fn string_literal(
        &mut self,
        prefix: usize,
        decode: impl FnOnce(&str) -> Result<Vec<u8>, StringError>,
    ) -> Parsed<Vec<u8>> {
        let span = self.advance().span;
        let text = self.text_of(span);
        // An unclosed string was reported by the lexer and has no closing quote.
        let Some(content) = text.get(prefix..).and_then(|text| text.strip_suffix('"')) else {
            return Ok(Vec::new());
        };
        decode(content).map_err(|error| {
            let at = |offset: usize| span.start + u32::try_from(prefix + offset).unwrap_or(0);
            let place = Span::new(span.file, at(error.start), at(error.end));
            let code = match error.message {
                "unknown escape" => codes::UNKNOWN_ESCAPE,
                "an odd number of hex digits" => codes::ODD_HEX,
                _ => codes::BAD_STRING,
            };
            let mut diagnostic = Diagnostic::new(code, place, format!("{} in a string", error.message));
            diagnostic = match error.message {
                "unknown escape" => diagnostic.help("the escapes are \\n \\r \\t \\\\ \\0 \\\" and \\xHH"),
                "an odd number of hex digits" => {
                    diagnostic.help("every byte takes two hex digits: write `0a`, not `a`")
                }
                _ => diagnostic,
            };
            self.report(diagnostic);
            Reported
        })
    }

    fn number_error(&mut self, error: NumberError, span: Span) -> Reported {
        let text = self.text_of(span);
        let diagnostic = match error {
            NumberError::Malformed => Diagnostic::new(codes::BAD_NUMBER, span, format!("`{text}` is not a number"))
                .help("numbers look like 1_000, 0xFF or 7u8"),
            NumberError::TooLarge => {
                Diagnostic::new(codes::NUMBER_TOO_LARGE, span, format!("`{text}` is larger than u256 can hold"))
            }
            NumberError::UnknownSuffix => {
                Diagnostic::new(codes::UNKNOWN_SUFFIX, span, format!("`{text}` ends in an unknown integer type"))
                    .help("the suffixes are u8, u16, u32, u64, u128 and u256")
            }
        };
        self.report(diagnostic);
        Reported
    }
}
