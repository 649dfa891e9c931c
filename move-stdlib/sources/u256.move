/// Functions on `u256`, also called as methods: `x.max(y)`.
module std::u256 {
    use std::option::{Self, Option};
    use std::string::{Self, String};

    /// The largest number.
    const MAX: u256 = 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF;

    /// Every bit the other way round.
    public fun bitwise_not(x: u256): u256 {
        x ^ MAX
    }

    /// The larger one.
    public fun max(x: u256, y: u256): u256 {
        if (x > y) x else y
    }

    /// The smaller one.
    public fun min(x: u256, y: u256): u256 {
        if (x < y) x else y
    }

    /// The distance between two numbers.
    public fun diff(x: u256, y: u256): u256 {
        if (x > y) x - y else y - x
    }

    /// `x / y`, rounded up.
    public fun divide_and_round_up(x: u256, y: u256): u256 {
        if (x % y == 0) x / y else x / y + 1
    }

    /// `base` to the power `exponent`; `pow(0, 0)` is 1.
    public fun pow(base: u256, exponent: u8): u256 {
        let result: u256 = 1;
        loop {
            if (exponent % 2 == 1) result = result * base;
            exponent = exponent / 2;
            // The square that nobody needs may not fit.
            if (exponent == 0) return result;
            base = base * base;
        }
    }

    /// The largest `r` with `r * r <= x`.
    public fun sqrt(x: u256): u256 {
        // Two bits of the rest make one bit of the root, from the top.
        let root: u256 = 0;
        let bit: u256 = 1 << 254;
        while (bit != 0) {
            let candidate = root + bit;
            root = root >> 1;
            if (x >= candidate) {
                x = x - candidate;
                root = root + bit;
            };
            bit = bit >> 2;
        };
        root
    }

    /// The number as `u8`, if it fits.
    public fun try_as_u8(x: u256): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    /// The number as `u16`, if it fits.
    public fun try_as_u16(x: u256): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    /// The number as `u32`, if it fits.
    public fun try_as_u32(x: u256): Option<u32> {
        if (x > 0xFFFF_FFFF) option::none() else option::some(x as u32)
    }

    /// The number as `u64`, if it fits.
    public fun try_as_u64(x: u256): Option<u64> {
        if (x > 0xFFFF_FFFF_FFFF_FFFF) option::none() else option::some(x as u64)
    }

    /// The number as `u128`, if it fits.
    public fun try_as_u128(x: u256): Option<u128> {
        if (x > 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF) option::none() else option::some(x as u128)
    }

    /// The decimal digits.
    public fun to_string(x: u256): String {
        let digits = vector[];
        loop {
            digits.push_back(48 + ((x % 10) as u8));
            x = x / 10;
            if (x == 0) break
        };
        digits.reverse();
        string::utf8(digits)
    }

    /// `x + y`, if it fits.
    public fun checked_add(x: u256, y: u256): Option<u256> {
        if (y > MAX - x) option::none() else option::some(x + y)
    }

    /// `x - y`, if it is not below zero.
    public fun checked_sub(x: u256, y: u256): Option<u256> {
        if (y > x) option::none() else option::some(x - y)
    }

    /// `x * y`, if it fits.
    public fun checked_mul(x: u256, y: u256): Option<u256> {
        if (y != 0 && x > MAX / y) option::none() else option::some(x * y)
    }

    /// `x / y`, if `y` is not zero.
    public fun checked_div(x: u256, y: u256): Option<u256> {
        if (y == 0) option::none() else option::some(x / y)
    }

    /// `x + y`, or the largest number.
    public fun saturating_add(x: u256, y: u256): u256 {
        if (y > MAX - x) MAX else x + y
    }

    /// `x - y`, or zero.
    public fun saturating_sub(x: u256, y: u256): u256 {
        if (y > x) 0 else x - y
    }

    /// `x * y`, or the largest number.
    public fun saturating_mul(x: u256, y: u256): u256 {
        if (y != 0 && x > MAX / y) MAX else x * y
    }

    /// The largest number.
    public macro fun max_value(): u256 {
        0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF
    }

    /// Applies `f` to the numbers from `start` up to, not including, `stop`.
    public macro fun range_do<$R: drop>($start: u256, $stop: u256, $f: |u256| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    /// Applies `f` to the numbers from `start` up to `stop`.
    public macro fun range_do_eq<$R: drop>($start: u256, $stop: u256, $f: |u256| -> $R) {
        let mut i = $start;
        let stop = $stop;
        // `stop` may be the largest number: `i` never passes it.
        while (i <= stop) {
            $f(i);
            if (i == stop) break;
            i = i + 1;
        }
    }

    /// Applies `f` to the numbers from 0 up to, not including, `stop`.
    public macro fun do<$R: drop>($stop: u256, $f: |u256| -> $R) {
        let mut i = 0;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    /// Applies `f` to the numbers from 0 up to `stop`.
    public macro fun do_eq<$R: drop>($stop: u256, $f: |u256| -> $R) {
        let mut i = 0;
        let stop = $stop;
        loop {
            $f(i);
            if (i == stop) break;
            i = i + 1;
        }
    }
}
