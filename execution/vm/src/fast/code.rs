//! The register machine's code.
//!
//! An instruction takes eight bytes. Its operands are slots: words of the frame, counted from its base, locals first and
//! temporaries after them. By convention `d` is the slot of the result, `a`, `b`, `s` those of operands, `p` a slot that
//! holds an address, `k` a position in the function's pool of constants.
//!
//! Every block starts with [`Op::Charge`]. Whoever jumps to a block, or falls into one after a conditional jump, runs
//! its charge at once; see `machine`.

use std::sync::Arc;

use noema_bytecode::FunctionHandleIndex;
use noema_execution_api::{NativeFunction, StatusCode};
use noema_types::StructTag;

use super::layout::Layout;
use super::mem::Link;
use crate::module::LoadedModule;
use crate::types::TypeArgs;

/// Operators on u128 (two words) and u256 (four).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Wide {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Lt,
    Le,
    Eq,
    Ne,
}

macro_rules! ops {
    (
        with_result { $($(#[$doc:meta])* $name:ident $([$pre:ty])? (d $(, $type:ty)*);)* }
        without { $($(#[$other_doc:meta])* $other:ident$(($($other_type:ty),*))?;)* }
    ) => {
        /// An instruction.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Op {
            $($(#[$doc])* $name($($pre,)? u16 $(, $type)*),)*
            $($(#[$other_doc])* $other$(($($other_type),*))?,)*
        }

        impl Op {
            /// The slot of the result, if the instruction has one that may be another.
            pub(super) fn result(&mut self) -> Option<&mut u16> {
                match self {
                    $(ops!(@pattern $name d $([$pre])?) => Some(d),)*
                    _ => None,
                }
            }
        }
    };
    (@pattern $name:ident $d:ident [$pre:ty]) => { Self::$name(_, $d, ..) };
    (@pattern $name:ident $d:ident) => { Self::$name($d, ..) };
}

ops! {
    with_result {
        Mov(d, u16);
        Mov2(d, u16);
        Mov4(d, u16);
        /// d, s, words.
        MovN(d, u16, u16);
        /// Moves a word out and leaves zero.
        Take(d, u16);
        /// d, s, words.
        TakeN(d, u16, u16);
        Const(d, u16);
        /// d, k, words.
        ConstN(d, u16, u16);
        /// Address of a slot.
        Lea(d, u16);
        /// d, p, bytes.
        Offset(d, u16, u16);
        /// d, p, bytes: what a reference leads to, with an offset.
        Load1(d, u16, u16);
        Load2(d, u16, u16);
        Load4(d, u16, u16);
        Load8(d, u16, u16);
        /// words; d, p, bytes.
        LoadN[u8](d, u16, u16);
        Add(d, u16, u16);
        Sub(d, u16, u16);
        Mul(d, u16, u16);
        Div(d, u16, u16);
        Mod(d, u16, u16);
        AddC(d, u16, u16);
        SubC(d, u16, u16);
        MulC(d, u16, u16);
        DivC(d, u16, u16);
        ModC(d, u16, u16);
        /// bits; results of fewer than 64 bits.
        AddN[u8](d, u16, u16);
        MulN[u8](d, u16, u16);
        And(d, u16, u16);
        Or(d, u16, u16);
        Xor(d, u16, u16);
        /// bits.
        Shl[u8](d, u16, u16);
        Shr[u8](d, u16, u16);
        Not(d, u16);
        Lt(d, u16, u16);
        Le(d, u16, u16);
        Eq(d, u16, u16);
        Ne(d, u16, u16);
        LtC(d, u16, u16);
        LeC(d, u16, u16);
        GtC(d, u16, u16);
        GeC(d, u16, u16);
        EqC(d, u16, u16);
        NeC(d, u16, u16);
        Wide2[Wide](d, u16, u16);
        Wide4[Wide](d, u16, u16);
        /// (bytes of the operand, bytes of the result); checked.
        Cast[(u8, u8)](d, u16);
        VecLen(d, u16);
        /// As `VecLen`, of a vector in a slot of the frame.
        VecLenL(d, u16);
        /// element code; d, p, index.
        VecAddr[u8](d, u16, u16);
        VecAddrL[u8](d, u16, u16);
        VecGet1(d, u16, u16);
        VecGet2(d, u16, u16);
        VecGet4(d, u16, u16);
        VecGet8(d, u16, u16);
        VecGet1L(d, u16, u16);
        VecGet2L(d, u16, u16);
        VecGet4L(d, u16, u16);
        VecGet8L(d, u16, u16);
        /// element code; d, p.
        VecPop[u8](d, u16);
        VecPopL[u8](d, u16);
        /// d, address, resource.
        Exists(d, u16, u16);
        BorrowGlobal(d, u16, u16);
        BorrowGlobalMut(d, u16, u16);
        MoveFrom(d, u16, u16);
        /// d, p, layout: a copy of what a reference leads to, charged.
        CopyAt(d, u16, u16);
        /// d, s, layout: a copy of a slot, charged.
        CopySlot(d, u16, u16);
        /// d, constant; charged.
        LoadConstant(d, u16);
    }
    without {
        /// Start of a block: instructions of bytecode, gas.
        Charge(u16, u32);
        /// A charge of fixed size that is not part of the block's.
        Gas(u32);
        /// Counts against the memory limit.
        Allocate(u32);
        Release(u32);
        /// Jumps are relative to the next instruction.
        Jump(i32);
        /// s, k, distance: adds in place and jumps, as loops over numbers do.
        AddJump(u16, u16, i16);
        JumpIf(u16, i32);
        JumpUnless(u16, i32);
        /// a, b, distance.
        JumpLt(u16, u16, i16);
        JumpLe(u16, u16, i16);
        JumpEq(u16, u16, i16);
        JumpNe(u16, u16, i16);
        /// a, k, distance.
        JumpLtC(u16, u16, i16);
        JumpLeC(u16, u16, i16);
        JumpGtC(u16, u16, i16);
        JumpGeC(u16, u16, i16);
        JumpEqC(u16, u16, i16);
        JumpNeC(u16, u16, i16);
        /// p, table, layout.
        Switch(u16, u16, u16);
        /// First slot of the arguments, site, operands below the arguments.
        Call(u16, u16, u16);
        Return0;
        Return1(u16);
        /// s, words.
        ReturnN(u16, u16);
        Abort(u16);
        /// Position in the function's failures.
        Fail(u16);
        /// d, words.
        Zero(u16, u16);
        /// p, bytes, s.
        Store1(u16, u16, u16);
        Store2(u16, u16, u16);
        Store4(u16, u16, u16);
        Store8(u16, u16, u16);
        StoreN(u8, u16, u16, u16);
        /// Frees what the value in a slot owns: s, layout.
        Drop(u16, u16);
        /// Frees what the value at an address owns: p, layout.
        DropAt(u16, u16);
        /// Two values beside each other, compared and dropped: s (and d), layout, whether equality is wanted.
        EqSlots(u16, u16, bool);
        /// Two addresses beside each other.
        EqAt(u16, u16, bool);
        VecSet1(u16, u16, u16);
        VecSet2(u16, u16, u16);
        VecSet4(u16, u16, u16);
        VecSet8(u16, u16, u16);
        /// element code, p, s.
        VecPush(u8, u16, u16);
        VecPushL(u8, u16, u16);
        /// element code, p, i, j.
        VecSwap(u8, u16, u16, u16);
        VecSwapL(u8, u16, u16, u16);
        /// s (and d), count, layout of the elements.
        VecPack(u16, u16, u16);
        VecUnpack(u16, u16, u16);
        /// s (and d), layout: fields of a boxed struct into their block, and back.
        Box(u16, u16);
        Unbox(u16, u16);
        /// s (and d), layout, variant.
        PackVariant(u16, u16, u16);
        UnpackVariant(u16, u16, u16);
        /// s, an address, becomes that of the enum's tag: s, layout, variant.
        VariantAt(u16, u16, u16);
        /// address of a signer, value, resource.
        MoveTo(u16, u16, u16);
    }
}

const _: () = assert!(size_of::<Op>() == 8);

impl Op {
    /// Whether control never reaches the next instruction.
    pub(super) fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Jump(_)
                | Self::AddJump(..)
                | Self::Return0
                | Self::Return1(_)
                | Self::ReturnN(..)
                | Self::Abort(_)
                | Self::Fail(_)
                | Self::Switch(..)
        )
    }

    /// Words of the result, if it has one whose width the instruction tells.
    pub(super) fn result_words(&self) -> Option<u16> {
        let wide = |op: Wide, words| {
            if matches!(op, Wide::Lt | Wide::Le | Wide::Eq | Wide::Ne) { 1 } else { words }
        };
        let element = |code: u8| u16::from(code.max(4) - 3);
        Some(match *self {
            Self::Mov2(..) => 2,
            Self::Mov4(..) => 4,
            Self::MovN(_, _, words) | Self::TakeN(_, _, words) | Self::ConstN(_, _, words) => words,
            Self::LoadN(words, ..) => u16::from(words),
            Self::Wide2(op, ..) => wide(op, 2),
            Self::Wide4(op, ..) => wide(op, 4),
            Self::Cast((_, bytes), ..) => u16::from(bytes).div_ceil(8),
            Self::VecPop(code, ..) | Self::VecPopL(code, ..) => element(code),
            Self::MoveFrom(..) | Self::CopyAt(..) | Self::CopySlot(..) | Self::LoadConstant(..) => return None,
            mut other => {
                other.result()?;
                1
            }
        })
    }

    /// Distance of a jump.
    pub(super) fn distance(&self) -> Option<i64> {
        Some(match *self {
            Self::Jump(by) | Self::JumpIf(_, by) | Self::JumpUnless(_, by) => i64::from(by),
            Self::AddJump(_, _, by)
            | Self::JumpLt(_, _, by)
            | Self::JumpLe(_, _, by)
            | Self::JumpEq(_, _, by)
            | Self::JumpNe(_, _, by)
            | Self::JumpLtC(_, _, by)
            | Self::JumpLeC(_, _, by)
            | Self::JumpGtC(_, _, by)
            | Self::JumpGeC(_, _, by)
            | Self::JumpEqC(_, _, by)
            | Self::JumpNeC(_, _, by) => i64::from(by),
            _ => return None,
        })
    }

    /// The same jump to elsewhere; `None` if the place is too far.
    pub(super) fn with_distance(self, by: i64) -> Option<Self> {
        let near = i16::try_from(by).ok();
        let far = i32::try_from(by).ok()?;
        Some(match self {
            Self::Jump(_) => Self::Jump(far),
            Self::JumpIf(s, _) => Self::JumpIf(s, far),
            Self::JumpUnless(s, _) => Self::JumpUnless(s, far),
            Self::AddJump(s, k, _) => Self::AddJump(s, k, near?),
            Self::JumpLt(a, b, _) => Self::JumpLt(a, b, near?),
            Self::JumpLe(a, b, _) => Self::JumpLe(a, b, near?),
            Self::JumpEq(a, b, _) => Self::JumpEq(a, b, near?),
            Self::JumpNe(a, b, _) => Self::JumpNe(a, b, near?),
            Self::JumpLtC(a, b, _) => Self::JumpLtC(a, b, near?),
            Self::JumpLeC(a, b, _) => Self::JumpLeC(a, b, near?),
            Self::JumpGtC(a, b, _) => Self::JumpGtC(a, b, near?),
            Self::JumpGeC(a, b, _) => Self::JumpGeC(a, b, near?),
            Self::JumpEqC(a, b, _) => Self::JumpEqC(a, b, near?),
            Self::JumpNeC(a, b, _) => Self::JumpNeC(a, b, near?),
            other => other,
        })
    }
}

/// The type of an operand, local, argument or result.
#[derive(Debug, Clone)]
pub(super) enum Ty {
    Value(Arc<Layout>),
    /// A reference to a value of the layout, and whether it is mutable.
    Ref(Arc<Layout>, bool),
}

impl Ty {
    pub(super) fn words(&self) -> u16 {
        match self {
            Self::Value(layout) => layout.words,
            Self::Ref(..) => 1,
        }
    }

    /// The layout, if values of it own blocks.
    pub(super) fn owning(&self) -> Option<&Arc<Layout>> {
        match self {
            Self::Value(layout) if layout.owns => Some(layout),
            _ => None,
        }
    }
}

/// A call site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) handle: FunctionHandleIndex,
    pub(super) type_args: Arc<TypeArgs>,
    pub(super) argument_words: u16,
    pub(super) result_words: u16,
    pub(super) link: Link<Function>,
}

/// A resource that a function uses.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) tag: Arc<StructTag>,
    pub(super) layout: Arc<Layout>,
    /// Nodes of its shape, or why it has none that may be stored.
    pub(super) nodes: Result<u64, Failing>,
}

/// A failure known before the code runs.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) status: StatusCode,
    pub(super) message: Option<String>,
}

/// A function with closed type arguments, ready to run.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) loaded: Arc<LoadedModule>,
    /// Position of its definition.
    pub(super) index: u16,
    pub(super) type_args: Arc<TypeArgs>,
    pub(super) parameters: Vec<Ty>,
    pub(super) results: Vec<Ty>,
    /// Native functions have no code.
    pub(super) native: Option<NativeFunction>,
    pub(super) code: Vec<Op>,
    /// Offset in bytecode of each instruction.
    pub(super) offsets: Vec<u16>,
    pub(super) pool: Vec<u64>,
    pub(super) layouts: Vec<Arc<Layout>>,
    /// Layouts of the module's constants that it loads.
    pub(super) constants: Vec<Option<Arc<Layout>>>,
    pub(super) sites: Vec<Site>,
    pub(super) resources: Vec<Resource>,
    /// Targets of variant switches.
    pub(super) tables: Vec<Vec<u32>>,
    pub(super) failures: Vec<Failing>,
    /// Bytes of the frame.
    pub(super) frame_bytes: u64,
    /// Operands of bytecode, at most.
    pub(super) operands: usize,
    /// Locals, by first slot: what the lowering checker starts from.
    pub(super) locals: Vec<(u16, Ty)>,
}
