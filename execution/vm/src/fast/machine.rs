//! The dispatch loop.
//!
//! One `match` in one function. What every instruction needs is in local variables (frame, position, balance, code); what
//! few need is in the [`Machine`]. Work that outweighs a dispatch is out of line in `slow`, called with the locals
//! written back (`save!`).
//!
//! A position that fails is found by the instruction: the map to bytecode gives the offset. The balance is the meter's
//! again whenever anyone else looks at it.

use noema_execution_api::{
    DynamicCosts, GasMeter, InternalGas, NativeEnvironment, NativeState, StatusCode, VALUE_BYTES,
};

use super::code::{Function, Op};
use super::globals::Globals;
use super::layout::stride_of;
use super::mem::{Arena, Constants, Ip, Memory, Ptr, never};
use super::values::{elements, grow_by_one, slot_block, vector_len};
use super::wide::{cast, wide2, wide4};
use super::world::World;
use crate::VmLimits;
use crate::error::{Result, fail, fail_with, invariant};
use crate::loader::Loader;

/// Sub-status: an index is not below the length.
const INDEX_OUT_OF_BOUNDS: u64 = 1;
/// Sub-status: nothing to pop.
const POP_EMPTY: u64 = 2;

/// One call from outside and everything it calls.
pub(super) struct Machine<'w, 's, 'a> {
    pub(super) world: &'w World,
    pub(super) loader: &'s mut Loader<'a>,
    pub(super) globals: &'s mut Globals,
    pub(super) arena: &'s mut Arena,
    /// First word of the stack, and the address after its last.
    pub(super) stack: (Ptr, u64),
    pub(super) natives: &'s mut NativeState,
    pub(super) environment: NativeEnvironment<'s>,
    pub(super) gas: &'s mut GasMeter,
    pub(super) costs: &'s DynamicCosts,
    /// What the session has made and not taken apart again.
    pub(super) made: &'s mut u64,
    pub(super) made_max: u64,
    pub(super) limits: &'s VmLimits,
    /// Instructions of bytecode in the blocks that were entered.
    pub(super) instructions: u64,
    /// The callers of the running function, outermost first.
    pub(super) frames: Vec<Frame<'w>>,
    /// Where the running function stands when something else looks.
    pub(super) here: Option<(&'w Function, usize)>,
    /// The native that runs.
    pub(super) native: Option<&'w Function>,
}

/// A caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'w> {
    pub(super) function: &'w Function,
    /// After the call.
    ip: Ip<Op>,
    fp: Ptr,
    /// Operands of bytecode below its own.
    floor: usize,
}

impl Frame<'_> {
    /// Position of the call.
    pub(super) fn call(&self) -> usize {
        self.ip.position(&self.function.code).wrapping_sub(1)
    }
}

/// The element at an index of the vector whose word is given, if there is one.
#[inline(always)]
fn element(block: u64, index: u64, stride: usize) -> Option<Ptr> {
    let block = Ptr::from_word(block);
    if index >= vector_len(block) {
        return None;
    }
    Some(elements(block).offset((index as usize).wrapping_mul(stride)))
}

impl<'w> Machine<'w, '_, '_> {
    /// Runs a function whose arguments are in the first slots of the stack; its results are there then.
    ///
    /// `METERED` is off in benchmarks only, to see what charging costs.
    #[allow(clippy::too_many_lines, reason = "the dispatch loop: one arm per instruction")]
    #[allow(clippy::cognitive_complexity, reason = "as above")]
    pub(super) fn run<const METERED: bool>(&mut self, entry: &'w Function) -> Result<()> {
        let mut function = entry;
        let mut ip = Ip::start(&function.code);
        let mut pool = Constants::of(&function.pool);
        let mut fp = self.stack.0;
        let mut floor = 0usize;
        let mut left = self.gas.remaining().0;
        let mut count = 0u64;

        macro_rules! save {
            () => {{
                let used = self.gas.remaining().0.wrapping_sub(left);
                // The balance only fell, so that this cannot fail.
                let _ = self.gas.charge(InternalGas(used));
                self.here = Some((function, ip.position(&function.code).wrapping_sub(1)));
            }};
        }
        macro_rules! stop {
            ($failure:expr) => {{
                let failure = $failure;
                save!();
                self.instructions += count;
                return Err(failure);
            }};
        }
        macro_rules! charge {
            ($gas:expr) => {{
                if METERED {
                    let (rest, is_short) = left.overflowing_sub($gas);
                    if is_short {
                        left = 0;
                        stop!(fail(StatusCode::OUT_OF_GAS));
                    }
                    left = rest;
                }
            }};
        }
        // Enters the block that starts here.
        macro_rules! enter {
            () => {{
                let Op::Charge(instructions, gas) = *ip.next() else { never() };
                count = count.wrapping_add(u64::from(instructions));
                charge!(u64::from(gas));
            }};
        }
        macro_rules! jump_if {
            ($condition:expr, $by:expr) => {{
                if $condition {
                    ip.skip($by as isize);
                }
                enter!();
            }};
        }
        macro_rules! arithmetic {
            ($result:expr) => {
                match $result {
                    Some(value) => value,
                    None => stop!(fail(StatusCode::ARITHMETIC_ERROR)),
                }
            };
        }
        macro_rules! index {
            ($element:expr) => {
                match $element {
                    Some(element) => element,
                    None => stop!(fail_with(StatusCode::VECTOR_OPERATION_ERROR, INDEX_OUT_OF_BOUNDS)),
                }
            };
        }
        macro_rules! allocate {
            ($size:expr) => {{
                let made = self.made.saturating_add($size);
                *self.made = made;
                if made > self.made_max {
                    stop!(fail(StatusCode::MEMORY_LIMIT_EXCEEDED));
                }
            }};
        }
        macro_rules! release {
            ($size:expr) => {
                *self.made = self.made.saturating_sub($size)
            };
        }
        // Work out of line that may charge.
        macro_rules! slow {
            ($($call:tt)*) => {{
                save!();
                match self.$($call)* {
                    Ok(value) => {
                        left = self.gas.remaining().0;
                        value
                    }
                    Err(failure) => {
                        self.instructions += count;
                        return Err(failure);
                    }
                }
            }};
        }
        macro_rules! get {
            ($slot:expr) => {
                fp.get($slot)
            };
        }
        macro_rules! set {
            ($slot:expr, $word:expr) => {
                fp.set($slot, $word)
            };
        }
        macro_rules! pool {
            ($at:expr) => {
                pool.get($at)
            };
        }
        macro_rules! give_back {
            () => {
                match self.frames.pop() {
                    Some(frame) => {
                        function = frame.function;
                        pool = Constants::of(&function.pool);
                        ip = frame.ip;
                        fp = frame.fp;
                        floor = frame.floor;
                    }
                    None => break,
                }
            };
        }
        macro_rules! push_element {
            ($code:expr, $slot:expr, $s:expr) => {{
                let code = $code;
                allocate!(if code == 0 { 1 } else { VALUE_BYTES });
                let place = grow_by_one(self.arena, $slot, stride_of(code));
                match code {
                    0 | 1 => place.set_u8(get!($s) as u8),
                    2 => place.set_u16(get!($s) as u16),
                    3 => place.set_u32(get!($s) as u32),
                    4 => place.set_u64(get!($s)),
                    code => place.copy_words(fp.slot($s), usize::from(code) - 3),
                }
            }};
        }
        macro_rules! pop_element {
            ($code:expr, $d:expr, $slot:expr) => {{
                let (code, block) = ($code, slot_block($slot));
                let len = vector_len(block);
                if len == 0 {
                    stop!(fail_with(StatusCode::VECTOR_OPERATION_ERROR, POP_EMPTY));
                }
                release!(if code == 0 { 1 } else { VALUE_BYTES });
                block.set_u64(len.wrapping_sub(1));
                let place = elements(block).offset((len as usize).wrapping_sub(1).wrapping_mul(stride_of(code)));
                match code {
                    0 | 1 => set!($d, u64::from(place.u8())),
                    2 => set!($d, u64::from(place.u16())),
                    3 => set!($d, u64::from(place.u32())),
                    4 => set!($d, place.u64()),
                    code => fp.slot($d).copy_words(place, usize::from(code) - 3),
                }
            }};
        }
        macro_rules! swap_elements {
            ($code:expr, $block:expr, $i:expr, $j:expr) => {{
                let (stride, block) = (stride_of($code), $block);
                let left = index!(element(block, get!($i), stride));
                let right = index!(element(block, get!($j), stride));
                if stride == 8 {
                    let word = left.u64();
                    left.set_u64(right.u64());
                    right.set_u64(word);
                } else {
                    left.swap_bytes(right, stride);
                }
            }};
        }

        loop {
            match *ip.next() {
                Op::Charge(instructions, gas) => {
                    count = count.wrapping_add(u64::from(instructions));
                    charge!(u64::from(gas));
                }
                Op::Gas(gas) => charge!(u64::from(gas)),
                Op::Allocate(size) => allocate!(u64::from(size)),
                Op::Release(size) => release!(u64::from(size)),
                Op::Jump(by) => {
                    ip.skip(by as isize);
                    enter!();
                }
                Op::AddJump(s, k, by) => {
                    set!(s, arithmetic!(get!(s).checked_add(pool!(k))));
                    ip.skip(by as isize);
                    enter!();
                }
                Op::JumpIf(s, by) => jump_if!(get!(s) != 0, by),
                Op::JumpUnless(s, by) => jump_if!(get!(s) == 0, by),
                Op::JumpLt(a, b, by) => jump_if!(get!(a) < get!(b), by),
                Op::JumpLe(a, b, by) => jump_if!(get!(a) <= get!(b), by),
                Op::JumpEq(a, b, by) => jump_if!(get!(a) == get!(b), by),
                Op::JumpNe(a, b, by) => jump_if!(get!(a) != get!(b), by),
                Op::JumpLtC(a, k, by) => jump_if!(get!(a) < pool!(k), by),
                Op::JumpLeC(a, k, by) => jump_if!(get!(a) <= pool!(k), by),
                Op::JumpGtC(a, k, by) => jump_if!(get!(a) > pool!(k), by),
                Op::JumpGeC(a, k, by) => jump_if!(get!(a) >= pool!(k), by),
                Op::JumpEqC(a, k, by) => jump_if!(get!(a) == pool!(k), by),
                Op::JumpNeC(a, k, by) => jump_if!(get!(a) != pool!(k), by),
                Op::Switch(p, table, layout) => {
                    let boxed = function.layouts[usize::from(layout)].is_boxed();
                    let tag = if boxed { slot_block(fp.at(p)).u64() } else { fp.at(p).u64() };
                    match function.tables[usize::from(table)].get(tag as usize) {
                        Some(target) => {
                            ip = Ip::start(&function.code);
                            ip.skip(*target as isize);
                        }
                        None => stop!(invariant("a switch without the variant")),
                    }
                    enter!();
                }
                Op::Call(base, site, below) => {
                    let site = &function.sites[usize::from(site)];
                    let callee = match site.link.get(&self.world.functions) {
                        Some(callee) => callee,
                        None => slow!(link(function, site)),
                    };
                    let new_fp = fp.slot(base);
                    if callee.native.is_some() {
                        slow!(call_native(callee, new_fp));
                        continue;
                    }
                    let new_floor = floor.wrapping_add(usize::from(below));
                    if self.frames.len().wrapping_add(1) >= self.limits.frames {
                        stop!(fail(StatusCode::CALL_STACK_OVERFLOW));
                    }
                    if new_floor.wrapping_add(callee.operands) > self.limits.operands
                        || new_fp.word().wrapping_add(callee.frame_bytes) > self.stack.1
                    {
                        stop!(fail(StatusCode::EXECUTION_STACK_OVERFLOW));
                    }
                    self.frames.push(Frame { function, ip, fp, floor });
                    function = callee;
                    ip = Ip::start(&function.code);
                    pool = Constants::of(&function.pool);
                    fp = new_fp;
                    floor = new_floor;
                    let mut second = ip;
                    if let Op::Charge(instructions, gas) = *second.next() {
                        ip = second;
                        count = count.wrapping_add(u64::from(instructions));
                        charge!(u64::from(gas));
                    }
                }
                Op::Return0 => give_back!(),
                Op::Return1(s) => {
                    set!(0, get!(s));
                    give_back!();
                }
                Op::ReturnN(s, words) => {
                    fp.copy_words(fp.slot(s), usize::from(words));
                    give_back!();
                }
                Op::Abort(s) => stop!(fail_with(StatusCode::ABORTED, get!(s))),
                Op::Fail(at) => stop!(function.failures[usize::from(at)].fail()),
                Op::Mov(d, s) => set!(d, get!(s)),
                Op::Mov2(d, s) => fp.slot(d).set_u128(fp.slot(s).u128()),
                Op::Mov4(d, s) => fp.slot(d).set_limbs(fp.slot(s).limbs()),
                Op::MovN(d, s, words) => fp.slot(d).copy_words(fp.slot(s), usize::from(words)),
                Op::Take(d, s) => {
                    let word = get!(s);
                    set!(s, 0);
                    set!(d, word);
                }
                Op::TakeN(d, s, words) => {
                    fp.slot(d).copy_words(fp.slot(s), usize::from(words));
                    fp.slot(s).zero_words(usize::from(words));
                }
                Op::Const(d, k) => set!(d, pool!(k)),
                Op::ConstN(d, k, words) => {
                    for at in 0..words {
                        set!(d.wrapping_add(at), pool!(k.wrapping_add(at)));
                    }
                }
                Op::Zero(d, words) => fp.slot(d).zero_words(usize::from(words)),
                Op::Lea(d, slot) => set!(d, fp.slot(slot).word()),
                Op::Offset(d, p, bytes) => set!(d, fp.at(p).offset(usize::from(bytes)).word()),
                Op::Load1(d, p, bytes) => set!(d, u64::from(fp.at(p).offset(usize::from(bytes)).u8())),
                Op::Load2(d, p, bytes) => set!(d, u64::from(fp.at(p).offset(usize::from(bytes)).u16())),
                Op::Load4(d, p, bytes) => set!(d, u64::from(fp.at(p).offset(usize::from(bytes)).u32())),
                Op::Load8(d, p, bytes) => set!(d, fp.at(p).offset(usize::from(bytes)).u64()),
                Op::LoadN(words, d, p, bytes) => {
                    let from = fp.at(p).offset(usize::from(bytes));
                    fp.slot(d).copy_words(from, usize::from(words));
                }
                Op::Store1(p, bytes, s) => fp.at(p).offset(usize::from(bytes)).set_u8(get!(s) as u8),
                Op::Store2(p, bytes, s) => fp.at(p).offset(usize::from(bytes)).set_u16(get!(s) as u16),
                Op::Store4(p, bytes, s) => fp.at(p).offset(usize::from(bytes)).set_u32(get!(s) as u32),
                Op::Store8(p, bytes, s) => fp.at(p).offset(usize::from(bytes)).set_u64(get!(s)),
                Op::StoreN(words, p, bytes, s) => {
                    let to = fp.at(p).offset(usize::from(bytes));
                    to.copy_words(fp.slot(s), usize::from(words));
                }
                Op::Add(d, a, b) => set!(d, arithmetic!(get!(a).checked_add(get!(b)))),
                Op::Sub(d, a, b) => set!(d, arithmetic!(get!(a).checked_sub(get!(b)))),
                Op::Mul(d, a, b) => set!(d, arithmetic!(get!(a).checked_mul(get!(b)))),
                Op::Div(d, a, b) => set!(d, arithmetic!(get!(a).checked_div(get!(b)))),
                Op::Mod(d, a, b) => set!(d, arithmetic!(get!(a).checked_rem(get!(b)))),
                Op::AddC(d, a, k) => set!(d, arithmetic!(get!(a).checked_add(pool!(k)))),
                Op::SubC(d, a, k) => set!(d, arithmetic!(get!(a).checked_sub(pool!(k)))),
                Op::MulC(d, a, k) => set!(d, arithmetic!(get!(a).checked_mul(pool!(k)))),
                Op::DivC(d, a, k) => set!(d, arithmetic!(get!(a).checked_div(pool!(k)))),
                Op::ModC(d, a, k) => set!(d, arithmetic!(get!(a).checked_rem(pool!(k)))),
                Op::AddN(bits, d, a, b) => {
                    // Two numbers of at most 32 bits.
                    let sum = get!(a).wrapping_add(get!(b));
                    set!(d, arithmetic!((sum >> bits == 0).then_some(sum)));
                }
                Op::MulN(bits, d, a, b) => {
                    let product = get!(a).wrapping_mul(get!(b));
                    set!(d, arithmetic!((product >> bits == 0).then_some(product)));
                }
                Op::And(d, a, b) => set!(d, get!(a) & get!(b)),
                Op::Or(d, a, b) => set!(d, get!(a) | get!(b)),
                Op::Xor(d, a, b) => set!(d, get!(a) ^ get!(b)),
                Op::Shl(bits, d, a, b) => {
                    let by = get!(b);
                    let shifted = arithmetic!((by < u64::from(bits)).then(|| get!(a) << by));
                    set!(d, if bits == 64 { shifted } else { shifted & ((1u64 << bits) - 1) });
                }
                Op::Shr(bits, d, a, b) => {
                    let by = get!(b);
                    set!(d, arithmetic!((by < u64::from(bits)).then(|| get!(a) >> by)));
                }
                Op::Not(d, s) => set!(d, get!(s) ^ 1),
                Op::Lt(d, a, b) => set!(d, u64::from(get!(a) < get!(b))),
                Op::Le(d, a, b) => set!(d, u64::from(get!(a) <= get!(b))),
                Op::Eq(d, a, b) => set!(d, u64::from(get!(a) == get!(b))),
                Op::Ne(d, a, b) => set!(d, u64::from(get!(a) != get!(b))),
                Op::LtC(d, a, k) => set!(d, u64::from(get!(a) < pool!(k))),
                Op::LeC(d, a, k) => set!(d, u64::from(get!(a) <= pool!(k))),
                Op::GtC(d, a, k) => set!(d, u64::from(get!(a) > pool!(k))),
                Op::GeC(d, a, k) => set!(d, u64::from(get!(a) >= pool!(k))),
                Op::EqC(d, a, k) => set!(d, u64::from(get!(a) == pool!(k))),
                Op::NeC(d, a, k) => set!(d, u64::from(get!(a) != pool!(k))),
                Op::Wide2(op, d, a, b) => {
                    if !wide2(op, fp.slot(d), fp.slot(a), fp.slot(b)) {
                        stop!(fail(StatusCode::ARITHMETIC_ERROR));
                    }
                }
                Op::Wide4(op, d, a, b) => {
                    if !wide4(op, fp.slot(d), fp.slot(a), fp.slot(b)) {
                        stop!(fail(StatusCode::ARITHMETIC_ERROR));
                    }
                }
                Op::Cast((from, to), d, s) => {
                    if !cast(from, to, fp.slot(d), fp.slot(s)) {
                        stop!(fail(StatusCode::ARITHMETIC_ERROR));
                    }
                }
                Op::VecLen(d, p) => set!(d, vector_len(slot_block(fp.at(p)))),
                Op::VecLenL(d, s) => set!(d, vector_len(fp.at(s))),
                Op::VecAddr(code, d, p, i) => {
                    set!(d, index!(element(fp.at(p).u64(), get!(i), stride_of(code))).word());
                }
                Op::VecAddrL(code, d, s, i) => set!(d, index!(element(get!(s), get!(i), stride_of(code))).word()),
                Op::VecGet1(d, p, i) => set!(d, u64::from(index!(element(fp.at(p).u64(), get!(i), 1)).u8())),
                Op::VecGet2(d, p, i) => set!(d, u64::from(index!(element(fp.at(p).u64(), get!(i), 2)).u16())),
                Op::VecGet4(d, p, i) => set!(d, u64::from(index!(element(fp.at(p).u64(), get!(i), 4)).u32())),
                Op::VecGet8(d, p, i) => set!(d, index!(element(fp.at(p).u64(), get!(i), 8)).u64()),
                Op::VecGet1L(d, s, i) => set!(d, u64::from(index!(element(get!(s), get!(i), 1)).u8())),
                Op::VecGet2L(d, s, i) => set!(d, u64::from(index!(element(get!(s), get!(i), 2)).u16())),
                Op::VecGet4L(d, s, i) => set!(d, u64::from(index!(element(get!(s), get!(i), 4)).u32())),
                Op::VecGet8L(d, s, i) => set!(d, index!(element(get!(s), get!(i), 8)).u64()),
                Op::VecSet1(p, i, s) => index!(element(fp.at(p).u64(), get!(i), 1)).set_u8(get!(s) as u8),
                Op::VecSet2(p, i, s) => index!(element(fp.at(p).u64(), get!(i), 2)).set_u16(get!(s) as u16),
                Op::VecSet4(p, i, s) => index!(element(fp.at(p).u64(), get!(i), 4)).set_u32(get!(s) as u32),
                Op::VecSet8(p, i, s) => index!(element(fp.at(p).u64(), get!(i), 8)).set_u64(get!(s)),
                Op::VecPush(code, p, s) => push_element!(code, fp.at(p), s),
                Op::VecPushL(code, slot, s) => push_element!(code, fp.slot(slot), s),
                Op::VecPop(code, d, p) => pop_element!(code, d, fp.at(p)),
                Op::VecPopL(code, d, slot) => pop_element!(code, d, fp.slot(slot)),
                Op::VecSwap(code, p, i, j) => swap_elements!(code, fp.at(p).u64(), i, j),
                Op::VecSwapL(code, slot, i, j) => swap_elements!(code, get!(slot), i, j),
                Op::Exists(d, a, resource) => slow!(exists(function, fp.slot(d), fp.slot(a), resource)),
                Op::BorrowGlobal(d, a, resource) => {
                    slow!(borrow_global(function, fp.slot(d), fp.slot(a), resource, false));
                }
                Op::BorrowGlobalMut(d, a, resource) => {
                    slow!(borrow_global(function, fp.slot(d), fp.slot(a), resource, true));
                }
                Op::MoveFrom(d, a, resource) => slow!(move_from(function, fp.slot(d), fp.slot(a), resource)),
                Op::MoveTo(p, s, resource) => slow!(move_to(function, fp.at(p), fp.slot(s), resource)),
                Op::CopyAt(d, p, layout) => slow!(copy(function, fp.slot(d), fp.at(p), layout)),
                Op::CopySlot(d, s, layout) => slow!(copy(function, fp.slot(d), fp.slot(s), layout)),
                Op::LoadConstant(d, at) => slow!(load_constant(function, fp.slot(d), at)),
                Op::Drop(s, layout) => self.discard(function, fp.slot(s), layout),
                Op::DropAt(p, layout) => self.discard(function, fp.at(p), layout),
                Op::EqSlots(s, layout, wanted) => slow!(equal_slots(function, fp.slot(s), layout, wanted)),
                Op::EqAt(s, layout, wanted) => slow!(equal_at(function, fp.slot(s), layout, wanted)),
                Op::VecPack(s, elements, layout) => self.vec_pack(function, fp.slot(s), elements, layout),
                Op::VecUnpack(s, elements, layout) => slow!(vec_unpack(function, fp.slot(s), elements, layout)),
                Op::Box(s, layout) => self.make_box(function, fp.slot(s), layout),
                Op::Unbox(s, layout) => self.open_box(function, fp.slot(s), layout),
                Op::PackVariant(s, layout, variant) => slow!(pack_variant(function, fp.slot(s), layout, variant)),
                Op::UnpackVariant(s, layout, variant) => slow!(unpack_variant(function, fp.slot(s), layout, variant)),
                Op::VariantAt(s, layout, variant) => slow!(variant_at(function, fp.slot(s), layout, variant)),
            }
        }
        save!();
        self.instructions += count;
        Ok(())
    }
}

/// The parts of a session's memory that a machine uses.
pub(super) fn parts(memory: &mut Memory) -> (&mut Arena, (Ptr, u64)) {
    let stack = (memory.stack.base(), memory.stack.end());
    (&mut memory.arena, stack)
}
