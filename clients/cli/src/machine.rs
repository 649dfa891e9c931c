//! The kernel and the threads that a command computes with.

use noema_models::{Compute, Device};
use noema_numerics::{Kernel, NumericsError};

use crate::args::ComputeArgs;
use crate::output::{CliError, CliResult};

/// The kernel asked for, or the fastest; an error if this machine cannot run it.
pub(crate) fn kernel(args: &ComputeArgs) -> CliResult<Kernel> {
    let Some(name) = &args.kernel else { return Ok(Kernel::best()) };
    let wrong = |error: NumericsError| {
        let names: Vec<_> = Kernel::available().into_iter().map(Kernel::name).collect();
        CliError::fault(error).hint(format!("this machine has: {}", names.join(", ")))
    };
    let kernel: Kernel = name.parse().map_err(wrong)?;
    kernel.check_available().map_err(wrong)?;
    Ok(kernel)
}

/// Kernel and threads, ready to compute.
pub(crate) fn compute(args: &ComputeArgs) -> CliResult<Compute> {
    let threads = args.threads.unwrap_or_else(cores);
    Compute::with_threads(kernel(args)?, threads).map_err(CliError::fault)
}

/// The device asked for, with its kernels checked.
pub(crate) fn device(args: &ComputeArgs) -> CliResult<Option<Device>> {
    args.device.as_ref().map(|name| Device::named(name).map_err(CliError::fault)).transpose()
}

/// Cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
