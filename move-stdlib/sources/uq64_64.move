/// Unsigned fixed-point numbers with 64 integer and 64 fractional bits. Results are cut, never rounded up.
module std::uq64_64 {
    /// The largest `u128`.
    const MAX: u256 = 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF;

    /// The denominator of a quotient is zero.
    const EDENOMINATOR: u64 = 0x10001;
    /// A quotient other than zero is below 2^-64.
    const EQUOTIENT_TOO_SMALL: u64 = 0x10002;
    /// The quotient is 2^64 or more.
    const EQUOTIENT_TOO_LARGE: u64 = 0x10003;
    /// The result is below zero, or 2^64 or more.
    const EOVERFLOW: u64 = 0x20004;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 0x10005;

    /// A number times 2^64.
    struct UQ64_64(u128) has copy, drop, store;

    /// `numerator / denominator`.
    public fun from_quotient(numerator: u128, denominator: u128): UQ64_64 {
        assert!(denominator != 0, EDENOMINATOR);
        let quotient = ((numerator as u256) << 64) / (denominator as u256);
        assert!(quotient != 0 || numerator == 0, EQUOTIENT_TOO_SMALL);
        assert!(quotient <= MAX, EQUOTIENT_TOO_LARGE);
        UQ64_64(quotient as u128)
    }

    /// A whole number.
    public fun from_int(integer: u64): UQ64_64 {
        UQ64_64((integer as u128) << 64)
    }

    /// `a + b`
    public fun add(a: UQ64_64, b: UQ64_64): UQ64_64 {
        UQ64_64(narrow((a.0 as u256) + (b.0 as u256)))
    }

    /// `a - b`
    public fun sub(a: UQ64_64, b: UQ64_64): UQ64_64 {
        assert!(a.0 >= b.0, EOVERFLOW);
        UQ64_64(a.0 - b.0)
    }

    /// `a * b`
    public fun mul(a: UQ64_64, b: UQ64_64): UQ64_64 {
        UQ64_64(int_mul(a.0, b))
    }

    /// `a / b`
    public fun div(a: UQ64_64, b: UQ64_64): UQ64_64 {
        UQ64_64(int_div(a.0, b))
    }

    /// The whole part.
    public fun to_int(a: UQ64_64): u64 {
        (a.0 >> 64) as u64
    }

    /// `val * multiplier`
    public fun int_mul(val: u128, multiplier: UQ64_64): u128 {
        narrow((val as u256) * (multiplier.0 as u256) >> 64)
    }

    /// `val / divisor`
    public fun int_div(val: u128, divisor: UQ64_64): u128 {
        assert!(divisor.0 != 0, EDIVISION_BY_ZERO);
        narrow(((val as u256) << 64) / (divisor.0 as u256))
    }

    /// Whether `a <= b`.
    public fun le(a: UQ64_64, b: UQ64_64): bool {
        a.0 <= b.0
    }

    /// Whether `a < b`.
    public fun lt(a: UQ64_64, b: UQ64_64): bool {
        a.0 < b.0
    }

    /// Whether `a >= b`.
    public fun ge(a: UQ64_64, b: UQ64_64): bool {
        a.0 >= b.0
    }

    /// Whether `a > b`.
    public fun gt(a: UQ64_64, b: UQ64_64): bool {
        a.0 > b.0
    }

    /// The bits of a number.
    public fun to_raw(a: UQ64_64): u128 {
        a.0
    }

    /// A number from its bits.
    public fun from_raw(raw_value: u128): UQ64_64 {
        UQ64_64(raw_value)
    }

    fun narrow(value: u256): u128 {
        assert!(value <= MAX, EOVERFLOW);
        value as u128
    }
}
