//! The syntax tree: the source as written, nothing resolved.
//!
//! It covers the whole language, also what later passes refuse for now. Every node has a [`Span`]. Parentheses are
//! not kept, operator nesting says what they meant. A function call, a positional pack and a tuple-variant pack look
//! alike (`f(1)`, `S(1)`, `E::V(1)`): all are [`ExpKind::Call`], naming tells them apart.

mod exp;

pub use crate::diagnostics::{FileId, Name, Span, Spanned, Symbol};
pub use exp::*;
pub use noema_types::{Address, U256};

/// One parsed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUnit {
    /// The file.
    pub file: FileId,
    /// Modules, address blocks and scripts in the order written.
    pub definitions: Vec<Definition>,
}

/// What may stand at the top of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// `module a::m { .. }` or `module a::m;`
    Module(Module),
    /// `address a { module m { .. } }`
    Address(AddressBlock),
    /// `script { .. }`
    Script(Script),
}

/// `address a { .. }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressBlock {
    /// Attributes, which apply to every module inside.
    pub attributes: Vec<Attribute>,
    /// The address given to the modules.
    pub address: Spanned<AddressSpecifier>,
    /// The modules.
    pub modules: Vec<Module>,
    /// The whole block.
    pub span: Span,
}

/// An address as written: a number or a name that `Move.toml` assigns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSpecifier {
    /// `0x1`
    Numeric(Address),
    /// `std`
    Named(Symbol),
}

/// A module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Doc comment text without its markers.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// The address before the name; `None` only inside an address block.
    pub address: Option<Spanned<AddressSpecifier>>,
    /// The module's name.
    pub name: Name,
    /// `true` for `module a::m;`, whose members run to the end of the file or to the next such header.
    pub is_label: bool,
    /// `true` for `spec module ..`/`spec a::m { .. }`, which later passes skip.
    pub is_spec: bool,
    /// The members in the order written.
    pub members: Vec<Member>,
    /// The whole module.
    pub span: Span,
}

/// `script { .. }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Uses, constants and functions in the order written. A correct script has exactly one function.
    pub members: Vec<Member>,
    /// The whole script.
    pub span: Span,
}

/// A member of a module or script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// `fun f() { .. }`
    Function(Box<Function>),
    /// `struct S { .. }`
    Struct(Struct),
    /// `enum E { .. }`
    Enum(Enum),
    /// `const C: u64 = 1;`
    Constant(Constant),
    /// `use a::m;`
    Use(Use),
    /// `friend a::m;`
    Friend(Friend),
    /// `spec .. { .. }`, skipped.
    Spec(Span),
}

// ---------------------------------------------------------------------------------------------------------------
// Attributes

/// One attribute of a `#[..]` list, or one entry nested in another attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name; `a::b` keeps its colons.
    pub name: Name,
    /// What follows the name.
    pub args: AttributeArgs,
    /// The whole attribute.
    pub span: Span,
}

/// What follows an attribute's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeArgs {
    /// `test_only`
    None,
    /// `abort_code = 1`
    Value(AttributeValue),
    /// `test(a = @0x1)`
    List(Vec<Attribute>),
}

/// The right side of `name = value` in an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A literal.
    Literal(Spanned<Literal>),
    /// A name, module or constant.
    Path(Path),
}

// ---------------------------------------------------------------------------------------------------------------
// Uses and friends

/// A `use` declaration. Nested lists are flattened into `items`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Only `public use fun` may have one.
    pub visibility: Visibility,
    /// What it brings into scope.
    pub items: Vec<UseItem>,
    /// The whole declaration.
    pub span: Span,
}

/// One name brought into scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UseItem {
    /// `use a::m`, `use a::m as n`, and `Self` in a list.
    Module {
        /// The module.
        module: ModuleName,
        /// The new name, if given.
        alias: Option<Name>,
    },
    /// `use a::m::x`, `use a::m::x as y`.
    Member {
        /// The module.
        module: ModuleName,
        /// Its member.
        member: Name,
        /// The new name, if given.
        alias: Option<Name>,
    },
    /// `use fun a::m::f as T.g`.
    Method {
        /// The function.
        function: Path,
        /// The type it becomes a method of.
        receiver: Path,
        /// The method's name.
        method: Name,
    },
}

/// `address::name` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// The address.
    pub address: Spanned<AddressSpecifier>,
    /// The module's own name.
    pub name: Name,
    /// Both.
    pub span: Span,
}

/// `friend a::m;`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friend {
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// `a::m`, or `m` through a use or in the same address.
    pub module: Path,
    /// The whole declaration.
    pub span: Span,
}

// ---------------------------------------------------------------------------------------------------------------
// Functions

/// Who may call a function or name a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Nothing written.
    Private,
    /// `public`
    Public(Span),
    /// `public(friend)` or `friend fun`
    Friend(Span),
    /// `public(package)` or `package fun`
    Package(Span),
    /// `public(script)`, the old spelling of `public entry`.
    Script(Span),
}

impl Visibility {
    /// Where the modifier was written.
    #[must_use]
    pub const fn span(self) -> Option<Span> {
        match self {
            Self::Private => None,
            Self::Public(span) | Self::Friend(span) | Self::Package(span) | Self::Script(span) => Some(span),
        }
    }
}

/// How calls to a function are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionKind {
    /// `fun`
    Plain,
    /// `inline fun`: expanded at the call, value arguments evaluated once.
    Inline,
    /// `macro fun`: expanded at the call `f!(..)`, arguments substituted by name.
    Macro,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Who may call it.
    pub visibility: Visibility,
    /// Where `entry` was written.
    pub entry: Option<Span>,
    /// How calls are compiled.
    pub kind: FunctionKind,
    /// The name.
    pub name: Name,
    /// Type parameters; those of macros begin with `$`.
    pub type_params: Vec<TypeParam>,
    /// Value parameters; those of macros begin with `$`.
    pub params: Vec<Param>,
    /// The result, `()` when nothing is written.
    pub result: Type,
    /// The `acquires` list when written.
    pub acquires: Option<Vec<Path>>,
    /// The body.
    pub body: FunctionBody,
    /// From the first modifier to the end of the result and acquires list.
    pub signature_span: Span,
    /// The whole function.
    pub span: Span,
}

/// A function's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FunctionBody {
    /// Written here.
    Block(Block),
    /// `native`, given by the VM; where `native` was written.
    Native(Span),
}

/// A value parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Where `mut` was written.
    pub mutable: Option<Span>,
    /// The name.
    pub name: Name,
    /// The type.
    pub ty: Type,
}

/// A type parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeParam {
    /// The name.
    pub name: Name,
    /// Where `phantom` was written.
    pub phantom: Option<Span>,
    /// Required abilities.
    pub constraints: Vec<Spanned<Ability>>,
}

/// What values of a type allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// `copy`
    Copy,
    /// `drop`
    Drop,
    /// `store`
    Store,
    /// `key`
    Key,
}

impl Ability {
    /// The ability named by `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "copy" => Some(Self::Copy),
            "drop" => Some(Self::Drop),
            "store" => Some(Self::Store),
            "key" => Some(Self::Key),
            _ => None,
        }
    }
}

impl std::fmt::Display for Ability {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Copy => "copy",
            Self::Drop => "drop",
            Self::Store => "store",
            Self::Key => "key",
        })
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Data types and constants

/// A struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// `public struct` never opens the fields.
    pub visibility: Visibility,
    /// The name.
    pub name: Name,
    /// Type parameters.
    pub type_params: Vec<TypeParam>,
    /// Declared abilities, before or after the fields.
    pub abilities: Vec<Spanned<Ability>>,
    /// The fields.
    pub fields: Fields,
    /// The whole struct.
    pub span: Span,
}

/// The fields of a struct or variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// `{ a: u64 }`
    Named(Vec<Field>),
    /// `(u64, bool)`; the fields are called `pos0`, `pos1`, ..
    Positional(Vec<Type>),
    /// Nothing written: a variant without fields.
    None,
    /// `native struct`; where `native` was written.
    Native(Span),
}

/// A named field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// The name.
    pub name: Name,
    /// The type.
    pub ty: Type,
}

/// An enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enum {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// `public enum`
    pub visibility: Visibility,
    /// The name.
    pub name: Name,
    /// Type parameters.
    pub type_params: Vec<TypeParam>,
    /// Declared abilities.
    pub abilities: Vec<Spanned<Ability>>,
    /// The variants.
    pub variants: Vec<Variant>,
    /// The whole enum.
    pub span: Span,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// The name.
    pub name: Name,
    /// The fields.
    pub fields: Fields,
    /// The whole variant.
    pub span: Span,
}

/// A constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Doc comment text.
    pub docs: Option<Symbol>,
    /// Attributes.
    pub attributes: Vec<Attribute>,
    /// Constants are private; a written modifier is refused later.
    pub visibility: Visibility,
    /// The name.
    pub name: Name,
    /// The type.
    pub ty: Type,
    /// The value.
    pub value: Exp,
    /// The whole constant.
    pub span: Span,
}

// ---------------------------------------------------------------------------------------------------------------
// Paths and types

/// `a::m::f<T>`: one to four segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The segments; never empty.
    pub segments: Vec<PathSegment>,
    /// All of it.
    pub span: Span,
}

/// One part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSegment {
    /// A name, or as first segment a numerical address.
    pub head: PathHead,
    /// `<..>` behind this segment.
    pub type_args: Option<Vec<Type>>,
    /// The segment without its type arguments.
    pub span: Span,
}

/// A path segment without its type arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathHead {
    /// `name`
    Name(Symbol),
    /// `0x1`, only as the first of several segments.
    Address(Address),
}

impl Path {
    /// A path of one name.
    #[must_use]
    pub fn from_name(name: Name) -> Self {
        Self {
            span: name.span,
            segments: vec![PathSegment { head: PathHead::Name(name.value), type_args: None, span: name.span }],
        }
    }

    /// The name if the path is one name without type arguments.
    #[must_use]
    pub fn as_name(&self) -> Option<Name> {
        match self.segments.as_slice() {
            [PathSegment { head: PathHead::Name(name), type_args: None, span }] => Some(Name::new(name.clone(), *span)),
            _ => None,
        }
    }

    /// The last segment's text and place; `None` if it is an address.
    #[must_use]
    pub fn last_name(&self) -> Option<Name> {
        let last = self.segments.last()?;
        match &last.head {
            PathHead::Name(name) => Some(Name::new(name.clone(), last.span)),
            PathHead::Address(_) => None,
        }
    }
}

impl std::fmt::Display for Path {
    /// Segments without their type arguments.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                formatter.write_str("::")?;
            }
            match &segment.head {
                PathHead::Name(name) => formatter.write_str(name)?,
                PathHead::Address(address) => formatter.write_str(&address.to_short_hex())?,
            }
        }
        Ok(())
    }
}

/// A type as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// What it is.
    pub kind: TypeKind,
    /// Where it was written.
    pub span: Span,
}

/// The forms of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A primitive, type parameter, struct or enum; also `vector<T>`.
    Path(Path),
    /// `&T` and `&mut T`
    Reference {
        /// `&mut`
        mutable: bool,
        /// What it points to.
        inner: Box<Type>,
    },
    /// `()` and `(A, B)`
    Tuple(Vec<Type>),
    /// `|A, B| C`, `|A, B| -> C`, `|A| C has copy + drop`
    Function {
        /// Parameters.
        params: Vec<Type>,
        /// The result, `()` when nothing is written.
        result: Box<Type>,
        /// Abilities after `has`.
        abilities: Vec<Spanned<Ability>>,
    },
    /// `_`: inferred.
    Infer,
    /// Stands for a type that did not parse; an error was reported.
    Error,
}

// ---------------------------------------------------------------------------------------------------------------
// Blocks and statements

/// `{ use ..; statements; result }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Uses at the head of the block.
    pub uses: Vec<Use>,
    /// Statements, each ended by `;`.
    pub statements: Vec<Statement>,
    /// The last expression without `;`. A block without one has type `()`.
    pub result: Option<Box<Exp>>,
    /// With the braces.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it is.
    pub kind: StatementKind,
    /// Without the `;`.
    pub span: Span,
}

/// The forms of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// `e;`
    Exp(Exp),
    /// `let p: T = e;`
    Let {
        /// The pattern: [`PatternKind::Tuple`], binding, wildcard or an unpack.
        pattern: Pattern,
        /// The type, if written.
        ty: Option<Type>,
        /// The value, if written.
        value: Option<Exp>,
    },
    /// `spec { .. }`, skipped.
    Spec,
}
