//! Real devices, by way of the driver's library and NVRTC's, both loaded at run time.
#![allow(unsafe_code, reason = "the driver's interface takes addresses and is told what they are")]

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use cudarc::driver::{CudaContext, CudaFunction, DriverError, result, sys};
use cudarc::nvrtc::{self, CompileError, CompileOptions, Ptx};

use crate::kernels;
use crate::limits::{KEPT_MAX, KEPT_PIECE_MAX};
use crate::{Backend, CudaError, Launch};

/// One device and the kernels compiled for it. Everything goes through its default stream, so that order is kept.
#[derive(Debug)]
pub(crate) struct Driver {
    context: Arc<CudaContext>,
    functions: BTreeMap<&'static str, CudaFunction>,
    name: String,
    kept: Mutex<Kept>,
}

/// Small pieces of memory that were given back, by size: a decoding step asks for the same ones as the step before, and
/// the driver takes its time. They go with the context.
#[derive(Debug, Default)]
struct Kept {
    pieces: BTreeMap<usize, Vec<u64>>,
    bytes: usize,
}

fn failed(what: impl Into<String>) -> impl FnOnce(DriverError) -> CudaError {
    let what = what.into();
    move |error| CudaError::Device { what, reason: error.to_string() }
}

/// Compiles the kernels for an architecture such as `sm_90`.
///
/// # Errors
/// [`CudaError::Missing`] without NVRTC, [`CudaError::Compile`].
pub(crate) fn compile(architecture: &str) -> Result<Ptx, CudaError> {
    // SAFETY: looks for a library and runs its initialisers, which NVIDIA's are trusted with.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(CudaError::Missing {
            what: "NVRTC library (libnvrtc.so)",
            hint: "install a CUDA toolkit, or the Python package nvidia-cuda-nvrtc-cu12 with its folder in LD_LIBRARY_PATH",
        });
    }
    let options = CompileOptions {
        options: kernels::options(architecture),
        name: Some("noema.cu".to_owned()),
        ..Default::default()
    };
    nvrtc::compile_ptx_with_opts(kernels::source(), options).map_err(|error| {
        let log = match error {
            CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
            other => other.to_string(),
        };
        CudaError::Compile { architecture: architecture.to_owned(), log }
    })
}

impl Driver {
    pub(crate) fn open(ordinal: usize) -> Result<Self, CudaError> {
        // SAFETY: as in `compile`.
        if !unsafe { sys::is_culib_present() } {
            return Err(CudaError::Missing {
                what: "CUDA driver (libcuda.so)",
                hint: "install NVIDIA's driver; `nvidia-smi` shows whether it works",
            });
        }
        let count = CudaContext::device_count().map_err(failed("counting devices"))? as usize;
        if ordinal >= count {
            return Err(CudaError::NoDevice { ordinal, count });
        }
        let context = CudaContext::new(ordinal).map_err(failed("opening the device"))?;
        let name = context.name().map_err(failed("asking for the device's name"))?;
        let (major, minor) = context.compute_capability().map_err(failed("asking for the compute capability"))?;
        if major < 8 {
            return Err(CudaError::TooOld { name, major, minor });
        }
        // Assembly of the device's own architecture, which the driver turns into its code.
        let ptx = compile(&format!("compute_{major}{minor}"))?;
        let module = context.load_module(ptx).map_err(failed("loading the kernels"))?;
        let function = |name: &'static str| Ok((name, module.load_function(name).map_err(failed(name))?));
        let functions = kernels::NAMES.into_iter().map(function).collect::<Result<_, CudaError>>()?;
        Ok(Self { context, functions, name: format!("{name} ({ordinal})"), kept: Mutex::default() })
    }

    fn bind(&self) -> Result<(), CudaError> {
        self.context.bind_to_thread().map_err(failed("binding the device to a thread"))
    }
}

impl Backend for Driver {
    fn name(&self) -> &str {
        &self.name
    }

    fn allocate(&self, bytes: usize) -> Result<u64, CudaError> {
        let mut kept = self.kept.lock().expect("no thread panics while it holds this");
        if let Some(address) = kept.pieces.get_mut(&bytes).and_then(Vec::pop) {
            kept.bytes -= bytes;
            return Ok(address);
        }
        drop(kept);
        self.bind()?;
        // SAFETY: the memory belongs to whoever asked, until `free`.
        unsafe { result::malloc_sync(bytes) }.map_err(failed(format!("taking {bytes} bytes")))
    }

    fn free(&self, address: u64, bytes: usize) {
        let mut kept = self.kept.lock().expect("no thread panics while it holds this");
        if bytes <= KEPT_PIECE_MAX && kept.bytes + bytes <= KEPT_MAX {
            // Whoever gets it next uses it after all that was launched before: there is one stream.
            kept.bytes += bytes;
            kept.pieces.entry(bytes).or_default().push(address);
            return;
        }
        drop(kept);
        if self.bind().is_ok() {
            // SAFETY: the address came from `allocate`, and its owner gives it back once. The driver waits for kernels.
            let freed = unsafe { result::free_sync(address) };
            debug_assert!(freed.is_ok(), "{freed:?}");
        }
    }

    fn upload(&self, to: u64, data: &[u8]) -> Result<(), CudaError> {
        self.bind()?;
        // SAFETY: callers keep the range inside one allocation.
        unsafe { result::memcpy_htod_sync(to, data) }.map_err(failed("copying to the device"))
    }

    fn download(&self, from: u64, out: &mut [u8]) -> Result<(), CudaError> {
        self.bind()?;
        // SAFETY: callers keep the range inside one allocation.
        unsafe { result::memcpy_dtoh_sync(out, from) }.map_err(failed("copying from the device"))
    }

    fn copy(&self, from: u64, to: u64, bytes: usize) -> Result<(), CudaError> {
        self.bind()?;
        // SAFETY: callers keep both ranges inside one allocation each.
        unsafe { result::memcpy_dtod_sync(to, from, bytes) }.map_err(failed("copying on the device"))
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<(), CudaError> {
        self.bind()?;
        let function = self.functions.get(launch.kernel).expect("a kernel of the list");
        let mut slots = launch.arguments.to_vec();
        let mut arguments: Vec<*mut c_void> = slots.iter_mut().map(|slot| std::ptr::from_mut(slot).cast()).collect();
        let [x, y, z] = launch.grid;
        // SAFETY: `Device` gives each kernel the arguments it declares; the driver copies them before it returns.
        unsafe {
            result::launch_kernel(
                function.cu_function(),
                (x, y, z),
                (launch.threads, 1, 1),
                launch.shared,
                std::ptr::null_mut(),
                &mut arguments,
            )
        }
        .map_err(failed(launch.kernel))
    }
}
