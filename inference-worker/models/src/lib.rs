//! Imports, stores and evaluates open models in the normative arithmetic.
//!
//! What is guaranteed:
//! - the canonical file is a pure function of the imported file: same input, same BLAKE3 root, on every machine;
//! - a file is checked against its root while it is loaded; damage of any kind is a typed error, never a panic;
//! - the logits of a sequence are a function of the weights and its tokens: not of the batch it ran in, the chunks
//!   its prompt was cut into, the number of threads, or the kernel.
//!
//! The way of a model: [`import`] turns a GGUF file into a canonical file ([`mod@format`]); [`load`] reads and checks
//! it and returns a [`LoadedModel`]; its [`Model`] computes logits for batches of [`Step`]s over [`KvCache`]s, with
//! the kernel and threads of a [`Compute`]. [`synthetic`] makes small random models for tests.
//!
//! All arithmetic on floating-point numbers is noema-numerics'; this crate moves values and splits work over threads.

mod bert;
mod blocks;
mod cache;
mod compute;
mod cuda;
mod diffusion;
mod error;
mod extension;
pub mod format;
mod golden;
pub mod import;
pub mod limits;
mod llama;
mod load;
mod model;
mod neox;
mod sentence;
pub mod synthetic;
mod tokenizer;

pub use cache::{CacheShape, KvCache};
pub use compute::Compute;
pub use diffusion::Canvas;
pub use error::ModelError;
pub use golden::{self_test, self_tests, self_tests_on};
pub use load::{LoadedModel, load, load_bytes};
pub use model::{Embedder, Logits, Model, Network, Painter, Sketch, Step, Want};
pub use noema_cuda::{CudaError, Device};
pub use tokenizer::{More, PreTokenizer, Prefix, Special, Tokenizer, TokenizerData};
