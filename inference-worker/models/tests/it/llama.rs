//! LLaMA, Mistral and Qwen 2: generated Hugging Face folders against an independent f32 pass, and against the same
//! weights in a GGUF file.

use std::io::Cursor;
use std::path::Path;

use candle_core::quantized::gguf_file::{Value as Meta, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{D, DType, Device, Result, Tensor};
use noema_inference_api::RopeScaling;
use noema_models::import::{convert_gguf, import_hf};
use noema_models::{Compute, LoadedModel, Step, Want, load, load_bytes, synthetic};
use noema_numerics::Kernel;
use serde_json::{Value, json};

use crate::families::{Weights, byte_level_tokenizer, folder, softmax, tokens, weights};

const HIDDEN: usize = 64;
const FEED_FORWARD: usize = 160;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_DIM: usize = 16;
const LAYERS: usize = 2;
const VOCAB: usize = 265;
const CONTEXT: usize = 128;

pub(crate) fn published(biases: bool, tied: bool) -> Weights {
    published_with(VOCAB, biases, tied)
}

pub(crate) fn published_with(vocab: usize, biases: bool, tied: bool) -> Weights {
    let mut list = vec![("model.embed_tokens.weight".to_owned(), vec![vocab, HIDDEN])];
    for i in 0..LAYERS {
        let mut part = |name: &str, shape: &[usize]| list.push((format!("model.layers.{i}.{name}"), shape.to_vec()));
        part("input_layernorm.weight", &[HIDDEN]);
        part("post_attention_layernorm.weight", &[HIDDEN]);
        for (name, heads) in [("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)] {
            part(&format!("self_attn.{name}_proj.weight"), &[heads * HEAD_DIM, HIDDEN]);
            if biases {
                part(&format!("self_attn.{name}_proj.bias"), &[heads * HEAD_DIM]);
            }
        }
        part("self_attn.o_proj.weight", &[HIDDEN, HEADS * HEAD_DIM]);
        part("mlp.gate_proj.weight", &[FEED_FORWARD, HIDDEN]);
        part("mlp.up_proj.weight", &[FEED_FORWARD, HIDDEN]);
        part("mlp.down_proj.weight", &[HIDDEN, FEED_FORWARD]);
    }
    list.push(("model.norm.weight".to_owned(), vec![HIDDEN]));
    if !tied {
        list.push(("lm_head.weight".to_owned(), vec![vocab, HIDDEN]));
    }
    weights(&list)
}

pub(crate) fn config(kind: &str, tied: bool) -> Value {
    json!({
        "model_type": kind, "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
        "num_hidden_layers": LAYERS, "intermediate_size": FEED_FORWARD, "vocab_size": VOCAB, "hidden_act": "silu",
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": tied,
        "eos_token_id": 264, "_name_or_path": "tiny", "license": "Apache-2.0",
    })
}

pub(crate) fn qwen_config(tied: bool) -> Value {
    let mut config = config("qwen2", tied);
    let own = json!({
        "rope_theta": 1e6, "use_sliding_window": false, "sliding_window": 32, "max_window_layers": 2, "rope_scaling": null,
    });
    config.as_object_mut().expect("an object").extend(own.as_object().expect("an object").clone());
    config
}

/// Turns per position of each pair, by the published rules in f32.
fn frequencies(config: &Value) -> Vec<f32> {
    let base = config["rope_theta"].as_f64().expect("a base") as f32;
    let scaling = &config["rope_scaling"];
    let number = |key: &str| scaling[key].as_f64().expect("a number") as f32;
    let stretched = |plain: f32| match scaling["rope_type"].as_str().or(scaling["type"].as_str()) {
        None => plain,
        Some("linear") => plain / number("factor"),
        Some(_) => {
            let seen = number("original_max_position_embeddings") / (std::f32::consts::TAU / plain);
            let (low, high) = (number("low_freq_factor"), number("high_freq_factor"));
            let share = ((seen - low) / (high - low)).clamp(0.0, 1.0);
            (1.0 - share) * plain / number("factor") + share * plain
        }
    };
    (0..HEAD_DIM / 2).map(|j| stretched(base.powf(-2.0 * j as f32 / HEAD_DIM as f32))).collect()
}

fn norm(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
    x.broadcast_div(&scale)?.broadcast_mul(&weights[&format!("{name}.weight")])
}

fn linear(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    let y = x.matmul(&weights[&format!("{name}.weight")].t()?)?;
    match weights.get(&format!("{name}.bias")) {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// Logits of every position: the published network in f32, with no code of this crate.
fn network(config: &Value, weights: &Weights, tokens: &[u32]) -> Result<Vec<Vec<f32>>> {
    let count = tokens.len();
    let mut x = weights["model.embed_tokens.weight"].index_select(&Tensor::new(tokens, &Device::Cpu)?, 0)?;
    let frequencies = Tensor::new(frequencies(config), &Device::Cpu)?.reshape((1, HEAD_DIM / 2))?;
    let positions = Tensor::arange(0u32, count as u32, &Device::Cpu)?.to_dtype(DType::F32)?.reshape((count, 1))?;
    let angles = positions.matmul(&frequencies)?;
    let (cos, sin) = (angles.cos()?, angles.sin()?);
    let rotate = |head: &Tensor| -> Result<Tensor> {
        let (a, b) = (head.narrow(1, 0, HEAD_DIM / 2)?, head.narrow(1, HEAD_DIM / 2, HEAD_DIM / 2)?);
        Tensor::cat(&[((&a * &cos)? - (&b * &sin)?)?, ((&b * &cos)? + (&a * &sin)?)?], 1)
    };
    let mask = (0..count * count).map(|i| if i % count > i / count { f32::NEG_INFINITY } else { 0.0 });
    let mask = Tensor::from_vec(mask.collect(), (count, count), &Device::Cpu)?;
    for i in 0..LAYERS {
        let part = |name: &str| format!("model.layers.{i}.{name}");
        let normed = norm(weights, &part("input_layernorm"), &x)?;
        let [q, k, v] = ["q", "k", "v"].map(|name| linear(weights, &part(&format!("self_attn.{name}_proj")), &normed));
        let (q, k, v) = (q?, k?, v?);
        let mut heads = Vec::new();
        for head in 0..HEADS {
            let cut = |all: &Tensor, head: usize| all.narrow(1, head * HEAD_DIM, HEAD_DIM)?.contiguous();
            let shared = head / (HEADS / KV_HEADS);
            let scores =
                (rotate(&cut(&q, head)?)?.matmul(&rotate(&cut(&k, shared)?)?.t()?)? / (HEAD_DIM as f64).sqrt())?;
            heads.push(softmax(&(scores + &mask)?)?.matmul(&cut(&v, shared)?)?);
        }
        x = (x + linear(weights, &part("self_attn.o_proj"), &Tensor::cat(&heads, 1)?)?)?;
        let normed = norm(weights, &part("post_attention_layernorm"), &x)?;
        let gate = linear(weights, &part("mlp.gate_proj"), &normed)?;
        let gate = (&gate / ((gate.neg()?.exp()? + 1.0)?))?;
        let inner = (gate * linear(weights, &part("mlp.up_proj"), &normed)?)?;
        x = (x + linear(weights, &part("mlp.down_proj"), &inner)?)?;
    }
    let head = if weights.contains_key("lm_head.weight") { "lm_head" } else { "model.embed_tokens" };
    linear(weights, head, &norm(weights, "model.norm", &x)?)?.to_vec2()
}

fn reference(config: &Value, weights: &Weights, tokens: &[u32]) -> Vec<Vec<f32>> {
    network(config, weights, tokens).expect("candle computes")
}

fn ours(loaded: &LoadedModel, tokens: &[u32]) -> Vec<Vec<f32>> {
    let compute = Compute::with_threads(Kernel::best(), 2).expect("a kernel");
    let model = loaded.causal().expect("it continues texts");
    let mut cache = model.new_cache();
    let mut steps = [Step { tokens, cache: &mut cache, want: Want::All }];
    let logits = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
    (0..tokens.len()).map(|i| logits.row(i).to_vec()).collect()
}

fn relative_error(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> f64 {
    let (mut error, mut size) = (0.0f64, 0.0f64);
    for (a, b) in ours.iter().flatten().zip(theirs.iter().flatten()) {
        error += f64::from(a - b).powi(2);
        size += f64::from(*b).powi(2);
    }
    (error / size).sqrt()
}

/// The same weights, rounded to another type as a published file holds them.
fn rounded(weights: &Weights, kind: DType) -> Weights {
    weights.iter().map(|(name, tensor)| (name.clone(), tensor.to_dtype(kind).expect("rounds"))).collect()
}

fn import(at: &Path, config: &Value, weights: &Weights, shards: usize) -> LoadedModel {
    let target = at.join("model.noema");
    let source = folder(at, config, weights, shards);
    let imported = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
    std::fs::remove_dir_all(source).expect("removed");
    load(&target, Some(imported.root)).expect("loads")
}

const LLAMA3: &str = r#"{ "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64 }"#;

#[test]
fn folders_follow_an_independent_forward_pass() {
    let temporary = tempfile::tempdir().expect("a folder");
    let tokens = tokens(100, 3);
    let mut llama3 = config("llama", false);
    llama3["rope_scaling"] = serde_json::from_str(LLAMA3).expect("json");
    let cases = [
        ("llama", config("llama", false), DType::F32, 1),
        ("llama", config("llama", true), DType::BF16, 3),
        ("llama", config("llama", true), DType::F16, 2),
        ("llama", llama3, DType::BF16, 1),
        ("mistral", config("mistral", false), DType::BF16, 2),
        ("qwen2", qwen_config(true), DType::BF16, 1),
        ("qwen2", qwen_config(false), DType::F32, 3),
    ];
    for (kind, config, dtype, shards) in cases {
        let weights = published(kind == "qwen2", config["tie_word_embeddings"] == true);
        let stored = rounded(&weights, dtype);
        let loaded = import(temporary.path(), &config, &stored, shards);
        let theirs = reference(&config, &rounded(&stored, DType::F32), &tokens);
        let error = relative_error(&ours(&loaded, &tokens), &theirs);
        assert!(error < 0.03, "{kind} in {dtype:?}, {shards} shards, {config}: relative error {error}");
        // The measure is not blind: the logits of another position are far away.
        let mut other = theirs;
        other.rotate_left(1);
        assert!(relative_error(&ours(&loaded, &tokens), &other) > 0.5);
        assert_eq!(loaded.manifest.tied_head, config["tie_word_embeddings"] == true);
    }
}

#[test]
fn linearly_stretched_positions_follow_an_independent_forward_pass() {
    let temporary = tempfile::tempdir().expect("a folder");
    let (tokens, weights) = (tokens(100, 3), published(false, true));
    let mut config = config("llama", true);
    let plain = reference(&config, &weights, &tokens);
    for name in ["type", "rope_type"] {
        config["rope_scaling"] = json!({ name: "linear", "factor": 2.5 });
        let loaded = import(temporary.path(), &config, &weights, 1);
        assert_eq!(loaded.manifest.rope_scaling, RopeScaling::Linear);
        let (ours, theirs) = (ours(&loaded, &tokens), reference(&config, &weights, &tokens));
        let error = relative_error(&ours, &theirs);
        assert!(error < 0.03, "relative error {error}");
        // Unstretched, the same weights say something else.
        assert!(relative_error(&ours, &plain) > 0.1);
    }
}

#[test]
fn settings_that_change_the_weights_meaning_are_refused() {
    let temporary = tempfile::tempdir().expect("a folder");
    let refuse = |config: Value, biases: bool, expected: &str| {
        let target = temporary.path().join("model.noema");
        let source = folder(temporary.path(), &config, &published(biases, true), 1);
        let error = import_hf(&source, &target, &mut |_, _| {}).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(!target.exists());
    };
    let with = |kind: &str, key: &str, value: Value| {
        let mut config = if kind == "qwen2" { qwen_config(true) } else { config(kind, true) };
        config[key] = value;
        config
    };
    let scaled = |value: Value| with("llama", "rope_scaling", value);
    refuse(with("qwen2", "use_sliding_window", json!(true)), true, "sliding window `32` is not supported");
    refuse(with("mistral", "sliding_window", json!(64)), false, "sliding window `64` is not supported");
    refuse(with("llama", "attention_bias", json!(true)), false, "attention_bias `true` is not supported");
    refuse(with("llama", "layer_types", json!(["sliding_attention"])), false, "layer type");
    refuse(with("llama", "partial_rotary_factor", json!(0.5)), false, "partial_rotary_factor `0.5`");
    refuse(scaled(json!({ "type": "dynamic", "factor": 2.0 })), false, "rotary scaling `dynamic` is not supported");
    refuse(scaled(json!({ "rope_type": "yarn", "factor": 4.0 })), false, "rotary scaling `yarn` is not supported");
    refuse(scaled(json!({ "rope_type": "longrope" })), false, "rotary scaling `longrope` is not supported");
    refuse(scaled(json!({ "factor": 2.0 })), false, "rotary scaling");
    refuse(scaled(json!({ "type": "linear" })), false, "cannot read config.json: its rotary scaling lacks");
    refuse(scaled(json!({ "type": "linear", "factor": 0.5 })), false, "rotary factor in thousandths is 500");
    refuse(scaled(json!({ "type": "linear", "factor": -4.0 })), false, "rotary scaling's factor `-4` is not");
    refuse(scaled(json!({ "type": "linear", "factor": 1e300 })), false, "rotary scaling's factor `1");
    refuse(scaled(json!({ "type": "linear", "factor": 1.23456 })), false, "rotary scaling's factor `1.23456` is not");
    let mut bands: Value = serde_json::from_str(LLAMA3).expect("json");
    bands["high_freq_factor"] = json!(1.0);
    refuse(scaled(bands.clone()), false, "rotary band's end in thousandths is 1000");
    bands["original_max_position_embeddings"] = json!(0);
    bands["high_freq_factor"] = json!(4.0);
    refuse(scaled(bands), false, "rotary band's context is 0");
    // Biases where the architecture has none, and none where it has them.
    refuse(config("llama", true), true, "tensor `model.layers.0.self_attn.k_proj.bias` is not supported");
    refuse(qwen_config(true), false, "cannot read the tensors: there is no model.layers.0.self_attn.q_proj.bias");
}

/// Rows as GGUF's LLaMA files have them: pairs `(j, j + half)` of a head lie side by side.
fn interleaved(tensor: &Tensor) -> Tensor {
    let rows = tensor.dim(0).expect("rows");
    let row = |i: usize| {
        let (head, at) = (i / HEAD_DIM, i % HEAD_DIM);
        (head * HEAD_DIM + at / 2 + at % 2 * HEAD_DIM / 2) as u32
    };
    let order: Vec<u32> = (0..rows).map(row).collect();
    tensor.index_select(&Tensor::new(order, &Device::Cpu).expect("an order"), 0).expect("rows")
}

/// The weights as a GGUF file, converted as the architecture's files are.
fn gguf(architecture: &str, weights: &Weights, more: &[(&str, Meta)], factors: Option<&[f32]>) -> Vec<u8> {
    let data = synthetic::tokenizer_data();
    let text = |text: &str| Meta::String(text.to_owned());
    let strings = |list: Vec<String>| Meta::Array(list.into_iter().map(Meta::String).collect());
    let name = |id: u32| data.tokens[id as usize].clone();
    let merges = data.merges.iter().map(|&(a, b)| format!("{} {}", name(a), name(b))).collect();
    let types = (0..VOCAB as u32).map(|id| Meta::I32(if data.special.contains(&id) { 3 } else { 1 })).collect();
    let own = |key: &str| format!("{architecture}.{key}");
    let mut metadata = vec![
        ("general.architecture".to_owned(), text(architecture)),
        ("general.name".to_owned(), text("tiny")),
        ("general.license".to_owned(), text("apache-2.0")),
        (own("block_count"), Meta::U32(LAYERS as u32)),
        (own("context_length"), Meta::U32(CONTEXT as u32)),
        (own("embedding_length"), Meta::U32(HIDDEN as u32)),
        (own("feed_forward_length"), Meta::U32(FEED_FORWARD as u32)),
        (own("attention.head_count"), Meta::U32(HEADS as u32)),
        (own("attention.head_count_kv"), Meta::U32(KV_HEADS as u32)),
        (own("attention.layer_norm_rms_epsilon"), Meta::F32(1e-5)),
        ("tokenizer.ggml.model".to_owned(), text("gpt2")),
        ("tokenizer.ggml.pre".to_owned(), text("gpt-2")),
        ("tokenizer.ggml.tokens".to_owned(), strings(data.tokens.clone())),
        ("tokenizer.ggml.merges".to_owned(), strings(merges)),
        ("tokenizer.ggml.token_type".to_owned(), Meta::Array(types)),
        ("tokenizer.ggml.eos_token_id".to_owned(), Meta::U32(264)),
    ];
    metadata.extend(more.iter().map(|(key, value)| (own(key), value.clone())));
    let mut tensors = Vec::new();
    let mut names: Vec<_> = weights.keys().collect();
    names.sort();
    for name in names {
        let mut tensor = weights[name].clone();
        if architecture == "llama" && (name.contains(".q_proj.") || name.contains(".k_proj.")) {
            tensor = interleaved(&tensor);
        }
        let mut name = name.replace("model.layers.", "blk.");
        for (published, own) in [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("lm_head", "output"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ] {
            name = name.replace(published, own);
        }
        tensors.push((name, QTensor::quantize(&tensor, GgmlDType::F32).expect("as it is")));
    }
    if let Some(factors) = factors {
        let tensor = Tensor::new(factors, &Device::Cpu).expect("a vector");
        tensors.push(("rope_freqs.weight".to_owned(), QTensor::quantize(&tensor, GgmlDType::F32).expect("as it is")));
    }
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = Cursor::new(Vec::new());
    write(&mut file, &metadata, &tensors).expect("written");
    file.into_inner()
}

fn convert(gguf: &[u8]) -> std::result::Result<LoadedModel, noema_models::ModelError> {
    let mut file = Vec::new();
    let imported = convert_gguf(Cursor::new(gguf), &mut file, &mut |_, _| {})?;
    Ok(load_bytes(&file, Some(imported.root)).expect("what is imported can be loaded"))
}

/// A folder whose tokenizer is the one of [`gguf`].
fn plain_folder(at: &Path, config: &Value, weights: &Weights) -> LoadedModel {
    let source = folder(at, config, weights, 1);
    let mut tokenizer = byte_level_tokenizer();
    tokenizer["normalizer"] = Value::Null;
    std::fs::write(source.join("tokenizer.json"), tokenizer.to_string()).expect("written");
    let target = at.join("model.noema");
    let imported = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
    load(&target, Some(imported.root)).expect("loads")
}

#[test]
fn folders_and_gguf_files_of_the_same_weights_have_the_same_root() {
    let temporary = tempfile::tempdir().expect("a folder");
    let mut stretched = config("llama", true);
    stretched["rope_scaling"] = json!({ "type": "linear", "factor": 4.0 });
    let factor = ("rope.scaling.factor", Meta::F32(4.0));
    let linear = ("rope.scaling.type", Meta::String("linear".to_owned()));
    let base = |base: f32| ("rope.freq_base", Meta::F32(base));
    for (architecture, config, metadata) in [
        ("llama", config("llama", false), vec![base(10_000.0)]),
        ("llama", config("mistral", true), vec![base(10_000.0)]),
        ("llama", stretched, vec![base(10_000.0), linear, factor]),
        ("qwen2", qwen_config(true), vec![base(1e6)]),
    ] {
        let weights = published(architecture == "qwen2", config["tie_word_embeddings"] == true);
        let from_folder = plain_folder(temporary.path(), &config, &weights);
        let from_gguf = convert(&gguf(architecture, &weights, &metadata, None)).expect("imports");
        assert_eq!(from_gguf.manifest, from_folder.manifest);
        assert_eq!(from_gguf.tokenizer_root, from_folder.tokenizer_root);
        assert_eq!(from_gguf.root, from_folder.root, "{architecture}");
    }
}

#[test]
fn factors_in_a_gguf_file_stretch_as_the_published_rule_does() {
    let (tokens, weights) = (tokens(100, 3), published(false, false));
    let mut config = config("llama", false);
    config["rope_scaling"] = serde_json::from_str(LLAMA3).expect("json");
    let theirs = reference(&config, &weights, &tokens);
    // As llama.cpp's converter makes them.
    let factor = |j: i32| {
        let wave = std::f32::consts::TAU * 10_000f32.powf(2.0 * j as f32 / HEAD_DIM as f32);
        match wave {
            _ if wave < 64.0 / 4.0 => 1.0,
            _ if wave > 64.0 => 8.0,
            _ => {
                let smooth = (64.0 / wave - 1.0) / 3.0;
                1.0 / ((1.0 - smooth) / 8.0 + smooth)
            }
        }
    };
    let factors: Vec<f32> = (0..HEAD_DIM as i32 / 2).map(factor).collect();
    assert!(factors.contains(&1.0) && factors.contains(&8.0) && factors.iter().any(|&f| f > 1.0 && f < 8.0));
    let loaded = convert(&gguf("llama", &weights, &[], Some(&factors))).expect("imports");
    assert_eq!(loaded.manifest.rope_scaling, RopeScaling::Llama3);
    let error = relative_error(&ours(&loaded, &tokens), &theirs);
    assert!(error < 0.03, "relative error {error}");
    let plain = convert(&gguf("llama", &weights, &[], None)).expect("imports");
    assert!(relative_error(&ours(&plain, &tokens), &theirs) > 0.1);

    for bad in [f32::NAN, 0.0, -1.0, 0.99, 1e6] {
        let factors = [1.0, 1.0, bad, 1.0, 1.0, 1.0, 1.0, 1.0];
        let error = convert(&gguf("llama", &weights, &[], Some(&factors))).expect_err("a bad factor").to_string();
        assert!(error.starts_with("malformed model file: a rotary factor is"), "{error}");
    }
    let error = convert(&gguf("llama", &weights, &[], Some(&[1.0; 7]))).expect_err("too few").to_string();
    assert!(error.contains("tensor rope_freqs.weight has the shape [7]"), "{error}");
    let scaled = [("rope.scaling.factor", Meta::F32(2.0))];
    assert!(convert(&gguf("llama", &weights, &scaled, Some(&[1.0; 8]))).is_err(), "one way to stretch, not two");
    for kind in ["yarn", "longrope", "dynamic"] {
        let scaled = [("rope.scaling.type", Meta::String(kind.to_owned())), ("rope.scaling.factor", Meta::F32(2.0))];
        let error = convert(&gguf("llama", &weights, &scaled, None)).expect_err(kind).to_string();
        assert!(error.starts_with(&format!("rotary scaling `{kind}` is not supported")), "{error}");
    }
}

#[test]
fn biased_files_of_the_llama_architecture_are_read_with_their_pairs() {
    let (tokens, weights) = (tokens(60, 5), published(true, true));
    // InternLM's way: LLaMA's layout with biases. Its network is Qwen 2's with another base.
    let mut config = qwen_config(true);
    config["rope_theta"] = json!(10_000.0);
    let loaded = convert(&gguf("llama", &weights, &[], None)).expect("imports");
    let error = relative_error(&ours(&loaded, &tokens), &reference(&config, &weights, &tokens));
    assert!(error < 0.03, "relative error {error}");
}

#[test]
fn bits_with_biases_depend_on_nothing_but_tokens() {
    let file = synthetic::tiny_qwen(1);
    let loaded = load_bytes(&file, None).expect("loads");
    assert_eq!(loaded.root.to_string(), QWEN_ROOT, "the frozen file");
    let model = loaded.causal().expect("it continues texts");
    let tokens = tokens(130, 0);
    for kernel in Kernel::available() {
        for (threads, chunk) in [(1, 1), (2, 7), (3, 64), (7, 130)] {
            let compute = Compute::with_threads(kernel, threads).expect("available");
            let (mut cache, mut hasher) = (model.new_cache(), blake3::Hasher::new());
            for tokens in tokens.chunks(chunk) {
                let mut steps = [Step { tokens, cache: &mut cache, want: Want::All }];
                let logits = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
                logits.hash_into(&mut hasher);
            }
            assert_eq!(hasher.finalize().to_hex().as_str(), QWEN_GOLDEN, "{kernel}, {threads} threads");
        }
    }
}

const QWEN_ROOT: &str = "0x1e1e94daf6eac1946333bafa04b9e9fc1090ec7667558152fbed0cc66e71f147";
const QWEN_GOLDEN: &str = "5506119103f7c9f1411779e5ea295a9ae1783520f58ea96b89b62d4294d6ae21";
