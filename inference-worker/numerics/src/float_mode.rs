//! Asserts the floating-point mode of the calling thread.

use std::hint::black_box;

use crate::NumericsError;

/// Checks that the calling thread rounds to nearest even and keeps subnormals, on input and on output.
///
/// The mode belongs to a thread: callers with threads of their own check each of them once.
///
/// # Errors
/// [`NumericsError::FloatMode`] names the broken rule.
pub fn assert_float_mode() -> Result<(), NumericsError> {
    let half = black_box(f32::MIN_POSITIVE) * black_box(0.5);
    let least = black_box(f32::from_bits(1));
    let rules = [
        (half.to_bits() == 0x0040_0000, "subnormal results are flushed to zero"),
        ((least + least).to_bits() == 2, "subnormal inputs are taken as zero"),
        ((black_box(1.0f32) + black_box(f32::from_bits(0x3380_0000))).to_bits() == 0x3f80_0000, "ties go up"),
        ((black_box(1.0f32) + black_box(f32::from_bits(0x3380_0001))).to_bits() == 0x3f80_0001, "rounds towards zero"),
        ((black_box(-1.0f32) - black_box(f32::from_bits(0x3380_0001))).to_bits() == 0xbf80_0001, "rounds upwards"),
        (contraction_is_off(), "products and sums are contracted"),
        (fma_is_exact(), "fused multiply-add rounds twice"),
    ];
    match rules.into_iter().find(|(holds, _)| !holds) {
        Some((_, what)) => Err(NumericsError::FloatMode { what }),
        None => Ok(()),
    }
}

/// `a * a - a²` is zero only if the product is rounded before the subtraction.
fn contraction_is_off() -> bool {
    let a = black_box(f32::from_bits(0x3f80_0001));
    let square = black_box(a * a);
    a * a - square == 0.0
}

/// The same with a fused multiply-add shows the product's rounding error, 2^-46.
fn fma_is_exact() -> bool {
    let a = black_box(f32::from_bits(0x3f80_0001));
    let square = black_box(a * a);
    a.mul_add(a, -square).to_bits() == 0x2880_0000
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_follows_the_standard() {
        assert_eq!(super::assert_float_mode(), Ok(()));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    #[allow(deprecated, unsafe_code, reason = "the control register has no other face")]
    fn flush_to_zero_is_noticed() {
        use std::arch::x86_64::{_mm_getcsr, _mm_setcsr};
        let noticed = std::thread::spawn(|| {
            // SAFETY: the register belongs to this thread, which ends before any other arithmetic.
            unsafe { _mm_setcsr(_mm_getcsr() | 0x8040) };
            super::assert_float_mode().is_err()
        });
        assert!(noticed.join().expect("the thread does not panic"));
    }

    #[cfg(target_arch = "aarch64")]
    #[test]
    #[allow(unsafe_code, reason = "the control register has no other face")]
    fn flush_to_zero_and_other_roundings_are_noticed() {
        // Flush to zero; round towards plus infinity, minus infinity, zero.
        for mode in [1u64 << 24, 1 << 22, 2 << 22, 3 << 22] {
            let noticed = std::thread::spawn(move || {
                // SAFETY: the register belongs to this thread, which ends before any other arithmetic.
                unsafe { std::arch::asm!("msr fpcr, {}", in(reg) mode) };
                super::assert_float_mode().is_err()
            });
            assert!(noticed.join().expect("the thread does not panic"), "mode {mode:#x}");
        }
    }
}
