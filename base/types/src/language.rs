//! Names of Move modules and closed Move types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{TYPE_TAG_DEPTH_MAX, TYPE_TAG_NODES_MAX};
use crate::{Address, Identifier};

/// A module's identity: its address and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModuleId {
    /// Account that published the module.
    pub address: Address,
    /// Name of the module.
    pub name: Identifier,
}

/// A closed struct type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StructTag {
    /// Address of the defining module.
    pub address: Address,
    /// Name of the defining module.
    pub module: Identifier,
    /// Name of the struct.
    pub name: Identifier,
    /// Type arguments.
    pub type_args: Vec<TypeTag>,
}

/// A closed Move type. The order of variants is the wire format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum TypeTag {
    Bool,
    U8,
    U64,
    U128,
    Address,
    Signer,
    Vector(Box<TypeTag>),
    Struct(Box<StructTag>),
    U16,
    U32,
    U256,
}

/// The text is not a Move type, or a larger one than the limits allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid type `{text}`: {reason}")]
pub struct TypeTagParseError {
    /// The text that did not parse.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ModuleId {
    /// Joins an address and a name.
    #[must_use]
    pub fn new(address: Address, name: Identifier) -> Self {
        Self { address, name }
    }
}

impl StructTag {
    /// The module that defines the struct.
    #[must_use]
    pub fn module_id(&self) -> ModuleId {
        ModuleId::new(self.address, self.module.clone())
    }
}

impl TypeTag {
    /// Nodes and depth of the type, walked without recursion; `None` when over the limits.
    #[must_use]
    pub fn measure(&self) -> Option<(usize, usize)> {
        let (mut nodes, mut depth) = (0, 0);
        let mut stack = vec![(self, 1)];
        while let Some((tag, level)) = stack.pop() {
            nodes += 1;
            depth = depth.max(level);
            if nodes > TYPE_TAG_NODES_MAX || level > TYPE_TAG_DEPTH_MAX {
                return None;
            }
            match tag {
                Self::Vector(inner) => stack.push((inner, level + 1)),
                Self::Struct(tag) => stack.extend(tag.type_args.iter().map(|arg| (arg, level + 1))),
                _ => {}
            }
        }
        Some((nodes, depth))
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.address, self.name)
    }
}

impl fmt::Debug for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StructTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}::{}", self.address, self.module, self.name)?;
        for (index, arg) in self.type_args.iter().enumerate() {
            write!(f, "{}{arg}", if index == 0 { "<" } else { ", " })?;
        }
        if self.type_args.is_empty() { Ok(()) } else { f.write_str(">") }
    }
}

impl fmt::Debug for StructTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TypeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::U64 => f.write_str("u64"),
            Self::U128 => f.write_str("u128"),
            Self::U256 => f.write_str("u256"),
            Self::Address => f.write_str("address"),
            Self::Signer => f.write_str("signer"),
            Self::Vector(inner) => write!(f, "vector<{inner}>"),
            Self::Struct(tag) => fmt::Display::fmt(tag, f),
        }
    }
}

impl fmt::Debug for TypeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TypeTag {
    type Err = TypeTagParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { rest: text.trim() };
        let parsed = parser.type_tag(1).and_then(|tag| match (parser.rest.is_empty(), tag.measure()) {
            (false, _) => Err("trailing characters"),
            (true, None) => Err("too many nested types"),
            (true, Some(_)) => Ok(tag),
        });
        parsed.map_err(|reason| TypeTagParseError { text: text.to_owned(), reason })
    }
}

impl FromStr for StructTag {
    type Err = TypeTagParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            TypeTag::Struct(tag) => Ok(*tag),
            _ => Err(TypeTagParseError { text: text.to_owned(), reason: "expected ADDRESS::MODULE::NAME" }),
        }
    }
}

impl FromStr for ModuleId {
    type Err = TypeTagParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| TypeTagParseError { text: text.to_owned(), reason };
        let (address, name) = text.split_once("::").ok_or(error("expected ADDRESS::MODULE"))?;
        Ok(Self {
            address: address.parse().map_err(|_| error("invalid address"))?,
            name: Identifier::new(name).map_err(|_| error("invalid module name"))?,
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn type_tag(&mut self, depth: usize) -> Result<TypeTag, &'static str> {
        if depth > TYPE_TAG_DEPTH_MAX {
            return Err("too many nested types");
        }
        Ok(match self.word() {
            "bool" => TypeTag::Bool,
            "u8" => TypeTag::U8,
            "u16" => TypeTag::U16,
            "u32" => TypeTag::U32,
            "u64" => TypeTag::U64,
            "u128" => TypeTag::U128,
            "u256" => TypeTag::U256,
            "address" => TypeTag::Address,
            "signer" => TypeTag::Signer,
            "vector" => {
                let mut args = self.type_args(depth)?;
                match (args.pop(), args.pop()) {
                    (Some(inner), None) => TypeTag::Vector(Box::new(inner)),
                    _ => return Err("vector takes one type argument"),
                }
            }
            "" => return Err("expected a type"),
            address => TypeTag::Struct(Box::new(self.struct_tag(address, depth)?)),
        })
    }

    fn struct_tag(&mut self, address: &str, depth: usize) -> Result<StructTag, &'static str> {
        let address = address.parse().map_err(|_| "expected a primitive type or an address")?;
        let mut name = || {
            if !self.eat("::") {
                return Err("expected ADDRESS::MODULE::NAME");
            }
            Identifier::new(self.word()).map_err(|_| "invalid identifier")
        };
        let (module, name) = (name()?, name()?);
        let type_args = if self.rest.starts_with('<') { self.type_args(depth)? } else { Vec::new() };
        Ok(StructTag { address, module, name, type_args })
    }

    fn type_args(&mut self, depth: usize) -> Result<Vec<TypeTag>, &'static str> {
        if !self.eat("<") {
            return Err("expected `<`");
        }
        let mut args = Vec::new();
        loop {
            args.push(self.type_tag(depth + 1)?);
            if self.eat(">") {
                return Ok(args);
            }
            if !self.eat(",") {
                return Err("expected `,` or `>`");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "u8",
            "vector<vector<u256>>",
            "0x1::coin::CoinStore<0x1::aptos_coin::AptosCoin>",
            "0x1::table::Table<address, vector<u8>>",
        ] {
            assert_eq!(text.parse::<TypeTag>().expect(text).to_string(), text);
        }
        assert_eq!("0x1::a::B< u8 ,bool >".parse::<TypeTag>().expect("spaces").to_string(), "0x1::a::B<u8, bool>");
    }

    #[test]
    fn refuses_what_is_not_a_type() {
        let deep = format!("{}u8{}", "vector<".repeat(9), ">".repeat(9));
        for text in ["", "u7", "vector", "vector<u8", "0x1::a", "0x1::a::B<>", "u8 u8", "vector<u8,u8>", &deep] {
            assert!(text.parse::<TypeTag>().is_err(), "{text}");
        }
    }

    #[test]
    fn variants_have_their_wire_numbers() {
        let bytes = |tag: TypeTag| bcs::to_bytes(&tag).expect("a tag serialises");
        assert_eq!(bytes(TypeTag::U16), [8]);
        assert_eq!(bytes(TypeTag::U256), [10]);
        assert_eq!(bytes(TypeTag::Vector(Box::new(TypeTag::Signer))), [6, 5]);
    }
}
