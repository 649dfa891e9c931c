/// Arithmetic on u64 that the language lacks.
module aptos_std::math64 {
    use std::error;
    use std::fixed_point32::FixedPoint32;
    use aptos_std::fixed_point64::FixedPoint64;
    use aptos_std::math128;

    /// The logarithm of zero is not defined.
    const EINVALID_ARG_FLOOR_LOG2: u64 = 1;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 2;

    public fun max(a: u64, b: u64): u64 {
        if (a >= b) a else b
    }

    public fun min(a: u64, b: u64): u64 {
        if (a < b) a else b
    }

    /// The mean, rounded down, without overflow.
    public fun average(a: u64, b: u64): u64 {
        if (a < b) a + (b - a) / 2 else b + (a - b) / 2
    }

    /// The greatest common divisor; `gcd(a, 0)` is `a`.
    public fun gcd(a: u64, b: u64): u64 {
        while (b != 0) {
            let rest = a % b;
            a = b;
            b = rest;
        };
        a
    }

    /// `x` if it is at least `low` and at most `high`, else the bound.
    public fun clamp(x: u64, low: u64, high: u64): u64 {
        min(high, max(low, x))
    }

    /// `n` to the power `e`.
    public fun pow(n: u64, e: u64): u64 {
        let result = 1;
        loop {
            if (e % 2 == 1) result = result * n;
            e = e / 2;
            if (e == 0) return result;
            n = n * n;
        }
    }

    /// The largest `k` with `2^k <= x`.
    public fun floor_log2(x: u64): u8 {
        assert!(x != 0, error::invalid_argument(EINVALID_ARG_FLOOR_LOG2));
        let log = 0u8;
        let step = 32u8;
        while (step > 0) {
            if (x >= (1u64 << step)) {
                x = x >> step;
                log = log + step;
            };
            step = step >> 1;
        };
        log
    }

    /// The binary logarithm, at most 2^-31 below the exact one.
    public fun log2(x: u64): FixedPoint32 {
        math128::log2(x as u128)
    }

    /// The binary logarithm, at most 2^-62 below the exact one.
    public fun log2_64(x: u64): FixedPoint64 {
        math128::log2_64(x as u128)
    }

    /// The largest `r` with `r * r <= x`.
    public fun sqrt(x: u64): u64 {
        if (x == 0) return 0;
        // One bit of the root after the other, from the top: r * r never passes x, so nothing overflows.
        let bit = floor_log2(x) / 2 + 1;
        let root = 0u64;
        while (bit > 0) {
            bit = bit - 1;
            let candidate = root | (1u64 << bit);
            if (candidate <= x / candidate) root = candidate;
        };
        root
    }

    /// `a * b / c`, rounded down; the product may exceed u64.
    public fun mul_div(a: u64, b: u64, c: u64): u64 {
        assert!(c != 0, error::invalid_argument(EDIVISION_BY_ZERO));
        ((((a as u128) * (b as u128)) / (c as u128)) as u64)
    }

    /// `a / b`, rounded up.
    public fun ceil_div(a: u64, b: u64): u64 {
        assert!(b != 0, error::invalid_argument(EDIVISION_BY_ZERO));
        if (a == 0) 0 else (a - 1) / b + 1
    }
}
