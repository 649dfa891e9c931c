//! Fields have the abilities that their struct's or enum's abilities ask of them.
//!
//! Copying or dropping a struct copies or drops its fields; a struct with `copy` around a coin would copy the coin.
//! Type parameters count as having every ability here, because an instance has only the abilities its arguments allow.

use noema_bytecode::{Ability, AbilitySet, CompiledModule, DatatypeHandleIndex, FieldDefinition};
use noema_execution_api::StatusCode;

use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    for (position, def) in module.struct_defs.iter().enumerate() {
        check_fields(module, "struct", position, def.handle, def.declared_fields().unwrap_or_default())?;
    }
    for (position, def) in module.enum_defs.iter().enumerate() {
        for variant in &def.variants {
            check_fields(module, "enum", position, def.handle, &variant.fields)?;
        }
    }
    Ok(())
}

fn check_fields(
    module: &CompiledModule,
    table: &'static str,
    position: usize,
    handle: DatatypeHandleIndex,
    fields: &[FieldDefinition],
) -> Result {
    let handle = module.datatype_handle_at(handle);
    let required: AbilitySet = handle.abilities.iter().map(Ability::requires).collect();
    let of_parameters = vec![AbilitySet::ALL; handle.type_parameters.len()];
    for field in fields {
        let given = module.abilities_of(&field.signature, &of_parameters);
        if !required.is_subset(given) {
            let name = module.identifier_at(field.name).as_str();
            let message = format!("field {name} needs {required:?} and has {given:?}");
            let status = StatusCode::FIELD_MISSING_TYPE_ABILITY;
            return Err(VerifyError::at_entry(module, table, position, status, message));
        }
    }
    Ok(())
}
