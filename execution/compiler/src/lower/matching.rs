//! `match` and `is`.
//!
//! Arms are tried in order. An arm's tests read the value through `&` references; only when they and the guard hold is
//! the value taken apart for the bindings, so a guard that fails leaves it whole.

use noema_types::U256;

use crate::diagnostics::Span;
use crate::name::DataKind;
use crate::parse::ast::BinaryOp;
use crate::typing::{CODELESS_ABORT, DataId, Exp, FieldRef, Int, LocalId, Match, Pat, Ty, Usage};

use super::exp::{Dest, Lower};
use super::ir::{Label, Op, Slot};

impl<'a> Lower<'a> {
    pub(super) fn match_arms(&mut self, data: &'a Match, ty: &Ty, dest: &Dest, span: Span) {
        let subject_ty = self.ty(&data.scrutinee.ty);
        let subject = self.temporary(subject_ty, span);
        self.exp(&data.scrutinee, &Dest::Store(vec![subject]));
        let (dest, slots) = self.off_stack(ty, dest, span);
        let end = self.label();
        for arm in &data.arms {
            let (body, next) = (self.label(), self.label());
            let mut alternatives = Vec::new();
            expand(&arm.pattern, &mut alternatives);
            for pattern in &alternatives {
                let fails = self.label();
                let mark = self.kept.len();
                self.try_pattern(data, arm, pattern, subject, fails, arm.span);
                for slot in self.kept.split_off(mark) {
                    self.release(slot);
                }
                self.emit(Op::Branch(body), arm.span);
                self.bind(fails, arm.span);
            }
            self.emit(Op::Branch(next), arm.span);
            self.bind(body, arm.span);
            self.exp(&arm.body, &dest);
            self.emit(Op::Branch(end), arm.span);
            self.bind(next, arm.span);
        }
        // The checker saw that some arm matches.
        self.emit(Op::LdInt(Int::U64, U256::from(CODELESS_ABORT)), span);
        self.emit(Op::Abort, span);
        self.release(subject);
        self.bind(end, span);
        self.load_all(slots, span);
    }

    /// A temporary for the alternative that is tried.
    fn keep(&mut self, ty: Ty, span: Span) -> Slot {
        let slot = self.temporary(ty, span);
        self.kept.push(slot);
        slot
    }

    /// Tests one alternative and its guard, then binds; jumps to `fails` with the value still whole.
    fn try_pattern(
        &mut self,
        data: &'a Match,
        arm: &'a crate::typing::Arm,
        pattern: &Flat<'a>,
        subject: Slot,
        fails: Label,
        span: Span,
    ) {
        let subject_ty = self.ty(&data.subject);
        let view = self.keep(Ty::reference(false, subject_ty.clone()), span);
        if pattern.has_tests() || arm.guard.is_some() {
            match data.by_ref {
                None => self.emit(Op::BorrowLocal(false, subject), span),
                Some(mutable) => {
                    self.emit(Op::Load(subject, Usage::Copy), span);
                    if mutable {
                        self.emit(Op::Freeze, span);
                    }
                }
            }
            self.emit(Op::Store(view), span);
            self.test(pattern, view, fails);
            if let Some(guard) = &arm.guard {
                self.bind_views(pattern, view, &arm.guard_views);
                let holds = self.label();
                self.condition(guard, holds, fails, true);
                self.bind(holds, span);
            }
        }
        match data.by_ref {
            Some(mutable) => self.bind_references(pattern, subject, mutable),
            None if pattern.binds() || !self.can_drop(&subject_ty) => {
                self.emit(Op::Load(subject, Usage::Infer), span);
                self.take_apart(pattern, span);
            }
            None => {}
        }
    }

    fn can_drop(&self, ty: &Ty) -> bool {
        let function = self.globals.function(self.frames[0].function);
        ty.abilities(self.globals, &function.constraints()).has(noema_bytecode::Ability::Drop)
    }

    /// Types of the fields of a struct or variant.
    fn field_types(&self, data: DataId, variant: Option<usize>, args: &[Ty]) -> Vec<Ty> {
        self.globals.datatype(data).fields_of(variant).iter().map(|field| field.ty.subst(args)).collect()
    }

    /// Jumps to `fails` unless what `reference` points to matches.
    fn test(&mut self, pattern: &Flat<'a>, reference: Slot, fails: Label) {
        match pattern {
            Flat::Any | Flat::Bind(_, None, _) => {}
            Flat::Bind(_, Some(inner), _) => self.test(inner, reference, fails),
            Flat::Value(value, value_ty, span) => {
                self.emit(Op::Load(reference, Usage::Copy), *span);
                self.emit(Op::ReadRef, *span);
                self.literal(value, value_ty, *span);
                self.emit(Op::Binary(BinaryOp::Eq), *span);
                self.emit(Op::BrFalse(fails), *span);
            }
            Flat::Data(data, variant, args, parts, span) => {
                let args = self.types(args);
                if let Some(variant) = variant {
                    let matches = self.label();
                    let labels = self.switch_labels(*data, &[*variant], matches, fails);
                    self.emit(Op::Load(reference, Usage::Copy), *span);
                    self.emit(Op::Switch(*data, labels), *span);
                    self.bind(matches, *span);
                }
                let types = self.field_types(*data, *variant, &args);
                let wanted: Vec<bool> = parts.iter().map(Flat::has_tests).collect();
                let fields = self.field_references(*data, *variant, &args, &types, reference, false, &wanted, *span);
                for (part, field) in parts.iter().zip(fields) {
                    if let Some(field) = field {
                        self.test(part, field, fails);
                    }
                }
            }
        }
    }

    fn switch_labels(&self, data: DataId, variants: &[usize], matches: Label, fails: Label) -> Vec<Label> {
        let count = match &self.globals.datatype(data).kind {
            DataKind::Enum(variants) => variants.len(),
            DataKind::Struct(_) | DataKind::Native => 0,
        };
        (0..count).map(|position| if variants.contains(&position) { matches } else { fails }).collect()
    }

    /// References to the wanted fields of what `reference` points to, each in a slot.
    #[allow(clippy::too_many_arguments, reason = "one struct or variant in all its parts")]
    fn field_references(
        &mut self,
        data: DataId,
        variant: Option<usize>,
        args: &[Ty],
        types: &[Ty],
        reference: Slot,
        mutable: bool,
        wanted: &[bool],
        span: Span,
    ) -> Vec<Option<Slot>> {
        if !wanted.contains(&true) {
            return vec![None; types.len()];
        }
        let slots: Vec<Option<Slot>> = types
            .iter()
            .zip(wanted)
            .map(|(ty, wanted)| wanted.then(|| self.keep(Ty::reference(mutable, ty.clone()), span)))
            .collect();
        if let Some(variant) = variant {
            self.emit(Op::Load(reference, Usage::Infer), span);
            self.emit(Op::UnpackRef(mutable, data, variant, args.to_vec()), span);
            for slot in slots.iter().rev() {
                let op = slot.map_or(Op::Pop, Op::Store);
                self.emit(op, span);
            }
        } else {
            for (field, slot) in slots.iter().enumerate() {
                if let Some(slot) = slot {
                    self.emit(Op::Load(reference, Usage::Infer), span);
                    self.emit(Op::BorrowField(mutable, data, args.to_vec(), field), span);
                    self.emit(Op::Store(*slot), span);
                }
            }
        }
        slots
    }

    /// Points the guard's views of the bindings at what they will be bound to.
    fn bind_views(&mut self, pattern: &Flat<'a>, reference: Slot, views: &[(LocalId, LocalId)]) {
        match pattern {
            Flat::Any | Flat::Value(..) => {}
            Flat::Bind(local, inner, span) => {
                if let Some((_, view)) = views.iter().find(|(bound, _)| bound == local) {
                    let view = self.slot(*view);
                    self.emit(Op::Load(reference, Usage::Infer), *span);
                    self.emit(Op::Store(view), *span);
                }
                if let Some(inner) = inner {
                    self.bind_views(inner, reference, views);
                }
            }
            Flat::Data(data, variant, args, parts, span) => {
                let args = self.types(args);
                let types = self.field_types(*data, *variant, &args);
                let wanted: Vec<bool> = parts.iter().map(Flat::binds).collect();
                let fields = self.field_references(*data, *variant, &args, &types, reference, false, &wanted, *span);
                for (part, field) in parts.iter().zip(fields) {
                    if let Some(field) = field {
                        self.bind_views(part, field, views);
                    }
                }
            }
        }
    }

    /// Binds references to parts of what `reference` points to.
    fn bind_references(&mut self, pattern: &Flat<'a>, reference: Slot, mutable: bool) {
        match pattern {
            Flat::Any | Flat::Value(..) => {}
            Flat::Bind(local, inner, span) => {
                if let Some(inner) = inner {
                    self.bind_references(inner, reference, mutable);
                }
                let slot = self.slot(*local);
                self.emit(Op::Load(reference, Usage::Infer), *span);
                self.emit(Op::Store(slot), *span);
            }
            Flat::Data(data, variant, args, parts, span) => {
                let args = self.types(args);
                let types = self.field_types(*data, *variant, &args);
                let wanted: Vec<bool> = parts.iter().map(Flat::binds).collect();
                let fields = self.field_references(*data, *variant, &args, &types, reference, mutable, &wanted, *span);
                for (part, field) in parts.iter().zip(fields) {
                    if let Some(field) = field {
                        self.bind_references(part, field, mutable);
                    }
                }
            }
        }
    }

    /// Takes the value on the stack apart.
    fn take_apart(&mut self, pattern: &Flat<'a>, around: Span) {
        match pattern {
            Flat::Any => self.emit(Op::Pop, around),
            Flat::Value(_, _, span) => self.emit(Op::Pop, *span),
            Flat::Bind(local, _, span) => {
                let slot = self.slot(*local);
                self.emit(Op::Store(slot), *span);
            }
            Flat::Data(data, variant, args, parts, span) => {
                let args = self.types(args);
                self.emit(Op::Unpack(*data, *variant, args), *span);
                if parts.len() < self.globals.datatype(*data).packed_values(*variant) {
                    self.emit(Op::Pop, *span);
                }
                parts.iter().rev().for_each(|part| self.take_apart(part, *span));
            }
        }
    }

    /// A reference to a field that every variant has, each at its own position.
    pub(super) fn shared_field(&mut self, mutable: bool, base: &'a Exp, field: &FieldRef, span: Span) {
        let args = self.types(&field.args);
        let of_variant = |variant: usize| self.field_types(field.data, Some(variant), &args);
        let all: Vec<Vec<Ty>> = (0..field.shared.len()).map(of_variant).collect();
        let base_ty = self.ty(&base.ty);
        let is_frozen = !matches!(base_ty, Ty::Ref(true, _));
        let whole = self.temporary(base_ty, span);
        self.exp(base, &Dest::Store(vec![whole]));
        let result = self.temporary(Ty::reference(mutable, all[0][field.shared[0]].clone()), span);
        let end = self.label();
        let labels: Vec<Label> = all.iter().map(|_| self.label()).collect();
        self.emit(Op::Load(whole, Usage::Copy), span);
        if !is_frozen {
            self.emit(Op::Freeze, span);
        }
        self.emit(Op::Switch(field.data, labels.clone()), span);
        for (variant, (label, types)) in labels.into_iter().zip(&all).enumerate() {
            self.bind(label, span);
            self.emit(Op::Load(whole, Usage::Infer), span);
            if !is_frozen && !mutable {
                self.emit(Op::Freeze, span);
            }
            self.emit(Op::UnpackRef(mutable, field.data, variant, args.clone()), span);
            for position in (0..types.len()).rev() {
                let op = if position == field.shared[variant] { Op::Store(result) } else { Op::Pop };
                self.emit(op, span);
            }
            self.emit(Op::Branch(end), span);
        }
        self.bind(end, span);
        self.release(whole);
        self.load_all(vec![result], span);
    }

    /// `e is V | W`; the operand is a `&` reference.
    pub(super) fn is_variant(&mut self, inner: &'a Exp, data: DataId, variants: &[usize], dest: &Dest, span: Span) {
        let (dest, slots) = self.off_stack(&Ty::Bool, dest, span);
        let (matches, fails, end) = (self.label(), self.label(), self.label());
        self.value(inner);
        let labels = self.switch_labels(data, variants, matches, fails);
        self.emit(Op::Switch(data, labels), span);
        for (label, value) in [(matches, true), (fails, false)] {
            self.bind(label, span);
            self.emit(Op::LdBool(value), span);
            self.settle(&Ty::Bool, &dest, span);
            self.emit(Op::Branch(end), span);
        }
        self.bind(end, span);
        self.load_all(slots, span);
    }
}

/// A pattern without alternatives.
#[derive(Clone, Debug)]
enum Flat<'a> {
    Any,
    Bind(LocalId, Option<Box<Flat<'a>>>, Span),
    Value(&'a crate::typing::Value, &'a Ty, Span),
    Data(DataId, Option<usize>, &'a [Ty], Vec<Flat<'a>>, Span),
}

impl Flat<'_> {
    fn has_tests(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Bind(_, inner, _) => inner.as_ref().is_some_and(|inner| inner.has_tests()),
            Self::Value(..) => true,
            Self::Data(_, variant, _, parts, _) => variant.is_some() || parts.iter().any(Self::has_tests),
        }
    }

    fn binds(&self) -> bool {
        match self {
            Self::Any | Self::Value(..) => false,
            Self::Bind(..) => true,
            Self::Data(_, _, _, parts, _) => parts.iter().any(Self::binds),
        }
    }
}

/// All alternatives of a pattern, in order.
fn expand<'a>(pattern: &'a Pat, out: &mut Vec<Flat<'a>>) {
    match pattern {
        Pat::Wild(..) => out.push(Flat::Any),
        Pat::Bind(local, None, span) => out.push(Flat::Bind(*local, None, *span)),
        Pat::Bind(local, Some(inner), span) => {
            let mut alternatives = Vec::new();
            expand(inner, &mut alternatives);
            out.extend(alternatives.into_iter().map(|inner| Flat::Bind(*local, Some(Box::new(inner)), *span)));
        }
        Pat::Value(value, ty, span) => out.push(Flat::Value(value, ty, *span)),
        Pat::Or(parts, _) => parts.iter().for_each(|part| expand(part, out)),
        Pat::Data(data, variant, args, parts, span) => {
            let mut rows: Vec<Vec<Flat<'a>>> = vec![Vec::new()];
            for part in parts {
                let mut alternatives = Vec::new();
                expand(part, &mut alternatives);
                rows = rows
                    .iter()
                    .flat_map(|row| {
                        alternatives.iter().map(move |alternative| {
                            let mut row = row.clone();
                            row.push(alternative.clone());
                            row
                        })
                    })
                    .collect();
            }
            out.extend(rows.into_iter().map(|row| Flat::Data(*data, *variant, args, row, *span)));
        }
    }
}
