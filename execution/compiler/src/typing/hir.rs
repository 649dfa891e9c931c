//! The typed tree: names resolved, types known, every implicit borrow, dereference and freeze written out.

use noema_types::{Address, U256};

use crate::diagnostics::{Span, Symbol};
use crate::parse::ast::BinaryOp;

use super::ty::{ConstId, DataId, FunId, Ty};

/// A local of one function, by position in [`Body::locals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u32);

/// A loop or labelled block of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JumpId(pub u32);

/// A local.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its name.
    pub name: Symbol,
    /// Its type.
    pub ty: Ty,
    /// Where it is declared.
    pub span: Span,
    /// Whether it was declared with `mut`.
    pub is_mut: bool,
    /// Whether it is a parameter or declared together with a value.
    pub is_given: bool,
    /// Whether anything reads or borrows it.
    pub is_used: bool,
    /// Whether anything assigns or mutably borrows it.
    pub is_changed: bool,
    /// Whether it can never be assigned or mutably borrowed, as the variable of a `for`.
    pub is_fixed: bool,
}

/// A function's body.
#[derive(Clone, Debug)]
pub struct Body {
    /// The parameters, which are the first locals.
    pub params: usize,
    /// All locals.
    pub locals: Vec<Local>,
    /// The code.
    pub exp: Exp,
}

/// A compile-time value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true`
    Bool(bool),
    /// `1`; its type says how wide.
    Number(U256),
    /// `@0x1`
    Address(Address),
    /// `b"a"`: a `vector<u8>`.
    Bytes(Vec<u8>),
    /// A vector of anything else.
    Vector(Vec<Value>),
}

/// How a local is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Copied, or moved when it is the last use or cannot be copied.
    Infer,
    /// `move x`
    Move,
    /// `copy x`
    Copy,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Exp {
    /// What it is.
    pub kind: ExpKind,
    /// Its type.
    pub ty: Ty,
    /// Where it was written.
    pub span: Span,
}

/// Built-in operations on global storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are Move's own names")]
pub enum Builtin {
    MoveTo,
    MoveFrom,
    BorrowGlobal(bool),
    Exists,
}

/// The forms of an expression.
#[derive(Clone, Debug)]
pub enum ExpKind {
    /// A literal.
    Value(Value),
    /// A constant.
    Const(ConstId),
    /// The abort code that names an `#[error]` constant.
    ErrorCode(ConstId),
    /// Reads a local.
    Local(LocalId, Usage),
    /// Calls a function.
    Call(FunId, Vec<Ty>, Vec<Exp>),
    /// Calls a lambda parameter of an inline function.
    CallLocal(LocalId, Vec<Exp>),
    /// A lambda, only as argument of an inline function.
    Lambda(Box<Lambda>),
    /// Global storage.
    Builtin(Builtin, Ty, Vec<Exp>),
    /// `vector[a, b]`
    Vector(Ty, Vec<Exp>),
    /// Builds a struct or variant; the fields in the order written with their position.
    Pack(DataId, Option<usize>, Vec<Ty>, Vec<(usize, Exp)>),
    /// Several values or none.
    Tuple(Vec<Exp>),
    /// A block, left early through its label.
    Block(Option<JumpId>, Vec<Stmt>, Option<Box<Exp>>),
    /// `if`
    If(Box<Exp>, Box<Exp>, Option<Box<Exp>>),
    /// `while`
    While(JumpId, Box<Exp>, Box<Exp>),
    /// `loop`
    Loop(JumpId, Box<Exp>),
    /// `for`
    For(JumpId, Box<For>),
    /// `match`
    Match(Box<Match>),
    /// `e is V`: tests the reference or value against variants.
    Is(Box<Exp>, DataId, Vec<usize>),
    /// Leaves a loop or block.
    Break(JumpId, Option<Box<Exp>>),
    /// Back to the loop's head.
    Continue(JumpId),
    /// Leaves the function.
    Return(Box<Exp>),
    /// Aborts with a code.
    Abort(Box<Exp>),
    /// Aborts with a code, evaluated only then, unless the condition holds.
    Assert(Box<Exp>, Box<Exp>),
    /// `&x`, `&mut x`
    BorrowLocal(bool, LocalId),
    /// `&r.f`: from a reference to one of its fields.
    BorrowField(bool, Box<Exp>, FieldRef),
    /// `&r[i]`: from a reference to a vector to one of its elements.
    BorrowElement(bool, Ty, Box<Exp>, Box<Exp>),
    /// Stores a value in a hidden local and borrows it.
    BorrowTemp(bool, Box<Exp>),
    /// Copies what a reference points to.
    Deref(Box<Exp>),
    /// `&mut` to `&`.
    Freeze(Box<Exp>),
    /// `!`
    Not(Box<Exp>),
    /// An infix operator.
    Binary(BinaryOp, Box<Exp>, Box<Exp>),
    /// `as`; the expression's own type is the target.
    Cast(Box<Exp>),
    /// `target = value`
    Assign(Box<LValue>, Box<Exp>),
    /// `target op= value`; the target is a local or a reference.
    Update(BinaryOp, Box<LValue>, Box<Exp>),
    /// Reported already.
    Error,
}

/// A field of a struct, or one that several variants share.
#[derive(Clone, Debug)]
pub struct FieldRef {
    /// The datatype.
    pub data: DataId,
    /// Its type arguments.
    pub args: Vec<Ty>,
    /// Position in the struct.
    pub field: usize,
    /// Of an enum: the field's position in each variant, in their order; empty for structs.
    pub shared: Vec<usize>,
}

/// `for (i in lower..upper) body`
#[derive(Clone, Debug)]
pub struct For {
    /// The variable.
    pub variable: LocalId,
    /// Holds the upper bound.
    pub limit: LocalId,
    /// The variable's type.
    pub int: Ty,
    /// First value.
    pub lower: Exp,
    /// One past the last value.
    pub upper: Exp,
    /// The body.
    pub body: Exp,
}

/// A lambda.
#[derive(Clone, Debug)]
pub struct Lambda {
    /// Where the arguments go.
    pub params: Vec<LValue>,
    /// The types of the arguments.
    pub param_types: Vec<Ty>,
    /// The body.
    pub body: Exp,
}

/// `match`
#[derive(Clone, Debug)]
pub struct Match {
    /// The value or reference.
    pub scrutinee: Exp,
    /// `Some(mutable)` when it is a reference.
    pub by_ref: Option<bool>,
    /// The type of the value, without the reference.
    pub subject: Ty,
    /// The arms.
    pub arms: Vec<Arm>,
}

/// An arm.
#[derive(Clone, Debug)]
pub struct Arm {
    /// What it matches.
    pub pattern: Pat,
    /// The guard.
    pub guard: Option<Exp>,
    /// For bindings of a guarded arm: the local and the reference through which the guard sees it.
    pub guard_views: Vec<(LocalId, LocalId)>,
    /// The result.
    pub body: Exp,
    /// The whole arm.
    pub span: Span,
}

/// A pattern of a match arm. The matched value is a place; bindings copy, move or borrow out of it.
#[derive(Clone, Debug)]
pub enum Pat {
    /// `_`
    Wild(Ty, Span),
    /// `x`, `x @ p`
    Bind(LocalId, Option<Box<Pat>>, Span),
    /// A literal or constant.
    Value(Value, Ty, Span),
    /// A struct or variant with patterns for its fields in declaration order.
    Data(DataId, Option<usize>, Vec<Ty>, Vec<Pat>, Span),
    /// `p | q`
    Or(Vec<Pat>, Span),
}

/// Where a value goes.
#[derive(Clone, Debug)]
pub enum LValue {
    /// Nowhere; a value of this type is dropped.
    Wild(Ty, Span),
    /// Into a local.
    Local(LocalId, Span),
    /// Through a `&mut`.
    Ref(Exp),
    /// Value by value.
    Tuple(Vec<LValue>, Span),
    /// Field by field, in declaration order.
    Unpack(DataId, Option<usize>, Vec<Ty>, Vec<LValue>, Span),
    /// Field by field out of a reference (`true`: `&mut`); each field left out is `None`.
    UnpackRef(bool, FieldsOf, Vec<Option<LValue>>, Span),
}

/// The struct that an [`LValue::UnpackRef`] takes apart.
#[derive(Clone, Debug)]
pub struct FieldsOf {
    /// The struct or enum.
    pub data: DataId,
    /// The variant.
    pub variant: Option<usize>,
    /// Its type arguments.
    pub args: Vec<Ty>,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Stmt {
    /// Evaluated, its value dropped.
    Exp(Exp),
    /// `let p = e;`
    Let(LValue, Exp),
}

impl Exp {
    /// Joins the parts.
    #[must_use]
    pub fn new(kind: ExpKind, ty: Ty, span: Span) -> Self {
        Self { kind, ty, span }
    }

    /// `()`
    #[must_use]
    pub fn unit(span: Span) -> Self {
        Self::new(ExpKind::Tuple(Vec::new()), Ty::unit(), span)
    }

    /// What stands for something already reported.
    #[must_use]
    pub fn error(span: Span) -> Self {
        Self::new(ExpKind::Error, Ty::Error, span)
    }

    /// Calls `exps` on every direct part that is an expression, `types` on every type the node holds itself.
    pub fn parts_mut(&mut self, exps: &mut dyn FnMut(&mut Exp), types: &mut dyn FnMut(&mut Ty, Span)) {
        let span = self.span;
        types(&mut self.ty, span);
        match &mut self.kind {
            ExpKind::Value(_)
            | ExpKind::Const(_)
            | ExpKind::ErrorCode(_)
            | ExpKind::Local(..)
            | ExpKind::Continue(_)
            | ExpKind::BorrowLocal(..)
            | ExpKind::Error
            | ExpKind::Break(_, None) => {}
            ExpKind::Call(_, args, parts) => {
                args.iter_mut().for_each(|ty| types(ty, span));
                parts.iter_mut().for_each(exps);
            }
            ExpKind::CallLocal(_, parts) | ExpKind::Tuple(parts) => parts.iter_mut().for_each(exps),
            ExpKind::Lambda(lambda) => {
                lambda.param_types.iter_mut().for_each(|ty| types(ty, span));
                lambda.params.iter_mut().for_each(|target| target.parts_mut(exps, types));
                exps(&mut lambda.body);
            }
            ExpKind::Builtin(_, ty, parts) | ExpKind::Vector(ty, parts) => {
                types(ty, span);
                parts.iter_mut().for_each(exps);
            }
            ExpKind::Pack(_, _, args, fields) => {
                args.iter_mut().for_each(|ty| types(ty, span));
                fields.iter_mut().for_each(|(_, field)| exps(field));
            }
            ExpKind::Block(_, statements, result) => {
                for statement in statements {
                    match statement {
                        Stmt::Exp(exp) => exps(exp),
                        Stmt::Let(target, value) => {
                            target.parts_mut(exps, types);
                            exps(value);
                        }
                    }
                }
                if let Some(result) = result {
                    exps(result);
                }
            }
            ExpKind::If(condition, then, otherwise) => {
                exps(condition);
                exps(then);
                if let Some(otherwise) = otherwise {
                    exps(otherwise);
                }
            }
            ExpKind::While(_, left, right) | ExpKind::Assert(left, right) | ExpKind::Binary(_, left, right) => {
                exps(left);
                exps(right);
            }
            ExpKind::For(_, data) => {
                types(&mut data.int, span);
                exps(&mut data.lower);
                exps(&mut data.upper);
                exps(&mut data.body);
            }
            ExpKind::Match(data) => {
                types(&mut data.subject, span);
                exps(&mut data.scrutinee);
                for arm in &mut data.arms {
                    arm.pattern.types_mut(types);
                    if let Some(guard) = &mut arm.guard {
                        exps(guard);
                    }
                    exps(&mut arm.body);
                }
            }
            ExpKind::Loop(_, inner)
            | ExpKind::Is(inner, ..)
            | ExpKind::Break(_, Some(inner))
            | ExpKind::Return(inner)
            | ExpKind::Abort(inner)
            | ExpKind::BorrowTemp(_, inner)
            | ExpKind::Deref(inner)
            | ExpKind::Freeze(inner)
            | ExpKind::Not(inner)
            | ExpKind::Cast(inner) => exps(inner),
            ExpKind::BorrowField(_, inner, field) => {
                field.args.iter_mut().for_each(|ty| types(ty, span));
                exps(inner);
            }
            ExpKind::BorrowElement(_, ty, base, index) => {
                types(ty, span);
                exps(base);
                exps(index);
            }
            ExpKind::Assign(target, value) | ExpKind::Update(_, target, value) => {
                target.parts_mut(exps, types);
                exps(value);
            }
        }
    }
}

impl LValue {
    fn parts_mut(&mut self, exps: &mut dyn FnMut(&mut Exp), types: &mut dyn FnMut(&mut Ty, Span)) {
        match self {
            Self::Wild(ty, span) => types(ty, *span),
            Self::Local(..) => {}
            Self::Ref(exp) => exps(exp),
            Self::Tuple(parts, _) => parts.iter_mut().for_each(|part| part.parts_mut(exps, types)),
            Self::Unpack(_, _, args, parts, span) => {
                args.iter_mut().for_each(|ty| types(ty, *span));
                parts.iter_mut().for_each(|part| part.parts_mut(exps, types));
            }
            Self::UnpackRef(_, of, parts, span) => {
                of.args.iter_mut().for_each(|ty| types(ty, *span));
                parts.iter_mut().flatten().for_each(|part| part.parts_mut(exps, types));
            }
        }
    }

    /// Where it was written.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Wild(_, span)
            | Self::Local(_, span)
            | Self::Tuple(_, span)
            | Self::Unpack(_, _, _, _, span)
            | Self::UnpackRef(_, _, _, span) => *span,
            Self::Ref(exp) => exp.span,
        }
    }
}

impl Pat {
    fn types_mut(&mut self, types: &mut dyn FnMut(&mut Ty, Span)) {
        match self {
            Self::Wild(ty, span) | Self::Value(_, ty, span) => types(ty, *span),
            Self::Bind(_, inner, _) => {
                if let Some(inner) = inner {
                    inner.types_mut(types);
                }
            }
            Self::Data(_, _, args, parts, span) => {
                args.iter_mut().for_each(|ty| types(ty, *span));
                parts.iter_mut().for_each(|part| part.types_mut(types));
            }
            Self::Or(parts, _) => parts.iter_mut().for_each(|part| part.types_mut(types)),
        }
    }
}
