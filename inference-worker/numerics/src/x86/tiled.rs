//! AVX2 products.
//!
//! A vector holds one pair of inputs of eight rows, widened to 16 bits as it is read; a pair of a token's activations is
//! broadcast and multiplied with it: each i32 lane is one row's sum, and nothing is added across lanes. `vpmaddubsw`
//! saturates and is not used. What bounds many tokens are the two operations per 16 multiplications; a copy of widened
//! weights gains nothing, since widening runs beside them.
//!
//! A lane takes 256 pair sums (2 * 127 * 32,767 each) before it is widened to f64, where sums below 2^53 are exact.

use std::arch::x86_64::*;

use crate::tiles::{Columns, PAIR, Rows, TILE_ROWS};

/// Rows of one vector.
const LANES: usize = 8;
/// Tokens that are multiplied together: with two vectors of rows, twelve registers of sums.
const TOKENS: usize = 6;
/// Pairs of inputs summed in i32 lanes.
const SEGMENT: usize = 256;
/// Activations that stay in the second-level cache while rows pass by.
const CACHED: usize = 128 << 10;

#[target_feature(enable = "avx2,fma")]
pub(crate) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut Columns<'_>) {
    let inputs = rows.inputs;
    let together = (CACHED / inputs.max(1)).max(4 * TOKENS).next_multiple_of(TOKENS);
    for from in (0..q_scales.len()).step_by(together) {
        let to = q_scales.len().min(from + together);
        for (i, (weights, scales)) in rows.tiles().enumerate() {
            let tile = Tile::new(weights, scales, inputs, i * TILE_ROWS);
            tile.multiply_all(&q[from * inputs..to * inputs], &q_scales[from..to], from, out);
        }
    }
}

/// Sixteen rows.
struct Tile<'a> {
    weights: &'a [i8],
    inputs: usize,
    scales: [f32; TILE_ROWS],
    valid: usize,
    /// First row.
    row: usize,
}

impl<'a> Tile<'a> {
    fn new(weights: &'a [i8], scales: &[f32], inputs: usize, row: usize) -> Self {
        assert_eq!(weights.len(), inputs.div_ceil(2) * PAIR, "a whole tile");
        let mut padded = [0.0; TILE_ROWS];
        padded[..scales.len()].copy_from_slice(scales);
        Self { weights, inputs, scales: padded, valid: scales.len(), row }
    }

    /// The product with tokens that are lines `line..` of `out`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn multiply_all(&self, q: &[i16], scales: &[f32], line: usize, out: &mut Columns<'_>) {
        let mut token = 0;
        while token < scales.len() {
            let tokens = TOKENS.min(scales.len() - token);
            let (q, scales, line) = (&q[token * self.inputs..], &scales[token..], line + token);
            match tokens {
                1 => self.multiply::<1>(q, scales, line, out),
                2 => self.multiply::<2>(q, scales, line, out),
                3 => self.multiply::<3>(q, scales, line, out),
                4 => self.multiply::<4>(q, scales, line, out),
                5 => self.multiply::<5>(q, scales, line, out),
                _ => self.multiply::<TOKENS>(q, scales, line, out),
            }
            token += tokens;
        }
    }

    /// The product with the first `T` tokens of `q`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn multiply<const T: usize>(&self, q: &[i16], q_scales: &[f32], line: usize, out: &mut Columns<'_>) {
        let pairs = self.inputs.div_ceil(2);
        if pairs <= SEGMENT {
            // One segment: the sums are exact in i32, and this conversion is the one rounding.
            let sums = self.sums::<T>(q, 0, pairs);
            for (token, [first, second]) in sums.into_iter().enumerate() {
                let rounded = [_mm256_cvtepi32_ps(first), _mm256_cvtepi32_ps(second)];
                self.store(rounded, q_scales[token], out.line(line + token));
            }
            return;
        }
        let mut totals = [[_mm256_setzero_pd(); 4]; T];
        for start in (0..pairs).step_by(SEGMENT) {
            let sums = self.sums::<T>(q, start, pairs.min(start + SEGMENT));
            for (total, [first, second]) in totals.iter_mut().zip(sums) {
                let wide = [
                    _mm256_cvtepi32_pd(_mm256_castsi256_si128(first)),
                    _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(first)),
                    _mm256_cvtepi32_pd(_mm256_castsi256_si128(second)),
                    _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(second)),
                ];
                for (total, wide) in total.iter_mut().zip(wide) {
                    *total = _mm256_add_pd(*total, wide);
                }
            }
        }
        for (token, [a, b, c, d]) in totals.into_iter().enumerate() {
            let first = _mm256_set_m128(_mm256_cvtpd_ps(b), _mm256_cvtpd_ps(a));
            let second = _mm256_set_m128(_mm256_cvtpd_ps(d), _mm256_cvtpd_ps(c));
            self.store([first, second], q_scales[token], out.line(line + token));
        }
    }

    /// Sums of the pairs `start..end`, at most [`SEGMENT`], of `T` tokens.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn sums<const T: usize>(&self, q: &[i16], start: usize, end: usize) -> [[__m256i; 2]; T] {
        let inputs = self.inputs;
        assert!(q.len() >= T * inputs && end <= inputs.div_ceil(2) && end * PAIR <= self.weights.len(), "all is there");
        let mut sums = [[_mm256_setzero_si256(); 2]; T];
        // Opaque, so that every token keeps a register of its own instead of a sum of strides in every step.
        let tokens: [*const i16; T] = std::hint::black_box(std::array::from_fn(|token| q[token * inputs..].as_ptr()));
        let whole = end.min(inputs / 2);
        let mut pair = start;
        while pair + 2 <= whole {
            // SAFETY: `pair + 1 < end`, so both pairs' weights are there; both are in every token.
            unsafe {
                step(self.weights, &tokens, pair, &mut sums);
                step(self.weights, &tokens, pair + 1, &mut sums);
            }
            pair += 2;
        }
        if pair < whole {
            // SAFETY: as above, for the last whole pair.
            unsafe { step(self.weights, &tokens, pair, &mut sums) };
        }
        if whole < end {
            // SAFETY: `whole < end`, so the last pair's weights are there.
            let [first, second] = unsafe { pair_of(self.weights, whole) };
            for (token, sums) in sums.iter_mut().enumerate() {
                let one = _mm256_set1_epi32(i32::from(q[token * inputs + inputs - 1]) & 0xffff);
                sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(first, one));
                sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(second, one));
            }
        }
        sums
    }

    /// Scales sixteen rounded sums: by the token first, then by the row.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn store(&self, sums: [__m256; 2], q_scale: f32, line: &mut [f32]) {
        let q_scale = _mm256_set1_ps(q_scale);
        let mut values = [0.0f32; TILE_ROWS];
        let out = &mut line[self.row..self.row + self.valid];
        let whole = self.valid == TILE_ROWS;
        let target = if whole { out.as_mut_ptr() } else { values.as_mut_ptr() };
        for (i, sums) in sums.into_iter().enumerate() {
            // SAFETY: `scales` and `target` hold sixteen values.
            unsafe {
                let scales = _mm256_loadu_ps(self.scales.as_ptr().add(i * LANES));
                _mm256_storeu_ps(target.add(i * LANES), _mm256_mul_ps(_mm256_mul_ps(sums, q_scale), scales));
            }
        }
        if !whole {
            out.copy_from_slice(&values[..self.valid]);
        }
    }
}

/// The weights of one pair of inputs, widened: of the first eight rows and of the others.
///
/// # Safety
/// The pair is in the weights.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn pair_of(weights: &[i8], pair: usize) -> [__m256i; 2] {
    // SAFETY: the caller keeps the pair in bounds.
    unsafe {
        let at = weights.as_ptr().add(pair * PAIR);
        let (low, high) = (_mm_loadu_si128(at.cast()), _mm_loadu_si128(at.add(PAIR / 2).cast()));
        [_mm256_cvtepi8_epi16(low), _mm256_cvtepi8_epi16(high)]
    }
}

/// Adds one pair of inputs of every token.
///
/// # Safety
/// The pair is in the weights and in every token.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn step<const T: usize>(weights: &[i8], tokens: &[*const i16; T], pair: usize, sums: &mut [[__m256i; 2]; T]) {
    // SAFETY: the caller keeps the pair in bounds.
    unsafe {
        let [first, second] = pair_of(weights, pair);
        for (token, sums) in tokens.iter().zip(sums) {
            let both = _mm256_set1_epi32(token.cast::<i32>().add(pair).read_unaligned());
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(first, both));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(second, both));
        }
    }
}
