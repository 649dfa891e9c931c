//! Modules as JSON: bytecode and ABI.

use std::collections::BTreeSet;

use noema_bytecode::{
    AbilitySet, CompiledModule, FunctionDefinition, SignatureToken, StructDefinition, StructFieldInformation,
    Visibility,
};
use noema_execution_api::module_metadata::{MODULE_METADATA_KEY, ModuleMetadata};
use noema_types::{Identifier, StructTag, TypeTag};
use serde_json::{Value, json};

use super::hex_json;

/// A published module: bytecode and ABI; without ABI if the bytecode cannot be read.
pub(crate) fn module_json(bytecode: &[u8]) -> Value {
    let abi = CompiledModule::deserialize(bytecode).ok().map(|module| abi_json(&module));
    json!({ "bytecode": hex_json(bytecode), "abi": abi })
}

fn abi_json(module: &CompiledModule) -> Value {
    let metadata = module.metadata_value(MODULE_METADATA_KEY).and_then(|bytes| ModuleMetadata::from_bytes(bytes).ok());
    let metadata = metadata.unwrap_or_default();
    let views: BTreeSet<&str> = metadata.view_functions.iter().map(String::as_str).collect();
    let events: BTreeSet<&str> = metadata.event_structs.iter().map(String::as_str).collect();
    let id = module.self_id();
    let exposed = module.function_defs.iter().filter(|def| def.visibility != Visibility::Private || def.is_entry);
    json!({
        "address": id.address,
        "name": id.name,
        "friends": module.immediate_friends().map(|friend| friend.to_string()).collect::<Vec<_>>(),
        "exposed_functions": exposed.map(|def| function_json(module, def, &views)).collect::<Vec<_>>(),
        "structs": module.struct_defs.iter().map(|def| struct_json(module, def, &events)).collect::<Vec<_>>(),
    })
}

fn function_json(module: &CompiledModule, def: &FunctionDefinition, views: &BTreeSet<&str>) -> Value {
    let handle = module.function_handle_at(def.function);
    let name = module.identifier_at(handle.name);
    let types = |index| module.signature_at(index).iter().map(|token| type_text(module, token)).collect::<Vec<_>>();
    json!({
        "name": name,
        "visibility": match def.visibility {
            Visibility::Private => "private",
            Visibility::Public => "public",
            Visibility::Friend => "friend",
        },
        "is_entry": def.is_entry,
        "is_view": views.contains(name.as_str()),
        "generic_type_params": handle
            .type_parameters
            .iter()
            .map(|constraints| json!({ "constraints": abilities(*constraints) }))
            .collect::<Vec<_>>(),
        "params": types(handle.parameters),
        "return": types(handle.return_),
    })
}

fn struct_json(module: &CompiledModule, def: &StructDefinition, events: &BTreeSet<&str>) -> Value {
    let handle = module.datatype_handle_at(def.handle);
    let name = module.identifier_at(handle.name);
    let fields = def.declared_fields().unwrap_or_default();
    json!({
        "name": name,
        "is_native": def.fields == StructFieldInformation::Native,
        "is_event": events.contains(name.as_str()),
        "abilities": abilities(handle.abilities),
        "generic_type_params": handle
            .type_parameters
            .iter()
            .map(|parameter| json!({ "constraints": abilities(parameter.constraints) }))
            .collect::<Vec<_>>(),
        "fields": fields
            .iter()
            .map(|field| json!({
                "name": module.identifier_at(field.name),
                "type": type_text(module, &field.signature),
            }))
            .collect::<Vec<_>>(),
    })
}

fn abilities(set: AbilitySet) -> Vec<&'static str> {
    set.iter().map(|ability| ability.name()).collect()
}

/// A type as the API writes it: type parameters are `T0`, `T1`, ...
fn type_text(module: &CompiledModule, token: &SignatureToken) -> String {
    let name = |index| {
        let handle = module.datatype_handle_at(index);
        let id = module.module_id_of(module.module_handle_at(handle.module));
        format!("{id}::{}", module.identifier_at(handle.name))
    };
    match token {
        SignatureToken::Bool => "bool".to_owned(),
        SignatureToken::U8 => "u8".to_owned(),
        SignatureToken::U16 => "u16".to_owned(),
        SignatureToken::U32 => "u32".to_owned(),
        SignatureToken::U64 => "u64".to_owned(),
        SignatureToken::U128 => "u128".to_owned(),
        SignatureToken::U256 => "u256".to_owned(),
        SignatureToken::Address => "address".to_owned(),
        SignatureToken::Signer => "signer".to_owned(),
        SignatureToken::Vector(inner) => format!("vector<{}>", type_text(module, inner)),
        SignatureToken::Reference(inner) => format!("&{}", type_text(module, inner)),
        SignatureToken::MutableReference(inner) => format!("&mut {}", type_text(module, inner)),
        SignatureToken::TypeParameter(index) => format!("T{index}"),
        SignatureToken::Datatype(index) => name(*index),
        SignatureToken::DatatypeInstantiation(instance) => {
            let args: Vec<_> = instance.1.iter().map(|arg| type_text(module, arg)).collect();
            format!("{}<{}>", name(instance.0), args.join(", "))
        }
    }
}

/// Types of a function's parameters after the leading signers; `None` if there is no such function.
pub(crate) fn parameter_tags(module: &CompiledModule, function: &Identifier, args: &[TypeTag]) -> Option<Vec<TypeTag>> {
    let (_, def) = module.find_function(function)?;
    let tokens = module.signature_at(module.function_handle_at(def.function).parameters);
    tokens.iter().skip_while(|token| is_signer(token)).map(|token| token_tag(module, token, args)).collect()
}

fn is_signer(token: &SignatureToken) -> bool {
    match token {
        SignatureToken::Signer => true,
        SignatureToken::Reference(inner) => **inner == SignatureToken::Signer,
        _ => false,
    }
}

/// The closed type that a signature's type stands for; references stand for what they point to.
fn token_tag(module: &CompiledModule, token: &SignatureToken, args: &[TypeTag]) -> Option<TypeTag> {
    let struct_tag = |index, type_args| {
        let handle = module.datatype_handle_at(index);
        let id = module.module_id_of(module.module_handle_at(handle.module));
        let name = module.identifier_at(handle.name).clone();
        TypeTag::Struct(Box::new(StructTag { address: id.address, module: id.name, name, type_args }))
    };
    Some(match token {
        SignatureToken::Bool => TypeTag::Bool,
        SignatureToken::U8 => TypeTag::U8,
        SignatureToken::U16 => TypeTag::U16,
        SignatureToken::U32 => TypeTag::U32,
        SignatureToken::U64 => TypeTag::U64,
        SignatureToken::U128 => TypeTag::U128,
        SignatureToken::U256 => TypeTag::U256,
        SignatureToken::Address => TypeTag::Address,
        SignatureToken::Signer => TypeTag::Signer,
        SignatureToken::Vector(inner) => TypeTag::Vector(Box::new(token_tag(module, inner, args)?)),
        SignatureToken::Reference(inner) | SignatureToken::MutableReference(inner) => token_tag(module, inner, args)?,
        SignatureToken::TypeParameter(index) => args.get(usize::from(*index))?.clone(),
        SignatureToken::Datatype(index) => struct_tag(*index, Vec::new()),
        SignatureToken::DatatypeInstantiation(instance) => {
            let type_args = instance.1.iter().map(|arg| token_tag(module, arg, args)).collect::<Option<Vec<_>>>()?;
            struct_tag(instance.0, type_args)
        }
    })
}
