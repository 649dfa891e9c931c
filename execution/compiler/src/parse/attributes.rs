//! Attribute lists.

use super::ast::{Attribute, AttributeArgs, AttributeValue, Name, Symbol};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;

impl Parser<'_> {
    /// Every `#[..]` that stands here.
    pub(super) fn attributes(&mut self) -> Parsed<Vec<Attribute>> {
        let mut attributes = Vec::new();
        while self.kind() == TokenKind::Hash {
            self.advance();
            let opener = self.expect(TokenKind::LBracket, "after `#`")?;
            attributes.extend(self.comma_list(
                TokenKind::RBracket,
                opener,
                "at the end of the attributes",
                Self::attribute,
            )?);
        }
        Ok(attributes)
    }

    fn attribute(&mut self) -> Parsed<Attribute> {
        self.nested(Self::attribute_inner)
    }

    fn attribute_inner(&mut self) -> Parsed<Attribute> {
        let start = self.span();
        let name = self.attribute_name()?;
        let args = match self.kind() {
            TokenKind::Equal => {
                self.advance();
                AttributeArgs::Value(self.attribute_value()?)
            }
            TokenKind::LParen => {
                let opener = self.advance().span;
                let list = self.comma_list(
                    TokenKind::RParen,
                    opener,
                    "at the end of the attribute's arguments",
                    Self::attribute,
                )?;
                AttributeArgs::List(list)
            }
            _ => AttributeArgs::None,
        };
        Ok(Attribute { name, args, span: self.span_from(start) })
    }

    /// A name, keyword or `a::b`.
    fn attribute_name(&mut self) -> Parsed<Name> {
        let start = self.span();
        let mut text = String::new();
        loop {
            if !matches!(self.kind(), TokenKind::Ident | TokenKind::QuotedIdent) {
                return Err(self.unexpected("an attribute", ""));
            }
            let token = self.advance();
            text.push_str(&self.name_text(token));
            if self.kind() != TokenKind::ColonColon {
                break;
            }
            self.advance();
            text.push_str("::");
        }
        Ok(Name::new(Symbol::from(text), self.span_from(start)))
    }

    fn attribute_value(&mut self) -> Parsed<AttributeValue> {
        let is_path = self.kind() == TokenKind::Number && self.kind_at(1) == TokenKind::ColonColon;
        if !is_path && let Some(literal) = self.literal() {
            return literal.map(AttributeValue::Literal);
        }
        Ok(AttributeValue::Path(self.path(Generics::Type, "a value")?))
    }
}
