//! Gas of basic blocks.
//!
//! A block starts at the function's entry, at every target of a jump and after every jump; `Ret` and `Abort` count as
//! jumps. Calls do not end a block. The cost of a block is the sum over its instructions, so no way of running them
//! changes it.

use noema_bytecode::{Bytecode, CodeUnit, CompiledModule, StructDefIndex};
use noema_execution_api::{InstructionCosts, InternalGas};

/// Gas of the block that starts at each instruction, zero where none starts.
pub(crate) fn block_costs(module: &CompiledModule, unit: &CodeUnit, costs: &InstructionCosts) -> Vec<u64> {
    let leaders = leaders(unit);
    let mut blocks = vec![0u64; unit.code.len()];
    let mut start = 0;
    for (at, instruction) in unit.code.iter().enumerate() {
        if leaders[at] {
            start = at;
        }
        let cost = instruction_cost(module, instruction, costs);
        blocks[start] = InternalGas(blocks[start]).plus(cost).0;
    }
    blocks
}

fn leaders(unit: &CodeUnit) -> Vec<bool> {
    let mut leaders = vec![false; unit.code.len() + 1];
    let mut mark = |at: usize| {
        if let Some(leader) = leaders.get_mut(at) {
            *leader = true;
        }
    };
    mark(0);
    for (at, instruction) in unit.code.iter().enumerate() {
        if let Some(target) = instruction.target() {
            mark(usize::from(target));
        }
        if instruction.is_branch() {
            mark(at + 1);
        }
    }
    for target in unit.jump_tables.iter().flat_map(|table| &table.targets) {
        mark(usize::from(*target));
    }
    leaders
}

/// Gas of one instruction.
fn instruction_cost(module: &CompiledModule, instruction: &Bytecode, costs: &InstructionCosts) -> InternalGas {
    use Bytecode as B;
    let of_struct = |def: StructDefIndex| module.struct_def_at(def).declared_fields().map_or(0, <[_]>::len) as u64;
    let of_instance = |at| of_struct(module.struct_instantiation_at(at).def);
    let of_variant = |at| module.variant_of(module.variant_handle_at(at)).fields.len() as u64;
    let of_variant_instance = |at| {
        let handle = module.variant_instantiation_at(at);
        let def = module.enum_instantiation_at(handle.enum_def).def;
        module.enum_def_at(def).variants[usize::from(handle.variant)].fields.len() as u64
    };
    let pack = |fields| costs.pack.plus(costs.field.times(fields));
    let unpack = |fields| costs.unpack.plus(costs.field.times(fields));
    match instruction {
        B::Nop => costs.nop,
        B::Pop => costs.pop,
        B::Ret => costs.ret,
        B::Abort => costs.abort,
        B::BrTrue(_) | B::BrFalse(_) | B::Branch(_) => costs.branch,
        B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdTrue | B::LdFalse => costs.load,
        B::LdU128(_) | B::LdU256(_) => costs.load_wide,
        B::LdConst(_) => costs.load_constant,
        B::CastU8 | B::CastU16 | B::CastU32 | B::CastU64 | B::CastU128 | B::CastU256 => costs.cast,
        B::CopyLoc(_) => costs.copy_loc,
        B::MoveLoc(_) => costs.move_loc,
        B::StLoc(_) => costs.store_loc,
        B::Call(_) => costs.call,
        B::CallGeneric(_) => costs.call_generic,
        B::Pack(def) => pack(of_struct(*def)),
        B::PackGeneric(at) => pack(of_instance(*at)),
        B::Unpack(def) => unpack(of_struct(*def)),
        B::UnpackGeneric(at) => unpack(of_instance(*at)),
        B::PackVariant(at) => pack(of_variant(*at)),
        B::PackVariantGeneric(at) => pack(of_variant_instance(*at)),
        B::UnpackVariant(at) | B::UnpackVariantImmRef(at) | B::UnpackVariantMutRef(at) => unpack(of_variant(*at)),
        B::UnpackVariantGeneric(at) | B::UnpackVariantGenericImmRef(at) | B::UnpackVariantGenericMutRef(at) => {
            unpack(of_variant_instance(*at))
        }
        B::VariantSwitch(_) => costs.variant_switch,
        B::ReadRef => costs.read_ref,
        B::WriteRef => costs.write_ref,
        B::FreezeRef => costs.freeze_ref,
        B::MutBorrowLoc(_) | B::ImmBorrowLoc(_) => costs.borrow_loc,
        B::MutBorrowField(_) | B::MutBorrowFieldGeneric(_) | B::ImmBorrowField(_) | B::ImmBorrowFieldGeneric(_) => {
            costs.borrow_field
        }
        B::MutBorrowGlobal(_) | B::MutBorrowGlobalGeneric(_) | B::ImmBorrowGlobal(_) | B::ImmBorrowGlobalGeneric(_) => {
            costs.borrow_global
        }
        B::Add | B::Sub => costs.add_sub,
        B::Mul => costs.mul,
        B::Mod | B::Div => costs.div_mod,
        B::BitOr | B::BitAnd | B::Xor | B::Shl | B::Shr => costs.bitwise,
        B::Or | B::And | B::Not => costs.logic,
        B::Eq | B::Neq => costs.equality,
        B::Lt | B::Gt | B::Le | B::Ge => costs.compare,
        B::Exists(_) | B::ExistsGeneric(_) => costs.exists,
        B::MoveFrom(_) | B::MoveFromGeneric(_) => costs.move_from,
        B::MoveTo(_) | B::MoveToGeneric(_) => costs.move_to,
        B::VecPack(_, count) => costs.vec_pack.plus(costs.vec_element.times(*count)),
        B::VecUnpack(_, count) => costs.vec_unpack.plus(costs.vec_element.times(*count)),
        B::VecLen(_) => costs.vec_len,
        B::VecImmBorrow(_) | B::VecMutBorrow(_) => costs.vec_borrow,
        B::VecPushBack(_) | B::VecPopBack(_) => costs.vec_push_pop,
        B::VecSwap(_) => costs.vec_swap,
    }
}
