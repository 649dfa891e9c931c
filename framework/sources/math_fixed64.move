/// Roots, powers, exponentials and logarithms of `FixedPoint64`.
module aptos_std::math_fixed64 {
    use std::error;
    use std::u256;
    use aptos_std::fixed_point64::{Self, FixedPoint64};
    use aptos_std::math128;

    /// The result is 2^64 or more.
    const EOVERFLOW_EXP: u64 = 1;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 2;

    /// ln 2 with 127 fractional bits.
    const LN2_127: u256 = 117932881612756647068972071382077242199;
    /// 1 with 127 fractional bits.
    const ONE_127: u256 = 170141183460469231731687303715884105728;

    /// The square root, rounded down.
    public fun sqrt(x: FixedPoint64): FixedPoint64 {
        from_raw(u256::sqrt((fixed_point64::get_raw_value(x) as u256) << 64))
    }

    /// e to the power `x`, which must be below 64 ln 2, about 44.36; off by at most a 2^-120th part
    /// before it is rounded down.
    public fun exp(x: FixedPoint64): FixedPoint64 {
        // x = doublings * ln 2 + rest
        let scaled = (fixed_point64::get_raw_value(x) as u256) << 63;
        let doublings = scaled / LN2_127;
        assert!(doublings < 64, error::invalid_state(EOVERFLOW_EXP));
        let rest = scaled % LN2_127;
        // The series of e^rest, whose terms vanish after some thirty.
        let sum = 0;
        let term = ONE_127;
        let n = 1;
        while (term != 0) {
            sum = sum + term;
            term = (term * rest >> 127) / n;
            n = n + 1;
        };
        from_raw(sum >> (63 - (doublings as u8)))
    }

    /// log2(x) + 64, which is never negative; `x` must not be zero.
    public fun log2_plus_64(x: FixedPoint64): FixedPoint64 {
        // The bits of x are x * 2^64.
        math128::log2_64(fixed_point64::get_raw_value(x))
    }

    /// ln(x) + 64 ln 2, which is never negative, though Aptos' name for it says 32; `x` must not be zero.
    public fun ln_plus_32ln2(x: FixedPoint64): FixedPoint64 {
        let log = fixed_point64::get_raw_value(log2_plus_64(x)) as u256;
        from_raw(log * LN2_127 >> 127)
    }

    /// `x` to the power `n`, cut after every multiplication.
    public fun pow(x: FixedPoint64, n: u64): FixedPoint64 {
        let base = fixed_point64::get_raw_value(x) as u256;
        let result = 1 << 64;
        loop {
            if (n % 2 == 1) result = narrow(result * base >> 64);
            n = n / 2;
            if (n == 0) return from_raw(result);
            base = narrow(base * base >> 64);
        }
    }

    /// `x * y / z`, rounded down; the product need not fit.
    public fun mul_div(x: FixedPoint64, y: FixedPoint64, z: FixedPoint64): FixedPoint64 {
        assert!(!fixed_point64::is_zero(z), error::invalid_argument(EDIVISION_BY_ZERO));
        let product = (fixed_point64::get_raw_value(x) as u256) * (fixed_point64::get_raw_value(y) as u256);
        from_raw(product / (fixed_point64::get_raw_value(z) as u256))
    }

    /// Fails as arithmetic does when the number does not fit.
    fun narrow(raw: u256): u256 {
        (raw as u128) as u256
    }

    fun from_raw(raw: u256): FixedPoint64 {
        fixed_point64::create_from_raw_value(raw as u128)
    }
}
