//! AVX-512 products, with and without VNNI; everything else is shared with AVX2.
//!
//! `vpdpwssd` adds pairs of 16-bit products to i32 lanes without saturation: the same bound as `vpmaddwd`.

use std::arch::x86_64::*;

use super::avx2::{RowGroup, add_quads, tail};
use crate::Rows;

/// Inputs one instruction takes.
const STEP: usize = 32;
/// Inputs summed in i32 lanes before they are widened: 256 steps.
const SEGMENT: usize = 256 * STEP;
const ROWS: usize = 4;
/// Tokens that share one pass over the weights; their activations stay in the second-level cache.
const TOKENS: usize = 32;

/// Writes the product for one way to multiply and accumulate.
macro_rules! product_with {
    ($features:literal, $product:ident, $dots:ident, $multiply_add:expr) => {
        #[target_feature(enable = $features)]
        pub(crate) fn $product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut [f32]) {
            let (count, inputs) = (rows.scales.len(), rows.inputs);
            for tile in (0..q_scales.len()).step_by(TOKENS) {
                let tile_end = q_scales.len().min(tile + TOKENS);
                for row in (0..count).step_by(ROWS) {
                    let group = RowGroup::new(rows, row);
                    let mut token = tile;
                    while token + 4 <= tile_end {
                        let sums = $dots::<4>(&group.weights, &q[token * inputs..][..4 * inputs]);
                        for (i, sum) in sums.into_iter().enumerate() {
                            group.store(sum, q_scales[token + i], &mut out[(token + i) * count + row..]);
                        }
                        token += 4;
                    }
                    for token in token..tile_end {
                        let [sum] = $dots::<1>(&group.weights, &q[token * inputs..][..inputs]);
                        group.store(sum, q_scales[token], &mut out[token * count + row..]);
                    }
                }
            }
        }

        /// Exact dot products of four rows with `T` tokens, as four i64 each.
        #[target_feature(enable = $features)]
        #[inline]
        fn $dots<const T: usize>(weights: &[&[i8]; ROWS], q: &[i16]) -> [__m256i; T] {
            let inputs = q.len() / T;
            let whole = inputs / STEP * STEP;
            let mut total = [_mm256_setzero_si256(); T];
            for (token, total) in total.iter_mut().enumerate() {
                *total = tail(weights, &q[token * inputs..][..inputs], whole);
            }
            for start in (0..whole).step_by(SEGMENT) {
                let mut sums = [[_mm512_setzero_si512(); ROWS]; T];
                for at in (start..whole.min(start + SEGMENT)).step_by(STEP) {
                    for row in 0..ROWS {
                        // SAFETY: `at + 32 <= whole`, and every row holds `inputs >= whole` weights.
                        let bytes = unsafe { _mm256_loadu_si256(weights[row].as_ptr().add(at).cast()) };
                        let weights = _mm512_cvtepi8_epi16(bytes);
                        for (token, sums) in sums.iter_mut().enumerate() {
                            // SAFETY: token `token` of `T` starts at `token * inputs`, and `at + 32 <= inputs`.
                            let q = unsafe { _mm512_loadu_si512(q.as_ptr().add(token * inputs + at).cast()) };
                            sums[row] = $multiply_add(sums[row], weights, q);
                        }
                    }
                }
                for (total, [a, b, c, d]) in total.iter_mut().zip(sums) {
                    let sum = add_quads(quarters(a), quarters(b), quarters(c), quarters(d));
                    *total = _mm256_add_epi64(*total, sum);
                }
            }
            total
        }
    };
}

product_with!("avx512f,avx512bw,avx512vl,avx2,fma", product, dots, |sum, weights, q| {
    _mm512_add_epi32(sum, _mm512_madd_epi16(weights, q))
});
product_with!("avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma", product_vnni, dots_vnni, |sum, weights, q| {
    _mm512_dpwssd_epi32(sum, weights, q)
});

/// Widens sixteen i32 lanes to i64 and adds them down to four.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
#[inline]
fn quarters(sum: __m512i) -> __m256i {
    let low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(sum));
    let high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64::<1>(sum));
    let eight = _mm512_add_epi64(low, high);
    _mm256_add_epi64(_mm512_castsi512_si256(eight), _mm512_extracti64x4_epi64::<1>(eight))
}
