//! Integers and bools. Overflow, division by zero, a shift by the width or more and a cast that loses bits are
//! ARITHMETIC_ERROR; nothing wraps.

use noema_execution_api::{StatusCode, Value};
use noema_types::U256;

use crate::error::{Failure, Result, fail, invariant};

/// Operators on two integers of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
}

/// Orders of two integers of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Lt,
    Gt,
    Le,
    Ge,
}

#[cold]
fn arithmetic() -> Box<Failure> {
    fail(StatusCode::ARITHMETIC_ERROR)
}

#[cold]
fn mismatch() -> Box<Failure> {
    invariant("operands of different or wrong types")
}

macro_rules! on_same_integers {
    ($left:expr, $right:expr, |$x:ident, $y:ident| $body:expr) => {
        match ($left, $right) {
            (Value::U64($x), Value::U64($y)) => $body,
            (Value::U8($x), Value::U8($y)) => $body,
            (Value::U16($x), Value::U16($y)) => $body,
            (Value::U32($x), Value::U32($y)) => $body,
            (Value::U128($x), Value::U128($y)) => $body,
            (Value::U256($x), Value::U256($y)) => $body,
            _ => Err(mismatch()),
        }
    };
}

/// `left = left op right`.
#[inline(always)]
pub(crate) fn binary(op: Binary, left: &mut Value, right: &Value) -> Result<()> {
    on_same_integers!(left, right, |x, y| {
        let result = match op {
            Binary::Add => x.checked_add(*y),
            Binary::Sub => x.checked_sub(*y),
            Binary::Mul => x.checked_mul(*y),
            Binary::Div => x.checked_div(*y),
            Binary::Mod => x.checked_rem(*y),
            Binary::And => Some(*x & *y),
            Binary::Or => Some(*x | *y),
            Binary::Xor => Some(*x ^ *y),
        };
        *x = result.ok_or_else(arithmetic)?;
        Ok(())
    })
}

#[inline(always)]
pub(crate) fn order(op: Order, left: &Value, right: &Value) -> Result<bool> {
    on_same_integers!(left, right, |x, y| {
        Ok(match op {
            Order::Lt => x < y,
            Order::Gt => x > y,
            Order::Le => x <= y,
            Order::Ge => x >= y,
        })
    })
}

/// `left = left << bits` or `>>`; high bits drop silently, the amount must be below the width.
pub(crate) fn shift(to_left: bool, left: &mut Value, bits: &Value) -> Result<()> {
    let Value::U8(bits) = bits else { return Err(mismatch()) };
    let bits = u32::from(*bits);
    macro_rules! shift {
        ($x:ident) => {
            *$x = if to_left { $x.checked_shl(bits) } else { $x.checked_shr(bits) }.ok_or_else(arithmetic)?
        };
    }
    match left {
        Value::U8(x) => shift!(x),
        Value::U16(x) => shift!(x),
        Value::U32(x) => shift!(x),
        Value::U64(x) => shift!(x),
        Value::U128(x) => shift!(x),
        // Every amount of 8 bits is below 256.
        Value::U256(x) => *x = if to_left { *x << bits } else { *x >> bits },
        _ => return Err(mismatch()),
    }
    Ok(())
}

/// The integer, if it fits 128 bits.
fn narrow(value: &Value) -> Result<u128> {
    Ok(match value {
        Value::U8(x) => u128::from(*x),
        Value::U16(x) => u128::from(*x),
        Value::U32(x) => u128::from(*x),
        Value::U64(x) => u128::from(*x),
        Value::U128(x) => *x,
        Value::U256(x) => u128::try_from(*x).map_err(|_| arithmetic())?,
        _ => return Err(mismatch()),
    })
}

pub(crate) fn cast_u8(value: &Value) -> Result<Value> {
    narrow(value)?.try_into().map(Value::U8).map_err(|_| arithmetic())
}

pub(crate) fn cast_u16(value: &Value) -> Result<Value> {
    narrow(value)?.try_into().map(Value::U16).map_err(|_| arithmetic())
}

pub(crate) fn cast_u32(value: &Value) -> Result<Value> {
    narrow(value)?.try_into().map(Value::U32).map_err(|_| arithmetic())
}

pub(crate) fn cast_u64(value: &Value) -> Result<Value> {
    narrow(value)?.try_into().map(Value::U64).map_err(|_| arithmetic())
}

pub(crate) fn cast_u128(value: &Value) -> Result<Value> {
    narrow(value).map(Value::U128)
}

pub(crate) fn cast_u256(value: &Value) -> Result<Value> {
    match value {
        Value::U256(x) => Ok(Value::U256(*x)),
        other => narrow(other).map(|x| Value::U256(U256::from(x))),
    }
}

pub(crate) fn as_bool(value: Value) -> Result<bool> {
    if let Value::Bool(bit) = value { Ok(bit) } else { Err(mismatch()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(op: Binary, left: Value, right: Value) -> Option<Value> {
        let mut left = left;
        binary(op, &mut left, &right).ok().map(|()| left)
    }

    #[test]
    fn nothing_wraps() {
        assert_eq!(apply(Binary::Add, Value::U8(255), Value::U8(1)), None);
        assert_eq!(apply(Binary::Sub, Value::U64(0), Value::U64(1)), None);
        assert_eq!(apply(Binary::Mul, Value::U256(U256::MAX), Value::U256(U256::from(2))), None);
        assert_eq!(apply(Binary::Div, Value::U32(1), Value::U32(0)), None);
        assert_eq!(apply(Binary::Mod, Value::U256(U256::from(1)), Value::U256(U256::ZERO)), None);
        assert_eq!(apply(Binary::Add, Value::U8(1), Value::U16(1)), None);
        assert_eq!(
            apply(Binary::Mod, Value::U256(U256::from(7)), Value::U256(U256::from(4))),
            Some(Value::U256(U256::from(3)))
        );
    }

    #[test]
    fn shifts_drop_bits_and_refuse_the_width() {
        let shifted = |to_left, mut left: Value, bits| shift(to_left, &mut left, &Value::U8(bits)).ok().map(|()| left);
        assert_eq!(shifted(true, Value::U64(3), 63), Some(Value::U64(1 << 63)));
        assert_eq!(shifted(true, Value::U8(1), 8), None);
        assert_eq!(shifted(false, Value::U256(U256::from(1) << 255), 255), Some(Value::U256(U256::from(1))));
    }

    #[test]
    fn casts_keep_the_number_or_fail() {
        assert_eq!(cast_u8(&Value::U256(U256::from(255))).ok(), Some(Value::U8(255)));
        assert!(cast_u8(&Value::U64(256)).is_err());
        assert!(cast_u128(&Value::U256(U256::MAX)).is_err());
        assert_eq!(cast_u256(&Value::U8(3)).ok(), Some(Value::U256(U256::from(3))));
        assert!(cast_u64(&Value::Bool(true)).is_err());
    }
}
