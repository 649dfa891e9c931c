//! NEON attention: positions side by side for scores, dimensions side by side for weighted values.

use std::arch::aarch64::*;

use super::WIDTH;
use crate::limits::BLOCK;

/// Query heads computed together.
const GROUP: usize = 4;

/// Scores of queries that share a block of keys. Query `g` is row `g` of `queries`; its scores start at `g * stride`.
#[target_feature(enable = "neon")]
pub(crate) fn scores(queries: &[f32], head_dim: usize, keys: &[f32], scale: f32, out: &mut [f32], stride: usize) {
    for (group, queries) in queries.chunks(GROUP * head_dim).enumerate() {
        let out = &mut out[GROUP * group * stride..];
        match queries.len() / head_dim {
            1 => scores_strips::<1, 16>(queries, keys, scale, out, stride),
            2 => scores_strips::<2, 8>(queries, keys, scale, out, stride),
            3 => scores_strips::<3, 4>(queries, keys, scale, out, stride),
            _ => scores_strips::<GROUP, 4>(queries, keys, scale, out, stride),
        }
    }
}

/// `G` queries, `N` vectors of positions at a time.
#[target_feature(enable = "neon")]
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
    for from in (0..BLOCK).step_by(N * WIDTH) {
        let mut sums = [[vdupq_n_f32(0.0); N]; G];
        for d in 0..head_dim {
            // SAFETY: `from + N * 4 <= 64`, and row `d` of the keys is inside; so is value `d` of each of `G` queries.
            unsafe {
                let keys = keys.as_ptr().add(d * BLOCK + from);
                let keys: [float32x4_t; N] = std::array::from_fn(|i| vld1q_f32(keys.add(i * WIDTH)));
                for (g, sums) in sums.iter_mut().enumerate() {
                    let query = vdupq_n_f32(*queries.get_unchecked(g * head_dim + d));
                    for (sum, keys) in sums.iter_mut().zip(keys) {
                        *sum = vfmaq_f32(*sum, query, keys);
                    }
                }
            }
        }
        for (g, sums) in sums.into_iter().enumerate() {
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: `out` holds 64 values from `g * stride` on.
                unsafe { vst1q_f32(out.as_mut_ptr().add(g * stride + from + i * WIDTH), vmulq_n_f32(sum, scale)) };
            }
        }
    }
}

/// Adds `count` weighted values to each of several sums: row `g` of `out` takes the weights from `g * stride` on.
#[target_feature(enable = "neon")]
pub(crate) fn add_weighted(
    weights: &[f32],
    stride: usize,
    count: usize,
    values: &[f32],
    out: &mut [f32],
    head_dim: usize,
) {
    let mut from = 0;
    for out in out.chunks_mut(GROUP * head_dim) {
        let weights = &weights[from..];
        match out.len() / head_dim {
            1 => weighted_strips::<1>(weights, stride, count, values, out),
            2 => weighted_strips::<2>(weights, stride, count, values, out),
            3 => weighted_strips::<3>(weights, stride, count, values, out),
            _ => weighted_strips::<GROUP>(weights, stride, count, values, out),
        }
        from += GROUP * stride;
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn weighted_strips<const G: usize>(weights: &[f32], stride: usize, count: usize, values: &[f32], out: &mut [f32]) {
    let head_dim = out.len() / G;
    let mut d = 0;
    while d + 4 * WIDTH <= head_dim {
        weighted_strip::<G, 4>(weights, stride, count, values, out, d);
        d += 4 * WIDTH;
    }
    while d + WIDTH <= head_dim {
        weighted_strip::<G, 1>(weights, stride, count, values, out, d);
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

/// Dimensions `d..d + 4 * N` of the weighted sums of `G` queries.
#[target_feature(enable = "neon")]
#[inline]
fn weighted_strip<const G: usize, const N: usize>(
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
    let mut sums = [[vdupq_n_f32(0.0); N]; G];
    for position in 0..count {
        // SAFETY: the strip ends inside the position's row, and the row inside `values`; every query has a weight.
        unsafe {
            let values = values.as_ptr().add(position * head_dim + d);
            let values: [float32x4_t; N] = std::array::from_fn(|i| vld1q_f32(values.add(i * WIDTH)));
            for (g, sums) in sums.iter_mut().enumerate() {
                let weight = vdupq_n_f32(*weights.get_unchecked(g * stride + position));
                for (sum, values) in sums.iter_mut().zip(values) {
                    *sum = vfmaq_f32(*sum, weight, values);
                }
            }
        }
    }
    for (g, sums) in sums.into_iter().enumerate() {
        for (i, sum) in sums.into_iter().enumerate() {
            // SAFETY: the strip ends inside row `g` of `out`.
            unsafe {
                let at = out.as_mut_ptr().add(g * head_dim + d + i * WIDTH);
                vst1q_f32(at, vaddq_f32(vld1q_f32(at), sum));
            }
        }
    }
}
