//! Arithmetic of u128 and u256. Overflow, division by zero and lost bits are `None`.

use noema_types::U256;

use super::code::Wide;
use super::mem::Ptr;

/// `d = a op b` of two words each (the result of a comparison is one, the amount of a shift too). False: it fails.
#[inline]
pub(super) fn wide2(op: Wide, d: Ptr, a: Ptr, b: Ptr) -> bool {
    let x = a.u128();
    let result = match op {
        Wide::Add => x.checked_add(b.u128()),
        Wide::Sub => x.checked_sub(b.u128()),
        Wide::Mul => x.checked_mul(b.u128()),
        Wide::Div => divide128(x, b.u128()).map(|(quotient, _)| quotient),
        Wide::Mod => divide128(x, b.u128()).map(|(_, rest)| rest),
        Wide::And => Some(x & b.u128()),
        Wide::Or => Some(x | b.u128()),
        Wide::Xor => Some(x ^ b.u128()),
        Wide::Shl => x.checked_shl(u32::from(b.u8())),
        Wide::Shr => x.checked_shr(u32::from(b.u8())),
        Wide::Lt | Wide::Le | Wide::Eq | Wide::Ne => {
            let y = b.u128();
            let bit = match op {
                Wide::Lt => x < y,
                Wide::Le => x <= y,
                Wide::Eq => x == y,
                _ => x != y,
            };
            d.set_u64(u64::from(bit));
            return true;
        }
    };
    match result {
        Some(result) => {
            d.set_u128(result);
            true
        }
        None => false,
    }
}

/// Quotient and rest; numbers of 64 bits need no wide division.
fn divide128(x: u128, y: u128) -> Option<(u128, u128)> {
    if let (Ok(x), Ok(y)) = (u64::try_from(x), u64::try_from(y)) {
        return Some((u128::from(x.checked_div(y)?), u128::from(x.checked_rem(y)?)));
    }
    Some((x.checked_div(y)?, x.checked_rem(y)?))
}

/// As [`wide2`], of four words each.
#[inline]
pub(super) fn wide4(op: Wide, d: Ptr, a: Ptr, b: Ptr) -> bool {
    let result = match op {
        Wide::Add => add(a.limbs(), b.limbs()),
        Wide::Sub => subtract(a.limbs(), b.limbs()),
        Wide::Mul => multiply(a.limbs(), b.limbs()),
        Wide::Div => divide(a.limbs(), b.limbs()).map(|(quotient, _)| quotient),
        Wide::Mod => divide(a.limbs(), b.limbs()).map(|(_, rest)| rest),
        Wide::And => Some(each(a.limbs(), b.limbs(), |x, y| x & y)),
        Wide::Or => Some(each(a.limbs(), b.limbs(), |x, y| x | y)),
        Wide::Xor => Some(each(a.limbs(), b.limbs(), |x, y| x ^ y)),
        // Every amount of 8 bits is below 256.
        Wide::Shl => Some((a.u256() << usize::from(b.u8())).into_limbs()),
        Wide::Shr => Some((a.u256() >> usize::from(b.u8())).into_limbs()),
        Wide::Lt | Wide::Le | Wide::Eq | Wide::Ne => {
            let (x, y) = (a.u256(), b.u256());
            let bit = match op {
                Wide::Lt => x < y,
                Wide::Le => x <= y,
                Wide::Eq => x == y,
                _ => x != y,
            };
            d.set_u64(u64::from(bit));
            return true;
        }
    };
    match result {
        Some(result) => {
            d.set_limbs(result);
            true
        }
        None => false,
    }
}

type Limbs = [u64; 4];

fn each(x: Limbs, y: Limbs, op: impl Fn(u64, u64) -> u64) -> Limbs {
    std::array::from_fn(|at| op(x[at], y[at]))
}

#[inline]
fn add(x: Limbs, y: Limbs) -> Option<Limbs> {
    let mut result = [0; 4];
    let mut carry = false;
    for at in 0..4 {
        let (sum, first) = x[at].overflowing_add(y[at]);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        result[at] = sum;
        carry = first | second;
    }
    (!carry).then_some(result)
}

#[inline]
fn subtract(x: Limbs, y: Limbs) -> Option<Limbs> {
    let mut result = [0; 4];
    let mut borrow = false;
    for at in 0..4 {
        let (difference, first) = x[at].overflowing_sub(y[at]);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        result[at] = difference;
        borrow = first | second;
    }
    (!borrow).then_some(result)
}

/// Limbs up to the highest that is not zero.
#[inline]
fn length(x: &Limbs) -> usize {
    (0..4).rev().find(|at| x[*at] != 0).map_or(0, |at| at + 1)
}

#[inline]
fn multiply(x: Limbs, y: Limbs) -> Option<Limbs> {
    if y[1] | y[2] | y[3] == 0 {
        return multiply_by_limb(x, y[0]);
    }
    if x[1] | x[2] | x[3] == 0 {
        return multiply_by_limb(y, x[0]);
    }
    let (x_length, y_length) = (length(&x), length(&y));
    if x_length == 0 || y_length == 0 {
        return Some([0; 4]);
    }
    if x_length + y_length > 5 {
        return None;
    }
    let mut result = [0u64; 6];
    for i in 0..x_length {
        let mut carry = 0u64;
        for j in 0..y_length {
            // A product of two limbs and two more limbs fit 128 bits.
            let sum = u128::from(x[i]) * u128::from(y[j]) + u128::from(result[i + j]) + u128::from(carry);
            result[i + j] = sum as u64;
            carry = (sum >> 64) as u64;
        }
        result[i + y_length] = carry;
    }
    if result[4] != 0 { None } else { Some([result[0], result[1], result[2], result[3]]) }
}

#[inline]
fn multiply_by_limb(x: Limbs, y: u64) -> Option<Limbs> {
    let mut carry = 0u64;
    let mut result = [0; 4];
    for at in 0..4 {
        let product = u128::from(x[at]) * u128::from(y) + u128::from(carry);
        result[at] = product as u64;
        carry = (product >> 64) as u64;
    }
    (carry == 0).then_some(result)
}

/// Quotient and rest.
#[inline]
fn divide(x: Limbs, y: Limbs) -> Option<(Limbs, Limbs)> {
    match length(&y) {
        0 => None,
        _ if length(&x) < length(&y) => Some(([0; 4], x)),
        1 | 2 if length(&x) <= 2 => {
            let (x, y) = (u128::from(x[1]) << 64 | u128::from(x[0]), u128::from(y[1]) << 64 | u128::from(y[0]));
            let (quotient, rest) = divide128(x, y)?;
            Some(([quotient as u64, (quotient >> 64) as u64, 0, 0], [rest as u64, (rest >> 64) as u64, 0, 0]))
        }
        2 => Some(divide_by_two_limbs(x, [y[0], y[1]])),
        _ => {
            let (quotient, rest) = U256::from_limbs(x).div_rem(U256::from_limbs(y));
            Some((quotient.into_limbs(), rest.into_limbs()))
        }
    }
}

/// Division by two limbs, by a reciprocal of the divisor: Möller and Granlund, Improved division by invariant integers
/// (2011).
fn divide_by_two_limbs(x: Limbs, y: [u64; 2]) -> (Limbs, Limbs) {
    let shift = y[1].leading_zeros();
    let divisor = (u128::from(y[1]) << 64 | u128::from(y[0])) << shift;
    let reciprocal = reciprocal_of_two(divisor);
    // The dividend, shifted, in five limbs.
    let above = |low: u64| if shift == 0 { 0 } else { low >> (64 - shift) };
    let x0 = x[0] << shift;
    let x1 = x[1] << shift | above(x[0]);
    let x2 = x[2] << shift | above(x[1]);
    let x3 = x[3] << shift | above(x[2]);
    let upper = u128::from(x3) << 64 | u128::from(x2);
    let (q2, rest) = if x[3] == 0 && upper < divisor {
        (0, upper)
    } else {
        // Below the divisor: its highest limb is below 2^shift.
        let rest = u128::from(above(x[3])) << 64 | u128::from(x3);
        divide_three_by_two(rest, x2, divisor, reciprocal)
    };
    let (q1, rest) = divide_three_by_two(rest, x1, divisor, reciprocal);
    let (q0, rest) = divide_three_by_two(rest, x0, divisor, reciprocal);
    let rest = rest >> shift;
    ([q0, q1, q2, 0], [rest as u64, (rest >> 64) as u64, 0, 0])
}

/// `(2^192 - 1) / divisor - 2^64` of a divisor whose highest bit is set (algorithm 6 of the paper).
#[inline]
fn reciprocal_of_two(divisor: u128) -> u64 {
    let (d1, d0) = ((divisor >> 64) as u64, divisor as u64);
    let mut reciprocal = ((u128::from(!d1) << 64 | u128::from(u64::MAX)) / u128::from(d1)) as u64;
    let mut p = d1.wrapping_mul(reciprocal).wrapping_add(d0);
    if p < d0 {
        reciprocal = reciprocal.wrapping_sub(1);
        if p >= d1 {
            reciprocal = reciprocal.wrapping_sub(1);
            p = p.wrapping_sub(d1);
        }
        p = p.wrapping_sub(d1);
    }
    let t = u128::from(reciprocal) * u128::from(d0);
    let (t1, t0) = ((t >> 64) as u64, t as u64);
    p = p.wrapping_add(t1);
    if p < t1 {
        reciprocal = reciprocal.wrapping_sub(1);
        if (u128::from(p) << 64 | u128::from(t0)) >= divisor {
            reciprocal = reciprocal.wrapping_sub(1);
        }
    }
    reciprocal
}

/// `(high * 2^64 + low) / divisor`, where `high < divisor` (algorithm 5).
#[inline]
fn divide_three_by_two(high: u128, low: u64, divisor: u128, reciprocal: u64) -> (u64, u128) {
    let (u2, u1) = ((high >> 64) as u64, high as u64);
    let (d1, d0) = ((divisor >> 64) as u64, divisor as u64);
    let q = (u128::from(reciprocal) * u128::from(u2)).wrapping_add(high);
    let (q1, q0) = ((q >> 64) as u64, q as u64);
    let r1 = u1.wrapping_sub(q1.wrapping_mul(d1));
    let t = u128::from(d0) * u128::from(q1);
    let mut rest = (u128::from(r1) << 64 | u128::from(low)).wrapping_sub(t).wrapping_sub(divisor);
    let mut digit = q1.wrapping_add(1);
    if (rest >> 64) as u64 >= q0 {
        digit = digit.wrapping_sub(1);
        rest = rest.wrapping_add(divisor);
    }
    if rest >= divisor {
        digit = digit.wrapping_add(1);
        rest = rest.wrapping_sub(divisor);
    }
    (digit, rest)
}

/// An integer of `from` bytes as one of `to` bytes. False: it does not fit.
#[inline]
pub(super) fn cast(from: u8, to: u8, d: Ptr, s: Ptr) -> bool {
    let limbs = match from {
        32 => s.limbs(),
        16 => [s.u64(), s.slot(1).u64(), 0, 0],
        _ => [s.u64(), 0, 0, 0],
    };
    let fits = match to {
        32 => true,
        16 => limbs[2] == 0 && limbs[3] == 0,
        8 => limbs[1] == 0 && limbs[2] == 0 && limbs[3] == 0,
        bytes => limbs[1] == 0 && limbs[2] == 0 && limbs[3] == 0 && limbs[0] >> (u32::from(bytes) * 8) == 0,
    };
    if fits {
        match to {
            32 => d.set_limbs(limbs),
            16 => d.set_u128(u128::from(limbs[1]) << 64 | u128::from(limbs[0])),
            _ => d.set_u64(limbs[0]),
        }
    }
    fits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limbs() -> impl Strategy<Value = Limbs> {
        let limb = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 63), any::<u64>()];
        (prop::array::uniform4(limb), 0usize..=4).prop_map(|(mut limbs, length)| {
            limbs[length..].fill(0);
            limbs
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn agrees_with_the_library(x in limbs(), y in limbs()) {
            let (a, b) = (U256::from_limbs(x), U256::from_limbs(y));
            prop_assert_eq!(add(x, y), a.checked_add(b).map(U256::into_limbs));
            prop_assert_eq!(subtract(x, y), a.checked_sub(b).map(U256::into_limbs));
            prop_assert_eq!(multiply(x, y), a.checked_mul(b).map(U256::into_limbs));
            let expected = (b != U256::ZERO).then(|| a.div_rem(b));
            prop_assert_eq!(divide(x, y), expected.map(|(q, r)| (q.into_limbs(), r.into_limbs())));
        }
    }
}
