//! Instructions.

use std::collections::BTreeMap;

use noema_bytecode::limits::{BYTECODE_COUNT_MAX, LOCALS_MAX};
use noema_bytecode::{Bytecode, CodeOffset, CodeUnit, VariantJumpTable, VariantJumpTableIndex};

use crate::diagnostics::{Diagnostic, Diagnostics, Span, Symbol, codes};
use crate::lower::{Code, Label, Op, VecOp, constant_bytes};
use crate::name::FunInfo;
use crate::parse::ast::BinaryOp;
use crate::typing::{Builtin, ConstId, DataId, Int, Ty, Usage};

use super::source_map::FunctionMap;
use super::tables::Tables;

/// Emits a function's code and its source map.
pub(super) fn emit(
    tables: &mut Tables<'_>,
    function: &FunInfo,
    code: &Code,
    diagnostics: &mut Diagnostics,
) -> (CodeUnit, FunctionMap) {
    let count = code.ops.iter().filter(|ins| !matches!(ins.op, Op::Label(_))).count();
    for (what, count, limit) in [("locals", code.slots.len(), LOCALS_MAX), ("instructions", count, BYTECODE_COUNT_MAX)]
    {
        if count > limit {
            diagnostics.push(
                Diagnostic::new(
                    codes::TOO_LARGE,
                    function.name.span,
                    format!("`{}` needs {count} {what}, the limit is {limit}", function.name.value),
                )
                .help("split the function"),
            );
            return (CodeUnit::default(), map(function, code, Vec::new()));
        }
    }
    let mut offsets: BTreeMap<Label, CodeOffset> = BTreeMap::new();
    let mut offset = 0;
    for ins in &code.ops {
        match ins.op {
            Op::Label(label) => {
                offsets.insert(label, offset);
            }
            _ => offset = offset.saturating_add(1),
        }
    }
    let locals: Vec<Ty> = code.slots[code.params..].iter().map(|slot| slot.ty.clone()).collect();
    let mut unit =
        CodeUnit { locals: tables.signature(&locals), code: Vec::with_capacity(count), jump_tables: Vec::new() };
    let mut spans = Vec::with_capacity(count);
    let at = |label: &Label| offsets.get(label).copied().unwrap_or_default();
    for ins in &code.ops {
        let bytecode = match &ins.op {
            Op::Label(_) => continue,
            Op::Branch(label) => Bytecode::Branch(at(label)),
            Op::BrTrue(label) => Bytecode::BrTrue(at(label)),
            Op::BrFalse(label) => Bytecode::BrFalse(at(label)),
            Op::Switch(data, labels) => {
                let table = VariantJumpTableIndex::new(unit.jump_tables.len());
                let targets = labels.iter().map(at).collect();
                unit.jump_tables.push(VariantJumpTable { head_enum: tables.enum_of(*data), targets });
                Bytecode::VariantSwitch(table)
            }
            Op::LdErrorCode(id) => Bytecode::LdU64(error_code(tables, *id, ins.span)),
            op => instruction(tables, op),
        };
        unit.code.push(bytecode);
        spans.push(ins.span);
    }
    (unit, map(function, code, spans))
}

/// `0xC0kk_LLLL_IIII_CCCC`: the attribute's code or FF, the line, the positions of the constant's name and value.
fn error_code(tables: &mut Tables<'_>, id: ConstId, span: Span) -> u64 {
    let info = tables.globals.constant(id);
    let kind = info.attributes.error.and_then(|error| error.code).unwrap_or(0xFF);
    let line = u16::try_from(tables.files.line_column(span.file, span.start).0).unwrap_or(u16::MAX);
    let name = tables.identifier(&info.name.value).0;
    let value = match &info.value {
        Some(value) => tables.constant(&info.ty, &constant_bytes(value, &info.ty)).0,
        None => u16::MAX,
    };
    0xC0 << 56 | u64::from(kind) << 48 | u64::from(line) << 32 | u64::from(name) << 16 | u64::from(value)
}

/// The map of a function without code.
pub(super) fn native_map(function: &FunInfo) -> FunctionMap {
    FunctionMap {
        name: function.name.value.clone(),
        span: function.span,
        type_params: function.type_param_names(),
        params: function.params.iter().map(|(name, _)| name.value.clone()).collect(),
        locals: Vec::new(),
        code: Vec::new(),
    }
}

fn map(function: &FunInfo, code: &Code, spans: Vec<Span>) -> FunctionMap {
    let locals = code.slots[code.params..]
        .iter()
        .enumerate()
        .map(
            |(position, slot)| {
                if slot.name.is_empty() { Symbol::from(format!("%{position}")) } else { slot.name.clone() }
            },
        )
        .collect();
    FunctionMap { locals, code: spans, ..native_map(function) }
}

fn local(slot: usize) -> u8 {
    u8::try_from(slot).expect("the number of locals was checked")
}

fn instruction(tables: &mut Tables<'_>, op: &Op) -> Bytecode {
    match op {
        Op::Pop => Bytecode::Pop,
        Op::Ret => Bytecode::Ret,
        Op::Abort => Bytecode::Abort,
        Op::ReadRef => Bytecode::ReadRef,
        Op::WriteRef => Bytecode::WriteRef,
        Op::Freeze => Bytecode::FreezeRef,
        Op::Not => Bytecode::Not,
        Op::Binary(op) => binary(*op),
        Op::Cast(int) => match int {
            Int::U8 => Bytecode::CastU8,
            Int::U16 => Bytecode::CastU16,
            Int::U32 => Bytecode::CastU32,
            Int::U64 => Bytecode::CastU64,
            Int::U128 => Bytecode::CastU128,
            Int::U256 => Bytecode::CastU256,
        },
        Op::LdBool(true) => Bytecode::LdTrue,
        Op::LdBool(false) => Bytecode::LdFalse,
        Op::LdInt(int, value) => match int {
            Int::U8 => Bytecode::LdU8(value.to()),
            Int::U16 => Bytecode::LdU16(value.to()),
            Int::U32 => Bytecode::LdU32(value.to()),
            Int::U64 => Bytecode::LdU64(value.to()),
            Int::U128 => Bytecode::LdU128(Box::new(value.to())),
            Int::U256 => Bytecode::LdU256(Box::new(*value)),
        },
        Op::LdConst(ty, data) => Bytecode::LdConst(tables.constant(ty, data)),
        Op::Load(slot, Usage::Move) => Bytecode::MoveLoc(local(*slot)),
        Op::Load(slot, Usage::Copy | Usage::Infer) => Bytecode::CopyLoc(local(*slot)),
        Op::Store(slot) => Bytecode::StLoc(local(*slot)),
        Op::BorrowLocal(true, slot) => Bytecode::MutBorrowLoc(local(*slot)),
        Op::BorrowLocal(false, slot) => Bytecode::ImmBorrowLoc(local(*slot)),
        Op::Call(function, args) if args.is_empty() => Bytecode::Call(tables.function(*function)),
        Op::Call(function, args) => Bytecode::CallGeneric(tables.function_instance(*function, args)),
        Op::Pack(data, None, args) if args.is_empty() => Bytecode::Pack(tables.struct_def(*data)),
        Op::Pack(data, None, args) => Bytecode::PackGeneric(tables.struct_instance(*data, args)),
        Op::Pack(data, Some(variant), args) if args.is_empty() => {
            Bytecode::PackVariant(tables.variant(*data, *variant))
        }
        Op::Pack(data, Some(variant), args) => {
            Bytecode::PackVariantGeneric(tables.variant_instance(*data, args, *variant))
        }
        Op::Unpack(data, None, args) if args.is_empty() => Bytecode::Unpack(tables.struct_def(*data)),
        Op::Unpack(data, None, args) => Bytecode::UnpackGeneric(tables.struct_instance(*data, args)),
        Op::Unpack(data, Some(variant), args) if args.is_empty() => {
            Bytecode::UnpackVariant(tables.variant(*data, *variant))
        }
        Op::Unpack(data, Some(variant), args) => {
            Bytecode::UnpackVariantGeneric(tables.variant_instance(*data, args, *variant))
        }
        Op::UnpackRef(mutable, data, variant, args) => unpack_ref(tables, *mutable, *data, *variant, args),
        Op::BorrowField(mutable, data, args, field) => match (mutable, args.is_empty()) {
            (true, true) => Bytecode::MutBorrowField(tables.field(*data, *field)),
            (false, true) => Bytecode::ImmBorrowField(tables.field(*data, *field)),
            (true, false) => Bytecode::MutBorrowFieldGeneric(tables.field_instance(*data, args, *field)),
            (false, false) => Bytecode::ImmBorrowFieldGeneric(tables.field_instance(*data, args, *field)),
        },
        Op::Global(builtin, data, args) => global(tables, *builtin, *data, args),
        Op::Vector(op, element) => {
            let signature = tables.signature(std::slice::from_ref(element));
            match op {
                VecOp::Pack(count) => Bytecode::VecPack(signature, *count),
                VecOp::Len => Bytecode::VecLen(signature),
                VecOp::Borrow(true) => Bytecode::VecMutBorrow(signature),
                VecOp::Borrow(false) => Bytecode::VecImmBorrow(signature),
                VecOp::PushBack => Bytecode::VecPushBack(signature),
                VecOp::PopBack => Bytecode::VecPopBack(signature),
                VecOp::Unpack(count) => Bytecode::VecUnpack(signature, *count),
                VecOp::Swap => Bytecode::VecSwap(signature),
            }
        }
        Op::Branch(_) | Op::BrTrue(_) | Op::BrFalse(_) | Op::Switch(..) | Op::Label(_) | Op::LdErrorCode(_) => {
            Bytecode::Nop
        }
    }
}

fn unpack_ref(tables: &mut Tables<'_>, mutable: bool, data: DataId, variant: usize, args: &[Ty]) -> Bytecode {
    match (mutable, args.is_empty()) {
        (true, true) => Bytecode::UnpackVariantMutRef(tables.variant(data, variant)),
        (false, true) => Bytecode::UnpackVariantImmRef(tables.variant(data, variant)),
        (true, false) => Bytecode::UnpackVariantGenericMutRef(tables.variant_instance(data, args, variant)),
        (false, false) => Bytecode::UnpackVariantGenericImmRef(tables.variant_instance(data, args, variant)),
    }
}

fn global(tables: &mut Tables<'_>, builtin: Builtin, data: DataId, args: &[Ty]) -> Bytecode {
    if args.is_empty() {
        let index = tables.struct_def(data);
        return match builtin {
            Builtin::MoveTo => Bytecode::MoveTo(index),
            Builtin::MoveFrom => Bytecode::MoveFrom(index),
            Builtin::BorrowGlobal(true) => Bytecode::MutBorrowGlobal(index),
            Builtin::BorrowGlobal(false) => Bytecode::ImmBorrowGlobal(index),
            Builtin::Exists => Bytecode::Exists(index),
        };
    }
    let index = tables.struct_instance(data, args);
    match builtin {
        Builtin::MoveTo => Bytecode::MoveToGeneric(index),
        Builtin::MoveFrom => Bytecode::MoveFromGeneric(index),
        Builtin::BorrowGlobal(true) => Bytecode::MutBorrowGlobalGeneric(index),
        Builtin::BorrowGlobal(false) => Bytecode::ImmBorrowGlobalGeneric(index),
        Builtin::Exists => Bytecode::ExistsGeneric(index),
    }
}

fn binary(op: BinaryOp) -> Bytecode {
    match op {
        BinaryOp::Add => Bytecode::Add,
        BinaryOp::Sub => Bytecode::Sub,
        BinaryOp::Mul => Bytecode::Mul,
        BinaryOp::Div => Bytecode::Div,
        BinaryOp::Mod => Bytecode::Mod,
        BinaryOp::BitAnd => Bytecode::BitAnd,
        BinaryOp::BitOr => Bytecode::BitOr,
        BinaryOp::BitXor => Bytecode::Xor,
        BinaryOp::Shl => Bytecode::Shl,
        BinaryOp::Shr => Bytecode::Shr,
        BinaryOp::And => Bytecode::And,
        BinaryOp::Or => Bytecode::Or,
        BinaryOp::Eq => Bytecode::Eq,
        BinaryOp::Neq => Bytecode::Neq,
        BinaryOp::Lt => Bytecode::Lt,
        BinaryOp::Gt => Bytecode::Gt,
        BinaryOp::Le => Bytecode::Le,
        BinaryOp::Ge => Bytecode::Ge,
    }
}
