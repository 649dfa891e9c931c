//! NEON products: weights are widened to 16 bits and multiplied into 32-bit lanes (`smlal`).
//!
//! Four rows meet up to four tokens, so that every load serves four multiplications and sixteen sums stay in registers.
//! A lane takes two products (at most 127 * 32,767 each) per step and is widened to i64 after 128 steps.

use std::arch::aarch64::*;

use crate::Rows;

/// Inputs one step takes.
const STEP: usize = 8;
/// Inputs summed in i32 lanes before they are widened: 256 products per lane.
const SEGMENT: usize = 128 * STEP;
/// Rows computed together.
const ROWS: usize = 4;
/// Tokens computed together.
const TOKENS: usize = 4;
/// Tokens that share one pass over the weights; their activations stay in the second-level cache.
const PASS: usize = 32;

const _: () = assert!(2 * (SEGMENT / STEP) as i64 * 127 * 32_767 < i32::MAX as i64);

#[target_feature(enable = "neon")]
pub(crate) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut [f32]) {
    for from in (0..q_scales.len()).step_by(PASS) {
        let to = q_scales.len().min(from + PASS);
        for row in (0..rows.scales.len()).step_by(ROWS) {
            for token in (from..to).step_by(TOKENS) {
                match to - token {
                    1 => group::<1>(rows, row, q, q_scales, token, out),
                    2 => group::<2>(rows, row, q, q_scales, token, out),
                    3 => group::<3>(rows, row, q, q_scales, token, out),
                    _ => group::<TOKENS>(rows, row, q, q_scales, token, out),
                }
            }
        }
    }
}

/// Four rows with `T` tokens. Past the end the last row stands in, and its result is not stored.
#[target_feature(enable = "neon")]
#[inline]
fn group<const T: usize>(rows: Rows<'_>, row: usize, q: &[i16], q_scales: &[f32], token: usize, out: &mut [f32]) {
    let (count, inputs) = (rows.scales.len(), rows.inputs);
    let weights = [0, 1, 2, 3].map(|i| &rows.weights[(row + i).min(count - 1) * inputs..][..inputs]);
    let sums = dots::<T>(weights, &q[token * inputs..][..T * inputs]);
    for (i, sums) in sums.iter().enumerate() {
        let out = &mut out[(token + i) * count..][..count];
        for (row, sum) in (row..count).zip(sums) {
            out[row] = (*sum as f32 * q_scales[token + i]) * rows.scales[row];
        }
    }
}

/// Exact dot products: `[token][row]`.
#[target_feature(enable = "neon")]
#[inline]
fn dots<const T: usize>(weights: [&[i8]; ROWS], q: &[i16]) -> [[i64; ROWS]; T] {
    let inputs = weights[0].len();
    assert!(q.len() == T * inputs && weights.iter().all(|row| row.len() == inputs), "rows and tokens of one length");
    let whole = inputs / STEP * STEP;
    let mut totals = [[0i64; ROWS]; T];
    for (token, totals) in totals.iter_mut().enumerate() {
        for (total, row) in totals.iter_mut().zip(weights) {
            let rest = row[whole..].iter().zip(&q[token * inputs + whole..]);
            *total = rest.map(|(&w, &q)| i64::from(w) * i64::from(q)).sum();
        }
    }
    for start in (0..whole).step_by(SEGMENT) {
        let mut sums = [[vdupq_n_s32(0); ROWS]; T];
        for at in (start..whole.min(start + SEGMENT)).step_by(STEP) {
            // SAFETY: `at + 8 <= whole <= inputs`, the length of every row, and token `token` of `T` starts at
            // `token * inputs`.
            let (wide, tokens) = unsafe {
                let wide = weights.map(|row| vmovl_s8(vld1_s8(row.as_ptr().add(at))));
                let tokens: [int16x8_t; T] =
                    std::array::from_fn(|token| vld1q_s16(q.as_ptr().add(token * inputs + at)));
                (wide, tokens)
            };
            for (sums, q) in sums.iter_mut().zip(tokens) {
                for (sum, weights) in sums.iter_mut().zip(wide) {
                    let low = vmlal_s16(*sum, vget_low_s16(weights), vget_low_s16(q));
                    *sum = vmlal_high_s16(low, weights, q);
                }
            }
        }
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += vaddlvq_s32(sum);
            }
        }
    }
    totals
}
