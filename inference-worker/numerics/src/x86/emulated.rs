//! The AVX-512 products on processors that lack AVX-512, for tests: their text once more, over instructions that are
//! written out as the processor's manual defines them.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::tiles::Columns;
use crate::{Arithmetic, Kernel, Tiles};

macro_rules! with_avx512 {
    ($macro:ident, $($rest:tt)*) => { $macro! { "avx2,fma", $($rest)* } };
}
macro_rules! with_avx512_vnni {
    ($macro:ident, $($rest:tt)*) => { $macro! { "avx2,fma", $($rest)* } };
}

#[allow(clippy::duplicate_mod, reason = "the same text over other instructions is the point")]
#[path = "avx512.rs"]
mod avx512;

/// The instructions, lane by lane.
mod wide {
    #![allow(non_camel_case_types, reason = "the names of the real ones")]

    pub(super) use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(super) struct __m512i([i32; 16]);
    #[derive(Clone, Copy)]
    pub(super) struct __m512d([f64; 8]);

    fn lanes(x: __m256i) -> [i32; 8] {
        // SAFETY: both are 32 bytes, any bits are valid.
        unsafe { std::mem::transmute(x) }
    }

    fn vector(x: [i32; 8]) -> __m256i {
        // SAFETY: both are 32 bytes, any bits are valid.
        unsafe { std::mem::transmute(x) }
    }

    pub(super) fn _mm512_setzero_si512() -> __m512i {
        __m512i([0; 16])
    }
    pub(super) fn _mm512_setzero_pd() -> __m512d {
        __m512d([0.0; 8])
    }
    pub(super) fn _mm512_set1_epi32(x: i32) -> __m512i {
        __m512i([x; 16])
    }
    pub(super) fn _mm512_add_pd(a: __m512d, b: __m512d) -> __m512d {
        __m512d(std::array::from_fn(|i| a.0[i] + b.0[i]))
    }
    pub(super) fn _mm512_add_epi32(a: __m512i, b: __m512i) -> __m512i {
        __m512i(std::array::from_fn(|i| a.0[i].wrapping_add(b.0[i])))
    }
    pub(super) fn _mm512_castsi512_si256(x: __m512i) -> __m256i {
        vector(std::array::from_fn(|i| x.0[i]))
    }
    pub(super) fn _mm512_extracti64x4_epi64<const HALF: usize>(x: __m512i) -> __m256i {
        vector(std::array::from_fn(|i| x.0[8 * HALF + i]))
    }
    pub(super) fn _mm512_cvtepi32_pd(x: __m256i) -> __m512d {
        __m512d(lanes(x).map(f64::from))
    }
    pub(super) fn _mm512_cvtpd_ps(x: __m512d) -> __m256 {
        // SAFETY: both are 32 bytes, any bits are valid.
        unsafe { std::mem::transmute(x.0.map(|x| x as f32)) }
    }
    pub(super) fn _mm512_cvtepi8_epi16(x: __m256i) -> __m512i {
        // SAFETY: both are 32 bytes, any bits are valid.
        let bytes: [i8; 32] = unsafe { std::mem::transmute(x) };
        let pair = |i: usize| [bytes[2 * i], bytes[2 * i + 1]].map(i32::from);
        __m512i(std::array::from_fn(|i| pair(i)[0] & 0xffff | pair(i)[1] << 16))
    }
    pub(super) fn _mm512_madd_epi16(a: __m512i, b: __m512i) -> __m512i {
        let halves = |x: i32| [x as i16, (x >> 16) as i16].map(i32::from);
        __m512i(std::array::from_fn(|i| {
            let ([a, b], [c, d]) = (halves(a.0[i]), halves(b.0[i]));
            (a * c).wrapping_add(b * d)
        }))
    }
    pub(super) fn _mm512_dpwssd_epi32(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(sum, _mm512_madd_epi16(a, b))
    }
}

/// Both products and the scalar one, as bits.
fn products(w: &[i8], inputs: usize, scales: &[f32], q: &[i16], q_scales: &[f32]) -> [Vec<u32>; 3] {
    let tiles = Tiles::of(w, inputs);
    let rows = tiles.slice(0, scales);
    [0, 1, 2].map(|which| {
        let mut out = vec![0.0; scales.len() * q_scales.len()];
        let mut columns = Columns::new(&mut out, scales.len());
        match which {
            0 => Arithmetic::new(Kernel::Scalar).expect("scalar is always there").product_into(
                rows,
                q,
                q_scales,
                &mut columns,
            ),
            // SAFETY: the test has checked AVX2 and FMA; AVX-512 is emulated.
            1 => unsafe { avx512::product(rows, q, q_scales, &mut columns) },
            // SAFETY: as above.
            _ => unsafe { avx512::product_vnni(rows, q, q_scales, &mut columns) },
        }
        out.into_iter().map(f32::to_bits).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn avx512_products_agree_with_the_scalar_ones(
        (inputs, w, q, scales, q_scales) in (1usize..40, 1usize..150, 1usize..30).prop_flat_map(|(rows, inputs, tokens)| (
            Just(inputs), vec(-127i8..=127, rows * inputs), vec(-32_767i16..=32_767, tokens * inputs),
            vec(-2.0f32..2.0, rows), vec(-2.0f32..2.0, tokens),
        ))
    ) {
        if Kernel::Avx2.check_available().is_ok() {
            let [scalar, plain, vnni] = products(&w, inputs, &scales, &q, &q_scales);
            prop_assert_eq!(&plain, &scalar);
            prop_assert_eq!(&vnni, &scalar);
        }
    }
}

#[test]
fn avx512_products_agree_at_every_limit() {
    if Kernel::Avx2.check_available().is_err() {
        return;
    }
    for (rows, inputs, tokens) in [(17, 511, 13), (16, 512, 12), (3, 513, 5), (2, 65_793, 2)] {
        for (weight, activation) in [(127, 32_767), (-127, 32_767), (-127, -32_767)] {
            let (w, q) = (vec![weight; rows * inputs], vec![activation; inputs * tokens]);
            let [scalar, plain, vnni] = products(&w, inputs, &vec![1.0; rows], &q, &vec![1.0; tokens]);
            assert_eq!((&plain, &vnni), (&scalar, &scalar));
            let exact = inputs as i64 * i64::from(weight) * i64::from(activation);
            assert_eq!(scalar, vec![(exact as f32).to_bits(); rows * tokens]);
        }
    }
}
