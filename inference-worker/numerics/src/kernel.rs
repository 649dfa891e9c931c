//! Ways to compute the same bits.

use std::fmt;
use std::str::FromStr;

use crate::NumericsError;

/// A way to compute. All give the same bits; they differ in speed and in the processor they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// Plain Rust: the truth, on every processor.
    Scalar,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW and VL; uses VNNI where present.
    Avx512,
}

impl Kernel {
    /// All kernels, slowest first.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Avx2, Self::Avx512];

    /// Name, as [`FromStr`] reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
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

    /// The fastest kernel this processor can run.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().copied().unwrap_or(Self::Scalar)
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
            _ => None,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn lacks(self) -> Option<&'static str> {
        (self != Self::Scalar).then_some("the x86-64 instruction set")
    }
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
        assert_eq!(error.to_string(), "unknown kernel `sse`: expected scalar, avx2 or avx512");
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
