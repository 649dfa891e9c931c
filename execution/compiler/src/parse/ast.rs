//! The syntax tree: the source as written, nothing resolved.
//!
//! It covers the whole language, also what later passes refuse for now. Every node has a [`Span`]. Parentheses are
//! not kept, operator nesting says what they meant. A function call, a positional pack and a tuple-variant pack look
//! alike (`f(1)`, `S(1)`, `E::V(1)`): all are [`ExpKind::Call`], naming tells them apart.

pub use crate::diagnostics::{FileId, Name, Span, Spanned, Symbol};
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

// ---------------------------------------------------------------------------------------------------------------
// Patterns

/// A pattern of a `let`, a lambda parameter or a match arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What it is.
    pub kind: PatternKind,
    /// Where it was written.
    pub span: Span,
}

/// The forms of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternKind {
    /// `_`
    Wildcard,
    /// `x`, `mut x`, `$x`. In a match arm one bare name may also mean a constant or a variant: naming decides.
    Binding {
        /// Where `mut` was written.
        mutable: Option<Span>,
        /// The name.
        name: Name,
    },
    /// `(p, q)` and `()`
    Tuple(Vec<Pattern>),
    /// `S { a, b: p, .. }`
    Named {
        /// The struct or variant.
        path: Path,
        /// The fields in the order written.
        fields: Vec<FieldPattern>,
        /// Where `..` was written.
        rest: Option<Span>,
    },
    /// `S(p, .., q)`
    Positional {
        /// The struct or variant.
        path: Path,
        /// The patterns without the `..`.
        fields: Vec<Pattern>,
        /// Where `..` was written and before which pattern it stands.
        rest: Option<Spanned<usize>>,
    },
    /// `a::m::C`, `E::V`, `S<T>`: a constant or a variant or struct without fields.
    Path(Path),
    /// A literal; match arms only.
    Literal(Literal),
    /// `p | q`; match arms only.
    Or(Vec<Pattern>),
    /// `x @ p`; match arms only.
    At {
        /// The name bound to the whole value.
        name: Name,
        /// The pattern.
        pattern: Box<Pattern>,
    },
    /// Stands for a pattern that did not parse; an error was reported.
    Error,
}

/// `a` or `a: p` in a named pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPattern {
    /// The field.
    pub field: Name,
    /// Its pattern, a binding of the field's own name for the short form.
    pub pattern: Pattern,
}

// ---------------------------------------------------------------------------------------------------------------
// Expressions

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exp {
    /// What it is.
    pub kind: ExpKind,
    /// Where it was written.
    pub span: Span,
}

/// `'a`, the name without its quote.
pub type Label = Name;

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpKind {
    /// `1u8`, `true`, `@0x1`, `b"a"`, `x"0a"`, `"a"`
    Literal(Literal),
    /// A local, constant, function or variant without fields.
    Path(Path),
    /// `f(a)`, `m::f<T>(a)`, `S(a)`, `E::V(a)`
    Call {
        /// Function, struct or variant.
        callee: Path,
        /// Arguments.
        args: Vec<Exp>,
    },
    /// `f!(a)`; `assert!` too.
    MacroCall {
        /// The macro.
        callee: Path,
        /// Arguments.
        args: Vec<Exp>,
    },
    /// `(e)(a)`: calls a function value.
    ValueCall {
        /// The function value.
        callee: Box<Exp>,
        /// Arguments.
        args: Vec<Exp>,
    },
    /// `e.f(a)`, `e.f<T>(a)`, `e.f::<T>(a)`, `e.f!(a)`
    MethodCall {
        /// The receiver.
        receiver: Box<Exp>,
        /// The method.
        method: Name,
        /// `f!`
        is_macro: bool,
        /// Type arguments if written.
        type_args: Option<Vec<Type>>,
        /// Arguments without the receiver.
        args: Vec<Exp>,
    },
    /// `e.a`, and `e.0` with the digits as name.
    Field {
        /// The value or reference.
        base: Box<Exp>,
        /// The field.
        field: Name,
    },
    /// `e[i]`; `T[a]` and `T<X>[a]` have a path as base.
    Index {
        /// The vector or type.
        base: Box<Exp>,
        /// The indices; one for vectors.
        indices: Vec<Exp>,
    },
    /// `S { a: e, b }`, `E::V { a: e }`
    Pack {
        /// Struct or variant.
        path: Path,
        /// Fields in the order written, which is the order of evaluation.
        fields: Vec<FieldInit>,
    },
    /// `vector[a, b]`, `vector<T>[a]`
    Vector {
        /// The element type if written.
        type_args: Option<Vec<Type>>,
        /// Elements.
        elements: Vec<Exp>,
    },
    /// `()` and `(a, b)`
    Tuple(Vec<Exp>),
    /// `{ .. }`, `'a: { .. }`
    Block {
        /// Target of `return 'a`.
        label: Option<Label>,
        /// The block.
        block: Block,
    },
    /// `if (c) a else b`
    If {
        /// The condition.
        condition: Box<Exp>,
        /// When it holds.
        then: Box<Exp>,
        /// When not.
        otherwise: Option<Box<Exp>>,
    },
    /// `while (c) e`
    While {
        /// Target of break and continue.
        label: Option<Label>,
        /// The condition.
        condition: Box<Exp>,
        /// The body.
        body: Box<Exp>,
    },
    /// `loop e`
    Loop {
        /// Target of break and continue.
        label: Option<Label>,
        /// The body.
        body: Box<Exp>,
    },
    /// `for (i in a..b) e`
    For {
        /// Target of break and continue.
        label: Option<Label>,
        /// The variable.
        variable: Name,
        /// First value.
        lower: Box<Exp>,
        /// One past the last value.
        upper: Box<Exp>,
        /// The body.
        body: Box<Exp>,
    },
    /// `match (e) { p if (c) => a, .. }`
    Match {
        /// The value.
        scrutinee: Box<Exp>,
        /// The arms in the order written.
        arms: Vec<MatchArm>,
    },
    /// `break`, `break 'a`, `break 'a e`
    Break {
        /// The loop to leave.
        label: Option<Label>,
        /// Its value.
        value: Option<Box<Exp>>,
    },
    /// `continue`, `continue 'a`
    Continue {
        /// The loop.
        label: Option<Label>,
    },
    /// `return`, `return e`, `return 'a e`
    Return {
        /// The labelled block to leave.
        label: Option<Label>,
        /// The value.
        value: Option<Box<Exp>>,
    },
    /// `abort`, `abort e`
    Abort(Option<Box<Exp>>),
    /// `|x, (y, z): (u64, u64)| -> T e`
    Lambda(Lambda),
    /// `&e`, `&mut e`
    Borrow {
        /// `&mut`
        mutable: bool,
        /// The place or value.
        inner: Box<Exp>,
    },
    /// `*e`
    Deref(Box<Exp>),
    /// `move x`
    Move(Box<Exp>),
    /// `copy x`
    Copy(Box<Exp>),
    /// `!e`, `-e`
    Unary {
        /// The operator.
        op: Spanned<UnaryOp>,
        /// The operand.
        operand: Box<Exp>,
    },
    /// `a + b`
    Binary {
        /// The operator.
        op: Spanned<BinaryOp>,
        /// Left operand, evaluated first.
        left: Box<Exp>,
        /// Right operand.
        right: Box<Exp>,
    },
    /// `place = e`, `(a, b) = e`, `S { a, .. } = e`, `_ = e`
    Assign {
        /// The left side.
        target: AssignTarget,
        /// The value, evaluated first.
        value: Box<Exp>,
    },
    /// `place += e`
    CompoundAssign {
        /// The operator without its `=`.
        op: Spanned<BinaryOp>,
        /// The place.
        place: Box<Exp>,
        /// The right operand.
        value: Box<Exp>,
    },
    /// `e as T`
    Cast {
        /// The value.
        inner: Box<Exp>,
        /// The integer type.
        ty: Type,
    },
    /// `(e: T)`
    Annotate {
        /// The value.
        inner: Box<Exp>,
        /// Its type.
        ty: Type,
    },
    /// `e is E::V | E::W`
    Is {
        /// The value.
        inner: Box<Exp>,
        /// The variants.
        variants: Vec<Path>,
    },
    /// Stands for an expression that did not parse; an error was reported.
    Error,
}

/// `a: e`, or `a` for a local of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInit {
    /// The field.
    pub field: Name,
    /// The value; for the short form a path of the field's own name.
    pub value: Exp,
}

/// `p if (c) => e`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchArm {
    /// The pattern.
    pub pattern: Pattern,
    /// The guard.
    pub guard: Option<Exp>,
    /// The result.
    pub body: Exp,
    /// The whole arm.
    pub span: Span,
}

/// A lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lambda {
    /// Parameters.
    pub params: Vec<LambdaParam>,
    /// The result type if written.
    pub result: Option<Type>,
    /// The body.
    pub body: Box<Exp>,
}

/// `x` or `x: T` in a lambda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaParam {
    /// The pattern.
    pub pattern: Pattern,
    /// The type if written.
    pub ty: Option<Type>,
}

/// The left side of an assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignTarget {
    /// What it is.
    pub kind: AssignTargetKind,
    /// Where it was written.
    pub span: Span,
}

/// The forms of an assignment's left side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssignTargetKind {
    /// `_`
    Wildcard,
    /// `x`, `x.a`, `*r`, `v[i]`
    Place(Box<Exp>),
    /// `(a, b)`
    Tuple(Vec<AssignTarget>),
    /// `S { a, b: x, .. }`
    Named {
        /// The struct.
        path: Path,
        /// The fields and where they go.
        fields: Vec<(Name, AssignTarget)>,
        /// Where `..` was written.
        rest: Option<Span>,
    },
    /// `S(a, .., b)`
    Positional {
        /// The struct.
        path: Path,
        /// Where the fields go, without the `..`.
        fields: Vec<AssignTarget>,
        /// Where `..` was written and before which target it stands.
        rest: Option<Spanned<usize>>,
    },
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// `1`, `0xFFu8`
    Number {
        /// The value, not yet checked against its type.
        value: U256,
        /// The type if a suffix is written.
        suffix: Option<IntType>,
    },
    /// `@0x1`, `@std`
    Address(AddressSpecifier),
    /// `b".."`, escapes resolved
    Bytes(Vec<u8>),
    /// `x".."`
    Hex(Vec<u8>),
    /// `".."`, escapes resolved; takes the expected type.
    String(Vec<u8>),
}

/// An integer type by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntType {
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `u128`
    U128,
    /// `u256`
    U256,
    /// `i8` and its wider kin, which are refused for now; the number of bits.
    Signed(u16),
}

impl IntType {
    /// The integer type called `text`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "u128" => Self::U128,
            "u256" => Self::U256,
            "i8" => Self::Signed(8),
            "i16" => Self::Signed(16),
            "i32" => Self::Signed(32),
            "i64" => Self::Signed(64),
            "i128" => Self::Signed(128),
            "i256" => Self::Signed(256),
            _ => return None,
        })
    }
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `!`
    Not,
    /// `-`, refused for now: it needs signed integers.
    Negate,
}

/// An infix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `==`
    Eq,
    /// `!=`
    Neq,
    /// `<`
    Lt,
    /// `>`
    Gt,
    /// `<=`
    Le,
    /// `>=`
    Ge,
}

impl BinaryOp {
    /// As written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::Shl => "<<",
            Self::Shr => ">>",
            Self::And => "&&",
            Self::Or => "||",
            Self::Eq => "==",
            Self::Neq => "!=",
            Self::Lt => "<",
            Self::Gt => ">",
            Self::Le => "<=",
            Self::Ge => ">=",
        }
    }
}
