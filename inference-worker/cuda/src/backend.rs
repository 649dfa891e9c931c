//! All that is known of a device: memory and launches.

use std::fmt;

use crate::CudaError;

/// A kernel, the shape of its launch, and its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block: a multiple of 32.
    pub threads: u32,
    /// Bytes of shared memory of a block.
    pub shared: u32,
    /// Arguments, one per slot: addresses as they are, smaller values in the low bytes.
    pub arguments: &'a [u64],
}

/// Memory and launches of one device, in order: what is launched later sees all that was done before.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Name of the device.
    fn name(&self) -> &str;

    /// Takes memory and returns its address, a multiple of 256. Its content is undefined.
    ///
    /// # Errors
    /// [`CudaError::Device`], when there is not enough of it for example.
    fn allocate(&self, bytes: usize) -> Result<u64, CudaError>;

    /// Gives memory back, of the size that was asked for.
    fn free(&self, address: u64, bytes: usize);

    /// Copies to the device.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    fn upload(&self, to: u64, data: &[u8]) -> Result<(), CudaError>;

    /// Copies from the device, after all launches before it.
    ///
    /// # Errors
    /// [`CudaError::Device`], also for what went wrong in those launches.
    fn download(&self, from: u64, out: &mut [u8]) -> Result<(), CudaError>;

    /// Copies on the device.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), CudaError>;

    /// Starts a kernel.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    fn launch(&self, launch: &Launch<'_>) -> Result<(), CudaError>;
}
