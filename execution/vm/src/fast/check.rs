//! Checks of lowered code.
//!
//! [`check`] runs on every function before it is shared: what the dispatch loop takes for granted when it fetches without
//! bounds checks. It is an assertion about this crate's own lowering, not about the program.

use super::code::{Function, Op};

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
        if let Some(target) = op.target() {
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
        | Op::JumpLtC(_, k, _)
        | Op::JumpLeC(_, k, _)
        | Op::JumpGtC(_, k, _)
        | Op::JumpGeC(_, k, _)
        | Op::JumpEqC(_, k, _)
        | Op::JumpNeC(_, k, _) => (k, 1),
        _ => return None,
    })
}
