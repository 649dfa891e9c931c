//! The standard as code: short, readable, the truth.
//!
//! `f32::mul_add` is the fused multiply-add: one rounding, on every machine. The functions are inlined so that the
//! x86 kernels can compile the very same text for their processor features where no hand-written form is needed;
//! nothing here may depend on how the compiler schedules it, since it neither contracts nor reassociates.

use crate::limits::{ACTIVATION_MAX, BLOCK, LANES};
use crate::{Columns, NumericsError, Rows};

/// Scales of vectors smaller than this are 0.
pub(crate) const TINY: f32 = f32::from_bits(0x0da2_4260); // 1e-30
/// Adding it rounds a number of magnitude below 2^22 to an integer, ties to even: 1.5 * 2^23.
pub(crate) const ROUND: f32 = f32::from_bits(0x4b40_0000);
const EXP_LOW: f32 = f32::from_bits(0xc2ae_0000); // -87
const EXP_HIGH: f32 = f32::from_bits(0x42b0_0000); // 88
const LOG2_E: f32 = f32::from_bits(0x3fb8_aa3b);
const LN2_HIGH: f32 = f32::from_bits(0x3f31_7200); // 0.693145751953125: its products with |n| <= 128 are exact
const LN2_LOW: f32 = f32::from_bits(0x35bf_be8e); // ln 2 - LN2_HIGH
/// 1/7!, 1/6!, ..., 1/1!, 1/0!.
const EXP: [f32; 8] = [
    f32::from_bits(0x3950_0d01),
    f32::from_bits(0x3ab6_0b61),
    f32::from_bits(0x3c08_8889),
    f32::from_bits(0x3d2a_aaab),
    f32::from_bits(0x3e2a_aaab),
    f32::from_bits(0x3f00_0000),
    f32::from_bits(0x3f80_0000),
    f32::from_bits(0x3f80_0000),
];
/// 2/9, 2/7, 2/5, 2/3.
const LN: [f32; 4] = [
    f32::from_bits(0x3e63_8e39),
    f32::from_bits(0x3e92_4925),
    f32::from_bits(0x3ecc_cccd),
    f32::from_bits(0x3f2a_aaab),
];
/// The error function's complement: its rational argument's factor and the coefficients of t^5 to t^1
/// (Abramowitz and Stegun, 7.1.26; absolute error below 1.5e-7).
const ERF_P: f32 = f32::from_bits(0x3ea7_ba05); // 0.3275911
const ERF: [f32; 5] = [
    f32::from_bits(0x3f87_dc22), // 1.061405429
    f32::from_bits(0xbfba_00e3), // -1.453152027
    f32::from_bits(0x3fb5_f0e3), // 1.421413741
    f32::from_bits(0xbe91_a98e), // -0.284496736
    f32::from_bits(0x3e82_7906), // 0.254829592
];
/// GELU by the hyperbolic tangent: the cube's share, and 2 sqrt(2 / pi).
const GELU_CUBE: f32 = f32::from_bits(0x3d37_2713); // 0.044715
const GELU_SLOPE: f32 = f32::from_bits(0x3fcc_422a); // 1.5957691
const SQRT_HALF: f32 = f32::from_bits(0x3f35_04f3);
const SQRT_HALF_BITS: u32 = 0x3f35_04f3;
const MAGNITUDE: u32 = 0x7fff_ffff;
const INFINITY: u32 = 0x7f80_0000;

/// Largest magnitude, as bits: the order of bits is the order of magnitudes, infinities and NaN above all.
#[inline(always)]
pub(crate) fn magnitude_bits(x: &[f32]) -> u32 {
    x.iter().fold(0, |most, value| most.max(value.to_bits() & MAGNITUDE))
}

#[inline(always)]
pub(crate) fn check_finite(x: &[f32], what: &'static str) -> Result<(), NumericsError> {
    if magnitude_bits(x) < INFINITY { Ok(()) } else { Err(NumericsError::NonFinite { what }) }
}

/// Sum of 16 lanes, pairwise: 8, 4, 2, 1.
#[inline(always)]
fn sum_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum rule: lane `i mod 16` adds element `i`, in ascending order.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] += chunk[i];
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    sum_lanes(lanes)
}

#[inline(always)]
pub(crate) fn sum_of_squares(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] = chunk[i].mul_add(chunk[i], lanes[i]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = value.mul_add(*value, *lane);
    }
    sum_lanes(lanes)
}

#[inline(always)]
fn maximum(x: &[f32]) -> f32 {
    x.iter().fold(f32::NEG_INFINITY, |most, &value| if value > most { value } else { most })
}

#[inline(always)]
pub(crate) fn quantise(x: &[f32], q: &mut [i16]) -> Result<f32, NumericsError> {
    let most = f32::from_bits(magnitude_bits(x));
    if most.to_bits() >= INFINITY {
        return Err(NumericsError::NonFinite { what: "an activation" });
    }
    if most < TINY {
        q.fill(0);
        return Ok(0.0);
    }
    let scale = most / ACTIVATION_MAX as f32;
    for (q, x) in q.iter_mut().zip(x) {
        let rounded = (x / scale + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        *q = rounded.clamp(-ACTIVATION_MAX, ACTIVATION_MAX) as i16;
    }
    Ok(scale)
}

/// The exact sum of products. Partial sums of 256 products fit an i32: 256 * 127 * 32,767 < 2^31.
fn dot(weights: &[i8], q: &[i16]) -> i64 {
    let part = |(w, q): (&[i8], &[i16])| w.iter().zip(q).map(|(&w, &q)| i32::from(w) * i32::from(q)).sum::<i32>();
    weights.chunks(256).zip(q.chunks(256)).map(|pair| i64::from(part(pair))).sum()
}

pub(crate) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut Columns<'_>) {
    for (row, &scale) in rows.scales.iter().enumerate() {
        let weights: Vec<i8> = rows.row(row).collect();
        for (token, &q_scale) in q_scales.iter().enumerate() {
            let exact = dot(&weights, &q[token * rows.inputs..][..rows.inputs]);
            out.line(token)[row] = (exact as f32 * q_scale) * scale;
        }
    }
}

#[inline(always)]
pub(crate) fn rms_norm(x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError> {
    let squares = sum_of_squares(x);
    if !squares.is_finite() {
        return Err(NumericsError::NonFinite { what: "a sum of squares" });
    }
    let factor = 1.0 / (squares / x.len() as f32 + epsilon).sqrt();
    for ((out, x), gain) in out.iter_mut().zip(x).zip(gain) {
        *out = (x * factor) * gain;
    }
    Ok(())
}

/// The mean by the sum rule, the mean square of what is left by the same, then scale and shift in one `fma`.
#[inline(always)]
pub(crate) fn layer_norm(
    x: &[f32],
    gain: &[f32],
    bias: &[f32],
    epsilon: f32,
    out: &mut [f32],
) -> Result<(), NumericsError> {
    let count = x.len() as f32;
    let mean = sum(x) / count;
    for (out, x) in out.iter_mut().zip(x) {
        *out = x - mean;
    }
    let squares = sum_of_squares(out);
    if !squares.is_finite() {
        return Err(NumericsError::NonFinite { what: "a sum of squares" });
    }
    let factor = 1.0 / (squares / count + epsilon).sqrt();
    for ((out, gain), bias) in out.iter_mut().zip(gain).zip(bias) {
        *out = (*out * factor).mul_add(*gain, *bias);
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn rope(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (first, second) = head.split_at_mut(cos.len());
    for (((a, b), &cos), &sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        let (x, y) = (*a, *b);
        *a = x.mul_add(cos, -(y * sin));
        *b = y.mul_add(cos, x * sin);
    }
}

/// `exp(x) = 2^n * p(x - n ln 2)` with `n` the integer nearest to `x / ln 2`, ties to even.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = if x > EXP_LOW { x } else { EXP_LOW };
    let x = if x < EXP_HIGH { x } else { EXP_HIGH };
    let shifted = x.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    let mut p = EXP[0];
    for coefficient in &EXP[1..] {
        p = p.mul_add(r, *coefficient);
    }
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

#[inline(always)]
pub(crate) fn exp_all(x: &mut [f32]) {
    for x in x {
        *x = exp(*x);
    }
}

/// `ln(x)` of a normal positive number: `x = 2^e * m` with `m` in `[sqrt(1/2), sqrt(2))`, then the series of
/// `2 atanh((m - 1) / (m + 1))`.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS) as i32;
    let e = shifted >> 23;
    let m = f32::from_bits((shifted as u32 & 0x007f_ffff).wrapping_add(SQRT_HALF_BITS));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut p = LN[0];
    for coefficient in &LN[1..] {
        p = p.mul_add(z, *coefficient);
    }
    let tail = (s * z).mul_add(p, s + s);
    let e = e as f32;
    e.mul_add(LN2_HIGH, e.mul_add(LN2_LOW, tail))
}

#[inline(always)]
pub(crate) fn softmax(x: &mut [f32]) -> Result<(), NumericsError> {
    check_finite(x, "an attention score")?;
    let most = maximum(x);
    softmax_below(x, most);
    Ok(())
}

/// Softmax of finite values whose maximum is known. The sign of a maximum that is zero makes no difference.
#[inline(always)]
pub(crate) fn softmax_below(x: &mut [f32], most: f32) {
    for x in x.iter_mut() {
        *x = exp(*x - most);
    }
    let total = sum(x);
    for x in x.iter_mut() {
        *x /= total;
    }
}

/// Scores of all positions of a block: sequential in the head's dimensions, positions side by side. The scores of
/// query `g` start at `g * stride`.
pub(crate) fn scores(queries: &[f32], head_dim: usize, keys: &[f32], scale: f32, out: &mut [f32], stride: usize) {
    for (query, out) in queries.chunks_exact(head_dim).zip(out.chunks_mut(stride)) {
        let mut sums = [0.0f32; BLOCK];
        for (query, keys) in query.iter().zip(keys.chunks_exact(BLOCK)) {
            for (sum, key) in sums.iter_mut().zip(keys) {
                *sum = query.mul_add(*key, *sum);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * scale;
        }
    }
}

/// Adds one block of weighted values: a sum by `fma` over the block's positions, then one addition. The weights of
/// row `g` of `out` start at `g * stride`.
pub(crate) fn add_weighted(
    weights: &[f32],
    stride: usize,
    count: usize,
    values: &[f32],
    out: &mut [f32],
    head_dim: usize,
) {
    for (weights, out) in weights.chunks(stride).zip(out.chunks_exact_mut(head_dim)) {
        for (d, out) in out.iter_mut().enumerate() {
            let mut sum = 0.0f32;
            for (position, weight) in weights[..count].iter().enumerate() {
                sum = weight.mul_add(values[position * head_dim + d], sum);
            }
            *out += sum;
        }
    }
}

#[inline(always)]
pub(crate) fn silu_mul(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = (*gate / (1.0 + exp(-*gate))) * up;
    }
}

/// `x` times the normal distribution's share below `x`.
#[inline(always)]
pub(crate) fn gelu(x: &mut [f32]) {
    for x in x {
        let z = f32::from_bits(x.to_bits() & MAGNITUDE) * SQRT_HALF;
        let t = 1.0 / z.mul_add(ERF_P, 1.0);
        let mut p = ERF[0];
        for coefficient in &ERF[1..] {
            p = p.mul_add(t, *coefficient);
        }
        let tail = ((p * t) * exp(-(z * z))) * 0.5;
        *x *= if *x >= 0.0 { 1.0 - tail } else { tail };
    }
}

/// `x` times the logistic function of `2 sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
pub(crate) fn gelu_tanh(x: &mut [f32]) {
    for x in x {
        let slope = ((*x * *x) * *x).mul_add(GELU_CUBE, *x) * GELU_SLOPE;
        *x /= 1.0 + exp(-slope);
    }
}

/// Direction of a vector in units of 1/127; zeros for a vector without one.
#[inline(always)]
pub(crate) fn unit_bytes(x: &[f32], out: &mut [i8]) -> Result<(), NumericsError> {
    let squares = sum_of_squares(x);
    if !squares.is_finite() {
        return Err(NumericsError::NonFinite { what: "a sum of squares" });
    }
    let length = squares.sqrt();
    if length < TINY {
        out.fill(0);
        return Ok(());
    }
    for (out, x) in out.iter_mut().zip(x) {
        let rounded = ((x / length) * 127.0 + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        *out = rounded.clamp(-127, 127) as i8;
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

#[inline(always)]
pub(crate) fn embed(row: &[i8], scale: f32, out: &mut [f32]) {
    for (out, &weight) in out.iter_mut().zip(row) {
        *out = f32::from(weight) * scale;
    }
}

#[inline(always)]
pub(crate) fn argmax(x: &[f32]) -> Result<usize, NumericsError> {
    check_finite(x, "a logit")?;
    let most = maximum(x);
    Ok(x.iter().position(|&value| value == most).expect("the maximum is one of the values"))
}

#[inline(always)]
pub(crate) fn surprise(logits: &[f32], index: usize) -> Result<f32, NumericsError> {
    check_finite(logits, "a logit")?;
    let most = maximum(logits);
    let mut lanes = [0.0; LANES];
    let (whole, rest) = logits.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] += exp(chunk[i] - most);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += exp(value - most);
    }
    Ok(ln(sum_lanes(lanes)) - (logits[index] - most))
}
