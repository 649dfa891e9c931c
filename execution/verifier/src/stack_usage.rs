//! Each basic block leaves the operand stack as it found it: empty.
//!
//! No block pops what it did not push, and none leaves anything behind, so the height of the stack is known everywhere
//! and values never travel between blocks but in locals. Interpreters need no check before they pop, and the fast one
//! turns operands into registers block by block. Unreachable blocks are held to the same rule.

use noema_bytecode::{Bytecode, FunctionHandleIndex, StructDefIndex};
use noema_execution_api::StatusCode;

use crate::flow_graph::{Block, FlowGraph};
use crate::function::Function;
use crate::{Limits, Result};

pub(crate) fn check(function: &Function<'_>, graph: &FlowGraph, limits: &Limits) -> Result {
    graph.blocks.iter().try_for_each(|block| check_block(function, block, limits))
}

fn check_block(function: &Function<'_>, block: &Block, limits: &Limits) -> Result {
    let (mut height, mut pushed) = (0u64, 0u64);
    for offset in block.range.clone() {
        let (pops, pushes) = effect(function, &function.code.code[offset]);
        let error = |status, message: String| Err(function.error(status, offset, message));
        pushed = pushed.saturating_add(pushes);
        if pushed > limits.pushes_per_block {
            let message = format!("more than {} values are pushed in one block", limits.pushes_per_block);
            return error(StatusCode::VALUE_STACK_PUSH_OVERFLOW, message);
        }
        if height < pops {
            let message = format!("{pops} operands are needed, the block has pushed {height}");
            return error(StatusCode::NEGATIVE_STACK_SIZE_WITHIN_BLOCK, message);
        }
        height = (height - pops).saturating_add(pushes);
        if height > limits.operand_stack {
            let message = format!("more than {} operands", limits.operand_stack);
            return error(StatusCode::VALUE_STACK_OVERFLOW, message);
        }
    }
    if height > 0 {
        let message = format!("{height} operands are left at the end of a block");
        return Err(function.error(StatusCode::POSITIVE_STACK_SIZE_AT_BLOCK_END, block.range.end - 1, message));
    }
    Ok(())
}

/// How many operands an instruction pops and pushes.
fn effect(function: &Function<'_>, instruction: &Bytecode) -> (u64, u64) {
    use Bytecode as B;
    let module = function.module;
    let fields = |def: StructDefIndex| module.struct_def_at(def).declared_fields().map_or(0, <[_]>::len) as u64;
    let call = |handle: FunctionHandleIndex| {
        let handle = module.function_handle_at(handle);
        (module.signature_at(handle.parameters).len() as u64, module.signature_at(handle.return_).len() as u64)
    };
    let variant = |index| module.variant_of(module.variant_handle_at(index)).fields.len() as u64;
    let generic_variant = |index| {
        let handle = module.variant_instantiation_at(index);
        let def = module.enum_def_at(module.enum_instantiation_at(handle.enum_def).def);
        def.variants[usize::from(handle.variant)].fields.len() as u64
    };
    match instruction {
        B::Nop | B::Branch(_) => (0, 0),
        B::Pop | B::StLoc(_) | B::BrTrue(_) | B::BrFalse(_) | B::Abort | B::VariantSwitch(_) => (1, 0),
        B::Ret => (function.results.len() as u64, 0),
        B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdU128(_) | B::LdU256(_) => (0, 1),
        B::LdConst(_) | B::LdTrue | B::LdFalse => (0, 1),
        B::CopyLoc(_) | B::MoveLoc(_) | B::MutBorrowLoc(_) | B::ImmBorrowLoc(_) => (0, 1),
        B::CastU8 | B::CastU16 | B::CastU32 | B::CastU64 | B::CastU128 | B::CastU256 | B::Not => (1, 1),
        B::ReadRef | B::FreezeRef => (1, 1),
        B::MutBorrowField(_) | B::MutBorrowFieldGeneric(_) | B::ImmBorrowField(_) | B::ImmBorrowFieldGeneric(_) => {
            (1, 1)
        }
        B::MutBorrowGlobal(_) | B::MutBorrowGlobalGeneric(_) | B::ImmBorrowGlobal(_) | B::ImmBorrowGlobalGeneric(_) => {
            (1, 1)
        }
        B::Exists(_) | B::ExistsGeneric(_) | B::MoveFrom(_) | B::MoveFromGeneric(_) => (1, 1),
        B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr | B::BitAnd | B::Xor | B::Shl | B::Shr => (2, 1),
        B::Or | B::And | B::Eq | B::Neq | B::Lt | B::Gt | B::Le | B::Ge => (2, 1),
        B::WriteRef | B::MoveTo(_) | B::MoveToGeneric(_) | B::VecPushBack(_) => (2, 0),
        B::VecLen(_) | B::VecPopBack(_) => (1, 1),
        B::VecImmBorrow(_) | B::VecMutBorrow(_) => (2, 1),
        B::VecSwap(_) => (3, 0),
        B::VecPack(_, count) => (*count, 1),
        B::VecUnpack(_, count) => (1, *count),
        B::Call(handle) => call(*handle),
        B::CallGeneric(index) => call(module.function_instantiation_at(*index).handle),
        B::Pack(def) => (fields(*def), 1),
        B::PackGeneric(index) => (fields(module.struct_instantiation_at(*index).def), 1),
        B::Unpack(def) => (1, fields(*def)),
        B::UnpackGeneric(index) => (1, fields(module.struct_instantiation_at(*index).def)),
        B::PackVariant(index) => (variant(*index), 1),
        B::PackVariantGeneric(index) => (generic_variant(*index), 1),
        B::UnpackVariant(index) | B::UnpackVariantImmRef(index) | B::UnpackVariantMutRef(index) => (1, variant(*index)),
        B::UnpackVariantGeneric(index)
        | B::UnpackVariantGenericImmRef(index)
        | B::UnpackVariantGenericMutRef(index) => (1, generic_variant(*index)),
    }
}
