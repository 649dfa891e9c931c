//! AVX-512 products, with and without VNNI; everything else is shared with AVX2.
//!
//! One vector holds a pair of inputs of a whole tile, widened as it is read. `vpdpwssd` adds pairs of 16-bit products to
//! i32 lanes without saturation: the same bound as `vpmaddwd`, 256 pair sums.

use super::wide::*;

use crate::tiles::{Columns, PAIR, Rows, TILE_ROWS};

/// Tokens that are multiplied together: as many registers of sums.
const TOKENS: usize = 12;
/// Pairs of inputs summed in i32 lanes.
const SEGMENT: usize = 256;
/// Activations that stay in the second-level cache while rows pass by.
const CACHED: usize = 256 << 10;

/// Calls a function with a number of tokens known to the compiler.
macro_rules! with_tokens {
    ($count:expr, $function:ident($($argument:expr),*)) => {
        match $count {
            1 => $function::<1>($($argument),*),
            2 => $function::<2>($($argument),*),
            3 => $function::<3>($($argument),*),
            4 => $function::<4>($($argument),*),
            5..8 => $function::<4>($($argument),*),
            8..12 => $function::<8>($($argument),*),
            _ => $function::<TOKENS>($($argument),*),
        }
    };
}

/// Writes the product for one way to multiply and accumulate.
macro_rules! product_with {
    ($features:literal, $product:ident, $multiply:ident, $sums:ident, $multiply_add:expr) => {
        #[target_feature(enable = $features)]
        pub(crate) fn $product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut Columns<'_>) {
            let inputs = rows.inputs;
            let together = (CACHED / inputs.max(1)).max(4 * TOKENS).next_multiple_of(TOKENS);
            for from in (0..q_scales.len()).step_by(together) {
                let to = q_scales.len().min(from + together);
                for (i, (weights, scales)) in rows.tiles().enumerate() {
                    let mut token = from;
                    while token < to {
                        let (q, q_scales) = (&q[token * inputs..to * inputs], &q_scales[token..to]);
                        let row = i * TILE_ROWS;
                        token +=
                            with_tokens!(to - token, $multiply(weights, scales, q, q_scales, inputs, row, token, out));
                    }
                }
            }
        }

        /// The product of a tile with the first `T` tokens of `q`, which are lines `line..` of `out`; returns `T`.
        #[target_feature(enable = $features)]
        #[inline]
        #[allow(clippy::too_many_arguments, reason = "one step of the loop above")]
        fn $multiply<const T: usize>(
            weights: &[i8],
            scales: &[f32],
            q: &[i16],
            q_scales: &[f32],
            inputs: usize,
            row: usize,
            line: usize,
            out: &mut Columns<'_>,
        ) -> usize {
            let pairs = inputs.div_ceil(2);
            let mut totals = [[_mm512_setzero_pd(); 2]; T];
            for start in (0..pairs).step_by(SEGMENT) {
                let sums = $sums::<T>(weights, q, inputs, start, pairs.min(start + SEGMENT));
                for (total, sum) in totals.iter_mut().zip(sums) {
                    total[0] = _mm512_add_pd(total[0], _mm512_cvtepi32_pd(_mm512_castsi512_si256(sum)));
                    total[1] = _mm512_add_pd(total[1], _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64::<1>(sum)));
                }
            }
            let valid = scales.len();
            for (token, [low, high]) in totals.into_iter().enumerate() {
                let mut values = [0.0f32; TILE_ROWS];
                let q_scale = _mm256_set1_ps(q_scales[token]);
                for (i, sums) in [low, high].into_iter().enumerate() {
                    // SAFETY: `values` holds sixteen.
                    unsafe {
                        let at = values.as_mut_ptr().add(i * TILE_ROWS / 2);
                        _mm256_storeu_ps(at, _mm256_mul_ps(_mm512_cvtpd_ps(sums), q_scale));
                    }
                }
                let target = &mut out.line(line + token)[row..row + valid];
                for ((target, value), scale) in target.iter_mut().zip(values).zip(scales) {
                    *target = value * scale;
                }
            }
            T
        }

        /// Sums of the pairs `start..end`, at most [`SEGMENT`], of `T` tokens.
        #[target_feature(enable = $features)]
        #[inline]
        fn $sums<const T: usize>(weights: &[i8], q: &[i16], inputs: usize, start: usize, end: usize) -> [__m512i; T] {
            assert!(q.len() >= T * inputs && end <= inputs.div_ceil(2) && end * PAIR <= weights.len(), "all is there");
            let mut sums = [_mm512_setzero_si512(); T];
            let tokens: [*const i16; T] =
                std::hint::black_box(std::array::from_fn(|token| q[token * inputs..].as_ptr()));
            let whole = end.min(inputs / 2);
            for pair in start..end {
                // SAFETY: the pair's 32 weights are there; `pair < whole` is in every token, and the one after it has
                // one input, which is read alone.
                unsafe {
                    let bytes = _mm256_loadu_si256(weights.as_ptr().add(pair * PAIR).cast());
                    let weights = _mm512_cvtepi8_epi16(bytes);
                    for (token, sum) in tokens.iter().zip(&mut sums) {
                        let both = if pair < whole {
                            token.cast::<i32>().add(pair).read_unaligned()
                        } else {
                            i32::from(token.add(2 * pair).read()) & 0xffff
                        };
                        *sum = $multiply_add(*sum, weights, _mm512_set1_epi32(both));
                    }
                }
            }
            sums
        }
    };
}

with_avx512!(product_with, product, multiply, sums, |sum, weights, q| {
    _mm512_add_epi32(sum, _mm512_madd_epi16(weights, q))
});
with_avx512_vnni!(product_with, product_vnni, multiply_vnni, sums_vnni, |sum, weights, q| {
    _mm512_dpwssd_epi32(sum, weights, q)
});
