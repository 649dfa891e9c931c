//! Reads folders of latent diffusion models: `model_index.json`, and the parts `text_encoder`, `unet`, `vae`, `tokenizer`
//! and `scheduler`, each with its configuration.
//!
//! Supported is the architecture of Stable Diffusion 1.5 at any width; a setting that would change the meaning of the
//! weights is refused by its name. The sampler is always DDIM's, with the noise levels that the scheduler names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use noema_inference_api::{
    Family, ModelManifest, NUMERICS_VERSION, PAINTER_STAGES, PainterShape, RopeScaling, SpecialTokens,
};
use noema_numerics::image::signal_shares;
use noema_types::Hash;
use serde_json::{Value, json};

use super::hf::{Json, name};
use super::safetensors::Tensors;
use super::{Imported, unsupported};
use crate::diffusion::{Asked, asked};
use crate::format::{self, Extension, SectionKind, WeightSource, directory_with};
use crate::limits::{JSON_BYTES_MAX, LEVELS_MAX};
use crate::{ModelError, More, PreTokenizer, TokenizerData};

/// The file that says that a folder holds a model of several parts.
pub(super) const INDEX: &str = "model_index.json";
const FIRST: &str = "<|startoftext|>";
const LAST: &str = "<|endoftext|>";
/// What latent images were divided by before models said it.
const SCALING: f64 = 0.18215;
/// Older names of the decoder's attention.
const OLD_NAMES: [(&str, &str); 4] = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];

pub(super) fn convert(
    folder: &Path,
    target: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, ModelError> {
    let index = Json::read(folder, INDEX)?;
    index.only("_class_name", &["StableDiffusionPipeline"], "StableDiffusionPipeline")?;
    let text = Json::read(folder, "text_encoder/config.json")?;
    let mut manifest = text_encoder(&text)?;
    manifest.name = name(folder, &index);
    let mut shape = denoiser(&Json::read(folder, "unet/config.json")?, manifest.hidden)?;
    decoder(&Json::read(folder, "vae/config.json")?, &mut shape)?;
    let (start, end) = schedule(&Json::read(folder, "scheduler/scheduler_config.json")?, &mut shape)?;
    let tokenizer = tokenizer(folder, &mut manifest, &mut shape)?.to_bytes();
    let extension = Extension::Diffusion(shape);
    // What cannot be loaded must not be written. The check comes before anything is made from the shape's numbers.
    directory_with(&manifest, &extension, tokenizer.len() as u64)?;
    crate::Tokenizer::from_bytes(&tokenizer, &manifest)?;
    let mut parts = Parts::open(folder)?;
    let origins = parts.origins(&manifest, &shape)?;
    let shares = signal_shares(start, end, shape.train_steps);
    let mut read = |origin: &Origin, start, count| parts.of(origin.part).read(&origin.tensor, start, count);
    let mut source = Published { read: &mut read, origins, shares };
    let root = format::write_with(&manifest, &extension, &tokenizer, &mut source, target, progress)?;
    Ok(Imported { root, tokenizer_root: Hash(*blake3::hash(&tokenizer).as_bytes()), manifest })
}

/// Refuses any setting that is there and has another value.
fn refuse_others(config: &Json, settings: &[(&str, Value)]) -> Result<(), ModelError> {
    for (key, wanted) in settings {
        let value = &config.value[*key];
        let same = match (value.as_f64(), wanted.as_f64()) {
            (Some(value), Some(wanted)) => value == wanted,
            _ => value == wanted,
        };
        if !value.is_null() && !same {
            return Err(unsupported(key, &value.to_string(), "the setting of Stable Diffusion 1.5"));
        }
    }
    Ok(())
}

fn text_encoder(config: &Json) -> Result<ModelManifest, ModelError> {
    config.only("model_type", &["clip_text_model"], "clip_text_model")?;
    config.only("hidden_act", &["quick_gelu"], "quick_gelu")?;
    let (hidden, heads) = (config.number("hidden_size")?, config.number("num_attention_heads")?);
    let epsilon = if config.value["layer_norm_eps"].is_null() { 1e-5 } else { config.float("layer_norm_eps")? };
    Ok(ModelManifest {
        name: String::new(),
        numerics: NUMERICS_VERSION,
        family: Family::Diffusion,
        layers: config.number("num_hidden_layers")?,
        hidden,
        heads,
        kv_heads: heads,
        head_dim: hidden.checked_div(heads).ok_or_else(|| config.bad("there are no heads"))?,
        feed_forward: config.number("intermediate_size")?,
        vocab: config.number("vocab_size")?,
        context: config.number("max_position_embeddings")?,
        rope_base: 0,
        rope_scaling: RopeScaling::None,
        norm_epsilon_bits: (epsilon as f32).to_bits(),
        tied_head: true,
        special: SpecialTokens::default(),
        chat_template: String::new(),
        license: String::new(),
    })
}

/// Channels of the stages.
fn stages(config: &Json) -> Result<[u32; PAINTER_STAGES], ModelError> {
    let list = config.value["block_out_channels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let numbers: Option<Vec<u32>> = list.iter().map(|value| u32::try_from(value.as_u64()?).ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| config.bad(format!("`block_out_channels` does not hold {PAINTER_STAGES} numbers")))
}

fn denoiser(config: &Json, text: u32) -> Result<PainterShape, ModelError> {
    let attending = |name: &str, plain: &str, is_up: bool| {
        let mut list = vec![name; PAINTER_STAGES - 1];
        list.insert(if is_up { 0 } else { PAINTER_STAGES - 1 }, plain);
        json!(list)
    };
    refuse_others(
        config,
        &[
            ("act_fn", json!("silu")),
            ("center_input_sample", json!(false)),
            ("downsample_padding", json!(1)),
            ("flip_sin_to_cos", json!(true)),
            ("freq_shift", json!(0)),
            ("mid_block_scale_factor", json!(1)),
            ("mid_block_type", json!("UNetMidBlock2DCrossAttn")),
            ("down_block_types", attending("CrossAttnDownBlock2D", "DownBlock2D", false)),
            ("up_block_types", attending("CrossAttnUpBlock2D", "UpBlock2D", true)),
            ("only_cross_attention", json!(false)),
            ("dual_cross_attention", json!(false)),
            ("use_linear_projection", json!(false)),
            ("transformer_layers_per_block", json!(1)),
            ("resnet_time_scale_shift", json!("default")),
            ("time_embedding_type", json!("positional")),
            ("conv_in_kernel", json!(3)),
            ("conv_out_kernel", json!(3)),
            ("class_embeddings_concat", json!(false)),
        ],
    )?;
    let absent =
        ["class_embed_type", "addition_embed_type", "encoder_hid_dim", "num_class_embeds", "num_attention_heads"];
    if let Some(key) = absent.into_iter().find(|key| !config.value[*key].is_null()) {
        return Err(unsupported(key, &config.value[key].to_string(), "the setting of Stable Diffusion 1.5"));
    }
    let (latent, out) = (config.number("in_channels")?, config.number("out_channels")?);
    let cross = config.number("cross_attention_dim")?;
    if latent != out || cross != text {
        let reason = format!("{latent} channels in, {out} out, texts of width {cross} from an encoder of width {text}");
        return Err(config.bad(reason));
    }
    let epsilon = if config.value["norm_eps"].is_null() { 1e-5 } else { config.float("norm_eps")? };
    Ok(PainterShape {
        latent,
        channels: stages(config)?,
        blocks: config.number("layers_per_block")?,
        // The published name says width, the number is that of heads.
        heads: config.number("attention_head_dim")?,
        groups: config.number("norm_num_groups")?,
        norm_epsilon_bits: (epsilon as f32).to_bits(),
        decoder_channels: [0; PAINTER_STAGES],
        decoder_blocks: 0,
        decoder_groups: 0,
        scaling_bits: 0,
        train_steps: 0,
        steps_offset: 0,
        first: 0,
        last: 0,
        padding: 0,
    })
}

fn decoder(config: &Json, shape: &mut PainterShape) -> Result<(), ModelError> {
    refuse_others(
        config,
        &[
            ("act_fn", json!("silu")),
            ("out_channels", json!(3)),
            ("up_block_types", json!(vec!["UpDecoderBlock2D"; PAINTER_STAGES])),
            ("latent_channels", json!(shape.latent)),
            ("mid_block_add_attention", json!(true)),
            ("use_post_quant_conv", json!(true)),
            ("shift_factor", json!(0)),
        ],
    )?;
    let scaling = if config.value["scaling_factor"].is_null() { SCALING } else { config.float("scaling_factor")? };
    shape.decoder_channels = stages(config)?;
    shape.decoder_blocks = config.number("layers_per_block")?;
    shape.decoder_groups = config.number("norm_num_groups")?;
    shape.scaling_bits = (scaling as f32).to_bits();
    Ok(())
}

/// Noise of the first and the last level.
fn schedule(config: &Json, shape: &mut PainterShape) -> Result<(f64, f64), ModelError> {
    config.only("beta_schedule", &["scaled_linear"], "scaled_linear")?;
    let zero = json!(false);
    refuse_others(
        config,
        &[
            ("clip_sample", zero.clone()),
            ("set_alpha_to_one", zero.clone()),
            ("thresholding", zero.clone()),
            ("rescale_betas_zero_snr", zero),
            ("prediction_type", json!("epsilon")),
            ("timestep_spacing", json!("leading")),
        ],
    )?;
    if !config.value["trained_betas"].is_null() {
        return Err(unsupported("trained_betas", "a list", "none"));
    }
    let (start, end) = (config.float("beta_start")?, config.float("beta_end")?);
    if !(start > 0.0 && start <= end && end < 1.0) {
        return Err(config.bad(format!("noise from {start} to {end} is not between 0 and 1")));
    }
    shape.train_steps = config.number("num_train_timesteps")?;
    if shape.train_steps > LEVELS_MAX {
        return Err(config.bad(format!("{} noise levels, more than {LEVELS_MAX}", shape.train_steps)));
    }
    shape.steps_offset = config.optional("steps_offset")?.unwrap_or(0);
    Ok((start, end))
}

fn tokenizer(
    folder: &Path,
    manifest: &mut ModelManifest,
    shape: &mut PainterShape,
) -> Result<TokenizerData, ModelError> {
    let json = Json::read(folder, "tokenizer/vocab.json")?;
    let table = json.value.as_object().ok_or_else(|| json.bad("it is no table of tokens"))?;
    let (vocab, count) = (manifest.vocab as usize, table.len());
    if count != vocab {
        return Err(json.bad(format!("{count} tokens, the text encoder has {vocab}")));
    }
    let mut tokens = vec![None; count];
    for (text, id) in table {
        let id = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < count);
        let slot = id.map(|id| &mut tokens[id]).filter(|slot| slot.is_none());
        *slot.ok_or_else(|| json.bad(format!("token `{text}` has no id of its own below {count}")))? =
            Some(text.clone());
    }
    let tokens: Vec<String> = tokens.into_iter().flatten().collect();
    let id = |text: &str| table.get(text).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    let special = |text: &str| id(text).ok_or_else(|| json.bad(format!("there is no token `{text}`")));
    (shape.first, shape.last) = (special(FIRST)?, special(LAST)?);
    shape.padding = special(&padding(folder)?)?;
    manifest.special = SpecialTokens { bos: None, eos: vec![shape.last] };
    let mut merges = Vec::new();
    for line in merge_lines(folder)? {
        let pair = line.split_once(' ').and_then(|(a, b)| Some((id(a)?, id(b)?)));
        merges.push(pair.ok_or_else(|| ModelError::HuggingFace {
            file: "tokenizer/merges.txt".to_owned(),
            reason: format!("`{}` names unknown tokens", line.chars().take(80).collect::<String>()),
        })?);
    }
    let all: BTreeSet<u32> = [shape.first, shape.last, shape.padding].into();
    Ok(TokenizerData {
        pre: PreTokenizer::Clip,
        tokens,
        special: all.into_iter().collect(),
        merges,
        more: More::default(),
    })
}

/// The token that fills a text up: as the folder says, or that of its end.
fn padding(folder: &Path) -> Result<String, ModelError> {
    let file = "tokenizer/tokenizer_config.json";
    if !folder.join(file).exists() {
        return Ok(LAST.to_owned());
    }
    let config = Json::read(folder, file)?;
    let token = &config.value["pad_token"];
    Ok(token.as_str().or_else(|| token["content"].as_str()).unwrap_or(LAST).to_owned())
}

fn merge_lines(folder: &Path) -> Result<Vec<String>, ModelError> {
    let path = folder.join("tokenizer/merges.txt");
    let io = || ModelError::io(path.display().to_string());
    let bad = |reason: String| ModelError::HuggingFace { file: "tokenizer/merges.txt".to_owned(), reason };
    let mut bytes = Vec::new();
    File::open(&path).map_err(io())?.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io())?;
    if bytes.len() as u64 > JSON_BYTES_MAX {
        return Err(bad(format!("it is longer than {JSON_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".to_owned()))?;
    // The first line may name a version.
    let lines =
        text.lines().enumerate().filter(|(i, line)| !(line.is_empty() || *i == 0 && line.starts_with("#version")));
    Ok(lines.map(|(_, line)| line.to_owned()).collect())
}

/// Which file a tensor is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Text,
    Unet,
    Vae,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Unet, Self::Vae];

    /// The file, in the folder.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Text => "text_encoder/model.safetensors",
            Self::Unet => "unet/diffusion_pytorch_model.safetensors",
            Self::Vae => "vae/diffusion_pytorch_model.safetensors",
        }
    }

    /// Tensors that published files hold beside those that draw.
    fn is_ignored(self, tensor: &str) -> bool {
        match self {
            Self::Text => tensor.ends_with(".position_ids"),
            Self::Unet => false,
            Self::Vae => tensor.starts_with("encoder.") || tensor.starts_with("quant_conv."),
        }
    }
}

/// Where the values of a section come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) part: Part,
    pub(crate) tensor: String,
    /// The tensor's shape, as published today.
    pub(crate) shape: Vec<u64>,
}

impl Origin {
    /// `None` for what is not a tensor of the published files.
    pub(crate) fn of(asked: &Asked) -> Option<Self> {
        let (part, name) = asked.name.split_once('.')?;
        let part = match part {
            "text" => Part::Text,
            "unet" => Part::Unet,
            "vae" => Part::Vae,
            _ => return None,
        };
        let (rows, columns, side) = (u64::from(asked.rows), u64::from(asked.columns), u64::from(asked.side));
        let is_vector = asked.kind == SectionKind::F32 && rows == 1;
        let tensor = match name.strip_suffix("_bias") {
            Some(name) => format!("{name}.bias"),
            None => format!("{name}.weight"),
        };
        let shape = match (is_vector, side, is_pointwise(name)) {
            (true, ..) => vec![columns],
            (false, 1, false) => vec![rows, columns],
            (false, ..) => vec![rows, columns / (side * side), side, side],
        };
        Some(Self { part, tensor, shape })
    }
}

/// Convolutions of side 1, which linear layers are in all but the number of their sides.
fn is_pointwise(name: &str) -> bool {
    ["proj_in", "proj_out", "conv_shortcut", "post_quant_conv"].iter().any(|end| name.ends_with(end))
}

/// The files of a folder.
struct Parts([Tensors; 3]);

impl Parts {
    fn open(folder: &Path) -> Result<Self, ModelError> {
        let mut parts = [Tensors::default(), Tensors::default(), Tensors::default()];
        for (part, tensors) in Part::ALL.into_iter().zip(&mut parts) {
            tensors.add(&folder.join(part.file()))?;
        }
        Ok(Self(parts))
    }

    fn of(&mut self, part: Part) -> &mut Tensors {
        &mut self.0[part as usize]
    }

    /// Checks that every tensor is there with the right shape and none is left over.
    fn origins(
        &mut self,
        manifest: &ModelManifest,
        shape: &PainterShape,
    ) -> Result<BTreeMap<String, (Asked, Option<Origin>)>, ModelError> {
        let mut origins = BTreeMap::new();
        let mut read = BTreeSet::new();
        for asked in asked(manifest, shape) {
            let mut origin = Origin::of(&asked);
            if let Some(origin) = &mut origin {
                let tensors = self.of(origin.part);
                if !tensors.contains(&origin.tensor)
                    && let Some(old) = old_name(&origin.tensor).filter(|old| tensors.contains(old))
                {
                    origin.tensor = old;
                }
                tensors.check(&origin.tensor, &origin.shape)?;
                read.insert((origin.part as usize, origin.tensor.clone()));
            }
            origins.insert(asked.name.clone(), (asked, origin));
        }
        for part in Part::ALL {
            let is_extra = |name: &&str| !part.is_ignored(name) && !read.contains(&(part as usize, (*name).to_owned()));
            if let Some(name) = self.0[part as usize].names().find(is_extra) {
                return Err(unsupported("tensor", name, "the tensors of Stable Diffusion 1.5"));
            }
        }
        Ok(origins)
    }
}

/// The name that a tensor of the decoder's attention had before.
fn old_name(tensor: &str) -> Option<String> {
    let (block, rest) = tensor.split_once(".attentions.0.").filter(|(block, _)| block.ends_with("mid_block"))?;
    let (name, end) = rest.rsplit_once('.')?;
    let (_, old) = OLD_NAMES.iter().find(|(new, _)| *new == name)?;
    Some(format!("{block}.attentions.0.{old}.{end}"))
}

/// Reads so many values of a tensor from a place on.
pub(crate) type ReadTensor<'a> = dyn FnMut(&Origin, u64, u64) -> Result<Vec<f32>, ModelError> + 'a;

/// Weights as they are published.
pub(crate) struct Published<'a> {
    pub(crate) read: &'a mut ReadTensor<'a>,
    pub(crate) origins: BTreeMap<String, (Asked, Option<Origin>)>,
    pub(crate) shares: Vec<f32>,
}

impl WeightSource for Published<'_> {
    fn rows(&mut self, section: &str, start: u32, count: u32) -> Result<Vec<f32>, ModelError> {
        let (asked, origin) = self.origins.get(section).expect("every section has its origin");
        let Some(origin) = origin else { return Ok(self.shares.clone()) };
        let columns = u64::from(asked.columns);
        let values = (self.read)(origin, u64::from(start) * columns, u64::from(count) * columns)?;
        if asked.side == 1 {
            return Ok(values);
        }
        // Published rows hold the kernel of each channel; ours hold the channels of each place of the kernel.
        let places = (asked.side * asked.side) as usize;
        let channels = columns as usize / places;
        let mut turned = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns as usize) {
            turned.extend((0..row.len()).map(|i| row[i % channels * places + i / channels]));
        }
        Ok(turned)
    }
}
