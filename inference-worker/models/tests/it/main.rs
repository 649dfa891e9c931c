//! Tests of files, imports and forward passes from the outside.

mod damage;
mod determinism;
mod device;
mod families;
mod gguf;
mod llama;
mod minilm;
mod oracle;
mod smollm2;
