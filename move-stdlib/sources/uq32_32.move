/// Unsigned fixed-point numbers with 32 integer and 32 fractional bits. Results are cut, never rounded up.
module std::uq32_32 {
    /// The largest `u64`.
    const MAX: u128 = 0xFFFF_FFFF_FFFF_FFFF;

    /// The denominator of a quotient is zero.
    const EDENOMINATOR: u64 = 0x10001;
    /// A quotient other than zero is below 2^-32.
    const EQUOTIENT_TOO_SMALL: u64 = 0x10002;
    /// The quotient is 2^32 or more.
    const EQUOTIENT_TOO_LARGE: u64 = 0x10003;
    /// The result is below zero, or 2^32 or more.
    const EOVERFLOW: u64 = 0x20004;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 0x10005;

    /// A number times 2^32.
    struct UQ32_32(u64) has copy, drop, store;

    /// `numerator / denominator`.
    public fun from_quotient(numerator: u64, denominator: u64): UQ32_32 {
        assert!(denominator != 0, EDENOMINATOR);
        let quotient = ((numerator as u128) << 32) / (denominator as u128);
        assert!(quotient != 0 || numerator == 0, EQUOTIENT_TOO_SMALL);
        assert!(quotient <= MAX, EQUOTIENT_TOO_LARGE);
        UQ32_32(quotient as u64)
    }

    /// A whole number.
    public fun from_int(integer: u32): UQ32_32 {
        UQ32_32((integer as u64) << 32)
    }

    /// `a + b`
    public fun add(a: UQ32_32, b: UQ32_32): UQ32_32 {
        UQ32_32(narrow((a.0 as u128) + (b.0 as u128)))
    }

    /// `a - b`
    public fun sub(a: UQ32_32, b: UQ32_32): UQ32_32 {
        assert!(a.0 >= b.0, EOVERFLOW);
        UQ32_32(a.0 - b.0)
    }

    /// `a * b`
    public fun mul(a: UQ32_32, b: UQ32_32): UQ32_32 {
        UQ32_32(int_mul(a.0, b))
    }

    /// `a / b`
    public fun div(a: UQ32_32, b: UQ32_32): UQ32_32 {
        UQ32_32(int_div(a.0, b))
    }

    /// The whole part.
    public fun to_int(a: UQ32_32): u32 {
        (a.0 >> 32) as u32
    }

    /// `val * multiplier`
    public fun int_mul(val: u64, multiplier: UQ32_32): u64 {
        narrow((val as u128) * (multiplier.0 as u128) >> 32)
    }

    /// `val / divisor`
    public fun int_div(val: u64, divisor: UQ32_32): u64 {
        assert!(divisor.0 != 0, EDIVISION_BY_ZERO);
        narrow(((val as u128) << 32) / (divisor.0 as u128))
    }

    /// Whether `a <= b`.
    public fun le(a: UQ32_32, b: UQ32_32): bool {
        a.0 <= b.0
    }

    /// Whether `a < b`.
    public fun lt(a: UQ32_32, b: UQ32_32): bool {
        a.0 < b.0
    }

    /// Whether `a >= b`.
    public fun ge(a: UQ32_32, b: UQ32_32): bool {
        a.0 >= b.0
    }

    /// Whether `a > b`.
    public fun gt(a: UQ32_32, b: UQ32_32): bool {
        a.0 > b.0
    }

    /// The bits of a number.
    public fun to_raw(a: UQ32_32): u64 {
        a.0
    }

    /// A number from its bits.
    public fun from_raw(raw_value: u64): UQ32_32 {
        UQ32_32(raw_value)
    }

    fun narrow(value: u128): u64 {
        assert!(value <= MAX, EOVERFLOW);
        value as u64
    }
}
