//! Kernels for x86-64.
#![allow(unsafe_code, reason = "vector loads and stores take pointers; each block says why they are in bounds")]

/// Calls a macro with the processor features of the AVX-512 products. The emulation of AVX-512 has its own, so that its
/// tests compile the same text.
macro_rules! with_avx512 {
    ($macro:ident, $($rest:tt)*) => { $macro! { "avx512f,avx512bw,avx512vl,avx2,fma", $($rest)* } };
}
macro_rules! with_avx512_vnni {
    ($macro:ident, $($rest:tt)*) => { $macro! { "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma", $($rest)* } };
}

pub(crate) mod avx2;
pub(crate) mod avx512;
#[cfg(test)]
mod emulated;
pub(crate) mod tiled;

/// The instructions of the AVX-512 products.
mod wide {
    pub(super) use std::arch::x86_64::*;
}
