//! AVX2 and FMA.
//!
//! Products, attention and maxima are written by hand; everything else is the scalar text, compiled for these features.
//! Products of many tokens are in `tiled`; of few, where weights come from memory and are used once, here.
//! `vpmaddubsw` saturates and is not used: weights are widened to 16 bits and multiplied by `vpmaddwd`, whose pair
//! sums (at most 2 * 127 * 32,767) fit an i32 lane 258 times.

use std::arch::x86_64::*;

use super::tiled;
use crate::limits::BLOCK;
use crate::{NumericsError, Rows, scalar};

/// Compiles scalar functions for AVX2 and FMA.
macro_rules! as_scalar {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {$(
        #[target_feature(enable = "avx2,fma")]
        pub(crate) fn $name($($argument: $kind),*) $(-> $result)? {
            scalar::$name($($argument),*)
        }
    )*};
}

as_scalar! {
    quantise(x: &[f32], q: &mut [i16]) -> Result<f32, NumericsError>;
    rms_norm(x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError>;
    layer_norm(x: &[f32], gain: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError>;
    gelu(x: &mut [f32]);
    unit_bytes(x: &[f32], out: &mut [i8]) -> Result<(), NumericsError>;
    rope(head: &mut [f32], cos: &[f32], sin: &[f32]);
    silu_mul(gate: &mut [f32], up: &[f32]);
    add(x: &mut [f32], y: &[f32]);
    embed(row: &[i8], scale: f32, out: &mut [f32]);
    exp_all(x: &mut [f32]);
    surprise(logits: &[f32], index: usize) -> Result<f32, NumericsError>;
}

/// Inputs one instruction takes.
const STEP: usize = 16;
/// Inputs summed in i32 lanes before they are widened: 256 steps.
const SEGMENT: usize = 256 * STEP;
/// Bytes between the weights in use and those that are fetched from memory. The processor's own prefetch ends with a
/// page, and a product of few tokens is as fast as weights arrive.
pub(super) const AHEAD: usize = 4 << 10;
/// Rows computed together.
const ROWS: usize = 4;
#[target_feature(enable = "avx2,fma")]
pub(crate) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut [f32]) {
    let (count, inputs) = (rows.scales.len(), rows.inputs);
    if q_scales.len() >= tiled::TOKENS_MIN && inputs > 0 {
        return tiled::product(rows, q, q_scales, out);
    }
    for row in (0..count).step_by(ROWS) {
        let group = RowGroup::new(rows, row);
        for token in (0..q_scales.len()).step_by(2) {
            let first = &q[token * inputs..][..inputs];
            if token + 1 < q_scales.len() {
                let second = &q[(token + 1) * inputs..][..inputs];
                let [a, b] = dots_pair(&group.weights, first, second);
                group.store(a, q_scales[token], &mut out[token * count + row..]);
                group.store(b, q_scales[token + 1], &mut out[(token + 1) * count + row..]);
            } else {
                group.store(dots(&group.weights, first), q_scales[token], &mut out[token * count + row..]);
            }
        }
    }
}

/// Four rows that are computed together. Past the end the last row stands in, and its result is not stored.
pub(super) struct RowGroup<'a> {
    pub(super) weights: [&'a [i8]; ROWS],
    scales: [f32; ROWS],
    valid: usize,
}

impl<'a> RowGroup<'a> {
    #[inline(always)]
    pub(super) fn new(rows: Rows<'a>, row: usize) -> Self {
        let last = rows.scales.len() - 1;
        let index = |i: usize| (row + i).min(last);
        Self {
            weights: [0, 1, 2, 3].map(|i| &rows.weights[index(i) * rows.inputs..][..rows.inputs]),
            scales: [0, 1, 2, 3].map(|i| rows.scales[index(i)]),
            valid: ROWS.min(rows.scales.len() - row),
        }
    }

    /// Rounds four exact sums once and scales them: by the token first, then by the row.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    pub(super) fn store(&self, exact: __m256i, q_scale: f32, out: &mut [f32]) {
        // |sum| < 2^51, so adding 2^52 + 2^51 as bits gives a double whose distance from that constant is the sum.
        let magic = _mm256_set1_epi64x(0x4338_0000_0000_0000);
        let sums = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(exact, magic)), _mm256_castsi256_pd(magic));
        let scaled = _mm_mul_ps(_mm256_cvtpd_ps(sums), _mm_set1_ps(q_scale));
        let [a, b, c, d] = self.scales;
        let result = _mm_mul_ps(scaled, _mm_setr_ps(a, b, c, d));
        let mut values = [0.0f32; ROWS];
        // SAFETY: the array holds four values.
        unsafe { _mm_storeu_ps(values.as_mut_ptr(), result) };
        out[..self.valid].copy_from_slice(&values[..self.valid]);
    }
}

/// Exact dot products of four rows with one token, as four i64.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dots(weights: &[&[i8]; ROWS], q: &[i16]) -> __m256i {
    let whole = q.len() / STEP * STEP;
    let mut total = tail(weights, q, whole);
    for start in (0..whole).step_by(SEGMENT) {
        let mut sums = [_mm256_setzero_si256(); ROWS];
        for at in (start..whole.min(start + SEGMENT)).step_by(STEP) {
            // The four rows lie one after the other: one line of what comes after them for each step.
            _mm_prefetch::<_MM_HINT_T0>(weights[0].as_ptr().wrapping_add(ROWS * at + AHEAD));
            // SAFETY: `at + 16 <= whole <= q.len()`, and every row is as long as `q`.
            unsafe {
                let q = load(q, at);
                for (sum, row) in sums.iter_mut().zip(weights) {
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(widen(row, at), q));
                }
            }
        }
        total = _mm256_add_epi64(total, add_lanes(sums));
    }
    total
}

/// The same for two tokens, which share the widened weights.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dots_pair(weights: &[&[i8]; ROWS], first: &[i16], second: &[i16]) -> [__m256i; 2] {
    let whole = first.len() / STEP * STEP;
    assert_eq!(first.len(), second.len(), "tokens of one length");
    let mut total = [tail(weights, first, whole), tail(weights, second, whole)];
    for start in (0..whole).step_by(SEGMENT) {
        let mut a = [_mm256_setzero_si256(); ROWS];
        let mut b = [_mm256_setzero_si256(); ROWS];
        for at in (start..whole.min(start + SEGMENT)).step_by(STEP) {
            _mm_prefetch::<_MM_HINT_T0>(weights[0].as_ptr().wrapping_add(ROWS * at + AHEAD));
            // SAFETY: `at + 16 <= whole`, the length of both tokens and of every row or less.
            unsafe {
                let (p, q) = (load(first, at), load(second, at));
                for i in 0..ROWS {
                    let row = widen(weights[i], at);
                    a[i] = _mm256_add_epi32(a[i], _mm256_madd_epi16(row, p));
                    b[i] = _mm256_add_epi32(b[i], _mm256_madd_epi16(row, q));
                }
            }
        }
        total = [_mm256_add_epi64(total[0], add_lanes(a)), _mm256_add_epi64(total[1], add_lanes(b))];
    }
    total
}

/// The last inputs of four rows, fewer than a step.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn tail(weights: &[&[i8]; ROWS], q: &[i16], from: usize) -> __m256i {
    if from == q.len() {
        return _mm256_setzero_si256();
    }
    let [a, b, c, d] =
        weights.map(|row| row[from..].iter().zip(&q[from..]).map(|(&w, &q)| i64::from(w) * i64::from(q)).sum::<i64>());
    _mm256_setr_epi64x(a, b, c, d)
}

/// # Safety
/// `at + 16 <= q.len()`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn load(q: &[i16], at: usize) -> __m256i {
    // SAFETY: the caller keeps the 16 values in bounds.
    unsafe { _mm256_loadu_si256(q.as_ptr().add(at).cast()) }
}

/// # Safety
/// `at + 16 <= row.len()`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn widen(row: &[i8], at: usize) -> __m256i {
    // SAFETY: the caller keeps the 16 values in bounds.
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(row.as_ptr().add(at).cast())) }
}

/// Adds the eight i32 lanes of each of four sums, in i64.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_lanes(sums: [__m256i; ROWS]) -> __m256i {
    let [a, b, c, d] = sums;
    add_quads(add_halves(a), add_halves(b), add_halves(c), add_halves(d))
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_halves(sum: __m256i) -> __m256i {
    let low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(sum));
    let high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256::<1>(sum));
    _mm256_add_epi64(low, high)
}

/// Adds the four i64 lanes of each of four sums.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn add_quads(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    let ab = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let cd = _mm256_add_epi64(_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    let low = _mm256_permute2x128_si256::<0x20>(ab, cd);
    let high = _mm256_permute2x128_si256::<0x31>(ab, cd);
    _mm256_add_epi64(low, high)
}

/// Values of one vector.
const WIDTH: usize = 8;

/// The largest of finite values. Which zero it returns where both are the largest is left open.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn maximum(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 4 * WIDTH];
    let (whole, rest) = x.as_chunks::<{ 4 * WIDTH }>();
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |most, &value| if value > most { value } else { most })
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn softmax(x: &mut [f32]) -> Result<(), NumericsError> {
    scalar::check_finite(x, "an attention score")?;
    let most = maximum(x);
    scalar::softmax_below(x, most);
    Ok(())
}

#[target_feature(enable = "avx2,fma")]
pub(crate) fn argmax(x: &[f32]) -> Result<usize, NumericsError> {
    scalar::check_finite(x, "a logit")?;
    let most = maximum(x);
    Ok(x.iter().position(|&value| value == most).expect("the maximum is one of the values"))
}

/// Scores of queries that share a block of keys. Query `g` is row `g` of `queries`; its scores start at `g * stride`.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn scores(queries: &[f32], head_dim: usize, keys: &[f32], scale: f32, out: &mut [f32], stride: usize) {
    for (group, queries) in queries.chunks(3 * head_dim).enumerate() {
        let out = &mut out[3 * group * stride..];
        match queries.len() / head_dim {
            1 => scores_strips::<1, 8>(queries, keys, scale, out, stride),
            2 => scores_strips::<2, 4>(queries, keys, scale, out, stride),
            _ => scores_strips::<3, 4>(queries, keys, scale, out, stride),
        }
    }
}

/// `G` queries, `N` vectors of positions at a time.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn scores_strips<const G: usize, const N: usize>(
    queries: &[f32],
    keys: &[f32],
    scale: f32,
    out: &mut [f32],
    stride: usize,
) {
    let head_dim = queries.len() / G;
    assert!(keys.len() == head_dim * BLOCK && out.len() >= (G - 1) * stride + BLOCK, "a whole block");
    let scale = _mm256_set1_ps(scale);
    for from in (0..BLOCK).step_by(N * WIDTH) {
        let mut sums = [[_mm256_setzero_ps(); N]; G];
        for d in 0..head_dim {
            // SAFETY: `from + N * 8 <= 64`, and row `d` of the keys is inside; so is value `d` of each of `G` queries.
            unsafe {
                let keys = keys.as_ptr().add(d * BLOCK + from);
                let keys: [__m256; N] = std::array::from_fn(|i| _mm256_loadu_ps(keys.add(i * WIDTH)));
                for (g, sums) in sums.iter_mut().enumerate() {
                    let query = _mm256_broadcast_ss(queries.get_unchecked(g * head_dim + d));
                    for (sum, keys) in sums.iter_mut().zip(keys) {
                        *sum = _mm256_fmadd_ps(query, keys, *sum);
                    }
                }
            }
        }
        for (g, sums) in sums.into_iter().enumerate() {
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: `out` holds 64 values from `g * stride` on.
                unsafe {
                    let out = out.as_mut_ptr().add(g * stride + from + i * WIDTH);
                    _mm256_storeu_ps(out, _mm256_mul_ps(sum, scale));
                }
            }
        }
    }
}

/// Adds `count` weighted values to each of several sums: row `g` of `out` takes the weights from `g * stride` on.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn add_weighted(
    weights: &[f32],
    stride: usize,
    count: usize,
    values: &[f32],
    out: &mut [f32],
    head_dim: usize,
) {
    let mut from = 0;
    for out in out.chunks_mut(3 * head_dim) {
        let weights = &weights[from..];
        match out.len() / head_dim {
            1 => add_weighted_strips::<1>(weights, stride, count, values, out),
            2 => add_weighted_strips::<2>(weights, stride, count, values, out),
            _ => add_weighted_strips::<3>(weights, stride, count, values, out),
        }
        from += 3 * stride;
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_weighted_strips<const G: usize>(weights: &[f32], stride: usize, count: usize, values: &[f32], out: &mut [f32]) {
    let head_dim = out.len() / G;
    let mut d = 0;
    while d + 4 * WIDTH <= head_dim {
        add_weighted_strip::<G, 4>(weights, stride, count, values, out, d);
        d += 4 * WIDTH;
    }
    while d + WIDTH <= head_dim {
        add_weighted_strip::<G, 1>(weights, stride, count, values, out, d);
        d += WIDTH;
    }
    for (g, out) in out.chunks_exact_mut(head_dim).enumerate() {
        let weights = &weights[g * stride..][..count];
        for d in d..head_dim {
            let sum = weights.iter().enumerate().fold(0.0f32, |sum, (i, w)| w.mul_add(values[i * head_dim + d], sum));
            out[d] += sum;
        }
    }
}

/// Dimensions `d..d + 8 * N` of the weighted sums of `G` queries.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_weighted_strip<const G: usize, const N: usize>(
    weights: &[f32],
    stride: usize,
    count: usize,
    values: &[f32],
    out: &mut [f32],
    d: usize,
) {
    let head_dim = out.len() / G;
    assert!(d + N * WIDTH <= head_dim && count * head_dim <= values.len(), "the strip is inside");
    assert!((G - 1) * stride + count <= weights.len(), "a weight for every value");
    let mut sums = [[_mm256_setzero_ps(); N]; G];
    for position in 0..count {
        // SAFETY: the strip ends inside the position's row, and the row inside `values`; every query has a weight.
        unsafe {
            let values = values.as_ptr().add(position * head_dim + d);
            let values: [__m256; N] = std::array::from_fn(|i| _mm256_loadu_ps(values.add(i * WIDTH)));
            for (g, sums) in sums.iter_mut().enumerate() {
                let weight = _mm256_broadcast_ss(weights.get_unchecked(g * stride + position));
                for (sum, values) in sums.iter_mut().zip(values) {
                    *sum = _mm256_fmadd_ps(weight, values, *sum);
                }
            }
        }
    }
    for (g, sums) in sums.into_iter().enumerate() {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: the strip ends inside row `g` of `out`.
            unsafe {
                let at = out.as_mut_ptr().add(g * head_dim + d + i * WIDTH);
                _mm256_storeu_ps(at, _mm256_add_ps(_mm256_loadu_ps(at), sum));
            }
        }
    }
}
