//! The real model: SmolLM2-135M-Instruct. Its weights come from `fetch-weights.sh`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::OnceLock;

use noema_models::import::import_gguf;
use noema_models::{Compute, LoadedModel, Special, Step, Want, load};
use noema_numerics::Kernel;

use crate::oracle::Oracle;

const ROOT: &str = "0x41354a6b6b8712d0035efbc74fddba87b33f4f841e174b602531d084540e16b6";

const PROMPTS: [&str; 20] = [
    "The capital of France is Paris, a city on the river Seine that is known for its museums, its cafes and the Eiffel Tower.",
    "Water boils at one hundred degrees Celsius at sea level, but on a high mountain it boils at a lower temperature because the air is thinner.",
    "Once upon a time there was a little girl who lived with her grandmother in a small house at the edge of a dark forest.",
    "To bake bread you need flour, water, salt and yeast. Mix them in a bowl, let the dough rise for an hour, and bake it in a hot oven.",
    "The train was late again, so Maria sat down on a bench, opened her book and tried not to think about the meeting she was going to miss.",
    "Photosynthesis is the process by which plants use sunlight, water and carbon dioxide to produce oxygen and energy in the form of sugar.",
    "Dear customer, thank you for your order. We are sorry to tell you that the item you have chosen is no longer available in our store.",
    "In 1969 two astronauts walked on the surface of the Moon while a third stayed in orbit, and hundreds of millions of people watched them.",
    "A good night's sleep helps the brain to form memories. Adults should try to sleep between seven and nine hours every night.",
    "The recipe was simple, but the old man had never cooked before, and when his daughter came home the kitchen was full of smoke.",
    "The stock market fell sharply on Monday after the central bank said that it would raise interest rates for the third time this year.",
    "If you want to learn to play the piano, the most important thing is to practice a little every day rather than a lot once a week.",
    "Bees are important because they pollinate many of the plants that people eat, and without them fruit and vegetables would be much harder to grow.",
    "The judge listened to both sides, looked at the evidence once more, and said that the court would give its decision on Friday morning.",
    "Shakespeare wrote about thirty-seven plays, among them Hamlet, Macbeth, and Romeo and Juliet, which are still performed all over the world.",
    "My new phone arrived yesterday. The screen is bright and the battery lasts all day, but the camera is not as good as I had hoped.",
    "def add(a, b):\n    return a + b\n\ndef subtract(a, b):\n    return a - b\n\ndef multiply(a, b):\n    return a * b\n",
    "<|im_start|>user\nWhat is the largest planet in our solar system?<|im_end|>\n<|im_start|>assistant\nThe largest planet in our solar system is Jupiter.",
    "Rain is expected in the north tomorrow, with strong winds along the coast. In the south it will be dry and mostly sunny.",
    "The company was founded in a garage by two friends who had no money and no plan, only the idea that computers should be easy to use.",
];

fn gguf() -> PathBuf {
    if let Some(path) = std::env::var_os("NOEMA_SMOLLM2_GGUF") {
        return path.into();
    }
    let cache = std::env::var_os("NOEMA_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME names the home folder")).join(".cache/noema")
    });
    let path = cache.join("weights/SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(path.exists(), "no weights at {}\nhint: run inference-worker/models/fetch-weights.sh", path.display());
    path
}

/// Imported once per run of the tests, into a folder that ends with it.
fn model() -> &'static LoadedModel {
    static MODEL: OnceLock<LoadedModel> = OnceLock::new();
    MODEL.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("smollm2.noema");
        let imported = import_gguf(&gguf(), &target, &mut |_, _| {}).expect("imports");
        assert_eq!(imported.root.to_string(), ROOT, "the import is normative");
        let manifest = &imported.manifest;
        assert_eq!((manifest.name.as_str(), manifest.license.as_str()), ("smollm2-135m", "Apache-2.0"));
        assert_eq!((manifest.special.bos, &manifest.special.eos), (None, &vec![0, 2]));
        assert_eq!(manifest.body_macs(), 106_168_320);
        load(&target, Some(imported.root)).expect("loads")
    })
}

fn argmax(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (i, value)| if *value > row[best] { i } else { best })
}

/// Negative log-likelihood in double precision: a measurement, not the arithmetic.
fn surprise(row: &[f32], token: u32) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = row.iter().map(|value| f64::from(value - most).exp()).sum();
    total.ln() - f64::from(row[token as usize] - most)
}

#[test]
fn tokens_are_those_of_the_published_tokenizer() {
    let tokenizer = &model().tokenizer;
    let encode = |text| tokenizer.encode(text, Special::Parse).expect("encodes");
    assert_eq!(encode("The capital of France is"), [504, 3575, 282, 4649, 314]);
    assert_eq!(encode("<|im_start|>user\n"), [1, 4093, 198]);
    // Digits stand alone.
    assert_eq!(encode("2024").len(), 4);
    for prompt in PROMPTS {
        let ids = tokenizer.encode(prompt, Special::Text).expect("encodes");
        assert_eq!(tokenizer.decode(&ids), prompt);
    }
}

#[test]
fn next_tokens_agree_with_an_f32_forward_pass() {
    let loaded = model();
    let (model, tokenizer) = (loaded.causal().expect("it continues texts"), &loaded.tokenizer);
    let oracle = Oracle::read(BufReader::new(File::open(gguf()).expect("opens")));
    let compute = Compute::with_threads(Kernel::best(), 2).expect("a kernel");
    let (mut agreed, mut total, mut ours_nll, mut theirs_nll) = (0, 0, 0.0, 0.0);
    for prompt in PROMPTS {
        let tokens = tokenizer.encode_prompt(prompt, Special::Parse).expect("encodes");
        let mut cache = model.new_cache();
        let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
        let ours = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
        for (i, theirs) in oracle.logits(&tokens).iter().enumerate() {
            agreed += usize::from(argmax(ours.row(i)) == argmax(theirs));
            total += 1;
            if let Some(&next) = tokens.get(i + 1) {
                ours_nll += surprise(ours.row(i), next);
                theirs_nll += surprise(theirs, next);
            }
        }
    }
    assert!(total > 500, "{total} predictions");
    let message = format!("{agreed} of {total} agree; nats {ours_nll:.2} against {theirs_nll:.2}");
    assert!(agreed * 100 >= total * 90, "{message}");
    assert!((ours_nll / theirs_nll - 1.0).abs() < 0.01, "{message}");
}

#[test]
fn the_greedy_answer_has_the_same_bits_on_every_kernel() {
    let loaded = model();
    let (model, tokenizer) = (loaded.causal().expect("it continues texts"), &loaded.tokenizer);
    let prompt = tokenizer.encode_prompt("The capital of France is", Special::Parse).expect("encodes");
    let mut digests = Vec::new();
    for kernel in Kernel::available() {
        for (threads, chunk) in [(1, 1), (2, 100), (3, 3)] {
            let compute = Compute::with_threads(kernel, threads).expect("an available kernel");
            let (mut cache, mut hasher, mut answer) = (model.new_cache(), blake3::Hasher::new(), Vec::new());
            let mut pending: Vec<Vec<u32>> = prompt.chunks(chunk).rev().map(<[u32]>::to_vec).collect();
            while let Some(tokens) = pending.pop() {
                let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
                let logits = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
                logits.hash_into(&mut hasher);
                if pending.is_empty() && answer.len() < 8 {
                    let next = compute.arithmetic().argmax(logits.last().expect("wanted")).expect("finite") as u32;
                    answer.push(next);
                    pending.push(vec![next]);
                }
            }
            let text = tokenizer.decode(&answer);
            assert!(text.starts_with(" Paris"), "{text}");
            digests.push((hasher.finalize(), text));
        }
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
}
