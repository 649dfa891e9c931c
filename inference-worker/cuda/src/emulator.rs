//! The kernels as C++ on the processor, for tests of their logic.
#![allow(unsafe_code, reason = "a library compiled from this crate's own sources is loaded and called")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use libloading::Library;

use crate::kernels::KERNELS;
use crate::{Backend, CudaError, Launch};

const HEADER: &str = include_str!("emulator/emulator.hpp");
const ENTRY: &str = include_str!("emulator/entry.cpp");
/// Bytes before and after each allocation that nobody may write to.
const GUARD: usize = 256;
const GUARD_BYTE: u8 = 0xa5;

type Entry = unsafe extern "C" fn(*const std::ffi::c_char, *const u64, u32, *const u32, u32, u32) -> i32;

/// Runs kernels one at a time. Memory that nobody has written holds NaN; writes outside an allocation are found.
#[derive(Debug)]
pub(crate) struct Emulator {
    entry: Entry,
    /// Allocations by address, with their guards.
    memory: Mutex<BTreeMap<u64, Room>>,
}

fn failed(what: &str, reason: impl std::fmt::Display) -> CudaError {
    CudaError::Device { what: what.to_owned(), reason: reason.to_string() }
}

/// Compiles the emulator once per process; the library stays loaded.
fn library() -> Result<&'static Library, CudaError> {
    static LIBRARY: OnceLock<Result<Library, CudaError>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().map_err(|error| failed("making a folder", error))?;
        let (source, target) = (folder.path().join("emulator.cpp"), folder.path().join("emulator.so"));
        fs::write(&source, [&[HEADER], &KERNELS[..], &[ENTRY]].concat().join("\n"))
            .map_err(|error| failed("writing the emulator's source", error))?;
        let output = Command::new("g++")
            .args([
                "-std=c++17",
                "-O1",
                "-ffp-contract=off",
                "-fno-fast-math",
                "-Wno-unknown-pragmas",
                "-shared",
                "-fPIC",
            ])
            .arg(&source)
            .arg("-o")
            .arg(&target)
            .output()
            .map_err(|_| CudaError::Missing { what: "C++ compiler (g++)", hint: "apt-get install g++" })?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(CudaError::Compile { architecture: "the emulator".to_owned(), log });
        }
        // SAFETY: the library was made from this crate's sources a moment ago; it has no initialisers of its own.
        unsafe { Library::new(&target) }.map_err(|error| failed("loading the emulator", error))
    });
    library.as_ref().map_err(Clone::clone)
}

impl Emulator {
    pub(crate) fn open() -> Result<Arc<Self>, CudaError> {
        // SAFETY: `noema_launch` has this type in `entry.cpp`.
        let entry = unsafe { library()?.get::<Entry>(b"noema_launch") }.map_err(|error| failed("the entry", error))?;
        Ok(Arc::new(Self { entry: *entry, memory: Mutex::new(BTreeMap::new()) }))
    }
}

/// An allocation: guards before and after `count` bytes, the first of which lies on a multiple of 256.
#[derive(Debug)]
struct Room {
    words: Vec<u64>,
    start: usize,
    count: usize,
}

impl Room {
    fn new(count: usize) -> Self {
        let words = vec![u64::MAX; (count + 3 * GUARD).div_ceil(8)];
        let start = GUARD + (words.as_ptr() as usize).wrapping_neg() % GUARD;
        let mut room = Self { words, start, count };
        let end = start + count;
        let all = room.bytes();
        all[start - GUARD..start].fill(GUARD_BYTE);
        all[end..end + GUARD].fill(GUARD_BYTE);
        room
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: eight bytes per word, all initialised.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast(), self.words.len() * 8) }
    }

    fn guarded(&mut self) -> bool {
        let (start, end) = (self.start, self.start + self.count);
        let all = self.bytes();
        all[start - GUARD..start].iter().chain(&all[end..end + GUARD]).all(|&byte| byte == GUARD_BYTE)
    }
}

/// Runs `work` on the bytes from `address` on.
fn at<R>(
    memory: &mut BTreeMap<u64, Room>,
    address: u64,
    count: usize,
    work: impl FnOnce(&mut [u8]) -> R,
) -> Result<R, CudaError> {
    let outside = || failed("a copy", format!("{count} bytes at {address:#x} are in no allocation"));
    let (&start, room) = memory.range_mut(..=address).next_back().ok_or_else(outside)?;
    let from = (address - start) as usize;
    if from + count > room.count {
        return Err(outside());
    }
    let from = room.start + from;
    Ok(work(&mut room.bytes()[from..][..count]))
}

impl Backend for Emulator {
    fn name(&self) -> &str {
        "emulator"
    }

    fn allocate(&self, count: usize) -> Result<u64, CudaError> {
        let room = Room::new(count);
        let address = room.words.as_ptr() as u64 + room.start as u64;
        self.memory.lock().expect("no thread panics while it holds this").insert(address, room);
        Ok(address)
    }

    fn free(&self, address: u64, _: usize) {
        self.memory.lock().expect("no thread panics while it holds this").remove(&address);
    }

    fn upload(&self, to: u64, data: &[u8]) -> Result<(), CudaError> {
        let mut memory = self.memory.lock().expect("no thread panics while it holds this");
        at(&mut memory, to, data.len(), |bytes| bytes.copy_from_slice(data))
    }

    fn download(&self, from: u64, out: &mut [u8]) -> Result<(), CudaError> {
        let mut memory = self.memory.lock().expect("no thread panics while it holds this");
        at(&mut memory, from, out.len(), |bytes| out.copy_from_slice(bytes))
    }

    fn copy(&self, from: u64, to: u64, count: usize) -> Result<(), CudaError> {
        let mut data = vec![0; count];
        self.download(from, &mut data)?;
        self.upload(to, &data)
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<(), CudaError> {
        // The emulator has one set of coroutines for the whole process.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().expect("no thread panics while it holds this");
        let name = CString::new(launch.kernel).expect("names hold no zero");
        let (arguments, count) = (launch.arguments.as_ptr(), launch.arguments.len() as u32);
        // SAFETY: `Device` gives each kernel the arguments it declares, and the entry checks their number.
        let code = unsafe {
            (self.entry)(name.as_ptr(), arguments, count, launch.grid.as_ptr(), launch.threads, launch.shared)
        };
        if code != 0 {
            return Err(failed(
                launch.kernel,
                ["", "no such kernel", "wrong arguments or a write behind shared memory"][code as usize],
            ));
        }
        let mut memory = self.memory.lock().expect("no thread panics while it holds this");
        match memory.iter_mut().find_map(|(address, room)| (!room.guarded()).then_some(address)) {
            Some(address) => Err(failed(launch.kernel, format!("it wrote outside the allocation at {address:#x}"))),
            None => Ok(()),
        }
    }
}
