//! What goes into a module's metadata table and documentation.

use std::collections::BTreeMap;

use noema_execution_api::module_metadata::{ErrorDescription, ModuleMetadata};

use crate::diagnostics::{Diagnostics, Symbol};
use crate::name::{Globals, Scope, Target};
use crate::typing::{Int, ModId, Ty, Value};

/// Doc comments of a module and its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleDocs {
    /// Of the module.
    pub module: Option<Symbol>,
    /// Of structs, functions and constants, by name.
    pub members: BTreeMap<Symbol, Symbol>,
    /// Of fields, by `Struct.field`.
    pub fields: BTreeMap<Symbol, Symbol>,
}

/// The module's description of itself.
pub(crate) fn describe(globals: &Globals, id: ModId, diagnostics: &mut Diagnostics) -> ModuleMetadata {
    let module = globals.module(id);
    let mut metadata = ModuleMetadata { error_map: error_map(globals, id), ..ModuleMetadata::default() };
    for function in module.functions.iter().map(|function| globals.function(*function)) {
        if function.attributes.view.is_some() {
            metadata.view_functions.push(function.name.value.to_string());
        }
    }
    let scope = Scope::new(id, Vec::new());
    for data in module.datatypes.iter().map(|data| globals.datatype(*data)) {
        let name = data.name.value.to_string();
        if data.attributes.event.is_some() {
            metadata.event_structs.push(name.clone());
        }
        if let Some((group_scope, _)) = &data.attributes.resource_group {
            metadata.resource_groups.push((name.clone(), group_scope.to_string()));
        }
        if let Some((group, _)) = &data.attributes.resource_group_member
            && let Some(Target::Data(group, None, _)) = scope.resolve(globals, diagnostics, group)
        {
            let group = globals.datatype(group);
            let path = format!("{}::{}", globals.module(group.module).ident, group.name.value);
            metadata.resource_group_members.push((name, path));
        }
    }
    metadata.view_functions.sort();
    metadata.event_structs.sort();
    metadata.resource_groups.sort();
    metadata.resource_group_members.sort();
    metadata
}

/// Constants `E..` of type u64; of several with one code the first by name.
fn error_map(globals: &Globals, id: ModId) -> Vec<ErrorDescription> {
    let mut entries: Vec<ErrorDescription> = globals
        .module(id)
        .constants
        .iter()
        .map(|constant| globals.constant(*constant))
        .filter(|info| info.name.value.starts_with('E') && info.ty == Ty::Int(Int::U64))
        .filter_map(|info| match &info.value {
            Some(Value::Number(number)) => Some(ErrorDescription {
                code: u64::try_from(*number).ok()?,
                name: info.name.value.to_string(),
                description: info.docs.as_ref().map(|docs| docs.trim().to_owned()).unwrap_or_default(),
            }),
            _ => None,
        })
        .collect();
    entries.sort();
    entries.dedup_by_key(|entry| entry.code);
    entries
}

/// The doc comments of a module.
pub(crate) fn documentation(globals: &Globals, id: ModId) -> ModuleDocs {
    let module = globals.module(id);
    let mut docs = ModuleDocs { module: module.docs.clone(), ..ModuleDocs::default() };
    let functions = module.functions.iter().map(|id| globals.function(*id)).map(|info| (&info.name, &info.docs));
    let constants = module.constants.iter().map(|id| globals.constant(*id)).map(|info| (&info.name, &info.docs));
    let datatypes = module.datatypes.iter().map(|id| globals.datatype(*id));
    for (name, text) in functions.chain(constants).chain(datatypes.clone().map(|info| (&info.name, &info.docs))) {
        if let Some(text) = text {
            docs.members.insert(name.value.clone(), text.clone());
        }
    }
    for info in datatypes {
        for field in info.fields() {
            if let Some(text) = &field.docs {
                docs.fields.insert(format!("{}.{}", info.name.value, field.name.value).into(), text.clone());
            }
        }
    }
    docs
}
