//! Ways to compute the same bits.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::{NumericsError, self_test};

/// A way to compute. All give the same bits; they differ in speed and in the processor they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// Plain Rust: the truth, on every processor.
    Scalar,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW and VL; uses VNNI where present.
    Avx512,
    /// 64-bit ARM with NEON.
    Neon,
}

impl Kernel {
    /// All kernels, slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon];

    /// Name, as [`FromStr`] reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Checks that this processor can run the kernel.
    ///
    /// # Errors
    /// [`NumericsError::Unavailable`] names what is missing.
    pub fn check_available(self) -> Result<(), NumericsError> {
        match self.lacks() {
            None => Ok(()),
            Some(lacks) => Err(NumericsError::Unavailable { kernel: self, lacks }),
        }
    }

    /// Kernels this processor can run, slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.lacks().is_none()).collect()
    }

    /// The fastest kernel that this processor can run and whose golden vectors all come out right; decided once.
    ///
    /// Whoever starts a worker reports [`Kernel::refused`].
    #[must_use]
    pub fn best() -> Self {
        Self::proven().0
    }

    /// Why kernels that this processor claims to run were passed over: each has computed a golden vector wrongly.
    #[must_use]
    pub fn refused() -> &'static [NumericsError] {
        &Self::proven().1
    }

    fn proven() -> &'static (Self, Vec<NumericsError>) {
        static PROVEN: OnceLock<(Kernel, Vec<NumericsError>)> = OnceLock::new();
        PROVEN.get_or_init(|| fastest(Self::available(), |kernel| self_test(kernel).map(|_| ())))
    }

    #[cfg(target_arch = "x86_64")]
    fn lacks(self) -> Option<&'static str> {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        match self {
            Self::Avx2 if !avx2 => Some("AVX2 with FMA"),
            Self::Avx512 if !(avx2 && avx512) => Some("AVX-512 F, BW and VL"),
            Self::Neon => Some("the 64-bit ARM instruction set"),
            _ => None,
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Scalar => None,
            Self::Neon => (!std::arch::is_aarch64_feature_detected!("neon")).then_some("NEON"),
            Self::Avx2 | Self::Avx512 => Some("the x86-64 instruction set"),
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn lacks(self) -> Option<&'static str> {
        (self != Self::Scalar).then_some("the instruction set: only x86-64 and 64-bit ARM have vector kernels")
    }
}

/// The last of `available` that passes; the scalar kernel, unproven, if none does: it cannot be run without its own test
/// either, so that the fault is seen where work starts.
fn fastest(available: Vec<Kernel>, test: impl Fn(Kernel) -> Result<(), NumericsError>) -> (Kernel, Vec<NumericsError>) {
    let mut refused = Vec::new();
    for kernel in available.into_iter().rev() {
        match test(kernel) {
            Ok(()) => return (kernel, refused),
            Err(error) => refused.push(error),
        }
    }
    (Kernel::Scalar, refused)
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = NumericsError;

    fn from_str(name: &str) -> Result<Self, NumericsError> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        found.ok_or_else(|| NumericsError::UnknownKernel { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for kernel in Kernel::ALL {
            assert_eq!(kernel.name().parse(), Ok(kernel));
        }
        let error = "sse".parse::<Kernel>().expect_err("no such kernel");
        assert_eq!(error.to_string(), "unknown kernel `sse`: expected scalar, avx2, avx512 or neon");
    }

    #[test]
    fn a_kernel_that_computes_wrongly_is_passed_over_and_named() {
        let wrong = |kernel| NumericsError::Golden { kernel, operation: "product", expected: "a", got: "b".to_owned() };
        let all = || Kernel::ALL[..3].to_vec();
        assert_eq!(fastest(all(), |_| Ok(())), (Kernel::Avx512, vec![]));
        let test = |kernel| if kernel == Kernel::Avx512 { Err(wrong(kernel)) } else { Ok(()) };
        assert_eq!(fastest(all(), test), (Kernel::Avx2, vec![wrong(Kernel::Avx512)]));
        let (kernel, refused) = fastest(all(), |kernel| Err(wrong(kernel)));
        assert_eq!((kernel, refused.len()), (Kernel::Scalar, 3));
        assert_eq!((Kernel::best(), Kernel::refused()), (*Kernel::available().last().expect("scalar"), &[][..]));
    }

    #[test]
    fn a_missing_kernel_is_a_clear_error() {
        assert!(Kernel::available().contains(&Kernel::Scalar));
        for kernel in Kernel::ALL {
            let available = Kernel::available().contains(&kernel);
            assert_eq!(kernel.check_available().is_ok(), available);
            assert_eq!(crate::Arithmetic::new(kernel).is_ok(), available);
        }
    }
}
