//! What a module says about itself is true, and transactions can call its entry functions.
//!
//! The chain acts on these attributes: an `#[event]` struct may be emitted, a `#[view]` function is run for anyone who
//! asks, the error map is shown to users. They are checked once, at publish, so that nobody who reads them later has to.
//! Without the check a module could promise events that cannot be stored and views that cannot be run.
//!
//! The table's entry is [`ModuleMetadata`] under its key; entries with other keys are left alone.

use noema_bytecode::{Ability, AbilitySet, CompiledModule, FunctionDefIndex, SignatureToken};
use noema_execution_api::StatusCode;
use noema_execution_api::module_metadata::{MODULE_METADATA_KEY, ModuleMetadata};

use crate::entry_signatures::{check_module, is_argument};
use crate::{Result, VerifyError};

/// Checks a module's attributes and the signatures of its entry functions.
///
/// The module must have passed [`crate::verify_module`].
///
/// # Errors
/// INVALID_MAIN_FUNCTION_SIGNATURE for an entry function that returns something or takes what a transaction cannot
/// pass; VALUE_DESERIALIZATION_ERROR for metadata that does not decode; CONSTRAINT_NOT_SATISFIED for an attribute that
/// is not true.
pub fn check_publishable(module: &CompiledModule) -> Result {
    check_module(module)?;
    let Some(bytes) = module.metadata_value(MODULE_METADATA_KEY) else { return Ok(()) };
    let metadata = ModuleMetadata::from_bytes(bytes).map_err(|error| {
        let message = format!("the module's metadata does not decode: {error}");
        VerifyError::in_module(module, StatusCode::VALUE_DESERIALIZATION_ERROR, message)
    })?;
    check_lists(module, &metadata)?;
    metadata.view_functions.iter().try_for_each(|name| check_view(module, name))?;
    let event = AbilitySet::from_iter([Ability::Drop, Ability::Store]);
    metadata.event_structs.iter().try_for_each(|name| check_datatype(module, "event", name, event))?;
    let groups = metadata.resource_groups.iter();
    groups.clone().try_for_each(|(name, _)| check_datatype(module, "resource_group", name, AbilitySet::EMPTY))?;
    let key = AbilitySet::EMPTY.with(Ability::Key);
    let mut members = metadata.resource_group_members.iter();
    members.try_for_each(|(name, _)| check_datatype(module, "resource_group_member", name, key))
}

fn fail(module: &CompiledModule, message: String) -> Result {
    Err(VerifyError::in_module(module, StatusCode::CONSTRAINT_NOT_SATISFIED, message))
}

/// Lists ascend without repetition, so that equal contents have equal bytes.
fn check_lists(module: &CompiledModule, metadata: &ModuleMetadata) -> Result {
    fn ascends<T: PartialOrd>(mut list: impl Iterator<Item = T>) -> bool {
        let Some(mut last) = list.next() else { return true };
        list.all(|next| {
            let is_greater = last < next;
            last = next;
            is_greater
        })
    }
    let lists = [
        ("error map", ascends(metadata.error_map.iter().map(|entry| entry.code))),
        ("list of views", ascends(metadata.view_functions.iter())),
        ("list of events", ascends(metadata.event_structs.iter())),
        ("list of resource groups", ascends(metadata.resource_groups.iter().map(|(name, _)| name))),
        ("list of group members", ascends(metadata.resource_group_members.iter().map(|(name, _)| name))),
    ];
    match lists.into_iter().find(|(_, ascends)| !ascends) {
        Some((what, _)) => fail(module, format!("the metadata's {what} is not sorted or repeats an entry")),
        None => Ok(()),
    }
}

fn check_view(module: &CompiledModule, name: &str) -> Result {
    let Some((index, def)) = module.find_function(name) else {
        return fail(module, format!("#[view] names function {name}, which does not exist"));
    };
    let handle = module.function_handle_at(def.function);
    let fail = |message| {
        Err(VerifyError::in_function(module, FunctionDefIndex(index.0), StatusCode::CONSTRAINT_NOT_SATISFIED, message))
    };
    let results = module.signature_at(handle.return_);
    if results.is_empty() || results.iter().any(SignatureToken::is_reference) {
        return fail("a #[view] function returns values, and no references");
    }
    if !module.signature_at(handle.parameters).iter().all(|parameter| is_argument(module, parameter)) {
        return fail("a #[view] function takes only what a request can pass, and no signers");
    }
    Ok(())
}

fn check_datatype(module: &CompiledModule, attribute: &str, name: &str, required: AbilitySet) -> Result {
    let of_struct = module.find_struct(name).map(|(_, def)| def.handle);
    let Some(handle) = of_struct.or_else(|| module.find_enum(name).map(|(_, def)| def.handle)) else {
        return fail(module, format!("#[{attribute}] names struct {name}, which does not exist"));
    };
    let abilities = module.datatype_handle_at(handle).abilities;
    if !required.is_subset(abilities) {
        let message = format!("#[{attribute}] struct {name} needs {required:?} and has {abilities:?}");
        return fail(module, message);
    }
    Ok(())
}
