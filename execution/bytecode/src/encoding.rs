//! Numbers of the format: tables, types, instructions and their operands.
//!
//! The instruction table below is the only place that pairs an opcode with its operands; reader and writer are both
//! generated from it, so they cannot disagree.

use noema_execution_api::StatusCode;

use crate::cursor::Cursor;
use crate::{Bytecode, ReadError, Version};

pub(crate) const MAGIC: [u8; 4] = [0xA1, 0x1C, 0xEB, 0x0B];

impl Version {
    /// The version word of a binary.
    #[must_use]
    pub fn word(self) -> u32 {
        match self {
            Self::V5 => 5,
            Self::V6 => 6,
            Self::Sui7 => 0x0500_0007,
        }
    }

    /// The version with this word.
    #[must_use]
    pub fn from_word(word: u32) -> Option<Self> {
        [Self::V5, Self::V6, Self::Sui7].into_iter().find(|version| version.word() == word)
    }
}

/// Kinds of tables, in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum TableKind {
    ModuleHandles = 0x1,
    DatatypeHandles = 0x2,
    FunctionHandles = 0x3,
    FunctionInstantiations = 0x4,
    Signatures = 0x5,
    Identifiers = 0x7,
    Addresses = 0x8,
    Constants = 0x6,
    Metadata = 0x10,
    StructDefs = 0xA,
    StructDefInstantiations = 0xB,
    FunctionDefs = 0xC,
    FieldHandles = 0xD,
    FieldInstantiations = 0xE,
    Friends = 0xF,
    EnumDefs = 0x11,
    EnumDefInstantiations = 0x12,
    VariantHandles = 0x13,
    VariantInstantiationHandles = 0x14,
}

impl TableKind {
    pub(crate) const CANONICAL: [Self; crate::limits::TABLES_MAX] = [
        Self::ModuleHandles,
        Self::DatatypeHandles,
        Self::FunctionHandles,
        Self::FunctionInstantiations,
        Self::Signatures,
        Self::Identifiers,
        Self::Addresses,
        Self::Constants,
        Self::Metadata,
        Self::StructDefs,
        Self::StructDefInstantiations,
        Self::FunctionDefs,
        Self::FieldHandles,
        Self::FieldInstantiations,
        Self::Friends,
        Self::EnumDefs,
        Self::EnumDefInstantiations,
        Self::VariantHandles,
        Self::VariantInstantiationHandles,
    ];

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Self::CANONICAL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether only modules have it.
    pub(crate) fn is_definition(self) -> bool {
        self as u8 >= 0xA && self != Self::Metadata
    }

    /// Whether only Sui's version 7 has it.
    pub(crate) fn is_for_enums(self) -> bool {
        self as u8 >= 0x11
    }
}

pub(crate) mod type_code {
    pub(crate) const BOOL: u8 = 0x1;
    pub(crate) const U8: u8 = 0x2;
    pub(crate) const U64: u8 = 0x3;
    pub(crate) const U128: u8 = 0x4;
    pub(crate) const ADDRESS: u8 = 0x5;
    pub(crate) const REFERENCE: u8 = 0x6;
    pub(crate) const MUTABLE_REFERENCE: u8 = 0x7;
    pub(crate) const DATATYPE: u8 = 0x8;
    pub(crate) const TYPE_PARAMETER: u8 = 0x9;
    pub(crate) const VECTOR: u8 = 0xA;
    pub(crate) const DATATYPE_INSTANTIATION: u8 = 0xB;
    pub(crate) const SIGNER: u8 = 0xC;
    pub(crate) const U16: u8 = 0xD;
    pub(crate) const U32: u8 = 0xE;
    pub(crate) const U256: u8 = 0xF;
}

pub(crate) mod flag {
    pub(crate) const STRUCT_NATIVE: u8 = 0x1;
    pub(crate) const STRUCT_DECLARED: u8 = 0x2;
    pub(crate) const ENUM_DECLARED: u8 = 0x2;
    pub(crate) const JUMP_TABLE_FULL: u8 = 0x1;
    pub(crate) const FUNCTION_NATIVE: u8 = 0x2;
    pub(crate) const FUNCTION_ENTRY: u8 = 0x4;
}

/// How each kind of operand is written.
mod operand {
    macro_rules! fixed_width {
        ($($name:ident: $type:ty,)*) => {$(
            pub(super) mod $name {
                use crate::{ReadError, cursor::Cursor};

                pub(in super::super) fn read(from: &mut Cursor<'_>) -> Result<$type, ReadError> {
                    Ok(<$type>::from_le_bytes(from.array()?))
                }

                pub(in super::super) fn write(out: &mut Vec<u8>, value: &$type) {
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        )*};
    }

    fixed_width! { int8: u8, int16: u16, int32: u32, int64: u64, }

    pub(super) mod int128 {
        use crate::{ReadError, cursor::Cursor};

        pub(in super::super) fn read(from: &mut Cursor<'_>) -> Result<Box<u128>, ReadError> {
            Ok(Box::new(u128::from_le_bytes(from.array()?)))
        }

        pub(in super::super) fn write(out: &mut Vec<u8>, value: &u128) {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) mod int256 {
        use noema_types::U256;

        use crate::{ReadError, cursor::Cursor};

        pub(in super::super) fn read(from: &mut Cursor<'_>) -> Result<Box<U256>, ReadError> {
            Ok(Box::new(U256::from_le_bytes(from.array::<32>()?)))
        }

        pub(in super::super) fn write(out: &mut Vec<u8>, value: &U256) {
            out.extend_from_slice(&value.to_le_bytes::<32>());
        }
    }

    pub(super) mod local {
        use crate::{LocalIndex, ReadError, cursor::Cursor, cursor::write_uleb};

        pub(in super::super) fn read(from: &mut Cursor<'_>) -> Result<LocalIndex, ReadError> {
            Ok(u8::try_from(from.uleb("a local", u64::from(u8::MAX))?).expect("checked against u8::MAX"))
        }

        pub(in super::super) fn write(out: &mut Vec<u8>, value: &LocalIndex) {
            write_uleb(out, u64::from(*value));
        }
    }

    pub(super) mod offset {
        use crate::{CodeOffset, ReadError, cursor::Cursor, cursor::write_uleb};

        pub(in super::super) fn read(from: &mut Cursor<'_>) -> Result<CodeOffset, ReadError> {
            Ok(u16::try_from(from.uleb("a jump target", u64::from(u16::MAX))?).expect("checked against u16::MAX"))
        }

        pub(in super::super) fn write(out: &mut Vec<u8>, value: &CodeOffset) {
            write_uleb(out, u64::from(*value));
        }
    }

    pub(super) mod index {
        use crate::{ReadError, access::TableIndex, cursor::Cursor, cursor::write_uleb};

        pub(in super::super) fn read<I: TableIndex>(from: &mut Cursor<'_>) -> Result<I, ReadError> {
            let value = from.uleb(I::NAME, u64::from(I::MAX))?;
            Ok(I::wrap(u16::try_from(value).expect("checked against MAX")))
        }

        pub(in super::super) fn write<I: TableIndex>(out: &mut Vec<u8>, value: &I) {
            write_uleb(out, u64::from(value.number()));
        }
    }
}

macro_rules! instructions {
    ($($code:literal $name:ident $(($($argument:ident: $kind:ident),+))?;)*) => {
        impl Bytecode {
            /// The instruction's number in a binary.
            #[must_use]
            pub fn opcode(&self) -> u8 {
                match self {
                    $(Self::$name { .. } => $code,)*
                }
            }

            /// The instruction's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name { .. } => stringify!($name),)*
                }
            }

            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name $(($($argument),+))? => {
                        out.push($code);
                        $($(operand::$kind::write(out, $argument);)+)?
                    })*
                }
            }

            pub(crate) fn read(from: &mut Cursor<'_>) -> Result<Self, ReadError> {
                let start = from.offset();
                let opcode = from.byte()?;
                if opcode > last_opcode(from.version) {
                    return Err(unknown_opcode(opcode, start, from.version));
                }
                Ok(match opcode {
                    $($code => Self::$name $(($(operand::$kind::read(from)?),+))?,)*
                    _ => return Err(unknown_opcode(opcode, start, from.version)),
                })
            }
        }
    };
}

fn last_opcode(version: Version) -> u8 {
    match version {
        Version::V5 => 0x47,
        Version::V6 => 0x4D,
        Version::Sui7 => 0x56,
    }
}

fn unknown_opcode(opcode: u8, start: usize, version: Version) -> ReadError {
    let message = format!("opcode {opcode:#04x} does not exist in version word {:#x}", version.word());
    ReadError::at(StatusCode::UNKNOWN_OPCODE, start, message)
}

impl Bytecode {
    /// The first version that has the instruction.
    pub(crate) fn since(&self) -> Version {
        [Version::V5, Version::V6]
            .into_iter()
            .find(|version| self.opcode() <= last_opcode(*version))
            .unwrap_or(Version::Sui7)
    }
}

instructions! {
    0x01 Pop;
    0x02 Ret;
    0x03 BrTrue(target: offset);
    0x04 BrFalse(target: offset);
    0x05 Branch(target: offset);
    0x06 LdU64(value: int64);
    0x07 LdConst(constant: index);
    0x08 LdTrue;
    0x09 LdFalse;
    0x0A CopyLoc(at: local);
    0x0B MoveLoc(at: local);
    0x0C StLoc(at: local);
    0x0D MutBorrowLoc(at: local);
    0x0E ImmBorrowLoc(at: local);
    0x0F MutBorrowField(field: index);
    0x10 ImmBorrowField(field: index);
    0x11 Call(function: index);
    0x12 Pack(def: index);
    0x13 Unpack(def: index);
    0x14 ReadRef;
    0x15 WriteRef;
    0x16 Add;
    0x17 Sub;
    0x18 Mul;
    0x19 Mod;
    0x1A Div;
    0x1B BitOr;
    0x1C BitAnd;
    0x1D Xor;
    0x1E Or;
    0x1F And;
    0x20 Not;
    0x21 Eq;
    0x22 Neq;
    0x23 Lt;
    0x24 Gt;
    0x25 Le;
    0x26 Ge;
    0x27 Abort;
    0x28 Nop;
    0x29 Exists(def: index);
    0x2A MutBorrowGlobal(def: index);
    0x2B ImmBorrowGlobal(def: index);
    0x2C MoveFrom(def: index);
    0x2D MoveTo(def: index);
    0x2E FreezeRef;
    0x2F Shl;
    0x30 Shr;
    0x31 LdU8(value: int8);
    0x32 LdU128(value: int128);
    0x33 CastU8;
    0x34 CastU64;
    0x35 CastU128;
    0x36 MutBorrowFieldGeneric(field: index);
    0x37 ImmBorrowFieldGeneric(field: index);
    0x38 CallGeneric(function: index);
    0x39 PackGeneric(def: index);
    0x3A UnpackGeneric(def: index);
    0x3B ExistsGeneric(def: index);
    0x3C MutBorrowGlobalGeneric(def: index);
    0x3D ImmBorrowGlobalGeneric(def: index);
    0x3E MoveFromGeneric(def: index);
    0x3F MoveToGeneric(def: index);
    0x40 VecPack(element: index, count: int64);
    0x41 VecLen(element: index);
    0x42 VecImmBorrow(element: index);
    0x43 VecMutBorrow(element: index);
    0x44 VecPushBack(element: index);
    0x45 VecPopBack(element: index);
    0x46 VecUnpack(element: index, count: int64);
    0x47 VecSwap(element: index);
    0x48 LdU16(value: int16);
    0x49 LdU32(value: int32);
    0x4A LdU256(value: int256);
    0x4B CastU16;
    0x4C CastU32;
    0x4D CastU256;
    0x4E PackVariant(variant: index);
    0x4F PackVariantGeneric(variant: index);
    0x50 UnpackVariant(variant: index);
    0x51 UnpackVariantImmRef(variant: index);
    0x52 UnpackVariantMutRef(variant: index);
    0x53 UnpackVariantGeneric(variant: index);
    0x54 UnpackVariantGenericImmRef(variant: index);
    0x55 UnpackVariantGenericMutRef(variant: index);
    0x56 VariantSwitch(jumps: index);
}
