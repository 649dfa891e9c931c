//! Marks expressions.

use noema_compiler::parse::ast::{BinaryOp, Exp, ExpKind, Spanned};
use noema_compiler::parse::token::TokenKind as T;

use super::marks::{Break, Hang, Kind};
use super::walk::Walker;

/// How a value may stay on the line of its `=` when it does not fit there whole.
pub(super) fn hang(exp: &Exp) -> Hang {
    match &exp.kind {
        ExpKind::Block { .. }
        | ExpKind::Match { .. }
        | ExpKind::Loop { .. }
        | ExpKind::While { .. }
        | ExpKind::For { .. } => Hang::Block,
        ExpKind::If { then, otherwise, .. } => {
            let has_block = std::iter::once(then).chain(otherwise).any(|branch| hang(branch) == Hang::Block);
            if has_block { Hang::Block } else { Hang::Chain }
        }
        ExpKind::Lambda(lambda) => hang(&lambda.body),
        ExpKind::Borrow { inner, .. }
        | ExpKind::Deref(inner)
        | ExpKind::Move(inner)
        | ExpKind::Copy(inner)
        | ExpKind::Unary { operand: inner, .. } => hang(inner),
        ExpKind::Binary { .. } => Hang::Chain,
        ExpKind::MethodCall { .. } if method_calls(exp) > 1 => Hang::Chain,
        ExpKind::Call { .. }
        | ExpKind::MacroCall { .. }
        | ExpKind::ValueCall { .. }
        | ExpKind::MethodCall { .. }
        | ExpKind::Index { .. }
        | ExpKind::Pack { .. }
        | ExpKind::Vector { .. }
        | ExpKind::Tuple(_)
        | ExpKind::Return { .. }
        | ExpKind::Abort(_) => Hang::Bracket,
        _ => Hang::No,
    }
}

/// Calls in a chain of methods, fields and indices.
fn method_calls(exp: &Exp) -> usize {
    match &exp.kind {
        ExpKind::MethodCall { receiver, .. } => 1 + method_calls(receiver),
        ExpKind::Field { base, .. } | ExpKind::Index { base, .. } => method_calls(base),
        _ => 0,
    }
}

/// Operators that may share a chain.
const fn strength(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Eq | BinaryOp::Neq | BinaryOp::Lt | BinaryOp::Gt | BinaryOp::Le | BinaryOp::Ge => 3,
        BinaryOp::BitOr => 4,
        BinaryOp::BitXor => 5,
        BinaryOp::BitAnd => 6,
        BinaryOp::Shl | BinaryOp::Shr => 7,
        BinaryOp::Add | BinaryOp::Sub => 8,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod => 9,
    }
}

impl Walker<'_, '_> {
    fn all(&mut self, exps: &[Exp]) {
        exps.iter().for_each(|exp| self.exp(exp));
    }

    fn keyword(&mut self, byte: u32) {
        let mut at = self.at(byte);
        if self.kind(at) == T::Label {
            at += 2;
        }
        self.marks.is_keyword[at] = true;
    }

    fn prefix(&mut self, byte: u32) {
        let at = self.at(byte);
        self.marks.is_prefix[at] = true;
    }

    /// Joins the tokens of an operator, and gives the first.
    fn operator(&mut self, op: Spanned<BinaryOp>) -> usize {
        let (first, last) = self.range(op.span);
        for at in first + 1..=last {
            self.marks.is_glued[at] = true;
        }
        first
    }

    pub(super) fn exp(&mut self, exp: &Exp) {
        match &exp.kind {
            ExpKind::Literal(_) | ExpKind::Continue { .. } | ExpKind::Error => {}
            ExpKind::Path(path) => self.path(path),
            ExpKind::Call { callee, args } | ExpKind::MacroCall { callee, args } => {
                self.path(callee);
                self.all(args);
            }
            ExpKind::ValueCall { callee, args } => {
                self.exp(callee);
                self.all(args);
            }
            ExpKind::MethodCall { .. } => {
                if method_calls(exp) > 1 {
                    let (first, last) = self.range(exp.span);
                    self.chain(first, last);
                }
                self.method_chain(exp, method_calls(exp) > 1);
            }
            ExpKind::Field { base, .. } => self.postfix(exp, base),
            ExpKind::Index { base, indices } => {
                self.postfix(exp, base);
                self.all(indices);
            }
            ExpKind::Pack { path, fields } => {
                self.path(path);
                fields.iter().for_each(|field| self.exp(&field.value));
            }
            ExpKind::Vector { type_args, elements } => {
                if let Some(args) = type_args {
                    let end = self.tokens[self.at(exp.span.start)].end;
                    self.type_args(u32::try_from(end).unwrap_or(u32::MAX), args);
                }
                self.all(elements);
            }
            ExpKind::Tuple(parts) => self.all(parts),
            ExpKind::Block { block, .. } => self.block(block, false),
            ExpKind::If { .. } => {
                let (first, last) = self.range(exp.span);
                self.marks.group(first, last, Kind::If);
                self.conditional(exp);
            }
            ExpKind::While { condition, body, .. } => {
                self.keyword(exp.span.start);
                self.exp(condition);
                self.body(exp, body);
            }
            ExpKind::Loop { body, .. } => {
                self.keyword(exp.span.start);
                self.body(exp, body);
            }
            ExpKind::For { variable, lower, upper, body, .. } => {
                self.keyword(exp.span.start);
                let word = self.at(variable.span.end);
                self.marks.is_keyword[word] = true;
                self.exp(lower);
                self.exp(upper);
                self.body(exp, body);
            }
            ExpKind::Match { scrutinee, .. } => {
                self.keyword(exp.span.start);
                self.exp(scrutinee);
                self.arms(exp);
            }
            ExpKind::Break { value, .. } | ExpKind::Return { value, .. } | ExpKind::Abort(value) => {
                self.keyword(exp.span.start);
                value.iter().for_each(|value| self.exp(value));
            }
            ExpKind::Lambda(lambda) => {
                for param in &lambda.params {
                    self.pattern(&param.pattern);
                    param.ty.iter().for_each(|ty| self.ty(ty));
                }
                let end = lambda.params.last();
                let end = end.map(|last| last.ty.as_ref().map_or(last.pattern.span.end, |ty| ty.span.end));
                self.bars(exp.span.start, end);
                lambda.result.iter().for_each(|ty| self.ty(ty));
                self.exp(&lambda.body);
            }
            ExpKind::Borrow { inner, .. } | ExpKind::Deref(inner) => {
                self.prefix(exp.span.start);
                self.exp(inner);
            }
            ExpKind::Unary { op, operand } => {
                self.prefix(op.span.start);
                self.exp(operand);
            }
            ExpKind::Move(inner) | ExpKind::Copy(inner) => {
                self.keyword(exp.span.start);
                self.exp(inner);
            }
            ExpKind::Binary { op, left, right } => {
                let (first, last) = self.range(exp.span);
                self.chain(first, last);
                self.operands(strength(op.value), *op, left, right);
            }
            ExpKind::Assign { target, value } => {
                self.target(target);
                let (first, last) = self.range(exp.span);
                self.assign(first, last, value);
                self.exp(value);
            }
            ExpKind::CompoundAssign { op, place, value } => {
                self.operator(*op);
                self.exp(place);
                let (first, last) = self.range(exp.span);
                self.assign(first, last, value);
                self.exp(value);
            }
            ExpKind::Cast { inner, ty } | ExpKind::Annotate { inner, ty } => {
                self.exp(inner);
                self.ty(ty);
            }
            ExpKind::Is { inner, variants } => {
                self.exp(inner);
                variants.iter().for_each(|path| self.path(path));
            }
        }
    }

    /// Indents a chain, unless it is all that stands between brackets.
    fn chain(&mut self, first: usize, last: usize) {
        let (first, last) = self.marks.balanced(first, last);
        let is_alone = first > 0
            && self.marks.partner[first - 1] == Some(last + 1)
            && matches!(self.kind(first - 1), T::LParen | T::LBracket);
        self.marks.group(first, last, Kind::Chain { indent: !is_alone });
    }

    fn operands(&mut self, level: u8, op: Spanned<BinaryOp>, left: &Exp, right: &Exp) {
        let at = self.operator(op);
        self.marks.break_before(at, Break::Soft);
        let (first, last) = self.range(left.span);
        // `(a + b) + c` begins with a chain of its own.
        let is_wrapped = last + 1 != at || (self.kind(first) == T::LParen && self.marks.partner[first] == Some(last));
        match &left.kind {
            ExpKind::Binary { op: inner, left: one, right: two } if strength(inner.value) == level && !is_wrapped => {
                self.operands(level, *inner, one, two);
            }
            _ => self.exp(left),
        }
        self.exp(right);
    }

    fn postfix(&mut self, exp: &Exp, base: &Exp) {
        if method_calls(exp) > 1 {
            let (first, last) = self.range(exp.span);
            self.chain(first, last);
            self.method_chain(base, true);
        } else {
            self.exp(base);
        }
    }

    /// Methods, fields and indices down to what they begin with.
    fn method_chain(&mut self, exp: &Exp, breaks: bool) {
        match &exp.kind {
            ExpKind::MethodCall { receiver, method, type_args, args, .. } => {
                let dot = self.at(method.span.start).saturating_sub(1);
                if breaks {
                    self.marks.break_before(dot, Break::Soft);
                }
                if let Some(types) = type_args {
                    self.type_args(method.span.end, types);
                }
                self.method_chain(receiver, breaks);
                self.all(args);
            }
            ExpKind::Field { base, .. } => self.method_chain(base, breaks),
            ExpKind::Index { base, indices } => {
                self.method_chain(base, breaks);
                self.all(indices);
            }
            _ => self.exp(exp),
        }
    }

    fn conditional(&mut self, exp: &Exp) {
        let ExpKind::If { condition, then, otherwise } = &exp.kind else { return self.exp(exp) };
        self.keyword(exp.span.start);
        self.exp(condition);
        let is_block = self.branch(then);
        let Some(otherwise) = otherwise else { return };
        let (_, then_last) = self.range(then.span);
        let word = self.marks.balanced(self.range(then.span).0, then_last).1 + 1;
        if self.text(word) == "else" {
            self.marks.is_keyword[word] = true;
            if !is_block {
                self.marks.break_before(word, Break::Soft);
                self.marks.is_dedented[word] = true;
            }
        }
        // `else if` goes on on its line.
        if matches!(otherwise.kind, ExpKind::If { .. }) && self.kind(self.at(otherwise.span.start)) == T::Ident {
            self.conditional(otherwise);
        } else {
            self.branch(otherwise);
        }
    }

    /// Marks one branch; `true` if it is a block.
    fn branch(&mut self, exp: &Exp) -> bool {
        let (first, last) = self.range(exp.span);
        let (first, _) = self.marks.balanced(first, last);
        match &exp.kind {
            ExpKind::Block { label: None, block } if self.kind(first) == T::LBrace => {
                self.block(block, true);
                return true;
            }
            ExpKind::Block { .. } | ExpKind::Match { .. } | ExpKind::Loop { .. } | ExpKind::While { .. } => {}
            _ => self.marks.break_before(first, Break::Soft),
        }
        self.exp(exp);
        false
    }

    /// The body of a loop.
    fn body(&mut self, whole: &Exp, body: &Exp) {
        if !matches!(body.kind, ExpKind::Block { .. }) {
            let (first, last) = self.range(whole.span);
            self.marks.group(first, last, Kind::Chain { indent: true });
            let (start, end) = self.range(body.span);
            let (start, _) = self.marks.balanced(start, end);
            self.marks.break_before(start, Break::Soft);
        }
        self.exp(body);
    }

    fn arms(&mut self, exp: &Exp) {
        let ExpKind::Match { arms, .. } = &exp.kind else { return };
        let (_, close) = self.range(exp.span);
        let Some(open) = self.marks.partner[close] else { return };
        self.braces(open, close);
        // Arms stay on one line only where they were written so.
        let is_broken = close > open + 1 && self.tokens[open + 1].on_new_line;
        let kind = if is_broken { Break::Hard } else { Break::Soft };
        let mut next = open + 1;
        for arm in arms {
            while self.kind(next) == T::Comma {
                next += 1;
            }
            self.marks.break_before(next, kind);
            self.pattern(&arm.pattern);
            if let Some(guard) = &arm.guard {
                let word = self.range(arm.pattern.span).1 + 1;
                if self.text(word) == "if" {
                    self.marks.is_keyword[word] = true;
                }
                self.exp(guard);
            }
            let (_, last) = self.range(arm.span);
            self.assign(next, self.marks.balanced(next, last).1, &arm.body);
            self.exp(&arm.body);
            next = self.marks.balanced(next, last).1 + 1;
        }
        if close > open + 1 {
            self.marks.break_before(close, kind);
        }
    }
}
