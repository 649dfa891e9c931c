//! NEON products: weights are widened to 16 bits and multiplied into 32-bit lanes (`smlal`).
//!
//! A tile's sixteen rows are the lanes of four vectors of sums; the two inputs of a pair are taken apart as they are
//! loaded, and each activation of a token multiplies all rows. A lane takes 512 products (at most 127 * 32,767 each)
//! before it is widened to i64.

use std::arch::aarch64::*;

use crate::tiles::{Columns, PAIR, Rows, TILE_ROWS};

/// Pairs of inputs summed in i32 lanes.
const SEGMENT: usize = 256;
/// Tokens computed together: with four vectors of rows, sixteen registers of sums.
const TOKENS: usize = 4;
/// Tokens that share one pass over the weights; their activations stay in the second-level cache.
const PASS: usize = 32;

const _: () = assert!(2 * SEGMENT as i64 * 127 * 32_767 < i32::MAX as i64);

#[target_feature(enable = "neon")]
pub(crate) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut Columns<'_>) {
    let inputs = rows.inputs;
    for from in (0..q_scales.len()).step_by(PASS) {
        let to = q_scales.len().min(from + PASS);
        for (i, (weights, scales)) in rows.tiles().enumerate() {
            for token in (from..to).step_by(TOKENS) {
                let q = &q[token * inputs..];
                match to - token {
                    1 => multiply::<1>(weights, scales, q, &q_scales[token..], inputs, [i, token], out),
                    2 => multiply::<2>(weights, scales, q, &q_scales[token..], inputs, [i, token], out),
                    3 => multiply::<3>(weights, scales, q, &q_scales[token..], inputs, [i, token], out),
                    _ => multiply::<TOKENS>(weights, scales, q, &q_scales[token..], inputs, [i, token], out),
                }
            }
        }
    }
}

/// Tile `tile` with `T` tokens, which are lines `line..` of `out`.
#[target_feature(enable = "neon")]
#[inline]
fn multiply<const T: usize>(
    weights: &[i8],
    scales: &[f32],
    q: &[i16],
    q_scales: &[f32],
    inputs: usize,
    [tile, line]: [usize; 2],
    out: &mut Columns<'_>,
) {
    let sums = dots::<T>(weights, q, inputs);
    for (i, sums) in sums.iter().enumerate() {
        let out = &mut out.line(line + i)[tile * TILE_ROWS..];
        for ((out, sum), scale) in out.iter_mut().zip(sums).zip(scales) {
            *out = (*sum as f32 * q_scales[i]) * scale;
        }
    }
}

/// Exact dot products: `[token][row]`.
#[target_feature(enable = "neon")]
#[inline]
fn dots<const T: usize>(weights: &[i8], q: &[i16], inputs: usize) -> [[i64; TILE_ROWS]; T] {
    let (pairs, whole) = (inputs.div_ceil(2), inputs / 2);
    assert!(q.len() >= T * inputs && weights.len() == pairs * PAIR, "a whole tile and whole tokens");
    let mut totals = [[0i64; TILE_ROWS]; T];
    for start in (0..pairs).step_by(SEGMENT) {
        let mut sums = [[vdupq_n_s32(0); 4]; T];
        for pair in start..pairs.min(start + SEGMENT) {
            // SAFETY: the pair's 32 weights are in the tile.
            let int8x16x2_t(first, second) = unsafe { vld2q_s8(weights.as_ptr().add(pair * PAIR)) };
            let first = [vmovl_s8(vget_low_s8(first)), vmovl_high_s8(first)];
            let second = [vmovl_s8(vget_low_s8(second)), vmovl_high_s8(second)];
            for (token, sums) in sums.iter_mut().enumerate() {
                let q = &q[token * inputs + 2 * pair..];
                let (a, b) = (q[0], if pair < whole { q[1] } else { 0 });
                for half in 0..2 {
                    let low = vmlal_n_s16(sums[2 * half], vget_low_s16(first[half]), a);
                    sums[2 * half] = vmlal_n_s16(low, vget_low_s16(second[half]), b);
                    let high = vmlal_high_n_s16(sums[2 * half + 1], first[half], a);
                    sums[2 * half + 1] = vmlal_high_n_s16(high, second[half], b);
                }
            }
        }
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (totals, sum) in totals.chunks_exact_mut(4).zip(sums) {
                let mut lanes = [0i32; 4];
                // SAFETY: four lanes are written to four values.
                unsafe { vst1q_s32(lanes.as_mut_ptr(), sum) };
                totals.iter_mut().zip(lanes).for_each(|(total, lane)| *total += i64::from(lane));
            }
        }
    }
    totals
}
