//! Gas of basic blocks.
//!
//! A block starts at the function's entry, at every target of a jump and after every jump; `Ret` and `Abort` count as
//! jumps. Calls do not end a block. The cost of a block is the sum over its instructions, so no way of running them
//! changes it.

use noema_bytecode::{Bytecode, CodeUnit, CompiledModule, StructDefIndex};
use noema_execution_api::{InstructionCosts, InternalGas};

/// What is known of the block that starts at an instruction, if one does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block {
    pub(crate) is_start: bool,
    pub(crate) instructions: u16,
    pub(crate) gas: u64,
}

/// The block that starts at each instruction.
pub(crate) fn blocks(module: &CompiledModule, unit: &CodeUnit, costs: &InstructionCosts) -> Vec<Block> {
    let leaders = leaders(unit);
    let mut blocks = vec![Block::default(); unit.code.len()];
    let mut start = 0;
    for (at, instruction) in unit.code.iter().enumerate() {
        if leaders[at] {
            start = at;
            blocks[start].is_start = true;
        }
        let cost = instruction_cost(module, instruction, costs);
        let block = &mut blocks[start];
        block.gas = InternalGas(block.gas).plus(cost).0;
        block.instructions = block.instructions.saturating_add(1);
    }
    blocks
}

/// Operands that a function has on the stack at most: the number that its frame counts with against the limit over all
/// frames. A function of bytecode alone, so that no way of running it changes it.
pub(crate) fn operands_max(module: &CompiledModule, unit: &CodeUnit) -> usize {
    let (mut height, mut highest) = (0usize, 0usize);
    let leaders = leaders(unit);
    for (at, instruction) in unit.code.iter().enumerate() {
        if leaders[at] {
            // The verifier lets no operand cross the border of a block.
            height = 0;
        }
        let (taken, given) = stack_effect(module, instruction);
        height = height.saturating_sub(taken).saturating_add(given);
        highest = highest.max(height);
    }
    highest
}

/// Operands that an instruction takes and gives.
fn stack_effect(module: &CompiledModule, instruction: &Bytecode) -> (usize, usize) {
    use Bytecode as B;
    let fields = |def: StructDefIndex| module.struct_def_at(def).declared_fields().map_or(0, <[_]>::len);
    let instance = |at| fields(module.struct_instantiation_at(at).def);
    let variant = |at| module.variant_of(module.variant_handle_at(at)).fields.len();
    let variant_instance = |at| {
        let handle = module.variant_instantiation_at(at);
        let def = module.enum_instantiation_at(handle.enum_def).def;
        module.enum_def_at(def).variants[usize::from(handle.variant)].fields.len()
    };
    let call = |at| {
        let handle = module.function_handle_at(at);
        (module.signature_at(handle.parameters).len(), module.signature_at(handle.return_).len())
    };
    let count = |count: &u64| usize::try_from(*count).unwrap_or(usize::MAX);
    match instruction {
        B::Nop | B::Branch(_) | B::Ret => (0, 0),
        B::Pop | B::BrTrue(_) | B::BrFalse(_) | B::Abort | B::StLoc(_) | B::VariantSwitch(_) => (1, 0),
        B::LdU8(_) | B::LdU16(_) | B::LdU32(_) | B::LdU64(_) | B::LdU128(_) | B::LdU256(_) | B::LdTrue => (0, 1),
        B::LdFalse | B::LdConst(_) | B::CopyLoc(_) | B::MoveLoc(_) | B::MutBorrowLoc(_) | B::ImmBorrowLoc(_) => (0, 1),
        B::CastU8 | B::CastU16 | B::CastU32 | B::CastU64 | B::CastU128 | B::CastU256 | B::Not => (1, 1),
        B::ReadRef | B::FreezeRef | B::VecLen(_) | B::VecPopBack(_) => (1, 1),
        B::MutBorrowField(_) | B::MutBorrowFieldGeneric(_) | B::ImmBorrowField(_) | B::ImmBorrowFieldGeneric(_) => {
            (1, 1)
        }
        B::MutBorrowGlobal(_) | B::MutBorrowGlobalGeneric(_) | B::ImmBorrowGlobal(_) | B::ImmBorrowGlobalGeneric(_) => {
            (1, 1)
        }
        B::Exists(_) | B::ExistsGeneric(_) | B::MoveFrom(_) | B::MoveFromGeneric(_) => (1, 1),
        B::MoveTo(_) | B::MoveToGeneric(_) | B::WriteRef | B::VecPushBack(_) => (2, 0),
        B::VecSwap(_) => (3, 0),
        B::Add | B::Sub | B::Mul | B::Mod | B::Div | B::BitOr | B::BitAnd | B::Xor | B::Shl | B::Shr => (2, 1),
        B::Or | B::And | B::Eq | B::Neq | B::Lt | B::Gt | B::Le | B::Ge => (2, 1),
        B::VecImmBorrow(_) | B::VecMutBorrow(_) => (2, 1),
        B::Call(at) => call(*at),
        B::CallGeneric(at) => call(module.function_instantiation_at(*at).handle),
        B::Pack(def) => (fields(*def), 1),
        B::PackGeneric(at) => (instance(*at), 1),
        B::Unpack(def) => (1, fields(*def)),
        B::UnpackGeneric(at) => (1, instance(*at)),
        B::PackVariant(at) => (variant(*at), 1),
        B::PackVariantGeneric(at) => (variant_instance(*at), 1),
        B::UnpackVariant(at) | B::UnpackVariantImmRef(at) | B::UnpackVariantMutRef(at) => (1, variant(*at)),
        B::UnpackVariantGeneric(at) | B::UnpackVariantGenericImmRef(at) | B::UnpackVariantGenericMutRef(at) => {
            (1, variant_instance(*at))
        }
        B::VecPack(_, elements) => (count(elements), 1),
        B::VecUnpack(_, elements) => (1, count(elements)),
    }
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
