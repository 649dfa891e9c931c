//! What can go wrong.

use crate::Kernel;

/// Faults of the arithmetic or of the machine that should do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumericsError {
    /// The job's values left the finite numbers: the job ends with `EMODEL_NUMERIC`.
    #[error("EMODEL_NUMERIC: {what} is infinite or not a number")]
    NonFinite {
        /// Where it was seen.
        what: &'static str,
    },
    /// This machine cannot run the kernel.
    #[error("kernel {kernel} is not available here: the processor lacks {lacks}")]
    Unavailable {
        /// The kernel asked for.
        kernel: Kernel,
        /// Processor features that are missing.
        lacks: &'static str,
    },
    /// No kernel has this name.
    #[error("unknown kernel `{name}`: expected scalar, avx2, avx512 or neon")]
    UnknownKernel {
        /// The name asked for.
        name: String,
    },
    /// The processor's floating point is not in IEEE-754 default mode.
    #[error("floating point does not follow the standard: {what}")]
    FloatMode {
        /// Which rule it breaks.
        what: &'static str,
    },
    /// A golden vector came out different: this machine must not serve.
    #[error("kernel {kernel} computes {operation} wrongly: digest {got}, expected {expected}")]
    Golden {
        /// The kernel under test.
        kernel: Kernel,
        /// The operation.
        operation: &'static str,
        /// Frozen digest.
        expected: &'static str,
        /// Digest computed here.
        got: String,
    },
}
