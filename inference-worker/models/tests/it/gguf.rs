//! Imports of generated GGUF files.

use std::io::Cursor;

use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use noema_models::import::{Imported, convert_gguf, import_gguf};
use noema_models::{Compute, ModelError, Step, Want, load, load_bytes, synthetic};
use noema_numerics::Kernel;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::oracle::Oracle;

const HIDDEN: usize = 256;
const FEED_FORWARD: usize = 512;
const HEADS: usize = 8;
const KV_HEADS: usize = 4;
const HEAD_DIM: usize = 32;
const LAYERS: usize = 2;
const VOCAB: usize = 265;

pub(crate) type Metadata = Vec<(String, Value)>;

pub(crate) fn metadata() -> Metadata {
    let data = synthetic::tokenizer_data();
    let text = |text: &str| Value::String(text.to_owned());
    let strings = |list: Vec<String>| Value::Array(list.into_iter().map(Value::String).collect());
    let name = |id: u32| data.tokens[id as usize].clone();
    let merges = data.merges.iter().map(|&(a, b)| format!("{} {}", name(a), name(b))).collect();
    let types = (0..VOCAB as u32).map(|id| Value::I32(if data.special.contains(&id) { 3 } else { 1 })).collect();
    let entries = [
        ("general.architecture", text("llama")),
        ("general.name", text("Generated")),
        ("general.license", text("apache-2.0")),
        ("llama.block_count", Value::U32(LAYERS as u32)),
        ("llama.context_length", Value::U32(128)),
        ("llama.embedding_length", Value::U32(HIDDEN as u32)),
        ("llama.feed_forward_length", Value::U32(FEED_FORWARD as u32)),
        ("llama.attention.head_count", Value::U32(HEADS as u32)),
        ("llama.attention.head_count_kv", Value::U32(KV_HEADS as u32)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("llama.rope.freq_base", Value::F32(10_000.0)),
        ("llama.rope.dimension_count", Value::U32(HEAD_DIM as u32)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", strings(data.tokens.clone())),
        ("tokenizer.ggml.merges", strings(merges)),
        ("tokenizer.ggml.token_type", Value::Array(types)),
        ("tokenizer.ggml.eos_token_id", Value::U32(264)),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).to_vec()
}

fn shapes() -> Vec<(String, Vec<usize>)> {
    let mut shapes = vec![("token_embd".to_owned(), vec![VOCAB, HIDDEN]), ("output".to_owned(), vec![VOCAB, HIDDEN])];
    for layer in 0..LAYERS {
        let mut part = |name: &str, shape: &[usize]| shapes.push((format!("blk.{layer}.{name}"), shape.to_vec()));
        part("attn_norm", &[HIDDEN]);
        part("attn_q", &[HEADS * HEAD_DIM, HIDDEN]);
        part("attn_k", &[KV_HEADS * HEAD_DIM, HIDDEN]);
        part("attn_v", &[KV_HEADS * HEAD_DIM, HIDDEN]);
        part("attn_output", &[HIDDEN, HEADS * HEAD_DIM]);
        part("ffn_norm", &[HIDDEN]);
        part("ffn_gate", &[FEED_FORWARD, HIDDEN]);
        part("ffn_up", &[FEED_FORWARD, HIDDEN]);
        part("ffn_down", &[HIDDEN, FEED_FORWARD]);
    }
    shapes.push(("output_norm".to_owned(), vec![HIDDEN]));
    shapes
}

/// A file with random weights, all matrices of one kind.
pub(crate) fn gguf(kind: GgmlDType, metadata: &Metadata, keep: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut tensors = Vec::new();
    for (name, shape) in shapes() {
        let (norm, inputs) = (shape.len() == 1, *shape.last().expect("a shape"));
        let width = if name == "token_embd" { 1.0 } else { (3.0 / inputs as f32).sqrt() };
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| {
                let unit = ((random.next_u32() >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32;
                if norm { 1.0 + unit / 4.0 } else { unit * width }
            })
            .collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor");
        let tensor = QTensor::quantize(&tensor, if norm { GgmlDType::F32 } else { kind }).expect("quantises");
        if keep(&name) {
            tensors.push((format!("{name}.weight"), tensor));
        }
    }
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = Cursor::new(Vec::new());
    write(&mut file, &metadata, &tensors).expect("written");
    file.into_inner()
}

/// A file without tensors, with some metadata changed or taken away.
pub(crate) fn metadata_file(changes: &[(&str, Option<Value>)]) -> Vec<u8> {
    let mut metadata = metadata();
    for (key, value) in changes {
        metadata.retain(|(existing, _)| existing != key);
        metadata.extend(value.clone().map(|value| ((*key).to_owned(), value)));
    }
    gguf(GgmlDType::F32, &metadata, |_| false)
}

fn convert(gguf: &[u8]) -> Result<(Vec<u8>, Imported), ModelError> {
    let mut file = Vec::new();
    let imported = convert_gguf(Cursor::new(gguf), &mut file, &mut |_, _| {})?;
    Ok((file, imported))
}

pub(crate) const KINDS: [GgmlDType; 13] = [
    GgmlDType::F32,
    GgmlDType::F16,
    GgmlDType::BF16,
    GgmlDType::Q4_0,
    GgmlDType::Q4_1,
    GgmlDType::Q5_0,
    GgmlDType::Q5_1,
    GgmlDType::Q8_0,
    GgmlDType::Q2K,
    GgmlDType::Q3K,
    GgmlDType::Q4K,
    GgmlDType::Q5K,
    GgmlDType::Q6K,
];

/// Same model up to quantisation: our logits follow those of an independent f32 pass over the same file.
#[test]
fn every_kind_of_tensor_follows_an_independent_forward_pass() {
    let compute = Compute::with_threads(Kernel::best(), 2).expect("a kernel");
    let tokens: Vec<u32> = (0..60).map(|i| i * i * 11 % VOCAB as u32).collect();
    for kind in KINDS {
        let gguf = gguf(kind, &metadata(), |_| true);
        let (file, imported) = convert(&gguf).expect("imports");
        let loaded = load_bytes(&file, Some(imported.root)).expect("loads");
        let model = loaded.causal().expect("it continues texts");
        let mut cache = model.new_cache();
        let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
        let ours = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
        let theirs = Oracle::read(Cursor::new(&gguf)).logits(&tokens);
        let (mut error, mut size) = (0.0f64, 0.0f64);
        for (row, theirs) in theirs.iter().enumerate() {
            for (a, b) in ours.row(row).iter().zip(theirs) {
                error += f64::from(a - b).powi(2);
                size += f64::from(*b).powi(2);
            }
        }
        let relative = (error / size).sqrt();
        assert!(relative < 0.03, "{kind:?}: relative error {relative}");
    }
}

#[test]
fn imports_are_reproducible() {
    let gguf = gguf(GgmlDType::F32, &metadata(), |_| true);
    let (file, imported) = convert(&gguf).expect("imports");
    assert_eq!(imported.root.to_string(), "0xd046f924f48826711cb894669574c83d24ccf41ead79928c21ba8b2cda8cfb64");
    assert_eq!(imported.root.0, *blake3::hash(&file).as_bytes());
    let manifest = &imported.manifest;
    assert_eq!((manifest.name.as_str(), manifest.license.as_str()), ("Generated", "Apache-2.0"));
    assert_eq!((manifest.tied_head, &manifest.special.eos, manifest.special.bos), (false, &vec![264], None));

    let folder = tempfile::tempdir().expect("a folder");
    let (source, target) = (folder.path().join("model.gguf"), folder.path().join("model.noema"));
    std::fs::write(&source, &gguf).expect("written");
    let mut heard = Vec::new();
    let again = import_gguf(&source, &target, &mut |done, total| heard.push((done, total))).expect("imports");
    assert_eq!(again, imported);
    assert_eq!(std::fs::read(&target).expect("there"), file);
    assert!(heard.is_sorted() && heard.last().is_some_and(|(done, total)| done == total));
    load(&target, Some(imported.root)).expect("loads");
    // A failed import leaves nothing behind.
    std::fs::write(&source, &gguf[..gguf.len() / 2]).expect("written");
    let other = folder.path().join("other.noema");
    assert!(import_gguf(&source, &other, &mut |_, _| {}).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn what_is_not_supported_is_named() {
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let cases = [
        ("general.architecture", text("gptneox"), "architecture `gptneox` is not supported; supported: llama"),
        ("tokenizer.ggml.model", text("t5"), "tokenizer `t5` is not supported"),
        ("tokenizer.ggml.model", text("llama"), "cannot read the gguf file: metadata lack `tokenizer.ggml.scores`"),
        ("tokenizer.ggml.pre", text("viking"), "pre-tokenizer `viking` is not supported"),
        ("tokenizer.ggml.pre", None, "pre-tokenizer `none` is not supported"),
        ("llama.rope.scaling.type", text("yarn"), "rotary scaling `yarn` is not supported"),
        ("llama.rope.dimension_count", Some(Value::U32(16)), "llama.rope.dimension_count `16` is not supported"),
        ("llama.rope.freq_base", Some(Value::F32(0.5)), "rotary base `0.5` is not supported"),
        ("llama.rope.freq_base", Some(Value::F32(f32::NAN)), "rotary base `NaN` is not supported"),
        ("llama.expert_count", Some(Value::U32(8)), "number of experts `8` is not supported"),
        ("llama.block_count", None, "cannot read the gguf file: metadata lack `llama.block_count`"),
        ("llama.block_count", Some(Value::U32(3)), "cannot read the gguf file: there is no tensor blk.2.attn_k.weight"),
        ("llama.block_count", Some(Value::U32(1)), "tensor `blk.1.attn_k.weight` is not supported"),
        ("llama.attention.head_count", Some(Value::U32(0)), "cannot read the gguf file: there are no heads"),
        ("llama.context_length", Some(Value::U32(u32::MAX)), "context is 4294967295: 1 to 1048576"),
        (
            "llama.feed_forward_length",
            Some(Value::U32(511)),
            "cannot read the gguf file: tensor blk.0.ffn_down.weight has",
        ),
        (
            "tokenizer.ggml.merges",
            Some(Value::Array(vec![Value::String("zz y".into())])),
            "broken tokenizer: merge `zz y`",
        ),
        ("tokenizer.ggml.token_type", Some(Value::Array(vec![])), "broken tokenizer: 0 token types for 265 tokens"),
        ("tokenizer.ggml.eos_token_id", Some(Value::U32(265)), "special token is 265: below the vocabulary of 265"),
    ];
    for (key, value, expected) in cases {
        let mut metadata = metadata();
        metadata.retain(|(existing, _)| existing != key);
        metadata.extend(value.map(|value| (key.to_owned(), value)));
        let error = convert(&gguf(GgmlDType::Q8_0, &metadata, |_| true)).expect_err(key);
        assert!(error.to_string().starts_with(expected), "{key}: {error}");
    }
    let error =
        convert(&gguf(GgmlDType::Q8_0, &metadata(), |name| name != "output_norm")).expect_err("a missing tensor");
    assert!(error.to_string().ends_with("there is no tensor output_norm.weight"), "{error}");
}

#[test]
fn a_zero_alignment_is_an_error() {
    let mut metadata = metadata();
    metadata.push(("general.alignment".to_owned(), Value::U32(0)));
    let error = convert(&gguf(GgmlDType::F32, &metadata, |_| true)).expect_err("no alignment");
    assert!(matches!(error, ModelError::Gguf(_)), "{error}");
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let mut gguf = gguf(GgmlDType::F32, &metadata(), |_| true);
    let end = gguf.len() & !3;
    for at in [end - 1_000, end - 200_000] {
        let old: [u8; 4] = gguf[at..at + 4].try_into().expect("four bytes");
        gguf[at..at + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
        assert!(convert(&gguf).is_err(), "at {at}");
        gguf[at..at + 4].copy_from_slice(&old);
    }
    convert(&gguf).expect("as it was");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn mutated_files_do_not_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        truncate in any::<bool>(),
    ) {
        static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = FILE.get_or_init(|| gguf(GgmlDType::Q4_0, &metadata(), |_| true)).clone();
        for (at, value) in edits {
            let at = at.index(14_000.min(bytes.len()));
            bytes[at] = value;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((file, imported)) = convert(&bytes) {
            load_bytes(&file, Some(imported.root)).expect("what is imported can be loaded");
        }
    }
}
