//! Branches, loops and jumps.

use crate::diagnostics::{Diagnostic, Name, Span, codes};
use crate::parse::ast;

use super::check::{Checker, Target, TargetKind};
use super::hir::{Exp, ExpKind, For, JumpId};
use super::macros::Returns;
use super::role;
use super::ty::Ty;

impl Checker<'_> {
    pub(super) fn if_else(
        &mut self,
        condition: &ast::Exp,
        then: &ast::Exp,
        otherwise: Option<&ast::Exp>,
        expected: Option<&Ty>,
        span: Span,
    ) -> Exp {
        let condition = Box::new(self.exp_as(condition, &Ty::Bool, &role::CONDITION));
        let Some(otherwise) = otherwise else {
            let mut then = self.exp(then, Some(&Ty::unit()));
            if !matches!(self.infer.shallow(&then.ty), Ty::Never) {
                if !self.infer.unify(&then.ty, &Ty::unit()) {
                    let shown = self.show(&then.ty);
                    self.push(
                        Diagnostic::new(
                            codes::IF_WITHOUT_ELSE,
                            then.span,
                            format!("an `if` without `else` has no value, this is `{shown}`"),
                        )
                        .help("add an `else` branch, or end the value with `;`"),
                    );
                }
            } else {
                then.ty = Ty::Never;
            }
            return Exp::new(ExpKind::If(condition, Box::new(then), None), Ty::unit(), span);
        };
        let then = self.exp(then, expected);
        let hint = match (expected, self.infer.shallow(&then.ty)) {
            (Some(expected), _) => Some(expected.clone()),
            (None, Ty::Never) => None,
            (None, ty) => Some(ty),
        };
        let otherwise = self.exp(otherwise, hint.as_ref());
        let (branches, ty) = self.join(vec![then, otherwise], &role::BRANCH);
        let [then, otherwise] = <[Exp; 2]>::try_from(branches).expect("two branches");
        Exp::new(ExpKind::If(condition, Box::new(then), Some(Box::new(otherwise))), ty, span)
    }

    pub(super) fn open_target(&mut self, label: Option<&Name>, kind: TargetKind) -> JumpId {
        let id = self.jump();
        self.targets.push(Target {
            id,
            label: label.map(|label| label.value.clone()),
            kind,
            result: None,
            region: self.region,
        });
        id
    }

    pub(super) fn while_loop(
        &mut self,
        label: Option<&Name>,
        condition: &ast::Exp,
        body: &ast::Exp,
        span: Span,
    ) -> Exp {
        // `break` in the condition leaves this loop too.
        let id = self.open_target(label, TargetKind::While);
        let condition = self.exp_as(condition, &Ty::Bool, &role::CONDITION);
        let body = self.loop_body(body);
        self.targets.pop();
        Exp::new(ExpKind::While(id, Box::new(condition), Box::new(body)), Ty::unit(), span)
    }

    fn loop_body(&mut self, body: &ast::Exp) -> Exp {
        self.exp_as(body, &Ty::unit(), &role::LOOP_BODY)
    }

    pub(super) fn endless_loop(
        &mut self,
        label: Option<&Name>,
        body: &ast::Exp,
        expected: Option<&Ty>,
        span: Span,
    ) -> Exp {
        let _ = expected;
        let id = self.open_target(label, TargetKind::Loop);
        let body = self.loop_body(body);
        let ty = self.targets.pop().and_then(|target| target.result).unwrap_or(Ty::Never);
        Exp::new(ExpKind::Loop(id, Box::new(body)), ty, span)
    }

    /// The bounds are evaluated once; the variable is a fresh copy in every round.
    pub(super) fn for_loop(
        &mut self,
        label: Option<&Name>,
        variable: &Name,
        lower: &ast::Exp,
        upper: &ast::Exp,
        body: &ast::Exp,
        span: Span,
    ) -> Exp {
        let lower = self.exp(lower, None);
        let upper = self.exp(upper, Some(&lower.ty.clone()));
        if !self.infer.require_int(&lower.ty) || !self.infer.unify(&lower.ty, &upper.ty) {
            let (a, b) = (self.show(&lower.ty), self.show(&upper.ty));
            self.error(
                codes::FOR_BOUNDS,
                span,
                format!("the bounds of `for` are integers of one type: `{a}` and `{b}`"),
            );
            return Exp::error(span);
        }
        let int = lower.ty.clone();
        let id = self.open_target(label, TargetKind::While);
        let (variable, limit, body) = self.in_scope(|this| {
            let limit = this.hidden("for limit", int.clone(), variable.span);
            let id = this.declare(variable, int.clone(), false);
            this.mark_used(id);
            this.locals[id.0 as usize].is_fixed = true;
            (id, limit, this.loop_body(body))
        });
        self.targets.pop();
        let data = For { variable, limit, int, lower, upper, body };
        Exp::new(ExpKind::For(id, Box::new(data)), Ty::unit(), span)
    }

    /// The index in `targets` of what a jump leaves.
    fn find_target(&mut self, label: Option<&Name>, what: &str, span: Span) -> Option<usize> {
        let found = match label {
            Some(label) => self
                .targets
                .iter()
                .rposition(|target| target.label.as_ref() == Some(&label.value) && self.may_name(target)),
            None => self.targets.iter().rposition(|target| target.kind != TargetKind::Block && self.may_reach(target)),
        };
        let Some(position) = found else {
            match label {
                Some(label) => {
                    self.error(
                        codes::UNBOUND_LABEL,
                        label.span,
                        format!("no loop or block here has the label `'{}`", label.value),
                    );
                }
                None if self.region != 0 => {
                    self.error(codes::JUMP_OUT_OF_LAMBDA, span, format!("`{what}` cannot leave a lambda or macro"));
                }
                None => self.error(codes::JUMP_OUTSIDE_LOOP, span, format!("`{what}` outside of a loop")),
            }
            return None;
        };
        Some(position)
    }

    /// Jumps stay inside the lambda or macro they are written in.
    fn may_reach(&self, target: &Target) -> bool {
        target.region == self.region
    }

    /// A label is seen from the lambdas written inside it.
    fn may_name(&self, target: &Target) -> bool {
        self.may_reach(target) || self.around.contains(&target.region)
    }

    pub(super) fn break_out(&mut self, label: Option<&Name>, value: Option<&ast::Exp>, span: Span) -> Exp {
        let position = self.find_target(label, "break", span);
        self.leave(position, value, span)
    }

    fn leave(&mut self, position: Option<usize>, value: Option<&ast::Exp>, span: Span) -> Exp {
        let expected = position.and_then(|position| self.targets[position].result.clone());
        let value = value.map(|value| self.exp(value, expected.as_ref()));
        let Some(position) = position else { return Exp::new(ExpKind::Error, Ty::Never, span) };
        let value_ty = value.as_ref().map_or_else(Ty::unit, |value| self.infer.shallow(&value.ty));
        let (id, kind) = (self.targets[position].id, self.targets[position].kind);
        if kind == TargetKind::While && !value_ty.is_unit() && value_ty != Ty::Never {
            self.push(
                Diagnostic::new(
                    codes::BREAK_VALUE,
                    span,
                    "`while` and `for` have no value, so `break` cannot carry one",
                )
                .help("use `loop`"),
            );
            return Exp::new(ExpKind::Error, Ty::Never, span);
        }
        let value = match &self.targets[position].result {
            None => {
                self.targets[position].result = Some(value_ty);
                value
            }
            Some(known) => {
                let known = known.clone();
                match value {
                    Some(value) => Some(self.coerce(value, &known, &role::BREAK)),
                    None => {
                        if !self.infer.unify(&known, &Ty::unit()) {
                            let shown = self.show(&known);
                            self.error(
                                codes::TYPE_MISMATCH,
                                span,
                                format!("this `break` needs a value of type `{shown}`"),
                            );
                        }
                        None
                    }
                }
            }
        };
        Exp::new(ExpKind::Break(id, value.map(Box::new)), Ty::Never, span)
    }

    pub(super) fn continue_loop(&mut self, label: Option<&Name>, span: Span) -> Exp {
        let Some(position) = self.find_target(label, "continue", span) else {
            return Exp::new(ExpKind::Error, Ty::Never, span);
        };
        if self.targets[position].kind == TargetKind::Block {
            self.error(codes::CONTINUE_BLOCK, span, "`continue` needs a loop, this label names a block");
        }
        Exp::new(ExpKind::Continue(self.targets[position].id), Ty::Never, span)
    }

    pub(super) fn return_value(&mut self, label: Option<&Name>, value: Option<&ast::Exp>, span: Span) -> Exp {
        if label.is_some() {
            let position = self.find_target(label, "return", span);
            return self.leave(position, value, span);
        }
        if let Returns::Target(position) = self.returns {
            return self.leave(Some(position), value, span);
        }
        if self.returns == Returns::Nowhere {
            self.push(
                Diagnostic::new(codes::BAD_JUMP, span, "`return` cannot leave a lambda")
                    .help("let the lambda end with the value"),
            );
        }
        let result = self.result.clone();
        let value = match value {
            Some(value) => self.exp_as(value, &result, &role::RETURNED),
            None => {
                let unit = Exp::unit(span);
                self.coerce(unit, &result, &role::RETURNED)
            }
        };
        Exp::new(ExpKind::Return(Box::new(value)), Ty::Never, span)
    }
}
