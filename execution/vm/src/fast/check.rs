//! Checks of lowered code: assertions about this crate's own lowering, not about programs.
//!
//! [`check`] runs on every function before it is shared: what the dispatch loop takes for granted when it fetches without
//! bounds checks. [`check_slots`] is for paranoid machines: every word that an instruction reads was written on every
//! path to it, and lies in the frame. A call overwrites everything from its arguments on, but for its results.

use std::collections::BTreeMap;

use super::code::{Function, Op, Wide};
use super::layout::Layout;

/// # Panics
/// If the lowering made code that the machine must not run.
pub(super) fn check(function: &Function) {
    if function.native.is_some() {
        return;
    }
    let code = &function.code;
    assert_eq!(code.len(), function.offsets.len(), "each instruction has an offset");
    assert!(code.last().is_some_and(Op::is_last), "code ends with an instruction that does not fall through");
    let frame = function.frame_bytes / 8;
    for (slot, ty) in &function.locals {
        assert!(u64::from(*slot) + u64::from(ty.words()) <= frame, "locals are in the frame");
    }
    let is_block = |at: usize| matches!(code.get(at), Some(Op::Charge(..)));
    for (at, op) in code.iter().enumerate() {
        if let Some(by) = op.distance() {
            let target = usize::try_from(at as i64 + 1 + by).expect("a jump stays in the code");
            assert!(is_block(target), "a jump at {at} lands at {target}, where no block starts");
            assert!(op.is_last() || is_block(at + 1), "the jump at {at} ends its block");
        }
        let mut op = *op;
        let words = op.result_words().unwrap_or(1);
        if let Some(result) = op.result() {
            assert!(u64::from(*result) + u64::from(words) <= frame, "the result at {at} is in the frame");
        }
        if let Op::Switch(_, table, layout) = op {
            let targets = &function.tables[usize::from(table)];
            assert!(targets.iter().all(|target| is_block(*target as usize)), "a switch at {at} lands in no block");
            assert!(usize::from(layout) < function.layouts.len(), "a switch at {at} has a layout");
        }
        if let Some((first, words)) = constants(&op) {
            assert!(
                usize::from(first) + usize::from(words) <= function.pool.len(),
                "constants at {at} are in the pool"
            );
        }
        if let Op::Call(_, site, _) = op {
            assert!(usize::from(site) < function.sites.len(), "the call at {at} has a site");
        }
    }
}

/// Constants that an instruction reads.
fn constants(op: &Op) -> Option<(u16, u16)> {
    Some(match *op {
        Op::ConstN(_, k, words) => (k, words),
        Op::Const(_, k)
        | Op::AddC(_, _, k)
        | Op::SubC(_, _, k)
        | Op::MulC(_, _, k)
        | Op::DivC(_, _, k)
        | Op::ModC(_, _, k)
        | Op::LtC(_, _, k)
        | Op::LeC(_, _, k)
        | Op::GtC(_, _, k)
        | Op::GeC(_, _, k)
        | Op::EqC(_, _, k)
        | Op::NeC(_, _, k)
        | Op::AddJump(_, k, _)
        | Op::JumpLtC(_, k, _)
        | Op::JumpLeC(_, k, _)
        | Op::JumpGtC(_, k, _)
        | Op::JumpGeC(_, k, _)
        | Op::JumpEqC(_, k, _)
        | Op::JumpNeC(_, k, _) => (k, 1),
        _ => return None,
    })
}

/// Words of a frame that are surely written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written(Vec<bool>);

impl Written {
    fn set(&mut self, (first, words): Range, to: bool) {
        let (first, words) = (usize::from(first), usize::from(words));
        self.0[first..first + words].fill(to);
    }

    fn holds(&self, (first, words): Range) -> bool {
        let (first, words) = (usize::from(first), usize::from(words));
        self.0.get(first..first + words).is_some_and(|words| words.iter().all(|written| *written))
    }

    /// What holds on both paths; whether that is less than here.
    fn meet(&mut self, other: &Self) -> bool {
        let mut is_less = false;
        for (here, there) in self.0.iter_mut().zip(&other.0) {
            is_less |= *here && !*there;
            *here &= *there;
        }
        is_less
    }
}

/// First slot and number of words.
type Range = (u16, u16);

/// # Panics
/// If an instruction reads a word that may not have been written, or one outside the frame.
pub(super) fn check_slots(function: &Function) {
    if function.native.is_some() {
        return;
    }
    let frame = usize::try_from(function.frame_bytes / 8).expect("frames are small");
    let mut start = Written(vec![false; frame]);
    for (slot, ty) in function.locals.iter().take(function.parameters.len()) {
        start.set((*slot, ty.words()), true);
    }
    let mut known: BTreeMap<usize, Written> = BTreeMap::from([(0, start)]);
    let mut pending = vec![0];
    while let Some(first) = pending.pop() {
        let mut state = known[&first].clone();
        for at in first.. {
            let op = function.code[at];
            let (reads, writes) = effects(function, &op);
            for read in reads {
                assert!(state.holds(read), "{op:?} at {at} reads {read:?}, which may not be written");
            }
            if let Op::Call(base, ..) = op {
                state.0[usize::from(base)..].fill(false);
            }
            writes.into_iter().for_each(|write| state.set(write, true));
            let mut next: Vec<_> = op.distance().map(|by| (at as i64 + 1 + by) as usize).into_iter().collect();
            if let Op::Switch(_, table, _) = op {
                next.extend(function.tables[usize::from(table)].iter().map(|target| *target as usize));
            }
            if !op.is_last() && matches!(function.code[at + 1], Op::Charge(..)) {
                next.push(at + 1);
            }
            let ends = op.is_last() || !next.is_empty();
            for target in next {
                let is_new = match known.get_mut(&target) {
                    Some(there) => there.meet(&state),
                    None => known.insert(target, state.clone()).is_none(),
                };
                if is_new {
                    pending.push(target);
                }
            }
            if ends {
                break;
            }
        }
    }
}

/// Words that an instruction reads and writes.
fn effects(function: &Function, op: &Op) -> (Vec<Range>, Vec<Range>) {
    let layout = |at: u16| -> &Layout { &function.layouts[usize::from(at)] };
    let inner = |at: u16| u16::try_from(layout(at).inner_words()).expect("shapes are small");
    let element = |code: u8| u16::from(code.max(4) - 3);
    let wide = |op: Wide, words| if matches!(op, Wide::Shl | Wide::Shr) { 1 } else { words };
    let mut any = *op;
    let result = match *op {
        Op::MoveFrom(d, _, at) => vec![(d, function.resources[usize::from(at)].layout.words)],
        Op::CopyAt(d, _, at) | Op::CopySlot(d, _, at) => vec![(d, layout(at).words)],
        Op::LoadConstant(d, at) => {
            vec![(d, function.constants[usize::from(at)].as_ref().map_or(0, |layout| layout.words))]
        }
        _ => {
            let words = op.result_words();
            any.result().map(|d| (*d, words.unwrap_or(0))).into_iter().collect()
        }
    };
    let one = |s: u16| vec![(s, 1)];
    let two = |a: u16, b: u16| vec![(a, 1), (b, 1)];
    match *op {
        Op::Charge(..) | Op::Gas(_) | Op::Allocate(_) | Op::Release(_) | Op::Jump(_) | Op::Return0 | Op::Fail(_) => {
            (vec![], vec![])
        }
        Op::Const(..) | Op::ConstN(..) | Op::Lea(..) | Op::LoadConstant(..) => (vec![], result),
        Op::Mov(_, s)
        | Op::Not(_, s)
        | Op::Offset(_, s, _)
        | Op::Load1(_, s, _)
        | Op::Load2(_, s, _)
        | Op::Load4(_, s, _)
        | Op::Load8(_, s, _)
        | Op::LoadN(_, _, s, _)
        | Op::VecLen(_, s)
        | Op::VecLenL(_, s)
        | Op::VecPop(_, _, s)
        | Op::VecPopL(_, _, s)
        | Op::CopyAt(_, s, _)
        | Op::AddC(_, s, _)
        | Op::SubC(_, s, _)
        | Op::MulC(_, s, _)
        | Op::DivC(_, s, _)
        | Op::ModC(_, s, _)
        | Op::LtC(_, s, _)
        | Op::LeC(_, s, _)
        | Op::GtC(_, s, _)
        | Op::GeC(_, s, _)
        | Op::EqC(_, s, _)
        | Op::NeC(_, s, _) => (one(s), result),
        Op::AddJump(s, ..) => (one(s), one(s)),
        Op::Take(_, s) => (one(s), [result, one(s)].concat()),
        Op::TakeN(_, s, words) => (vec![(s, words)], [result, vec![(s, words)]].concat()),
        Op::Mov2(_, s) => (vec![(s, 2)], result),
        Op::Mov4(_, s) => (vec![(s, 4)], result),
        Op::MovN(_, s, words) => (vec![(s, words)], result),
        Op::Add(_, a, b)
        | Op::Sub(_, a, b)
        | Op::Mul(_, a, b)
        | Op::Div(_, a, b)
        | Op::Mod(_, a, b)
        | Op::AddN(_, _, a, b)
        | Op::MulN(_, _, a, b)
        | Op::And(_, a, b)
        | Op::Or(_, a, b)
        | Op::Xor(_, a, b)
        | Op::Shl(_, _, a, b)
        | Op::Shr(_, _, a, b)
        | Op::Lt(_, a, b)
        | Op::Le(_, a, b)
        | Op::Eq(_, a, b)
        | Op::Ne(_, a, b)
        | Op::VecAddr(_, _, a, b)
        | Op::VecAddrL(_, _, a, b)
        | Op::VecGet1(_, a, b)
        | Op::VecGet2(_, a, b)
        | Op::VecGet4(_, a, b)
        | Op::VecGet8(_, a, b)
        | Op::VecGet1L(_, a, b)
        | Op::VecGet2L(_, a, b)
        | Op::VecGet4L(_, a, b)
        | Op::VecGet8L(_, a, b) => (two(a, b), result),
        Op::Wide2(op, _, a, b) => (vec![(a, 2), (b, wide(op, 2))], result),
        Op::Wide4(op, _, a, b) => (vec![(a, 4), (b, wide(op, 4))], result),
        Op::Cast((bytes, _), _, s) => (vec![(s, u16::from(bytes).div_ceil(8))], result),
        Op::Exists(_, a, _) | Op::BorrowGlobal(_, a, _) | Op::BorrowGlobalMut(_, a, _) | Op::MoveFrom(_, a, _) => {
            (vec![(a, 4)], result)
        }
        Op::CopySlot(_, s, at) => (vec![(s, layout(at).words)], result),
        Op::JumpIf(s, _) | Op::JumpUnless(s, _) | Op::Switch(s, ..) | Op::Abort(s) | Op::Return1(s) => (one(s), vec![]),
        Op::JumpLt(a, b, _) | Op::JumpLe(a, b, _) | Op::JumpEq(a, b, _) | Op::JumpNe(a, b, _) => (two(a, b), vec![]),
        Op::JumpLtC(a, ..)
        | Op::JumpLeC(a, ..)
        | Op::JumpGtC(a, ..)
        | Op::JumpGeC(a, ..)
        | Op::JumpEqC(a, ..)
        | Op::JumpNeC(a, ..)
        | Op::DropAt(a, _) => (one(a), vec![]),
        Op::Call(base, at, _) => {
            let site = &function.sites[usize::from(at)];
            (vec![(base, site.argument_words)], vec![(base, site.result_words)])
        }
        Op::ReturnN(s, words) => (vec![(s, words)], vec![]),
        Op::Zero(d, words) => (vec![], vec![(d, words)]),
        Op::Store1(p, _, s) | Op::Store2(p, _, s) | Op::Store4(p, _, s) | Op::Store8(p, _, s) => (two(p, s), vec![]),
        Op::StoreN(words, p, _, s) => (vec![(p, 1), (s, u16::from(words))], vec![]),
        Op::Drop(s, at) => (vec![(s, layout(at).words)], vec![]),
        Op::EqSlots(s, at, _) => (vec![(s, 2 * layout(at).words)], one(s)),
        Op::EqAt(s, ..) => (vec![(s, 2)], one(s)),
        Op::VecSet1(p, i, s) | Op::VecSet2(p, i, s) | Op::VecSet4(p, i, s) | Op::VecSet8(p, i, s) => {
            (vec![(p, 1), (i, 1), (s, 1)], vec![])
        }
        Op::VecPush(code, p, s) | Op::VecPushL(code, p, s) => (vec![(p, 1), (s, element(code))], vec![]),
        Op::VecSwap(_, p, i, j) | Op::VecSwapL(_, p, i, j) => (vec![(p, 1), (i, 1), (j, 1)], vec![]),
        Op::VecPack(s, count, at) => (vec![(s, count * layout(at).words)], one(s)),
        Op::VecUnpack(s, count, at) => (one(s), vec![(s, count * layout(at).words)]),
        Op::Box(s, at) => (vec![(s, inner(at))], one(s)),
        Op::Unbox(s, at) => (one(s), vec![(s, inner(at))]),
        Op::PackVariant(s, at, variant) => {
            let words = layout(at).variant(variant).map_or(1, |fields| fields.words);
            (vec![(s, words - 1)], vec![(s, layout(at).words)])
        }
        Op::UnpackVariant(s, at, variant) => {
            let words = layout(at).variant(variant).map_or(1, |fields| fields.words);
            (vec![(s, layout(at).words)], vec![(s, words - 1)])
        }
        Op::VariantAt(s, ..) => (one(s), one(s)),
        Op::MoveTo(p, s, at) => (vec![(p, 1), (s, function.resources[usize::from(at)].layout.words)], vec![]),
    }
}
