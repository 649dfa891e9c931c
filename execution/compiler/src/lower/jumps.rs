//! Branches, loops and jumps.

use crate::diagnostics::Span;
use crate::parse::ast::BinaryOp;
use crate::typing::{Exp, ExpKind, For, Int, JumpId, Stmt, Ty, Usage, Value};

use super::exp::{Dest, Lower, Target};
use super::ir::{Label, Op};

impl<'a> Lower<'a> {
    pub(super) fn block(
        &mut self,
        label: Option<JumpId>,
        statements: &'a [Stmt],
        result: Option<&'a Exp>,
        ty: &Ty,
        dest: &Dest,
        span: Span,
    ) {
        let Some(label) = label else {
            statements.iter().for_each(|statement| self.statement(statement));
            match result {
                Some(result) => self.exp(result, dest),
                None => self.settle(&Ty::unit(), dest, span),
            }
            return;
        };
        let end = self.label();
        let (dest, slots) = self.off_stack(ty, dest, span);
        self.frames[self.frame].targets.insert(label, Target { end, head: None, dest: dest.clone() });
        self.block(None, statements, result, ty, &dest, span);
        self.bind(end, span);
        self.load_all(slots, span);
    }

    pub(super) fn if_else(
        &mut self,
        condition: &'a Exp,
        then: &'a Exp,
        otherwise: Option<&'a Exp>,
        ty: &Ty,
        dest: &Dest,
        span: Span,
    ) {
        let (on_true, on_false) = (self.label(), self.label());
        let Some(otherwise) = otherwise else {
            self.condition(condition, on_true, on_false, true);
            self.bind(on_true, span);
            self.exp(then, &Dest::Drop);
            self.bind(on_false, span);
            self.settle(&Ty::unit(), dest, span);
            return;
        };
        // A branch that never ends is laid out first: there is nothing to join, and the other one's value may stay on
        // the stack.
        if then.ty == Ty::Never || otherwise.ty == Ty::Never {
            let then_first = then.ty == Ty::Never;
            self.condition(condition, on_true, on_false, then_first);
            let (first, second) = if then_first { (on_true, on_false) } else { (on_false, on_true) };
            let (ending, going_on) = if then_first { (then, otherwise) } else { (otherwise, then) };
            self.bind(first, span);
            self.exp(ending, &Dest::Drop);
            self.bind(second, span);
            self.exp(going_on, dest);
            return;
        }
        self.condition(condition, on_true, on_false, true);
        self.bind(on_true, span);
        let (dest, slots) = self.off_stack(ty, dest, span);
        let end = self.label();
        self.exp(then, &dest);
        self.emit(Op::Branch(end), span);
        self.bind(on_false, span);
        self.exp(otherwise, &dest);
        self.bind(end, span);
        self.load_all(slots, span);
    }

    /// Evaluates a condition and jumps; `falls_true` says which of the labels comes right behind.
    pub(super) fn condition(&mut self, exp: &'a Exp, on_true: Label, on_false: Label, falls_true: bool) {
        let span = exp.span;
        match &exp.kind {
            ExpKind::Value(Value::Bool(value)) => {
                if *value != falls_true {
                    self.emit(Op::Branch(if *value { on_true } else { on_false }), span);
                }
                // What falls through is the other label; keep it reachable.
            }
            ExpKind::Not(inner) => self.condition(inner, on_false, on_true, !falls_true),
            ExpKind::Binary(BinaryOp::And, left, right) => {
                let middle = self.label();
                self.condition(left, middle, on_false, true);
                self.bind(middle, span);
                self.condition(right, on_true, on_false, falls_true);
            }
            ExpKind::Binary(BinaryOp::Or, left, right) => {
                let middle = self.label();
                self.condition(left, on_true, middle, false);
                self.bind(middle, span);
                self.condition(right, on_true, on_false, falls_true);
            }
            ExpKind::Block(None, statements, Some(result)) => {
                statements.iter().for_each(|statement| self.statement(statement));
                self.condition(result, on_true, on_false, falls_true);
            }
            _ => {
                self.value(exp);
                let op = if falls_true { Op::BrFalse(on_false) } else { Op::BrTrue(on_true) };
                self.emit(op, span);
            }
        }
    }

    /// `&&` and `||` as values.
    pub(super) fn logical(&mut self, exp: &'a Exp, dest: &Dest) {
        let span = exp.span;
        let (dest, slots) = self.off_stack(&Ty::Bool, dest, span);
        let (on_true, on_false, end) = (self.label(), self.label(), self.label());
        // The right operand's value is the result where it is evaluated, so only the left one needs a jump.
        let ExpKind::Binary(op, left, right) = &exp.kind else { return };
        let is_and = *op == BinaryOp::And;
        let (evaluate, shortcut) = if is_and { (on_true, on_false) } else { (on_false, on_true) };
        self.condition(left, on_true, on_false, is_and);
        self.bind(evaluate, span);
        self.exp(right, &dest);
        self.emit(Op::Branch(end), span);
        self.bind(shortcut, span);
        self.emit(Op::LdBool(!is_and), span);
        self.settle(&Ty::Bool, &dest, span);
        self.bind(end, span);
        self.load_all(slots, span);
    }

    pub(super) fn while_loop(&mut self, id: JumpId, condition: &'a Exp, body: &'a Exp, dest: &Dest, span: Span) {
        let (head, inside, end) = (self.label(), self.label(), self.label());
        self.frames[self.frame].targets.insert(id, Target { end, head: Some(head), dest: Dest::Drop });
        self.bind(head, span);
        self.condition(condition, inside, end, true);
        self.bind(inside, span);
        self.exp(body, &Dest::Drop);
        self.emit(Op::Branch(head), span);
        self.bind(end, span);
        self.settle(&Ty::unit(), dest, span);
    }

    pub(super) fn endless_loop(&mut self, id: JumpId, body: &'a Exp, ty: &Ty, dest: &Dest, span: Span) {
        let (head, end) = (self.label(), self.label());
        let (dest, slots) = self.off_stack(ty, dest, span);
        self.frames[self.frame].targets.insert(id, Target { end, head: Some(head), dest });
        self.bind(head, span);
        self.exp(body, &Dest::Drop);
        self.emit(Op::Branch(head), span);
        self.bind(end, span);
        self.load_all(slots, span);
    }

    /// The bounds are evaluated once. The variable cannot be changed, so it counts by itself.
    pub(super) fn for_loop(&mut self, id: JumpId, data: &'a For, dest: &Dest, span: Span) {
        let (head, next, end) = (self.label(), self.label(), self.label());
        let counter = self.slot(data.variable);
        let limit = self.slot(data.limit);
        self.exp(&data.lower, &Dest::Store(vec![counter]));
        self.exp(&data.upper, &Dest::Store(vec![limit]));
        self.frames[self.frame].targets.insert(id, Target { end, head: Some(next), dest: Dest::Drop });
        self.bind(head, span);
        self.emit(Op::Load(counter, Usage::Copy), span);
        self.emit(Op::Load(limit, Usage::Copy), span);
        self.emit(Op::Binary(BinaryOp::Lt), span);
        self.emit(Op::BrFalse(end), span);
        self.exp(&data.body, &Dest::Drop);
        self.bind(next, span);
        let int = match self.ty(&data.int) {
            Ty::Int(int) => int,
            _ => Int::U64,
        };
        self.emit(Op::Load(counter, Usage::Copy), span);
        self.emit(Op::LdInt(int, noema_types::U256::from(1)), span);
        self.emit(Op::Binary(BinaryOp::Add), span);
        self.emit(Op::Store(counter), span);
        self.emit(Op::Branch(head), span);
        self.bind(end, span);
        self.settle(&Ty::unit(), dest, span);
    }

    pub(super) fn break_out(&mut self, id: JumpId, value: Option<&'a Exp>, span: Span) {
        let Some(target) = self.frames[self.frame].targets.get(&id).cloned() else { return };
        self.leave(value, &target, span);
    }

    fn leave(&mut self, value: Option<&'a Exp>, target: &Target, span: Span) {
        match value {
            Some(value) => self.exp(value, &target.dest),
            None => self.settle(&Ty::unit(), &target.dest, span),
        }
        self.emit(Op::Branch(target.end), span);
    }

    pub(super) fn return_value(&mut self, value: &'a Exp, span: Span) {
        let target = self.frames[self.frame].result.clone();
        if matches!(target.dest, Dest::Return) {
            self.exp(value, &Dest::Return);
        } else {
            self.leave(Some(value), &target, span);
        }
    }
}
