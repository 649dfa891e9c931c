//! Compares an NVIDIA device with the processor, bit by bit, and measures it: `tests/scripts/gpu-check.sh` runs this.
//!
//! `gpu_check DEVICE GB_PER_SECOND INT8_TOPS [FILE.noema]`: the number of the device (`emulated` for a rehearsal on the
//! processor, without the measurement), its peaks, and a model to compare.
#![allow(clippy::print_stdout, reason = "the result of a measurement")]

use std::path::Path;
use std::time::Instant;

use noema_cuda::Device;
use noema_inference_api::ModelManifest;
use noema_models::{Compute, KvCache, LoadedModel, Step, Want, load, load_bytes, synthetic};
use noema_numerics::Kernel;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

const PREFILL_TOKENS: usize = 1_024;
const DECODE_TOKENS: usize = 128;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [which, bandwidth, tensor, file @ ..] = arguments.as_slice() else {
        return Err("usage: gpu_check DEVICE GB_PER_SECOND INT8_TOPS [FILE.noema]".into());
    };
    let (bandwidth, tensor): (f64, f64) = (bandwidth.parse()?, tensor.parse()?);
    let started = Instant::now();
    let device = if which == "emulated" { Device::emulated()? } else { Device::open(which.parse()?)? };
    println!("device: {}; every kernel gives the scalar bits ({:.1?})", device.name(), started.elapsed());
    let compute = Compute::with_threads(Kernel::best(), std::thread::available_parallelism().map_or(1, usize::from))?;
    let seeds = if which == "emulated" { 1 } else { 4 };
    for seed in 0..seeds {
        for (name, file) in [("llama", synthetic::tiny_llama(seed)), ("qwen", synthetic::tiny_qwen(seed))] {
            let loaded = load_bytes(&file, None)?;
            let tokens: Vec<u32> = (0..150).map(|i| (i * i * 7 + i) % loaded.manifest.vocab).collect();
            same(&format!("synthetic {name} {seed}"), &loaded, &device, &compute, &tokens, 4)?;
        }
    }
    if let Some(file) = file.first() {
        let loaded = load(Path::new(file), None)?;
        let tokens: Vec<u32> = (0..300).map(|i| (i * 97 + 20) % loaded.manifest.vocab).collect();
        same(&loaded.manifest.name.clone(), &loaded, &device, &compute, &tokens, 64)?;
    }
    if which != "emulated" {
        measure(&device, &compute, bandwidth, tensor)?;
    }
    Ok(())
}

/// Reads a prompt in two chunks and continues it greedily, on both, and compares all logits.
fn same(
    what: &str,
    loaded: &LoadedModel,
    device: &Device,
    compute: &Compute,
    prompt: &[u32],
    count: usize,
) -> Fallible<()> {
    let there = loaded.on_device(device)?;
    let digests = [loaded, &there].map(|loaded| -> Fallible<_> {
        let mut cache = loaded.causal().ok_or("this model does not continue texts")?.new_cache();
        let mut hasher = blake3::Hasher::new();
        let (first, second) = prompt.split_at(prompt.len() / 3);
        let mut tokens = step(loaded, compute, &mut cache, first, Want::All, Some(&mut hasher))?;
        tokens = step(loaded, compute, &mut cache, second, Want::All, Some(&mut hasher))
            .map(|next| [tokens, next].concat())?;
        for _ in 0..count {
            let last = tokens[tokens.len() - 1];
            tokens.extend(step(loaded, compute, &mut cache, &[last], Want::Last, Some(&mut hasher))?);
        }
        Ok((hasher.finalize(), tokens))
    });
    let [here, there] = digests;
    let (here, there) = (here?, there?);
    if here != there {
        return Err(format!("{what}: the processor's digest is {}, the device's {}", here.0, there.0).into());
    }
    println!("{what}: equal, {} logits' rows, digest {}", prompt.len() + count, here.0);
    Ok(())
}

/// Runs one step and returns the greedy token after it, if logits were wanted.
fn step(
    loaded: &LoadedModel,
    compute: &Compute,
    cache: &mut KvCache,
    tokens: &[u32],
    want: Want,
    hasher: Option<&mut blake3::Hasher>,
) -> Fallible<Vec<u32>> {
    let model = loaded.causal().ok_or("this model does not continue texts")?;
    let logits = model.forward(compute, &mut [Step { tokens, cache, want }]).pop().ok_or("one result per step")??;
    if let Some(hasher) = hasher {
        logits.hash_into(hasher);
    }
    Ok(match logits.last() {
        Some(row) => vec![compute.arithmetic().argmax(row)? as u32],
        None => Vec::new(),
    })
}

/// Time of prefill and decoding for the shape of a model of one billion weights, random ones.
fn measure(device: &Device, compute: &Compute, bandwidth: f64, tensor: f64) -> Fallible<()> {
    let manifest = ModelManifest {
        name: "1b-shape".to_owned(),
        layers: 16,
        hidden: 2_048,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        feed_forward: 8_192,
        context: 2_048,
        ..synthetic::tiny_manifest()
    };
    println!("making random weights of the shape of a model of one billion");
    let loaded = load_bytes(&synthetic::random_model(&manifest, 1)?, None)?.on_device(device)?;
    let weights = manifest.body_macs() as f64;
    let prompt: Vec<u32> = (0..PREFILL_TOKENS as u32).map(|i| (i * 31 + i * i) % manifest.vocab).collect();
    let new = || Ok::<_, Box<dyn std::error::Error>>(loaded.causal().ok_or("it continues texts")?.new_cache());
    // The first run of each is not counted.
    let (mut prefill, mut decode) = (0.0, 0.0);
    for _ in 0..2 {
        let mut cache = new()?;
        let started = Instant::now();
        let mut tokens = step(&loaded, compute, &mut cache, &prompt, Want::Last, None)?;
        prefill = started.elapsed().as_secs_f64();
        let started = Instant::now();
        for _ in 0..DECODE_TOKENS {
            tokens = step(&loaded, compute, &mut cache, &tokens, Want::Last, None)?;
        }
        decode = started.elapsed().as_secs_f64() / DECODE_TOKENS as f64;
    }
    // Each weight is one byte, read once per token; each multiply-add of prefill is two of 8 bits.
    let (read, done) = (weights / decode / 1e9, weights * 2.0 * 2.0 * PREFILL_TOKENS as f64 / prefill / 1e12);
    println!(
        "\n| device | decode, tokens/s | GB/s of weights | share of {bandwidth} GB/s | prefill, tokens/s | int8 TOPS | share of {tensor} |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    println!(
        "| {} | {:.0} | {read:.0} | {:.0} % | {:.0} | {done:.0} | {:.0} % |",
        device.name(),
        1.0 / decode,
        100.0 * read / bandwidth,
        PREFILL_TOKENS as f64 / prefill,
        100.0 * done / tensor
    );
    Ok(())
}
