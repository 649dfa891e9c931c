use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::{D, Device, IndexOp, Result, Tensor};
use noema_numerics::{Kernel, Tiles};
use noema_types::Hash;
use proptest::prelude::*;

use super::*;
use crate::format::Extension;
use crate::import::{Origin, Part, import_hf};
use crate::synthetic::{tensor, tiny_diffusion, tiny_painter, write_tiny_diffusion};
use crate::{LoadedModel, Special, load, load_bytes};

const SEED: u64 = 7;

fn loaded() -> LoadedModel {
    load_bytes(&tiny_diffusion(SEED), None).expect("it loads")
}

fn best() -> Compute {
    Compute::single(Kernel::best()).expect("the best kernel is available")
}

/// The network itself.
fn network() -> Diffusion {
    struct Canned;
    impl Builder for Canned {
        fn floats(&mut self, name: &str, rows: u32, columns: u32) -> std::result::Result<Vec<f32>, ModelError> {
            let (_, shape) = tiny_painter();
            let waves = || noema_numerics::image::level_waves(shape.channels[0] as usize, shape.train_steps as usize);
            Ok(match name {
                "level.cos" => waves().cos,
                "level.sin" => waves().sin,
                "level.shares" => noema_numerics::image::signal_shares(0.00085, 0.012, shape.train_steps),
                _ => tensor(&origin(name, rows, columns, 1), SEED),
            })
        }

        fn matrix(
            &mut self,
            name: &str,
            rows: u32,
            columns: u32,
            side: u32,
        ) -> std::result::Result<crate::compute::Matrix, ModelError> {
            let (width, places) = (columns as usize, (side * side) as usize);
            let values = tensor(&origin(name, rows, columns, side), SEED);
            let (mut weights, mut scales) = (vec![0; values.len()], Vec::new());
            for (row, q) in values.chunks_exact(width).zip(weights.chunks_exact_mut(width)) {
                let channels = width / places;
                let turned: Vec<f32> = (0..width).map(|i| row[i % channels * places + i / channels]).collect();
                scales.push(noema_numerics::weights::quantise_row(&turned, q)?);
            }
            Ok(crate::compute::Matrix { tiles: Tiles::of(&weights, width), scales })
        }
    }
    fn origin(name: &str, rows: u32, columns: u32, side: u32) -> Origin {
        let is_table = side == 1 && (name.ends_with("_bias") || rows == 1 || name.ends_with("position_embedding"));
        let kind = if is_table { crate::format::SectionKind::F32 } else { crate::format::SectionKind::W8 };
        Origin::of(&Asked { name: name.to_owned(), kind, rows, columns, side }).expect("a tensor")
    }
    let (manifest, shape) = tiny_painter();
    Diffusion::build(&Arc::new(manifest), &shape, &mut Canned).expect("it builds")
}

struct Ask<'a> {
    prompt: &'a str,
    negative: &'a str,
    size: (u32, u32),
    steps: u32,
    guidance_bps: u32,
    seed: u64,
}

const ASK: Ask<'static> =
    Ask { prompt: "the red cat", negative: "blur", size: (32, 24), steps: 3, guidance_bps: 75_000, seed: 1 };

fn draw(model: &LoadedModel, compute: &Compute, ask: &Ask<'_>) -> Vec<u8> {
    let encode = |text: &str| model.tokenizer.encode(text, Special::Text).expect("it encodes");
    let (prompt, negative) = (encode(ask.prompt), encode(ask.negative));
    let sketch = Sketch {
        prompt: &prompt,
        negative: &negative,
        width: ask.size.0,
        height: ask.size.1,
        steps: ask.steps,
        guidance_bps: ask.guidance_bps,
        seed: ask.seed,
    };
    let painter = model.painter().expect("it draws");
    let mut canvas = painter.begin(&sketch).expect("a fine sketch");
    let mut left = canvas.turns_left();
    assert_eq!(left, 1 + ask.steps as usize + Decoder::PARTS);
    loop {
        let png = painter.paint(compute, &mut canvas).expect("finite");
        left -= 1;
        assert_eq!(canvas.turns_left(), left);
        if let Some(png) = png {
            assert_eq!(left, 0);
            return png;
        }
    }
}

/// Colours of a file of [`png::encode`].
fn colours(png: &[u8], width: usize) -> Vec<u8> {
    let length = u32::from_be_bytes(png[33..37].try_into().expect("four bytes")) as usize;
    let mut data = &png[41 + 2..41 + length - 4];
    let mut lines = Vec::new();
    while !data.is_empty() {
        let block = u16::from_le_bytes([data[1], data[2]]) as usize;
        lines.extend_from_slice(&data[5..5 + block]);
        data = &data[5 + block..];
    }
    lines.chunks_exact(3 * width + 1).flat_map(|line| line[1..].to_vec()).collect()
}

#[test]
fn an_image_is_the_same_on_every_kernel_and_any_number_of_threads() {
    let model = loaded();
    let wanted = draw(&model, &Compute::single(Kernel::Scalar).expect("always there"), &ASK);
    assert_eq!(blake3::hash(&wanted).to_string(), "0d5df9dcb278c70292ab8cf3acc624692a33eebc137a7a528034e20e1cff35ea");
    for kernel in Kernel::available() {
        for threads in [1, 2, 3] {
            let compute = Compute::with_threads(kernel, threads).expect("available");
            assert!(draw(&model, &compute, &ASK) == wanted, "{kernel} with {threads} threads");
        }
    }
    // Noise-like for random weights: neither constant nor saturated.
    let colours = colours(&wanted, 32);
    assert_eq!(colours.len(), 32 * 24 * 3);
    let extreme = colours.iter().filter(|&&value| value == 0 || value == 255).count();
    assert!(extreme < colours.len() / 4, "{extreme} of {} values are extreme", colours.len());
    let different: std::collections::BTreeSet<u8> = colours.iter().copied().collect();
    assert!(different.len() > 60, "{} values", different.len());
}

#[test]
fn an_image_depends_on_all_that_is_asked() {
    let (model, compute) = (loaded(), best());
    let mut images = vec![draw(&model, &compute, &ASK)];
    let others = [
        Ask { prompt: "the red dog", ..ASK },
        Ask { negative: "", ..ASK },
        Ask { seed: 2, ..ASK },
        Ask { steps: 4, ..ASK },
        Ask { guidance_bps: 75_001, ..ASK },
        Ask { guidance_bps: 10_000, ..ASK },
        Ask { size: (24, 32), ..ASK },
    ];
    images.extend(others.iter().map(|ask| draw(&model, &compute, ask)));
    let different: std::collections::BTreeSet<&Vec<u8>> = images.iter().collect();
    assert_eq!(different.len(), images.len());
    let plain = |negative| draw(&model, &compute, &Ask { guidance_bps: 10_000, negative, ..ASK });
    assert!(plain("x") == plain("y"), "without guidance the negative prompt is not read");
    // A guidance of nearly 1 is nearly the plain prediction.
    let near = colours(&draw(&model, &compute, &Ask { guidance_bps: 10_001, ..ASK }), 32);
    let apart = near.iter().zip(colours(&plain("x"), 32)).map(|(a, b)| a.abs_diff(b)).max();
    assert!(apart <= Some(3), "{apart:?}");
}

#[test]
fn sketches_beyond_the_limits_are_refused() {
    let model = loaded();
    let painter = model.painter().expect("it draws");
    let (many, one) = (vec![1; 76], [1]);
    let fine = Sketch { prompt: &one, negative: &[], width: 8, height: 8, steps: 1, guidance_bps: 0, seed: 0 };
    assert!(painter.begin(&fine).is_ok());
    let wrong = [
        Sketch { width: 0, ..fine },
        Sketch { height: 12, ..fine },
        Sketch { width: 1_032, ..fine },
        Sketch { steps: 0, ..fine },
        Sketch { steps: 201, ..fine },
    ];
    for sketch in wrong {
        assert!(matches!(painter.begin(&sketch), Err(ModelError::Shape { .. })), "{sketch:?}");
    }
    for sketch in [Sketch { prompt: &many, ..fine }, Sketch { negative: &many, ..fine }] {
        assert!(matches!(painter.begin(&sketch), Err(ModelError::ContextExceeded { tokens: 78, context: 77 })));
    }
    let unknown = Sketch { prompt: &[9_999], ..fine };
    assert!(matches!(painter.begin(&unknown), Err(ModelError::TokenOutOfRange { .. })));
    assert!(model.causal().is_none() && model.embedder().is_none());
}

#[test]
fn clip_splits_words_and_marks_their_ends() {
    let tokenizer = loaded().tokenizer;
    let words = |text: &str| {
        let ids = tokenizer.encode(text, Special::Text).expect("it encodes");
        ids.iter().map(|&id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(words("The  RED\n7"), ["the ", "re", "d ", "7 "]);
    assert_eq!(words("é"), ["\u{fffd}", "\u{fffd} "]);
    assert_eq!(words("in"), ["i", "n "]);
    assert_eq!(words("inside 12"), ["in", "s", "i", "d", "e ", "1 ", "2 "]);
    assert_eq!(words("an <|endoftext|>").len(), 1 + 2 + 9 + 2);
    assert!(words(" \n\t").is_empty());
}

#[test]
fn the_published_layout_is_imported_the_same_every_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("published");
    write_tiny_diffusion(&source, SEED).expect("written");
    let roots: Vec<Hash> = ["a", "b"]
        .map(|name| import_hf(&source, &folder.path().join(name), &mut |_, _| {}).expect("it imports").root)
        .to_vec();
    assert_eq!(roots[0], roots[1]);
    let bytes = fs::read(folder.path().join("a")).expect("it is there");
    assert!(bytes == tiny_diffusion(SEED), "the file is that of the generated model");
    let model = load(&folder.path().join("a"), Some(roots[0])).expect("it loads");
    assert_eq!((model.root, &*model.manifest), (roots[0], &tiny_painter().0));
    assert_eq!(model.painter().expect("it draws").shape(), &tiny_painter().1);
    // The names that the decoder's attention had before.
    let vae = source.join(Part::Vae.file());
    let bytes = fs::read(&vae).expect("it is there");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let mut header = String::from_utf8(bytes[8..8 + length].to_vec()).expect("JSON");
    for (new, old) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
        header = header.replace(&format!("attentions.0.{new}."), &format!("attentions.0.{old}."));
    }
    let mut old = (header.len() as u64).to_le_bytes().to_vec();
    old.extend(header.into_bytes());
    old.extend_from_slice(&bytes[8 + length..]);
    fs::write(&vae, old).expect("written");
    assert_eq!(import_hf(&source, &folder.path().join("c"), &mut |_, _| {}).expect("it imports").root, roots[0]);
}

/// Damages a copy of the folder and returns what the import says.
fn damaged(change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write_tiny_diffusion(folder.path(), SEED).expect("written");
    change(folder.path());
    let error = import_hf(folder.path(), &folder.path().join("out"), &mut |_, _| {}).expect_err("it is refused");
    assert!(!folder.path().join("out").exists(), "nothing is left behind");
    error.to_string()
}

fn set(folder: &Path, file: &str, key: &str, value: serde_json::Value) {
    let text = fs::read_to_string(folder.join(file)).expect("it is there");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json[key] = value;
    fs::write(folder.join(file), json.to_string()).expect("written");
}

#[test]
fn hostile_folders_are_named() {
    use serde_json::json;
    let unet = Part::Unet.file();
    let rename = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let bytes = fs::read(folder.join(unet)).expect("it is there");
            let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).expect("the name");
            let mut bytes = bytes;
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            fs::write(folder.join(unet), bytes).expect("written");
        }
    };
    assert!(damaged(rename("conv_in.weight", "conv_im.weight")).contains("there is no conv_in.weight"));
    assert!(damaged(rename("[16,4,3,3]", "[4,16,3,3]")).contains("has the shape [4, 16, 3, 3], not [16, 4, 3, 3]"));
    let cut = damaged(|folder| {
        let bytes = fs::read(folder.join(unet)).expect("it is there");
        fs::write(folder.join(unet), &bytes[..bytes.len() - 1]).expect("written");
    });
    assert!(cut.contains("cannot lie at"), "{cut}");
    assert!(damaged(|folder| fs::remove_file(folder.join(Part::Vae.file())).expect("removed")).contains("vae"));
    let settings = [
        ("unet/config.json", "block_out_channels", json!([16, 16, 32]), "block_out_channels"),
        ("unet/config.json", "block_out_channels", json!([16, 16, 32, 4_000_000_000u32]), "channels"),
        ("unet/config.json", "block_out_channels", json!([16, 17, 32, 32]), "multiple"),
        ("unet/config.json", "layers_per_block", json!(4_000_000_000u32), "blocks"),
        ("unet/config.json", "norm_num_groups", json!(0), "groups"),
        ("unet/config.json", "attention_head_dim", json!([8, 8]), "attention_head_dim"),
        ("unet/config.json", "attention_head_dim", json!(0), "heads"),
        ("unet/config.json", "cross_attention_dim", json!(768), "width 768"),
        ("unet/config.json", "use_linear_projection", json!(true), "use_linear_projection"),
        ("unet/config.json", "down_block_types", json!(["DownBlock2D"]), "down_block_types"),
        ("unet/config.json", "norm_eps", json!(-1.0), "epsilon"),
        ("unet/config.json", "class_embed_type", json!("timestep"), "class_embed_type"),
        ("vae/config.json", "scaling_factor", json!(0), "scaling"),
        ("vae/config.json", "latent_channels", json!(16), "latent_channels"),
        ("vae/config.json", "layers_per_block", json!(-1), "layers_per_block"),
        ("text_encoder/config.json", "hidden_act", json!("gelu"), "hidden_act"),
        ("text_encoder/config.json", "num_attention_heads", json!(0), "heads"),
        ("text_encoder/config.json", "num_attention_heads", json!(5), "heads"),
        ("text_encoder/config.json", "vocab_size", json!(49_408), "49408"),
        ("text_encoder/config.json", "max_position_embeddings", json!(2), "context"),
        ("text_encoder/config.json", "num_hidden_layers", json!(4_000_000_000u32), "layers"),
        ("scheduler/scheduler_config.json", "num_train_timesteps", json!(4_000_000_000u32), "noise levels"),
        ("scheduler/scheduler_config.json", "num_train_timesteps", json!(0), "noise levels"),
        ("scheduler/scheduler_config.json", "steps_offset", json!(5), "offset"),
        ("scheduler/scheduler_config.json", "beta_start", json!(-0.5), "noise from"),
        ("scheduler/scheduler_config.json", "beta_schedule", json!("linear"), "beta_schedule"),
        ("scheduler/scheduler_config.json", "prediction_type", json!("v_prediction"), "prediction_type"),
        ("tokenizer/vocab.json", "<|endoftext|>", json!(0), "has no id of its own"),
        ("tokenizer/vocab.json", "<|endoftext|>", json!(-3), "has no id of its own"),
        ("tokenizer/tokenizer_config.json", "pad_token", json!("nothing"), "`nothing`"),
        ("model_index.json", "_class_name", json!("StableDiffusionXLPipeline"), "StableDiffusionXLPipeline"),
    ];
    for (file, key, value, says) in settings {
        let said = damaged(|folder| set(folder, file, key, value.clone()));
        assert!(said.contains(says), "{file} {key} {value}: {said}");
    }
    let garbage = |bytes: &'static [u8]| {
        damaged(move |folder| fs::write(folder.join("tokenizer/merges.txt"), bytes).expect("written"))
    };
    assert!(garbage(b"#version: 0.2\nt h\nqq zz\n").contains("`qq zz` names unknown tokens"));
    assert!(garbage(b"\xff\xfe").contains("not UTF-8"));
    let said = damaged(|folder| fs::write(folder.join("tokenizer/vocab.json"), "[1,").expect("written"));
    assert!(said.contains("vocab.json"), "{said}");
}

fn shape_strategy() -> impl Strategy<Value = PainterShape> {
    let number = prop_oneof![Just(0), 1u32..64, any::<u32>()];
    (proptest::collection::vec(number, 19)).prop_map(|n| PainterShape {
        latent: n[0],
        channels: [n[1], n[2], n[3], n[4]],
        blocks: n[5],
        heads: n[6],
        groups: n[7],
        norm_epsilon_bits: n[8],
        decoder_channels: [n[9], n[10], n[11], n[12]],
        decoder_blocks: n[13],
        decoder_groups: n[14],
        scaling_bits: n[15],
        train_steps: n[16],
        steps_offset: n[17],
        first: n[18],
        last: n[18],
        padding: n[18],
    })
}

proptest! {
    #[test]
    fn no_shape_panics(shape in shape_strategy()) {
        let _ = crate::format::directory_with(&tiny_painter().0, &Extension::Diffusion(shape), 100);
    }

    #[test]
    fn damaged_headers_do_not_panic(at in 0usize..3_000, byte in any::<u8>()) {
        let mut file = tiny_diffusion(SEED);
        file[at] = byte;
        let _ = load_bytes(&file, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damaged_folders_do_not_panic(which in 0usize..8, at in any::<u32>(), byte in any::<u8>(), cut in any::<bool>()) {
        let folder = tempfile::tempdir().expect("a folder");
        write_tiny_diffusion(folder.path(), SEED).expect("written");
        let files = ["model_index.json", "text_encoder/config.json", "unet/config.json", "vae/config.json",
            "scheduler/scheduler_config.json", "tokenizer/vocab.json", "tokenizer/merges.txt", Part::Unet.file()];
        let path = folder.path().join(files[which]);
        let mut bytes = fs::read(&path).expect("it is there");
        // Headers are where damage can be odd; weights are only numbers.
        let at = at as usize % bytes.len().min(20_000);
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        fs::write(&path, bytes).expect("written");
        let target = folder.path().join("out");
        if import_hf(folder.path(), &target, &mut |_, _| {}).is_ok() {
            load(&target, None).expect("what is imported loads");
        }
    }
}

/// All tensors of one published file.
fn published(part: Part) -> Vec<(String, Tensor)> {
    let (manifest, shape) = tiny_painter();
    let origins =
        asked(&manifest, &shape).iter().filter_map(Origin::of).filter(|origin| origin.part == part).collect::<Vec<_>>();
    let make = |origin: &Origin| {
        let shape: Vec<usize> = origin.shape.iter().map(|&side| side as usize).collect();
        (origin.tensor.clone(), Tensor::from_vec(tensor(origin, SEED), shape, &Device::Cpu).expect("a tensor"))
    };
    origins.iter().map(make).collect()
}

/// Length of the difference over the length of what was wanted.
fn error(got: &[f32], wanted: &[f32]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let apart = length(&mut got.iter().zip(wanted).map(|(got, wanted)| f64::from(got - wanted)));
    apart / length(&mut wanted.iter().map(|&value| f64::from(value)))
}

/// Networks of the published layout, written down once more in candle's f32 operations, channels first, by tensor names.
struct Oracle {
    weights: std::collections::BTreeMap<String, Tensor>,
    groups: usize,
    heads: usize,
    epsilon: f64,
}

impl Oracle {
    fn new(part: Part, groups: u32, epsilon: f64) -> Self {
        let heads = tiny_painter().1.heads as usize;
        Self { weights: published(part).into_iter().collect(), groups: groups as usize, heads, epsilon }
    }

    fn has(&self, name: &str) -> bool {
        self.weights.contains_key(&format!("{name}.weight"))
    }

    fn get(&self, name: &str, kind: &str) -> Tensor {
        self.weights[&format!("{name}.{kind}")].clone()
    }

    fn convolve(&self, name: &str, x: &Tensor, stride: usize) -> Result<Tensor> {
        let kernel = self.get(name, "weight");
        let bias = self.get(name, "bias");
        let padding = kernel.dim(2)? / 2;
        x.conv2d(&kernel, padding, stride, 1, 1)?.broadcast_add(&bias.reshape((1, (), 1, 1))?)
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let x = x.broadcast_matmul(&self.get(name, "weight").t()?)?;
        match self.weights.get(&format!("{name}.bias")) {
            Some(bias) => x.broadcast_add(bias),
            None => Ok(x),
        }
    }

    fn group_norm(&self, name: &str, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        let shape = x.dims4()?;
        let grouped = x.reshape((shape.0, self.groups, ()))?;
        let grouped = grouped.broadcast_sub(&grouped.mean_keepdim(2)?)?;
        let grouped = grouped.broadcast_div(&(grouped.sqr()?.mean_keepdim(2)? + epsilon)?.sqrt()?)?.reshape(shape)?;
        let along = |kind: &str| self.get(name, kind).reshape((1, (), 1, 1));
        grouped.broadcast_mul(&along("weight")?)?.broadcast_add(&along("bias")?)
    }

    fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let x = x.broadcast_div(&(x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?)?;
        x.broadcast_mul(&self.get(name, "weight"))?.broadcast_add(&self.get(name, "bias"))
    }

    fn residual(&self, name: &str, x: &Tensor, level: Option<&Tensor>) -> Result<Tensor> {
        let part = |part: &str| format!("{name}.{part}");
        let inner = self.group_norm(&part("norm1"), x, self.epsilon)?.silu()?;
        let mut inner = self.convolve(&part("conv1"), &inner, 1)?;
        if let Some(level) = level {
            let told = self.linear(&part("time_emb_proj"), &level.silu()?)?;
            inner = inner.broadcast_add(&told.reshape((1, (), 1, 1))?)?;
        }
        let inner = self.group_norm(&part("norm2"), &inner, self.epsilon)?.silu()?;
        let inner = self.convolve(&part("conv2"), &inner, 1)?;
        let shortcut = part("conv_shortcut");
        if self.has(&shortcut) { self.convolve(&shortcut, x, 1)? + inner } else { x + inner }
    }

    /// Rows of `x` read rows of `source`.
    fn attend(&self, name: &str, x: &Tensor, source: &Tensor, heads: usize) -> Result<Tensor> {
        let split = |part: &str, x: &Tensor| {
            let x = self.linear(&format!("{name}.{part}"), x)?;
            let (rows, width) = x.dims2()?;
            x.reshape((rows, heads, width / heads))?.transpose(0, 1)?.contiguous()
        };
        let (q, k, v) = (split("to_q", x)?, split("to_k", source)?, split("to_v", source)?);
        let scores = (q.matmul(&k.t()?.contiguous()?)? / (q.dim(2)? as f64).sqrt())?;
        let read = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
        let rows = x.dim(0)?;
        self.linear(&format!("{name}.to_out.0"), &read.transpose(0, 1)?.reshape((rows, ()))?)
    }

    fn transformer(&self, name: &str, image: &Tensor, text: &Tensor) -> Result<Tensor> {
        let (_, channels, height, width) = image.dims4()?;
        let block = |part: &str| format!("{name}.transformer_blocks.0.{part}");
        let entered = self.group_norm(&format!("{name}.norm"), image, 1e-6)?;
        let entered = self.convolve(&format!("{name}.proj_in"), &entered, 1)?;
        let mut x = entered.reshape((channels, height * width))?.t()?.contiguous()?;
        let normed = self.layer_norm(&block("norm1"), &x)?;
        x = (&x + self.attend(&block("attn1"), &normed, &normed, self.heads)?)?;
        let normed = self.layer_norm(&block("norm2"), &x)?;
        x = (&x + self.attend(&block("attn2"), &normed, text, self.heads)?)?;
        let inner = self.linear(&block("ff.net.0.proj"), &self.layer_norm(&block("norm3"), &x)?)?;
        let halves = inner.chunk(2, 1)?;
        let gated = (&halves[0] * halves[1].gelu_erf()?)?;
        x = (&x + self.linear(&block("ff.net.2"), &gated)?)?;
        let x = x.t()?.contiguous()?.reshape((1, channels, height, width))?;
        self.convolve(&format!("{name}.proj_out"), &x, 1)? + image
    }

    fn predict(&self, latents: &Tensor, level: usize, text: &Tensor) -> Result<Tensor> {
        let channels = tiny_painter().1.channels[0] as usize;
        let angle = |i: usize| (level as f64 * (10_000f64).powf(-(i as f64) / (channels / 2) as f64)) as f32;
        let angles: Vec<f32> = (0..channels / 2).map(angle).collect();
        let angles = Tensor::from_vec(angles, (1, channels / 2), &Device::Cpu)?;
        let waves = Tensor::cat(&[angles.cos()?, angles.sin()?], 1)?;
        let level = self.linear("time_embedding.linear_1", &waves)?.silu()?;
        let level = self.linear("time_embedding.linear_2", &level)?;
        let mut x = self.convolve("conv_in", latents, 1)?;
        let mut skips = vec![x.clone()];
        for i in 0..4 {
            for j in 0..2 {
                x = self.residual(&format!("down_blocks.{i}.resnets.{j}"), &x, Some(&level))?;
                if i < 3 {
                    x = self.transformer(&format!("down_blocks.{i}.attentions.{j}"), &x, text)?;
                }
                skips.push(x.clone());
            }
            if i < 3 {
                x = self.convolve(&format!("down_blocks.{i}.downsamplers.0.conv"), &x, 2)?;
                skips.push(x.clone());
            }
        }
        x = self.residual("mid_block.resnets.0", &x, Some(&level))?;
        x = self.transformer("mid_block.attentions.0", &x, text)?;
        x = self.residual("mid_block.resnets.1", &x, Some(&level))?;
        for i in 0..4 {
            for j in 0..3 {
                x = Tensor::cat(&[x, skips.pop().expect("kept on the way down")], 1)?;
                x = self.residual(&format!("up_blocks.{i}.resnets.{j}"), &x, Some(&level))?;
                if i > 0 {
                    x = self.transformer(&format!("up_blocks.{i}.attentions.{j}"), &x, text)?;
                }
            }
            if let Some(next) = skips.last() {
                let (_, _, height, width) = next.dims4()?;
                x = x.upsample_nearest2d(height, width)?;
                x = self.convolve(&format!("up_blocks.{i}.upsamplers.0.conv"), &x, 1)?;
            }
        }
        let x = self.group_norm("conv_norm_out", &x, self.epsilon)?.silu()?;
        self.convolve("conv_out", &x, 1)
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let x = self.convolve("post_quant_conv", latents, 1)?;
        let mut x = self.convolve("decoder.conv_in", &x, 1)?;
        x = self.residual("decoder.mid_block.resnets.0", &x, None)?;
        let (_, channels, height, width) = x.dims4()?;
        let normed = self.group_norm("decoder.mid_block.attentions.0.group_norm", &x, self.epsilon)?;
        let rows = normed.reshape((channels, height * width))?.t()?.contiguous()?;
        let read = self.attend("decoder.mid_block.attentions.0", &rows, &rows, 1)?;
        x = (x + read.t()?.contiguous()?.reshape((1, channels, height, width))?)?;
        x = self.residual("decoder.mid_block.resnets.1", &x, None)?;
        for i in 0..4 {
            for j in 0..3 {
                x = self.residual(&format!("decoder.up_blocks.{i}.resnets.{j}"), &x, None)?;
            }
            if i < 3 {
                let (_, _, height, width) = x.dims4()?;
                x = x.upsample_nearest2d(2 * height, 2 * width)?;
                x = self.convolve(&format!("decoder.up_blocks.{i}.upsamplers.0.conv"), &x, 1)?;
            }
        }
        let x = self.group_norm("decoder.conv_norm_out", &x, self.epsilon)?.silu()?;
        self.convolve("decoder.conv_out", &x, 1)
    }
}

/// Places side by side become channels side by side.
fn to_tensor(image: &Image) -> Result<Tensor> {
    let shape = (1, image.height, image.width, image.channels);
    Tensor::from_vec(image.data.clone(), shape, &Device::Cpu)?.permute((0, 3, 1, 2))?.contiguous()
}

fn from_tensor(tensor: &Tensor) -> Vec<f32> {
    tensor.permute((0, 2, 3, 1)).and_then(|tensor| tensor.flatten_all()?.to_vec1()).expect("values")
}

fn noise_image(width: usize, height: usize) -> Image {
    Image { width, height, channels: 4, data: noise(3, width * height * 4) }
}

/// What the denoiser says of an image of noise.
fn predicted(width: usize, height: usize, level: usize) -> (Vec<f32>, Vec<f32>) {
    let (manifest, shape) = tiny_painter();
    let (network, compute) = (network(), best());
    let latents = noise_image(width, height);
    let text = noise(4, (manifest.context * manifest.hidden) as usize);
    let waves = network.waves(level);
    let told = Told { waves: &waves, text: &text };
    let got = network.unet.predict(Brush { compute: &compute }, &latents, told).expect("finite").data;
    let oracle = Oracle::new(Part::Unet, shape.groups, 1e-5);
    let sides = (manifest.context as usize, manifest.hidden as usize);
    let text = Tensor::from_vec(text, sides, &Device::Cpu).expect("a tensor");
    let wanted = to_tensor(&latents).and_then(|latents| oracle.predict(&latents, level, &text)).expect("a prediction");
    (got, from_tensor(&wanted))
}

#[test]
fn the_denoiser_agrees_with_an_f32_pass() {
    for (width, height, level) in [(8, 8, 981), (5, 3, 1), (16, 8, 500)] {
        let (got, wanted) = predicted(width, height, level);
        let error = error(&got, &wanted);
        assert!(error < 0.03, "{width}x{height}: relative error {error}");
    }
}

fn decoded() -> (Vec<f32>, Vec<f32>) {
    let (_, shape) = tiny_painter();
    let (network, compute) = (network(), best());
    let mut image = noise_image(5, 4);
    let scaled =
        (to_tensor(&image).expect("a tensor") / f64::from(f32::from_bits(shape.scaling_bits))).expect("scaled");
    let oracle = Oracle::new(Part::Vae, shape.decoder_groups, 1e-6);
    let wanted = from_tensor(&oracle.decode(&scaled).expect("an image"));
    for part in 0..Decoder::PARTS {
        image = network.decoder.run(Brush { compute: &compute }, part, image).expect("finite");
    }
    assert_eq!((image.width, image.height, image.channels), (40, 32, 3));
    (image.data, wanted)
}

#[test]
fn the_decoder_agrees_with_an_f32_pass() {
    let (got, wanted) = decoded();
    let error = error(&got, &wanted);
    assert!(error < 0.03, "relative error {error}");
}

/// CLIP's text encoder, written down once more in candle's f32 operations.
fn read_text(tokens: &[u32]) -> Result<Tensor> {
    let weights: std::collections::BTreeMap<_, _> = published(Part::Text).into_iter().collect();
    let (manifest, _) = tiny_painter();
    let get = |name: String| weights[&name].clone();
    let linear = |x: &Tensor, name: &str| {
        x.matmul(&get(format!("{name}.weight")).t()?)?.broadcast_add(&get(format!("{name}.bias")))
    };
    let norm = |x: &Tensor, name: &str| {
        let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let x = x.broadcast_div(&(x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?)?;
        x.broadcast_mul(&get(format!("{name}.weight")))?.broadcast_add(&get(format!("{name}.bias")))
    };
    let (count, heads, width) = (tokens.len(), manifest.heads as usize, manifest.head_dim as usize);
    let mask: Vec<f32> =
        (0..count * count).map(|i| if i % count > i / count { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (count, count), &Device::Cpu)?;
    let words = get("text_model.embeddings.token_embedding.weight".to_owned());
    let mut x = words.index_select(&Tensor::new(tokens, &Device::Cpu)?, 0)?;
    x = (x + get("text_model.embeddings.position_embedding.weight".to_owned()).i(..count)?)?;
    for i in 0..manifest.layers {
        let part = |name: &str| format!("text_model.encoder.layers.{i}.{name}");
        let normed = norm(&x, &part("layer_norm1"))?;
        let split =
            |name: &str| linear(&normed, &part(name))?.reshape((count, heads, width))?.transpose(0, 1)?.contiguous();
        let (q, k, v) = (split("self_attn.q_proj")?, split("self_attn.k_proj")?, split("self_attn.v_proj")?);
        let scores = (q.matmul(&k.t()?.contiguous()?)? / (width as f64).sqrt())?.broadcast_add(&mask)?;
        let attended = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
        let attended = attended.transpose(0, 1)?.reshape((count, heads * width))?;
        x = (x + linear(&attended, &part("self_attn.out_proj"))?)?;
        let inner = linear(&norm(&x, &part("layer_norm2"))?, &part("mlp.fc1"))?;
        let inner = (&inner * candle_nn::ops::sigmoid(&(&inner * 1.702)?)?)?;
        x = (x + linear(&inner, &part("mlp.fc2"))?)?;
    }
    norm(&x, "text_model.final_layer_norm")
}

#[test]
fn the_text_encoder_agrees_with_an_f32_pass() {
    let (network, compute) = (network(), best());
    let tokens = network.framed(&[512, 513, 97, 99, 340]).expect("it fits");
    assert_eq!((tokens.len(), tokens[0], tokens[6], tokens[76]), (77, 518, 519, 519));
    let got = network.text.read(Brush { compute: &compute }, &tokens).expect("finite");
    let wanted: Vec<f32> = read_text(&tokens).and_then(|x| x.flatten_all()?.to_vec1()).expect("values");
    let error = error(&got, &wanted);
    assert!(error < 0.02, "relative error {error}");
    // A token is not read by those before it.
    let other = network.framed(&[512, 513, 97, 99, 341]).expect("it fits");
    let other = network.text.read(Brush { compute: &compute }, &other).expect("finite");
    let width = 5 * 24;
    assert!(got[..width] == other[..width] && got[width..] != other[width..]);
}

#[test]
fn levels_are_those_of_the_published_sampler() {
    let network = network();
    let levels = |steps: usize| (0..steps).map(|step| network.level(step, steps).0).collect::<Vec<_>>();
    assert_eq!(levels(4), [751, 501, 251, 1]);
    assert_eq!(levels(1), [1]);
    assert_eq!(levels(50)[..2], [981, 961]);
    let (_, first) = network.level(0, 4);
    assert_eq!((first.from, first.to), (network.shares[751], network.shares[501]));
    let (_, last) = network.level(3, 4);
    assert_eq!((last.from, last.to), (network.shares[1], network.shares[0]));
}

#[test]
fn a_value_that_is_not_finite_ends_the_drawing() {
    let mut network = network();
    network.unet = {
        let (manifest, mut shape) = tiny_painter();
        shape.norm_epsilon_bits = f32::MIN_POSITIVE.to_bits();
        struct Huge;
        impl Builder for Huge {
            fn floats(&mut self, _: &str, rows: u32, columns: u32) -> std::result::Result<Vec<f32>, ModelError> {
                Ok(vec![f32::MAX; (rows * columns) as usize])
            }
            fn matrix(
                &mut self,
                _: &str,
                rows: u32,
                columns: u32,
                _: u32,
            ) -> std::result::Result<crate::compute::Matrix, ModelError> {
                let (rows, inputs) = (rows as usize, columns as usize);
                let tiles = Tiles::of(&vec![127; rows * inputs], inputs);
                Ok(crate::compute::Matrix { tiles, scales: vec![1e30; rows] })
            }
        }
        Unet::build(&manifest, &shape, Parts::new(&mut Huge, "unet")).expect("it builds")
    };
    let sketch = Sketch { prompt: &[1], negative: &[], width: 8, height: 8, steps: 1, guidance_bps: 10_000, seed: 0 };
    let mut canvas = network.begin(&sketch).expect("a fine sketch");
    let compute = best();
    assert!(network.paint(&compute, &mut canvas).expect("the text is fine").is_none());
    let failed = network.paint(&compute, &mut canvas);
    assert!(matches!(failed, Err(ModelError::Numerics(noema_numerics::NumericsError::NonFinite { .. }))), "{failed:?}");
}
