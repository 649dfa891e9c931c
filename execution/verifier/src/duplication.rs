//! Every entry of a table occurs once, and what a module declares of itself it defines.
//!
//! Other passes compare indices instead of contents. That is right only if equal contents have equal indices; otherwise
//! one type could have two handles with different abilities, or a function be called through a handle whose signature is
//! not that of the definition. Both would break type safety. Variant handles are not compared by any pass, and may
//! repeat, as they may in Sui.

use std::collections::BTreeSet;

use noema_bytecode::{CompiledModule, CompiledScript, FieldDefinition, ModuleHandleIndex};
use noema_execution_api::StatusCode;

use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    check_tables(module, 0)?;
    let duplicate = StatusCode::DUPLICATE_ELEMENT;
    unique(module, "field handle", &module.field_handles, duplicate)?;
    unique(module, "field instantiation", &module.field_instantiations, duplicate)?;
    check_functions(module)?;
    check_structs(module)?;
    unique(module, "struct instantiation", &module.struct_def_instantiations, duplicate)?;
    check_enums(module)?;
    unique(module, "enum instantiation", &module.enum_def_instantiations, duplicate)
}

/// A script's last identifier, address and module handle stand for itself and may repeat others.
pub(crate) fn check_script(script: &CompiledScript) -> Result {
    check_tables(&script.module, 1)?;
    let own = script.module.self_module_handle;
    let of_itself = script.module.function_handles.iter().position(|handle| handle.module == own);
    match of_itself {
        None => Ok(()),
        Some(position) => Err(VerifyError::at_entry(
            &script.module,
            "function handle",
            position,
            StatusCode::INVALID_MODULE_HANDLE,
            "a script defines no functions",
        )),
    }
}

fn first_duplicate<T: Ord>(entries: impl IntoIterator<Item = T>) -> Option<usize> {
    let mut seen = BTreeSet::new();
    entries.into_iter().position(|entry| !seen.insert(entry))
}

fn unique<T: Ord>(
    module: &CompiledModule,
    table: &'static str,
    entries: impl IntoIterator<Item = T>,
    status: StatusCode,
) -> Result {
    first_duplicate(entries).map_or(Ok(()), |position| {
        Err(VerifyError::at_entry(module, table, position, status, "the same as an entry before it"))
    })
}

fn check_tables(module: &CompiledModule, own_entries: usize) -> Result {
    let duplicate = StatusCode::DUPLICATE_ELEMENT;
    fn but_last<T>(table: &[T], count: usize) -> &[T] {
        &table[..table.len() - count]
    }
    unique(module, "identifier", but_last(&module.identifiers, own_entries), duplicate)?;
    unique(module, "address", but_last(&module.address_identifiers, own_entries), duplicate)?;
    unique(module, "constant", &module.constants, duplicate)?;
    unique(module, "signature", &module.signatures, duplicate)?;
    unique(module, "module handle", but_last(&module.module_handles, own_entries), duplicate)?;
    unique(module, "friend", &module.friend_decls, duplicate)?;
    unique(module, "metadata", module.metadata.iter().map(|entry| &entry.key), duplicate)?;
    unique(module, "datatype handle", module.datatype_handles.iter().map(|one| (one.module, one.name)), duplicate)?;
    unique(module, "function handle", module.function_handles.iter().map(|one| (one.module, one.name)), duplicate)?;
    unique(module, "function instantiation", &module.function_instantiations, duplicate)
}

fn check_functions(module: &CompiledModule) -> Result {
    let handles = module.function_defs.iter().map(|def| def.function);
    unique(module, "function", handles, StatusCode::DUPLICATE_ELEMENT)?;
    for (position, def) in module.function_defs.iter().enumerate() {
        if first_duplicate(&def.acquires).is_some() {
            let status = StatusCode::DUPLICATE_ACQUIRES_ANNOTATION;
            return Err(VerifyError::at_entry(module, "function", position, status, "a struct is acquired twice"));
        }
    }
    for (position, def) in module.function_defs.iter().enumerate() {
        let owner = module.function_handle_at(def.function).module;
        own(module, "function", position, owner == module.self_module_handle)?;
    }
    let defined: BTreeSet<_> = module.function_defs.iter().map(|def| def.function.index()).collect();
    let owners = module.function_handles.iter().map(|handle| handle.module);
    implemented(module, "function handle", owners, &defined)
}

fn own(module: &CompiledModule, table: &'static str, position: usize, is_own: bool) -> Result {
    if is_own {
        return Ok(());
    }
    let status = StatusCode::INVALID_MODULE_HANDLE;
    Err(VerifyError::at_entry(module, table, position, status, "its handle names another module"))
}

fn check_fields(module: &CompiledModule, table: &'static str, position: usize, fields: &[FieldDefinition]) -> Result {
    if first_duplicate(fields.iter().map(|field| field.name)).is_none() {
        return Ok(());
    }
    let status = StatusCode::DUPLICATE_ELEMENT;
    Err(VerifyError::at_entry(module, table, position, status, "two fields have one name"))
}

fn check_structs(module: &CompiledModule) -> Result {
    let duplicate = StatusCode::DUPLICATE_ELEMENT;
    unique(module, "struct", module.struct_defs.iter().map(|def| def.handle), duplicate)?;
    for (position, def) in module.struct_defs.iter().enumerate() {
        if let Some(fields) = def.declared_fields() {
            if fields.is_empty() {
                let status = StatusCode::ZERO_SIZED_STRUCT;
                return Err(VerifyError::at_entry(module, "struct", position, status, "it has no fields"));
            }
            check_fields(module, "struct", position, fields)?;
        }
    }
    for (position, def) in module.struct_defs.iter().enumerate() {
        let owner = module.datatype_handle_at(def.handle).module;
        own(module, "struct", position, owner == module.self_module_handle)?;
    }
    let handles = module.struct_defs.iter().map(|def| def.handle);
    let defined: BTreeSet<_> =
        handles.chain(module.enum_defs.iter().map(|def| def.handle)).map(|at| at.index()).collect();
    implemented(module, "datatype handle", module.datatype_handles.iter().map(|handle| handle.module), &defined)
}

fn check_enums(module: &CompiledModule) -> Result {
    let handles = || module.struct_defs.iter().map(|def| def.handle);
    let all = handles().chain(module.enum_defs.iter().map(|def| def.handle));
    unique(module, "struct or enum", all, StatusCode::DUPLICATE_ELEMENT)?;
    for (position, def) in module.enum_defs.iter().enumerate() {
        if def.variants.is_empty() {
            let status = StatusCode::ZERO_SIZED_ENUM;
            return Err(VerifyError::at_entry(module, "enum", position, status, "it has no variants"));
        }
        if first_duplicate(def.variants.iter().map(|variant| variant.name)).is_some() {
            let status = StatusCode::DUPLICATE_ELEMENT;
            return Err(VerifyError::at_entry(module, "enum", position, status, "two variants have one name"));
        }
        def.variants.iter().try_for_each(|variant| check_fields(module, "enum", position, &variant.fields))?;
    }
    for (position, def) in module.enum_defs.iter().enumerate() {
        let owner = module.datatype_handle_at(def.handle).module;
        own(module, "enum", position, owner == module.self_module_handle)?;
    }
    Ok(())
}

/// Every handle of this module has a definition.
fn implemented(
    module: &CompiledModule,
    table: &'static str,
    owners: impl Iterator<Item = ModuleHandleIndex>,
    defined: &BTreeSet<usize>,
) -> Result {
    for (position, owner) in owners.enumerate() {
        if owner == module.self_module_handle && !defined.contains(&position) {
            let status = StatusCode::UNIMPLEMENTED_HANDLE;
            return Err(VerifyError::at_entry(module, table, position, status, "this module does not define it"));
        }
    }
    Ok(())
}
