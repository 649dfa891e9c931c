//! Measures this repository's inference against llama.cpp on the same weights, in the same run.
//!
//! `noema-bench-inference GGUF CANONICAL [REPETITIONS]`: llama.cpp runs Q8_0 weights it makes itself from the GGUF file,
//! requantising if it has to; ours the canonical file imported from the same GGUF. Runs of both alternate, so that a
//! busy machine slows both; medians are printed.
#![allow(clippy::print_stdout, reason = "the result of a measurement")]

use std::error::Error;
use std::ffi::CString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use noema_models::{Compute, LoadedModel, Model, Step, Want, load};
use noema_numerics::Kernel;

const PROMPT_TOKENS: u32 = 512;
const NEW_TOKENS: usize = 128;
/// Tokens per step of a prompt: what our engine reads in one turn, and llama.cpp's default.
const CHUNK: usize = 128;
const LLAMA_CHUNK: usize = 512;
const SEQUENCES: usize = 16;
/// Steps of the many sequences.
const STEPS: usize = 16;
const REPETITIONS: usize = 5;
const CONTEXT: u32 = 1_024;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Tokens per second of one repetition.
#[derive(Clone, Copy)]
struct Speed {
    prefill: f64,
    decode: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let gguf = PathBuf::from(arguments.next().ok_or("name a GGUF file")?);
    let canonical = PathBuf::from(arguments.next().ok_or("name the canonical file made from it")?);
    let repetitions = arguments.next().map_or(Ok(REPETITIONS), |count| count.parse())?;
    let kernel = Kernel::best();
    let ours = load_ours(&canonical, kernel)?;
    let mut backend = LlamaBackend::init()?;
    backend.void_logs();
    let quantised = gguf.with_extension("requantised.Q8_0.gguf");
    requantise(&gguf, &quantised)?;
    let theirs = LlamaModel::load_from_file(&backend, &quantised, &LlamaModelParams::default())?;
    println!("kernel {kernel}; medians of {repetitions}; prompt {PROMPT_TOKENS}, new {NEW_TOKENS} tokens; tokens/s");
    println!("| threads | what | ours | llama.cpp Q8_0 | ratio |\n| --- | --- | --- | --- | --- |");
    for threads in [1, 2] {
        let compute = Compute::with_threads(kernel, threads)?;
        let (mut mine, mut other, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..repetitions {
            mine.push(run_ours(&ours, &compute)?);
            other.push(run_llama(&backend, &theirs, threads as i32)?);
            many.push(run_many(&ours, &compute)?);
        }
        let of = |speeds: &[Speed], pick: fn(&Speed) -> f64| median(speeds.iter().map(pick).collect());
        let picks: [(&str, fn(&Speed) -> f64); 2] = [("prefill", |s| s.prefill), ("decode", |s| s.decode)];
        for (what, pick) in picks {
            let (a, b) = (of(&mine, pick), of(&other, pick));
            println!("| {threads} | {what} | {a:.1} | {b:.1} | {:.2} |", a / b);
        }
        let (one, many) = (of(&mine, |s| s.decode), median(many));
        println!("| {threads} | decode, {SEQUENCES} sequences | {many:.1} | | {:.2} x one sequence |", many / one);
    }
    Ok(())
}

/// Loads our model, runs it once and prints what that takes of memory, before anything else has taken any.
fn load_ours(canonical: &Path, kernel: Kernel) -> Result<LoadedModel> {
    let before = resident_kib()?;
    let ours = load(canonical, None)?;
    run_ours(&ours, &Compute::with_threads(kernel, 1)?)?;
    let taken = resident_kib()? - before;
    let weights = std::fs::metadata(canonical)?.len() / 1024;
    let mut cache = causal(&ours)?.new_cache();
    let prompt = prompt(ours.manifest.vocab);
    for tokens in prompt.chunks(CHUNK) {
        let mut steps = [Step { tokens, cache: &mut cache, want: Want::Nothing }];
        causal(&ours)?.forward(&Compute::with_threads(kernel, 1)?, &mut steps).pop().ok_or("no result")??;
    }
    let caches = cache.bytes() as u64 / 1024;
    let ratio = taken as f64 / (weights + caches) as f64;
    println!("memory: {taken} KiB resident, {ratio:.2} x the file of {weights} KiB and a cache of {caches} KiB");
    Ok(ours)
}

/// Most memory this process has had resident so far.
fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of resident memory")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Has llama.cpp make Q8_0 weights of whatever the file holds.
fn requantise(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let part = to.with_extension("part");
    let path = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
    let (source, target) = (path(from)?, path(&part)?);
    // SAFETY: the defaults are plain data; both names end with a zero byte and outlive the call.
    let code = unsafe {
        let mut options = llama_cpp_sys_2::llama_model_quantize_default_params();
        options.ftype = llama_cpp_sys_2::LLAMA_FTYPE_MOSTLY_Q8_0;
        options.allow_requantize = true;
        llama_cpp_sys_2::llama_model_quantize(source.as_ptr(), target.as_ptr(), &options)
    };
    if code != 0 {
        return Err(format!("llama.cpp cannot quantise {}: code {code}", from.display()).into());
    }
    Ok(std::fs::rename(part, to)?)
}

fn causal(loaded: &LoadedModel) -> Result<&Arc<dyn Model>> {
    loaded.causal().ok_or_else(|| "this model does not continue texts".into())
}

/// Any tokens will do: speed does not depend on them.
fn prompt(vocab: u32) -> Vec<u32> {
    (0..PROMPT_TOKENS).map(|i| (i * 97 + 20) % vocab).collect()
}

fn run_ours(loaded: &LoadedModel, compute: &Compute) -> Result<Speed> {
    let model = causal(loaded)?;
    let mut cache = model.new_cache();
    let prompt = prompt(loaded.manifest.vocab);
    let mut next = 0;
    let mut step = |tokens: &[u32]| -> Result<u32> {
        let mut steps = [Step { tokens, cache: &mut cache, want: Want::Last }];
        let logits = model.forward(compute, &mut steps).pop().ok_or("no result")??;
        Ok(compute.arithmetic().argmax(logits.last().ok_or("no logits")?)? as u32)
    };
    let start = Instant::now();
    for tokens in prompt.chunks(CHUNK) {
        next = step(tokens)?;
    }
    let prefill = f64::from(PROMPT_TOKENS) / start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..NEW_TOKENS {
        next = step(&[next])?;
    }
    Ok(Speed { prefill, decode: NEW_TOKENS as f64 / start.elapsed().as_secs_f64() })
}

/// Tokens per second of many sequences together, each with a short past.
fn run_many(loaded: &LoadedModel, compute: &Compute) -> Result<f64> {
    let model = causal(loaded)?;
    let mut caches: Vec<_> = (0..SEQUENCES).map(|_| model.new_cache()).collect();
    let start = Instant::now();
    for position in 0..STEPS as u32 {
        let tokens: Vec<[u32; 1]> = (0..SEQUENCES as u32).map(|i| [i * 31 + position]).collect();
        let mut steps: Vec<_> =
            caches.iter_mut().zip(&tokens).map(|(cache, tokens)| Step { tokens, cache, want: Want::Last }).collect();
        for result in model.forward(compute, &mut steps) {
            result?;
        }
    }
    Ok((SEQUENCES * STEPS) as f64 / start.elapsed().as_secs_f64())
}

fn run_llama(backend: &LlamaBackend, model: &LlamaModel, threads: i32) -> Result<Speed> {
    let options = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(CONTEXT))
        .with_n_batch(LLAMA_CHUNK as u32)
        .with_n_ubatch(LLAMA_CHUNK as u32)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    let mut context = model.new_context(backend, options)?;
    let prompt = prompt(model.n_vocab() as u32);
    let mut batch = LlamaBatch::new(LLAMA_CHUNK, 1);
    let start = Instant::now();
    for (i, &token) in prompt.iter().enumerate() {
        batch.add(LlamaToken(token as i32), i as i32, &[0], i + 1 == prompt.len())?;
    }
    context.decode(&mut batch)?;
    let mut next = best(context.get_logits_ith(batch.n_tokens() - 1));
    let prefill = f64::from(PROMPT_TOKENS) / start.elapsed().as_secs_f64();
    let start = Instant::now();
    for i in 0..NEW_TOKENS {
        batch.clear();
        batch.add(LlamaToken(next), (prompt.len() + i) as i32, &[0], true)?;
        context.decode(&mut batch)?;
        next = best(context.get_logits_ith(0));
    }
    Ok(Speed { prefill, decode: NEW_TOKENS as f64 / start.elapsed().as_secs_f64() })
}

fn best(logits: &[f32]) -> i32 {
    let mut most = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[most] {
            most = i;
        }
    }
    most as i32
}
