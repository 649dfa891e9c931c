//! Move's instructions.

use noema_types::U256;

use crate::{
    CodeOffset, ConstantIndex, FieldHandleIndex, FieldInstantiationIndex, FunctionHandleIndex,
    FunctionInstantiationIndex, LocalIndex, SignatureIndex, StructDefIndex, StructDefInstantiationIndex,
    VariantHandleIndex, VariantInstantiationHandleIndex, VariantJumpTableIndex,
};

/// One instruction of the stack machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are Move's own instruction names")]
pub enum Bytecode {
    Pop,
    Ret,
    BrTrue(CodeOffset),
    BrFalse(CodeOffset),
    Branch(CodeOffset),
    LdU8(u8),
    LdU16(u16),
    LdU32(u32),
    LdU64(u64),
    LdU128(Box<u128>),
    LdU256(Box<U256>),
    CastU8,
    CastU16,
    CastU32,
    CastU64,
    CastU128,
    CastU256,
    LdConst(ConstantIndex),
    LdTrue,
    LdFalse,
    CopyLoc(LocalIndex),
    MoveLoc(LocalIndex),
    StLoc(LocalIndex),
    Call(FunctionHandleIndex),
    CallGeneric(FunctionInstantiationIndex),
    Pack(StructDefIndex),
    PackGeneric(StructDefInstantiationIndex),
    Unpack(StructDefIndex),
    UnpackGeneric(StructDefInstantiationIndex),
    ReadRef,
    WriteRef,
    FreezeRef,
    MutBorrowLoc(LocalIndex),
    ImmBorrowLoc(LocalIndex),
    MutBorrowField(FieldHandleIndex),
    MutBorrowFieldGeneric(FieldInstantiationIndex),
    ImmBorrowField(FieldHandleIndex),
    ImmBorrowFieldGeneric(FieldInstantiationIndex),
    MutBorrowGlobal(StructDefIndex),
    MutBorrowGlobalGeneric(StructDefInstantiationIndex),
    ImmBorrowGlobal(StructDefIndex),
    ImmBorrowGlobalGeneric(StructDefInstantiationIndex),
    Add,
    Sub,
    Mul,
    Mod,
    Div,
    BitOr,
    BitAnd,
    Xor,
    Shl,
    Shr,
    Or,
    And,
    Not,
    Eq,
    Neq,
    Lt,
    Gt,
    Le,
    Ge,
    Abort,
    Nop,
    Exists(StructDefIndex),
    ExistsGeneric(StructDefInstantiationIndex),
    MoveFrom(StructDefIndex),
    MoveFromGeneric(StructDefInstantiationIndex),
    MoveTo(StructDefIndex),
    MoveToGeneric(StructDefInstantiationIndex),
    VecPack(SignatureIndex, u64),
    VecLen(SignatureIndex),
    VecImmBorrow(SignatureIndex),
    VecMutBorrow(SignatureIndex),
    VecPushBack(SignatureIndex),
    VecPopBack(SignatureIndex),
    VecUnpack(SignatureIndex, u64),
    VecSwap(SignatureIndex),
    PackVariant(VariantHandleIndex),
    PackVariantGeneric(VariantInstantiationHandleIndex),
    UnpackVariant(VariantHandleIndex),
    UnpackVariantImmRef(VariantHandleIndex),
    UnpackVariantMutRef(VariantHandleIndex),
    UnpackVariantGeneric(VariantInstantiationHandleIndex),
    UnpackVariantGenericImmRef(VariantInstantiationHandleIndex),
    UnpackVariantGenericMutRef(VariantInstantiationHandleIndex),
    VariantSwitch(VariantJumpTableIndex),
}

impl Bytecode {
    /// Whether control never falls through to the next instruction.
    #[must_use]
    pub fn is_unconditional_branch(&self) -> bool {
        matches!(self, Self::Ret | Self::Abort | Self::Branch(_) | Self::VariantSwitch(_))
    }

    /// Whether the instruction may continue elsewhere than at the next one.
    #[must_use]
    pub fn is_branch(&self) -> bool {
        self.is_unconditional_branch() || matches!(self, Self::BrTrue(_) | Self::BrFalse(_))
    }

    /// Target of a jump that is not a `VariantSwitch`.
    #[must_use]
    pub fn target(&self) -> Option<CodeOffset> {
        match self {
            Self::BrTrue(target) | Self::BrFalse(target) | Self::Branch(target) => Some(*target),
            _ => None,
        }
    }
}
