//! What drawing needs beside what texts need: norms over groups of channels, three activations, noise, the steps of the
//! sampler, and pixels.
//!
//! Images lie place after place, row by row from the top left, the channels of a place side by side. A convolution is a
//! product: one activation row per place of its result, which holds the places under the kernel from the top left, row by
//! row, the channels of each side by side, zeros where the kernel reaches past the edge.

#[cfg(any(test, target_arch = "x86_64"))]
use crate::Kernel;
use crate::rope::{self, Turns};
use crate::{Arithmetic, Draws, NumericsError};

/// What the values of a group are shifted and stretched by.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupFactors {
    /// Their mean.
    pub mean: f32,
    /// `1 / sqrt(mean square of what is left + epsilon)`.
    pub factor: f32,
}

/// Channels of an image that one norm treats together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Channels of the image.
    pub channels: usize,
    /// First channel of the group.
    pub first: usize,
    /// Channels of the group.
    pub count: usize,
}

/// Noise levels of one step of the sampler: shares of the image's variance, before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Before the step.
    pub from: f32,
    /// After the step.
    pub to: f32,
}

/// The formulas. They are inlined, so that they can be compiled for a processor's features as well.
mod plain {
    use super::{Group, GroupFactors, Levels};
    use crate::NumericsError;
    use crate::scalar::{ROUND, exp, gelu, sum, sum_of_squares};

    const QUICK: f32 = f32::from_bits(0x3fd9_db23); // 1.702
    const HALF: f32 = 0.5;

    #[inline(always)]
    pub(super) fn silu(x: &mut [f32]) {
        for x in x {
            *x /= 1.0 + exp(-*x);
        }
    }

    #[inline(always)]
    pub(super) fn quick_gelu(x: &mut [f32]) {
        for x in x {
            *x /= 1.0 + exp(-(QUICK * *x));
        }
    }

    #[inline(always)]
    pub(super) fn geglu(x: &mut [f32], gate: &mut [f32]) {
        gelu(gate);
        for (x, gate) in x.iter_mut().zip(gate) {
            *x *= *gate;
        }
    }

    #[inline(always)]
    pub(super) fn group_factors(x: &[f32], group: Group, epsilon: f32) -> Result<GroupFactors, NumericsError> {
        let Group { channels, first, count } = group;
        let mut values = Vec::with_capacity(x.len() / channels * count);
        for place in x.chunks_exact(channels) {
            values.extend_from_slice(&place[first..first + count]);
        }
        let all = values.len() as f32;
        let mean = sum(&values) / all;
        for value in &mut values {
            *value -= mean;
        }
        let squares = sum_of_squares(&values);
        if !squares.is_finite() {
            return Err(NumericsError::NonFinite { what: "a sum of squares" });
        }
        Ok(GroupFactors { mean, factor: 1.0 / (squares / all + epsilon).sqrt() })
    }

    #[inline(always)]
    pub(super) fn group_norm(x: &mut [f32], factors: &[GroupFactors], gain: &[f32], bias: &[f32]) {
        let count = x.len() / factors.len();
        let groups = x.chunks_exact_mut(count).zip(gain.chunks_exact(count)).zip(bias.chunks_exact(count));
        for (((x, gain), bias), group) in groups.zip(factors) {
            for ((x, gain), bias) in x.iter_mut().zip(gain).zip(bias) {
                *x = ((*x - group.mean) * group.factor).mul_add(*gain, *bias);
            }
        }
    }

    #[inline(always)]
    pub(super) fn guide(without: &mut [f32], with: &[f32], weight: f32) {
        for (without, with) in without.iter_mut().zip(with) {
            *without = weight.mul_add(with - *without, *without);
        }
    }

    #[inline(always)]
    pub(super) fn denoise(x: &mut [f32], noise: &[f32], levels: Levels) {
        let (signal, rest) = (levels.from.sqrt(), (1.0 - levels.from).sqrt());
        let (next_signal, next_rest) = (levels.to.sqrt(), (1.0 - levels.to).sqrt());
        for (x, noise) in x.iter_mut().zip(noise) {
            let clean = (-rest).mul_add(*noise, *x) / signal;
            *x = next_signal.mul_add(clean, next_rest * noise);
        }
    }

    #[inline(always)]
    pub(super) fn scale(x: &mut [f32], divisor: f32) {
        for x in x {
            *x /= divisor;
        }
    }

    #[inline(always)]
    pub(super) fn pixels(x: &[f32], out: &mut [u8]) {
        for (out, x) in out.iter_mut().zip(x) {
            let value = x.mul_add(HALF, HALF);
            let value = if value > 0.0 { value } else { 0.0 };
            let value = if value < 1.0 { value } else { 1.0 };
            *out = ((value * 255.0 + ROUND).to_bits() - ROUND.to_bits()) as u8;
        }
    }
}

/// The same text, compiled for AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Group, GroupFactors, Levels, plain};
    use crate::NumericsError;

    macro_rules! compiled {
        ($($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
            $(
                #[target_feature(enable = "avx2,fma")]
                pub(super) fn $name($($argument: $kind),*) $(-> $result)? {
                    plain::$name($($argument),*)
                }
            )*
        };
    }

    compiled! {
        silu(x: &mut [f32]);
        quick_gelu(x: &mut [f32]);
        geglu(x: &mut [f32], gate: &mut [f32]);
        group_factors(x: &[f32], group: Group, epsilon: f32) -> Result<GroupFactors, NumericsError>;
        group_norm(x: &mut [f32], factors: &[GroupFactors], gain: &[f32], bias: &[f32]);
        guide(without: &mut [f32], with: &[f32], weight: f32);
        denoise(x: &mut [f32], noise: &[f32], levels: Levels);
        scale(x: &mut [f32], divisor: f32);
        pixels(x: &[f32], out: &mut [u8]);
    }
}

macro_rules! on_kernel {
    ($self:ident, $operation:ident($($argument:expr),*)) => {
        match $self.kernel() {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 | Kernel::Avx512 => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked that the processor has AVX2 and FMA.
                unsafe { avx2::$operation($($argument),*) }
            }
            _ => plain::$operation($($argument),*),
        }
    };
}

impl Arithmetic {
    /// `x = x / (1 + exp(-x))`, element by element.
    pub fn silu(&self, x: &mut [f32]) {
        on_kernel!(self, silu(x));
    }

    /// `x = x / (1 + exp(-(1.702 * x)))`, element by element.
    pub fn quick_gelu(&self, x: &mut [f32]) {
        on_kernel!(self, quick_gelu(x));
    }

    /// `gate = gelu(gate)`, then `x = x * gate`, element by element.
    pub fn geglu(&self, x: &mut [f32], gate: &mut [f32]) {
        assert_eq!(x.len(), gate.len(), "vectors of one length");
        on_kernel!(self, geglu(x, gate));
    }

    /// Mean and factor of one group of an image: the sum rule over its values, place after place, then over the squares
    /// of what is left.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when the sum of squares is.
    pub fn group_factors(&self, x: &[f32], group: Group, epsilon: f32) -> Result<GroupFactors, NumericsError> {
        let Group { channels, first, count } = group;
        assert!(count > 0 && first + count <= channels, "a group of the channels");
        assert!(!x.is_empty() && x.len().is_multiple_of(channels), "places are whole");
        on_kernel!(self, group_factors(x, group, epsilon))
    }

    /// `x = fma((x - mean) * factor, gain, bias)` for one place; groups are equal parts of the channels, in order.
    pub fn group_norm(&self, x: &mut [f32], factors: &[GroupFactors], gain: &[f32], bias: &[f32]) {
        assert!(x.len() == gain.len() && x.len() == bias.len(), "vectors of one length");
        assert!(!factors.is_empty() && x.len().is_multiple_of(factors.len()), "groups of one size");
        on_kernel!(self, group_norm(x, factors, gain, bias));
    }

    /// `without = fma(weight, with - without, without)`, element by element.
    pub fn guide(&self, without: &mut [f32], with: &[f32], weight: f32) {
        assert_eq!(without.len(), with.len(), "vectors of one length");
        on_kernel!(self, guide(without, with, weight));
    }

    /// One step of the sampler: `clean = fma(-sqrt(1 - from), noise, x) / sqrt(from)`, then
    /// `x = fma(sqrt(to), clean, sqrt(1 - to) * noise)`.
    pub fn denoise(&self, x: &mut [f32], noise: &[f32], levels: Levels) {
        assert_eq!(x.len(), noise.len(), "vectors of one length");
        on_kernel!(self, denoise(x, noise, levels));
    }

    /// `x = x / divisor`, element by element.
    pub fn divide(&self, x: &mut [f32], divisor: f32) {
        on_kernel!(self, scale(x, divisor));
    }

    /// Bytes of colours: `fma(x, 0.5, 0.5)`, no less than 0 and no more than 1, times 255, ties to even.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn pixels(&self, x: &[f32], out: &mut [u8]) -> Result<(), NumericsError> {
        assert_eq!(x.len(), out.len(), "vectors of one length");
        crate::scalar::check_finite(x, "a colour")?;
        on_kernel!(self, pixels(x, out));
        Ok(())
    }
}

/// Noise of the normal distribution: for each pair of values two words of the job's stream of draws. With
/// `u = unit + 2^-24` of the first and the second's unit as a part of a turn, `r = sqrt(-2 * ln(u))`, the values are
/// `r * cos` and `r * sin`; cosine and sine are made in integers and rounded once, as rotary tables are.
#[must_use]
pub fn noise(seed: u64, count: usize) -> Vec<f32> {
    const UNIT: f32 = f32::from_bits(0x3380_0000); // 2^-24
    const PARTS: f32 = f32::from_bits(0x4b80_0000); // 2^24
    let (mut draws, turns) = (Draws::new(seed), Turns::new());
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * crate::scalar::ln(draws.next_unit() + UNIT)).sqrt();
        let part = (draws.next_unit() * PARTS) as u32;
        let (cos, sin) = turns.cos_sin(u128::from(part) << (128 - 24));
        values.extend([radius * cos, radius * sin]);
    }
    values.truncate(count);
    values
}

/// Waves that tell a network the noise level: row `level` holds the cosines (or sines) of `level * 10000^(-2i/width)`,
/// `0 <= i < width / 2`. Made in integers, as rotary tables are.
///
/// # Panics
/// As [`rope::table`].
#[must_use]
pub fn level_waves(width: usize, levels: usize) -> rope::Table {
    rope::table(10_000, width, levels)
}

/// Shares of the signal's variance at each noise level of the scaled linear schedule. In IEEE-754 binary64, each
/// operation correctly rounded: `s_i = (i * (sqrt(end) - sqrt(start))) / (levels - 1) + sqrt(start)`,
/// `share_i = share_(i-1) * (1 - s_i * s_i)`, from 1; rounded once to f32.
#[must_use]
pub fn signal_shares(start: f64, end: f64, levels: u32) -> Vec<f32> {
    let (first, last) = (start.sqrt(), end.sqrt());
    let mut share = 1.0f64;
    let one = |level: u32| {
        let root = (f64::from(level) * (last - first)) / f64::from(levels.max(2) - 1) + first;
        share *= 1.0 - root * root;
        share as f32
    };
    (0..levels).map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<Arithmetic> {
        Kernel::available().into_iter().map(|kernel| Arithmetic::new(kernel).expect("available")).collect()
    }

    #[test]
    fn formulas_are_close_to_double_precision() {
        let arithmetic = Arithmetic::best().expect("the default mode");
        for i in -400..=400 {
            let x = i as f32 / 20.0;
            let sigmoid = |x: f64| x / (1.0 + (-x).exp());
            let mut silu = [x];
            arithmetic.silu(&mut silu);
            assert!((f64::from(silu[0]) - sigmoid(x.into())).abs() < 1e-5, "silu {x}");
            let mut quick = [x];
            arithmetic.quick_gelu(&mut quick);
            let wanted = sigmoid(1.702 * f64::from(x)) / 1.702;
            assert!((f64::from(quick[0]) - wanted).abs() < 1e-5, "quick gelu {x}");
        }
        let shares = signal_shares(0.00085, 0.012, 1_000);
        assert!((shares[0] - 0.99915).abs() < 1e-6, "{}", shares[0]);
        assert!((shares[999] - 0.004_66).abs() < 1e-5, "{}", shares[999]);
        assert!(shares.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn noise_is_normal_and_keyed() {
        let noise_of = |seed| noise(seed, 20_001);
        let values = noise_of(7);
        assert_eq!(values.len(), 20_001);
        assert_eq!(noise(7, 5), values[..5]);
        assert_ne!(noise_of(8), values);
        let count = values.len() as f64;
        let moment = |power: i32| values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>() / count;
        assert!(moment(1).abs() < 0.03, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.04, "variance {}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.25, "fourth moment {}", moment(4));
    }

    #[test]
    fn groups_are_normed_over_places_and_channels() {
        // Two places of four channels, two groups: (1, 2, 5, 6) and (3, 4, 7, 8).
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        for arithmetic in all() {
            let group = |first| Group { channels: 4, first, count: 2 };
            let factors: Vec<_> =
                [0, 2].map(|first| arithmetic.group_factors(&image, group(first), 0.0).expect("finite")).to_vec();
            assert_eq!(factors.iter().map(|group| group.mean).collect::<Vec<_>>(), [3.5, 5.5]);
            let mut place = [1.0, 2.0, 3.0, 4.0];
            arithmetic.group_norm(&mut place, &factors, &[1.0, 1.0, 2.0, 1.0], &[0.0, 0.0, 0.0, 10.0]);
            let unit = 1.0 / 4.25f32.sqrt();
            assert_eq!(place, [-2.5 * unit, -1.5 * unit, 2.0 * (-2.5 * unit), (-1.5f32).mul_add(unit, 10.0)]);
            let bad = [f32::MAX, f32::MIN, 0.0, 0.0];
            assert!(arithmetic.group_factors(&bad, group(0), 1.0).is_err());
        }
    }

    #[test]
    fn colours_are_clamped_and_rounded_to_even() {
        for arithmetic in all() {
            let mut out = [7; 6];
            arithmetic.pixels(&[-1.0, 1.0, 0.0, -9e9, 9e9, -1.0 + 4.0 / 255.0], &mut out).expect("finite");
            assert_eq!(out, [0, 255, 128, 0, 255, 2]);
            assert!(arithmetic.pixels(&[f32::NAN], &mut [0]).is_err());
        }
    }

    #[test]
    fn a_step_without_noise_keeps_the_clean_image() {
        for arithmetic in all() {
            // x = sqrt(a) * clean + sqrt(1 - a) * noise goes to the same clean image at the next level.
            let mut x = [0.5f32 * 0.8 + 0.25f32.sqrt() * 0.0, 2.0];
            arithmetic.denoise(&mut x, &[0.0, 0.0], Levels { from: 0.25, to: 1.0 });
            assert_eq!(x, [0.8, 4.0]);
            let mut guided = [1.0, 2.0];
            arithmetic.guide(&mut guided, &[2.0, 2.0], 7.5);
            assert_eq!(guided, [8.5, 2.0]);
        }
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_same_bits(
            bits in proptest::collection::vec(any::<u32>(), 96),
            mild in proptest::collection::vec(-20.0f32..20.0, 96),
        ) {
            let wild: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).filter(|x| x.is_finite()).collect();
            let hash = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let run = |arithmetic: &Arithmetic| {
                let mut all = Vec::new();
                for x in [&wild, &mild] {
                    let (mut a, mut b, mut c, mut gate) = (x.clone(), x.clone(), x.clone(), x.clone());
                    arithmetic.silu(&mut a);
                    arithmetic.quick_gelu(&mut b);
                    gate.reverse();
                    arithmetic.geglu(&mut c, &mut gate);
                    for values in [&a, &b, &c] {
                        all.extend(hash(values));
                    }
                }
                let groups = [0, 12].map(|first| {
                    arithmetic.group_factors(&mild, Group { channels: 24, first, count: 12 }, 1e-5).expect("finite")
                });
                let mut x = mild[..24].to_vec();
                arithmetic.group_norm(&mut x, &groups, &mild[24..48], &mild[48..72]);
                arithmetic.guide(&mut x, &mild[72..], 7.5);
                arithmetic.denoise(&mut x, &mild[24..48], Levels { from: 0.3, to: 0.7 });
                arithmetic.divide(&mut x, 0.18215);
                let mut bytes = vec![0; 24];
                arithmetic.pixels(&x, &mut bytes).expect("finite");
                all.extend(hash(&x));
                (all, bytes)
            };
            let wanted = run(&Arithmetic::new(Kernel::Scalar).expect("always there"));
            for arithmetic in all() {
                prop_assert_eq!(&run(&arithmetic), &wanted);
            }
        }
    }
}
