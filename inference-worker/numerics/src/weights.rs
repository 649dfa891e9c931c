//! Quantises weights: importers only, workers never do it.

use crate::NumericsError;
use crate::limits::WEIGHT_MAX;
use crate::scalar::{ROUND, TINY, check_finite, magnitude_bits};

/// Quantises one row of weights to 8 bits and returns its scale: the largest magnitude / 127.
///
/// # Errors
/// [`NumericsError::NonFinite`].
pub fn quantise_row(row: &[f32], q: &mut [i8]) -> Result<f32, NumericsError> {
    assert_eq!(row.len(), q.len(), "as many quantised weights as weights");
    check_finite(row, "a weight")?;
    let most = f32::from_bits(magnitude_bits(row));
    if most < TINY {
        q.fill(0);
        return Ok(0.0);
    }
    let scale = most / WEIGHT_MAX as f32;
    for (q, x) in q.iter_mut().zip(row) {
        let rounded = (x / scale + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        *q = rounded.clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8;
    }
    Ok(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_rounded_to_even_and_saturate() {
        let mut q = [0; 7];
        let scale = quantise_row(&[127.0, -127.0, 0.5, 1.5, -2.5, 126.5, -0.0], &mut q).expect("finite");
        assert_eq!((scale, q), (1.0, [127, -127, 0, 2, -2, 126, 0]));
        assert_eq!(quantise_row(&[1e-31; 7], &mut q), Ok(0.0));
        assert_eq!(q, [0; 7]);
        assert!(quantise_row(&[f32::NAN; 7], &mut q).is_err());
    }
}
