//! Reads Hugging Face folders: `config.json`, `tokenizer.json`, `model.safetensors` or its shards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use noema_inference_api::{Family, ModelManifest, NUMERICS_VERSION, RopeScaling, SpecialTokens};
use noema_types::Hash;
use serde_json::Value;

use super::hf_tokenizer::{self, first_token};
use super::safetensors::Tensors;
use super::{Imported, SCALINGS, thousandths, unsupported};
use crate::ModelError;
use crate::format::{self, Extension, Pooling, SectionKind, Stretch, WeightSource};
use crate::limits::JSON_BYTES_MAX;

pub(super) fn convert(
    folder: &Path,
    target: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Imported, ModelError> {
    let config = Json::read(folder, "config.json")?;
    let (mut manifest, mut extension) = architecture(&config)?;
    let mut tensors = open_tensors(folder)?;
    let (tokenizer, ids) = hf_tokenizer::read(folder, manifest.vocab)?;
    manifest.name = name(folder, &config);
    match &mut extension {
        Extension::Bert { first, last, pooling } => {
            let id = |text: &str| ids.get(text).copied().ok_or_else(|| lacks(text));
            (*first, *last) = (id("[CLS]")?, id("[SEP]")?);
            *pooling = read_pooling(folder)?;
        }
        _ => manifest.special = special_tokens(folder, &config, &ids)?,
    }
    if folder.join("tokenizer_config.json").exists() {
        let settings = Json::read(folder, "tokenizer_config.json")?;
        manifest.chat_template = settings.value["chat_template"].as_str().unwrap_or_default().to_owned();
    }
    manifest.tied_head = match manifest.family {
        Family::Llama => !tensors.contains("lm_head.weight"),
        Family::NeoX => !tensors.contains("embed_out.weight"),
        Family::Bert | Family::Diffusion => true,
    };
    // What cannot be loaded must not be written.
    let tokenizer = tokenizer.to_bytes();
    crate::Tokenizer::from_bytes(&tokenizer, &manifest)?;
    let mut source = Source::new(&manifest, &extension, &mut tensors)?;
    let root = format::write_with(&manifest, &extension, &tokenizer, &mut source, target, progress)?;
    Ok(Imported { root, tokenizer_root: Hash(*blake3::hash(&tokenizer).as_bytes()), manifest })
}

/// A JSON file with its name, for messages.
pub(super) struct Json {
    pub(super) file: String,
    pub(super) value: Value,
}

impl Json {
    pub(super) fn read(folder: &Path, file: &str) -> Result<Self, ModelError> {
        let path = folder.join(file);
        let source = File::open(&path).map_err(ModelError::io(path.display().to_string()))?;
        let mut bytes = Vec::new();
        let read = source.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(ModelError::io(path.display().to_string()))?;
        let bad = |reason: String| ModelError::HuggingFace { file: file.to_owned(), reason };
        if bytes.len() as u64 > JSON_BYTES_MAX {
            return Err(bad(format!("it is longer than {JSON_BYTES_MAX} bytes")));
        }
        let value = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        Ok(Self { file: file.to_owned(), value })
    }

    pub(super) fn bad(&self, reason: impl Into<String>) -> ModelError {
        ModelError::HuggingFace { file: self.file.clone(), reason: reason.into() }
    }

    pub(super) fn number(&self, key: &str) -> Result<u32, ModelError> {
        self.optional(key)?.ok_or_else(|| self.bad(format!("it lacks `{key}`")))
    }

    pub(super) fn optional(&self, key: &str) -> Result<Option<u32>, ModelError> {
        match &self.value[key] {
            Value::Null => Ok(None),
            value => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                number.map(Some).ok_or_else(|| self.bad(format!("`{key}` is not a 32-bit number")))
            }
        }
    }

    pub(super) fn float(&self, key: &str) -> Result<f64, ModelError> {
        self.value[key].as_f64().ok_or_else(|| self.bad(format!("`{key}` is not a number")))
    }

    pub(super) fn flag(&self, key: &str, default: bool) -> bool {
        self.value[key].as_bool().unwrap_or(default)
    }

    /// Refuses a setting that would change the meaning of the weights.
    pub(super) fn only(&self, key: &str, allowed: &[&str], supported: &'static str) -> Result<(), ModelError> {
        match &self.value[key] {
            Value::Null => Ok(()),
            Value::String(text) if allowed.contains(&text.as_str()) => Ok(()),
            other => Err(unsupported(key, &other.to_string(), supported)),
        }
    }

    /// A rotary base, which must be whole.
    pub(super) fn base(&self, key: &str) -> Result<u64, ModelError> {
        let inner = self.value["rope_parameters"][key].as_f64();
        let base = if self.value[key].is_null() { inner.unwrap_or(10_000.0) } else { self.float(key)? };
        if base.fract() != 0.0 || !(2.0..9e15).contains(&base) {
            return Err(unsupported("rotary base", &base.to_string(), "whole numbers from 2"));
        }
        Ok(base as u64)
    }
}

fn architecture(config: &Json) -> Result<(ModelManifest, Extension), ModelError> {
    let kind = config.value["model_type"].as_str().unwrap_or("none");
    match kind {
        "llama" | "mistral" | "qwen2" => {
            let biases = kind == "qwen2";
            let (manifest, stretch) = llama(config, biases)?;
            let is_plain = !biases && stretch == Stretch::None;
            Ok((manifest, if is_plain { Extension::None } else { Extension::Llama { biases, stretch } }))
        }
        "gpt_neox" => neox(config),
        "bert" => bert(config),
        // Dolly v1 is one of these; its later versions are GPT-NeoX.
        "gptj" => Err(unsupported("architecture", "gptj", "llama, mistral, qwen2, gpt_neox (as Dolly v2), bert")),
        other => Err(unsupported("architecture", other, "llama, mistral, qwen2, gpt_neox, bert")),
    }
}

/// What all families name alike.
fn common(config: &Json, family: Family, epsilon: &str) -> Result<ModelManifest, ModelError> {
    let (hidden, heads) = (config.number("hidden_size")?, config.number("num_attention_heads")?);
    let head_dim = match config.optional("head_dim")? {
        Some(head_dim) => head_dim,
        None => hidden.checked_div(heads).ok_or_else(|| config.bad("there are no heads"))?,
    };
    Ok(ModelManifest {
        name: String::new(),
        numerics: NUMERICS_VERSION,
        family,
        layers: config.number("num_hidden_layers")?,
        hidden,
        heads,
        kv_heads: config.optional("num_key_value_heads")?.unwrap_or(heads),
        head_dim,
        feed_forward: config.number("intermediate_size")?,
        vocab: config.number("vocab_size")?,
        context: config.number("max_position_embeddings")?,
        rope_base: 0,
        rope_scaling: RopeScaling::None,
        norm_epsilon_bits: (config.float(epsilon)? as f32).to_bits(),
        tied_head: false,
        special: SpecialTokens::default(),
        chat_template: String::new(),
        license: config.value["license"].as_str().unwrap_or_default().to_owned(),
    })
}

fn llama(config: &Json, is_qwen: bool) -> Result<(ModelManifest, Stretch), ModelError> {
    config.only("hidden_act", &["silu"], "silu")?;
    let stretch = stretch(config)?;
    for key in ["attention_bias", "mlp_bias"] {
        if config.flag(key, false) {
            return Err(unsupported(key, "true", "false"));
        }
    }
    let mut manifest = common(config, Family::Llama, "rms_norm_eps")?;
    // Qwen 2 names a window that it does not use. One that the whole context fits in changes nothing.
    let window = config.optional("sliding_window")?.filter(|&window| window < manifest.context);
    if let Some(window) = window.filter(|_| !is_qwen || config.flag("use_sliding_window", false)) {
        return Err(unsupported("sliding window", &window.to_string(), "none, or one as long as the context"));
    }
    for layer in config.value["layer_types"].as_array().into_iter().flatten() {
        if layer != "full_attention" {
            return Err(unsupported("layer type", &layer.to_string(), "full_attention"));
        }
    }
    if !config.value["partial_rotary_factor"].is_null() && config.float("partial_rotary_factor")? != 1.0 {
        let value = config.value["partial_rotary_factor"].to_string();
        return Err(unsupported("partial_rotary_factor", &value, "1"));
    }
    manifest.rope_base = config.base("rope_theta")?;
    manifest.rope_scaling = stretch.scaling();
    Ok((manifest, stretch))
}

/// How `rope_scaling`, or what newer files call `rope_parameters`, stretches angles.
fn stretch(config: &Json) -> Result<Stretch, ModelError> {
    let both = [&config.value["rope_scaling"], &config.value["rope_parameters"]];
    let Some(scaling) = both.into_iter().find(|value| !value.is_null()) else { return Ok(Stretch::None) };
    let number = |key: &str| {
        let number = scaling[key].as_f64();
        number.ok_or_else(|| config.bad(format!("its rotary scaling lacks the number `{key}`")))
    };
    let milli = |key: &str| thousandths(&format!("rotary scaling's {key}"), number(key)?);
    let kind = scaling["rope_type"].as_str().or(scaling["type"].as_str());
    match kind {
        Some("default") => Ok(Stretch::None),
        Some("linear") => match milli("factor")? {
            1_000 => Ok(Stretch::None),
            factor_milli => Ok(Stretch::Linear { factor_milli }),
        },
        Some("llama3") => Ok(Stretch::Bands {
            factor_milli: milli("factor")?,
            low_milli: milli("low_freq_factor")?,
            high_milli: milli("high_freq_factor")?,
            context: (scaling["original_max_position_embeddings"].as_u64())
                .and_then(|context| u32::try_from(context).ok())
                .ok_or_else(|| config.bad("its rotary scaling lacks `original_max_position_embeddings`"))?,
        }),
        Some(other) => Err(unsupported("rotary scaling", other, SCALINGS)),
        None => Err(unsupported("rotary scaling", &scaling.to_string(), SCALINGS)),
    }
}

fn neox(config: &Json) -> Result<(ModelManifest, Extension), ModelError> {
    let tanh = ["gelu_new", "gelu_fast", "gelu_pytorch_tanh"];
    config.only(
        "hidden_act",
        &[["gelu"].as_slice(), &tanh].concat(),
        "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh",
    )?;
    let is_tanh = config.value["hidden_act"].as_str().is_some_and(|name| tanh.contains(&name));
    refuse_scaling(config)?;
    if !config.flag("attention_bias", true) {
        return Err(unsupported("attention_bias", "false", "true"));
    }
    let mut manifest = common(config, Family::NeoX, "layer_norm_eps")?;
    manifest.rope_base = config.base("rotary_emb_base")?;
    let share = if config.value["rotary_pct"].is_null() { 0.25 } else { config.float("rotary_pct")? };
    let rotary = (f64::from(manifest.head_dim) * share) as u32;
    let parallel = config.flag("use_parallel_residual", true);
    let plain = Extension::NeoX { rotary, parallel };
    Ok((manifest, if is_tanh { Extension::NeoXTanh { rotary, parallel } } else { plain }))
}

fn bert(config: &Json) -> Result<(ModelManifest, Extension), ModelError> {
    config.only("hidden_act", &["gelu"], "gelu")?;
    config.only("position_embedding_type", &["absolute"], "absolute")?;
    let manifest = common(config, Family::Bert, "layer_norm_eps")?;
    Ok((manifest, Extension::Bert { first: 0, last: 0, pooling: Pooling::Mean }))
}

fn refuse_scaling(config: &Json) -> Result<(), ModelError> {
    match &config.value["rope_scaling"] {
        Value::Null => Ok(()),
        scaling => Err(unsupported("rotary scaling", &scaling.to_string(), "none")),
    }
}

pub(super) fn name(folder: &Path, config: &Json) -> String {
    let own = config.value["_name_or_path"].as_str().filter(|name| !name.is_empty() && !name.starts_with(['.', '/']));
    let folder = || folder.file_name().map(|name| name.to_string_lossy().into_owned());
    own.map(str::to_owned).or_else(folder).unwrap_or_default()
}

/// How sentence embeddings are pooled; the mean unless the folder says otherwise.
fn read_pooling(folder: &Path) -> Result<Pooling, ModelError> {
    if !folder.join("1_Pooling/config.json").exists() {
        return Ok(Pooling::Mean);
    }
    let config = Json::read(folder, "1_Pooling/config.json")?;
    let on = |key: &str| config.flag(key, false);
    let others = ["pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"];
    match (on("pooling_mode_mean_tokens"), on("pooling_mode_cls_token"), others.iter().any(|key| on(key))) {
        (true, false, false) => Ok(Pooling::Mean),
        (false, true, false) => Ok(Pooling::First),
        _ => Err(unsupported("pooling", &config.value.to_string(), "the mean of all tokens, or the first")),
    }
}

fn special_tokens(folder: &Path, config: &Json, ids: &BTreeMap<String, u32>) -> Result<SpecialTokens, ModelError> {
    let mut eos: Vec<u32> = match &config.value["eos_token_id"] {
        Value::Array(list) => list.iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()).collect(),
        _ => config.optional("eos_token_id")?.into_iter().collect(),
    };
    eos.extend(super::gguf::END_TEXTS.iter().filter_map(|text| ids.get(*text)));
    eos.sort_unstable();
    eos.dedup();
    // What the settings do not say, the tokenizer's own template does.
    let template = first_token(&Json::read(folder, "tokenizer.json")?);
    let mut wants = None;
    if folder.join("tokenizer_config.json").exists() {
        wants = Json::read(folder, "tokenizer_config.json")?.value["add_bos_token"].as_bool();
    }
    let bos = match wants {
        Some(false) => None,
        Some(true) => config.optional("bos_token_id")?.or(template),
        None => template,
    };
    Ok(SpecialTokens { bos, eos })
}

fn open_tensors(folder: &Path) -> Result<Tensors, ModelError> {
    let mut tensors = Tensors::default();
    if folder.join("model.safetensors").exists() {
        tensors.add(&folder.join("model.safetensors"))?;
        return Ok(tensors);
    }
    let index = Json::read(folder, "model.safetensors.index.json")?;
    let map = index.value["weight_map"].as_object().ok_or_else(|| index.bad("it lacks `weight_map`"))?;
    let files: BTreeSet<&str> = map.values().filter_map(Value::as_str).collect();
    for file in files {
        // A shard lies beside its index, never elsewhere.
        if file.contains(['/', '\\']) {
            return Err(index.bad(format!("shard `{file}` is not in the folder")));
        }
        tensors.add(&folder.join(file))?;
    }
    Ok(tensors)
}

/// Where the rows of a section come from.
#[derive(Debug, Clone)]
struct Origin {
    tensor: String,
    columns: u64,
    /// Heads of fused query, key and value rows: width of a head, and which of the three.
    fused: Option<(u32, u32)>,
    /// A row of this tensor is added to every row.
    plus: Option<String>,
}

struct Source<'a> {
    tensors: &'a mut Tensors,
    origins: BTreeMap<String, Origin>,
}

impl<'a> Source<'a> {
    /// Checks that every tensor is there with the right shape and none is left over.
    fn new(manifest: &ModelManifest, extension: &Extension, tensors: &'a mut Tensors) -> Result<Self, ModelError> {
        let prefix = if tensors.contains("bert.embeddings.word_embeddings.weight") { "bert." } else { "" };
        let (mut origins, mut read) = (BTreeMap::new(), BTreeSet::new());
        for section in format::directory_with(manifest, extension, 0)? {
            if section.kind == SectionKind::Bytes || section.name.starts_with("rope.") {
                continue;
            }
            let (tensor, part) = tensor_name(manifest.family, prefix, &section.name);
            let (mut rows, columns) = (u64::from(section.rows), u64::from(section.columns));
            let is_vector = section.kind == SectionKind::F32 && section.rows == 1;
            if part.is_some() {
                rows *= if is_vector { 1 } else { 3 };
            }
            let shape = match (is_vector, part) {
                (true, None) => vec![columns],
                (true, Some(_)) => vec![3 * columns],
                (false, _) => vec![rows, columns],
            };
            tensors.check(&tensor, &shape)?;
            read.insert(tensor.clone());
            let plus =
                (section.name == "positions").then(|| format!("{prefix}embeddings.token_type_embeddings.weight"));
            if let Some(types) = &plus {
                tensors.check(types, &[2, columns])?;
                read.insert(types.clone());
            }
            let fused = part.map(|part| (manifest.head_dim, part));
            let origin = Origin { tensor, columns: if is_vector { 1 } else { columns }, fused, plus };
            origins.insert(section.name, origin);
        }
        let is_extra = |name: &&str| !read.contains(*name) && !is_ignored(manifest.family, name);
        if let Some(name) = tensors.names().find(is_extra) {
            return Err(unsupported("tensor", name, "the tensors of the plain architecture"));
        }
        Ok(Self { tensors, origins })
    }
}

impl WeightSource for Source<'_> {
    fn rows(&mut self, section: &str, start: u32, count: u32) -> Result<Vec<f32>, ModelError> {
        let origin = self.origins.get(section).expect("every section has its origin").clone();
        let columns = origin.columns;
        // A vector is asked for as one row; here it is a column, so that heads are cut out of both alike.
        let (mut row, mut left) = (u64::from(start), u64::from(count));
        if section.ends_with("norm") || section.ends_with("_bias") {
            (row, left) = (0, self.tensors.length(&origin.tensor) / if origin.fused.is_some() { 3 } else { 1 });
        }
        let Some((head_dim, part)) = origin.fused else {
            let mut values = self.tensors.read(&origin.tensor, row * columns, left * columns)?;
            if let Some(types) = &origin.plus {
                let first = self.tensors.read(types, 0, columns)?;
                for (value, more) in values.iter_mut().zip(first.iter().cycle()) {
                    *value += more;
                }
            }
            return Ok(values);
        };
        // Rows lie as heads x (query, key, value) x head_dim.
        let head_dim = u64::from(head_dim);
        let mut values = Vec::new();
        while left > 0 {
            let (head, at) = (row / head_dim, row % head_dim);
            let now = left.min(head_dim - at);
            let from = (head * 3 + u64::from(part)) * head_dim + at;
            values.extend(self.tensors.read(&origin.tensor, from * columns, now * columns)?);
            row += now;
            left -= now;
        }
        Ok(values)
    }
}

/// Published name of a section's tensor; for fused ones, which third.
fn tensor_name(family: Family, prefix: &str, section: &str) -> (String, Option<u32>) {
    let (layer, local) = match section.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
        Some((layer, local)) => (Some(layer), local),
        None => (None, section),
    };
    let (local, kind) = match local.strip_suffix("_bias") {
        Some(local) => (local, "bias"),
        None => (local, "weight"),
    };
    let part = match local {
        "q" => Some(0),
        "k" => Some(1),
        "v" => Some(2),
        _ => None,
    };
    let name = match (family, local) {
        (Family::Llama, "embed") => "model.embed_tokens",
        (Family::Llama, "q") => "self_attn.q_proj",
        (Family::Llama, "k") => "self_attn.k_proj",
        (Family::Llama, "v") => "self_attn.v_proj",
        (Family::Llama, "o") => "self_attn.o_proj",
        (Family::Llama, "attn_norm") => "input_layernorm",
        (Family::Llama, "ffn_norm") => "post_attention_layernorm",
        (Family::Llama, "gate") => "mlp.gate_proj",
        (Family::Llama, "up") => "mlp.up_proj",
        (Family::Llama, "down") => "mlp.down_proj",
        (Family::Llama, "norm") => "model.norm",
        (Family::Llama, "head") => "lm_head",
        (Family::NeoX, "embed") => "gpt_neox.embed_in",
        (Family::NeoX, "q" | "k" | "v") => "attention.query_key_value",
        (Family::NeoX, "o") => "attention.dense",
        (Family::NeoX, "attn_norm") => "input_layernorm",
        (Family::NeoX, "ffn_norm") => "post_attention_layernorm",
        (Family::NeoX, "up") => "mlp.dense_h_to_4h",
        (Family::NeoX, "down") => "mlp.dense_4h_to_h",
        (Family::NeoX, "norm") => "gpt_neox.final_layer_norm",
        (Family::NeoX, "head") => "embed_out",
        (Family::Bert, "embed") => "embeddings.word_embeddings",
        (Family::Bert, "positions") => "embeddings.position_embeddings",
        (Family::Bert, "embed_norm") => "embeddings.LayerNorm",
        (Family::Bert, "q") => "attention.self.query",
        (Family::Bert, "k") => "attention.self.key",
        (Family::Bert, "v") => "attention.self.value",
        (Family::Bert, "o") => "attention.output.dense",
        (Family::Bert, "attn_norm") => "attention.output.LayerNorm",
        (Family::Bert, "up") => "intermediate.dense",
        (Family::Bert, "down") => "output.dense",
        (Family::Bert, "ffn_norm") => "output.LayerNorm",
        (_, other) => other,
    };
    let layers = match family {
        Family::Llama => "model.layers",
        Family::NeoX => "gpt_neox.layers",
        Family::Bert => "encoder.layer",
        Family::Diffusion => unreachable!("folders of several parts have an importer of their own"),
    };
    let name = match layer {
        Some(layer) => format!("{prefix}{layers}.{layer}.{name}.{kind}"),
        None => format!("{prefix}{name}.{kind}"),
    };
    (name, part.filter(|_| family == Family::NeoX))
}

/// Tensors that published checkpoints carry beside the weights: masks, tables, heads of other tasks.
fn is_ignored(family: Family, name: &str) -> bool {
    match family {
        Family::Llama => name.ends_with(".rotary_emb.inv_freq"),
        Family::NeoX => {
            [".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"].iter().any(|end| name.ends_with(end))
        }
        Family::Diffusion => false,
        Family::Bert => name.contains("pooler.") || name.ends_with("position_ids") || name.starts_with("cls."),
    }
}

fn lacks(text: &str) -> ModelError {
    ModelError::HuggingFace { file: "tokenizer.json".to_owned(), reason: format!("there is no token `{text}`") }
}
