//! Tests of files, imports and forward passes from the outside.

mod damage;
mod determinism;
mod device;
mod dtypes;
mod families;
mod fuzz;
mod gguf;
mod llama;
mod minilm;
mod oracle;
mod smollm2;
mod tokenizers;
