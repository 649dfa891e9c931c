//! Imports take less memory than twice the largest tensor of the file, whatever the file is as a whole.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use noema_models::import::{import_gguf, import_hf};
use noema_models::synthetic;
use serde_json::json;

const HIDDEN: usize = 512;
const FEED_FORWARD: usize = 24_576;
const VOCAB: usize = 265;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `alloc` above with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes that `work` holds at a time.
fn peak(work: impl FnOnce()) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

/// Names in GGUF and in folders, and shapes.
fn shapes() -> Vec<(&'static str, &'static str, Vec<usize>)> {
    let (square, wide, tall) = (vec![HIDDEN, HIDDEN], vec![HIDDEN, FEED_FORWARD], vec![FEED_FORWARD, HIDDEN]);
    vec![
        ("token_embd", "model.embed_tokens", vec![VOCAB, HIDDEN]),
        ("blk.0.attn_norm", "model.layers.0.input_layernorm", vec![HIDDEN]),
        ("blk.0.attn_q", "model.layers.0.self_attn.q_proj", square.clone()),
        ("blk.0.attn_k", "model.layers.0.self_attn.k_proj", square.clone()),
        ("blk.0.attn_v", "model.layers.0.self_attn.v_proj", square.clone()),
        ("blk.0.attn_output", "model.layers.0.self_attn.o_proj", square),
        ("blk.0.ffn_norm", "model.layers.0.post_attention_layernorm", vec![HIDDEN]),
        ("blk.0.ffn_gate", "model.layers.0.mlp.gate_proj", tall.clone()),
        ("blk.0.ffn_up", "model.layers.0.mlp.up_proj", tall),
        ("blk.0.ffn_down", "model.layers.0.mlp.down_proj", wide),
        ("output_norm", "model.norm", vec![HIDDEN]),
    ]
}

fn tensor(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * 7_919 % 1_009) as f32 - 504.0) / 8_192.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
}

fn write_gguf(path: &Path) {
    let data = synthetic::tokenizer_data();
    let text = |text: &str| Value::String(text.to_owned());
    let strings = |list: Vec<String>| Value::Array(list.into_iter().map(Value::String).collect());
    let name = |id: u32| data.tokens[id as usize].clone();
    let merges = data.merges.iter().map(|&(a, b)| format!("{} {}", name(a), name(b))).collect();
    let types = (0..VOCAB as u32).map(|id| Value::I32(if data.special.contains(&id) { 3 } else { 1 })).collect();
    let metadata = [
        ("general.architecture", text("llama")),
        ("llama.block_count", Value::U32(1)),
        ("llama.context_length", Value::U32(64)),
        ("llama.embedding_length", Value::U32(HIDDEN as u32)),
        ("llama.feed_forward_length", Value::U32(FEED_FORWARD as u32)),
        ("llama.attention.head_count", Value::U32(8)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        ("tokenizer.ggml.tokens", strings(data.tokens.clone())),
        ("tokenizer.ggml.merges", strings(merges)),
        ("tokenizer.ggml.token_type", Value::Array(types)),
    ];
    let quantise = |(name, _, shape): &(&str, &str, Vec<usize>)| {
        let kind = if shape.len() == 1 { GgmlDType::F32 } else { GgmlDType::Q8_0 };
        (format!("{name}.weight"), QTensor::quantize(&tensor(shape), kind).expect("quantises"))
    };
    let tensors: Vec<_> = shapes().iter().map(quantise).collect();
    let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    write(&mut std::fs::File::create(path).expect("created"), &metadata, &tensors).expect("written");
}

fn write_folder(folder: &Path) {
    let data = synthetic::tokenizer_data();
    let text = |id: u32| &data.tokens[id as usize];
    let plain = data.tokens.iter().zip(0u32..).filter(|(_, id)| !data.special.contains(id));
    let vocab: serde_json::Map<_, _> = plain.map(|(token, id)| (token.clone(), json!(id))).collect();
    let merges: Vec<_> = data.merges.iter().map(|&(a, b)| format!("{} {}", text(a), text(b))).collect();
    let added: Vec<_> =
        data.special.iter().map(|&id| json!({ "id": id, "content": text(id), "special": true })).collect();
    let tokenizer = json!({
        "added_tokens": added, "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false },
        "model": { "type": "BPE", "vocab": vocab, "merges": merges },
    });
    let config = json!({
        "model_type": "llama", "hidden_size": HIDDEN, "num_attention_heads": 8, "num_hidden_layers": 1,
        "intermediate_size": FEED_FORWARD, "vocab_size": VOCAB, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).expect("written");
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).expect("written");
    let store = |(_, name, shape): &(&str, &str, Vec<usize>)| {
        (format!("{name}.weight"), tensor(shape).to_dtype(DType::BF16).expect("rounds"))
    };
    let tensors: HashMap<String, Tensor> = shapes().iter().map(store).collect();
    candle_core::safetensors::save(&tensors, folder.join("model.safetensors")).expect("saved");
}

#[test]
fn imports_hold_less_than_twice_the_largest_tensor() {
    let folder = tempfile::tempdir().expect("a folder");
    let (gguf, target) = (folder.path().join("model.gguf"), folder.path().join("model.noema"));
    write_gguf(&gguf);
    write_folder(folder.path());
    let weights = HIDDEN * FEED_FORWARD;
    for (what, largest, import) in [
        ("gguf", weights / 32 * 34, &(|| import_gguf(&gguf, &target, &mut |_, _| {})) as &dyn Fn() -> _),
        ("folder", weights * 2, &|| import_hf(folder.path(), &target, &mut |_, _| {})),
    ] {
        let peak = peak(|| drop(import().expect("imports")));
        assert!(peak < 2 * largest, "{what}: {peak} bytes at a time, the largest tensor has {largest}");
        // The measure is not blind: a chunk of a million weights is in memory at least.
        assert!(peak > 4 << 20, "{what}: {peak}");
    }
}
