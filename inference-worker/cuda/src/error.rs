//! What can go wrong.

use noema_numerics::NumericsError;

/// Faults of a device and of the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    /// This program cannot reach devices.
    #[error("this program was built without devices; hint: build it with the feature `cuda`")]
    NotBuilt,
    /// A setting names no device.
    #[error("`{name}` is no device; hint: `cuda` is the first NVIDIA device, `cuda:1` the second")]
    Name {
        /// What was written.
        name: String,
    },
    /// A library is missing.
    #[error("no {what} found; hint: {hint}")]
    Missing {
        /// What is missing.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// There is no such device.
    #[error("no CUDA device {ordinal}: this machine has {count}; hint: `nvidia-smi -L` lists them")]
    NoDevice {
        /// The device asked for.
        ordinal: usize,
        /// Devices there are.
        count: usize,
    },
    /// The device is too old.
    #[error("{name} has compute capability {major}.{minor}; the kernels need 8.0 or later")]
    TooOld {
        /// The device.
        name: String,
        /// Its compute capability.
        major: i32,
        /// Its minor number.
        minor: i32,
    },
    /// The kernels do not compile.
    #[error("the kernels do not compile for {architecture}: {log}")]
    Compile {
        /// What they were compiled for.
        architecture: String,
        /// The compiler's words.
        log: String,
    },
    /// The driver refused something.
    #[error("the device failed at {what}: {reason}")]
    Device {
        /// What was asked.
        what: String,
        /// The driver's answer.
        reason: String,
    },
    /// A shape is beyond what the kernels are made for.
    #[error("{what} is {got}: the kernels take {rule}")]
    Shape {
        /// What does not fit.
        what: &'static str,
        /// Its size.
        got: usize,
        /// What would fit.
        rule: String,
    },
    /// A kernel's bits are not the scalar arithmetic's: this device must not serve.
    #[error("device {device} computes {operation} wrongly: {detail}")]
    Wrong {
        /// The device.
        device: String,
        /// The kernel.
        operation: &'static str,
        /// The first difference.
        detail: String,
    },
    /// The scalar arithmetic itself failed.
    #[error(transparent)]
    Numerics(#[from] NumericsError),
}
