//! Move values as interpreters of the plain kind and natives hold them.
//!
//! A [`Value`] owns everything below it: copying is deep, equality is structural. `vector<u8>` is always
//! [`Value::Bytes`], other vectors are [`Value::Vector`]; a signer is a struct of one address, so that its address can be
//! borrowed. A [`Reference`] is a place: a root (a local or a global of the running machine) and the steps down to the
//! value. It is not an address in memory: whoever resolves it checks every step.

use noema_types::{Address, U256};

use crate::gas::VECTOR_HEADER_BYTES;

/// Memory of one field or element, whichever machine holds it: a constant of the protocol, no less than what a [`Value`]
/// takes.
pub const VALUE_BYTES: u64 = 48;

/// A Move value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the first variants are Move's own type names")]
pub enum Value {
    Bool(bool),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    U256(U256),
    Address(Address),
    /// A `vector<u8>`.
    Bytes(Vec<u8>),
    /// A vector of anything but `u8`.
    Vector(Vec<Value>),
    /// A struct's fields in declared order; a signer is a struct of its address.
    Struct(Vec<Value>),
    /// A variant of an enum and its fields.
    Variant(u16, Vec<Value>),
    /// A reference; never inside another value.
    Reference(Reference),
}

/// A place that holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    root: Root,
    mutable: bool,
    path: Path,
}

/// Where a reference starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// A slot of the machine's locals, counted over all frames.
    Local(u32),
    /// A slot of the machine's global values.
    Global(u32),
}

/// Steps a path holds without allocating.
const INLINE_STEPS: usize = 4;

/// Positions of fields and elements, outermost first.
#[derive(Debug, Clone)]
enum Path {
    Inline(u8, [u32; INLINE_STEPS]),
    Heap(Box<[u32]>),
}

impl Value {
    /// A signer of `address`.
    #[must_use]
    pub fn signer(address: Address) -> Self {
        Self::Struct(vec![Self::Address(address)])
    }

    /// A `vector<u8>`.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// A `0x1::string::String` (or any struct around one `vector<u8>`).
    #[must_use]
    pub fn string(text: impl Into<String>) -> Self {
        Self::Struct(vec![Self::Bytes(text.into().into_bytes())])
    }

    /// An empty vector; `of_bytes` when its elements are `u8`.
    #[must_use]
    pub fn empty_vector(of_bytes: bool) -> Self {
        if of_bytes { Self::Bytes(Vec::new()) } else { Self::Vector(Vec::new()) }
    }

    /// The vector of `elements`; `of_bytes` when they are `u8`. `None` if then one is not.
    #[must_use]
    pub fn vector(elements: Vec<Self>, of_bytes: bool) -> Option<Self> {
        if !of_bytes {
            return Some(Self::Vector(elements));
        }
        let byte = |value| if let Self::U8(byte) = value { Some(byte) } else { None };
        elements.into_iter().map(byte).collect::<Option<_>>().map(Self::Bytes)
    }

    /// The number of elements, if this is a vector.
    #[must_use]
    pub fn vector_len(&self) -> Option<usize> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len()),
            Self::Vector(elements) => Some(elements.len()),
            _ => None,
        }
    }

    /// The bytes, if this is a `vector<u8>`.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The number, if this is a `u64`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        if let Self::U64(number) = self { Some(*number) } else { None }
    }

    /// The address, if this is one.
    #[must_use]
    pub fn as_address(&self) -> Option<Address> {
        if let Self::Address(address) = self { Some(*address) } else { None }
    }

    /// The signer's address, if this is a signer.
    #[must_use]
    pub fn as_signer(&self) -> Option<Address> {
        match self {
            Self::Struct(fields) => match fields.as_slice() {
                [Self::Address(address)] => Some(*address),
                _ => None,
            },
            _ => None,
        }
    }

    /// The fields, if this is a struct.
    #[must_use]
    pub fn as_struct(&self) -> Option<&[Self]> {
        if let Self::Struct(fields) = self { Some(fields) } else { None }
    }

    /// The elements, if this is a vector of anything but `u8`.
    #[must_use]
    pub fn as_vector(&self) -> Option<&[Self]> {
        if let Self::Vector(elements) = self { Some(elements) } else { None }
    }

    /// The bytes of a struct around one `vector<u8>`, such as a `String`.
    #[must_use]
    pub fn as_string_bytes(&self) -> Option<&[u8]> {
        match self.as_struct()? {
            [only] => only.as_bytes(),
            _ => None,
        }
    }

    /// Whether the value holds no other: copies and comparisons of it have no dynamic cost.
    #[must_use]
    #[inline]
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Bytes(_) | Self::Vector(_) | Self::Struct(_) | Self::Variant(..))
    }

    /// Abstract bytes, as gas counts them.
    #[must_use]
    pub fn abstract_size(&self) -> u64 {
        match self {
            Self::Bool(_) | Self::U8(_) => 1,
            Self::U16(_) => 2,
            Self::U32(_) => 4,
            Self::U64(_) | Self::Reference(_) => 8,
            Self::U128(_) => 16,
            Self::U256(_) | Self::Address(_) => 32,
            Self::Bytes(bytes) => VECTOR_HEADER_BYTES + bytes.len() as u64,
            Self::Vector(elements) => VECTOR_HEADER_BYTES + sum_of_sizes(elements),
            Self::Struct(fields) => sum_of_sizes(fields),
            Self::Variant(_, fields) => 2 + sum_of_sizes(fields),
        }
    }

    /// Memory below the value, as the memory limit counts it: [`VALUE_BYTES`] per field and element, 1 per byte of a
    /// `vector<u8>`. Not an abstract size: a struct of a struct of a bool is one abstract byte.
    #[must_use]
    pub fn memory_size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Vector(children) | Self::Struct(children) | Self::Variant(_, children) => {
                children.iter().map(|child| VALUE_BYTES + child.memory_size()).sum()
            }
            _ => 0,
        }
    }

    /// The value one step down: a field, or an element of a vector that is not of bytes.
    #[must_use]
    #[inline]
    pub fn child(&self, step: usize) -> Option<&Self> {
        match self {
            Self::Struct(children) | Self::Vector(children) | Self::Variant(_, children) => children.get(step),
            _ => None,
        }
    }

    /// As [`Value::child`], mutable.
    #[must_use]
    #[inline]
    pub fn child_mut(&mut self, step: usize) -> Option<&mut Self> {
        match self {
            Self::Struct(children) | Self::Vector(children) | Self::Variant(_, children) => children.get_mut(step),
            _ => None,
        }
    }
}

fn sum_of_sizes(values: &[Value]) -> u64 {
    match values.first() {
        None => 0,
        // Vectors of primitives need no walk: every element has the same width. A struct whose first field is a
        // primitive does, so this asks for more than a handful of values that are all alike.
        Some(first) if values.len() > 8 && first.is_primitive() && all_alike(values) => {
            first.abstract_size().saturating_mul(values.len() as u64)
        }
        Some(_) => values.iter().map(Value::abstract_size).fold(0, u64::saturating_add),
    }
}

fn all_alike(values: &[Value]) -> bool {
    let kind = std::mem::discriminant(&values[0]);
    values.iter().all(|value| std::mem::discriminant(value) == kind)
}

impl Reference {
    /// A reference to a root itself.
    #[must_use]
    #[inline]
    pub fn to_root(root: Root, mutable: bool) -> Self {
        Self { root, mutable, path: Path::Inline(0, [0; INLINE_STEPS]) }
    }

    /// Where it starts.
    #[must_use]
    #[inline]
    pub fn root(&self) -> Root {
        self.root
    }

    /// Whether it may be written through.
    #[must_use]
    #[inline]
    pub fn is_mutable(&self) -> bool {
        self.mutable
    }

    /// The steps from the root to the value.
    #[must_use]
    #[inline]
    pub fn steps(&self) -> &[u32] {
        match &self.path {
            Path::Inline(len, steps) => &steps[..usize::from(*len)],
            Path::Heap(steps) => steps,
        }
    }

    /// A reference one step further down.
    #[must_use]
    #[inline]
    pub fn child(mut self, step: u32) -> Self {
        match &mut self.path {
            Path::Inline(len, steps) if usize::from(*len) < INLINE_STEPS => {
                steps[usize::from(*len)] = step;
                *len += 1;
            }
            path => {
                let old = match path {
                    Path::Inline(len, steps) => &steps[..usize::from(*len)],
                    Path::Heap(steps) => steps,
                };
                let longer = old.iter().copied().chain([step]).collect();
                *path = Path::Heap(longer);
            }
        }
        self
    }

    /// The same place, not writable.
    #[must_use]
    #[inline]
    pub fn freeze(mut self) -> Self {
        self.mutable = false;
        self
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        fn steps(path: &Path) -> &[u32] {
            match path {
                Path::Inline(len, steps) => &steps[..usize::from(*len)],
                Path::Heap(steps) => steps,
            }
        }
        steps(self) == steps(other)
    }
}

impl Eq for Path {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_past_their_inline_room() {
        let mut reference = Reference::to_root(Root::Local(3), true);
        for step in 0..9 {
            reference = reference.child(step);
        }
        assert_eq!(reference.steps(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(!reference.freeze().is_mutable());
    }

    #[test]
    fn sizes_count_what_gas_counts() {
        assert_eq!(Value::bytes(vec![0; 5]).abstract_size(), 13);
        assert_eq!(Value::Vector(vec![Value::U64(1); 100]).abstract_size(), 808);
        let mixed = (0..20).map(|i| if i % 2 == 0 { Value::U8(1) } else { Value::U64(1) }).collect();
        assert_eq!(Value::Struct(mixed).abstract_size(), 90);
        assert_eq!(Value::signer(Address::ONE).abstract_size(), 32);
    }

    #[test]
    fn byte_vectors_have_one_form() {
        assert_eq!(Value::vector(vec![Value::U8(1)], true), Some(Value::bytes([1])));
        assert_eq!(Value::vector(vec![Value::U64(1)], true), None);
        assert_eq!(Value::empty_vector(false).vector_len(), Some(0));
        assert_eq!(Value::signer(Address::ONE).as_signer(), Some(Address::ONE));
    }
}
