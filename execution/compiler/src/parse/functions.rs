//! Function signatures and modifiers.

use super::ast::{Attribute, Function, FunctionBody, FunctionKind, Param, Symbol, Type, TypeKind, Visibility};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, Span, codes};

/// The words before `fun`, `struct`, `enum`, `const` or `use fun`.
#[derive(Default)]
pub(super) struct Modifiers {
    pub(super) visibility: Option<Visibility>,
    pub(super) entry: Option<Span>,
    pub(super) native: Option<Span>,
    pub(super) inline: Option<Span>,
    pub(super) macros: Option<Span>,
    pub(super) start: Option<Span>,
}

impl Modifiers {
    pub(super) fn visibility(&self) -> Visibility {
        self.visibility.unwrap_or(Visibility::Private)
    }
}

impl Parser<'_> {
    /// Reads modifiers in any order; repeated ones are reported.
    pub(super) fn modifiers(&mut self) -> Parsed<Modifiers> {
        let mut modifiers = Modifiers::default();
        loop {
            let span = self.span();
            let word = self.word_at(0);
            let before_item = self.before_item();
            let repeated = match word {
                "public" => {
                    let visibility = self.public()?;
                    modifiers.visibility.replace(visibility).and_then(Visibility::span)
                }
                "friend" if before_item => {
                    self.advance();
                    modifiers.visibility.replace(Visibility::Friend(span)).and_then(Visibility::span)
                }
                "package" if before_item => {
                    self.advance();
                    modifiers.visibility.replace(Visibility::Package(span)).and_then(Visibility::span)
                }
                "native" => self.modifier(&mut modifiers.native),
                "entry" if before_item => self.modifier(&mut modifiers.entry),
                "inline" if before_item => self.modifier(&mut modifiers.inline),
                "macro" if before_item => self.modifier(&mut modifiers.macros),
                _ => return Ok(modifiers),
            };
            modifiers.start.get_or_insert(span);
            if let Some(first) = repeated {
                let diagnostic = Diagnostic::new(codes::REPEATED_MODIFIER, span, format!("a second modifier `{word}`"))
                    .secondary(first, "it clashes with this one")
                    .help("keep one of the two");
                self.report(diagnostic);
            }
        }
    }

    fn modifier(&mut self, slot: &mut Option<Span>) -> Option<Span> {
        let span = self.advance().span;
        slot.replace(span)
    }

    /// `true` if another modifier or an item keyword follows the next token.
    fn before_item(&self) -> bool {
        matches!(
            self.word_at(1),
            "fun"
                | "struct"
                | "enum"
                | "const"
                | "use"
                | "public"
                | "native"
                | "entry"
                | "inline"
                | "macro"
                | "friend"
                | "package"
        )
    }

    /// `public`, `public(friend)`, `public(package)`, `public(script)`.
    fn public(&mut self) -> Parsed<Visibility> {
        let start = self.advance().span;
        if self.kind() != TokenKind::LParen {
            return Ok(Visibility::Public(start));
        }
        let opener = self.advance().span;
        let word = self.word_at(0);
        let visibility: fn(Span) -> Visibility = match word {
            "friend" => Visibility::Friend,
            "package" => Visibility::Package,
            "script" => Visibility::Script,
            _ => return Err(self.unexpected("`friend`, `package` or `script`", "after `public(`")),
        };
        self.advance();
        self.close(TokenKind::RParen, opener, "after the visibility")?;
        Ok(visibility(self.span_from(start)))
    }

    /// A function; `fun` is next.
    pub(super) fn function(
        &mut self,
        docs: Option<Symbol>,
        attributes: Vec<Attribute>,
        modifiers: &Modifiers,
        start: Span,
    ) -> Parsed<Function> {
        let signature_start = modifiers.start.unwrap_or_else(|| self.span());
        self.expect_word("fun", "here")?;
        let name = self.name("a function name")?;
        let type_params = self.type_params()?;
        let params = self.params()?;
        let result = if self.eat(TokenKind::Colon) {
            self.ty()?
        } else {
            if self.kind() == TokenKind::Arrow {
                return Err(self.wrong_arrow());
            }
            Type { kind: TypeKind::Tuple(Vec::new()), span: self.previous_span().after() }
        };
        let acquires = self.acquires()?;
        let signature_span = self.span_from(signature_start);
        let body = self.function_body(modifiers.native, name.span)?;
        Ok(Function {
            docs,
            attributes,
            visibility: modifiers.visibility(),
            entry: modifiers.entry,
            kind: self.function_kind(modifiers),
            name,
            type_params,
            params,
            result,
            acquires,
            body,
            signature_span,
            span: self.span_from(start),
        })
    }

    fn wrong_arrow(&mut self) -> super::cursor::Reported {
        let span = self.span();
        let diagnostic = Diagnostic::new(codes::ARROW_RESULT, span, "a result type follows `:`, not `->`")
            .label("expected `:`")
            .suggest(span, ":")
            .help("write `: T`");
        self.report(diagnostic);
        super::cursor::Reported
    }

    fn function_kind(&mut self, modifiers: &Modifiers) -> FunctionKind {
        match (modifiers.inline, modifiers.macros) {
            (Some(inline), Some(macros)) => {
                let diagnostic =
                    Diagnostic::new(codes::INLINE_AND_MACRO, macros, "a function is `inline` or `macro`, not both")
                        .secondary(inline, "also `inline`")
                        .help("keep one of the two");
                self.report(diagnostic);
                FunctionKind::Macro
            }
            (Some(_), None) => FunctionKind::Inline,
            (None, Some(_)) => FunctionKind::Macro,
            (None, None) => FunctionKind::Plain,
        }
    }

    fn params(&mut self) -> Parsed<Vec<Param>> {
        let opener = self.expect(TokenKind::LParen, "before the parameters")?;
        self.comma_list(TokenKind::RParen, opener, "at the end of the parameters", |parser| {
            let mutable = if parser.is_name_at(1) { parser.eat_word("mut") } else { None };
            let name = parser.name("a parameter")?;
            parser.expect(TokenKind::Colon, "after the parameter's name")?;
            Ok(Param { mutable, name, ty: parser.ty()? })
        })
    }

    fn acquires(&mut self) -> Parsed<Option<Vec<super::ast::Path>>> {
        if self.eat_word("acquires").is_none() {
            return Ok(None);
        }
        let mut paths = vec![self.path(Generics::Type, "a struct")?];
        while self.eat(TokenKind::Comma) {
            if matches!(self.kind(), TokenKind::LBrace | TokenKind::Semicolon) {
                break;
            }
            paths.push(self.path(Generics::Type, "a struct")?);
        }
        Ok(Some(paths))
    }

    fn function_body(&mut self, native: Option<Span>, name: Span) -> Parsed<FunctionBody> {
        match (native, self.kind()) {
            (Some(native), TokenKind::Semicolon) => {
                self.advance();
                Ok(FunctionBody::Native(native))
            }
            (Some(native), TokenKind::LBrace) => {
                let diagnostic = Diagnostic::new(codes::NATIVE_WITH_BODY, native, "a native function has no body")
                    .label("native")
                    .secondary(self.span(), "the body")
                    .help("delete `native`, or end the signature with `;`");
                self.report(diagnostic);
                Ok(FunctionBody::Block(self.block()?))
            }
            (None, TokenKind::Semicolon) => {
                let span = self.advance().span;
                let diagnostic = Diagnostic::new(codes::MISSING_BODY, span, "this function has no body")
                    .label("expected `{`")
                    .secondary(name, "the function")
                    .help("only `native` functions end with `;`");
                self.report(diagnostic);
                Err(super::cursor::Reported)
            }
            _ => Ok(FunctionBody::Block(self.block()?)),
        }
    }
}
