//! AVX2 and FMA.
//!
//! Products (in `tiled`), attention and maxima are written by hand; everything else is the scalar text, compiled for
//! these features.

use std::arch::x86_64::*;

use crate::limits::BLOCK;
use crate::{NumericsError, scalar};

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
    gelu_tanh(x: &mut [f32]);
    unit_bytes(x: &[f32], out: &mut [i8]) -> Result<(), NumericsError>;
    rope(head: &mut [f32], cos: &[f32], sin: &[f32]);
    silu_mul(gate: &mut [f32], up: &[f32]);
    add(x: &mut [f32], y: &[f32]);
    embed(row: &[i8], scale: f32, out: &mut [f32]);
    exp_all(x: &mut [f32]);
    surprise(logits: &[f32], index: usize) -> Result<f32, NumericsError>;
}

/// Queries that share a pass over keys or values: with two vectors each, twelve registers of sums.
const GROUP: usize = 6;
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
    for (group, queries) in queries.chunks(GROUP * head_dim).enumerate() {
        let out = &mut out[GROUP * group * stride..];
        match queries.len() / head_dim {
            1 => scores_strips::<1, 8>(queries, keys, scale, out, stride),
            2 => scores_strips::<2, 4>(queries, keys, scale, out, stride),
            3 => scores_strips::<3, 4>(queries, keys, scale, out, stride),
            4 => scores_strips::<4, 2>(queries, keys, scale, out, stride),
            5 => scores_strips::<5, 2>(queries, keys, scale, out, stride),
            _ => scores_strips::<GROUP, 2>(queries, keys, scale, out, stride),
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
    for (group, out) in out.chunks_mut(GROUP * head_dim).enumerate() {
        let weights = &weights[GROUP * group * stride..];
        match out.len() / head_dim {
            1 => add_weighted_strips::<1, 8>(weights, stride, count, values, out),
            2 => add_weighted_strips::<2, 4>(weights, stride, count, values, out),
            3 => add_weighted_strips::<3, 4>(weights, stride, count, values, out),
            4 => add_weighted_strips::<4, 2>(weights, stride, count, values, out),
            5 => add_weighted_strips::<5, 2>(weights, stride, count, values, out),
            _ => add_weighted_strips::<GROUP, 2>(weights, stride, count, values, out),
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_weighted_strips<const G: usize, const N: usize>(
    weights: &[f32],
    stride: usize,
    count: usize,
    values: &[f32],
    out: &mut [f32],
) {
    let head_dim = out.len() / G;
    let mut d = 0;
    while d + N * WIDTH <= head_dim {
        add_weighted_strip::<G, N>(weights, stride, count, values, out, d);
        d += N * WIDTH;
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
