//! Measures tokens per second of each kernel: `cargo run --example speed -- FILE.gguf|FILE.noema [threads [kernel]]`.
//! Tokens per second of processor time tell what one core does, however busy the machine is (Linux only).
#![allow(clippy::print_stdout, reason = "the result of a measurement")]

use std::path::PathBuf;
use std::time::Instant;

use noema_models::import::import_gguf;
use noema_models::{Compute, Special, Step, Want, load};
use noema_numerics::Kernel;

const PROMPT_TOKENS: usize = 512;
const NEW_TOKENS: usize = 64;
const CHUNK: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("name a model file")?);
    let threads = arguments.next().map_or(Ok(2), |threads| threads.parse())?;
    let kernels = arguments.next().map_or(Ok(Kernel::available()), |name| name.parse().map(|kernel| vec![kernel]))?;
    let path = if path.extension().is_some_and(|extension| extension == "gguf") {
        let target = std::env::temp_dir().join("noema-speed.noema");
        let start = Instant::now();
        let imported = import_gguf(&path, &target, &mut |_, _| {})?;
        println!("imported in {:.2?}: root {}", start.elapsed(), imported.root);
        target
    } else {
        path
    };
    let start = Instant::now();
    let loaded = load(&path, None)?;
    println!("loaded and checked in {:.2?}", start.elapsed());
    let model = loaded.causal().ok_or("this model does not continue texts")?;
    let prompt = loaded.tokenizer.encode_prompt("The capital of France is", Special::Parse)?;
    for kernel in kernels {
        let compute = Compute::with_threads(kernel, threads)?;
        let text: Vec<u32> = (0..PROMPT_TOKENS as u32).map(|i| (i * 97 + 20) % loaded.manifest.vocab).collect();
        let mut cache = model.new_cache();
        let (start, busy) = (Instant::now(), cpu_seconds());
        for tokens in text.chunks(CHUNK) {
            let mut steps = [Step { tokens, cache: &mut cache, want: Want::Last }];
            model.forward(&compute, &mut steps).pop().expect("one result")?;
        }
        let prefill = PROMPT_TOKENS as f64 / start.elapsed().as_secs_f64();
        let prefill_cpu = PROMPT_TOKENS as f64 / (cpu_seconds() - busy);
        let mut cache = model.new_cache();
        let (mut tokens, mut answer) = (prompt.clone(), Vec::new());
        let (mut seconds, mut busy) = (0.0, 0.0);
        for _ in 0..NEW_TOKENS {
            let start = Instant::now();
            let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::Last }];
            let logits = model.forward(&compute, &mut steps).pop().expect("one result")?;
            let next = compute.arithmetic().argmax(logits.last().ok_or("no logits")?)? as u32;
            if answer.is_empty() {
                busy = cpu_seconds();
            } else {
                seconds += start.elapsed().as_secs_f64();
            }
            answer.push(next);
            tokens = vec![next];
        }
        let decode = (NEW_TOKENS - 1) as f64 / seconds;
        let decode_cpu = (NEW_TOKENS - 1) as f64 / (cpu_seconds() - busy);
        println!(
            "{kernel}, per second of processor time: prefill {prefill_cpu:.1} tokens, decode {decode_cpu:.1} tokens"
        );
        println!("{kernel}, {threads} threads: prefill {prefill:.1} tokens/s, decode {decode:.1} tokens/s");
        println!("  {:?}", loaded.tokenizer.decode(&answer));
    }
    Ok(())
}

/// Processor time of this process, all threads.
fn cpu_seconds() -> f64 {
    let ticks = std::fs::read_to_string("/proc/self/stat").ok().and_then(|text| {
        let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
        Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
    });
    ticks.unwrap_or(f64::NAN) / 100.0
}
