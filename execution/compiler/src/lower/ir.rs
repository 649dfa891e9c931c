//! Stack code with symbolic labels, slots and types.

use noema_types::U256;

use crate::diagnostics::{Span, Symbol};
use crate::parse::ast::BinaryOp;
use crate::typing::{Builtin, ConstId, DataId, FunId, Int, Ty, Usage};

/// A local of the emitted function.
pub(crate) type Slot = usize;

/// A place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Label(pub(crate) usize);

/// Instructions on vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VecOp {
    Pack(u64),
    Len,
    Borrow(bool),
    PushBack,
    PopBack,
    Unpack(u64),
    Swap,
}

/// An instruction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Pop,
    Ret,
    Abort,
    ReadRef,
    WriteRef,
    Freeze,
    Not,
    Binary(BinaryOp),
    Cast(Int),
    LdBool(bool),
    LdInt(Int, U256),
    /// The abort code that names an `#[error]` constant.
    LdErrorCode(ConstId),
    /// A constant of the pool: type and BCS.
    LdConst(Ty, Vec<u8>),
    Load(Slot, Usage),
    Store(Slot),
    BorrowLocal(bool, Slot),
    Call(FunId, Vec<Ty>),
    Pack(DataId, Option<usize>, Vec<Ty>),
    Unpack(DataId, Option<usize>, Vec<Ty>),
    /// From a reference to references to all fields of a variant.
    UnpackRef(bool, DataId, usize, Vec<Ty>),
    BorrowField(bool, DataId, Vec<Ty>, usize),
    Global(Builtin, DataId, Vec<Ty>),
    Vector(VecOp, Ty),
    Branch(Label),
    BrTrue(Label),
    BrFalse(Label),
    /// Jumps by the variant of what the reference points to.
    Switch(DataId, Vec<Label>),
    Label(Label),
}

/// An instruction and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ins {
    pub(crate) op: Op,
    pub(crate) span: Span,
}

/// What is known of a slot.
#[derive(Clone, Debug)]
pub(crate) struct SlotInfo {
    /// The name in the source; empty for temporaries.
    pub(crate) name: Symbol,
    pub(crate) ty: Ty,
    pub(crate) span: Span,
    /// Whether the source of this very function declares it.
    pub(crate) is_user: bool,
}

/// A function's code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    /// How many of the slots are parameters: the first ones.
    pub(crate) params: usize,
    pub(crate) slots: Vec<SlotInfo>,
    pub(crate) ops: Vec<Ins>,
}

impl Op {
    /// Where a jump goes; none for `Switch`.
    pub(crate) fn target(&self) -> Option<Label> {
        match self {
            Self::Branch(label) | Self::BrTrue(label) | Self::BrFalse(label) => Some(*label),
            _ => None,
        }
    }

    /// Whether control never goes on to the next instruction.
    pub(crate) fn diverges(&self) -> bool {
        matches!(self, Self::Ret | Self::Abort | Self::Branch(_) | Self::Switch(..))
    }

    /// Whether the instruction may jump.
    pub(crate) fn is_jump(&self) -> bool {
        self.diverges() || matches!(self, Self::BrTrue(_) | Self::BrFalse(_))
    }
}
