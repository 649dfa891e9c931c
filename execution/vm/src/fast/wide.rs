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

/// Knuth's algorithm D for a divisor of two limbs (The Art of Computer Programming, 4.3.1), with the quotient's limbs
/// from divisions of 128 by 64 bits.
fn divide_by_two_limbs(x: Limbs, y: [u64; 2]) -> (Limbs, Limbs) {
    let shift = y[1].leading_zeros();
    let divisor = (u128::from(y[1]) << 64 | u128::from(y[0])) << shift;
    let (d1, d0) = ((divisor >> 64) as u64, divisor as u64);
    // The dividend, shifted, in five limbs.
    let shifted = |at: usize| {
        let low = if at < 4 { x[at] << shift } else { 0 };
        let high = if at > 0 && shift > 0 { x[at - 1] >> (64 - shift) } else { 0 };
        low | high
    };
    let mut rest = u128::from(shifted(4)) << 64 | u128::from(shifted(3));
    let mut quotient = [0u64; 4];
    for at in (0..3).rev() {
        // rest < divisor, so the digit fits a limb.
        let next = shifted(at);
        let (digit, left) = divide_three_by_two(rest, next, d1, d0, divisor);
        quotient[at] = digit;
        rest = left;
    }
    let rest = rest >> shift;
    (quotient, [rest as u64, (rest >> 64) as u64, 0, 0])
}

/// `(high * 2^64 + low) / divisor`, where `high < divisor` and the divisor's highest bit is set.
#[inline]
fn divide_three_by_two(high: u128, low: u64, d1: u64, d0: u64, divisor: u128) -> (u64, u128) {
    let (n2, n1) = ((high >> 64) as u64, high as u64);
    let (mut digit, mut rest) = if n2 >= d1 {
        // The estimate would take more than a limb: the largest one, and what it leaves.
        let digit = u64::MAX;
        (digit, (u128::from(n2) << 64 | u128::from(n1)).wrapping_sub(u128::from(digit) * u128::from(d1)))
    } else {
        let (digit, rest) = divide_two_by_one(n2, n1, d1);
        (digit, u128::from(rest))
    };
    // At most two corrections.
    while rest <= u128::from(u64::MAX) && u128::from(digit) * u128::from(d0) > (rest << 64 | u128::from(low)) {
        digit -= 1;
        rest += u128::from(d1);
    }
    let product_low = u128::from(digit) * u128::from(d0);
    let left = ((rest << 64) | u128::from(low)).wrapping_sub(product_low);
    debug_assert!(left < divisor);
    (digit, left)
}

/// `(high * 2^64 + low) / divisor` where `high < divisor`: quotient and rest in one limb each.
#[inline]
fn divide_two_by_one(high: u64, low: u64, divisor: u64) -> (u64, u64) {
    // Half limbs, so that no division is wider than the machine's (Hacker's Delight, 9-4).
    let shift = divisor.leading_zeros();
    debug_assert!(shift == 0, "the divisor's highest bit is set");
    let (d1, d0) = (divisor >> 32, divisor & 0xffff_ffff);
    let step = |rest: u64, next: u64| {
        let mut digit = rest / d1;
        let mut left = rest % d1;
        while digit >> 32 != 0 || digit * d0 > (left << 32 | next) {
            digit -= 1;
            left += d1;
            if left >> 32 != 0 {
                break;
            }
        }
        let rest = (rest << 32 | next).wrapping_sub(digit.wrapping_mul(divisor));
        (digit, rest)
    };
    let (q1, rest) = step(high, low >> 32);
    let (q0, rest) = step(rest, low & 0xffff_ffff);
    (q1 << 32 | q0, rest)
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
