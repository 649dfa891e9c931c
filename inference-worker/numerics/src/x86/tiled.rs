//! AVX2 products of many tokens.
//!
//! Sixteen rows at a time are widened to 16 bits and interleaved by pairs of inputs, so that a vector holds one pair
//! of inputs of eight rows. A pair of a token's activations is broadcast and multiplied with it: each i32 lane is one
//! row's sum, nothing is added across lanes, and the widening is paid once for all tokens.
//!
//! A lane takes 256 pair sums (2 * 127 * 32,767 each) before it is widened to f64, where sums below 2^53 are exact.

use std::arch::x86_64::*;

use super::avx2::AHEAD;
use crate::Rows;

/// Tokens from which interleaving pays.
pub(super) const TOKENS_MIN: usize = 6;
/// Rows of one tile: two vectors of sums.
const ROWS: usize = 16;
/// Rows of one vector.
const LANES: usize = 8;
/// Tokens that are multiplied together: with two vectors of rows, twelve registers of sums.
const TOKENS: usize = 6;
/// Pairs of inputs summed in i32 lanes.
const SEGMENT: usize = 256;
/// Activations that stay in the second-level cache while rows pass by.
const CACHED: usize = 128 << 10;
/// 16-bit weights per pair of inputs of a tile.
const PAIR: usize = 2 * ROWS;

#[target_feature(enable = "avx2,fma")]
pub(super) fn product(rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut [f32]) {
    let (count, inputs) = (rows.scales.len(), rows.inputs);
    let together = (CACHED / inputs).max(4 * TOKENS).next_multiple_of(TOKENS);
    let mut packed = vec![0i16; inputs.div_ceil(2) * PAIR];
    for from in (0..q_scales.len()).step_by(together) {
        let to = q_scales.len().min(from + together);
        for row in (0..count).step_by(ROWS) {
            pack(rows, row, &mut packed);
            let tile = Tile::new(rows, row, &packed);
            let mut token = from;
            while token < to {
                let tokens = TOKENS.min(to - token);
                let (q, scales) = (&q[token * inputs..], &q_scales[token..]);
                let out = &mut out[token * count + row..];
                match tokens {
                    1 => tile.multiply::<1>(q, scales, out, count),
                    2 => tile.multiply::<2>(q, scales, out, count),
                    3 => tile.multiply::<3>(q, scales, out, count),
                    4 => tile.multiply::<4>(q, scales, out, count),
                    5 => tile.multiply::<5>(q, scales, out, count),
                    _ => tile.multiply::<TOKENS>(q, scales, out, count),
                }
                token += tokens;
            }
        }
    }
}

/// Widens and interleaves sixteen rows. Past the end the last row stands in, and its result is not stored.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn pack(rows: Rows<'_>, row: usize, packed: &mut [i16]) {
    let (last, inputs) = (rows.scales.len() - 1, rows.inputs);
    assert_eq!(packed.len(), inputs.div_ceil(2) * PAIR, "room for every pair");
    let whole = inputs / 16 * 16;
    for half in 0..ROWS / LANES {
        let line = |i: usize| &rows.weights[(row + half * LANES + i).min(last) * inputs..][..inputs];
        let lines: [&[i8]; LANES] = std::array::from_fn(line);
        for at in (0..whole).step_by(16) {
            // Eight rows lie one after the other: two lines of what comes after them for each step.
            let next = lines[0].as_ptr().wrapping_add(LANES * at + AHEAD);
            _mm_prefetch::<_MM_HINT_T0>(next);
            _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(64));
            // SAFETY: `at + 16 <= whole <= inputs`, the length of every line; pairs `at / 2 .. at / 2 + 8` are in `packed`.
            unsafe {
                let wide = lines.map(|line| _mm256_cvtepi8_epi16(_mm_loadu_si128(line.as_ptr().add(at).cast())));
                let target = packed.as_mut_ptr().add(at / 2 * PAIR + half * 2 * LANES);
                for (pair, vector) in transpose(wide).into_iter().enumerate() {
                    _mm256_storeu_si256(target.add(pair * PAIR).cast(), vector);
                }
            }
        }
        for at in whole..inputs.next_multiple_of(2) {
            for (i, line) in lines.iter().enumerate() {
                let weight = line.get(at).copied().map_or(0, i16::from);
                packed[at / 2 * PAIR + (half * LANES + i) * 2 + at % 2] = weight;
            }
        }
    }
}

/// Turns eight rows of eight 32-bit columns into eight columns.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn transpose(rows: [__m256i; LANES]) -> [__m256i; LANES] {
    let [a, b, c, d, e, f, g, h] = rows;
    let quad = |a, b, c, d| {
        let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab, cd),
            _mm256_unpackhi_epi64(ab, cd),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    };
    let (top, bottom) = (quad(a, b, c, d), quad(e, f, g, h));
    let low = |i: usize| _mm256_permute2x128_si256::<0x20>(top[i], bottom[i]);
    let high = |i: usize| _mm256_permute2x128_si256::<0x31>(top[i], bottom[i]);
    [low(0), low(1), low(2), low(3), high(0), high(1), high(2), high(3)]
}

/// Sixteen interleaved rows.
struct Tile<'a> {
    packed: &'a [i16],
    inputs: usize,
    scales: [f32; ROWS],
    valid: usize,
}

impl<'a> Tile<'a> {
    fn new(rows: Rows<'_>, row: usize, packed: &'a [i16]) -> Self {
        let valid = ROWS.min(rows.scales.len() - row);
        let mut scales = [0.0; ROWS];
        scales[..valid].copy_from_slice(&rows.scales[row..row + valid]);
        Self { packed, inputs: rows.inputs, scales, valid }
    }

    /// The product with the first `T` tokens of `q`; results of a token are `stride` apart in `out`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn multiply<const T: usize>(&self, q: &[i16], q_scales: &[f32], out: &mut [f32], stride: usize) {
        let pairs = self.inputs.div_ceil(2);
        if pairs <= SEGMENT {
            // One segment: the sums are exact in i32, and this conversion is the one rounding.
            let sums = self.sums::<T>(q, 0, pairs);
            for (token, sums) in sums.into_iter().enumerate() {
                let rounded = sums.map(|sums| _mm256_cvtepi32_ps(sums));
                self.store(rounded, q_scales[token], &mut out[token * stride..]);
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
            let round = |low, high| _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
            self.store([round(a, b), round(c, d)], q_scales[token], &mut out[token * stride..]);
        }
    }

    /// Sums of the pairs `start..end`, at most [`SEGMENT`], of `T` tokens.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn sums<const T: usize>(&self, q: &[i16], start: usize, end: usize) -> [[__m256i; 2]; T] {
        let inputs = self.inputs;
        assert!(q.len() >= T * inputs && end <= inputs.div_ceil(2) && self.packed.len() >= end * PAIR, "all is there");
        let mut sums = [[_mm256_setzero_si256(); 2]; T];
        let whole = end.min(inputs / 2);
        for pair in start..whole {
            // SAFETY: `pair < end`, so its weights are in `packed`; `2 * pair + 2 <= inputs`, so it is in every token.
            unsafe {
                let [first, second] = weights(self.packed, pair);
                for (token, sums) in sums.iter_mut().enumerate() {
                    let both = q.as_ptr().add(token * inputs + 2 * pair).cast::<i32>().read_unaligned();
                    let both = _mm256_set1_epi32(both);
                    sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(first, both));
                    sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(second, both));
                }
            }
        }
        if whole < end {
            // SAFETY: `whole < end`, so the last pair's weights are in `packed`.
            let [first, second] = unsafe { weights(self.packed, whole) };
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
    fn store(&self, sums: [__m256; 2], q_scale: f32, out: &mut [f32]) {
        let q_scale = _mm256_set1_ps(q_scale);
        let mut values = [0.0f32; ROWS];
        let whole = self.valid == ROWS;
        let target = if whole { &mut out[..ROWS] } else { &mut values[..] };
        for (i, sums) in sums.into_iter().enumerate() {
            // SAFETY: `scales` and `target` hold sixteen values.
            unsafe {
                let scales = _mm256_loadu_ps(self.scales.as_ptr().add(i * LANES));
                let scaled = _mm256_mul_ps(_mm256_mul_ps(sums, q_scale), scales);
                _mm256_storeu_ps(target.as_mut_ptr().add(i * LANES), scaled);
            }
        }
        if !whole {
            out[..self.valid].copy_from_slice(&values[..self.valid]);
        }
    }
}

/// # Safety
/// `packed` holds the pair.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn weights(packed: &[i16], pair: usize) -> [__m256i; 2] {
    // SAFETY: the caller keeps the pair in bounds.
    unsafe {
        let at = packed.as_ptr().add(pair * PAIR);
        [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(PAIR / 2).cast())]
    }
}
