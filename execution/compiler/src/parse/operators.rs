//! Operators: precedence, assignment, casts, tests.
//!
//! From weak to strong: assignment, `||`, `&&`, comparison, `|`, `^`, `&`, shifts, `+ -`, `* / %`, `as` and `is`,
//! prefixes, postfixes. Infix operators associate to the left.

use super::ast::{BinaryOp, Exp, ExpKind, Spanned, Type, TypeKind, UnaryOp};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, Span, codes};

/// An operator ahead: which, how strong, how many tokens.
struct Infix {
    op: BinaryOp,
    strength: u8,
    tokens: usize,
}

impl Parser<'_> {
    pub(super) fn exp(&mut self) -> Parsed<Exp> {
        self.nested(Self::exp_inner)
    }

    fn exp_inner(&mut self) -> Parsed<Exp> {
        let start = self.span();
        if matches!(self.kind(), TokenKind::Pipe | TokenKind::PipePipe) {
            return self.lambda();
        }
        let left = self.binary(0)?;
        if self.kind() == TokenKind::Equal {
            self.advance();
            let target = self.assign_target(left)?;
            let value = Box::new(self.exp()?);
            return Ok(self.exp_from(start, ExpKind::Assign { target, value }));
        }
        if let Some((op, tokens)) = self.compound_operator() {
            let span = self.pass(tokens);
            if !is_place(&left) {
                self.bad_place(&left);
            }
            let value = Box::new(self.exp()?);
            let kind = ExpKind::CompoundAssign { op: Spanned::new(op, span), place: Box::new(left), value };
            return Ok(self.exp_from(start, kind));
        }
        Ok(left)
    }

    pub(super) fn exp_from(&self, start: Span, kind: ExpKind) -> Exp {
        Exp { kind, span: self.span_from(start) }
    }

    /// Passes `tokens` tokens and returns their span.
    fn pass(&mut self, tokens: usize) -> Span {
        let start = self.span();
        for _ in 0..tokens {
            self.advance();
        }
        self.span_from(start)
    }

    fn compound_operator(&self) -> Option<(BinaryOp, usize)> {
        Some(match self.kind() {
            TokenKind::PlusEqual => (BinaryOp::Add, 1),
            TokenKind::MinusEqual => (BinaryOp::Sub, 1),
            TokenKind::StarEqual => (BinaryOp::Mul, 1),
            TokenKind::SlashEqual => (BinaryOp::Div, 1),
            TokenKind::PercentEqual => (BinaryOp::Mod, 1),
            TokenKind::AmpEqual => (BinaryOp::BitAnd, 1),
            TokenKind::PipeEqual => (BinaryOp::BitOr, 1),
            TokenKind::CaretEqual => (BinaryOp::BitXor, 1),
            TokenKind::LessLessEqual => (BinaryOp::Shl, 1),
            TokenKind::Greater if self.is_shift_right() && self.touching(1) && self.kind_at(2) == TokenKind::Equal => {
                (BinaryOp::Shr, 3)
            }
            _ => return None,
        })
    }

    fn is_shift_right(&self) -> bool {
        self.kind_at(1) == TokenKind::Greater && self.touching(0)
    }

    fn infix(&self) -> Option<Infix> {
        use BinaryOp as B;
        let (op, strength, tokens) = match self.kind() {
            TokenKind::PipePipe => (B::Or, 1, 1),
            TokenKind::AmpAmp => (B::And, 2, 1),
            TokenKind::EqualEqual => (B::Eq, 3, 1),
            TokenKind::ExclaimEqual => (B::Neq, 3, 1),
            TokenKind::Less => (B::Lt, 3, 1),
            TokenKind::LessEqual => (B::Le, 3, 1),
            TokenKind::Greater if self.is_shift_right() => {
                if self.compound_operator().is_some() {
                    return None;
                }
                (B::Shr, 7, 2)
            }
            TokenKind::Greater if self.kind_at(1) == TokenKind::Equal && self.touching(0) => (B::Ge, 3, 2),
            TokenKind::Greater => (B::Gt, 3, 1),
            TokenKind::Pipe => (B::BitOr, 4, 1),
            TokenKind::Caret => (B::BitXor, 5, 1),
            TokenKind::Amp => (B::BitAnd, 6, 1),
            TokenKind::LessLess => (B::Shl, 7, 1),
            TokenKind::Plus => (B::Add, 8, 1),
            TokenKind::Minus => (B::Sub, 8, 1),
            TokenKind::Star => (B::Mul, 9, 1),
            TokenKind::Slash => (B::Div, 9, 1),
            TokenKind::Percent => (B::Mod, 9, 1),
            _ => return None,
        };
        Some(Infix { op, strength, tokens })
    }

    /// Operands joined by operators at least as strong as `weakest`.
    fn binary(&mut self, weakest: u8) -> Parsed<Exp> {
        let start = self.span();
        let before = self.chain_begin();
        let mut left = self.cast()?;
        while let Some(infix) = self.infix()
            && infix.strength >= weakest
        {
            let op = Spanned::new(infix.op, self.pass(infix.tokens));
            self.chain_link()?;
            let right = self.chain_operand(|parser| parser.binary(infix.strength + 1))?;
            self.check_ambiguous_cast(op, &right);
            let kind = ExpKind::Binary { op, left: Box::new(left), right: Box::new(right) };
            left = self.exp_from(start, kind);
        }
        self.chain_end(before);
        Ok(left)
    }

    /// `2 + a as u64`: refused, because readers disagree on what is cast.
    fn check_ambiguous_cast(&mut self, op: Spanned<BinaryOp>, right: &Exp) {
        // A cast in parentheses ends before the last token, which is `)`.
        // Behind a comparison only the operand can be meant: its result is no integer.
        let is_clear = matches!(
            op.value,
            BinaryOp::Eq | BinaryOp::Neq | BinaryOp::Lt | BinaryOp::Gt | BinaryOp::Le | BinaryOp::Ge
        ) || matches!(op.value, BinaryOp::And | BinaryOp::Or);
        if is_clear || !matches!(right.kind, ExpKind::Cast { .. }) || right.span.end != self.previous_span().end {
            return;
        }
        let cast = self.text_of(right.span);
        let diagnostic = Diagnostic::new(
            codes::AMBIGUOUS_CAST,
            right.span,
            format!("this `as` behind `{}` is ambiguous", op.value.symbol()),
        )
        .label("what is cast?")
        .secondary(op.span, "the right operand only, or the whole operation?")
        .help(format!("add parentheses: `({cast})`"))
        .suggest(right.span, format!("({cast})"));
        self.report(diagnostic);
    }

    /// `e as T`, `e is V`
    fn cast(&mut self) -> Parsed<Exp> {
        let start = self.span();
        let before = self.chain_begin();
        let mut inner = self.unary()?;
        loop {
            let kind = if self.at_word("as") && self.whole_cast == Some(self.position) {
                break;
            } else if self.at_word("as") {
                self.advance();
                self.chain_link()?;
                let ty = self.cast_type()?;
                ExpKind::Cast { inner: Box::new(inner), ty }
            } else if self.at_word("is") && self.is_name_at(1) {
                self.advance();
                self.chain_link()?;
                let mut variants = vec![self.path(Generics::Expression, "a variant")?];
                while self.kind() == TokenKind::Pipe && self.is_name_at(1) {
                    self.advance();
                    variants.push(self.path(Generics::Expression, "a variant")?);
                }
                ExpKind::Is { inner: Box::new(inner), variants }
            } else {
                break;
            };
            inner = self.exp_from(start, kind);
        }
        self.chain_end(before);
        Ok(inner)
    }

    /// The type behind `as`. `<` behind a plain name is a comparison: casts go to integers, which take no arguments.
    fn cast_type(&mut self) -> Parsed<Type> {
        if !self.is_name_at(0) {
            return self.ty();
        }
        let path = self.path(Generics::Expression, "a type")?;
        Ok(Type { span: path.span, kind: TypeKind::Path(path) })
    }

    fn unary(&mut self) -> Parsed<Exp> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::Exclaim => {
                self.advance();
                ExpKind::Unary { op: Spanned::new(UnaryOp::Not, start), operand: self.operand()? }
            }
            TokenKind::Minus => {
                self.advance();
                ExpKind::Unary { op: Spanned::new(UnaryOp::Negate, start), operand: self.operand()? }
            }
            TokenKind::Star => {
                self.advance();
                ExpKind::Deref(self.operand()?)
            }
            TokenKind::Amp => {
                self.advance();
                let mutable = self.at_word("mut") && self.starts_operand(1);
                if mutable {
                    self.advance();
                }
                ExpKind::Borrow { mutable, inner: self.operand()? }
            }
            TokenKind::AmpAmp => {
                let diagnostic = Diagnostic::new(
                    codes::DOUBLE_BORROW,
                    start,
                    "`&&` stands between two conditions; there are no references to references",
                )
                .label("no left operand")
                .help("write a single `&` to borrow");
                self.report(diagnostic);
                self.advance();
                self.operand()?.kind
            }
            _ => return self.postfix(),
        };
        Ok(self.exp_from(start, kind))
    }

    fn operand(&mut self) -> Parsed<Box<Exp>> {
        self.nested(Self::unary).map(Box::new)
    }

    fn starts_operand(&self, ahead: usize) -> bool {
        self.is_name_at(ahead)
            || matches!(
                self.kind_at(ahead),
                TokenKind::LParen | TokenKind::Star | TokenKind::Number | TokenKind::LBrace | TokenKind::Amp
            )
            || matches!(self.word_at(ahead), "copy" | "move" | "true" | "false" | "if" | "loop" | "abort" | "return")
            || matches!(
                self.kind_at(ahead),
                TokenKind::ByteString | TokenKind::HexString | TokenKind::String | TokenKind::At
            )
    }
}

/// `true` for what can stand left of `+=`.
pub(super) fn is_place(exp: &Exp) -> bool {
    matches!(
        exp.kind,
        ExpKind::Path(_) | ExpKind::Field { .. } | ExpKind::Index { .. } | ExpKind::Deref(_) | ExpKind::Error
    )
}
