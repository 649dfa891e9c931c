//! Types, type parameters and abilities.

use super::ast::{Ability, Spanned, Type, TypeKind, TypeParam};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, codes};

impl Parser<'_> {
    pub(super) fn ty(&mut self) -> Parsed<Type> {
        self.nested(Self::ty_inner)
    }

    fn ty_inner(&mut self) -> Parsed<Type> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::Amp => {
                self.advance();
                let mutable = self.at_word("mut") && self.starts_type(1);
                if mutable {
                    self.advance();
                }
                TypeKind::Reference { mutable, inner: Box::new(self.ty()?) }
            }
            TokenKind::LParen => {
                self.advance();
                let mut types = self.comma_list(TokenKind::RParen, start, "at the end of the types", Self::ty)?;
                // `(T)` is T in parentheses.
                if types.len() == 1
                    && self.kind_behind(2) != TokenKind::Comma
                    && let Some(only) = types.pop()
                {
                    return Ok(only);
                }
                TypeKind::Tuple(types)
            }
            TokenKind::Pipe | TokenKind::PipePipe => self.function_type()?,
            TokenKind::Ident if self.at_word("_") => {
                self.advance();
                TypeKind::Infer
            }
            _ => TypeKind::Path(self.path(Generics::Type, "a type")?),
        };
        Ok(Type { kind, span: self.span_from(start) })
    }

    fn starts_type(&self, ahead: usize) -> bool {
        self.is_name_at(ahead)
            || matches!(
                self.kind_at(ahead),
                TokenKind::Amp | TokenKind::LParen | TokenKind::Number | TokenKind::Pipe | TokenKind::PipePipe
            )
    }

    /// `|A, B| C`, `|A| -> C`, `|A|`, `|A| C has copy + drop`.
    fn function_type(&mut self) -> Parsed<TypeKind> {
        let opener = self.advance();
        let params = if opener.kind == TokenKind::PipePipe {
            Vec::new()
        } else {
            self.comma_list(TokenKind::Pipe, opener.span, "at the end of the parameter types", Self::ty)?
        };
        let result = if self.eat(TokenKind::Arrow) || self.starts_type(0) && !self.at_word("has") {
            self.ty()?
        } else {
            Type { kind: TypeKind::Tuple(Vec::new()), span: self.previous_span().after() }
        };
        let mut abilities = Vec::new();
        if self.at_word("has") {
            self.advance();
            abilities = self.abilities(TokenKind::Plus)?;
        }
        Ok(TypeKind::Function { params, result: Box::new(result), abilities })
    }

    /// `<T, U>`; the `<` is next.
    pub(super) fn type_args(&mut self) -> Parsed<Vec<Type>> {
        let opener = self.expect(TokenKind::Less, "before type arguments")?;
        self.comma_list(TokenKind::Greater, opener, "at the end of the type arguments", Self::ty)
    }

    /// `<phantom T: copy + drop, U>`, or nothing.
    pub(super) fn type_params(&mut self) -> Parsed<Vec<TypeParam>> {
        if self.kind() != TokenKind::Less {
            return Ok(Vec::new());
        }
        let opener = self.advance().span;
        self.comma_list(TokenKind::Greater, opener, "at the end of the type parameters", |parser| {
            let phantom = if parser.is_name_at(1) { parser.eat_word("phantom") } else { None };
            let name = parser.name("a type parameter")?;
            let constraints =
                if parser.eat(TokenKind::Colon) { parser.abilities(TokenKind::Plus)? } else { Vec::new() };
            Ok(TypeParam { name, phantom, constraints })
        })
    }

    /// `copy + drop` or `copy, drop`.
    pub(super) fn abilities(&mut self, separator: TokenKind) -> Parsed<Vec<Spanned<Ability>>> {
        let mut abilities: Vec<Spanned<Ability>> = Vec::new();
        loop {
            let word = self.word_at(0);
            let Some(ability) = Ability::parse(word) else {
                return Err(self.unexpected("an ability (copy, drop, store or key)", ""));
            };
            let span = self.advance().span;
            if let Some(first) = abilities.iter().find(|one| one.value == ability) {
                let diagnostic = Diagnostic::new(codes::REPEATED_ABILITY, span, format!("`{ability}` is given twice"))
                    .secondary(first.span, "first here")
                    .help("delete it");
                self.report(diagnostic);
            } else {
                abilities.push(Spanned::new(ability, span));
            }
            if self.kind() != separator || Ability::parse(self.word_at(1)).is_none() {
                return Ok(abilities);
            }
            self.advance();
        }
    }
}
