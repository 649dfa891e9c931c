//! Deep operations on values in memory: copies, drops, comparisons, sizes, and the forms they have outside.
//!
//! Every function takes a layout and the address of a value of it. Nesting of values is bounded when they are made, so
//! recursion is too.

use noema_execution_api::{BCS_VECTOR_LEN_MAX, BcsError, VALUE_BYTES, VALUE_DEPTH_MAX, VECTOR_HEADER_BYTES, Value};
use noema_types::Address;

use super::layout::{Fields, Kind, Layout};
use super::mem::{Arena, Ptr, WORD};

/// Bytes before the elements of a vector's block: length and room, in elements.
pub(super) const HEADER: usize = 16;

/// Elements of the vector whose word is `block`.
#[inline(always)]
pub(super) fn vector_len(block: Ptr) -> u64 {
    if block.is_null() { 0 } else { block.u64() }
}

fn room_of(block: Ptr) -> u64 {
    if block.is_null() { 0 } else { block.offset(8).u64() }
}

/// Where the elements are.
#[inline(always)]
pub(super) fn elements(block: Ptr) -> Ptr {
    block.offset(HEADER)
}

/// A block with room for `count` elements, of which none is there.
pub(super) fn new_block(arena: &mut Arena, count: u64, stride: usize) -> Ptr {
    let bytes = HEADER + count as usize * stride;
    let room = (Arena::rounded(bytes) - HEADER) / stride;
    let block = arena.allocate(bytes);
    block.set_u64(0);
    block.offset(8).set_u64(room as u64);
    block
}

pub(super) fn free_block(arena: &mut Arena, block: Ptr, stride: usize) {
    if !block.is_null() {
        arena.release(block, HEADER + room_of(block) as usize * stride);
    }
}

/// The place for one more element of the vector in `slot`, already counted.
#[inline]
pub(super) fn grow_by_one(arena: &mut Arena, slot: Ptr, stride: usize) -> Ptr {
    let mut block = slot_block(slot);
    let len = vector_len(block);
    if len == room_of(block) {
        block = enlarge(arena, slot, stride);
    }
    block.set_u64(len + 1);
    elements(block).offset(len as usize * stride)
}

#[cold]
fn enlarge(arena: &mut Arena, slot: Ptr, stride: usize) -> Ptr {
    let old = slot_block(slot);
    let len = vector_len(old);
    let new = new_block(arena, (len * 2).max(1), stride);
    new.set_u64(len);
    if !old.is_null() {
        elements(new).copy_bytes(elements(old), len as usize * stride);
        free_block(arena, old, stride);
    }
    slot.set_u64(new.word());
    new
}

/// The block that a slot names.
#[inline(always)]
pub(super) fn slot_block(slot: Ptr) -> Ptr {
    Ptr::from_word(slot.u64())
}

/// Where the fields of a struct or enum are.
#[inline]
pub(super) fn inside(layout: &Layout, at: Ptr) -> Ptr {
    if layout.is_boxed() { slot_block(at) } else { at }
}

/// Copies an element into a slot.
#[inline]
pub(super) fn load_element(layout: &Layout, slot: Ptr, element: Ptr) {
    match layout.kind {
        Kind::Bool | Kind::U8 => slot.set_u64(u64::from(element.u8())),
        Kind::U16 => slot.set_u64(u64::from(element.u16())),
        Kind::U32 => slot.set_u64(u64::from(element.u32())),
        _ => slot.copy_words(element, usize::from(layout.words)),
    }
}

/// Copies a slot into an element, or anything that a reference leads to.
#[inline]
pub(super) fn store_element(layout: &Layout, element: Ptr, slot: Ptr) {
    match layout.kind {
        Kind::Bool | Kind::U8 => element.set_u8(slot.u8()),
        Kind::U16 => element.set_u16(slot.u16()),
        Kind::U32 => element.set_u32(slot.u32()),
        _ => element.copy_words(slot, usize::from(layout.words)),
    }
}

/// Makes the words at `at`, copied from another value, a value of its own.
pub(super) fn unshare(arena: &mut Arena, layout: &Layout, at: Ptr) {
    if !layout.owns {
        return;
    }
    if layout.is_boxed() {
        let old = slot_block(at);
        let bytes = layout.inner_words() * WORD;
        let new = arena.allocate(bytes);
        new.copy_bytes(old, bytes);
        at.set_u64(new.word());
    }
    match &layout.kind {
        Kind::Vector(element) => unshare_vector(arena, element, at),
        Kind::Struct(fields) => unshare_fields(arena, fields, inside(layout, at)),
        Kind::Enum(variants) => {
            let at = inside(layout, at);
            if let Some(fields) = variants.all.get(at.u64() as usize) {
                unshare_fields(arena, fields, at);
            }
        }
        _ => {}
    }
}

fn unshare_fields(arena: &mut Arena, fields: &Fields, at: Ptr) {
    for (word, field) in fields.at.iter().filter(|(_, field)| field.owns) {
        unshare(arena, field, at.slot(*word));
    }
}

fn unshare_vector(arena: &mut Arena, element: &Layout, at: Ptr) {
    let old = slot_block(at);
    let len = vector_len(old);
    if len == 0 {
        at.set_u64(0);
        return;
    }
    let stride = element.stride();
    let new = new_block(arena, len, stride);
    new.set_u64(len);
    elements(new).copy_bytes(elements(old), len as usize * stride);
    at.set_u64(new.word());
    if element.owns {
        for index in 0..len as usize {
            unshare(arena, element, elements(new).offset(index * stride));
        }
    }
}

/// Frees what a value owns. A value of zero words owns nothing.
pub(super) fn discard(arena: &mut Arena, layout: &Layout, at: Ptr) {
    if !layout.owns {
        return;
    }
    if layout.is_boxed() {
        let block = slot_block(at);
        if !block.is_null() {
            discard_inside(arena, layout, block);
            arena.release(block, layout.inner_words() * WORD);
        }
    } else if let Kind::Vector(element) = &layout.kind {
        let block = slot_block(at);
        let stride = element.stride();
        if element.owns {
            for index in 0..vector_len(block) as usize {
                discard(arena, element, elements(block).offset(index * stride));
            }
        }
        free_block(arena, block, stride);
    } else {
        discard_inside(arena, layout, at);
    }
}

fn discard_inside(arena: &mut Arena, layout: &Layout, at: Ptr) {
    let fields = match &layout.kind {
        Kind::Struct(fields) => Some(fields),
        Kind::Enum(variants) => variants.all.get(at.u64() as usize),
        _ => None,
    };
    for (word, field) in fields.into_iter().flat_map(|fields| &fields.at).filter(|(_, field)| field.owns) {
        discard(arena, field, at.slot(*word));
    }
}

/// Whether two values are equal, through everything they own.
pub(super) fn equal(layout: &Layout, left: Ptr, right: Ptr) -> bool {
    match &layout.kind {
        Kind::Bool | Kind::U8 => left.u8() == right.u8(),
        Kind::U16 => left.u16() == right.u16(),
        Kind::U32 => left.u32() == right.u32(),
        Kind::U64 => left.u64() == right.u64(),
        Kind::U128 => left.u128() == right.u128(),
        Kind::U256 | Kind::Address | Kind::Signer => left.limbs() == right.limbs(),
        Kind::Vector(element) => {
            let (left, right) = (slot_block(left), slot_block(right));
            let len = vector_len(left);
            if len != vector_len(right) {
                return false;
            }
            let stride = element.stride();
            if is_plain(element) {
                let bytes = len as usize * stride;
                return len == 0 || elements(left).bytes(bytes) == elements(right).bytes(bytes);
            }
            (0..len as usize)
                .all(|at| equal(element, elements(left).offset(at * stride), elements(right).offset(at * stride)))
        }
        Kind::Struct(fields) => equal_fields(fields, inside(layout, left), inside(layout, right)),
        Kind::Enum(variants) => {
            let (left, right) = (inside(layout, left), inside(layout, right));
            left.u64() == right.u64()
                && variants.all.get(left.u64() as usize).is_some_and(|fields| equal_fields(fields, left, right))
        }
    }
}

/// Whether equal values are equal bytes.
fn is_plain(layout: &Layout) -> bool {
    !matches!(layout.kind, Kind::Vector(_) | Kind::Struct(_) | Kind::Enum(_))
}

fn equal_fields(fields: &Fields, left: Ptr, right: Ptr) -> bool {
    fields.at.iter().all(|(word, field)| equal(field, left.slot(*word), right.slot(*word)))
}

/// Abstract bytes, as gas counts them.
pub(super) fn abstract_size(layout: &Layout, at: Ptr) -> u64 {
    if let Some(size) = layout.size {
        return size;
    }
    let fields_size = |fields: &Fields, at: Ptr| {
        fields.at.iter().map(|(word, field)| abstract_size(field, at.slot(*word))).fold(0, u64::saturating_add)
    };
    match &layout.kind {
        Kind::Vector(element) => {
            let block = slot_block(at);
            let len = vector_len(block);
            let all = match element.size {
                Some(size) => size.saturating_mul(len),
                None => (0..len as usize)
                    .map(|at| abstract_size(element, elements(block).offset(at * element.stride())))
                    .fold(0, u64::saturating_add),
            };
            VECTOR_HEADER_BYTES.saturating_add(all)
        }
        Kind::Struct(fields) => fields_size(fields, inside(layout, at)),
        Kind::Enum(variants) => {
            let at = inside(layout, at);
            2 + variants.all.get(at.u64() as usize).map_or(0, |fields| fields_size(fields, at))
        }
        _ => layout.size.unwrap_or(0),
    }
}

/// Memory as the limit counts it: [`Value::memory_size`].
pub(super) fn memory_size(layout: &Layout, at: Ptr) -> u64 {
    if let Some(memory) = layout.memory {
        return memory;
    }
    let fields_size = |fields: &Fields, at: Ptr| {
        fields.at.iter().map(|(word, field)| VALUE_BYTES + memory_size(field, at.slot(*word))).sum()
    };
    match &layout.kind {
        Kind::Vector(element) => {
            let block = slot_block(at);
            let len = vector_len(block);
            if element.is_byte() {
                return len;
            }
            match element.memory {
                Some(memory) => (VALUE_BYTES + memory) * len,
                None => (0..len as usize)
                    .map(|at| VALUE_BYTES + memory_size(element, elements(block).offset(at * element.stride())))
                    .sum(),
            }
        }
        Kind::Struct(fields) => fields_size(fields, inside(layout, at)),
        Kind::Enum(variants) => {
            let at = inside(layout, at);
            variants.all.get(at.u64() as usize).map_or(0, |fields| fields_size(fields, at))
        }
        _ => 0,
    }
}

/// The value as natives see it.
pub(super) fn to_value(layout: &Layout, at: Ptr) -> Value {
    let fields_of =
        |fields: &Fields, at: Ptr| fields.at.iter().map(|(word, field)| to_value(field, at.slot(*word))).collect();
    match &layout.kind {
        Kind::Bool => Value::Bool(at.u8() != 0),
        Kind::U8 => Value::U8(at.u8()),
        Kind::U16 => Value::U16(at.u16()),
        Kind::U32 => Value::U32(at.u32()),
        Kind::U64 => Value::U64(at.u64()),
        Kind::U128 => Value::U128(at.u128()),
        Kind::U256 => Value::U256(at.u256()),
        Kind::Address => Value::Address(Address(at.array())),
        Kind::Signer => Value::signer(Address(at.array())),
        Kind::Vector(element) => {
            let block = slot_block(at);
            let len = vector_len(block) as usize;
            if element.is_byte() {
                return Value::Bytes(elements(block).bytes(len).to_vec());
            }
            let stride = element.stride();
            Value::Vector((0..len).map(|at| to_value(element, elements(block).offset(at * stride))).collect())
        }
        Kind::Struct(fields) => Value::Struct(fields_of(fields, inside(layout, at))),
        Kind::Enum(variants) => {
            let at = inside(layout, at);
            let tag = at.u64() as usize;
            Value::Variant(tag as u16, variants.all.get(tag).map(|fields| fields_of(fields, at)).unwrap_or_default())
        }
    }
}

/// The value is not of the layout.
#[derive(Debug)]
pub(super) struct WrongShape;

/// Writes a value into a slot, over whatever is there.
pub(super) fn from_value(arena: &mut Arena, layout: &Layout, value: &Value, at: Ptr) -> Result<(), WrongShape> {
    match (&layout.kind, value) {
        (Kind::Bool, Value::Bool(bit)) => at.set_u64(u64::from(*bit)),
        (Kind::U8, Value::U8(number)) => at.set_u64(u64::from(*number)),
        (Kind::U16, Value::U16(number)) => at.set_u64(u64::from(*number)),
        (Kind::U32, Value::U32(number)) => at.set_u64(u64::from(*number)),
        (Kind::U64, Value::U64(number)) => at.set_u64(*number),
        (Kind::U128, Value::U128(number)) => at.set_u128(*number),
        (Kind::U256, Value::U256(number)) => at.set_u256(*number),
        (Kind::Address, Value::Address(address)) => at.set_array(address.0),
        (Kind::Signer, signer) => at.set_array(signer.as_signer().ok_or(WrongShape)?.0),
        (Kind::Vector(element), Value::Bytes(bytes)) if element.is_byte() => set_bytes_vector(arena, at, bytes),
        (Kind::Vector(element), Value::Vector(values)) if !element.is_byte() => {
            at.set_u64(0);
            if values.is_empty() {
                return Ok(());
            }
            let stride = element.stride();
            let block = new_block(arena, values.len() as u64, stride);
            // An element is written as a slot first: narrow ones are as wide as a word there.
            let slot = arena.allocate(usize::from(element.words) * WORD);
            for (index, value) in values.iter().enumerate() {
                from_value(arena, element, value, slot)?;
                store_element(element, elements(block).offset(index * stride), slot);
            }
            arena.release(slot, usize::from(element.words) * WORD);
            block.set_u64(values.len() as u64);
            at.set_u64(block.word());
        }
        (Kind::Struct(fields), Value::Struct(values)) => {
            let at = enter(arena, layout, at);
            fields_from(arena, fields, values, at)?;
        }
        (Kind::Enum(variants), Value::Variant(tag, values)) => {
            let at = enter(arena, layout, at);
            at.set_u64(u64::from(*tag));
            let fields = variants.all.get(usize::from(*tag)).ok_or(WrongShape)?;
            fields_from(arena, fields, values, at)?;
        }
        _ => return Err(WrongShape),
    }
    Ok(())
}

/// Where the fields of a new struct or enum go.
pub(super) fn enter(arena: &mut Arena, layout: &Layout, at: Ptr) -> Ptr {
    if !layout.is_boxed() {
        return at;
    }
    let block = arena.allocate(layout.inner_words() * WORD);
    at.set_u64(block.word());
    block
}

pub(super) fn set_bytes_vector(arena: &mut Arena, at: Ptr, bytes: &[u8]) {
    at.set_u64(0);
    if !bytes.is_empty() {
        let block = new_block(arena, bytes.len() as u64, 1);
        elements(block).set_bytes(bytes);
        block.set_u64(bytes.len() as u64);
        at.set_u64(block.word());
    }
}

fn fields_from(arena: &mut Arena, fields: &Fields, values: &[Value], at: Ptr) -> Result<(), WrongShape> {
    if fields.at.len() != values.len() {
        return Err(WrongShape);
    }
    fields.at.iter().zip(values).try_for_each(|((word, field), value)| from_value(arena, field, value, at.slot(*word)))
}

/// Appends the BCS of a value.
pub(super) fn encode(layout: &Layout, at: Ptr, out: &mut Vec<u8>) -> Result<(), BcsError> {
    match &layout.kind {
        Kind::Bool | Kind::U8 => out.push(at.u8()),
        Kind::U16 => out.extend_from_slice(&at.u16().to_le_bytes()),
        Kind::U32 => out.extend_from_slice(&at.u32().to_le_bytes()),
        Kind::U64 => out.extend_from_slice(&at.u64().to_le_bytes()),
        Kind::U128 => out.extend_from_slice(&at.u128().to_le_bytes()),
        Kind::U256 | Kind::Address | Kind::Signer => out.extend_from_slice(&at.array()),
        Kind::Vector(element) => {
            let block = slot_block(at);
            let len = vector_len(block) as usize;
            encode_length(out, len)?;
            let stride = element.stride();
            if is_plain(element) {
                out.extend_from_slice(elements(block).bytes(len * stride));
            } else {
                for index in 0..len {
                    encode(element, elements(block).offset(index * stride), out)?;
                }
            }
        }
        Kind::Struct(fields) => encode_fields(fields, inside(layout, at), out)?,
        Kind::Enum(variants) => {
            let at = inside(layout, at);
            let tag = at.u64() as usize;
            let fields = variants.all.get(tag).ok_or(BcsError::WrongShape)?;
            encode_length(out, tag)?;
            encode_fields(fields, at, out)?;
        }
    }
    Ok(())
}

fn encode_fields(fields: &Fields, at: Ptr, out: &mut Vec<u8>) -> Result<(), BcsError> {
    fields.at.iter().try_for_each(|(word, field)| encode(field, at.slot(*word), out))
}

fn encode_length(out: &mut Vec<u8>, length: usize) -> Result<(), BcsError> {
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

/// Decodes a value that takes all of `bytes` and `memory_max` at most into a slot; gives what it takes. The rules, and
/// the order in which they are checked, are those of `MoveTypeLayout::decode_within`.
pub(super) fn decode(
    arena: &mut Arena,
    layout: &Layout,
    bytes: &[u8],
    memory_max: u64,
    at: Ptr,
) -> Result<u64, BcsError> {
    let mut reader = Reader { bytes, at: 0, memory: memory_max, arena };
    reader.value(layout, at, 1)?;
    match bytes.len() - reader.at {
        0 => Ok(memory_max - reader.memory),
        count => Err(BcsError::TrailingBytes { count }),
    }
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
    memory: u64,
    arena: &'r mut Arena,
}

impl<'r> Reader<'r> {
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'r [u8], BcsError> {
        let slice = self.bytes[self.at..].get(..count).ok_or(BcsError::UnexpectedEnd { at: self.bytes.len() })?;
        self.at += count;
        Ok(slice)
    }

    #[inline]
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

    fn allocate(&mut self, size: u64) -> Result<(), BcsError> {
        self.memory = self.memory.checked_sub(size).ok_or(BcsError::TooLarge)?;
        Ok(())
    }

    fn value(&mut self, layout: &Layout, slot: Ptr, depth: usize) -> Result<(), BcsError> {
        if depth > VALUE_DEPTH_MAX {
            return Err(BcsError::TooDeep);
        }
        match &layout.kind {
            Kind::Bool => {
                let at = self.at;
                match self.array()? {
                    [byte @ (0 | 1)] => slot.set_u64(u64::from(byte)),
                    [byte] => return Err(BcsError::NotABool { byte, at }),
                }
            }
            Kind::U8 => slot.set_u64(u64::from(u8::from_le_bytes(self.array()?))),
            Kind::U16 => slot.set_u64(u64::from(u16::from_le_bytes(self.array()?))),
            Kind::U32 => slot.set_u64(u64::from(u32::from_le_bytes(self.array()?))),
            Kind::U64 => slot.set_u64(u64::from_le_bytes(self.array()?)),
            Kind::U128 => slot.set_u128(u128::from_le_bytes(self.array()?)),
            Kind::U256 | Kind::Address => slot.set_array(self.array()?),
            Kind::Signer => {
                self.allocate(VALUE_BYTES)?;
                slot.set_array(self.array()?);
            }
            Kind::Vector(element) => self.vector(element, slot, depth)?,
            Kind::Struct(fields) => {
                let at = enter(self.arena, layout, slot);
                self.fields(fields, at, depth)?;
            }
            Kind::Enum(variants) => {
                let at = self.at;
                let tag = self.length()?;
                let unknown = BcsError::UnknownVariant { tag: u32::try_from(tag).unwrap_or(u32::MAX), at };
                let fields = variants.all.get(tag).ok_or(unknown)?;
                let inside = enter(self.arena, layout, slot);
                inside.set_u64(tag as u64);
                self.fields(fields, inside, depth)?;
            }
        }
        Ok(())
    }

    fn fields(&mut self, fields: &Fields, at: Ptr, depth: usize) -> Result<(), BcsError> {
        self.allocate(VALUE_BYTES * fields.at.len() as u64)?;
        fields.at.iter().try_for_each(|(word, field)| self.value(field, at.slot(*word), depth + 1))
    }

    fn vector(&mut self, element: &Layout, slot: Ptr, depth: usize) -> Result<(), BcsError> {
        let length = self.length()?;
        if element.is_byte() {
            let bytes = self.take(length)?;
            self.allocate(length as u64)?;
            set_bytes_vector(self.arena, slot, bytes);
            return Ok(());
        }
        if length > self.bytes.len() - self.at {
            return Err(BcsError::UnexpectedEnd { at: self.bytes.len() });
        }
        self.allocate(VALUE_BYTES * length as u64)?;
        slot.set_u64(0);
        if length == 0 {
            return Ok(());
        }
        let stride = element.stride();
        let block = new_block(self.arena, length as u64, stride);
        let one = self.arena.allocate(usize::from(element.words) * WORD);
        for index in 0..length {
            let before = self.at;
            self.value(element, one, depth + 1)?;
            if self.at == before {
                return Err(BcsError::EmptyElements);
            }
            store_element(element, elements(block).offset(index * stride), one);
        }
        self.arena.release(one, usize::from(element.words) * WORD);
        block.set_u64(length as u64);
        slot.set_u64(block.word());
        Ok(())
    }
}

/// The words of a constant that owns nothing.
pub(super) fn words_of_constant(value: &Value) -> Option<Vec<u64>> {
    Some(match value {
        Value::Bool(bit) => vec![u64::from(*bit)],
        Value::U8(number) => vec![u64::from(*number)],
        Value::U16(number) => vec![u64::from(*number)],
        Value::U32(number) => vec![u64::from(*number)],
        Value::U64(number) => vec![*number],
        Value::U128(number) => vec![*number as u64, (*number >> 64) as u64],
        Value::U256(number) => number.into_limbs().to_vec(),
        Value::Address(address) => {
            let word = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
            address.0.chunks_exact(WORD).map(word).collect()
        }
        _ => return None,
    })
}
