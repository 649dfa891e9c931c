//! Tables and types are not larger than the protocol allows.
//!
//! Later passes and the interpreters do work that grows with these sizes; the attack stopped here is a module that is
//! legal but makes each of them slow. The weight of a type bounds how fast instantiating it can grow.

use noema_bytecode::{CompiledModule, CompiledScript, FieldDefinition, SignatureToken};
use noema_execution_api::StatusCode;

use crate::limits::{IDENTIFIER_BYTES_MAX, TYPE_NODE_WEIGHT};
use crate::{Limits, Result, VerifyError, constants};

pub(crate) fn check(module: &CompiledModule, limits: &Limits) -> Result {
    constants::check_vectors(module)?;
    check_handles(module, limits)?;
    for (position, signature) in module.signatures.iter().enumerate() {
        signature.0.iter().try_for_each(|token| check_weight(module, "signature", position, token, limits))?;
    }
    for (position, constant) in module.constants.iter().enumerate() {
        check_weight(module, "constant", position, &constant.type_, limits)?;
    }
    for (position, identifier) in module.identifiers.iter().enumerate() {
        let length = identifier.as_str().len();
        exceeds(module, "identifier", position, length, IDENTIFIER_BYTES_MAX, StatusCode::IDENTIFIER_TOO_LONG)?;
    }
    check_definitions(module, limits)
}

pub(crate) fn check_script(script: &CompiledScript, limits: &Limits) -> Result {
    let module = &script.module;
    let (generics, parameters) = (script.type_parameters.len(), module.signature_at(script.parameters).len());
    exceeds(module, "script", 0, generics, limits.type_parameters, StatusCode::TOO_MANY_TYPE_PARAMETERS)?;
    exceeds(module, "script", 0, parameters, limits.parameters, StatusCode::TOO_MANY_PARAMETERS)
}

fn exceeds(
    module: &CompiledModule,
    table: &'static str,
    position: usize,
    size: usize,
    max: usize,
    status: StatusCode,
) -> Result {
    if size <= max {
        return Ok(());
    }
    Err(VerifyError::at_entry(module, table, position, status, format!("{size}, at most {max} are allowed")))
}

fn check_handles(module: &CompiledModule, limits: &Limits) -> Result {
    let too_many = StatusCode::TOO_MANY_TYPE_PARAMETERS;
    for (position, handle) in module.function_handles.iter().enumerate() {
        let generics = handle.type_parameters.len();
        exceeds(module, "function handle", position, generics, limits.type_parameters, too_many)?;
        let parameters = module.signature_at(handle.parameters).len();
        let status = StatusCode::TOO_MANY_PARAMETERS;
        exceeds(module, "function handle", position, parameters, limits.parameters, status)?;
    }
    for (position, handle) in module.datatype_handles.iter().enumerate() {
        let generics = handle.type_parameters.len();
        exceeds(module, "datatype handle", position, generics, limits.type_parameters, too_many)?;
    }
    Ok(())
}

fn check_weight(
    module: &CompiledModule,
    table: &'static str,
    position: usize,
    token: &SignatureToken,
    limits: &Limits,
) -> Result {
    let weigh = |token: &SignatureToken| match token {
        SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) | SignatureToken::TypeParameter(_) => {
            TYPE_NODE_WEIGHT
        }
        _ => 1,
    };
    let weight = token.preorder().map(|(token, _)| weigh(token)).sum();
    exceeds(module, table, position, weight, limits.type_nodes, StatusCode::TOO_MANY_TYPE_NODES)
}

fn check_definitions(module: &CompiledModule, limits: &Limits) -> Result {
    let (functions, datatypes) = (module.function_defs.len(), module.struct_defs.len() + module.enum_defs.len());
    exceeds(module, "function", 0, functions, limits.functions, StatusCode::MAX_FUNCTION_DEFINITIONS_REACHED)?;
    exceeds(module, "datatype", 0, datatypes, limits.datatypes, StatusCode::MAX_STRUCT_DEFINITIONS_REACHED)?;
    for (position, def) in module.struct_defs.iter().enumerate() {
        check_fields(module, "struct", position, def.declared_fields().unwrap_or_default(), limits)?;
    }
    for (position, def) in module.enum_defs.iter().enumerate() {
        let variants = def.variants.len();
        exceeds(module, "enum", position, variants, limits.variants, StatusCode::MAX_VARIANTS_REACHED)?;
        for variant in &def.variants {
            check_fields(module, "enum", position, &variant.fields, limits)?;
        }
    }
    Ok(())
}

fn check_fields(
    module: &CompiledModule,
    table: &'static str,
    position: usize,
    fields: &[FieldDefinition],
    limits: &Limits,
) -> Result {
    exceeds(module, table, position, fields.len(), limits.fields, StatusCode::MAX_FIELD_DEFINITIONS_REACHED)?;
    fields.iter().try_for_each(|field| check_weight(module, table, position, &field.signature, limits))
}
