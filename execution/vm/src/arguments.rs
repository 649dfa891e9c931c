//! Arguments that come from outside: which types a transaction may pass, and which of their values.
//!
//! A transaction passes BCS. Not every BCS value of a type is one that Move code could have made (a `String` that is not
//! UTF-8, an `Option` of two), so only types whose rules are known here are taken: primitives, vectors of such types,
//! `0x1::string::String`, `0x1::option::Option` of such a type, and `0x1::object::Object`, whose existence Move code
//! checks (`0x1::object::address_to_object`).

use noema_bytecode::SignatureToken;
use noema_execution_api::{StatusCode, Value};
use noema_types::{Address, StructTag, TypeTag};

use crate::error::{Result, fail_because};

/// Structs that a transaction may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    String,
    Option,
    Object,
}

fn known(tag: &StructTag) -> Option<Known> {
    if tag.address != Address::ONE {
        return None;
    }
    match (tag.module.as_str(), tag.name.as_str()) {
        ("string", "String") => Some(Known::String),
        ("option", "Option") => Some(Known::Option),
        ("object", "Object") => Some(Known::Object),
        _ => None,
    }
}

/// `signer` or `&signer`.
pub(crate) fn is_signer(token: &SignatureToken) -> bool {
    matches!(token.referent().unwrap_or(token), SignatureToken::Signer) && !token.is_mutable_reference()
}

/// Checks that a transaction may pass values of a closed type.
pub(crate) fn check_type(tag: &TypeTag) -> Result<()> {
    let refused = || {
        let message = format!("a transaction cannot pass a value of type {tag}");
        fail_because(StatusCode::INVALID_PARAM_TYPE_FOR_DESERIALIZATION, message)
    };
    match tag {
        TypeTag::Signer => Err(refused()),
        TypeTag::Vector(element) => check_type(element),
        TypeTag::Struct(inner) => match known(inner) {
            Some(Known::String | Known::Object) => Ok(()),
            Some(Known::Option) => inner.type_args.iter().try_for_each(check_type),
            None => Err(refused()),
        },
        _ => Ok(()),
    }
}

/// Checks what the type of a decoded value does not say; collects the objects in it, whose existence Move code checks.
pub(crate) fn check_value(value: &Value, tag: &TypeTag, objects: &mut Vec<(Address, TypeTag)>) -> Result<()> {
    let malformed = |what: &str| fail_because(StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT, what.to_owned());
    match (tag, value) {
        (TypeTag::Vector(element), Value::Vector(values)) => {
            values.iter().try_for_each(|value| check_value(value, element, objects))
        }
        (TypeTag::Struct(inner), value) => match known(inner) {
            Some(Known::String) => match value.as_string_bytes().map(std::str::from_utf8) {
                Some(Ok(_)) => Ok(()),
                _ => Err(malformed("a string is not UTF-8")),
            },
            Some(Known::Option) => check_option(value, inner, objects),
            Some(Known::Object) => match (value.as_struct(), inner.type_args.as_slice()) {
                (Some([Value::Address(address)]), [of]) => {
                    objects.push((*address, of.clone()));
                    Ok(())
                }
                _ => Err(malformed("an object is not an address")),
            },
            None => Err(malformed("a struct that a transaction cannot pass")),
        },
        _ => Ok(()),
    }
}

fn check_option(value: &Value, tag: &StructTag, objects: &mut Vec<(Address, TypeTag)>) -> Result<()> {
    let malformed = || {
        let message = "an option does not hold none or one value";
        fail_because(StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT, message)
    };
    let (Some([values]), [of]) = (value.as_struct(), tag.type_args.as_slice()) else { return Err(malformed()) };
    if values.vector_len().is_none_or(|length| length > 1) {
        return Err(malformed());
    }
    values.as_vector().unwrap_or_default().iter().try_for_each(|value| check_value(value, of, objects))
}
