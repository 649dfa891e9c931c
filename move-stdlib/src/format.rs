//! Values as text, for `0x1::string_utils` and `0x1::debug`.
//!
//! Numbers in decimal, `@0x1` for addresses, `0x0a0b` for bytes, quoted strings, `[ 1, 2 ]` for vectors, `Some(1)` and
//! `None` for options, `Name { field: 1 }` for structs, `Name::Variant { field: 1 }` for enums. A struct with positional
//! fields is written as one with the names `pos0`, `pos1`, which is what its binary says.

use noema_execution_api::{
    InternalGas, MoveTypeLayout, NativeContext, NativeError, NativeResult, Reference, StatusCode, StructLayout, Value,
};
use noema_types::{Address, Identifier, StructTag, TypeTag};

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Types of structs with their modules and type arguments.
    pub type_tags: bool,
    /// Addresses with all their digits.
    pub canonical_addresses: bool,
    /// Everything on one line.
    pub single_line: bool,
    /// Numbers with their types.
    pub integer_types: bool,
}

/// Text that grows up to a limit.
struct Text {
    written: String,
    bytes_max: usize,
}

/// The limit is reached.
struct TooLong;

impl Style {
    /// On one line, with short types.
    pub const PLAIN: Self =
        Self { type_tags: false, canonical_addresses: false, single_line: true, integer_types: false };
    /// On many lines, with whole types.
    pub const DEBUG: Self =
        Self { type_tags: true, canonical_addresses: false, single_line: false, integer_types: false };
}

/// Text of the value at a reference, whose type is the call's first type argument; charged by its bytes.
///
/// # Errors
/// Out of gas, or the reference leads nowhere.
pub fn format_at(context: &mut NativeContext<'_>, reference: &Reference, style: Style) -> NativeResult<String> {
    let tag = context.type_arg(0)?;
    let size = context.read(reference)?.abstract_size();
    context.charge_bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
    let value = context.read(reference)?.clone();
    format_value(context, &value, tag, style)
}

/// Text of a value of a type, charged by its bytes.
///
/// # Errors
/// Out of gas, or the value is not of the type.
pub fn format_value(
    context: &mut NativeContext<'_>,
    value: &Value,
    tag: &TypeTag,
    style: Style,
) -> NativeResult<String> {
    context.charge(FORMAT_COST)?;
    let layout = context.layout(tag)?;
    // Names of fields make the text longer than the value: never longer than the balance pays for.
    let price = context.schedule().dynamic.native_byte.0.max(1);
    let bytes_max = usize::try_from(context.gas_remaining().0 / price).unwrap_or(usize::MAX).min(TEXT_BYTES_MAX);
    let mut text = Text { written: String::new(), bytes_max };
    let fits = write_value(&mut text, value, &layout, style, 0)?;
    context.charge_bytes(text.written.len())?;
    match fits {
        Ok(()) => Ok(text.written),
        Err(TooLong) if bytes_max < TEXT_BYTES_MAX => Err(NativeError::OutOfGas),
        Err(TooLong) => Err(NativeError::Status {
            code: StatusCode::MEMORY_LIMIT_EXCEEDED,
            message: format!("text of more than {TEXT_BYTES_MAX} bytes"),
        }),
    }
}

/// One text, in internal gas, beside the bytes of the value and of the text.
const FORMAT_COST: InternalGas = InternalGas(2_000);
/// Bytes of a text, at most.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// Spaces per level.
const INDENT: usize = 2;

type Written = NativeResult<Result<(), TooLong>>;

/// Writes, and leaves the function when the text is full.
macro_rules! put {
    ($text:expr, $part:expr) => {
        if $text.push($part).is_err() {
            return Ok(Err(TooLong));
        }
    };
}

/// Calls, and leaves the function when the text is full.
macro_rules! nested {
    ($call:expr) => {
        if $call?.is_err() {
            return Ok(Err(TooLong));
        }
    };
}

impl Text {
    fn push(&mut self, part: &str) -> Result<(), TooLong> {
        if part.len() > self.bytes_max - self.written.len() {
            return Err(TooLong);
        }
        self.written.push_str(part);
        Ok(())
    }
}

fn write_value(text: &mut Text, value: &Value, layout: &MoveTypeLayout, style: Style, depth: usize) -> Written {
    match (layout, value) {
        (MoveTypeLayout::Bool, Value::Bool(bit)) => put!(text, if *bit { "true" } else { "false" }),
        (MoveTypeLayout::Address, Value::Address(address)) => put!(text, &address_text(address, style)),
        (MoveTypeLayout::Signer, value) => {
            let address = value.as_signer().ok_or_else(wrong_shape)?;
            put!(text, &format!("signer({})", address_text(&address, style)));
        }
        (MoveTypeLayout::Vector(_), Value::Bytes(bytes)) => return write_hex(text, bytes),
        (MoveTypeLayout::Vector(element), Value::Vector(values)) => {
            put!(text, "[");
            for (position, value) in values.iter().enumerate() {
                put!(text, if position == 0 { "" } else { "," });
                nested!(new_line(text, style, depth + 1));
                nested!(write_value(text, value, element, style, depth + 1));
            }
            if !values.is_empty() {
                nested!(new_line(text, style, depth));
            }
            put!(text, "]");
        }
        (MoveTypeLayout::Struct(layout), Value::Struct(fields)) => {
            return write_struct(text, value, fields, layout, style, depth);
        }
        (MoveTypeLayout::Enum(layout), Value::Variant(variant, fields)) => {
            let (name, layouts) = layout.variants.get(usize::from(*variant)).ok_or_else(wrong_shape)?;
            put!(text, &type_text(&layout.tag, style));
            put!(text, "::");
            put!(text, name.as_str());
            if !fields.is_empty() {
                put!(text, " ");
                return write_fields(text, fields, layouts, style, depth);
            }
        }
        (layout, value) => {
            let digits = match value {
                Value::U8(number) => number.to_string(),
                Value::U16(number) => number.to_string(),
                Value::U32(number) => number.to_string(),
                Value::U64(number) => number.to_string(),
                Value::U128(number) => number.to_string(),
                Value::U256(number) => number.to_string(),
                _ => return Err(wrong_shape()),
            };
            put!(text, &digits);
            if style.integer_types {
                put!(text, &layout.type_tag().to_string());
            }
        }
    }
    Ok(Ok(()))
}

fn write_struct(
    text: &mut Text,
    value: &Value,
    fields: &[Value],
    layout: &StructLayout,
    style: Style,
    depth: usize,
) -> Written {
    let tag = &layout.tag;
    match (tag.address, tag.module.as_str(), tag.name.as_str()) {
        (Address::ONE, "string" | "ascii", "String") => {
            let bytes = value.as_string_bytes().ok_or_else(wrong_shape)?;
            put!(text, &format!("{:?}", String::from_utf8_lossy(bytes)));
        }
        (Address::ONE, "option", "Option") => {
            let (Some((_, MoveTypeLayout::Vector(element))), Some(held)) = (layout.fields.first(), fields.first())
            else {
                return Err(wrong_shape());
            };
            let held = match held {
                Value::Bytes(bytes) => bytes.first().map(|byte| Value::U8(*byte)),
                Value::Vector(values) => values.first().cloned(),
                _ => return Err(wrong_shape()),
            };
            match held {
                Some(value) => {
                    put!(text, "Some(");
                    nested!(write_value(text, &value, element, style, depth));
                    put!(text, ")");
                }
                None => put!(text, "None"),
            }
        }
        _ => {
            put!(text, &type_text(tag, style));
            put!(text, " ");
            return write_fields(text, fields, &layout.fields, style, depth);
        }
    }
    Ok(Ok(()))
}

fn write_fields(
    text: &mut Text,
    fields: &[Value],
    layouts: &[(Identifier, MoveTypeLayout)],
    style: Style,
    depth: usize,
) -> Written {
    put!(text, "{");
    for (position, (value, (name, layout))) in fields.iter().zip(layouts).enumerate() {
        put!(text, if position == 0 { "" } else { "," });
        nested!(new_line(text, style, depth + 1));
        put!(text, name.as_str());
        put!(text, ": ");
        nested!(write_value(text, value, layout, style, depth + 1));
    }
    nested!(new_line(text, style, depth));
    put!(text, "}");
    Ok(Ok(()))
}

fn new_line(text: &mut Text, style: Style, depth: usize) -> Written {
    if style.single_line {
        put!(text, " ");
    } else {
        put!(text, "\n");
        put!(text, &" ".repeat(INDENT * depth));
    }
    Ok(Ok(()))
}

fn write_hex(text: &mut Text, bytes: &[u8]) -> Written {
    put!(text, "0x");
    for byte in bytes {
        put!(text, &format!("{byte:02x}"));
    }
    Ok(Ok(()))
}

fn address_text(address: &Address, style: Style) -> String {
    let digits: String = address.0.iter().map(|byte| format!("{byte:02x}")).collect();
    if style.canonical_addresses {
        format!("@0x{digits}")
    } else {
        let short = digits.trim_start_matches('0');
        format!("@0x{}", if short.is_empty() { "0" } else { short })
    }
}

fn type_text(tag: &StructTag, style: Style) -> String {
    if style.type_tags { tag.to_string() } else { tag.name.to_string() }
}

fn wrong_shape() -> NativeError {
    NativeError::invariant("a value does not have the shape of its type")
}
