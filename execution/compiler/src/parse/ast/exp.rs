//! Patterns, expressions, literals and operators.

use super::{AddressSpecifier, Block, Name, Path, Span, Spanned, Type, U256};

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
