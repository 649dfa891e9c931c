//! Natives of `0x1::string` and `0x1::type_name`.

use noema_execution_api::{NativeArgs, NativeContext, NativeResult, NativeTable, Value};
use noema_types::Address;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "string",
        &[
            ("internal_check_utf8", check_utf8),
            ("internal_is_char_boundary", is_char_boundary),
            ("internal_sub_string", sub_string),
            ("internal_index_of", index_of),
        ],
    );
    table.add(Address::ONE, "type_name", "internal_name", type_name);
}

/// `native fun internal_check_utf8(bytes: &vector<u8>): bool;`
fn check_utf8(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.reference()?;
    let length = context.read_bytes(&bytes)?.len();
    context.charge_bytes(length)?;
    Ok(vec![Value::Bool(std::str::from_utf8(context.read_bytes(&bytes)?).is_ok())])
}

/// `native fun internal_is_char_boundary(bytes: &vector<u8>, i: u64): bool;`
fn is_char_boundary(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
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
fn sub_string(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.reference()?;
    let (start, end) = (args.u64()?, args.u64()?);
    let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
    let length = context.read_bytes(&bytes)?.get(range.clone()).map_or(0, <[u8]>::len);
    context.charge_bytes(length)?;
    Ok(vec![Value::Bytes(context.read_bytes(&bytes)?.get(range).unwrap_or_default().to_vec())])
}

/// `native fun internal_index_of(bytes: &vector<u8>, pattern: &vector<u8>): u64;`
fn index_of(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
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
