/// Functions on `u32`, also called as methods: `x.max(y)`.
module std::u32 {
    use std::option::{Self, Option};
    use std::string::{Self, String};

    /// The largest number.
    const MAX: u32 = 0xFFFF_FFFF;

    /// Every bit the other way round.
    public fun bitwise_not(x: u32): u32 {
        x ^ MAX
    }

    /// The larger one.
    public fun max(x: u32, y: u32): u32 {
        if (x > y) x else y
    }

    /// The smaller one.
    public fun min(x: u32, y: u32): u32 {
        if (x < y) x else y
    }

    /// The distance between two numbers.
    public fun diff(x: u32, y: u32): u32 {
        if (x > y) x - y else y - x
    }

    /// `x / y`, rounded up.
    public fun divide_and_round_up(x: u32, y: u32): u32 {
        if (x % y == 0) x / y else x / y + 1
    }

    /// `base` to the power `exponent`; `pow(0, 0)` is 1.
    public fun pow(base: u32, exponent: u8): u32 {
        let result: u32 = 1;
        loop {
            if (exponent % 2 == 1) result = result * base;
            exponent = exponent / 2;
            // The square that nobody needs may not fit.
            if (exponent == 0) return result;
            base = base * base;
        }
    }

    /// The largest `r` with `r * r <= x`.
    public fun sqrt(x: u32): u32 {
        // Two bits of the rest make one bit of the root, from the top.
        let root: u32 = 0;
        let bit: u32 = 1 << 30;
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
    public fun try_as_u8(x: u32): Option<u8> {
        if (x > 0xFF) option::none() else option::some(x as u8)
    }

    /// The number as `u16`, if it fits.
    public fun try_as_u16(x: u32): Option<u16> {
        if (x > 0xFFFF) option::none() else option::some(x as u16)
    }

    /// The decimal digits.
    public fun to_string(x: u32): String {
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
    public fun checked_add(x: u32, y: u32): Option<u32> {
        if (y > MAX - x) option::none() else option::some(x + y)
    }

    /// `x - y`, if it is not below zero.
    public fun checked_sub(x: u32, y: u32): Option<u32> {
        if (y > x) option::none() else option::some(x - y)
    }

    /// `x * y`, if it fits.
    public fun checked_mul(x: u32, y: u32): Option<u32> {
        if (y != 0 && x > MAX / y) option::none() else option::some(x * y)
    }

    /// `x / y`, if `y` is not zero.
    public fun checked_div(x: u32, y: u32): Option<u32> {
        if (y == 0) option::none() else option::some(x / y)
    }

    /// `x + y`, or the largest number.
    public fun saturating_add(x: u32, y: u32): u32 {
        if (y > MAX - x) MAX else x + y
    }

    /// `x - y`, or zero.
    public fun saturating_sub(x: u32, y: u32): u32 {
        if (y > x) 0 else x - y
    }

    /// `x * y`, or the largest number.
    public fun saturating_mul(x: u32, y: u32): u32 {
        if (y != 0 && x > MAX / y) MAX else x * y
    }

    /// `x * y / z`, rounded down; the product need not fit.
    public fun mul_div(x: u32, y: u32, z: u32): u32 {
        ((x as u64) * (y as u64) / (z as u64)) as u32
    }

    /// `x * y / z`, rounded up; the product need not fit.
    public fun mul_div_ceil(x: u32, y: u32, z: u32): u32 {
        std::u64::divide_and_round_up((x as u64) * (y as u64), z as u64) as u32
    }

    /// The largest number.
    public macro fun max_value(): u32 {
        0xFFFF_FFFF
    }

    /// Applies `f` to the numbers from `start` up to, not including, `stop`.
    public macro fun range_do<$R: drop>($start: u32, $stop: u32, $f: |u32| -> $R) {
        let mut i = $start;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    /// Applies `f` to the numbers from `start` up to `stop`.
    public macro fun range_do_eq<$R: drop>($start: u32, $stop: u32, $f: |u32| -> $R) {
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
    public macro fun do<$R: drop>($stop: u32, $f: |u32| -> $R) {
        let mut i = 0;
        let stop = $stop;
        while (i < stop) {
            $f(i);
            i = i + 1;
        }
    }

    /// Applies `f` to the numbers from 0 up to `stop`.
    public macro fun do_eq<$R: drop>($stop: u32, $f: |u32| -> $R) {
        let mut i = 0;
        let stop = $stop;
        loop {
            $f(i);
            if (i == stop) break;
            i = i + 1;
        }
    }
}
