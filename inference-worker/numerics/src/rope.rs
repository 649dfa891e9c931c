//! Makes rotary tables in integer arithmetic.
//!
//! Numbers are fixed-point with 120 fractional bits; an angle is a fraction of a turn in 128 bits, so that whole turns
//! fall off by overflow. Each result carries an error below 2^-90 and is then rounded once to f32, ties to even: no
//! platform's `sin`, `cos` or `pow` takes part.
//!
//! `angle(position, j) = position * base^(-2j / head_dim)`, `0 <= j < head_dim / 2`.

use crate::limits::POSITIONS_MAX;

const FRACTION: u32 = 120;
const ONE: i128 = 1 << FRACTION;
/// Largest factor of [`divided_table`].
pub const FACTOR_MAX: f32 = 65_536.0;

/// Cosines and sines of all angles of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `positions` x `head_dim / 2`.
    pub cos: Vec<f32>,
    /// `positions` x `head_dim / 2`.
    pub sin: Vec<f32>,
}

/// How angles are stretched. Factors are in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stretch {
    /// Not at all.
    None,
    /// All angles are divided by the factor.
    Linear {
        /// The factor.
        factor_milli: u32,
    },
    /// Frequencies that turn less than `low` times in `context` positions are divided by the factor, those that turn
    /// more than `high` times are kept, and between the two is a straight line.
    Bands {
        /// The factor.
        factor_milli: u32,
        /// Turns below which angles are divided.
        low_milli: u32,
        /// Turns above which they are kept; more than `low_milli`.
        high_milli: u32,
        /// Positions the model was first trained with.
        context: u32,
    },
}

impl Stretch {
    /// The stretched frequency; both in turns per position, as fractions of 2^128.
    fn apply(self, turns: u128) -> u128 {
        let divide = |factor_milli: u32| {
            let factor = u128::from(factor_milli);
            turns / factor * 1_000 + turns % factor * 1_000 / factor
        };
        match self {
            Self::None => turns,
            Self::Linear { factor_milli } => divide(factor_milli),
            Self::Bands { factor_milli, low_milli, high_milli, context } => {
                // Thousandths of turns in `context` positions, with 64 fractional bits.
                let seen = (turns >> 64) * u128::from(context) * 1_000;
                let (low, high) = (u128::from(low_milli) << 64, u128::from(high_milli) << 64);
                if seen <= low {
                    return divide(factor_milli);
                }
                if seen >= high {
                    return turns;
                }
                let share = (seen - low) / u128::from(high_milli - low_milli);
                let (slow, gap) = (divide(factor_milli), turns - divide(factor_milli));
                slow + (gap >> 64) * share + (((gap & u128::from(u64::MAX)) * share) >> 64)
            }
        }
    }
}

/// Makes the table of positions `0..positions`.
///
/// # Panics
/// If `base < 2`, `head_dim` is odd or 0, or `positions` exceeds the limit: importers check shapes first.
#[must_use]
pub fn table(base: u64, head_dim: usize, positions: usize) -> Table {
    stretched_table(base, head_dim, positions, Stretch::None)
}

/// Makes the table of positions `0..positions` with stretched angles.
///
/// # Panics
/// As [`table`]; also for a factor below 1 or bands in the wrong order.
#[must_use]
pub fn stretched_table(base: u64, head_dim: usize, positions: usize, stretch: Stretch) -> Table {
    assert!(base >= 2 && head_dim > 0 && head_dim.is_multiple_of(2), "a rotary shape");
    assert!(positions <= POSITIONS_MAX, "{positions} positions exceed {POSITIONS_MAX}");
    match stretch {
        Stretch::None => {}
        Stretch::Linear { factor_milli } => assert!(factor_milli >= 1_000, "a factor of at least 1"),
        Stretch::Bands { factor_milli, low_milli, high_milli, .. } => {
            assert!(factor_milli >= 1_000 && low_milli < high_milli, "a factor of at least 1 and two bands");
        }
    }
    build(base, head_dim, positions, |_, turns| stretch.apply(turns))
}

/// Makes the table of positions `0..positions` with every angle divided by a factor of its own: heads are twice as wide
/// as there are factors. The quotients are rounded down, far below the one rounding to f32.
///
/// # Panics
/// As [`table`]; also for a factor that is not from 1 to [`FACTOR_MAX`].
#[must_use]
pub fn divided_table(base: u64, factors: &[f32], positions: usize) -> Table {
    assert!(base >= 2 && !factors.is_empty(), "a rotary shape");
    assert!(positions <= POSITIONS_MAX, "{positions} positions exceed {POSITIONS_MAX}");
    assert!(factors.iter().all(|factor| (1.0..=FACTOR_MAX).contains(factor)), "factors from 1 to {FACTOR_MAX}");
    build(base, 2 * factors.len(), positions, |j, turns| divide(turns, factors[j]))
}

/// `turns / factor`, rounded down. The factor is a whole number of 24 bits divided by a power of two.
fn divide(turns: u128, factor: f32) -> u128 {
    let bits = factor.to_bits();
    let shift = 127 + 23 - (bits >> 23);
    let whole = u128::from(bits & 0x007f_ffff | 0x0080_0000);
    ((turns / whole) << shift) + (((turns % whole) << shift) / whole)
}

/// Tables of the frequencies that `change` makes of the plain ones.
fn build(base: u64, head_dim: usize, positions: usize, change: impl Fn(usize, u128) -> u128) -> Table {
    let constants = Constants::new();
    let frequency = |j| change(j, constants.turns_per_position(base, j, head_dim));
    let turns: Vec<u128> = (0..head_dim / 2).map(frequency).collect();
    let mut table = Table { cos: Vec::new(), sin: Vec::new() };
    table.cos.reserve_exact(positions * turns.len());
    table.sin.reserve_exact(positions * turns.len());
    for position in 0..positions as u128 {
        for &turns in &turns {
            let (cos, sin) = constants.cos_sin(position.wrapping_mul(turns));
            table.cos.push(to_f32(cos));
            table.sin.push(to_f32(sin));
        }
    }
    table
}

/// Cosines and sines of parts of a turn.
pub(crate) struct Turns(Constants);

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Constants::new())
    }

    /// Cosine and sine of a fraction of 2^128 of a turn, each rounded once.
    pub(crate) fn cos_sin(&self, turns: u128) -> (f32, f32) {
        let (cos, sin) = self.0.cos_sin(turns);
        (to_f32(cos), to_f32(sin))
    }
}

struct Constants {
    ln2: i128,
    two_pi: i128,
}

impl Constants {
    fn new() -> Self {
        // ln 2 = 2 atanh(1/3); Machin: pi = 16 atan(1/5) - 4 atan(1/239).
        Self { ln2: 2 * atanh(1, 3), two_pi: 2 * (16 * atan_inverse(5) - 4 * atan_inverse(239)) }
    }

    /// `base^(-2j / head_dim) / 2 pi` as a fraction of 2^128.
    fn turns_per_position(&self, base: u64, j: usize, head_dim: usize) -> u128 {
        let exponent = base.ilog2();
        let power = 1u128 << exponent;
        let ln = i128::from(exponent) * self.ln2 + 2 * atanh(u128::from(base) - power, u128::from(base) + power);
        let y = ln / head_dim as i128 * (2 * j) as i128;
        let halvings = y / self.ln2;
        let frequency = exp_negative(y - halvings * self.ln2) >> halvings;
        ratio(frequency.unsigned_abs(), self.two_pi.unsigned_abs(), 128)
    }

    /// Cosine and sine of an angle in turns: the nearest quarter turn, then Taylor series within an eighth.
    fn cos_sin(&self, turns: u128) -> (i128, i128) {
        let quarter = turns.wrapping_add(1 << 125) >> 126;
        let rest = turns.wrapping_sub(quarter << 126) as i128;
        let x = multiply(rest >> (128 - FRACTION), self.two_pi);
        let square = multiply(x, x);
        let (cos, sin) = (alternating(ONE, square, 1), alternating(x, square, 2));
        match quarter {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        }
    }
}

/// `first - first * square / (k (k+1)) + ...` with `k` growing by 2: cosine from `k = 1`, sine from `k = 2`.
fn alternating(first: i128, square: i128, mut k: i128) -> i128 {
    let (mut term, mut sum) = (first, first);
    while term != 0 {
        term = -multiply(term, square) / (k * (k + 1));
        sum += term;
        k += 2;
    }
    sum
}

/// `exp(-x)` for `0 <= x < ln 2`.
fn exp_negative(x: i128) -> i128 {
    let (mut term, mut sum, mut k) = (ONE, ONE, 1);
    while term != 0 {
        term = -multiply(term, x) / k;
        sum += term;
        k += 1;
    }
    sum
}

/// `atanh(numerator / denominator)` for a ratio of at most 1/3.
fn atanh(numerator: u128, denominator: u128) -> i128 {
    let z = ratio(numerator, denominator, FRACTION) as i128;
    let square = multiply(z, z);
    let (mut power, mut sum, mut k) = (z, 0, 1);
    while power != 0 {
        sum += power / k;
        power = multiply(power, square);
        k += 2;
    }
    sum
}

/// `atan(1 / n)`.
fn atan_inverse(n: i128) -> i128 {
    let (mut power, mut sum, mut k) = (ONE / n, 0, 1);
    while power != 0 {
        sum += power / k;
        power = -power / (n * n);
        k += 2;
    }
    sum
}

/// `floor(numerator * 2^bits / denominator)` by long division, for a ratio below 1.
fn ratio(numerator: u128, denominator: u128, bits: u32) -> u128 {
    assert!(numerator < denominator && denominator < 1 << 127, "a ratio below 1");
    let (mut rest, mut quotient) = (numerator, 0u128);
    for _ in 0..bits {
        rest <<= 1;
        let digit = rest >= denominator;
        if digit {
            rest -= denominator;
        }
        quotient = quotient << 1 | u128::from(digit);
    }
    quotient
}

/// Product of two fixed-point numbers, the magnitude rounded down.
fn multiply(a: i128, b: i128) -> i128 {
    let magnitude = multiply_magnitudes(a.unsigned_abs(), b.unsigned_abs()) as i128;
    if (a < 0) == (b < 0) { magnitude } else { -magnitude }
}

fn multiply_magnitudes(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
    let low = a0 * b0;
    let (middle_a, middle_b) = (a1 * b0, a0 * b1);
    let carry = ((low >> 64) + (middle_a & LOW) + (middle_b & LOW)) >> 64;
    let high = a1 * b1 + (middle_a >> 64) + (middle_b >> 64) + carry;
    let low = a.wrapping_mul(b);
    assert!(high >> FRACTION == 0, "products stay below 2^8");
    high << (128 - FRACTION) | low >> FRACTION
}

/// Rounds to f32, ties to even.
fn to_f32(x: i128) -> f32 {
    let magnitude = x.unsigned_abs();
    if magnitude == 0 {
        return 0.0;
    }
    let width = 128 - magnitude.leading_zeros();
    let rounded = if width <= 24 {
        magnitude << (24 - width)
    } else {
        let shift = width - 24;
        let (kept, rest, half) = (magnitude >> shift, magnitude & ((1 << shift) - 1), 1 << (shift - 1));
        kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
    };
    // `rounded` has 24 bits, or is 2^24: exact as f32, and so are both scalings by powers of two.
    let fraction = rounded as f32 * f32::from_bits((127 - 23) << 23);
    let value = fraction * f32::from_bits((width + 126 - FRACTION) << 23);
    if x < 0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_right() {
        let constants = Constants::new();
        // The first 30 decimals of ln 2 and 2 pi, scaled by 10^30 and compared with 96 bits.
        let decimals = |x: i128, whole: i128| {
            let mut rest = (x - whole * ONE).unsigned_abs();
            (0..30).fold(String::new(), |text, _| {
                rest *= 10;
                let digit = rest >> FRACTION;
                rest &= (1 << FRACTION) - 1;
                text + &digit.to_string()
            })
        };
        assert_eq!(decimals(constants.ln2, 0), "693147180559945309417232121458");
        assert_eq!(decimals(constants.two_pi, 6), "283185307179586476925286766559");
    }

    #[test]
    fn tables_agree_with_double_precision() {
        for (base, head_dim) in [(10_000, 64), (100_000, 64), (500_000, 128), (2, 2), (1_000_003, 6)] {
            let positions = 300;
            let table = table(base, head_dim, positions);
            for (i, (cos, sin)) in table.cos.iter().zip(&table.sin).enumerate() {
                let (position, j) = (i / (head_dim / 2), i % (head_dim / 2));
                let angle = position as f64 * (base as f64).powf(-2.0 * j as f64 / head_dim as f64);
                // Double precision carries an error of about 1e-13 here, far below half a unit of f32.
                assert!((f64::from(*cos) - angle.cos()).abs() <= 3.1e-8, "cos {base} {position} {j}");
                assert!((f64::from(*sin) - angle.sin()).abs() <= 3.1e-8, "sin {base} {position} {j}");
            }
        }
    }

    #[test]
    fn rounding_is_to_nearest_even() {
        assert_eq!(to_f32(0), 0.0);
        assert_eq!(to_f32(ONE), 1.0);
        assert_eq!(to_f32(-ONE / 2), -0.5);
        assert_eq!(to_f32(ONE + (ONE >> 24)), 1.0);
        assert_eq!(to_f32(ONE + (ONE >> 24) + 1), f32::from_bits(0x3f80_0001));
        assert_eq!(to_f32(ONE + 3 * (ONE >> 24)), f32::from_bits(0x3f80_0002));
        assert_eq!(to_f32(2 * ONE - 1), 2.0);
        assert_eq!(to_f32(1), f32::from_bits((127 - 120) << 23));
    }

    #[test]
    fn stretched_angles_are_close_to_their_formulas() {
        let bands = Stretch::Bands { factor_milli: 8_000, low_milli: 1_000, high_milli: 4_000, context: 8_192 };
        for (stretch, base) in [(Stretch::Linear { factor_milli: 2_500 }, 10_000u64), (bands, 500_000)] {
            let table = stretched_table(base, 64, 40, stretch);
            for j in 0..32 {
                let plain = (base as f64).powf(-(2.0 * j as f64) / 64.0);
                let turns = 8_192.0 * plain / std::f64::consts::TAU;
                let frequency = match stretch {
                    Stretch::Linear { .. } => plain / 2.5,
                    _ if turns < 1.0 => plain / 8.0,
                    _ if turns > 4.0 => plain,
                    _ => {
                        let share = (turns - 1.0) / 3.0;
                        (1.0 - share) * plain / 8.0 + share * plain
                    }
                };
                let (cos, sin) = (table.cos[39 * 32 + j], table.sin[39 * 32 + j]);
                assert!((f64::from(cos) - (39.0 * frequency).cos()).abs() < 1e-7, "cosine of frequency {j}");
                assert!((f64::from(sin) - (39.0 * frequency).sin()).abs() < 1e-7, "sine of frequency {j}");
            }
        }
        assert_eq!(
            stretched_table(10_000, 8, 9, Stretch::Linear { factor_milli: 1_000 }).cos[..36],
            table(10_000, 8, 9).cos[..36]
        );
    }

    #[test]
    fn one_factor_per_frequency() {
        // LLaMA 3's bands as files carry them: their rounding shows in the last digits only.
        let bands = Stretch::Bands { factor_milli: 8_000, low_milli: 1_000, high_milli: 4_000, context: 8_192 };
        let factors: Vec<f32> = (0..32)
            .map(|j| {
                let plain = 500_000f64.powf(-2.0 * f64::from(j) / 64.0);
                let share = ((8_192.0 * plain / std::f64::consts::TAU - 1.0) / 3.0).clamp(0.0, 1.0);
                (1.0 / ((1.0 - share) / 8.0 + share)) as f32
            })
            .collect();
        let (banded, divided) = (stretched_table(500_000, 64, 40, bands), divided_table(500_000, &factors, 40));
        for (a, b) in banded.cos.iter().chain(&banded.sin).zip(divided.cos.iter().chain(&divided.sin)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        assert_eq!(divided_table(10_000, &[1.0; 4], 9), table(10_000, 8, 9));
        let linear = stretched_table(10_000, 8, 9, Stretch::Linear { factor_milli: 2_500 });
        assert_eq!(divided_table(10_000, &[2.5; 4], 9), linear);
        assert_eq!(divide(u128::MAX, 1.0), u128::MAX);
        assert_eq!(divide(7 << 100, 1.75), 4 << 100);
    }
}
