//! Move values as JSON, and JSON arguments as Move values.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use noema_bytecode::CompiledModule;
use noema_execution_api::{
    AnnotatedValue, GasSchedule, MoveTypeLayout, NoAnswers, StateView, StatusCode, TransactionContext,
};
use noema_types::{Address, CodeLocation, Identifier, ModuleId, StateKey, StructTag, TypeTag, U256};
use noema_vm::{Session, Vm, VmLimits};
use serde_json::{Map, Value, json};

use super::hex_json;

/// Nesting of a JSON argument, at most.
const ARGUMENT_DEPTH_MAX: usize = 16;

/// Turns bytes into JSON with the types of one state.
pub(crate) struct Renderer<'a> {
    view: &'a dyn StateView,
    session: RefCell<Session<'a>>,
}

/// Prepares modules for their types only; nothing runs on it.
static LAYOUTS: LazyLock<Vm> =
    LazyLock::new(|| Vm::new(noema_framework::natives(), GasSchedule::default(), VmLimits::default()));

impl std::fmt::Debug for Renderer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renderer").finish_non_exhaustive()
    }
}

impl<'a> Renderer<'a> {
    /// Renders with the modules that `view` holds.
    pub(crate) fn new(view: &'a dyn StateView) -> Self {
        Self { view, session: RefCell::new(LAYOUTS.session(view, &NoAnswers, TransactionContext::default())) }
    }

    /// A published module, if it is there and readable.
    pub(crate) fn module(&self, id: &ModuleId) -> Option<CompiledModule> {
        let bytes = self.view.get(&StateKey::Module(id.clone())).ok()??;
        CompiledModule::deserialize(&bytes).ok()
    }

    /// The shape of a type, if its modules are there.
    pub(crate) fn layout(&self, tag: &TypeTag) -> Option<Arc<MoveTypeLayout>> {
        self.session.borrow_mut().type_layout(tag).ok()
    }

    /// A value; `None` if its type is unknown or the bytes do not fit it.
    pub(crate) fn value(&self, tag: &TypeTag, bytes: &[u8]) -> Option<Value> {
        let annotated = self.layout(tag)?.decode_annotated(bytes).ok()?;
        Some(annotated_json(&annotated))
    }

    /// A resource; its raw bytes if it cannot be decoded.
    pub(crate) fn resource(&self, tag: &StructTag, bytes: &[u8]) -> Value {
        self.value(&TypeTag::Struct(Box::new(tag.clone())), bytes).unwrap_or_else(|| hex_json(bytes))
    }

    /// Name of a function by its position in its module; the position if the module is not there.
    pub(super) fn function_name(&self, location: &CodeLocation, function: u16) -> String {
        let module = match location {
            CodeLocation::Module(id) => self.module(id),
            CodeLocation::Script => None,
        };
        let name = module.and_then(|module| {
            let def = module.function_defs.get(usize::from(function))?;
            Some(module.identifier_at(module.function_handle_at(def.function).name).to_string())
        });
        name.unwrap_or_else(|| function.to_string())
    }

    /// Name of a status code.
    #[expect(clippy::unused_self, reason = "the renderer is the one face of names")]
    pub(super) fn status_name(&self, status: u64) -> String {
        StatusCode::from_number(status).map_or_else(|| format!("status {status}"), |code| code.name().to_owned())
    }
}

fn is_std(tag: &StructTag, module: &str, name: &str) -> bool {
    tag.address == Address::ONE && tag.module == *module && tag.name == *name
}

/// A decoded value as JSON.
pub(crate) fn annotated_json(value: &AnnotatedValue) -> Value {
    match value {
        AnnotatedValue::Bool(value) => json!(value),
        AnnotatedValue::U8(number) => json!(number),
        AnnotatedValue::U16(number) => json!(number),
        AnnotatedValue::U32(number) => json!(number),
        AnnotatedValue::U64(number) => json!(number.to_string()),
        AnnotatedValue::U128(number) => json!(number.to_string()),
        AnnotatedValue::U256(number) => json!(number.to_string()),
        AnnotatedValue::Address(address) | AnnotatedValue::Signer(address) => json!(address),
        AnnotatedValue::Bytes(bytes) => hex_json(bytes),
        AnnotatedValue::Vector(values) => values.iter().map(annotated_json).collect(),
        AnnotatedValue::Struct { tag, fields } => match fields.as_slice() {
            [(_, AnnotatedValue::Bytes(bytes))] if is_std(tag, "string", "String") => {
                json!(String::from_utf8_lossy(bytes))
            }
            fields => Value::Object(fields_json(fields)),
        },
        AnnotatedValue::Variant { name, fields, .. } => {
            let mut json = Map::from_iter([("__variant__".to_owned(), json!(name))]);
            json.extend(fields_json(fields));
            Value::Object(json)
        }
    }
}

fn fields_json(fields: &[(Identifier, AnnotatedValue)]) -> Map<String, Value> {
    fields.iter().map(|(name, value)| (name.to_string(), annotated_json(value))).collect()
}

/// BCS of a JSON argument of a type.
///
/// # Errors
/// Says what was expected and what was found.
pub(crate) fn parse_argument(layout: &MoveTypeLayout, json: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    encode(layout, json, 0, &mut bytes)?;
    Ok(bytes)
}

fn encode(layout: &MoveTypeLayout, json: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
    if depth > ARGUMENT_DEPTH_MAX {
        return Err(format!("argument is nested deeper than {ARGUMENT_DEPTH_MAX}"));
    }
    match layout {
        MoveTypeLayout::Bool => out.push(u8::from(boolean(json)?)),
        MoveTypeLayout::U8 => out.extend(number::<u8>(json, "u8")?.to_le_bytes()),
        MoveTypeLayout::U16 => out.extend(number::<u16>(json, "u16")?.to_le_bytes()),
        MoveTypeLayout::U32 => out.extend(number::<u32>(json, "u32")?.to_le_bytes()),
        MoveTypeLayout::U64 => out.extend(number::<u64>(json, "u64")?.to_le_bytes()),
        MoveTypeLayout::U128 => out.extend(number::<u128>(json, "u128")?.to_le_bytes()),
        MoveTypeLayout::U256 => out.extend(number::<U256>(json, "u256")?.to_le_bytes::<32>()),
        MoveTypeLayout::Address | MoveTypeLayout::Signer => {
            let text = text(json, "an address")?;
            out.extend(text.parse::<Address>().map_err(|error| error.to_string())?.0);
        }
        MoveTypeLayout::Vector(element) if **element == MoveTypeLayout::U8 && json.is_string() => {
            let text = text(json, "hexadecimal bytes")?;
            let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text))
                .map_err(|error| format!("expected hexadecimal bytes, found {text:?}: {error}"))?;
            length(bytes.len(), out);
            out.extend(bytes);
        }
        MoveTypeLayout::Vector(element) => {
            let values = json.as_array().ok_or_else(|| format!("expected an array, found {json}"))?;
            length(values.len(), out);
            values.iter().try_for_each(|value| encode(element, value, depth + 1, out))?;
        }
        MoveTypeLayout::Struct(layout) if is_std(&layout.tag, "string", "String") => {
            let text = text(json, "a string")?;
            length(text.len(), out);
            out.extend(text.as_bytes());
        }
        MoveTypeLayout::Struct(layout) if is_std(&layout.tag, "option", "Option") => {
            let inner = layout.fields.first().map(|(_, field)| field).ok_or("malformed option")?;
            let values = match json {
                Value::Null => json!([]),
                Value::Object(map) if map.len() == 1 && map.contains_key("vec") => map["vec"].clone(),
                other => json!([other]),
            };
            encode(inner, &values, depth + 1, out)?;
        }
        MoveTypeLayout::Struct(layout) if is_std(&layout.tag, "object", "Object") && json.is_string() => {
            encode(&MoveTypeLayout::Address, json, depth + 1, out)?;
        }
        MoveTypeLayout::Struct(layout) => {
            let map = json.as_object().ok_or_else(|| format!("expected an object of {}, found {json}", layout.tag))?;
            for (name, field) in &layout.fields {
                let value = map.get(name.as_str()).ok_or_else(|| format!("{} lacks field `{name}`", layout.tag))?;
                encode(field, value, depth + 1, out)?;
            }
        }
        MoveTypeLayout::Enum(layout) => return Err(format!("{} is an enum, which is no argument type", layout.tag)),
    }
    Ok(())
}

fn length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn boolean(json: &Value) -> Result<bool, String> {
    match json {
        Value::Bool(value) => Ok(*value),
        Value::String(text) => text.parse().map_err(|_| format!("expected true or false, found {text:?}")),
        other => Err(format!("expected true or false, found {other}")),
    }
}

/// Numbers may come as JSON numbers or as decimal strings; wide ones should come as strings.
fn number<T: std::str::FromStr>(json: &Value, name: &str) -> Result<T, String> {
    let text = match json {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(format!("expected a {name}, found {other}")),
    };
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_decimal {
        return Err(format!("expected a {name}, found {text:?}"));
    }
    text.parse().map_err(|_| format!("{text} is out of range for {name}"))
}

fn text<'a>(json: &'a Value, what: &str) -> Result<&'a str, String> {
    json.as_str().ok_or_else(|| format!("expected {what}, found {json}"))
}

#[cfg(test)]
mod tests {
    use noema_execution_api::StructLayout;
    use proptest::prelude::*;

    use super::*;

    fn std_layout(module: &str, name: &str, field: &str, layout: MoveTypeLayout) -> MoveTypeLayout {
        let identifier = |text: &str| Identifier::new(text).expect("a valid identifier");
        let tag = StructTag {
            address: Address::ONE,
            module: identifier(module),
            name: identifier(name),
            type_args: Vec::new(),
        };
        MoveTypeLayout::Struct(Arc::new(StructLayout { tag, fields: vec![(identifier(field), layout)] }))
    }

    fn vector(element: MoveTypeLayout) -> MoveTypeLayout {
        MoveTypeLayout::Vector(Arc::new(element))
    }

    #[test]
    fn arguments_and_values_are_each_others_inverse() {
        let string = std_layout("string", "String", "bytes", vector(MoveTypeLayout::U8));
        let option = std_layout("option", "Option", "vec", vector(MoveTypeLayout::U64));
        let cases = [
            (MoveTypeLayout::Bool, json!(true)),
            (MoveTypeLayout::U8, json!(255)),
            (MoveTypeLayout::U32, json!(7)),
            (MoveTypeLayout::U64, json!("18446744073709551615")),
            (
                MoveTypeLayout::U256,
                json!("115792089237316195423570985008687907853269984665640564039457584007913129639935"),
            ),
            (MoveTypeLayout::Address, json!("0x1")),
            (vector(MoveTypeLayout::U8), json!("0x00ff")),
            (vector(vector(MoveTypeLayout::U64)), json!([["1"], []])),
            (string, json!("h\u{e9}llo")),
            (option.clone(), json!({ "vec": ["5"] })),
            (option, json!({ "vec": [] })),
        ];
        for (layout, value) in cases {
            let bytes = parse_argument(&layout, &value).expect("a valid argument");
            let decoded = layout.decode_annotated(&bytes).expect("canonical bytes");
            assert_eq!(annotated_json(&decoded), value);
        }
    }

    #[test]
    fn short_forms_are_taken() {
        let option = std_layout("option", "Option", "vec", vector(MoveTypeLayout::U64));
        assert_eq!(parse_argument(&option, &Value::Null), Ok(vec![0]));
        assert_eq!(parse_argument(&option, &json!("5")).map(|bytes| bytes.len()), Ok(9));
        let object = std_layout("object", "Object", "inner", MoveTypeLayout::Address);
        assert_eq!(parse_argument(&object, &json!("0x1")), parse_argument(&object, &json!({ "inner": "0x1" })));
        assert_eq!(parse_argument(&MoveTypeLayout::U8, &json!("7")), Ok(vec![7]));
    }

    #[test]
    fn wrong_arguments_say_what_was_expected() {
        for (layout, value, expected) in [
            (MoveTypeLayout::U8, json!(256), "out of range"),
            (MoveTypeLayout::U64, json!(-1), "expected a u64"),
            (MoveTypeLayout::U64, json!(1.5), "expected a u64"),
            (MoveTypeLayout::Bool, json!("yes"), "true or false"),
            (MoveTypeLayout::Address, json!("0xzz"), "address"),
            (vector(MoveTypeLayout::U8), json!("0x0"), "hexadecimal"),
            (vector(MoveTypeLayout::U64), json!("1"), "an array"),
        ] {
            let error = parse_argument(&layout, &value).expect_err("a wrong argument");
            assert!(error.contains(expected), "{error}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(|number| json!(number.to_string())),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                inner.prop_map(|value| json!({ "vec": value, "inner": "0x1", "bytes": [] })),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_an_argument_or_an_error(value in any_json()) {
            let layouts = [
                MoveTypeLayout::U128,
                vector(vector(MoveTypeLayout::U8)),
                std_layout("option", "Option", "vec", vector(MoveTypeLayout::Address)),
                std_layout("string", "String", "bytes", vector(MoveTypeLayout::U8)),
                std_layout("object", "Object", "inner", MoveTypeLayout::Address),
            ];
            for layout in layouts {
                if let Ok(bytes) = parse_argument(&layout, &value) {
                    prop_assert!(layout.decode_annotated(&bytes).is_ok());
                }
            }
        }
    }
}
