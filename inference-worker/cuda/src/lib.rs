//! Computes the normative arithmetic on NVIDIA devices, bit for bit.
//!
//! What is guaranteed: a [`Device`] exists only if every kernel has given the scalar arithmetic's bits on it, on inputs
//! that are always the same. A machine without driver, compiler or device is a typed error with a hint.
//!
//! The kernels are CUDA C++, compiled when a device is opened. [`Backend`] is all that the rest knows of a device: memory
//! and launches. The feature `cuda` brings real devices, the feature `emulator` one that runs the same sources on the
//! processor, so that kernels and launches are tested where no card is.
//!
//! Integer sums are exact and therefore free in their order; float sums follow the standard's order, whatever the shape of
//! the launch. No kernel uses atomics.

mod backend;
pub mod checks;
mod device;
#[cfg(feature = "cuda")]
mod driver;
#[cfg(feature = "emulator")]
mod emulator;
mod error;
pub mod kernels;
pub mod limits;

pub use backend::{Backend, Launch};
pub use device::{Attention, Buffer, Device, Fault, Matrix, Quantised};
pub use error::CudaError;
