/// Roots, powers, exponentials and logarithms of `FixedPoint32`.
module aptos_std::math_fixed {
    use std::error;
    use std::fixed_point32::{Self, FixedPoint32};
    use aptos_std::fixed_point64;
    use aptos_std::math128;
    use aptos_std::math_fixed64;

    /// The result is 2^32 or more.
    const EOVERFLOW_EXP: u64 = 1;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 2;

    /// ln 2 with 64 fractional bits.
    const LN2_64: u128 = 12786308645202655659;
    /// 2^32 with 64 fractional bits.
    const LIMIT: u128 = 79228162514264337593543950336;

    /// The square root, rounded down.
    public fun sqrt(x: FixedPoint32): FixedPoint32 {
        from_raw(math128::sqrt((fixed_point32::get_raw_value(x) as u128) << 32))
    }

    /// e to the power `x`, which must be below 32 ln 2, about 22.18; rounded down.
    public fun exp(x: FixedPoint32): FixedPoint32 {
        let wide = fixed_point64::create_from_raw_value((fixed_point32::get_raw_value(x) as u128) << 32);
        // What is far out of range here is so there too.
        assert!(fixed_point64::floor(wide) < 44, error::invalid_state(EOVERFLOW_EXP));
        let result = fixed_point64::get_raw_value(math_fixed64::exp(wide));
        assert!(result < LIMIT, error::invalid_state(EOVERFLOW_EXP));
        from_raw(result >> 32)
    }

    /// log2(x) + 32, which is never negative; `x` must not be zero.
    public fun log2_plus_32(x: FixedPoint32): FixedPoint32 {
        // The bits of x are x * 2^32.
        math128::log2(fixed_point32::get_raw_value(x) as u128)
    }

    /// ln(x) + 32 ln 2, which is never negative; `x` must not be zero.
    public fun ln_plus_32ln2(x: FixedPoint32): FixedPoint32 {
        let log = fixed_point32::get_raw_value(log2_plus_32(x)) as u128;
        from_raw(std::u128::mul_div(log, LN2_64, 1 << 64))
    }

    /// `x` to the power `n`, cut after every multiplication.
    public fun pow(x: FixedPoint32, n: u64): FixedPoint32 {
        let base = fixed_point32::get_raw_value(x) as u128;
        let result = 1 << 32;
        loop {
            if (n % 2 == 1) result = narrow(result * base >> 32);
            n = n / 2;
            if (n == 0) return from_raw(result);
            base = narrow(base * base >> 32);
        }
    }

    /// `x * y / z`, rounded down; the product need not fit.
    public fun mul_div(x: FixedPoint32, y: FixedPoint32, z: FixedPoint32): FixedPoint32 {
        assert!(!fixed_point32::is_zero(z), error::invalid_argument(EDIVISION_BY_ZERO));
        let (x, y) = (fixed_point32::get_raw_value(x), fixed_point32::get_raw_value(y));
        fixed_point32::create_from_raw_value(std::u64::mul_div(x, y, fixed_point32::get_raw_value(z)))
    }

    /// Fails as arithmetic does when the number does not fit.
    fun narrow(raw: u128): u128 {
        (raw as u64) as u128
    }

    fun from_raw(raw: u128): FixedPoint32 {
        fixed_point32::create_from_raw_value(raw as u64)
    }
}
