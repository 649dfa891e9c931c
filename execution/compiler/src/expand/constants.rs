//! Values of integer constants, as far as test attributes need them.

use super::ast::{ModuleIdent, Program};
use crate::limits::NESTING_MAX;
use crate::parse::ast::{BinaryOp, Exp, ExpKind, Literal, PathHead, U256};

/// The value of the constant `name` of `module`: literals, arithmetic, casts and other constants of the module.
pub(super) fn value(program: &Program, module: &ModuleIdent, name: &str) -> Option<U256> {
    evaluate_constant(program, module, name, 0)
}

fn evaluate_constant(program: &Program, module: &ModuleIdent, name: &str, depth: u32) -> Option<U256> {
    if depth > NESTING_MAX {
        return None;
    }
    let constants = &program.modules.get(module)?.constants;
    let constant = constants.iter().find(|one| one.item.name.value == name)?;
    evaluate(program, module, &constant.item.value, depth + 1)
}

fn evaluate(program: &Program, module: &ModuleIdent, exp: &Exp, depth: u32) -> Option<U256> {
    match &exp.kind {
        ExpKind::Literal(Literal::Number { value, .. }) => Some(*value),
        ExpKind::Cast { inner, .. } | ExpKind::Annotate { inner, .. } => evaluate(program, module, inner, depth),
        ExpKind::Path(path) => match path.segments.as_slice() {
            [only] => match &only.head {
                PathHead::Name(name) => evaluate_constant(program, module, name, depth),
                PathHead::Address(_) => None,
            },
            _ => None,
        },
        ExpKind::Binary { op, left, right } => {
            let left = evaluate(program, module, left, depth)?;
            let right = evaluate(program, module, right, depth)?;
            apply(op.value, left, right)
        }
        _ => None,
    }
}

fn apply(op: BinaryOp, left: U256, right: U256) -> Option<U256> {
    match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Sub => left.checked_sub(right),
        BinaryOp::Mul => left.checked_mul(right),
        BinaryOp::Div => left.checked_div(right),
        BinaryOp::Mod => left.checked_rem(right),
        BinaryOp::BitAnd => Some(left & right),
        BinaryOp::BitOr => Some(left | right),
        BinaryOp::BitXor => Some(left ^ right),
        BinaryOp::Shl => usize::try_from(right).ok().filter(|bits| *bits < 256).map(|bits| left << bits),
        BinaryOp::Shr => usize::try_from(right).ok().filter(|bits| *bits < 256).map(|bits| left >> bits),
        _ => None,
    }
}
