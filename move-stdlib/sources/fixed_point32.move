/// Unsigned fixed-point numbers: 32 integer and 32 fractional bits. Results round down unless said otherwise.
module std::fixed_point32 {
    /// A number times 2^32.
    struct FixedPoint32 has copy, drop, store {
        value: u64
    }

    const MAX_U64: u128 = 18446744073709551615;

    /// The denominator is zero.
    const EDENOMINATOR: u64 = 0x10001;
    /// The quotient does not fit u64.
    const EDIVISION: u64 = 0x20002;
    /// The product does not fit u64.
    const EMULTIPLICATION: u64 = 0x20003;
    /// The divisor is zero.
    const EDIVISION_BY_ZERO: u64 = 0x10004;
    /// The ratio is too large or, though not zero, too small.
    const ERATIO_OUT_OF_RANGE: u64 = 0x20005;

    /// `val * multiplier`.
    public fun multiply_u64(val: u64, multiplier: FixedPoint32): u64 {
        let product = ((val as u128) * (multiplier.value as u128)) >> 32;
        assert!(product <= MAX_U64, EMULTIPLICATION);
        (product as u64)
    }

    /// `val / divisor`.
    public fun divide_u64(val: u64, divisor: FixedPoint32): u64 {
        assert!(divisor.value != 0, EDIVISION_BY_ZERO);
        let quotient = ((val as u128) << 32) / (divisor.value as u128);
        assert!(quotient <= MAX_U64, EDIVISION);
        (quotient as u64)
    }

    /// `numerator / denominator`; a ratio other than zero must be at least 2^-32.
    public fun create_from_rational(numerator: u64, denominator: u64): FixedPoint32 {
        assert!(denominator != 0, EDENOMINATOR);
        let quotient = ((numerator as u128) << 32) / (denominator as u128);
        assert!(quotient != 0 || numerator == 0, ERATIO_OUT_OF_RANGE);
        assert!(quotient <= MAX_U64, ERATIO_OUT_OF_RANGE);
        FixedPoint32 { value: (quotient as u64) }
    }

    /// A number from its bits.
    public fun create_from_raw_value(value: u64): FixedPoint32 {
        FixedPoint32 { value }
    }

    /// The bits of a number.
    public fun get_raw_value(self: FixedPoint32): u64 {
        self.value
    }

    public fun is_zero(self: FixedPoint32): bool {
        self.value == 0
    }

    public fun min(a: FixedPoint32, b: FixedPoint32): FixedPoint32 {
        if (a.value < b.value) a else b
    }

    public fun max(a: FixedPoint32, b: FixedPoint32): FixedPoint32 {
        if (a.value > b.value) a else b
    }

    /// A whole number, which must be below 2^32.
    public fun create_from_u64(val: u64): FixedPoint32 {
        let value = (val as u128) << 32;
        assert!(value <= MAX_U64, ERATIO_OUT_OF_RANGE);
        FixedPoint32 { value: (value as u64) }
    }

    /// The largest whole number not above.
    public fun floor(self: FixedPoint32): u64 {
        self.value >> 32
    }

    /// The smallest whole number not below.
    public fun ceil(self: FixedPoint32): u64 {
        let whole = self.value >> 32;
        if (self.value == whole << 32) whole else whole + 1
    }

    /// The nearest whole number; halves go up.
    public fun round(self: FixedPoint32): u64 {
        let whole = self.value >> 32;
        if (self.value - (whole << 32) < 1 << 31) whole else whole + 1
    }
}
