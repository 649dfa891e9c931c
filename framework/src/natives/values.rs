//! Natives about values and types: names and BCS.

use noema_execution_api::{MoveTypeLayout, NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, Value};
use noema_move_stdlib::format::{Style, format_at};
use noema_types::{Address, StructTag, TypeTag};

/// `invalid_argument(1)`.
const EINVALID_BYTES: u64 = 0x10001;
pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(Address::ONE, "type_info", &[("type_of_internal", type_of), ("type_name_internal", type_name)]);
    table.add(Address::ONE, "from_bcs", "from_bytes", from_bytes);
    table.add(Address::ONE, "string_utils", "native_format", native_format);
}

/// `native fun type_of_internal<T>(): (bool, address, vector<u8>, vector<u8>);`
fn type_of(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let TypeTag::Struct(tag) = context.type_arg(0)? else {
        let nothing = || Value::Bytes(Vec::new());
        return Ok(vec![Value::Bool(false), Value::Address(Address::ZERO), nothing(), nothing()]);
    };
    let module = tag.module.as_str().as_bytes().to_vec();
    let name = struct_name(tag).into_bytes();
    context.charge_bytes(module.len() + name.len())?;
    Ok(vec![Value::Bool(true), Value::Address(tag.address), Value::Bytes(module), Value::Bytes(name)])
}

/// The struct's name with the text of its type arguments.
fn struct_name(tag: &StructTag) -> String {
    let args: Vec<String> = tag.type_args.iter().map(ToString::to_string).collect();
    if args.is_empty() { tag.name.to_string() } else { format!("{}<{}>", tag.name, args.join(", ")) }
}

/// `native fun type_name_internal<T>(): vector<u8>;`
fn type_name(context: &mut NativeContext<'_>, _args: NativeArgs) -> NativeResult {
    let name = context.type_arg(0)?.to_string();
    context.charge_bytes(name.len())?;
    Ok(vec![Value::Bytes(name.into_bytes())])
}

/// `native fun native_format<T>(s: &T, type_tag: bool, canonicalize: bool, single_line: bool, include_int_types: bool):
/// String;`
fn native_format(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let value = args.reference()?;
    let (type_tags, canonical_addresses) = (args.bool()?, args.bool()?);
    let (single_line, integer_types) = (args.bool()?, args.bool()?);
    let style = Style { type_tags, canonical_addresses, single_line, integer_types };
    Ok(vec![Value::string(format_at(context, &value, style)?)])
}

/// `public(friend) native fun from_bytes<T>(bytes: vector<u8>): T;`
fn from_bytes(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.bytes()?;
    let tag = context.type_arg(0)?;
    let invalid = NativeError::Abort { code: EINVALID_BYTES };
    let value = context.deserialize(&bytes, tag)?.ok_or_else(|| invalid.clone())?;
    let layout = context.layout(tag)?;
    if may_be_forged(&layout, &value) { Ok(vec![value]) } else { Err(invalid) }
}

/// Whether bytes may become this value: no signer, and every string holds what its type promises.
fn may_be_forged(layout: &MoveTypeLayout, value: &Value) -> bool {
    match (layout, value) {
        (MoveTypeLayout::Signer, _) => false,
        (MoveTypeLayout::Vector(element), Value::Vector(values)) => {
            values.iter().all(|value| may_be_forged(element, value))
        }
        (MoveTypeLayout::Struct(layout), Value::Struct(fields)) => {
            let text_is_valid = match (layout.tag.address, layout.tag.module.as_str(), layout.tag.name.as_str()) {
                (Address::ONE, "string", "String") => {
                    value.as_string_bytes().is_some_and(|bytes| std::str::from_utf8(bytes).is_ok())
                }
                (Address::ONE, "ascii", "String") => value.as_string_bytes().is_some_and(<[u8]>::is_ascii),
                (Address::ONE, "option", "Option") => {
                    fields.first().and_then(Value::vector_len).is_some_and(|length| length <= 1)
                }
                _ => true,
            };
            text_is_valid && layout.fields.iter().zip(fields).all(|((_, layout), value)| may_be_forged(layout, value))
        }
        (MoveTypeLayout::Enum(layout), Value::Variant(tag, fields)) => {
            layout.variants.get(usize::from(*tag)).is_some_and(|(_, layouts)| {
                layouts.iter().zip(fields).all(|((_, layout), value)| may_be_forged(layout, value))
            })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use noema_execution_api::StructLayout;
    use noema_types::Identifier;

    use super::*;

    fn layout(module: &str, name: &str, field: MoveTypeLayout) -> MoveTypeLayout {
        let id = |text: &str| Identifier::new(text).unwrap();
        let tag = StructTag { address: Address::ONE, module: id(module), name: id(name), type_args: vec![] };
        MoveTypeLayout::Struct(Arc::new(StructLayout { tag, fields: vec![(id("x"), field)] }))
    }

    #[test]
    fn bytes_never_become_signers_or_broken_strings() {
        let bytes = MoveTypeLayout::Vector(Arc::new(MoveTypeLayout::U8));
        let string = layout("string", "String", bytes.clone());
        let text = |bytes: &[u8]| Value::Struct(vec![Value::bytes(bytes)]);
        assert!(may_be_forged(&string, &text("ü".as_bytes())));
        assert!(!may_be_forged(&string, &text(&[0xff])));
        assert!(!may_be_forged(&layout("ascii", "String", bytes), &text("ü".as_bytes())));
        let strings = MoveTypeLayout::Vector(Arc::new(string));
        assert!(!may_be_forged(&strings, &Value::Vector(vec![text(b"a"), text(&[0xff])])));
        let option = layout("option", "Option", MoveTypeLayout::Vector(Arc::new(MoveTypeLayout::U64)));
        let numbers = |count| Value::Struct(vec![Value::Vector(vec![Value::U64(1); count])]);
        assert!(may_be_forged(&option, &numbers(1)));
        assert!(!may_be_forged(&option, &numbers(2)));
        assert!(!may_be_forged(
            &layout("m", "S", MoveTypeLayout::Signer),
            &Value::Struct(vec![Value::signer(Address::ONE)])
        ));
    }

    #[test]
    fn struct_names_carry_their_arguments() {
        let tag = "0x1::coin::Coin<0x1::aptos_coin::AptosCoin>".parse().unwrap();
        assert_eq!(struct_name(&tag), "Coin<0x1::aptos_coin::AptosCoin>");
    }
}
