//! A function's `acquires` list is exactly what it borrows or moves from global storage.
//!
//! The list is what the reference pass of *callers* trusts: a caller that holds a reference into a resource may not
//! call a function that acquires it. A missing entry would leave a dangling reference; a superfluous one is refused so
//! that the list has one meaning. Calls inside the module count; calls into other modules cannot reach this module's
//! resources, because modules that use each other in a circle are rejected when linked.

use std::collections::BTreeSet;

use noema_bytecode::{Ability, Bytecode, FunctionHandleIndex, StructDefIndex};
use noema_execution_api::StatusCode;

use crate::Result;
use crate::function::Function;

pub(crate) fn check(function: &Function<'_>) -> Result {
    let (_, definition) = function.definition.expect("scripts acquire nothing");
    let declared: BTreeSet<_> = definition.acquires.iter().copied().collect();
    let mut used = BTreeSet::new();
    for (offset, instruction) in function.code.code.iter().enumerate() {
        for acquired in acquired_by(function, instruction) {
            if !declared.contains(&acquired) {
                let name = function.module.struct_name(acquired).as_str();
                let message = format!("{name} is not in the function's acquires list");
                return Err(function.error(StatusCode::MISSING_ACQUIRES_ANNOTATION, offset, message));
            }
            used.insert(acquired);
        }
    }
    for acquired in declared {
        let name = function.module.struct_name(acquired).as_str();
        if !used.contains(&acquired) {
            let status = StatusCode::EXTRANEOUS_ACQUIRES_ANNOTATION;
            return Err(function.error_anywhere(status, format!("{name} is in the acquires list and never acquired")));
        }
        let handle = function.module.struct_def_at(acquired).handle;
        if !function.module.datatype_handle_at(handle).abilities.has(Ability::Key) {
            return Err(function.error_anywhere(StatusCode::INVALID_ACQUIRES_ANNOTATION, format!("{name} has no key")));
        }
    }
    Ok(())
}

fn acquired_by<'a>(function: &Function<'a>, instruction: &Bytecode) -> Vec<StructDefIndex> {
    let module = function.module;
    match instruction {
        Bytecode::MoveFrom(def) | Bytecode::MutBorrowGlobal(def) | Bytecode::ImmBorrowGlobal(def) => vec![*def],
        Bytecode::MoveFromGeneric(index)
        | Bytecode::MutBorrowGlobalGeneric(index)
        | Bytecode::ImmBorrowGlobalGeneric(index) => vec![module.struct_instantiation_at(*index).def],
        Bytecode::Call(handle) => acquires_of(function, *handle).to_vec(),
        Bytecode::CallGeneric(index) => acquires_of(function, module.function_instantiation_at(*index).handle).to_vec(),
        _ => Vec::new(),
    }
}

/// What a called function acquires: nothing of this module's if it is another module's.
pub(crate) fn acquires_of<'a>(function: &Function<'a>, handle: FunctionHandleIndex) -> &'a [StructDefIndex] {
    function.callee(handle).map_or(&[], |definition| &definition.acquires)
}
