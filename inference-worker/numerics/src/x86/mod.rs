//! Kernels for x86-64.
#![allow(unsafe_code, reason = "vector loads and stores take pointers; each block says why they are in bounds")]

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod tiled;
