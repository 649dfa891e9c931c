//! Patterns of `let`, lambdas and match arms.

use super::ast::{FieldPattern, Path, Pattern, PatternKind, Spanned};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::codes;

impl Parser<'_> {
    /// A pattern without alternatives.
    pub(super) fn pattern(&mut self) -> Parsed<Pattern> {
        self.nested(Self::pattern_inner)
    }

    /// A pattern of a match arm: alternatives allowed.
    pub(super) fn match_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        self.eat(TokenKind::Pipe);
        let first = self.pattern()?;
        if self.kind() != TokenKind::Pipe {
            return Ok(first);
        }
        let mut patterns = vec![first];
        while self.eat(TokenKind::Pipe) {
            patterns.push(self.pattern()?);
        }
        Ok(Pattern { kind: PatternKind::Or(patterns), span: self.span_from(start) })
    }

    fn pattern_inner(&mut self) -> Parsed<Pattern> {
        let start = self.span();
        let kind = self.pattern_kind()?;
        Ok(Pattern { kind, span: self.span_from(start) })
    }

    fn pattern_kind(&mut self) -> Parsed<PatternKind> {
        let start = self.span();
        if self.kind() == TokenKind::LParen {
            self.advance();
            let mut patterns =
                self.comma_list(TokenKind::RParen, start, "at the end of the pattern", Self::match_pattern)?;
            if patterns.len() == 1
                && let Some(only) = patterns.pop()
            {
                return Ok(only.kind);
            }
            return Ok(PatternKind::Tuple(patterns));
        }
        if self.kind() == TokenKind::Number && self.kind_at(1) == TokenKind::ColonColon {
            return self.path_pattern();
        }
        if let Some(literal) = self.literal() {
            return literal.map(|literal| PatternKind::Literal(literal.value));
        }
        if self.at_word("_") {
            self.advance();
            return Ok(PatternKind::Wildcard);
        }
        if self.at_word("mut") && self.is_name_at(1) {
            let mutable = Some(self.advance().span);
            let name = self.name("a variable")?;
            return Ok(PatternKind::Binding { mutable, name });
        }
        if self.kind_at(1) == TokenKind::At && self.is_name_at(0) {
            let name = self.name("a variable")?;
            self.advance();
            return Ok(PatternKind::At { name, pattern: Box::new(self.pattern()?) });
        }
        self.path_pattern()
    }

    fn path_pattern(&mut self) -> Parsed<PatternKind> {
        let path = self.path(Generics::Type, "a pattern")?;
        match self.kind() {
            TokenKind::LBrace => self.named_pattern(path),
            TokenKind::LParen => self.positional_pattern(path),
            _ => Ok(match path.as_name() {
                Some(name) => PatternKind::Binding { mutable: None, name },
                None => PatternKind::Path(path),
            }),
        }
    }

    fn named_pattern(&mut self, path: Path) -> Parsed<PatternKind> {
        let opener = self.advance().span;
        let mut rest = None;
        let fields = self.comma_list(TokenKind::RBrace, opener, "at the end of the fields", |parser| {
            if parser.kind() == TokenKind::DotDot {
                let span = parser.advance().span;
                if rest.replace(span).is_some() {
                    parser.error(codes::REPEATED_REST, span, "`..` may stand only once in a pattern");
                }
                return Ok(None);
            }
            if parser.at_word("mut") && parser.is_name_at(1) {
                let start = parser.span();
                let mutable = Some(parser.advance().span);
                let name = parser.name("a field")?;
                return Ok(Some(FieldPattern {
                    field: name.clone(),
                    pattern: Pattern { kind: PatternKind::Binding { mutable, name }, span: parser.span_from(start) },
                }));
            }
            let field = parser.name("a field")?;
            let pattern = if parser.eat(TokenKind::Colon) {
                parser.match_pattern()?
            } else {
                Pattern { span: field.span, kind: PatternKind::Binding { mutable: None, name: field.clone() } }
            };
            Ok(Some(FieldPattern { field, pattern }))
        })?;
        Ok(PatternKind::Named { path, fields: fields.into_iter().flatten().collect(), rest })
    }

    fn positional_pattern(&mut self, path: Path) -> Parsed<PatternKind> {
        let opener = self.advance().span;
        let mut rest: Option<Spanned<usize>> = None;
        let mut count = 0;
        let fields = self.comma_list(TokenKind::RParen, opener, "at the end of the fields", |parser| {
            if parser.kind() == TokenKind::DotDot {
                let span = parser.advance().span;
                if rest.replace(Spanned::new(count, span)).is_some() {
                    parser.error(codes::REPEATED_REST, span, "`..` may stand only once in a pattern");
                }
                return Ok(None);
            }
            count += 1;
            parser.match_pattern().map(Some)
        })?;
        Ok(PatternKind::Positional { path, fields: fields.into_iter().flatten().collect(), rest })
    }
}
