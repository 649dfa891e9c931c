//! Generic instructions are used exactly for generic things, and operands fit what they count.
//!
//! `Pack` on a generic struct would build a value with no type arguments; the interpreters read a type's size and
//! layout from the arguments and would read them from nowhere. `VecPack` of more elements than the operand stack may
//! hold can never run.

use noema_bytecode::{
    Bytecode, CompiledModule, DatatypeHandleIndex, FieldHandleIndex, FunctionHandleIndex, StructDefIndex,
};
use noema_execution_api::StatusCode;

use crate::Result;
use crate::function::Function;

pub(crate) fn check(module: &CompiledModule) -> Result {
    Function::all(module).try_for_each(|function| check_body(&function))
}

pub(crate) fn check_script(function: &Function<'_>) -> Result {
    check_body(function)?;
    // The tables that these would index are empty, so bounds already exclude them; this says it in one place.
    Ok(())
}

fn check_body(function: &Function<'_>) -> Result {
    for (offset, instruction) in function.code.code.iter().enumerate() {
        check_instruction(function, offset, instruction)?;
    }
    Ok(())
}

fn check_instruction(function: &Function<'_>, offset: usize, instruction: &Bytecode) -> Result {
    use Bytecode as B;
    let module = function.module;
    let is_right = match instruction {
        B::Call(handle) => !is_generic_function(module, *handle),
        B::CallGeneric(index) => is_generic_function(module, module.function_instantiation_at(*index).handle),
        B::MutBorrowField(field) | B::ImmBorrowField(field) => !is_generic_field(module, *field),
        B::MutBorrowFieldGeneric(index) | B::ImmBorrowFieldGeneric(index) => {
            is_generic_field(module, module.field_instantiation_at(*index).handle)
        }
        B::Pack(def)
        | B::Unpack(def)
        | B::Exists(def)
        | B::MoveFrom(def)
        | B::MoveTo(def)
        | B::MutBorrowGlobal(def)
        | B::ImmBorrowGlobal(def) => !is_generic_struct(module, *def),
        B::PackGeneric(index)
        | B::UnpackGeneric(index)
        | B::ExistsGeneric(index)
        | B::MoveFromGeneric(index)
        | B::MoveToGeneric(index)
        | B::MutBorrowGlobalGeneric(index)
        | B::ImmBorrowGlobalGeneric(index) => is_generic_struct(module, module.struct_instantiation_at(*index).def),
        B::PackVariant(index)
        | B::UnpackVariant(index)
        | B::UnpackVariantImmRef(index)
        | B::UnpackVariantMutRef(index) => {
            !is_generic(module, module.enum_def_at(module.variant_handle_at(*index).enum_def).handle)
        }
        B::PackVariantGeneric(index)
        | B::UnpackVariantGeneric(index)
        | B::UnpackVariantGenericImmRef(index)
        | B::UnpackVariantGenericMutRef(index) => {
            let instance = module.enum_instantiation_at(module.variant_instantiation_at(*index).enum_def);
            is_generic(module, module.enum_def_at(instance.def).handle)
        }
        B::VecPack(_, count) | B::VecUnpack(_, count) if *count > u64::from(u16::MAX) => {
            let message = format!("{} of {count} elements", instruction.name());
            return Err(function.error(StatusCode::CONSTRAINT_NOT_SATISFIED, offset, message));
        }
        _ => true,
    };
    if is_right {
        return Ok(());
    }
    let message = format!("{} on something whose being generic does not fit", instruction.name());
    Err(function.error(StatusCode::GENERIC_MEMBER_OPCODE_MISMATCH, offset, message))
}

fn is_generic(module: &CompiledModule, handle: DatatypeHandleIndex) -> bool {
    !module.datatype_handle_at(handle).type_parameters.is_empty()
}

fn is_generic_struct(module: &CompiledModule, def: StructDefIndex) -> bool {
    is_generic(module, module.struct_def_at(def).handle)
}

fn is_generic_field(module: &CompiledModule, field: FieldHandleIndex) -> bool {
    is_generic_struct(module, module.field_handle_at(field).owner)
}

fn is_generic_function(module: &CompiledModule, handle: FunctionHandleIndex) -> bool {
    !module.function_handle_at(handle).type_parameters.is_empty()
}
