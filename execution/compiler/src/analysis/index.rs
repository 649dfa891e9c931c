//! What every name of the sources stands for.

use std::collections::BTreeMap;

use noema_types::Address;

use crate::diagnostics::{FileId, Name, Span, Symbol};
use crate::name::{Globals, Member};
use crate::typing::{ConstId, DataId, FunId, ModId, Ty};

/// Something that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Definition {
    /// A module.
    Module(ModId),
    /// A struct or enum.
    Data(DataId),
    /// A variant of an enum.
    Variant(DataId, usize),
    /// A field of a struct, or of the variant.
    Field(DataId, Option<usize>, usize),
    /// A function.
    Function(FunId),
    /// A constant.
    Constant(ConstId),
    /// A type parameter of a function, by position.
    FunTypeParam(FunId, u16),
    /// A type parameter of a datatype, by position.
    DataTypeParam(DataId, u16),
    /// A local, parameter or label, by position in [`Index::locals`].
    Local(u32),
    /// A named address, by position in [`Index::addresses`].
    Address(u32),
    /// An operation of the language itself, such as `move_to`.
    Builtin(&'static str),
}

impl From<Member> for Definition {
    fn from(member: Member) -> Self {
        match member {
            Member::Data(id) => Self::Data(id),
            Member::Fun(id) => Self::Function(id),
            Member::Const(id) => Self::Constant(id),
        }
    }
}

/// What a use of a name looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Where it is declared.
    Declaration,
    /// By its name.
    Use,
    /// The field half of `S { a }`, which names a field and a local at once.
    ShortField,
    /// The local half of `S { a }`.
    ShortLocal,
}

/// A name in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Where.
    pub span: Span,
    /// What it stands for.
    pub definition: Definition,
    /// How.
    pub form: Form,
}

/// What a local is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// A parameter of a function.
    Parameter,
    /// Bound by `let`, a lambda, a loop or a match arm.
    Variable,
    /// `'a`
    Label,
}

/// A local.
#[derive(Clone, Debug)]
pub struct LocalInfo {
    /// Its name and where it is declared.
    pub name: Name,
    /// The function it lives in.
    pub owner: FunId,
    /// What it is.
    pub kind: LocalKind,
    /// Its type, where known.
    pub ty: Option<Ty>,
    /// Where it can be used.
    pub visible: Span,
}

/// A place where a name of some kind belongs; completion looks for the one at the cursor.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Where the name stands.
    pub span: Span,
    /// What may stand there.
    pub kind: SlotKind,
}

/// What may stand at a [`Slot`].
#[derive(Clone, Debug)]
pub enum SlotKind {
    /// A field or method of a value of this type.
    Member(Ty, FunId),
    /// A member of a module.
    ModuleMember(ModId),
    /// A variant.
    Variant(DataId),
    /// A module.
    AddressModule(Address),
    /// A field that is built or taken apart; those already written.
    Fields(DataId, Option<usize>, Vec<Symbol>),
    /// A named address.
    AnyAddress,
}

/// A call, for help with its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: FunId,
    /// How many parameters the receiver takes.
    pub receiver: usize,
    /// Where the arguments stand, from behind the callee to the closing parenthesis.
    pub span: Span,
    /// The arguments.
    pub args: Vec<Span>,
}

/// Every name of the indexed files.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// By file, ordered by place.
    pub occurrences: BTreeMap<FileId, Vec<Occurrence>>,
    /// Locals and labels.
    pub locals: Vec<LocalInfo>,
    /// Named addresses and their values.
    pub addresses: Vec<(Symbol, Address)>,
    /// Types of expressions, with the function whose type parameters they speak of.
    pub types: BTreeMap<Span, (Ty, FunId)>,
    /// Places for completion.
    pub slots: Vec<Slot>,
    /// Calls.
    pub calls: Vec<Call>,
    /// Bodies of functions.
    pub bodies: Vec<(Span, FunId)>,
    /// Names that a `use` in a block brings in, with the rest of that block.
    pub block_uses: Vec<(Span, Symbol, Definition)>,
}

impl Index {
    pub(super) fn push(&mut self, span: Span, definition: Definition, form: Form) {
        self.occurrences.entry(span.file).or_default().push(Occurrence { span, definition, form });
    }

    pub(super) fn sort(&mut self) {
        for occurrences in self.occurrences.values_mut() {
            occurrences.sort_by_key(|one| (one.span, one.form, one.definition));
            occurrences.dedup();
        }
    }

    pub(super) fn address(&mut self, name: &Symbol, value: Address) -> Definition {
        let known = self.addresses.iter().position(|(known, at)| known == name && *at == value);
        let position = known.unwrap_or_else(|| {
            self.addresses.push((name.clone(), value));
            self.addresses.len() - 1
        });
        Definition::Address(u32::try_from(position).expect("named addresses are few"))
    }

    /// The names at a byte of a file: two for `S { a }`, the local first. A name ends behind its last byte.
    #[must_use]
    pub fn at(&self, file: FileId, byte: u32) -> Vec<Occurrence> {
        let Some(all) = self.occurrences.get(&file) else { return Vec::new() };
        let mut found: Vec<Occurrence> =
            all.iter().filter(|one| one.span.start <= byte && byte <= one.span.end).copied().collect();
        // Of two names that touch, the one that begins here.
        if found.iter().any(|one| byte < one.span.end) {
            found.retain(|one| byte < one.span.end);
        }
        found.sort_by_key(|one| (one.span.end - one.span.start, std::cmp::Reverse(one.form)));
        found
    }

    /// All places where the name of `definition` stands.
    #[must_use]
    pub fn of(&self, definition: Definition) -> Vec<Occurrence> {
        self.occurrences.values().flatten().filter(|one| one.definition == definition).copied().collect()
    }

    /// The smallest expression around a byte and its type.
    #[must_use]
    pub fn type_at(&self, file: FileId, byte: u32) -> Option<(Span, &Ty, FunId)> {
        let (first, last) = (Span::new(file, 0, 0), Span::new(file, byte, u32::MAX));
        let around = self.types.range(first..=last).filter(|(span, _)| byte <= span.end);
        let smallest = around.min_by_key(|(span, _)| (span.end - span.start, std::cmp::Reverse(span.start)))?;
        Some((*smallest.0, &smallest.1.0, smallest.1.1))
    }
}

/// Where every declared name stands, by the place of the name.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) modules: BTreeMap<Span, ModId>,
    pub(super) datatypes: BTreeMap<Span, DataId>,
    pub(super) functions: BTreeMap<Span, FunId>,
    pub(super) constants: BTreeMap<Span, ConstId>,
}

impl Declared {
    pub(super) fn new(globals: &Globals) -> Self {
        Self {
            modules: numbered(globals.modules.iter().map(|one| one.name.span), ModId),
            datatypes: numbered(globals.datatypes.iter().map(|one| one.name.span), DataId),
            functions: numbered(globals.functions.iter().map(|one| one.name.span), FunId),
            constants: numbered(globals.constants.iter().map(|one| one.name.span), ConstId),
        }
    }
}

fn numbered<T>(spans: impl Iterator<Item = Span>, id: fn(u32) -> T) -> BTreeMap<Span, T> {
    spans.zip((0u32..).map(id)).collect()
}
