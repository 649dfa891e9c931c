//! Constants have a type that constants may have, and bytes that are a value of it.
//!
//! `LdConst` trusts both: bytes of another type would become a value that no code could build, such as a `bool` of 2 or
//! a vector longer than its bytes.

use noema_bytecode::{CompiledModule, SignatureToken};
use noema_execution_api::StatusCode;

use crate::limits::CONSTANT_VECTOR_ELEMENTS_MAX;
use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    for (position, constant) in module.constants.iter().enumerate() {
        let error = |status, message: &str| Err(VerifyError::at_entry(module, "constant", position, status, message));
        if !constant.type_.is_valid_for_constant() {
            return error(StatusCode::INVALID_CONSTANT_TYPE, "constants are primitives and vectors of them");
        }
        match skip_value(&constant.type_, &constant.data) {
            Some([]) => {}
            Some(_) => return error(StatusCode::MALFORMED_CONSTANT_DATA, "bytes after the value"),
            None => return error(StatusCode::MALFORMED_CONSTANT_DATA, "the bytes are no value of the type"),
        }
    }
    Ok(())
}

/// Whether the constants that are vectors have bytes that are values of their type: asked before all other passes, with
/// the limits.
pub(crate) fn check_vectors(module: &CompiledModule) -> Result {
    for (position, constant) in module.constants.iter().enumerate() {
        let is_vector = matches!(constant.type_, SignatureToken::Vector(_));
        if is_vector && skip_value(&constant.type_, &constant.data) != Some(&[]) {
            let status = StatusCode::MALFORMED_CONSTANT_DATA;
            let message = "the bytes are no value of the type";
            return Err(VerifyError::at_entry(module, "constant", position, status, message));
        }
    }
    Ok(())
}

/// What follows a value of this type; `None` if the bytes are no such value.
fn skip_value<'a>(type_: &SignatureToken, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let width = match type_ {
        SignatureToken::Bool => return if bytes.first()? <= &1 { Some(&bytes[1..]) } else { None },
        SignatureToken::Vector(element) => return skip_vector(element, bytes),
        SignatureToken::U8 => 1,
        SignatureToken::U16 => 2,
        SignatureToken::U32 => 4,
        SignatureToken::U64 => 8,
        SignatureToken::U128 => 16,
        SignatureToken::U256 | SignatureToken::Address => 32,
        _ => return None,
    };
    bytes.get(width..)
}

/// Every element takes at least a byte, so this is linear in the bytes whatever length they claim.
fn skip_vector<'a>(element: &SignatureToken, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (length, mut rest) = read_length(bytes)?;
    if length > CONSTANT_VECTOR_ELEMENTS_MAX {
        return None;
    }
    for _ in 0..length {
        rest = skip_value(element, rest)?;
    }
    Some(rest)
}

/// A minimal ULEB128 number below 2^32, as BCS writes lengths.
fn read_length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (position, byte) in bytes.iter().enumerate().take(5) {
        value |= u64::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            let is_minimal = position == 0 || *byte != 0;
            return (is_minimal && value <= u64::from(u32::MAX)).then(|| (value, &bytes[position + 1..]));
        }
    }
    None
}
