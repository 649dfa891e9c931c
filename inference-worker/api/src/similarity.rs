//! How alike two embeddings are.

use crate::limits::BASIS_POINTS;

/// The cosine of the angle between two embeddings in basis points, rounded down: 10,000 for the same direction, 0 for a
/// right angle and beyond. `None` when their widths differ. Integers only; `0x1::inference::similarity` is this function.
#[must_use]
pub fn similarity_bps(a: &[i8], b: &[i8]) -> Option<u32> {
    if a.len() != b.len() {
        return None;
    }
    let dot = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(a, b)| i128::from(*a) * i128::from(*b)).sum::<i128>();
    let (product, squares) = (dot(a, b), dot(a, a) * dot(b, b));
    if product <= 0 {
        return Some(0);
    }
    let scaled = (product * i128::from(BASIS_POINTS)).unsigned_abs();
    let cosine = (scaled * scaled / squares.unsigned_abs()).isqrt();
    Some(u32::try_from(cosine).expect("a cosine is at most 1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn angles() {
        assert_eq!(similarity_bps(&[3, 4], &[6, 8]), Some(10_000));
        assert_eq!(similarity_bps(&[1, 0], &[1, 1]), Some(7_071));
        assert_eq!(similarity_bps(&[1, 0], &[0, 1]), Some(0));
        assert_eq!(similarity_bps(&[1, 0], &[-1, 0]), Some(0));
        assert_eq!(similarity_bps(&[0, 0], &[0, 0]), Some(0));
        assert_eq!(similarity_bps(&[1], &[1, 1]), None);
        assert_eq!(similarity_bps(&[-128; 5_000], &[-128; 5_000]), Some(10_000));
    }

    proptest! {
        #[test]
        fn symmetric_and_bounded(pairs in proptest::collection::vec(any::<(i8, i8)>(), 0..50)) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            let cosine = similarity_bps(&a, &b).expect("equal widths");
            prop_assert!(cosine <= 10_000);
            prop_assert_eq!(similarity_bps(&b, &a), Some(cosine));
        }
    }
}
