//! What the standard library declares `native`.

use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable, Value};
use noema_types::Address;
use sha2::{Digest as _, Sha256};
use sha3::Sha3_256;

/// The standard library's natives.
#[must_use]
pub fn natives() -> NativeTable {
    let mut table = NativeTable::new();
    table.add_module(Address::ONE, "bcs", &[("to_bytes", bcs_to_bytes), ("serialized_size", bcs_serialized_size)]);
    table.add_module(Address::ONE, "hash", &[("sha2_256", sha2_256), ("sha3_256", sha3_256)]);
    table.add(Address::ONE, "signer", "borrow_address", signer_borrow_address);
    table.add_module(
        Address::ONE,
        "string",
        &[
            ("internal_check_utf8", string_check_utf8),
            ("internal_is_char_boundary", string_is_char_boundary),
            ("internal_sub_string", string_sub_string),
            ("internal_index_of", string_index_of),
        ],
    );
    table.add(Address::ONE, "type_name", "internal_name", type_name);
    table
}

/// `native public fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;`
fn bcs_to_bytes(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let tag = context.type_arg(0)?;
    let bytes = context.serialize_at(&args.reference()?, tag)?;
    Ok(vec![Value::Bytes(bytes)])
}

/// `native public fun serialized_size<MoveValue>(v: &MoveValue): u64;`
fn bcs_serialized_size(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let tag = context.type_arg(0)?;
    let bytes = context.serialize_at(&args.reference()?, tag)?;
    Ok(vec![Value::U64(bytes.len() as u64)])
}

/// `native public fun sha2_256(data: vector<u8>): vector<u8>;`
fn sha2_256(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let data = args.bytes()?;
    context.charge_bytes(data.len())?;
    Ok(vec![Value::Bytes(Sha256::digest(&data).to_vec())])
}

/// `native public fun sha3_256(data: vector<u8>): vector<u8>;`
fn sha3_256(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let data = args.bytes()?;
    context.charge_bytes(data.len())?;
    Ok(vec![Value::Bytes(Sha3_256::digest(&data).to_vec())])
}

/// `native public fun borrow_address(s: &signer): &address;`
fn signer_borrow_address(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    // A signer is a struct of its address.
    Ok(vec![Value::Reference(args.reference()?.child(0))])
}

/// `native fun internal_check_utf8(bytes: &vector<u8>): bool;`
fn string_check_utf8(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.reference()?;
    let length = context.read_bytes(&bytes)?.len();
    context.charge_bytes(length)?;
    Ok(vec![Value::Bool(std::str::from_utf8(context.read_bytes(&bytes)?).is_ok())])
}

/// `native fun internal_is_char_boundary(bytes: &vector<u8>, i: u64): bool;`
fn string_is_char_boundary(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.reference()?;
    let at = args.u64()?;
    let bytes = context.read_bytes(&bytes)?;
    let is_boundary = match usize::try_from(at) {
        Ok(at) if at < bytes.len() => !is_continuation(bytes[at]),
        Ok(at) => at == bytes.len(),
        Err(_) => false,
    };
    Ok(vec![Value::Bool(is_boundary)])
}

/// `native fun internal_sub_string(bytes: &vector<u8>, i: u64, j: u64): vector<u8>;`
///
/// The Move side has checked `i <= j <= length`; anything else gives no bytes.
fn string_sub_string(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.reference()?;
    let (start, end) = (args.u64()?, args.u64()?);
    let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
    let length = context.read_bytes(&bytes)?.get(range.clone()).map_or(0, <[u8]>::len);
    context.charge_bytes(length)?;
    Ok(vec![Value::Bytes(context.read_bytes(&bytes)?.get(range).unwrap_or_default().to_vec())])
}

/// `native fun internal_index_of(bytes: &vector<u8>, pattern: &vector<u8>): u64;`
fn string_index_of(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (bytes, pattern) = (args.reference()?, args.reference()?);
    let length = context.read_bytes(&bytes)?.len();
    let pattern = context.read_bytes(&pattern)?.to_vec();
    // The search is linear in both together.
    context.charge_bytes(length.saturating_add(pattern.len()))?;
    let at = find(context.read_bytes(&bytes)?, &pattern).unwrap_or(length);
    Ok(vec![Value::U64(at as u64)])
}

/// `native fun internal_name<T>(): vector<u8>;`
fn type_name(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let name = context.type_arg(0)?.to_string();
    context.charge_bytes(name.len())?;
    Ok(vec![Value::Bytes(name.into_bytes())])
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Where `pattern` first occurs, in time linear in both (Knuth, Morris, Pratt).
fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    if pattern.is_empty() {
        return Some(0);
    }
    let mut borders = vec![0; pattern.len()];
    let mut matched = 0;
    for at in 1..pattern.len() {
        while matched > 0 && pattern[at] != pattern[matched] {
            matched = borders[matched - 1];
        }
        if pattern[at] == pattern[matched] {
            matched += 1;
        }
        borders[at] = matched;
    }
    matched = 0;
    for (at, byte) in bytes.iter().enumerate() {
        while matched > 0 && *byte != pattern[matched] {
            matched = borders[matched - 1];
        }
        if *byte == pattern[matched] {
            matched += 1;
        }
        if matched == pattern.len() {
            return Some(at + 1 - pattern.len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_naive_search_finds(
            bytes in prop::collection::vec(0u8..3, 0..60),
            pattern in prop::collection::vec(0u8..3, 0..6),
        ) {
            let naive = if pattern.is_empty() {
                Some(0)
            } else {
                bytes.windows(pattern.len()).position(|window| window == pattern)
            };
            prop_assert_eq!(find(&bytes, &pattern), naive);
        }
    }
}
