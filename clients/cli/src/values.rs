//! Arguments of calls as people type them: `TYPE:VALUE`.
//!
//! Types are Move's own plus `string`, `hex` (bytes) and `option`-free `object` (an address). A vector's elements are
//! separated by commas inside brackets, `vector<u64>:[1,2]`; `vector<u8>` also takes `0x` hex.

use noema_types::{Address, StructTag, TypeTag, U256};

use crate::output::{CliError, CliResult};

/// An argument: its type and its BCS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypedValue {
    /// Type, where the text names one of Move's; strings and objects are structs of 0x1.
    pub(crate) tag: TypeTag,
    /// BCS of the value.
    pub(crate) bytes: Vec<u8>,
}

/// Parses `TYPE:VALUE`.
pub(crate) fn parse(text: &str, resolve: &dyn Fn(&str) -> CliResult<Address>) -> CliResult<TypedValue> {
    let wrong = |reason: String| {
        CliError::fault(format!("argument `{text}`: {reason}"))
            .hint("write TYPE:VALUE, for example u64:5 bool:true address:0x1 string:hello vector<u8>:0x00ff")
    };
    let (type_text, value) = split(text).ok_or_else(|| wrong("there is no `:` after the type".to_owned()))?;
    let tag = type_of(type_text).map_err(wrong)?;
    let mut bytes = Vec::new();
    encode(&tag, value, resolve, &mut bytes).map_err(wrong)?;
    Ok(TypedValue { tag, bytes })
}

/// Splits at the first single colon: `0x1::string::String:hi` has its type left of the last one.
fn split(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut position = 0;
    while position < bytes.len() {
        if bytes[position] == b':' {
            if bytes.get(position + 1) != Some(&b':') {
                return Some((&text[..position], &text[position + 1..]));
            }
            position += 1;
        }
        position += 1;
    }
    None
}

fn std_struct(module: &str, name: &str, type_args: Vec<TypeTag>) -> TypeTag {
    let identifier = |text: &str| text.parse().expect("a valid identifier");
    TypeTag::Struct(Box::new(StructTag {
        address: Address::ONE,
        module: identifier(module),
        name: identifier(name),
        type_args,
    }))
}

fn type_of(text: &str) -> Result<TypeTag, String> {
    match text {
        "string" => Ok(std_struct("string", "String", Vec::new())),
        "hex" => Ok(TypeTag::Vector(Box::new(TypeTag::U8))),
        "object" => Ok(std_struct("object", "Object", vec![std_struct("object", "ObjectCore", Vec::new())])),
        "vector<string>" => Ok(TypeTag::Vector(Box::new(type_of("string")?))),
        "vector<object>" => Ok(TypeTag::Vector(Box::new(type_of("object")?))),
        other => other.parse().map_err(|error: noema_types::TypeTagParseError| error.to_string()),
    }
}

fn encode(
    tag: &TypeTag,
    value: &str,
    resolve: &dyn Fn(&str) -> CliResult<Address>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match tag {
        TypeTag::Bool => out.push(u8::from(number::<bool>(value, "bool")?)),
        TypeTag::U8 => out.extend(number::<u8>(value, "u8")?.to_le_bytes()),
        TypeTag::U16 => out.extend(number::<u16>(value, "u16")?.to_le_bytes()),
        TypeTag::U32 => out.extend(number::<u32>(value, "u32")?.to_le_bytes()),
        TypeTag::U64 => out.extend(number::<u64>(value, "u64")?.to_le_bytes()),
        TypeTag::U128 => out.extend(number::<u128>(value, "u128")?.to_le_bytes()),
        TypeTag::U256 => out.extend(number::<U256>(value, "u256")?.to_le_bytes::<32>()),
        TypeTag::Address => out.extend(resolve(value).map_err(|error| error.message)?.0),
        TypeTag::Signer => return Err("a signer is no argument; the sender signs".to_owned()),
        TypeTag::Vector(element) if **element == TypeTag::U8 && !value.starts_with('[') => {
            let digits = value.strip_prefix("0x").unwrap_or(value);
            let bytes = hex::decode(digits).map_err(|error| format!("{value:?} is not hexadecimal: {error}"))?;
            length(bytes.len(), out);
            out.extend(bytes);
        }
        TypeTag::Vector(element) => {
            let elements = elements(value)?;
            length(elements.len(), out);
            elements.iter().try_for_each(|text| encode(element, text, resolve, out))?;
        }
        TypeTag::Struct(tag) => match (tag.address, tag.module.as_str(), tag.name.as_str()) {
            (Address::ONE, "string", "String") => {
                length(value.len(), out);
                out.extend(value.as_bytes());
            }
            (Address::ONE, "object", "Object") => out.extend(resolve(value).map_err(|error| error.message)?.0),
            (Address::ONE, "option", "Option") => {
                let inner = tag.type_args.first().ok_or("Option takes one type argument")?;
                let is_none = value == "none";
                length(usize::from(!is_none), out);
                if !is_none {
                    encode(inner, value, resolve, out)?;
                }
            }
            _ => return Err(format!("a struct {tag} cannot be given on the command line")),
        },
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    let plain = text.replace('_', "");
    plain.parse().map_err(|_| format!("{text:?} is not a {name}"))
}

/// Elements of `[a, b, [c, d]]`, split at the outer commas.
fn elements(text: &str) -> Result<Vec<String>, String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("{text:?} is no list; write [a,b]"))?.trim();
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let (mut parts, mut depth) = (vec![String::new()], 0_i32);
    for character in inner.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("there is a first part").push(character);
    }
    Ok(parts.into_iter().map(|part| part.trim().to_owned()).collect())
}

fn length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<Vec<u8>, String> {
        let resolve = |text: &str| text.parse().map_err(CliError::fault);
        parse(text, &resolve).map(|value| value.bytes).map_err(|error| error.message)
    }

    #[test]
    fn every_form_encodes() {
        let cases: [(&str, Vec<u8>); 9] = [
            ("u64:5", vec![5, 0, 0, 0, 0, 0, 0, 0]),
            ("u16:1_000", vec![0xe8, 3]),
            ("bool:true", vec![1]),
            ("vector<u8>:0x00ff", vec![2, 0, 0xff]),
            ("vector<u8>:[1,2]", vec![2, 1, 2]),
            ("vector<vector<u8>>:[[1],[]]", vec![2, 1, 1, 0]),
            ("string:a:b", vec![3, b'a', b':', b'b']),
            ("0x1::string::String:hi", vec![2, b'h', b'i']),
            ("0x1::option::Option<u8>:none", vec![0]),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        assert_eq!(bytes("address:0x1").map(|bytes| bytes.len()), Ok(32));
    }

    #[test]
    fn wrong_ones_say_why() {
        for text in ["5", "u8:256", "u8:-1", "bool:1", "signer:0x1", "vector<u8>:0x0", "vector<u64>:1", "address:zz"] {
            let message = bytes(text).expect_err(text);
            assert!(message.contains(text), "{message}");
        }
    }
}
