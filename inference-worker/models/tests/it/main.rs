//! Tests of files, imports and forward passes from the outside.

mod damage;
mod determinism;
mod gguf;
mod oracle;
mod smollm2;
