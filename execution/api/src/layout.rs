//! Shapes of closed types, and the BCS of values by shape.
//!
//! A [`MoveTypeLayout`] says everything that decoding needs: field names and type tags included, so that the same layout
//! gives machines a [`Value`] and people an [`AnnotatedValue`]. Decoding is strict: one encoding per value, no trailing
//! bytes; malformed bytes are an error, never a panic, and never allocate more than a constant times their length.

use std::sync::Arc;

use noema_types::{Address, Identifier, StructTag, TypeTag, U256};

use crate::value::{VALUE_BYTES, Value};

/// Nesting of a value, at most: struct fields and vector elements count one each.
pub const VALUE_DEPTH_MAX: usize = 128;
/// Elements of a vector in BCS, at most.
pub const BCS_VECTOR_LEN_MAX: usize = (1 << 31) - 1;

/// Shape of a closed type.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are Move's own type names")]
pub enum MoveTypeLayout {
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Address,
    Signer,
    Vector(Arc<MoveTypeLayout>),
    Struct(Arc<StructLayout>),
    Enum(Arc<EnumLayout>),
}

/// Shape of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StructLayout {
    /// The struct.
    pub tag: StructTag,
    /// Names and shapes of its fields, in declared order.
    pub fields: Vec<(Identifier, MoveTypeLayout)>,
}

/// Shape of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumLayout {
    /// The enum.
    pub tag: StructTag,
    /// Names of its variants and their fields, in declared order.
    pub variants: Vec<(Identifier, Vec<(Identifier, MoveTypeLayout)>)>,
}

/// A value with the names of its types and fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the first variants are Move's own type names")]
pub enum AnnotatedValue {
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    U256(U256),
    Address(Address),
    Signer(Address),
    /// A `vector<u8>`.
    Bytes(Vec<u8>),
    Vector(Vec<AnnotatedValue>),
    Struct {
        /// The struct.
        tag: StructTag,
        /// Its fields in declared order.
        fields: Vec<(Identifier, AnnotatedValue)>,
    },
    Variant {
        /// The enum.
        tag: StructTag,
        /// Name of the variant.
        name: Identifier,
        /// Its fields in declared order.
        fields: Vec<(Identifier, AnnotatedValue)>,
    },
}

/// The bytes are not the BCS of a value of the type, or the value is not of the type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum BcsError {
    #[error("bytes end at {at}, inside a value")]
    UnexpectedEnd { at: usize },
    #[error("{count} bytes after the value")]
    TrailingBytes { count: usize },
    #[error("byte {byte} at {at} is not a bool")]
    NotABool { byte: u8, at: usize },
    #[error("length at {at} is not minimal or too large")]
    BadLength { at: usize },
    #[error("variant {tag} at {at} does not exist")]
    UnknownVariant { tag: u32, at: usize },
    #[error("value is nested deeper than {VALUE_DEPTH_MAX}")]
    TooDeep,
    #[error("value takes too much memory")]
    TooLarge,
    #[error("elements of a vector have no bytes")]
    EmptyElements,
    #[error("value does not have the shape of its type")]
    WrongShape,
}

impl MoveTypeLayout {
    /// The type.
    #[must_use]
    pub fn type_tag(&self) -> TypeTag {
        match self {
            Self::Bool => TypeTag::Bool,
            Self::U8 => TypeTag::U8,
            Self::U16 => TypeTag::U16,
            Self::U32 => TypeTag::U32,
            Self::U64 => TypeTag::U64,
            Self::U128 => TypeTag::U128,
            Self::U256 => TypeTag::U256,
            Self::Address => TypeTag::Address,
            Self::Signer => TypeTag::Signer,
            Self::Vector(element) => TypeTag::Vector(Box::new(element.type_tag())),
            Self::Struct(layout) => TypeTag::Struct(Box::new(layout.tag.clone())),
            Self::Enum(layout) => TypeTag::Struct(Box::new(layout.tag.clone())),
        }
    }

    /// Decodes one value that takes all of `bytes`.
    ///
    /// # Errors
    /// [`BcsError`] if the bytes are not the value's one encoding.
    pub fn decode(&self, bytes: &[u8]) -> Result<Value, BcsError> {
        self.decode_within(bytes, u64::MAX).map(|(value, _)| value)
    }

    /// As [`MoveTypeLayout::decode`], for a value that takes `memory_max` by [`Value::memory_size`] at most; also gives
    /// what it takes.
    ///
    /// # Errors
    /// [`BcsError`]; [`BcsError::TooLarge`] as soon as the value would take more.
    pub fn decode_within(&self, bytes: &[u8], memory_max: u64) -> Result<(Value, u64), BcsError> {
        let mut reader = Reader { bytes, at: 0, memory: memory_max };
        let value = reader.value(self, 1)?;
        reader.finish()?;
        Ok((value, memory_max - reader.memory))
    }

    /// Decodes one value that takes all of `bytes`, with names.
    ///
    /// # Errors
    /// [`BcsError`] if the bytes are not the value's one encoding.
    pub fn decode_annotated(&self, bytes: &[u8]) -> Result<AnnotatedValue, BcsError> {
        self.annotate(self.decode(bytes)?)
    }

    /// Encodes a value of the type.
    ///
    /// # Errors
    /// [`BcsError::WrongShape`] if the value is not of the type.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, BcsError> {
        let mut out = Vec::new();
        self.encode_to(value, &mut out)?;
        Ok(out)
    }

    /// Appends the encoding of a value of the type.
    ///
    /// # Errors
    /// [`BcsError::WrongShape`] if the value is not of the type; `out` holds a part then.
    pub fn encode_to(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), BcsError> {
        match (self, value) {
            (Self::Bool, Value::Bool(bit)) => out.push(u8::from(*bit)),
            (Self::U8, Value::U8(number)) => out.push(*number),
            (Self::U16, Value::U16(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::U32, Value::U32(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::U64, Value::U64(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::U128, Value::U128(number)) => out.extend_from_slice(&number.to_le_bytes()),
            (Self::U256, Value::U256(number)) => out.extend_from_slice(&number.to_le_bytes::<32>()),
            (Self::Address, Value::Address(address)) => out.extend_from_slice(&address.0),
            (Self::Signer, signer) => out.extend_from_slice(&signer.as_signer().ok_or(BcsError::WrongShape)?.0),
            (Self::Vector(element), Value::Bytes(bytes)) if **element == Self::U8 => {
                write_length(out, bytes.len())?;
                out.extend_from_slice(bytes);
            }
            (Self::Vector(element), Value::Vector(values)) if **element != Self::U8 => {
                write_length(out, values.len())?;
                for value in values {
                    element.encode_to(value, out)?;
                }
            }
            (Self::Struct(layout), Value::Struct(fields)) => encode_fields(&layout.fields, fields, out)?,
            (Self::Enum(layout), Value::Variant(tag, fields)) => {
                let (_, layouts) = layout.variants.get(usize::from(*tag)).ok_or(BcsError::WrongShape)?;
                write_length(out, usize::from(*tag))?;
                encode_fields(layouts, fields, out)?;
            }
            _ => return Err(BcsError::WrongShape),
        }
        Ok(())
    }

    /// Adds names to a value of the type.
    ///
    /// # Errors
    /// [`BcsError::WrongShape`] if the value is not of the type.
    pub fn annotate(&self, value: Value) -> Result<AnnotatedValue, BcsError> {
        Ok(match (self, value) {
            (Self::Bool, Value::Bool(bit)) => AnnotatedValue::Bool(bit),
            (Self::U8, Value::U8(number)) => AnnotatedValue::U8(number),
            (Self::U16, Value::U16(number)) => AnnotatedValue::U16(number),
            (Self::U32, Value::U32(number)) => AnnotatedValue::U32(number),
            (Self::U64, Value::U64(number)) => AnnotatedValue::U64(number),
            (Self::U128, Value::U128(number)) => AnnotatedValue::U128(number),
            (Self::U256, Value::U256(number)) => AnnotatedValue::U256(number),
            (Self::Address, Value::Address(address)) => AnnotatedValue::Address(address),
            (Self::Signer, signer) => AnnotatedValue::Signer(signer.as_signer().ok_or(BcsError::WrongShape)?),
            (Self::Vector(element), Value::Bytes(bytes)) if **element == Self::U8 => AnnotatedValue::Bytes(bytes),
            (Self::Vector(element), Value::Vector(values)) => AnnotatedValue::Vector(
                values.into_iter().map(|value| element.annotate(value)).collect::<Result<_, _>>()?,
            ),
            (Self::Struct(layout), Value::Struct(fields)) => {
                AnnotatedValue::Struct { tag: layout.tag.clone(), fields: annotate_fields(&layout.fields, fields)? }
            }
            (Self::Enum(layout), Value::Variant(tag, fields)) => {
                let (name, layouts) = layout.variants.get(usize::from(tag)).ok_or(BcsError::WrongShape)?;
                AnnotatedValue::Variant {
                    tag: layout.tag.clone(),
                    name: name.clone(),
                    fields: annotate_fields(layouts, fields)?,
                }
            }
            _ => return Err(BcsError::WrongShape),
        })
    }
}

fn encode_fields(
    layouts: &[(Identifier, MoveTypeLayout)],
    fields: &[Value],
    out: &mut Vec<u8>,
) -> Result<(), BcsError> {
    if layouts.len() != fields.len() {
        return Err(BcsError::WrongShape);
    }
    layouts.iter().zip(fields).try_for_each(|((_, layout), field)| layout.encode_to(field, out))
}

fn annotate_fields(
    layouts: &[(Identifier, MoveTypeLayout)],
    fields: Vec<Value>,
) -> Result<Vec<(Identifier, AnnotatedValue)>, BcsError> {
    if layouts.len() != fields.len() {
        return Err(BcsError::WrongShape);
    }
    layouts.iter().zip(fields).map(|((name, layout), field)| Ok((name.clone(), layout.annotate(field)?))).collect()
}

fn write_length(out: &mut Vec<u8>, length: usize) -> Result<(), BcsError> {
    if length > BCS_VECTOR_LEN_MAX {
        return Err(BcsError::WrongShape);
    }
    let mut rest = length;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What the value may still take.
    memory: u64,
}

impl<'a> Reader<'a> {
    fn finish(&self) -> Result<(), BcsError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            count => Err(BcsError::TrailingBytes { count }),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BcsError> {
        let slice = self.bytes[self.at..].get(..count).ok_or(BcsError::UnexpectedEnd { at: self.bytes.len() })?;
        self.at += count;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BcsError> {
        Ok(self.take(N)?.try_into().expect("take gives as many bytes as asked"))
    }

    fn length(&mut self) -> Result<usize, BcsError> {
        let start = self.at;
        let mut length: u64 = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let is_minimal = byte != 0 || shift == 0;
                return match usize::try_from(length) {
                    Ok(length) if is_minimal && length <= BCS_VECTOR_LEN_MAX => Ok(length),
                    _ => Err(BcsError::BadLength { at: start }),
                };
            }
        }
        Err(BcsError::BadLength { at: start })
    }

    fn value(&mut self, layout: &MoveTypeLayout, depth: usize) -> Result<Value, BcsError> {
        if depth > VALUE_DEPTH_MAX {
            return Err(BcsError::TooDeep);
        }
        Ok(match layout {
            MoveTypeLayout::Bool => {
                let at = self.at;
                match self.array()? {
                    [0] => Value::Bool(false),
                    [1] => Value::Bool(true),
                    [byte] => return Err(BcsError::NotABool { byte, at }),
                }
            }
            MoveTypeLayout::U8 => Value::U8(u8::from_le_bytes(self.array()?)),
            MoveTypeLayout::U16 => Value::U16(u16::from_le_bytes(self.array()?)),
            MoveTypeLayout::U32 => Value::U32(u32::from_le_bytes(self.array()?)),
            MoveTypeLayout::U64 => Value::U64(u64::from_le_bytes(self.array()?)),
            MoveTypeLayout::U128 => Value::U128(u128::from_le_bytes(self.array()?)),
            MoveTypeLayout::U256 => Value::U256(U256::from_le_bytes(self.array::<32>()?)),
            MoveTypeLayout::Address => Value::Address(Address(self.array()?)),
            MoveTypeLayout::Signer => {
                self.allocate(VALUE_BYTES)?;
                Value::signer(Address(self.array()?))
            }
            MoveTypeLayout::Vector(element) => self.vector(element, depth)?,
            MoveTypeLayout::Struct(layout) => Value::Struct(self.fields(&layout.fields, depth)?),
            MoveTypeLayout::Enum(layout) => {
                let at = self.at;
                let tag = self.length()?;
                let unknown = BcsError::UnknownVariant { tag: u32::try_from(tag).unwrap_or(u32::MAX), at };
                let (_, fields) = layout.variants.get(tag).ok_or(unknown)?;
                Value::Variant(tag as u16, self.fields(fields, depth)?)
            }
        })
    }

    fn allocate(&mut self, size: u64) -> Result<(), BcsError> {
        self.memory = self.memory.checked_sub(size).ok_or(BcsError::TooLarge)?;
        Ok(())
    }

    fn fields(&mut self, fields: &[(Identifier, MoveTypeLayout)], depth: usize) -> Result<Vec<Value>, BcsError> {
        self.allocate(VALUE_BYTES * fields.len() as u64)?;
        fields.iter().map(|(_, field)| self.value(field, depth + 1)).collect()
    }

    fn vector(&mut self, element: &MoveTypeLayout, depth: usize) -> Result<Value, BcsError> {
        let length = self.length()?;
        if *element == MoveTypeLayout::U8 {
            let bytes = self.take(length)?;
            self.allocate(length as u64)?;
            return Ok(Value::Bytes(bytes.to_vec()));
        }
        // Every element takes a byte at least, so the bytes that are left bound the allocation.
        if length > self.bytes.len() - self.at {
            return Err(BcsError::UnexpectedEnd { at: self.bytes.len() });
        }
        self.allocate(VALUE_BYTES * length as u64)?;
        let mut values = Vec::with_capacity(length);
        for _ in 0..length {
            let before = self.at;
            values.push(self.value(element, depth + 1)?);
            if self.at == before {
                return Err(BcsError::EmptyElements);
            }
        }
        Ok(Value::Vector(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Identifier {
        Identifier::new(text).unwrap()
    }

    fn tag(text: &str) -> StructTag {
        format!("0x1::m::{text}").parse().unwrap()
    }

    fn vector(element: MoveTypeLayout) -> MoveTypeLayout {
        MoveTypeLayout::Vector(Arc::new(element))
    }

    fn sample_layout() -> MoveTypeLayout {
        use MoveTypeLayout as L;
        let inner = L::Struct(Arc::new(StructLayout {
            tag: tag("In"),
            fields: vec![(name("a"), L::U16), (name("b"), vector(L::U8))],
        }));
        let choice = L::Enum(Arc::new(EnumLayout {
            tag: tag("E"),
            variants: vec![(name("None"), vec![]), (name("Some"), vec![(name("x"), inner.clone())])],
        }));
        let fields = [L::Bool, L::U128, L::U256, L::Address, vector(inner), vector(vector(L::U64)), choice, L::U32];
        let fields = fields.into_iter().enumerate().map(|(i, layout)| (name(&format!("f{i}")), layout)).collect();
        L::Struct(Arc::new(StructLayout { tag: tag("Out"), fields }))
    }

    fn sample_value() -> Value {
        let inner = |n: u16| Value::Struct(vec![Value::U16(n), Value::bytes(vec![7; usize::from(n)])]);
        Value::Struct(vec![
            Value::Bool(true),
            Value::U128(u128::MAX - 1),
            Value::U256(U256::from(5) << 200),
            Value::Address(Address::ONE),
            Value::Vector(vec![inner(0), inner(200)]),
            Value::Vector(vec![Value::Vector(vec![Value::U64(1)]), Value::Vector(vec![])]),
            Value::Variant(1, vec![inner(3)]),
            Value::U32(9),
        ])
    }

    #[test]
    fn round_trips_and_agrees_with_serde() {
        let (layout, value) = (sample_layout(), sample_value());
        let bytes = layout.encode(&value).unwrap();
        assert_eq!(layout.decode(&bytes).unwrap(), value);
        let inner = |n: u16| (n, vec![7u8; usize::from(n)]);
        let mut wide = [0u8; 32];
        wide[25] = 5;
        let expected = bcs::to_bytes(&(
            true,
            u128::MAX - 1,
            wide,
            Address::ONE,
            vec![inner(0), inner(200)],
            vec![vec![1u64], vec![]],
            (1u8, inner(3)),
            9u32,
        ))
        .unwrap();
        assert_eq!(bytes, expected);
    }

    #[test]
    fn decoding_counts_what_the_value_takes_and_stops_at_a_limit() {
        assert!(size_of::<Value>() as u64 <= VALUE_BYTES);
        let (layout, value) = (sample_layout(), sample_value());
        let bytes = layout.encode(&value).unwrap();
        let size = value.memory_size();
        assert_eq!(layout.decode_within(&bytes, size), Ok((value, size)));
        assert_eq!(layout.decode_within(&bytes, size - 1), Err(BcsError::TooLarge));
        assert_eq!(vector(MoveTypeLayout::U8).decode(&[2, 7, 7]).unwrap().memory_size(), 2);
        // One byte of BCS may be many values: a struct in a struct in a struct.
        let mut deep = MoveTypeLayout::Bool;
        for _ in 0..100 {
            deep = MoveTypeLayout::Struct(Arc::new(StructLayout { tag: tag("D"), fields: vec![(name("f"), deep)] }));
        }
        let mut many = vec![100];
        many.extend([1; 100]);
        assert_eq!(vector(deep.clone()).decode(&many).unwrap().memory_size(), 100 * 101 * VALUE_BYTES);
        assert_eq!(vector(deep).decode_within(&many, 100 * 100 * VALUE_BYTES), Err(BcsError::TooLarge));
    }

    #[test]
    fn annotated_values_carry_names() {
        let value = sample_layout().decode_annotated(&sample_layout().encode(&sample_value()).unwrap()).unwrap();
        let AnnotatedValue::Struct { tag: found, fields } = value else { panic!("a struct") };
        assert_eq!(found, tag("Out"));
        assert_eq!(fields[0], (name("f0"), AnnotatedValue::Bool(true)));
        assert!(matches!(&fields[6].1, AnnotatedValue::Variant { name, .. } if *name == "Some"));
    }

    #[test]
    fn refuses_what_is_not_canonical() {
        use MoveTypeLayout as L;
        assert_eq!(L::Bool.decode(&[2]), Err(BcsError::NotABool { byte: 2, at: 0 }));
        assert_eq!(L::U8.decode(&[1, 2]), Err(BcsError::TrailingBytes { count: 1 }));
        assert_eq!(L::U64.decode(&[1, 2]), Err(BcsError::UnexpectedEnd { at: 2 }));
        assert_eq!(vector(L::U8).decode(&[0x80, 0]), Err(BcsError::BadLength { at: 0 }));
        assert_eq!(vector(L::U64).decode(&[0xff, 0xff, 0xff, 0xff, 7]), Err(BcsError::UnexpectedEnd { at: 5 }));
        assert_eq!(vector(L::U64).decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 1]), Err(BcsError::BadLength { at: 0 }));
        assert_eq!(L::U8.encode(&Value::U16(1)), Err(BcsError::WrongShape));
        assert_eq!(vector(L::U8).encode(&Value::Vector(vec![])), Err(BcsError::WrongShape));
        let empty = L::Struct(Arc::new(StructLayout { tag: tag("Z"), fields: vec![] }));
        assert_eq!(vector(empty).decode(&[1, 0]), Err(BcsError::EmptyElements));
        let mut deep = L::U8;
        for _ in 0..VALUE_DEPTH_MAX {
            deep = vector(deep);
        }
        let mut bytes = vec![1; VALUE_DEPTH_MAX];
        bytes.push(0);
        assert!(vector(deep.clone()).decode(&bytes[1..]).is_ok());
        assert_eq!(vector(deep).decode(&bytes), Err(BcsError::TooDeep));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(value) = sample_layout().decode(&bytes) {
                prop_assert_eq!(sample_layout().encode(&value).unwrap(), bytes);
            }
        }

        #[test]
        fn mutated_bytes_decode_or_fail(at in 0usize..400, flip in 1u8..) {
            let mut bytes = sample_layout().encode(&sample_value()).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(value) = sample_layout().decode(&bytes) {
                prop_assert_eq!(sample_layout().encode(&value).unwrap(), bytes);
            }
        }
    }
}
