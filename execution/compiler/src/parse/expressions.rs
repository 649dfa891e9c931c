//! Terms and what may follow them: calls, fields, indices, control flow.

use super::ast::{
    Exp, ExpKind, FieldInit, Label, Lambda, LambdaParam, MatchArm, Path, PathHead, Spanned, Symbol, Type,
};
use super::cursor::{Parsed, Parser};
use super::paths::Generics;
use super::token::TokenKind;
use crate::diagnostics::{Diagnostic, Span, codes};

impl Parser<'_> {
    /// A term with its calls, fields and indices.
    pub(super) fn postfix(&mut self) -> Parsed<Exp> {
        let start = self.span();
        let before = self.chain_begin();
        // A block is never called or indexed: the next line may begin with `(` or `[`.
        let is_control = self.at_control();
        let in_parentheses = self.kind() == TokenKind::LParen;
        let mut exp = self.term()?;
        loop {
            let kind = match self.kind() {
                TokenKind::Dot => {
                    self.chain_link()?;
                    self.dot(exp)?
                }
                TokenKind::LBracket if !is_control => {
                    self.chain_link()?;
                    let opener = self.advance().span;
                    let indices = self.chain_operand(|parser| {
                        parser.comma_list(TokenKind::RBracket, opener, "at the end of the index", Self::exp)
                    })?;
                    ExpKind::Index { base: Box::new(exp), indices }
                }
                TokenKind::LParen if in_parentheses && !matches!(exp.kind, ExpKind::Tuple(_)) => {
                    self.chain_link()?;
                    let args = self.chain_operand(Self::value_call_args)?;
                    ExpKind::ValueCall { callee: Box::new(exp), args }
                }
                _ => break,
            };
            exp = self.exp_from(start, kind);
        }
        self.chain_end(before);
        Ok(exp)
    }

    /// `.f`, `.0`, `.f(a)`, `.f<T>(a)`, `.f!(a)`
    fn dot(&mut self, base: Exp) -> Parsed<ExpKind> {
        self.advance();
        if self.kind() == TokenKind::Number {
            let token = self.advance();
            let field = Spanned::new(Symbol::from(self.text_of(token.span)), token.span);
            return Ok(ExpKind::Field { base: Box::new(base), field });
        }
        let name = self.name("a field or method after `.`")?;
        let mut type_args = None;
        if self.kind() == TokenKind::ColonColon && self.kind_at(1) == TokenKind::Less {
            self.advance();
            type_args = Some(self.type_args()?);
        } else if self.kind() == TokenKind::Less {
            let position = self.position;
            type_args = self.try_type_args();
            if type_args.is_some() && self.kind() != TokenKind::LParen {
                self.position = position;
                type_args = None;
            }
        }
        let is_macro = self.eat_macro_mark();
        if is_macro && self.kind() == TokenKind::Less {
            type_args = Some(self.type_args()?);
        }
        if self.kind() != TokenKind::LParen {
            if type_args.is_some() || is_macro {
                return Err(self.unexpected("`(`", "after the method"));
            }
            return Ok(ExpKind::Field { base: Box::new(base), field: name });
        }
        let args = self.chain_operand(Self::value_call_args)?;
        Ok(ExpKind::MethodCall { receiver: Box::new(base), method: name, is_macro, type_args, args })
    }

    /// Passes the `!` of a macro call.
    fn eat_macro_mark(&mut self) -> bool {
        let follows = matches!(self.kind_at(1), TokenKind::LParen | TokenKind::Less);
        follows && self.eat(TokenKind::Exclaim)
    }

    fn value_call_args(&mut self) -> Parsed<Vec<Exp>> {
        let opener = self.expect(TokenKind::LParen, "before the arguments")?;
        self.comma_list(TokenKind::RParen, opener, "at the end of the arguments", Self::exp)
    }

    /// Arguments of a call that may also be a positional pack on the left of `=`, where `..` is allowed.
    fn call_args(&mut self, callee: &Path) -> Parsed<Vec<Exp>> {
        let opener = self.expect(TokenKind::LParen, "before the arguments")?;
        let mut count = 0;
        let args = self.comma_list(TokenKind::RParen, opener, "at the end of the arguments", |parser| {
            if parser.kind() == TokenKind::DotDot {
                let rest = Spanned::new(count, parser.advance().span);
                parser.unclaimed_rests.insert(callee.span.start, rest);
                return Ok(None);
            }
            count += 1;
            parser.exp().map(Some)
        })?;
        Ok(args.into_iter().flatten().collect())
    }

    fn term(&mut self) -> Parsed<Exp> {
        let start = self.span();
        let kind = match self.kind() {
            TokenKind::LParen => return self.parentheses(),
            TokenKind::LBrace => ExpKind::Block { label: None, block: self.block()? },
            TokenKind::Label => self.labelled()?,
            TokenKind::Number if self.kind_at(1) == TokenKind::ColonColon => self.path_term()?,
            TokenKind::QuotedIdent => self.path_term()?,
            TokenKind::Ident => match self.keyword_term()? {
                Some(kind) => kind,
                None => self.path_term()?,
            },
            _ => match self.literal() {
                Some(literal) => ExpKind::Literal(literal?.value),
                None => return Err(self.unexpected("an expression", "")),
            },
        };
        Ok(self.exp_from(start, kind))
    }

    /// A term that begins with a keyword; `None` if none does.
    fn keyword_term(&mut self) -> Parsed<Option<ExpKind>> {
        Ok(Some(match self.word_at(0) {
            "true" | "false" => match self.literal() {
                Some(literal) => ExpKind::Literal(literal?.value),
                None => return Ok(None),
            },
            "if" => self.if_exp()?,
            "while" => self.while_exp(None)?,
            "loop" => self.loop_exp(None)?,
            "for" if self.at_for() => self.for_exp(None)?,
            "match" if self.at_match() => self.match_exp()?,
            "move" | "copy" if matches!(self.kind_at(1), TokenKind::Pipe | TokenKind::PipePipe) => {
                self.advance();
                self.lambda()?.kind
            }
            "move" => {
                self.advance();
                ExpKind::Move(Box::new(self.plain_variable()?))
            }
            "copy" => {
                self.advance();
                ExpKind::Copy(Box::new(self.plain_variable()?))
            }
            "return" => {
                self.advance();
                let label = self.optional_label();
                let value = self.optional_value()?;
                ExpKind::Return { label, value }
            }
            "break" => {
                self.advance();
                let label = self.optional_label();
                let value = self.optional_value()?;
                ExpKind::Break { label, value }
            }
            "continue" => {
                self.advance();
                ExpKind::Continue { label: self.optional_label() }
            }
            "abort" => {
                self.advance();
                ExpKind::Abort(self.optional_value()?)
            }
            _ => return Ok(None),
        }))
    }

    fn plain_variable(&mut self) -> Parsed<Exp> {
        let name = self.name("a variable")?;
        Ok(Exp { span: name.span, kind: ExpKind::Path(Path::from_name(name)) })
    }

    /// The value behind `return`, `break` or `abort`, if anything follows that is one.
    fn optional_value(&mut self) -> Parsed<Option<Box<Exp>>> {
        let ends = matches!(
            self.kind(),
            TokenKind::RBrace
                | TokenKind::RParen
                | TokenKind::RBracket
                | TokenKind::Comma
                | TokenKind::Semicolon
                | TokenKind::Colon
                | TokenKind::FatArrow
                | TokenKind::End
        ) || self.at_word("else");
        if ends {
            return Ok(None);
        }
        Ok(Some(Box::new(self.exp()?)))
    }

    // -------------------------------------------------------------------------------------------- names and packs

    fn path_term(&mut self) -> Parsed<ExpKind> {
        let mut path = self.path(Generics::Expression, "an expression")?;
        if self.eat_macro_mark() {
            if self.kind() == TokenKind::Less {
                let arguments = self.type_args()?;
                if let Some(last) = path.segments.last_mut() {
                    last.type_args = Some(arguments);
                }
            }
            let args = self.value_call_args()?;
            return Ok(ExpKind::MacroCall { callee: path, args });
        }
        match self.kind() {
            TokenKind::LParen => {
                let args = self.call_args(&path)?;
                Ok(ExpKind::Call { callee: path, args })
            }
            TokenKind::LBrace => self.pack(path),
            TokenKind::LBracket if is_vector(&path) => {
                let opener = self.advance().span;
                let elements = self.comma_list(TokenKind::RBracket, opener, "at the end of the vector", Self::exp)?;
                let type_args = path.segments.pop().and_then(|segment| segment.type_args);
                Ok(ExpKind::Vector { type_args, elements })
            }
            _ => Ok(ExpKind::Path(path)),
        }
    }

    fn pack(&mut self, path: Path) -> Parsed<ExpKind> {
        let opener = self.advance().span;
        let mut count = 0;
        let fields = self.comma_list(TokenKind::RBrace, opener, "at the end of the fields", |parser| {
            if parser.kind() == TokenKind::DotDot {
                let rest = Spanned::new(count, parser.advance().span);
                parser.unclaimed_rests.insert(path.span.start, rest);
                return Ok(None);
            }
            count += 1;
            let field = parser.name("a field")?;
            let value = if parser.eat(TokenKind::Colon) {
                parser.exp()?
            } else {
                Exp { span: field.span, kind: ExpKind::Path(Path::from_name(field.clone())) }
            };
            Ok(Some(FieldInit { field, value }))
        })?;
        Ok(ExpKind::Pack { path, fields: fields.into_iter().flatten().collect() })
    }

    /// `()`, `(e)`, `(e: T)`, `(a, b)`
    fn parentheses(&mut self) -> Parsed<Exp> {
        let opener = self.advance().span;
        if self.eat(TokenKind::RParen) {
            return Ok(self.exp_from(opener, ExpKind::Tuple(Vec::new())));
        }
        let found = self.find_whole_cast();
        let outer = std::mem::replace(&mut self.whole_cast, found);
        let first = self.exp();
        let whole_cast = std::mem::replace(&mut self.whole_cast, outer);
        let first = first?;
        match self.kind() {
            TokenKind::RParen => {
                self.advance();
                Ok(first)
            }
            _ if whole_cast == Some(self.position) => {
                self.advance();
                let ty = self.ty()?;
                self.close(TokenKind::RParen, opener, "after the type")?;
                let span = first.span.to(ty.span);
                Ok(Exp { kind: ExpKind::Cast { inner: Box::new(first), ty }, span })
            }
            TokenKind::Colon => {
                self.advance();
                let ty = self.ty()?;
                self.close(TokenKind::RParen, opener, "after the type")?;
                let inner = Box::new(first);
                Ok(self.exp_from(opener, ExpKind::Annotate { inner, ty }))
            }
            TokenKind::Comma => {
                self.advance();
                let mut elements = vec![first];
                elements.extend(self.comma_list(TokenKind::RParen, opener, "at the end of the tuple", Self::exp)?);
                if elements.len() == 1
                    && let Some(only) = elements.pop()
                {
                    return Ok(only);
                }
                Ok(self.exp_from(opener, ExpKind::Tuple(elements)))
            }
            _ => {
                self.close(TokenKind::RParen, opener, "after the expression")?;
                Ok(first)
            }
        }
    }

    /// Behind `(`: the position of the `as` in `(a + b as u64)`, which in Move 1 casts the sum. Only where nothing else
    /// could be meant: one `as` that a plain type and `)` follow, and nothing but operators and operands before it.
    fn find_whole_cast(&self) -> Option<usize> {
        let end = self.behind_partner(self.position.checked_sub(1)?)?.checked_sub(1)?;
        let cast = end.checked_sub(2)?;
        if cast <= self.position || !self.is_word(cast, "as") || self.at_control() {
            return None;
        }
        let mut at = self.position;
        while at < cast {
            let ahead = at - self.position;
            let is_plain = match self.kind_at(ahead) {
                TokenKind::Comma | TokenKind::Semicolon | TokenKind::Colon | TokenKind::Label => false,
                TokenKind::Equal | TokenKind::FatArrow | TokenKind::DotDot => false,
                // Behind these only the operand can be meant.
                TokenKind::EqualEqual | TokenKind::ExclaimEqual | TokenKind::LessEqual | TokenKind::AmpAmp => false,
                TokenKind::Less => self.touches_next(at - 1),
                TokenKind::Greater => {
                    self.touches_next(at - 1)
                        || (self.touches_next(at) && self.kind_at(ahead + 1) == TokenKind::Greater)
                }
                TokenKind::PipePipe => false,
                TokenKind::Pipe if ahead == 0 => false,
                TokenKind::PlusEqual
                | TokenKind::MinusEqual
                | TokenKind::StarEqual
                | TokenKind::SlashEqual
                | TokenKind::PercentEqual
                | TokenKind::AmpEqual
                | TokenKind::PipeEqual
                | TokenKind::CaretEqual
                | TokenKind::LessLessEqual => false,
                TokenKind::Ident => !matches!(
                    self.word_at(ahead),
                    "as" | "is" | "if" | "else" | "while" | "loop" | "return" | "abort" | "break" | "continue"
                ),
                _ => true,
            };
            if !is_plain {
                return None;
            }
            at = self.behind_partner(at).unwrap_or(at + 1);
        }
        Some(cast)
    }

    // -------------------------------------------------------------------------------------------- control flow

    fn at_control(&self) -> bool {
        self.kind() == TokenKind::LBrace
            || self.kind() == TokenKind::Label
            || matches!(self.word_at(0), "if" | "while" | "loop")
            || self.at_for()
            || self.at_match()
    }

    /// `for` is a name unless `(i in` follows.
    fn at_for(&self) -> bool {
        self.at_word("for") && self.kind_at(1) == TokenKind::LParen && self.is_name_at(2) && self.word_at(3) == "in"
    }

    /// `match` is a name unless `( .. ) {` follows.
    fn at_match(&self) -> bool {
        if !self.at_word("match") || self.kind_at(1) != TokenKind::LParen {
            return false;
        }
        let behind = self.behind_partner(self.position + 1);
        behind.is_some_and(|index| self.kind_at(index - self.position) == TokenKind::LBrace)
    }

    fn label(&mut self) -> Label {
        let token = self.advance();
        Spanned::new(Symbol::from(self.text_of(token.span).trim_start_matches('\'')), token.span)
    }

    fn optional_label(&mut self) -> Option<Label> {
        (self.kind() == TokenKind::Label).then(|| self.label())
    }

    fn labelled(&mut self) -> Parsed<ExpKind> {
        let label = self.label();
        self.expect(TokenKind::Colon, "after the label")?;
        match self.word_at(0) {
            "while" => self.while_exp(Some(label)),
            "loop" => self.loop_exp(Some(label)),
            "for" => self.for_exp(Some(label)),
            _ if self.kind() == TokenKind::LBrace => Ok(ExpKind::Block { label: Some(label), block: self.block()? }),
            _ => Err(self.unexpected("a loop or a block", "after the label")),
        }
    }

    /// A condition in parentheses.
    fn condition(&mut self, keyword: &str) -> Parsed<Box<Exp>> {
        let opener = self.span();
        if self.kind() != TokenKind::LParen {
            let found = self.describe_next();
            let diagnostic = Diagnostic::new(
                codes::MISSING_PARENTHESES,
                opener,
                format!("expected `(` after `{keyword}`, found {found}"),
            )
            .label("expected `(`")
            .help(format!("conditions stand in parentheses: `{keyword} (..)`"));
            self.report(diagnostic);
            return Err(super::cursor::Reported);
        }
        self.advance();
        let condition = self.exp()?;
        self.close(TokenKind::RParen, opener, "after the condition")?;
        Ok(Box::new(condition))
    }

    /// A block, which nothing extends, or any other expression.
    fn body(&mut self) -> Parsed<Box<Exp>> {
        if self.kind() != TokenKind::LBrace {
            return self.exp().map(Box::new);
        }
        let start = self.span();
        let block = self.nested(Self::block)?;
        let kind = ExpKind::Block { label: None, block };
        Ok(Box::new(self.exp_from(start, kind)))
    }

    fn if_exp(&mut self) -> Parsed<ExpKind> {
        self.advance();
        let condition = self.condition("if")?;
        let then = self.body()?;
        let otherwise = match self.eat_word("else") {
            Some(_) => Some(self.body()?),
            None => None,
        };
        Ok(ExpKind::If { condition, then, otherwise })
    }

    fn while_exp(&mut self, label: Option<Label>) -> Parsed<ExpKind> {
        self.advance();
        Ok(ExpKind::While { label, condition: self.condition("while")?, body: self.body()? })
    }

    fn loop_exp(&mut self, label: Option<Label>) -> Parsed<ExpKind> {
        self.advance();
        Ok(ExpKind::Loop { label, body: self.body()? })
    }

    fn for_exp(&mut self, label: Option<Label>) -> Parsed<ExpKind> {
        self.advance();
        let opener = self.expect(TokenKind::LParen, "after `for`")?;
        let variable = self.name("a variable")?;
        self.expect_word("in", "after the variable")?;
        let lower = Box::new(self.exp()?);
        self.expect(TokenKind::DotDot, "between the bounds")?;
        let upper = Box::new(self.exp()?);
        self.close(TokenKind::RParen, opener, "after the bounds")?;
        Ok(ExpKind::For { label, variable, lower, upper, body: self.body()? })
    }

    fn match_exp(&mut self) -> Parsed<ExpKind> {
        self.advance();
        let scrutinee = self.condition("match")?;
        let opener = self.expect(TokenKind::LBrace, "before the arms")?;
        let mut arms = Vec::new();
        while !self.eat(TokenKind::RBrace) {
            if self.kind() == TokenKind::End {
                return Err(self.unclosed(opener));
            }
            arms.push(self.match_arm(opener)?);
        }
        Ok(ExpKind::Match { scrutinee, arms })
    }

    fn match_arm(&mut self, opener: Span) -> Parsed<MatchArm> {
        let start = self.span();
        let pattern = self.match_pattern()?;
        let guard = match self.eat_word("if") {
            Some(_) => Some(*self.condition("if")?),
            None => None,
        };
        self.expect(TokenKind::FatArrow, "after the pattern")?;
        let body = self.exp()?;
        let ends_in_block = self.kind_behind(1) == TokenKind::RBrace;
        let span = self.span_from(start);
        if !self.eat(TokenKind::Comma) && self.kind() != TokenKind::RBrace && !ends_in_block {
            self.close(TokenKind::RBrace, opener, "or `,` after the arm")?;
        }
        Ok(MatchArm { pattern, guard, body, span })
    }

    // -------------------------------------------------------------------------------------------- lambdas

    /// `|x, y: T| -> R e`
    pub(super) fn lambda(&mut self) -> Parsed<Exp> {
        let start = self.span();
        let opener = self.advance();
        let params = if opener.kind == TokenKind::PipePipe {
            Vec::new()
        } else {
            self.comma_list(TokenKind::Pipe, opener.span, "at the end of the parameters", |parser| {
                let pattern = parser.pattern()?;
                let ty: Option<Type> = if parser.eat(TokenKind::Colon) { Some(parser.ty()?) } else { None };
                Ok(LambdaParam { pattern, ty })
            })?
        };
        let result = if self.eat(TokenKind::Arrow) { Some(self.ty()?) } else { None };
        let body = Box::new(self.exp()?);
        Ok(self.exp_from(start, ExpKind::Lambda(Lambda { params, result, body })))
    }
}

fn is_vector(path: &Path) -> bool {
    matches!(path.segments.as_slice(), [only] if matches!(&only.head, PathHead::Name(name) if *name == "vector"))
}
