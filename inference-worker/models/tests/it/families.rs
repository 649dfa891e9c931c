//! GPT-NeoX and BERT: generated Hugging Face folders against an independent f32 pass; bits over kernels and schedules.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{D, DType, Device, IndexOp, Result, Tensor};
use noema_models::import::import_hf;
use noema_models::{Compute, LoadedModel, ModelError, Special, Step, Want, load, load_bytes, synthetic};
use noema_numerics::Kernel;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::json;

const HIDDEN: usize = 64;
const FEED_FORWARD: usize = 160;
const HEADS: usize = 4;
const HEAD_DIM: usize = 16;
const LAYERS: usize = 2;
const VOCAB: usize = 280;
const ROTARY: usize = 8;

pub(crate) type Weights = HashMap<String, Tensor>;

/// Random tensors by name and shape: gains near 1, biases small, matrices that keep a signal's size.
pub(crate) fn weights(shapes: &[(String, Vec<usize>)]) -> Weights {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut tensor = |(name, shape): &(String, Vec<usize>)| {
        let is_gain = shape.len() == 1 && name.ends_with("weight");
        let width = match shape.len() {
            1 => 0.25,
            _ if name.contains("embed") => 1.0,
            _ => (3.0 / shape[1] as f32).sqrt(),
        };
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                let unit = ((random.next_u32() >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32;
                unit * width + if is_gain { 1.0 } else { 0.0 }
            })
            .collect();
        (name.clone(), Tensor::from_vec(values, shape.as_slice(), &Device::Cpu).expect("a tensor"))
    };
    shapes.iter().map(&mut tensor).collect()
}

fn with_bias(list: &mut Vec<(String, Vec<usize>)>, name: &str, shape: &[usize]) {
    list.push((format!("{name}.weight"), shape.to_vec()));
    list.push((format!("{name}.bias"), vec![shape[0]]));
}

fn neox_weights() -> Weights {
    let mut list = vec![("gpt_neox.embed_in.weight".to_owned(), vec![VOCAB, HIDDEN])];
    for i in 0..LAYERS {
        let part = |name: &str| format!("gpt_neox.layers.{i}.{name}");
        with_bias(&mut list, &part("input_layernorm"), &[HIDDEN]);
        with_bias(&mut list, &part("post_attention_layernorm"), &[HIDDEN]);
        with_bias(&mut list, &part("attention.query_key_value"), &[3 * HIDDEN, HIDDEN]);
        with_bias(&mut list, &part("attention.dense"), &[HIDDEN, HIDDEN]);
        with_bias(&mut list, &part("mlp.dense_h_to_4h"), &[FEED_FORWARD, HIDDEN]);
        with_bias(&mut list, &part("mlp.dense_4h_to_h"), &[HIDDEN, FEED_FORWARD]);
    }
    with_bias(&mut list, "gpt_neox.final_layer_norm", &[HIDDEN]);
    list.push(("embed_out.weight".to_owned(), vec![VOCAB, HIDDEN]));
    weights(&list)
}

fn neox_config(parallel: bool) -> serde_json::Value {
    json!({
        "model_type": "gpt_neox", "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
        "intermediate_size": FEED_FORWARD, "vocab_size": VOCAB, "max_position_embeddings": 128, "hidden_act": "gelu",
        "layer_norm_eps": 1e-5, "rotary_pct": 0.5, "rotary_emb_base": 10000, "use_parallel_residual": parallel,
        "eos_token_id": 264,
    })
}

pub(crate) fn byte_level_tokenizer() -> serde_json::Value {
    let data = synthetic::tokenizer_data();
    let plain = data.tokens.iter().zip(0u32..).filter(|(_, id)| !data.special.contains(id));
    let vocab: serde_json::Map<_, _> = plain.map(|(token, id)| (token.clone(), json!(id))).collect();
    let text = |id: u32| &data.tokens[id as usize];
    let merges: Vec<_> = data.merges.iter().map(|&(a, b)| format!("{} {}", text(a), text(b))).collect();
    let added: Vec<_> =
        data.special.iter().map(|&id| json!({ "id": id, "content": text(id), "special": true })).collect();
    json!({
        "added_tokens": added,
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true },
        "model": { "type": "BPE", "vocab": vocab, "merges": merges },
    })
}

/// A folder with everything, the tensors in `shards` files.
pub(crate) fn folder(at: &Path, config: &serde_json::Value, weights: &Weights, shards: usize) -> PathBuf {
    let folder = at.join(format!("model-{shards}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, value: &serde_json::Value| {
        std::fs::write(folder.join(name), value.to_string()).expect("written");
    };
    write("config.json", config);
    write("tokenizer.json", &byte_level_tokenizer());
    if shards == 1 {
        candle_core::safetensors::save(weights, folder.join("model.safetensors")).expect("saved");
        return folder;
    }
    let mut names: Vec<_> = weights.keys().collect();
    names.sort();
    let mut map = serde_json::Map::new();
    for shard in 0..shards {
        let file = format!("model-{shard}.safetensors");
        let own: Weights = names.iter().skip(shard).step_by(shards).map(|&n| (n.clone(), weights[n].clone())).collect();
        map.extend(own.keys().map(|name| (name.clone(), json!(file))));
        candle_core::safetensors::save(&own, folder.join(file)).expect("saved");
    }
    write("model.safetensors.index.json", &json!({ "weight_map": map }));
    folder
}

pub(crate) fn softmax(x: &Tensor) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.max_keepdim(D::Minus1)?)?.exp()?;
    x.broadcast_div(&x.sum_keepdim(D::Minus1)?)
}

fn linear(weights: &Weights, name: &str, x: &Tensor) -> Result<Tensor> {
    x.matmul(&weights[&format!("{name}.weight")].t()?)?.broadcast_add(&weights[&format!("{name}.bias")])
}

fn norm(weights: &Weights, name: &str, x: &Tensor, epsilon: f64) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
    x.broadcast_div(&scale)?
        .broadcast_mul(&weights[&format!("{name}.weight")])?
        .broadcast_add(&weights[&format!("{name}.bias")])
}

fn neox_logits(weights: &Weights, tokens: &[u32], parallel: bool, is_tanh: bool) -> Result<Vec<Vec<f32>>> {
    let count = tokens.len();
    let mut x = weights["gpt_neox.embed_in.weight"].index_select(&Tensor::new(tokens, &Device::Cpu)?, 0)?;
    let frequencies: Vec<f32> = (0..ROTARY / 2).map(|j| 1.0 / 10_000f32.powf(2.0 * j as f32 / ROTARY as f32)).collect();
    let frequencies = Tensor::from_vec(frequencies, (1, ROTARY / 2), &Device::Cpu)?;
    let positions = Tensor::arange(0u32, count as u32, &Device::Cpu)?.to_dtype(DType::F32)?.reshape((count, 1))?;
    let angles = positions.matmul(&frequencies)?;
    let (cos, sin) = (angles.cos()?, angles.sin()?);
    let mask: Vec<f32> =
        (0..count * count).map(|i| if i % count > i / count { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (count, count), &Device::Cpu)?;
    let rotate = |head: &Tensor| -> Result<Tensor> {
        let (a, b) = (head.narrow(1, 0, ROTARY / 2)?, head.narrow(1, ROTARY / 2, ROTARY / 2)?);
        let first = ((&a * &cos)? - (&b * &sin)?)?;
        let second = ((&b * &cos)? + (&a * &sin)?)?;
        Tensor::cat(&[first, second, head.narrow(1, ROTARY, HEAD_DIM - ROTARY)?], 1)
    };
    for i in 0..LAYERS {
        let part = |name: &str| format!("gpt_neox.layers.{i}.{name}");
        let fused =
            linear(weights, &part("attention.query_key_value"), &norm(weights, &part("input_layernorm"), &x, 1e-5)?)?;
        let fused = fused.reshape((count, HEADS, 3, HEAD_DIM))?;
        let mut heads = Vec::new();
        for head in 0..HEADS {
            let [q, k, v] = [0, 1, 2].map(|which| fused.i((.., head, which, ..)).and_then(|t| t.contiguous()));
            let (q, k) = (rotate(&q?)?, rotate(&k?)?);
            let scores = (q.matmul(&k.t()?)? / (HEAD_DIM as f64).sqrt())?;
            heads.push(softmax(&(scores + &mask)?)?.matmul(&v?)?);
        }
        let attended = linear(weights, &part("attention.dense"), &Tensor::cat(&heads, 1)?)?;
        let after = (&x + attended)?;
        let read = if parallel { &x } else { &after };
        let inner = linear(
            weights,
            &part("mlp.dense_h_to_4h"),
            &norm(weights, &part("post_attention_layernorm"), read, 1e-5)?,
        )?;
        let inner = if is_tanh { inner.gelu()? } else { inner.gelu_erf()? };
        x = (&after + linear(weights, &part("mlp.dense_4h_to_h"), &inner)?)?;
    }
    norm(weights, "gpt_neox.final_layer_norm", &x, 1e-5)?.matmul(&weights["embed_out.weight"].t()?)?.to_vec2()
}

pub(crate) fn tokens(count: usize, salt: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 31 + salt * 17 + i * i) % 263).collect()
}

#[test]
fn neox_folders_follow_an_independent_forward_pass() {
    let (compute, tokens) = (Compute::with_threads(Kernel::best(), 2).expect("a kernel"), tokens(60, 0));
    let (temporary, weights) = (tempfile::tempdir().expect("a folder"), neox_weights());
    let target = temporary.path().join("neox.noema");
    for parallel in [true, false] {
        let source = folder(temporary.path(), &neox_config(parallel), &weights, 1);
        let imported = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
        let sharded = folder(temporary.path(), &neox_config(parallel), &weights, 3);
        let mut again = import_hf(&sharded, &target, &mut |_, _| {}).expect("imports");
        // The folder's name is part of the manifest.
        assert_ne!(again.root, imported.root);
        std::fs::remove_file(source.join("model.safetensors")).expect("removed");
        for entry in std::fs::read_dir(&sharded).expect("a folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), source.join(entry.file_name())).expect("copied");
        }
        again = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
        assert_eq!(again, imported, "shards change nothing");
        let loaded = load(&target, Some(imported.root)).expect("loads");
        let model = loaded.causal().expect("it continues texts");
        let mut cache = model.new_cache();
        let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
        let ours = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
        let theirs = neox_logits(&weights, &tokens, parallel, false).expect("candle computes");
        let (mut error, mut size) = (0.0f64, 0.0f64);
        for (row, theirs) in theirs.iter().enumerate() {
            for (a, b) in ours.row(row).iter().zip(theirs) {
                error += f64::from(a - b).powi(2);
                size += f64::from(*b).powi(2);
            }
        }
        let relative = (error / size).sqrt();
        assert!(relative < 0.03, "parallel {parallel}: relative error {relative}");
        let text = "the other tea";
        let ids = loaded.tokenizer.encode(text, Special::Text).expect("encodes");
        assert_eq!(loaded.tokenizer.decode(&ids), text);
    }
}

#[test]
fn gelu_by_tanh_is_another_network() {
    let (compute, tokens) = (Compute::with_threads(Kernel::best(), 2).expect("a kernel"), tokens(60, 0));
    let (temporary, mut weights) = (tempfile::tempdir().expect("a folder"), neox_weights());
    // The two forms differ by 0.0005 at most: a layer that makes much of it.
    for i in 0..LAYERS {
        let name = format!("gpt_neox.layers.{i}.mlp.dense_h_to_4h.bias");
        weights.insert(name, Tensor::full(-2.7f32, FEED_FORWARD, &Device::Cpu).expect("a tensor"));
        let name = format!("gpt_neox.layers.{i}.mlp.dense_h_to_4h.weight");
        let small = (&weights[&name] * 0.05).expect("scaled");
        weights.insert(name, small);
        let name = format!("gpt_neox.layers.{i}.mlp.dense_4h_to_h.weight");
        let large = Tensor::full(20f32, (HIDDEN, FEED_FORWARD), &Device::Cpu).expect("a tensor");
        weights.insert(name.clone(), (&weights[&name] * 50.0).and_then(|w| w + large).expect("scaled"));
    }
    let target = temporary.path().join("neox.noema");
    for name in ["gelu_new", "gelu_fast", "gelu_pytorch_tanh"] {
        let mut config = neox_config(false);
        config["hidden_act"] = json!(name);
        let source = folder(temporary.path(), &config, &weights, 1);
        let imported = import_hf(&source, &target, &mut |_, _| {}).expect("imports");
        let loaded = load(&target, Some(imported.root)).expect("loads");
        let model = loaded.causal().expect("it continues texts");
        let mut cache = model.new_cache();
        let mut steps = [Step { tokens: &tokens, cache: &mut cache, want: Want::All }];
        let ours = model.forward(&compute, &mut steps).pop().expect("one result").expect("finite");
        let error = |is_tanh: bool| {
            let theirs = neox_logits(&weights, &tokens, false, is_tanh).expect("candle computes");
            let (mut error, mut size) = (0.0f64, 0.0f64);
            for (row, theirs) in theirs.iter().enumerate() {
                for (a, b) in ours.row(row).iter().zip(theirs) {
                    error += f64::from(a - b).powi(2);
                    size += f64::from(*b).powi(2);
                }
            }
            (error / size).sqrt()
        };
        assert!(error(true) < 0.05 && error(false) > 2.0 * error(true), "{name}: {} {}", error(true), error(false));
    }
}

#[test]
fn folders_that_cannot_be_imported_say_why() {
    let (temporary, weights) = (tempfile::tempdir().expect("a folder"), neox_weights());
    let target = temporary.path().join("neox.noema");
    let cases = [
        ("model_type", json!("rwkv"), "architecture `rwkv` is not supported"),
        ("model_type", json!("gptj"), "architecture `gptj` is not supported"),
        ("hidden_act", json!("relu"), "hidden_act `\"relu\"` is not supported"),
        ("rope_scaling", json!({ "type": "yarn" }), "rotary scaling"),
        ("num_attention_heads", json!(0), "cannot read config.json: there are no heads"),
        ("num_hidden_layers", json!(3), "cannot read the tensors: there is no gpt_neox.layers.2."),
        ("num_hidden_layers", json!(1), "tensor `gpt_neox.layers.1."),
        ("intermediate_size", json!(161), "cannot read the tensors: gpt_neox.layers.0.mlp.dense_h_to_4h.weight has"),
        ("vocab_size", json!(100), "cannot read tokenizer.json: token"),
        ("max_position_embeddings", json!(-1), "cannot read config.json: `max_position_embeddings` is not"),
        ("rotary_pct", json!(1.5), "rotated values is 24"),
    ];
    for (key, value, expected) in cases {
        let mut config = neox_config(true);
        config[key] = value;
        let error = import_hf(&folder(temporary.path(), &config, &weights, 1), &target, &mut |_, _| {}).expect_err(key);
        assert!(error.to_string().starts_with(expected), "{key}: {error}");
        assert!(!target.exists());
    }
    // Hostile headers: absurd lengths, offsets beyond the file, sizes that overflow.
    let source = folder(temporary.path(), &neox_config(true), &weights, 1);
    let entry =
        |shape: &str, end: u64| format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
    for (length, header) in [
        (u64::MAX, String::new()),
        (8, "not json".to_owned()),
        (0, entry("[1]", 4)),
        (0, entry("[18446744073709551615,2]", 0)),
        (0, entry("[-1]", 0)),
        (0, r#"{"a":1}"#.to_owned()),
    ] {
        let length = if length == 0 { header.len() as u64 } else { length };
        let bytes = [&length.to_le_bytes()[..], header.as_bytes()].concat();
        std::fs::write(source.join("model.safetensors"), bytes).expect("written");
        let error = import_hf(&source, &target, &mut |_, _| {}).expect_err("hostile");
        assert!(matches!(error, ModelError::HuggingFace { .. }), "{error}");
    }
}

fn computes() -> Vec<Compute> {
    let make = |kernel| [1, 2, 3, 7].map(|threads| Compute::with_threads(kernel, threads).expect("available"));
    Kernel::available().into_iter().flat_map(make).collect()
}

fn neox() -> LoadedModel {
    load_bytes(&synthetic::tiny_neox(1), None).expect("the synthetic model loads")
}

fn bert() -> LoadedModel {
    load_bytes(&synthetic::tiny_bert(1), None).expect("the synthetic model loads")
}

#[test]
fn neox_bits_depend_on_nothing_but_tokens() {
    let loaded = neox();
    let model = Arc::clone(loaded.causal().expect("it continues texts"));
    let texts = [tokens(130, 0), tokens(70, 1)];
    let mut digests = Vec::new();
    for compute in computes() {
        for chunk in [1, 7, 64, 130] {
            let mut hashers = [blake3::Hasher::new(), blake3::Hasher::new()];
            let mut caches = [model.new_cache(), model.new_cache()];
            for part in 0..130usize.div_ceil(chunk) {
                let mut steps = Vec::new();
                let mut owners = Vec::new();
                for (i, (text, cache)) in texts.iter().zip(&mut caches).enumerate() {
                    if let Some(tokens) = text.chunks(chunk).nth(part) {
                        steps.push(Step { tokens, cache, want: Want::All });
                        owners.push(i);
                    }
                }
                for (owner, logits) in owners.into_iter().zip(model.forward(&compute, &mut steps)) {
                    logits.expect("finite").hash_into(&mut hashers[owner]);
                }
            }
            digests.push(hashers.map(|hasher| hasher.finalize().to_hex().to_string()));
        }
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!(digests[0][0], NEOX_GOLDEN, "the frozen logits");
}

#[test]
fn embeddings_depend_on_nothing_but_tokens() {
    let loaded = bert();
    assert!(loaded.causal().is_none());
    let model = loaded.embedder().expect("it embeds texts");
    let texts: Vec<Vec<u32>> = [1, 5, 62, 63, 100, 0, 254].iter().zip(0..).map(|(&n, salt)| tokens(n, salt)).collect();
    let slices: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let single = Compute::single(Kernel::Scalar).expect("scalar is always there");
    let one = |text: &[u32]| model.embed(&single, &[text]).pop().expect("one result").expect("finite");
    let truth: Vec<Vec<i8>> = slices.iter().map(|text| one(text)).collect();
    let mut hasher = blake3::Hasher::new();
    truth.iter().flatten().for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    for compute in computes() {
        let all: Vec<_> = model.embed(&compute, &slices).into_iter().map(|result| result.expect("finite")).collect();
        assert_eq!(all, truth, "{:?}, {} threads", compute.arithmetic().kernel(), compute.threads());
    }
    assert_eq!(hasher.finalize().to_hex().as_str(), BERT_GOLDEN, "the frozen embeddings");
    let length: i32 = truth[2].iter().map(|&value| i32::from(value).pow(2)).sum();
    assert!((127 * 127 - 600..127 * 127 + 600).contains(&length), "length one: {length}");
    let long = tokens(255, 0);
    let mut results = model.embed(&single, &[&long, &[265], &texts[0]]);
    assert_eq!(results.pop().expect("three").expect("fine"), truth[0]);
    let texts: Vec<_> = results.into_iter().map(|result| result.expect_err("bad").to_string()).collect();
    assert_eq!(texts, ["257 tokens exceed the context of 256", "token 265 is not in the vocabulary of 265"]);
}

const NEOX_GOLDEN: &str = "dbfee16a60fbf8ba1aed3139ecd7120f23afaed2711baa136bb89ca94c401a97";
const BERT_GOLDEN: &str = "0a4e8f2674004026feddf1f612d1664a4c9fb60739e82ddd28cf2feff4582b2b";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn damaged_files_do_not_panic(
        which in any::<bool>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        near_start in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let original = if which { synthetic::tiny_neox(1) } else { synthetic::tiny_bert(1) };
        let mut bytes = original.clone();
        for (at, value) in edits {
            let at = at.index(if near_start { 4_000 } else { bytes.len() });
            bytes[at] = value;
        }
        let root = noema_types::Hash(*blake3::hash(&original).as_bytes());
        prop_assert_eq!(load_bytes(&bytes, Some(root)).is_ok(), bytes == original);
        bytes.truncate(bytes.len().min(cut.index(2 * bytes.len())));
        let _ = load_bytes(&bytes, None);
    }
}
