//! How values of closed types lie in memory.
//!
//! A value takes a whole number of words in a slot (a local, a temporary, a field). bool to u64 take one, zero-extended;
//! u128 two; u256, address and signer four; a struct its fields' in order; an enum a tag and its largest variant. A
//! vector is one word: the address of its block, or zero when it never had an element. A struct or enum of more than
//! [`FLAT_WORDS_MAX`] words is *boxed*: one word, the address of a block that it owns.
//!
//! Elements of vectors have their natural width when they are integers, bools or addresses, and otherwise the width of a
//! slot. A reference is the address of a slot, a field or an element.

use std::sync::Arc;

use noema_execution_api::{StatusCode, VALUE_BYTES};
use noema_types::{StructTag, TypeTag};

use crate::error::{Result, fail_because, invariant};
use crate::limits::{FLAT_WORDS_MAX, SHAPE_NODES_MAX};
use crate::loader::Loader;
use crate::module::DatatypeDef;
use crate::types::close;

/// Shape of the values of one closed type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    /// Words in a slot.
    pub(super) words: u16,
    /// Whether values own blocks.
    pub(super) owns: bool,
    /// Abstract bytes, if all values have the same.
    pub(super) size: Option<u64>,
    /// Memory as the limit counts it, if all values have the same.
    pub(super) memory: Option<u64>,
    /// Types in it, counted as a tree.
    nodes: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    U16,
    U32,
    U64,
    U128,
    U256,
    Address,
    Signer,
    Vector(Arc<Layout>),
    Struct(Fields),
    /// By variant; the tag comes first.
    Enum(Variants),
}

/// Fields of a struct or variant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fields {
    /// First word of each, and its shape.
    pub(super) at: Vec<(u16, Arc<Layout>)>,
    /// Words of all.
    pub(super) words: u16,
    /// Whether they are in a block of their own.
    pub(super) boxed: bool,
}

/// Variants of an enum.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Variants {
    pub(super) all: Vec<Fields>,
    /// Words of the tag and the largest.
    pub(super) words: u16,
    pub(super) boxed: bool,
}

impl Layout {
    fn primitive(kind: Kind, words: u16, size: u64) -> Self {
        Self { kind, words, owns: false, size: Some(size), memory: Some(0), nodes: 1 }
    }

    pub(super) fn vector(element: Arc<Self>) -> Self {
        let nodes = element.nodes + 1;
        Self { kind: Kind::Vector(element), words: 1, owns: true, size: None, memory: None, nodes }
    }

    /// Whether copies and comparisons have no dynamic cost.
    pub(super) fn is_primitive(&self) -> bool {
        !matches!(self.kind, Kind::Vector(_) | Kind::Struct(_) | Kind::Enum(_) | Kind::Signer)
    }

    /// Whether it is a struct or enum in a block of its own.
    pub(super) fn is_boxed(&self) -> bool {
        match &self.kind {
            Kind::Struct(fields) => fields.boxed,
            Kind::Enum(variants) => variants.boxed,
            _ => false,
        }
    }

    /// Words of what the box holds, or of the value itself.
    pub(super) fn inner_words(&self) -> usize {
        match &self.kind {
            Kind::Struct(fields) => usize::from(fields.words),
            Kind::Enum(variants) => usize::from(variants.words),
            _ => usize::from(self.words),
        }
    }

    /// Bytes of an element of a vector.
    pub(super) fn stride(&self) -> usize {
        match self.kind {
            Kind::Bool | Kind::U8 => 1,
            Kind::U16 => 2,
            Kind::U32 => 4,
            _ => usize::from(self.words) * super::mem::WORD,
        }
    }

    pub(super) fn is_byte(&self) -> bool {
        self.kind == Kind::U8
    }

    /// What an element counts against the memory limit.
    pub(super) fn element_memory(&self) -> u64 {
        if self.is_byte() { 1 } else { VALUE_BYTES }
    }

    /// Element of a vector.
    pub(super) fn element(&self) -> Result<&Arc<Self>> {
        match &self.kind {
            Kind::Vector(element) => Ok(element),
            _ => Err(invariant("an operand is no vector")),
        }
    }

    /// Fields of a struct.
    pub(super) fn fields(&self) -> Result<&Fields> {
        match &self.kind {
            Kind::Struct(fields) => Ok(fields),
            _ => Err(invariant("an operand is no struct")),
        }
    }

    /// A variant of an enum.
    pub(super) fn variant(&self, variant: u16) -> Result<&Fields> {
        match &self.kind {
            Kind::Enum(variants) => {
                variants.all.get(usize::from(variant)).ok_or_else(|| invariant("a variant that does not exist"))
            }
            _ => Err(invariant("an operand is no enum")),
        }
    }

    /// What decides the instruction for an element: how wide it is.
    pub(super) fn element_code(&self) -> u8 {
        match self.kind {
            Kind::U8 => 0,
            Kind::Bool => 1,
            Kind::U16 => 2,
            Kind::U32 => 3,
            _ => 3 + self.words as u8,
        }
    }
}

/// Bytes of an element by its code.
#[inline(always)]
pub(super) fn stride_of(code: u8) -> usize {
    match code {
        0 | 1 => 1,
        2 => 2,
        3 => 4,
        code => usize::from(code - 3) * super::mem::WORD,
    }
}

const _: () = assert!(FLAT_WORDS_MAX + 3 <= u8::MAX as usize, "the width of an element fits its code");

/// Finds layouts and keeps them.
pub(super) trait LayoutCache {
    fn known(&self, tag: &TypeTag) -> Option<Arc<Layout>>;
    fn keep(&self, tag: &TypeTag, layout: &Arc<Layout>);
}

/// Layout of a closed type.
pub(super) fn layout_of(loader: &mut Loader<'_>, cache: &dyn LayoutCache, tag: &TypeTag) -> Result<Arc<Layout>> {
    let layout = Builder { loader, cache }.layout(tag, 0)?;
    if layout.nodes > SHAPE_NODES_MAX {
        return Err(too_large(tag));
    }
    Ok(layout)
}

#[cold]
fn too_large(tag: &TypeTag) -> Box<crate::error::Failure> {
    fail_because(StatusCode::VM_MAX_TYPE_NODES_REACHED, format!("in the fields of {tag}"))
}

struct Builder<'b, 'a> {
    loader: &'b mut Loader<'a>,
    cache: &'b dyn LayoutCache,
}

impl Builder<'_, '_> {
    fn layout(&mut self, tag: &TypeTag, depth: usize) -> Result<Arc<Layout>> {
        if let Some(known) = self.cache.known(tag) {
            return Ok(known);
        }
        if depth > noema_execution_api::VALUE_DEPTH_MAX {
            return Err(fail_because(StatusCode::VM_MAX_VALUE_DEPTH_REACHED, format!("in {tag}")));
        }
        let layout = Arc::new(match tag {
            TypeTag::Bool => Layout::primitive(Kind::Bool, 1, 1),
            TypeTag::U8 => Layout::primitive(Kind::U8, 1, 1),
            TypeTag::U16 => Layout::primitive(Kind::U16, 1, 2),
            TypeTag::U32 => Layout::primitive(Kind::U32, 1, 4),
            TypeTag::U64 => Layout::primitive(Kind::U64, 1, 8),
            TypeTag::U128 => Layout::primitive(Kind::U128, 2, 16),
            TypeTag::U256 => Layout::primitive(Kind::U256, 4, 32),
            TypeTag::Address => Layout::primitive(Kind::Address, 4, 32),
            TypeTag::Signer => Layout { memory: Some(VALUE_BYTES), ..Layout::primitive(Kind::Signer, 4, 32) },
            TypeTag::Vector(element) => Layout::vector(self.layout(element, depth + 1)?),
            TypeTag::Struct(inner) => self.datatype(tag, inner, depth)?,
        });
        if layout.nodes > SHAPE_NODES_MAX {
            return Err(too_large(tag));
        }
        self.cache.keep(tag, &layout);
        Ok(layout)
    }

    fn datatype(&mut self, tag: &TypeTag, inner: &StructTag, depth: usize) -> Result<Layout> {
        let (_, loaded, def) = self.loader.datatype(inner)?;
        let mut nodes = 1u64;
        let mut fields_of = |fields: &[noema_bytecode::FieldDefinition]| {
            let mut all = Vec::with_capacity(fields.len());
            for field in fields {
                let closed = close(&loaded.module, &field.signature, &inner.type_args)?;
                let layout = self.layout(&closed, depth + 1)?;
                nodes += layout.nodes;
                if nodes > SHAPE_NODES_MAX {
                    return Err(too_large(tag));
                }
                all.push(layout);
            }
            Ok(all)
        };
        match def {
            DatatypeDef::Struct(at) => {
                let fields = loaded.module.struct_defs[at].declared_fields();
                let fields = fields.ok_or_else(|| invariant(format!("{tag} is a native struct")))?;
                let fields = fields_of(fields)?;
                Ok(structure(fields, nodes))
            }
            DatatypeDef::Enum(at) => {
                let variants = loaded.module.enum_defs[at].variants.iter();
                let variants = variants.map(|variant| fields_of(&variant.fields)).collect::<Result<Vec<_>>>()?;
                Ok(enumeration(variants, nodes))
            }
        }
    }
}

fn place(fields: Vec<Arc<Layout>>, first: usize) -> Fields {
    let mut next = first;
    let mut at = Vec::with_capacity(fields.len());
    for layout in fields {
        let words = usize::from(layout.words);
        at.push((u16::try_from(next).expect("shapes have few nodes"), layout));
        next += words;
    }
    Fields { at, words: u16::try_from(next.max(1)).expect("shapes have few nodes"), boxed: false }
}

fn structure(fields: Vec<Arc<Layout>>, nodes: u64) -> Layout {
    let owns = fields.iter().any(|field| field.owns);
    let sum = |of: fn(&Layout) -> Option<u64>, each: u64| fields.iter().map(|field| Some(of(field)? + each)).sum();
    let size = sum(|field| field.size, 0);
    let memory = sum(|field| field.memory, VALUE_BYTES);
    let mut fields = place(fields, 0);
    fields.boxed = usize::from(fields.words) > FLAT_WORDS_MAX;
    let words = if fields.boxed { 1 } else { fields.words };
    Layout { words, owns: owns || fields.boxed, size, memory, nodes, kind: Kind::Struct(fields) }
}

fn enumeration(variants: Vec<Vec<Arc<Layout>>>, nodes: u64) -> Layout {
    let nodes = nodes + variants.len() as u64;
    let owns = variants.iter().flatten().any(|field| field.owns);
    let all: Vec<_> = variants.into_iter().map(|fields| place(fields, 1)).collect();
    let words = all.iter().map(|fields| fields.words).max().unwrap_or(1);
    let boxed = usize::from(words) > FLAT_WORDS_MAX;
    let slot = if boxed { 1 } else { words };
    let kind = Kind::Enum(Variants { all, words, boxed });
    Layout { kind, words: slot, owns: owns || boxed, size: None, memory: None, nodes }
}
