//! The real encoder: all-MiniLM-L6-v2. Its weights come from `fetch-minilm.sh`.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{D, Device, Result, Tensor};
use noema_models::import::import_hf;
use noema_models::{Compute, Special, load};
use noema_numerics::Kernel;

const TEXTS: [&str; 6] = [
    "A man is eating food.",
    "Somebody is having a meal.",
    "The stock market fell sharply on Monday.",
    "Shares lost a lot of value at the start of the week.",
    "How do I sort a list of integers in Python?",
    "Caf\u{e9} au lait, s'il vous pla\u{ee}t: 3,50 \u{20ac} \u{2014} unbelievably overpriced!",
];

fn folder() -> PathBuf {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
    let cache = std::env::var_os("NOEMA_CACHE").map_or(home.join(".cache/noema"), PathBuf::from);
    let folder = cache.join("weights/all-MiniLM-L6-v2");
    assert!(folder.exists(), "no weights at {}\nhint: run inference-worker/models/fetch-minilm.sh", folder.display());
    folder
}

type Weights = HashMap<String, Tensor>;

fn softmax(x: &Tensor) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    x.broadcast_div(&x.sum_keepdim(D::Minus1)?)
}

fn linear(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    x.matmul(&weights[&format!("{name}.weight")].t()?)?.broadcast_add(&weights[&format!("{name}.bias")])
}

fn norm(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
    x.broadcast_div(&scale)?
        .broadcast_mul(&weights[&format!("{name}.weight")])?
        .broadcast_add(&weights[&format!("{name}.bias")])
}

/// The published network in f32: the mean of the last layer.
fn reference(weights: &Weights, tokens: &[u32]) -> Result<Vec<f32>> {
    let rows = |name: &str, count: usize| weights[&format!("embeddings.{name}.weight")].narrow(0, 0, count);
    let words = weights["embeddings.word_embeddings.weight"].index_select(&Tensor::new(tokens, &Device::Cpu)?, 0)?;
    let x = words.broadcast_add(&rows("token_type_embeddings", 1)?)?;
    let mut x = norm(weights, "embeddings.LayerNorm", &(x + rows("position_embeddings", tokens.len())?)?)?;
    for i in 0..6 {
        let part = |name: &str| format!("encoder.layer.{i}.{name}");
        let [q, k, v] =
            ["query", "key", "value"].map(|name| linear(weights, &part(&format!("attention.self.{name}")), &x));
        let (q, k, v) = (q?, k?, v?);
        let mut heads = Vec::new();
        for head in 0..12 {
            let [q, k, v] = [&q, &k, &v].map(|all| all.narrow(1, head * 32, 32).and_then(|head| head.contiguous()));
            let scores = (q?.matmul(&k?.t()?)? / 32f64.sqrt())?;
            heads.push(softmax(&scores)?.matmul(&v?)?);
        }
        let attended = linear(weights, &part("attention.output.dense"), &Tensor::cat(&heads, 1)?)?;
        x = norm(weights, &part("attention.output.LayerNorm"), &(x + attended)?)?;
        let inner = linear(weights, &part("intermediate.dense"), &x)?.gelu_erf()?;
        x = norm(weights, &part("output.LayerNorm"), &(&x + linear(weights, &part("output.dense"), &inner)?)?)?;
    }
    x.mean(0)?.to_vec1()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn embeddings_follow_the_published_network() {
    let (source, temporary) = (folder(), tempfile::tempdir().expect("a folder"));
    let target = temporary.path().join("minilm.noema");
    let imported = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
    assert_eq!(import_hf(&source, &target, &mut |_, _| {}).expect("imports").root, imported.root);
    let loaded = load(&target, Some(imported.root)).expect("loads");
    // As the published tokenizer has it.
    let ids =
        loaded.tokenizer.encode("Hello, unbelievably World! Caf\u{e9} tokenization", Special::Text).expect("encodes");
    assert_eq!(ids, [7592, 1010, 4895, 8671, 2666, 3567, 6321, 2088, 999, 7668, 19204, 3989]);
    let weights = candle_core::safetensors::load(source.join("model.safetensors"), &Device::Cpu).expect("weights");
    let model = loaded.embedder().expect("it embeds texts");
    let tokens = TEXTS.map(|text| loaded.tokenizer.encode(text, Special::Text).expect("encodes"));
    let compute = Compute::with_threads(Kernel::best(), 2).expect("a kernel");
    let slices: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let ours: Vec<Vec<f64>> = model
        .embed(&compute, &slices)
        .into_iter()
        .map(|values| values.expect("finite").into_iter().map(f64::from).collect())
        .collect();
    for ((text, tokens), ours) in TEXTS.iter().zip(&tokens).zip(&ours) {
        let all: Vec<u32> = [101].iter().chain(tokens).chain(&[102]).copied().collect();
        let theirs = reference(&weights, &all).expect("candle computes");
        let theirs: Vec<f64> = theirs.into_iter().map(f64::from).collect();
        // Rounding to 1/127 alone costs about 0.001 at this width; the network may cost another 0.001.
        let length = theirs.iter().map(|value| value * value).sum::<f64>().sqrt();
        let rounded: Vec<f64> = theirs.iter().map(|value| (value / length * 127.0).round_ties_even()).collect();
        let (similarity, best) = (cosine(ours, &theirs), cosine(&rounded, &theirs));
        assert!(similarity > best - 0.001 && similarity > 0.998, "{text}: {similarity} of {best}");
    }
    // Like meanings are nearer than unlike ones.
    let near = |a: usize, b: usize| cosine(&ours[a], &ours[b]);
    assert!(near(0, 1) > near(0, 2) + 0.3, "{} {}", near(0, 1), near(0, 2));
    assert!(near(2, 3) > near(2, 4) + 0.3, "{} {}", near(2, 3), near(2, 4));
}
