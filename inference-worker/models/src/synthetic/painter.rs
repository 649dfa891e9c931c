//! A small latent diffusion model: a folder as published, or the canonical file that its import makes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use noema_inference_api::{Family, ModelManifest, PainterShape, SpecialTokens};
use noema_numerics::image::signal_shares;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::tiny_manifest;
use crate::diffusion::asked;
use crate::format::{self, Extension};
use crate::import::{Origin, Part, Published};
use crate::tokenizer::Alphabet;
use crate::{ModelError, More, PreTokenizer, TokenizerData};

/// Pairs that are merged; `</w>` ends a word.
const MERGES: [(&str, &str); 6] = [("t", "h"), ("th", "e</w>"), ("i", "n"), ("a", "n</w>"), ("r", "e"), ("e", "d</w>")];
const FIRST: &str = "<|startoftext|>";
const LAST: &str = "<|endoftext|>";
const END_OF_WORD: &str = "</w>";
/// Noise of the first and the last level.
const NOISE: (f64, f64) = (0.00085, 0.012);

/// A tokenizer as CLIP's: all bytes, all bytes that end a word, six pairs, and the two tokens around a text.
fn tokenizer_data() -> TokenizerData {
    let alphabet = Alphabet::new();
    let bytes = || (0..=255).map(|byte| alphabet.character(byte).to_string());
    let mut tokens: Vec<String> = bytes().collect();
    tokens.extend(bytes().map(|byte| byte + END_OF_WORD));
    tokens.extend(MERGES.map(|(a, b)| format!("{a}{b}")));
    let id = |token: &str| tokens.iter().position(|t| t == token).expect("a token") as u32;
    let merges = MERGES.map(|(a, b)| (id(a), id(b))).to_vec();
    let special = vec![tokens.len() as u32, tokens.len() as u32 + 1];
    tokens.extend([FIRST.to_owned(), LAST.to_owned()]);
    TokenizerData { pre: PreTokenizer::Clip, tokens, special, merges, more: More::default() }
}

/// The shape of [`tiny_diffusion`]: Stable Diffusion 1.5's blocks at widths of 16 to 32, two layers of text encoder.
#[must_use]
pub fn tiny_painter() -> (ModelManifest, PainterShape) {
    let tokens = tokenizer_data();
    let (first, last) = (tokens.special[0], tokens.special[1]);
    let manifest = ModelManifest {
        name: "tiny-diffusion".to_owned(),
        family: Family::Diffusion,
        hidden: 24,
        heads: 2,
        kv_heads: 2,
        head_dim: 12,
        feed_forward: 96,
        vocab: tokens.tokens.len() as u32,
        context: 77,
        rope_base: 0,
        special: SpecialTokens { bos: None, eos: vec![last] },
        license: String::new(),
        ..tiny_manifest()
    };
    let shape = PainterShape {
        latent: 4,
        channels: [16, 16, 32, 32],
        blocks: 2,
        heads: 2,
        groups: 8,
        norm_epsilon_bits: 1e-5f32.to_bits(),
        decoder_channels: [8, 16, 16, 32],
        decoder_blocks: 2,
        decoder_groups: 8,
        scaling_bits: 0.18215f32.to_bits(),
        train_steps: 1_000,
        steps_offset: 1,
        first,
        last,
        padding: last,
    };
    (manifest, shape)
}

/// A canonical file with random weights, the one that importing the folder of [`write_tiny_diffusion`] makes.
#[must_use]
pub fn tiny_diffusion(seed: u64) -> Vec<u8> {
    let (manifest, shape) = tiny_painter();
    let sections = asked(&manifest, &shape).into_iter();
    let origins: BTreeMap<_, _> =
        sections.map(|asked| (asked.name.clone(), (asked.clone(), Origin::of(&asked)))).collect();
    let mut read = |origin: &Origin, start: u64, count: u64| {
        let values = tensor(origin, seed);
        Ok(values[start as usize..(start + count) as usize].to_vec())
    };
    let shares = signal_shares(NOISE.0, NOISE.1, shape.train_steps);
    let mut source = Published { read: &mut read, origins, shares };
    let mut file = Vec::new();
    let tokenizer = tokenizer_data().to_bytes();
    let extension = Extension::Diffusion(shape);
    format::write_with(&manifest, &extension, &tokenizer, &mut source, &mut file, &mut |_, _| {})
        .expect("the shape is within all limits");
    file
}

/// Values of a tensor: uniform with the variance that keeps a signal's size; gains are near 1.
pub(crate) fn tensor(origin: &Origin, seed: u64) -> Vec<f32> {
    let is_gain = origin.shape.len() == 1 && origin.tensor.ends_with(".weight");
    let inputs: u64 = origin.shape.iter().skip(1).product();
    let width = match origin.shape.len() {
        1 => 0.25,
        _ if origin.tensor.contains("embeddings") => 1.0,
        _ => (3.0 / inputs as f32).sqrt(),
    };
    let key = format!("{seed}/{}/{}", origin.part.file(), origin.tensor);
    let mut random = ChaCha8Rng::from_seed(blake3::derive_key("noema synthetic weights", key.as_bytes()));
    let value = |_| {
        // Uniform in [-1, 1), exact.
        let unit = ((random.next_u32() >> 8) as i32 - (1 << 23)) as f32 / (1 << 23) as f32;
        if is_gain { unit.mul_add(0.25, 1.0) } else { unit * width }
    };
    (0..origin.shape.iter().product::<u64>()).map(value).collect()
}

/// Writes a folder with random weights in the layout of Stable Diffusion 1.5's: equal seeds, equal bytes.
///
/// # Errors
/// [`ModelError::Io`].
pub fn write_tiny_diffusion(folder: &Path, seed: u64) -> Result<(), ModelError> {
    let (manifest, shape) = tiny_painter();
    for (file, value) in configurations(&manifest, &shape) {
        put(folder, file, value.to_string().as_bytes())?;
    }
    let data = tokenizer_data();
    let vocab: serde_json::Map<_, _> = data.tokens.iter().zip(0u32..).map(|(t, id)| (t.clone(), json!(id))).collect();
    put(folder, "tokenizer/vocab.json", Value::Object(vocab).to_string().as_bytes())?;
    let merges: String = MERGES.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    put(folder, "tokenizer/merges.txt", format!("#version: 0.2\n{merges}").as_bytes())?;
    let origins: Vec<Origin> = asked(&manifest, &shape).iter().filter_map(Origin::of).collect();
    for part in Part::ALL {
        let own: Vec<&Origin> = origins.iter().filter(|origin| origin.part == part).collect();
        write_tensors(folder, part, &own, seed)?;
    }
    Ok(())
}

fn put(folder: &Path, file: &str, bytes: &[u8]) -> Result<(), ModelError> {
    let path = folder.join(file);
    let io = || ModelError::io(path.display().to_string());
    fs::create_dir_all(path.parent().expect("a file in the folder")).map_err(io())?;
    fs::write(&path, bytes).map_err(io())
}

fn write_tensors(folder: &Path, part: Part, origins: &[&Origin], seed: u64) -> Result<(), ModelError> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for origin in origins {
        let start = end;
        end += 4 * origin.shape.iter().product::<u64>();
        let entry = json!({ "dtype": "F32", "shape": origin.shape, "data_offsets": [start, end] });
        header.insert(origin.tensor.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    put(folder, part.file(), &[])?;
    let path = folder.join(part.file());
    let io = || ModelError::io(path.display().to_string());
    let mut out = BufWriter::new(File::create(&path).map_err(io())?);
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(io());
    write(&(header.len() as u64).to_le_bytes())?;
    write(header.as_bytes())?;
    for origin in origins {
        let bytes: Vec<u8> = tensor(origin, seed).iter().flat_map(|value| value.to_le_bytes()).collect();
        write(&bytes)?;
    }
    out.flush().map_err(io())
}

fn configurations(manifest: &ModelManifest, shape: &PainterShape) -> [(&'static str, Value); 6] {
    let index = json!({
        "_class_name": "StableDiffusionPipeline", "_name_or_path": manifest.name,
        "scheduler": ["diffusers", "PNDMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    let text = json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "hidden_act": "quick_gelu",
        "hidden_size": manifest.hidden, "intermediate_size": manifest.feed_forward, "layer_norm_eps": 1e-5,
        "max_position_embeddings": manifest.context, "num_attention_heads": manifest.heads,
        "num_hidden_layers": manifest.layers, "vocab_size": manifest.vocab,
    });
    let (down, up) = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D");
    let unet = json!({
        "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": shape.heads,
        "block_out_channels": shape.channels, "center_input_sample": false, "cross_attention_dim": manifest.hidden,
        "down_block_types": [down, down, down, "DownBlock2D"], "downsample_padding": 1, "flip_sin_to_cos": true,
        "freq_shift": 0, "in_channels": shape.latent, "layers_per_block": shape.blocks, "mid_block_scale_factor": 1,
        "norm_eps": 1e-5, "norm_num_groups": shape.groups, "out_channels": shape.latent, "sample_size": 8,
        "up_block_types": ["UpBlock2D", up, up, up],
    });
    let vae = json!({
        "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": shape.decoder_channels,
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "in_channels": 3, "latent_channels": shape.latent,
        "layers_per_block": shape.decoder_blocks, "norm_num_groups": shape.decoder_groups, "out_channels": 3,
        "sample_size": 64, "up_block_types": vec!["UpDecoderBlock2D"; 4],
    });
    let scheduler = json!({
        "_class_name": "PNDMScheduler", "beta_end": NOISE.1, "beta_schedule": "scaled_linear", "beta_start": NOISE.0,
        "clip_sample": false, "num_train_timesteps": shape.train_steps, "set_alpha_to_one": false,
        "skip_prk_steps": true, "steps_offset": shape.steps_offset, "trained_betas": null,
    });
    let tokenizer = json!({ "bos_token": FIRST, "eos_token": LAST, "pad_token": LAST, "model_max_length": 77 });
    [
        ("model_index.json", index),
        ("text_encoder/config.json", text),
        ("unet/config.json", unet),
        ("vae/config.json", vae),
        ("scheduler/scheduler_config.json", scheduler),
        ("tokenizer/tokenizer_config.json", tokenizer),
    ]
}
