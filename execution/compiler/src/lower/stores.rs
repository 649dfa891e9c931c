//! Assignments, `let` and compound assignments: the value first, then the place.

use crate::diagnostics::Span;
use crate::parse::ast::BinaryOp;
use crate::typing::{Exp, ExpKind, LValue, Ty, Usage};

use super::exp::{Dest, Lower, branches, is_literal};
use super::ir::{Op, Slot};

impl<'a> Lower<'a> {
    pub(super) fn assign(&mut self, target: &'a LValue, value: &'a Exp) {
        match target {
            LValue::Local(local, _) => {
                let slot = self.slot(*local);
                self.exp(value, &Dest::Store(vec![slot]));
            }
            LValue::Wild(..) => self.exp(value, &Dest::Drop),
            LValue::Ref(place) => {
                self.operands(&[value, place]);
                self.emit(Op::WriteRef, target.span());
            }
            LValue::Tuple(parts, _) if parts.iter().all(|part| matches!(part, LValue::Local(..))) => {
                let slots: Vec<Slot> =
                    parts.iter().filter_map(Self::is_bare_local).map(|local| self.slot(local)).collect();
                self.exp(value, &Dest::Store(slots));
            }
            _ => {
                self.value(value);
                self.store(target);
            }
        }
    }

    /// Takes what lies on the stack apart.
    pub(super) fn store(&mut self, target: &'a LValue) {
        let span = target.span();
        match target {
            LValue::Wild(ty, _) => {
                let ty = self.ty(ty);
                self.settle(&ty, &Dest::Drop, span);
            }
            LValue::Local(local, _) => {
                let slot = self.slot(*local);
                self.emit(Op::Store(slot), span);
            }
            LValue::Ref(place) => {
                if branches(self.globals, place) {
                    let ty = match self.ty(&place.ty) {
                        Ty::Ref(_, inner) => (*inner).clone(),
                        other => other,
                    };
                    let slot = self.temporary(ty, span);
                    self.emit(Op::Store(slot), span);
                    let parked = self.park(place);
                    self.load_all(vec![slot], span);
                    self.load_all(parked.into_iter().collect(), span);
                } else {
                    self.value(place);
                }
                self.emit(Op::WriteRef, span);
            }
            LValue::Tuple(parts, _) => parts.iter().rev().for_each(|part| self.store(part)),
            LValue::Unpack(data, variant, args, parts, _) => {
                let args = self.types(args);
                self.emit(Op::Unpack(*data, *variant, args), span);
                if parts.len() < self.globals.datatype(*data).packed_values(*variant) {
                    self.emit(Op::Pop, span);
                }
                parts.iter().rev().for_each(|part| self.store(part));
            }
            LValue::UnpackRef(mutable, of, parts, _) => {
                let args = self.types(&of.args);
                if parts.iter().all(Option::is_none) {
                    self.emit(Op::Pop, span);
                    return;
                }
                let ty = Ty::reference(*mutable, Ty::Data(of.data, args.clone().into()));
                let slot = self.temporary(ty, span);
                self.emit(Op::Store(slot), span);
                for (field, part) in parts.iter().enumerate() {
                    if let Some(part) = part {
                        self.emit(Op::Load(slot, Usage::Infer), part.span());
                        self.emit(Op::BorrowField(*mutable, of.data, args.clone(), field), part.span());
                        self.store(part);
                    }
                }
                self.release(slot);
            }
        }
    }

    pub(super) fn update(&mut self, op: BinaryOp, target: &'a LValue, value: &'a Exp, span: Span) {
        match target {
            LValue::Local(local, _) => {
                let slot = self.slot(*local);
                if is_pure(value) {
                    self.emit(Op::Load(slot, Usage::Infer), span);
                    self.value(value);
                } else {
                    let parked = self.park(value);
                    self.emit(Op::Load(slot, Usage::Infer), span);
                    self.load_all(parked.into_iter().collect(), span);
                }
                self.emit(Op::Binary(op), span);
                self.emit(Op::Store(slot), span);
            }
            LValue::Ref(place) => {
                let parked = self.park(value);
                let reference = self.temporary(self.ty(&place.ty), span);
                self.exp(place, &Dest::Store(vec![reference]));
                self.emit(Op::Load(reference, Usage::Copy), span);
                self.emit(Op::ReadRef, span);
                match parked {
                    Some(slot) => self.load_all(vec![slot], span),
                    None => self.value(value),
                }
                self.emit(Op::Binary(op), span);
                self.load_all(vec![reference], span);
                self.emit(Op::WriteRef, span);
            }
            _ => self.exp(value, &Dest::Drop),
        }
    }
}

/// Whether evaluating the expression changes nothing and reads nothing through references, so that it commutes with
/// reading a local.
fn is_pure(exp: &Exp) -> bool {
    match &exp.kind {
        ExpKind::Local(..) => !exp.ty.is_ref(),
        ExpKind::Binary(op, left, right) => {
            !matches!(op, BinaryOp::And | BinaryOp::Or) && is_pure(left) && is_pure(right)
        }
        ExpKind::Cast(inner) | ExpKind::Not(inner) => is_pure(inner),
        ExpKind::Deref(inner) => is_own_place(inner),
        _ => is_literal(exp),
    }
}

/// A field of a local, borrowed.
fn is_own_place(exp: &Exp) -> bool {
    match &exp.kind {
        ExpKind::BorrowLocal(..) => true,
        ExpKind::BorrowField(_, base, field) => field.shared.is_empty() && is_own_place(base),
        _ => false,
    }
}
