//! Natives of `0x1::bcs`.

use noema_execution_api::{MoveTypeLayout, NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, Value};
use noema_types::Address;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "bcs",
        &[
            ("to_bytes", to_bytes),
            ("serialized_size", serialized_size),
            ("constant_serialized_size", constant_serialized_size),
            ("address_from", address_from),
        ],
    );
}

/// `native public fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;`
fn to_bytes(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let tag = context.type_arg(0)?;
    let bytes = context.serialize_at(&args.reference()?, tag)?;
    Ok(vec![Value::Bytes(bytes)])
}

/// `native public fun serialized_size<MoveValue>(v: &MoveValue): u64;`
fn serialized_size(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let tag = context.type_arg(0)?;
    let bytes = context.serialize_at(&args.reference()?, tag)?;
    Ok(vec![Value::U64(bytes.len() as u64)])
}

/// `native public fun constant_serialized_size<MoveValue>(): Option<u64>;`
fn constant_serialized_size(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    // The layout is charged by its nodes, which is what the walk below visits.
    let layout = context.layout(context.type_arg(0)?)?;
    let size = constant_size(&layout).into_iter().map(Value::U64).collect();
    Ok(vec![Value::Struct(vec![Value::Vector(size)])])
}

/// How many bytes every value of this shape takes, if that is one number: vectors and enums vary.
fn constant_size(layout: &MoveTypeLayout) -> Option<u64> {
    Some(match layout {
        MoveTypeLayout::Bool | MoveTypeLayout::U8 => 1,
        MoveTypeLayout::U16 => 2,
        MoveTypeLayout::U32 => 4,
        MoveTypeLayout::U64 => 8,
        MoveTypeLayout::U128 => 16,
        MoveTypeLayout::U256 | MoveTypeLayout::Address | MoveTypeLayout::Signer => 32,
        MoveTypeLayout::Vector(_) | MoveTypeLayout::Enum(_) => return None,
        MoveTypeLayout::Struct(layout) => {
            let mut sum = 0u64;
            for (_, field) in &layout.fields {
                sum = sum.checked_add(constant_size(field)?)?;
            }
            sum
        }
    })
}

/// `public(package) native fun address_from(bytes: vector<u8>): address;`
///
/// The Move side gives 32 bytes.
fn address_from(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.bytes()?;
    let bytes: [u8; Address::LENGTH] = bytes
        .try_into()
        .map_err(|bytes: Vec<u8>| NativeError::invariant(format!("an address of {} bytes", bytes.len())))?;
    Ok(vec![Value::Address(Address(bytes))])
}
