//! Entry functions and scripts take what a transaction can carry, and return nothing.
//!
//! A transaction brings signers and bytes. Its arguments must be values that anyone may make: numbers, booleans,
//! addresses, vectors of such, and the few structs of the framework whose construction is checked (`String`, `Option`,
//! `Object`). If a transaction could make a value of any struct from bytes, it could make coins. Signers come first,
//! so that an argument's position says whether it is one.

use noema_bytecode::{CompiledModule, CompiledScript, FunctionDefIndex, SignatureToken};
use noema_execution_api::StatusCode;
use noema_types::Address;

use crate::{Result, VerifyError};

/// Structs of 0x1 that a transaction can make, and whether their type argument is part of the value.
const TRANSACTION_STRUCTS: [(&str, &str, bool); 3] =
    [("string", "String", false), ("option", "Option", true), ("object", "Object", false)];

pub(crate) fn check_module(module: &CompiledModule) -> Result {
    for (position, def) in module.function_defs.iter().enumerate().filter(|(_, def)| def.is_entry) {
        let index = FunctionDefIndex::new(position);
        let fail = |message: String| {
            Err(VerifyError::in_function(module, index, StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE, message))
        };
        let handle = module.function_handle_at(def.function);
        let results = module.signature_at(handle.return_).len();
        if results > 0 {
            return fail(format!("an entry function returns nothing, this returns {results} values"));
        }
        if let Some(parameter) = first_unfit(module, module.signature_at(handle.parameters)) {
            return fail(unfit(parameter));
        }
    }
    Ok(())
}

pub(crate) fn check_script(script: &CompiledScript) -> Result {
    let module = &script.module;
    match first_unfit(module, module.signature_at(script.parameters)) {
        None => Ok(()),
        Some(parameter) => {
            let status = StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE;
            Err(VerifyError::in_module(module, status, unfit(parameter)))
        }
    }
}

fn unfit(parameter: usize) -> String {
    format!("parameter {parameter} is nothing that a transaction can pass there")
}

/// The first parameter that a transaction cannot pass.
fn first_unfit(module: &CompiledModule, parameters: &[SignatureToken]) -> Option<usize> {
    let signers = parameters.iter().take_while(|parameter| is_signer(parameter)).count();
    let arguments = &parameters[signers..];
    arguments.iter().position(|argument| !is_argument(module, argument)).map(|position| signers + position)
}

fn is_signer(parameter: &SignatureToken) -> bool {
    match parameter {
        SignatureToken::Reference(inner) => **inner == SignatureToken::Signer,
        other => *other == SignatureToken::Signer,
    }
}

/// Whether a transaction can make a value of this type from bytes.
pub(crate) fn is_argument(module: &CompiledModule, token: &SignatureToken) -> bool {
    match token {
        SignatureToken::Bool | SignatureToken::Address => true,
        SignatureToken::Vector(element) => is_argument(module, element),
        SignatureToken::Datatype(_) | SignatureToken::DatatypeInstantiation(_) => {
            let (handle, arguments) = token.as_datatype().expect("matched a datatype");
            let handle = module.datatype_handle_at(handle);
            let owner = module.module_id_of(module.module_handle_at(handle.module));
            let name = module.identifier_at(handle.name);
            let known = TRANSACTION_STRUCTS.iter().find(|(in_module, struct_name, _)| {
                owner.address == Address::ONE && owner.name.as_str() == *in_module && name.as_str() == *struct_name
            });
            known.is_some_and(|(_, _, holds_argument)| {
                !holds_argument || arguments.iter().all(|argument| is_argument(module, argument))
            })
        }
        other => other.is_integer(),
    }
}
