/// Arithmetic on u128 that the language lacks.
module aptos_std::math128 {
    use std::error;
    use std::fixed_point32::{Self, FixedPoint32};
    use aptos_std::fixed_point64::{Self, FixedPoint64};

    /// The logarithm of zero is not defined.
    const EINVALID_ARG_FLOOR_LOG2: u64 = 1;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 2;

    public fun max(a: u128, b: u128): u128 {
        if (a >= b) a else b
    }

    public fun min(a: u128, b: u128): u128 {
        if (a < b) a else b
    }

    /// The mean, rounded down, without overflow.
    public fun average(a: u128, b: u128): u128 {
        if (a < b) a + (b - a) / 2 else b + (a - b) / 2
    }

    /// The greatest common divisor; `gcd(a, 0)` is `a`.
    public fun gcd(a: u128, b: u128): u128 {
        while (b != 0) {
            let rest = a % b;
            a = b;
            b = rest;
        };
        a
    }

    /// `a * b / c`, rounded down; the product need not fit.
    public fun mul_div(a: u128, b: u128, c: u128): u128 {
        assert!(c != 0, error::invalid_argument(EDIVISION_BY_ZERO));
        std::u128::mul_div(a, b, c)
    }

    /// `x` if it is at least `lower` and at most `upper`, else the bound.
    public fun clamp(x: u128, lower: u128, upper: u128): u128 {
        min(upper, max(lower, x))
    }

    /// `n` to the power `e`.
    public fun pow(n: u128, e: u128): u128 {
        let result = 1;
        loop {
            if (e % 2 == 1) result = result * n;
            e = e / 2;
            if (e == 0) return result;
            n = n * n;
        }
    }

    /// The largest `k` with `2^k <= x`.
    public fun floor_log2(x: u128): u8 {
        assert!(x != 0, error::invalid_argument(EINVALID_ARG_FLOOR_LOG2));
        let log = 0u8;
        let step = 64u8;
        while (step > 0) {
            if (x >= (1u128 << step)) {
                x = x >> step;
                log = log + step;
            };
            step = step >> 1;
        };
        log
    }

    /// The binary logarithm, at most 2^-31 below the exact one.
    public fun log2(x: u128): FixedPoint32 {
        fixed_point32::create_from_raw_value((fixed_point64::get_raw_value(log2_64(x)) >> 32) as u64)
    }

    /// The binary logarithm, at most 2^-62 below the exact one.
    public fun log2_64(x: u128): FixedPoint64 {
        let whole = floor_log2(x);
        // x as a number from 1 to 2 with 127 fractional bits. Squaring it doubles its logarithm, whose whole part is the
        // next bit.
        let mantissa = (x as u256) << (127 - whole);
        let log = whole as u128;
        let bits = 64u8;
        while (bits > 0) {
            mantissa = mantissa * mantissa >> 127;
            log = log << 1;
            if (mantissa >= 1 << 128) {
                mantissa = mantissa >> 1;
                log = log | 1;
            };
            bits = bits - 1;
        };
        fixed_point64::create_from_raw_value(log)
    }

    /// The largest `r` with `r * r <= x`.
    public fun sqrt(x: u128): u128 {
        std::u128::sqrt(x)
    }

    /// `a / b`, rounded up.
    public fun ceil_div(a: u128, b: u128): u128 {
        assert!(b != 0, error::invalid_argument(EDIVISION_BY_ZERO));
        std::u128::divide_and_round_up(a, b)
    }
}
