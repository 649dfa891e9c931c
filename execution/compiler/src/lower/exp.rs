//! Expressions.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Diagnostics, Span, codes};
use crate::name::{FunKind, Globals};
use crate::parse::ast::BinaryOp;
use crate::typing::{
    Bodies, Body, ConstId, Exp, ExpKind, FunId, JumpId, LValue, Lambda, LocalId, Stmt, Ty, Usage, Value, fold,
};

use super::ir::{Code, Ins, Label, Op, Slot, SlotInfo, VecOp};

/// What becomes of an expression's value.
#[derive(Clone, Debug)]
pub(super) enum Dest {
    /// Left on the stack.
    Stack,
    /// Dropped.
    Drop,
    /// Stored, one slot for each part.
    Store(Vec<Slot>),
    /// Returned from the emitted function.
    Return,
}

/// Where jumps to a loop or block go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) end: Label,
    pub(super) head: Option<Label>,
    pub(super) dest: Dest,
}

/// A lambda and the frame it was written in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closure<'a> {
    pub(super) lambda: &'a Lambda,
    pub(super) frame: usize,
}

/// One function that is being lowered: the emitted one, or an inline function expanded into it.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) function: FunId,
    /// The frame whose code contains the call.
    pub(super) parent: Option<usize>,
    pub(super) body: &'a Body,
    /// Types for the function's type parameters.
    pub(super) args: Vec<Ty>,
    pub(super) slots: BTreeMap<LocalId, Slot>,
    pub(super) closures: BTreeMap<LocalId, Closure<'a>>,
    pub(super) targets: BTreeMap<JumpId, Target>,
    /// Where `return` goes.
    pub(super) result: Target,
}

pub(super) struct Lower<'a> {
    pub(super) globals: &'a Globals,
    pub(super) bodies: &'a Bodies,
    pub(super) diagnostics: &'a mut Diagnostics,
    pub(super) frames: Vec<Frame<'a>>,
    /// The frame whose locals and types are in force.
    pub(super) frame: usize,
    pub(super) slots: Vec<SlotInfo>,
    free: Vec<Slot>,
    /// Temporaries of the match arm that is tried.
    pub(super) kept: Vec<Slot>,
    ops: Vec<Ins>,
    /// Whether control can reach the end of `ops`.
    pub(super) reachable: bool,
    /// For each label whether anything jumps to it.
    labels: Vec<bool>,
}

/// Lowers one function.
pub(super) fn lower_function<'a>(
    globals: &'a Globals,
    bodies: &'a Bodies,
    diagnostics: &'a mut Diagnostics,
    id: FunId,
    body: &'a Body,
) -> Code {
    let end = Target { end: Label(0), head: None, dest: Dest::Return };
    let frame = Frame {
        function: id,
        parent: None,
        body,
        args: Vec::new(),
        slots: BTreeMap::new(),
        closures: BTreeMap::new(),
        targets: BTreeMap::new(),
        result: end,
    };
    let mut lower = Lower {
        globals,
        bodies,
        diagnostics,
        frames: vec![frame],
        frame: 0,
        slots: Vec::new(),
        free: Vec::new(),
        kept: Vec::new(),
        ops: Vec::new(),
        reachable: true,
        labels: vec![false],
    };
    for position in 0..body.params {
        lower.slot(LocalId(u32::try_from(position).expect("parameters are few")));
    }
    lower.exp(&body.exp, &Dest::Return);
    Code { params: body.params, slots: lower.slots, ops: lower.ops }
}

impl<'a> Lower<'a> {
    // -----------------------------------------------------------------------------------------------------------
    // Emitting

    pub(super) fn emit(&mut self, op: Op, span: Span) {
        if !self.reachable {
            return;
        }
        if let Some(label) = op.target() {
            self.labels[label.0] = true;
        }
        if let Op::Switch(_, targets) = &op {
            for label in targets {
                self.labels[label.0] = true;
            }
        }
        self.reachable = !op.diverges();
        self.ops.push(Ins { op, span });
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(false);
        Label(self.labels.len() - 1)
    }

    /// The label is here. Code behind it is reachable only through what came before or a jump already emitted.
    pub(super) fn bind(&mut self, label: Label, span: Span) {
        if self.labels[label.0] {
            self.reachable = true;
        }
        if self.reachable {
            self.ops.push(Ins { op: Op::Label(label), span });
        }
    }

    /// The slot of a local of the frame in force.
    pub(super) fn slot(&mut self, local: LocalId) -> Slot {
        if let Some(slot) = self.frames[self.frame].slots.get(&local) {
            return *slot;
        }
        let frame = &self.frames[self.frame];
        let info = &frame.body.locals[local.0 as usize];
        let slot = self.slots.len();
        self.slots.push(SlotInfo {
            name: info.name.clone(),
            ty: info.ty.subst(&frame.args),
            span: info.span,
            is_user: self.frame == 0 && info.is_used,
        });
        self.frames[self.frame].slots.insert(local, slot);
        slot
    }

    /// A temporary, which [`Self::release`] gives back.
    pub(super) fn temporary(&mut self, ty: Ty, span: Span) -> Slot {
        if let Some(position) = self.free.iter().position(|slot| self.slots[*slot].ty == ty) {
            return self.free.swap_remove(position);
        }
        self.slots.push(SlotInfo { name: "".into(), ty, span, is_user: false });
        self.slots.len() - 1
    }

    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// A type of the frame in force, over the emitted function's own type parameters.
    pub(super) fn ty(&self, ty: &Ty) -> Ty {
        ty.subst(&self.frames[self.frame].args)
    }

    pub(super) fn types(&self, types: &[Ty]) -> Vec<Ty> {
        types.iter().map(|ty| self.ty(ty)).collect()
    }

    // -----------------------------------------------------------------------------------------------------------
    // Destinations

    /// Brings what lies on the stack to its destination.
    pub(super) fn settle(&mut self, ty: &Ty, dest: &Dest, span: Span) {
        match dest {
            Dest::Stack => {}
            Dest::Drop => {
                for _ in 0..width(ty) {
                    self.emit(Op::Pop, span);
                }
            }
            Dest::Store(slots) => {
                for slot in slots.iter().rev() {
                    self.emit(Op::Store(*slot), span);
                }
            }
            Dest::Return => self.emit(Op::Ret, span),
        }
    }

    /// For constructs with several exits: a destination that does not use the stack, and the temporaries to load
    /// afterwards.
    pub(super) fn off_stack(&mut self, ty: &Ty, dest: &Dest, span: Span) -> (Dest, Vec<Slot>) {
        if !matches!(dest, Dest::Stack) {
            return (dest.clone(), Vec::new());
        }
        let ty = self.ty(ty);
        let parts: Vec<Ty> = match ty {
            Ty::Tuple(parts) => parts.to_vec(),
            Ty::Never | Ty::Error => Vec::new(),
            other => vec![other],
        };
        let slots: Vec<Slot> = parts.into_iter().map(|part| self.temporary(part, span)).collect();
        (Dest::Store(slots.clone()), slots)
    }

    pub(super) fn load_all(&mut self, slots: Vec<Slot>, span: Span) {
        for slot in slots {
            self.emit(Op::Load(slot, Usage::Move), span);
            self.release(slot);
        }
    }

    pub(super) fn value(&mut self, exp: &'a Exp) {
        self.exp(exp, &Dest::Stack);
    }

    /// Pushes operands in order. Those before one with control flow wait in temporaries.
    pub(super) fn operands(&mut self, parts: &[&'a Exp]) {
        let split = parts.iter().rposition(|part| branches(self.globals, part)).unwrap_or(0);
        if split == 0 {
            parts.iter().for_each(|part| self.value(part));
            return;
        }
        let waiting: Vec<Option<Slot>> = parts[..=split].iter().map(|part| self.park(part)).collect();
        for (part, slot) in parts.iter().zip(waiting) {
            match slot {
                Some(slot) => self.load_all(vec![slot], part.span),
                None => self.value(part),
            }
        }
        parts[split + 1..].iter().for_each(|part| self.value(part));
    }

    /// Evaluates an operand into a temporary; literals need none.
    pub(super) fn park(&mut self, part: &'a Exp) -> Option<Slot> {
        if is_literal(part) || self.folded(part).is_some() {
            return None;
        }
        let slot = self.temporary(self.ty(&part.ty), part.span);
        self.exp(part, &Dest::Store(vec![slot]));
        Some(slot)
    }

    // -----------------------------------------------------------------------------------------------------------
    // The tree

    pub(super) fn exp(&mut self, exp: &'a Exp, dest: &Dest) {
        let span = exp.span;
        match &exp.kind {
            ExpKind::Block(label, statements, result) => {
                self.block(*label, statements, result.as_deref(), &exp.ty, dest, span);
            }
            ExpKind::If(condition, then, otherwise) => {
                self.if_else(condition, then, otherwise.as_deref(), &exp.ty, dest, span);
            }
            ExpKind::Binary(BinaryOp::And | BinaryOp::Or, ..) if self.folded(exp).is_none() => self.logical(exp, dest),
            ExpKind::While(id, condition, body) => self.while_loop(*id, condition, body, dest, span),
            ExpKind::Loop(id, body) => self.endless_loop(*id, body, &exp.ty, dest, span),
            ExpKind::For(id, data) => self.for_loop(*id, data, dest, span),
            ExpKind::Match(data) => self.match_arms(data, &exp.ty, dest, span),
            ExpKind::Is(inner, data, variants) => self.is_variant(inner, *data, variants, dest, span),
            ExpKind::Break(id, value) => self.break_out(*id, value.as_deref(), span),
            ExpKind::Continue(id) => {
                let head = self.frames[self.frame].targets.get(id).and_then(|target| target.head);
                let head = head.expect("the checker lets continue name loops only");
                self.emit(Op::Branch(head), span);
            }
            ExpKind::Return(value) => self.return_value(value, span),
            ExpKind::Assert(condition, code) => {
                let (holds, fails) = (self.label(), self.label());
                self.condition(condition, holds, fails, false);
                self.bind(fails, span);
                self.value(code);
                self.emit(Op::Abort, span);
                self.bind(holds, span);
                self.settle(&exp.ty, dest, span);
            }
            ExpKind::Call(function, args, parts) if self.globals.function(*function).kind == FunKind::Inline => {
                self.expand_call(*function, args, parts, &exp.ty, dest, span);
            }
            ExpKind::CallLocal(local, parts) => self.expand_lambda(*local, parts, &exp.ty, dest, span),
            ExpKind::Assign(target, value) => {
                self.assign(target, value);
                self.settle(&exp.ty, dest, span);
            }
            ExpKind::Update(op, target, value) => {
                self.update(*op, target, value, span);
                self.settle(&exp.ty, dest, span);
            }
            _ => {
                self.push(exp);
                self.settle(&exp.ty, dest, span);
            }
        }
    }

    /// Expressions that leave their value on the stack by themselves.
    fn push(&mut self, exp: &'a Exp) {
        let span = exp.span;
        if let Some(value) = self.folded(exp) {
            self.literal(&value, &exp.ty, span);
            return;
        }
        match &exp.kind {
            ExpKind::Value(value) => self.literal(value, &exp.ty, span),
            ExpKind::Const(ConstId(id)) => {
                let info = &self.globals.constants[*id as usize];
                if let Some(value) = &info.value {
                    self.literal(value, &info.ty, span);
                }
            }
            ExpKind::ErrorCode(id) => self.emit(Op::LdErrorCode(*id), span),
            ExpKind::Local(local, usage) => {
                let slot = self.slot(*local);
                self.emit(Op::Load(slot, *usage), span);
            }
            ExpKind::Call(function, args, parts) => self.call(*function, args, parts, span),
            ExpKind::Builtin(builtin, ty, parts) => {
                self.operands(&parts.iter().collect::<Vec<_>>());
                match self.ty(ty) {
                    Ty::Data(data, args) => self.emit(Op::Global(*builtin, data, args.to_vec()), span),
                    other => {
                        let shown = other.display(self.globals, &[]);
                        self.diagnostics.push(
                            Diagnostic::new(
                                codes::BAD_STORAGE_ACCESS,
                                span,
                                format!("expanded here, global storage is reached for `{shown}`, which is no struct"),
                            )
                            .note(
                                "a type parameter of an inline function must stand for a struct of the caller's module",
                            ),
                        );
                    }
                }
            }
            ExpKind::Vector(element, parts) => {
                self.operands(&parts.iter().collect::<Vec<_>>());
                let element = self.ty(element);
                self.emit(Op::Vector(VecOp::Pack(parts.len() as u64), element), span);
            }
            ExpKind::Pack(data, variant, args, fields) => {
                self.fields(fields);
                if fields.len() < self.globals.datatype(*data).packed_values(*variant) {
                    self.emit(Op::LdBool(false), span);
                }
                let args = self.types(args);
                self.emit(Op::Pack(*data, *variant, args), span);
            }
            ExpKind::Tuple(parts) => self.operands(&parts.iter().collect::<Vec<_>>()),
            ExpKind::Abort(code) => {
                self.value(code);
                self.emit(Op::Abort, span);
            }
            ExpKind::BorrowLocal(mutable, local) => {
                let slot = self.slot(*local);
                self.emit(Op::BorrowLocal(*mutable, slot), span);
            }
            ExpKind::BorrowField(mutable, base, field) if !field.shared.is_empty() => {
                self.shared_field(*mutable, base, field, span);
            }
            ExpKind::BorrowField(mutable, base, field) => {
                self.value(base);
                let args = self.types(&field.args);
                self.emit(Op::BorrowField(*mutable, field.data, args, field.field), span);
            }
            ExpKind::BorrowElement(mutable, element, base, index) => {
                self.operands(&[base, index]);
                let element = self.ty(element);
                self.emit(Op::Vector(VecOp::Borrow(*mutable), element), span);
            }
            ExpKind::BorrowTemp(mutable, value) => {
                // The slot stays taken: the reference may live to the end of the function.
                let slot = self.slots.len();
                let ty = self.ty(&value.ty);
                self.slots.push(SlotInfo { name: "".into(), ty, span, is_user: false });
                self.exp(value, &Dest::Store(vec![slot]));
                self.emit(Op::BorrowLocal(*mutable, slot), span);
            }
            ExpKind::Deref(inner) => {
                self.value(inner);
                self.emit(Op::ReadRef, span);
            }
            ExpKind::Freeze(inner) => {
                self.value(inner);
                self.emit(Op::Freeze, span);
            }
            ExpKind::Not(inner) => {
                self.value(inner);
                self.emit(Op::Not, span);
            }
            ExpKind::Binary(op, left, right) => {
                self.operands(&[left, right]);
                self.emit(Op::Binary(*op), span);
            }
            ExpKind::Cast(inner) => {
                self.value(inner);
                if let Ty::Int(int) = self.ty(&exp.ty) {
                    self.emit(Op::Cast(int), span);
                }
            }
            _ => {}
        }
    }

    /// The value of an operation on literals and constants, unless it would fail.
    pub(super) fn folded(&self, exp: &Exp) -> Option<Value> {
        let is_operation = matches!(exp.kind, ExpKind::Binary(..) | ExpKind::Cast(_) | ExpKind::Not(_));
        if is_operation { fold(self.globals, exp, &|ty| self.ty(ty)) } else { None }
    }

    pub(super) fn literal(&mut self, value: &Value, ty: &Ty, span: Span) {
        let ty = self.ty(ty);
        let op = match (value, &ty) {
            (Value::Bool(value), _) => Op::LdBool(*value),
            (Value::Number(number), Ty::Int(int)) => Op::LdInt(*int, *number),
            (Value::Vector(values), Ty::Vector(element)) if values.is_empty() => {
                Op::Vector(VecOp::Pack(0), (**element).clone())
            }
            _ => Op::LdConst(ty.clone(), constant_bytes(value, &ty)),
        };
        self.emit(op, span);
    }

    fn call(&mut self, function: FunId, args: &[Ty], parts: &'a [Exp], span: Span) {
        let vector_op = vector_instruction(self.globals, function);
        self.operands(&parts.iter().collect::<Vec<_>>());
        let mut args = self.types(args);
        match vector_op {
            Some(op) => {
                let element = args.pop().expect("the functions of vector have one type parameter");
                self.emit(Op::Vector(op, element), span);
            }
            None => self.emit(Op::Call(function, args), span),
        }
    }

    /// Fields are evaluated in the order written and lie on the stack in the order declared.
    fn fields(&mut self, fields: &'a [(usize, Exp)]) {
        if fields.is_sorted_by_key(|(position, _)| *position) {
            self.operands(&fields.iter().map(|(_, field)| field).collect::<Vec<_>>());
            return;
        }
        let mut parked: Vec<(usize, Option<Slot>, &'a Exp)> =
            fields.iter().map(|(position, field)| (*position, self.park(field), field)).collect();
        parked.sort_by_key(|(position, ..)| *position);
        for (_, slot, field) in parked {
            match slot {
                Some(slot) => self.load_all(vec![slot], field.span),
                None => self.value(field),
            }
        }
    }

    pub(super) fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Exp(exp) => self.exp(exp, &Dest::Drop),
            Stmt::Let(target, value) => self.assign(target, value),
        }
    }

    pub(super) fn is_bare_local(target: &LValue) -> Option<LocalId> {
        match target {
            LValue::Local(local, _) => Some(*local),
            _ => None,
        }
    }
}

/// How many values of the stack a type takes.
pub(super) fn width(ty: &Ty) -> usize {
    match ty {
        Ty::Tuple(parts) => parts.len(),
        Ty::Never | Ty::Error => 0,
        _ => 1,
    }
}

/// Literals can be evaluated late: nothing changes them.
pub(super) fn is_literal(exp: &Exp) -> bool {
    matches!(exp.kind, ExpKind::Value(_) | ExpKind::Const(_))
}

/// Whether evaluating the expression may jump, so that the stack must be empty.
pub(super) fn branches(globals: &Globals, exp: &Exp) -> bool {
    let all = |parts: &[Exp]| parts.iter().any(|part| branches(globals, part));
    match &exp.kind {
        ExpKind::Value(_)
        | ExpKind::Const(_)
        | ExpKind::ErrorCode(_)
        | ExpKind::Local(..)
        | ExpKind::BorrowLocal(..)
        | ExpKind::Lambda(_)
        | ExpKind::Error => false,
        ExpKind::Call(function, _, parts) => globals.function(*function).kind == FunKind::Inline || all(parts),
        ExpKind::Builtin(_, _, parts) | ExpKind::Vector(_, parts) | ExpKind::Tuple(parts) => all(parts),
        ExpKind::Pack(_, _, _, fields) => fields.iter().any(|(_, field)| branches(globals, field)),
        ExpKind::Block(label, statements, result) => {
            label.is_some()
                || statements.iter().any(|statement| match statement {
                    Stmt::Exp(exp) => branches(globals, exp),
                    Stmt::Let(_, value) => branches(globals, value),
                })
                || result.as_ref().is_some_and(|result| branches(globals, result))
        }
        ExpKind::BorrowField(_, inner, field) => !field.shared.is_empty() || branches(globals, inner),
        ExpKind::BorrowTemp(_, inner)
        | ExpKind::Deref(inner)
        | ExpKind::Freeze(inner)
        | ExpKind::Not(inner)
        | ExpKind::Cast(inner) => branches(globals, inner),
        ExpKind::Binary(BinaryOp::And | BinaryOp::Or, ..) => true,
        ExpKind::Binary(_, left, right) | ExpKind::BorrowElement(_, _, left, right) => {
            branches(globals, left) || branches(globals, right)
        }
        ExpKind::Assign(target, value) | ExpKind::Update(_, target, value) => {
            branches(globals, value) || matches!(&**target, LValue::Ref(place) if branches(globals, place))
        }
        ExpKind::CallLocal(..)
        | ExpKind::If(..)
        | ExpKind::While(..)
        | ExpKind::Loop(..)
        | ExpKind::For(..)
        | ExpKind::Match(_)
        | ExpKind::Is(..)
        | ExpKind::Break(..)
        | ExpKind::Continue(_)
        | ExpKind::Return(_)
        | ExpKind::Abort(_)
        | ExpKind::Assert(..) => true,
    }
}

/// The functions of `0x1::vector` that are instructions.
pub(crate) fn vector_instruction(globals: &Globals, function: FunId) -> Option<VecOp> {
    let info = globals.function(function);
    if info.kind != FunKind::Native || Some(info.module) != globals.system_module("vector") {
        return None;
    }
    Some(match info.name.value.as_str() {
        "empty" => VecOp::Pack(0),
        "length" => VecOp::Len,
        "borrow" => VecOp::Borrow(false),
        "borrow_mut" => VecOp::Borrow(true),
        "push_back" => VecOp::PushBack,
        "pop_back" => VecOp::PopBack,
        "destroy_empty" => VecOp::Unpack(0),
        "swap" => VecOp::Swap,
        _ => return None,
    })
}

/// The BCS of a constant.
pub(crate) fn constant_bytes(value: &Value, ty: &Ty) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_constant(value, ty, &mut bytes);
    bytes
}

fn write_constant(value: &Value, ty: &Ty, out: &mut Vec<u8>) {
    match (value, ty) {
        (Value::Bool(value), _) => out.push(u8::from(*value)),
        (Value::Number(number), Ty::Int(int)) => out.extend_from_slice(&number.to_le_bytes::<32>()[..int.bits() / 8]),
        (Value::Number(number), _) => out.extend_from_slice(&number.to_le_bytes::<32>()[..8]),
        (Value::Address(address), _) => out.extend_from_slice(&address.0),
        (Value::Bytes(data), _) => {
            write_length(data.len(), out);
            out.extend_from_slice(data);
        }
        (Value::Vector(values), ty) => {
            write_length(values.len(), out);
            let element = match ty {
                Ty::Vector(element) => &**element,
                _ => &Ty::Error,
            };
            for value in values {
                write_constant(value, element, out);
            }
        }
    }
}

fn write_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(length & 0x7F).expect("seven bits");
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
