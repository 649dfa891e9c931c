//! Reads GGUF files of the LLaMA and Qwen 2 architectures, through candle.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::ggml_file::qtensor_from_ggml;
use candle_core::quantized::gguf_file::{Content, TensorInfo, Value};
use noema_inference_api::{Family, ModelManifest, NUMERICS_VERSION, SpecialTokens};

use super::{SCALINGS, thousandths, unsupported};
use crate::ModelError;
use crate::format::{Extension, SectionKind, Stretch, WeightSource, directory_with};

/// Texts of special tokens that end an answer, whatever the file names as its end token.
pub(super) const END_TEXTS: [&str; 5] = ["<|endoftext|>", "<|im_end|>", "<|end_of_text|>", "<|eot_id|>", "</s>"];
/// An open GGUF file.
pub struct GgufFile<R> {
    pub(super) content: Content,
    source: R,
    length: u64,
    head_dim: u32,
    /// Whether rotary rows lie as interleaved pairs.
    is_interleaved: bool,
}

impl<R> fmt::Debug for GgufFile<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GgufFile").field("tensors", &self.content.tensor_infos.len()).finish_non_exhaustive()
    }
}

impl<R: Read + Seek> GgufFile<R> {
    /// Reads the metadata and the list of tensors.
    ///
    /// # Errors
    /// [`ModelError::Gguf`].
    pub fn open(mut source: R) -> Result<Self, ModelError> {
        let length = source.seek(SeekFrom::End(0)).map_err(ModelError::io("reading the gguf file"))?;
        source.rewind().map_err(ModelError::io("reading the gguf file"))?;
        // candle divides by the alignment that the file names, which may be zero.
        let content = catch_unwind(AssertUnwindSafe(|| Content::read(&mut source)))
            .map_err(|_| ModelError::Gguf("its header is malformed".to_owned()))?
            .map_err(|error| ModelError::Gguf(error.to_string()))?;
        Ok(Self { content, source, length, head_dim: 0, is_interleaved: false })
    }

    /// The manifest that the metadata describe.
    ///
    /// # Errors
    /// [`ModelError::Gguf`] for missing metadata, [`ModelError::Unsupported`] for another architecture.
    pub fn manifest(&mut self) -> Result<ModelManifest, ModelError> {
        let architecture = self.architecture()?.to_owned();
        self.refuse_variants()?;
        let key = |name: &str| format!("{architecture}.{name}");
        let number = |name: &str| self.number(&key(name));
        let (hidden, heads) = (number("embedding_length")?, number("attention.head_count")?);
        let kv_heads = self.optional_number(&key("attention.head_count_kv"))?.unwrap_or(heads);
        let head_dim = match self.optional_number(&key("attention.key_length"))? {
            Some(head_dim) => head_dim,
            None => hidden.checked_div(heads).ok_or_else(|| ModelError::Gguf("there are no heads".to_owned()))?,
        };
        for key in ["rope.dimension_count", "attention.value_length"].map(key) {
            if let Some(width) = self.optional_number(&key)?.filter(|&width| width != head_dim) {
                return Err(unsupported(&key, &width.to_string(), "the width of a head"));
            }
        }
        let vocab = self.array("tokenizer.ggml.tokens")?.len();
        let manifest = ModelManifest {
            name: self.name(),
            numerics: NUMERICS_VERSION,
            family: Family::Llama,
            layers: number("block_count")?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            feed_forward: number("feed_forward_length")?,
            vocab: u32::try_from(vocab).unwrap_or(u32::MAX),
            context: number("context_length")?,
            rope_base: self.rope_base()?,
            rope_scaling: self.stretch()?.scaling(),
            norm_epsilon_bits: self.float(&key("attention.layer_norm_rms_epsilon"))?.to_bits(),
            tied_head: !self.content.tensor_infos.contains_key("output.weight"),
            special: self.special_tokens()?,
            chat_template: self.optional_text("tokenizer.chat_template").unwrap_or_default().to_owned(),
            license: spdx(self.optional_text("general.license").unwrap_or_default()),
        };
        self.head_dim = head_dim;
        self.is_interleaved = architecture == "llama";
        Ok(manifest)
    }

    /// What the manifest does not say.
    ///
    /// # Errors
    /// As [`GgufFile::manifest`].
    pub fn extension(&self) -> Result<Extension, ModelError> {
        let biases = self.content.tensor_infos.contains_key("blk.0.attn_q.bias");
        let stretch = self.stretch()?;
        let is_plain = !biases && stretch == Stretch::None;
        Ok(if is_plain { Extension::None } else { Extension::Llama { biases, stretch } })
    }

    /// How rotary angles are stretched: by one factor that the metadata name, or by a tensor with one per frequency.
    fn stretch(&self) -> Result<Stretch, ModelError> {
        let key = |name: &str| Ok::<_, ModelError>(format!("{}.rope.{name}", self.architecture()?));
        let kind = self.optional_text(&key("scaling.type")?).unwrap_or("linear");
        let mut factor = 1.0;
        for name in ["scaling.factor", "scale_linear"] {
            if self.content.metadata.contains_key(&key(name)?) {
                factor = self.float(&key(name)?)?;
                break;
            }
        }
        // Zero stands for none.
        let is_plain = kind == "none" || factor == 1.0 || factor == 0.0;
        match (kind, self.content.tensor_infos.contains_key("rope_freqs.weight")) {
            ("none" | "linear", true) if is_plain => Ok(Stretch::Factors),
            ("none" | "linear", false) if is_plain => Ok(Stretch::None),
            ("linear", false) => {
                Ok(Stretch::Linear { factor_milli: thousandths("rotary scaling", f64::from(factor))? })
            }
            _ => Err(unsupported("rotary scaling", kind, SCALINGS)),
        }
    }

    fn architecture(&self) -> Result<&str, ModelError> {
        match self.text("general.architecture")? {
            name @ ("llama" | "qwen2") => Ok(name),
            other => Err(unsupported("architecture", other, "llama, qwen2")),
        }
    }

    /// Checks that every tensor is there, has the right shape and a kind that can be read, and that none is left over.
    ///
    /// # Errors
    /// [`ModelError::Gguf`] and [`ModelError::Unsupported`] name the tensor.
    pub fn check_tensors(&self, manifest: &ModelManifest) -> Result<(), ModelError> {
        let mut wanted = BTreeMap::new();
        for section in directory_with(manifest, &self.extension()?, 0)? {
            if section.kind != SectionKind::Bytes && !["rope.cos", "rope.sin"].contains(&section.name.as_str()) {
                wanted.insert(tensor_name(&section.name), section);
            }
        }
        // One extra row is not enough to notice: names are compared in both directions.
        let mut names: Vec<_> = self.content.tensor_infos.keys().collect();
        names.sort_unstable();
        if let Some(name) = names.into_iter().find(|name| !wanted.contains_key(*name)) {
            return Err(unsupported("tensor", name, "the tensors of a plain LLaMA model"));
        }
        for (name, section) in wanted {
            let info = self.tensor(&name)?;
            let shape: Vec<u64> = info.shape.dims().iter().map(|&size| size as u64).collect();
            let (rows, columns) = (u64::from(section.rows), u64::from(section.columns));
            let fits = if section.kind == SectionKind::F32 { shape == [columns] } else { shape == [rows, columns] };
            if !fits {
                return Err(ModelError::Gguf(format!("tensor {name} has the shape {shape:?}, not {rows} x {columns}")));
            }
            let row_bytes = row_bytes(&name, info, section.columns)?;
            let end = (self.content.tensor_data_offset.checked_add(info.offset))
                .and_then(|start| start.checked_add(rows * row_bytes as u64));
            if end.is_none_or(|end| end > self.length) {
                return Err(ModelError::Gguf(format!("tensor {name} reaches beyond the end of the file")));
            }
        }
        Ok(())
    }

    /// What would change the meaning of the weights without another tensor name.
    fn refuse_variants(&self) -> Result<(), ModelError> {
        let architecture = self.architecture()?;
        let experts = self.optional_number(&format!("{architecture}.expert_count"))?;
        if let Some(experts) = experts.filter(|&experts| experts != 0) {
            return Err(unsupported("number of experts", &experts.to_string(), "0"));
        }
        let key = format!("{architecture}.rope.scaling.attn_factor");
        if let Some(value) = self.content.metadata.get(&key).filter(|value| !value.to_f32().is_ok_and(|x| x == 1.0)) {
            return Err(unsupported(&key, &format!("{value:?}"), "1"));
        }
        Ok(())
    }

    fn name(&self) -> String {
        let text = |key| self.optional_text(key);
        match (text("general.basename"), text("general.size_label")) {
            (Some(base), Some(size)) => format!("{base}-{size}").to_lowercase(),
            _ => text("general.name").unwrap_or("unnamed").to_owned(),
        }
    }

    fn rope_base(&self) -> Result<u64, ModelError> {
        let key = format!("{}.rope.freq_base", self.architecture()?);
        let base = if self.content.metadata.contains_key(&key) { self.float(&key)? } else { 10_000.0 };
        // Compared before it is converted: the conversion saturates.
        let whole = base.is_finite() && base.fract() == 0.0 && (2.0..1e18).contains(&base);
        if whole { Ok(base as u64) } else { Err(unsupported("rotary base", &base.to_string(), "whole numbers from 2")) }
    }

    fn special_tokens(&self) -> Result<SpecialTokens, ModelError> {
        let number = |key: &str| self.optional_number(&format!("tokenizer.ggml.{key}_token_id"));
        let starts = match self.content.metadata.get("tokenizer.ggml.add_bos_token") {
            Some(value) => value.to_bool().map_err(|error| ModelError::Gguf(error.to_string()))?,
            None => {
                let is_sentence = self.optional_text("tokenizer.ggml.model") == Some("llama");
                is_sentence || self.optional_text("tokenizer.ggml.pre") == Some("llama-bpe")
            }
        };
        let bos = if starts { number("bos")? } else { None };
        let mut eos: Vec<u32> = [number("eos")?, number("eot")?, number("eom")?].into_iter().flatten().collect();
        let tokens = self.strings("tokenizer.ggml.tokens")?;
        let special = self.tokens()?.special;
        eos.extend(special.into_iter().filter(|&id| END_TEXTS.contains(&tokens[id as usize].as_str())));
        eos.sort_unstable();
        eos.dedup();
        Ok(SpecialTokens { bos, eos })
    }

    pub(super) fn value(&self, key: &str) -> Result<&Value, ModelError> {
        self.content.metadata.get(key).ok_or_else(|| ModelError::Gguf(format!("metadata lack `{key}`")))
    }

    pub(super) fn text(&self, key: &str) -> Result<&str, ModelError> {
        self.value(key)?.to_string().map(String::as_str).map_err(|error| ModelError::Gguf(format!("{key}: {error}")))
    }

    pub(super) fn optional_text(&self, key: &str) -> Option<&str> {
        self.text(key).ok()
    }

    fn number(&self, key: &str) -> Result<u32, ModelError> {
        let number = self.value(key)?.to_u64().ok().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| ModelError::Gguf(format!("`{key}` is not a 32-bit number")))
    }

    fn optional_number(&self, key: &str) -> Result<Option<u32>, ModelError> {
        if self.content.metadata.contains_key(key) { self.number(key).map(Some) } else { Ok(None) }
    }

    fn float(&self, key: &str) -> Result<f32, ModelError> {
        self.value(key)?.to_f32().map_err(|error| ModelError::Gguf(format!("{key}: {error}")))
    }

    pub(super) fn array(&self, key: &str) -> Result<&[Value], ModelError> {
        self.value(key)?.to_vec().map(Vec::as_slice).map_err(|_| ModelError::Gguf(format!("`{key}` is not an array")))
    }

    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>, ModelError> {
        let text = |value: &Value| value.to_string().cloned();
        let texts = self.array(key)?.iter().map(text).collect::<Result<_, _>>();
        texts.map_err(|_| ModelError::Gguf(format!("`{key}` holds more than strings")))
    }

    fn tensor(&self, name: &str) -> Result<&TensorInfo, ModelError> {
        self.content.tensor_infos.get(name).ok_or_else(|| ModelError::Gguf(format!("there is no tensor {name}")))
    }
}

impl<R: Read + Seek> WeightSource for GgufFile<R> {
    fn rows(&mut self, section: &str, start: u32, count: u32) -> Result<Vec<f32>, ModelError> {
        let name = tensor_name(section);
        let info = self.tensor(&name)?;
        let columns = info.shape.dims().last().copied().unwrap_or(0);
        let row_bytes = row_bytes(&name, info, columns as u32)?;
        let (kind, offset) = (info.ggml_dtype, self.content.tensor_data_offset + info.offset);
        let mut bytes = vec![0; count as usize * row_bytes];
        let read = (self.source.seek(SeekFrom::Start(offset + u64::from(start) * row_bytes as u64)))
            .and_then(|_| self.source.read_exact(&mut bytes));
        read.map_err(ModelError::io(format!("reading tensor {name}")))?;
        let values = dequantise(kind, &bytes, count as usize, columns)
            .map_err(|error| ModelError::Gguf(format!("tensor {name}: {error}")))?;
        let is_rotary = |suffix: &&str| section.ends_with(suffix);
        Ok(match self.head_dim as usize {
            head_dim if self.is_interleaved && [".q", ".k"].iter().any(is_rotary) => {
                split_pairs(&values, columns, head_dim)
            }
            head_dim if self.is_interleaved && [".q_bias", ".k_bias"].iter().any(is_rotary) => {
                split_pairs(&values, 1, head_dim)
            }
            _ => values,
        })
    }
}

/// The GGUF name of a section's tensor.
fn tensor_name(section: &str) -> String {
    if section == "rope.factors" {
        return "rope_freqs.weight".to_owned();
    }
    let (section, kind) = match section.strip_suffix("_bias") {
        Some(section) => (section, "bias"),
        None => (section, "weight"),
    };
    let local = |name: &str| {
        match name {
            "q" => "attn_q",
            "k" => "attn_k",
            "v" => "attn_v",
            "o" => "attn_output",
            "gate" => "ffn_gate",
            "up" => "ffn_up",
            "down" => "ffn_down",
            "embed" => "token_embd",
            "norm" => "output_norm",
            "head" => "output",
            other => return other.to_owned(),
        }
        .to_owned()
    };
    match section.strip_prefix("layers.").and_then(|rest| rest.split_once('.')) {
        Some((layer, name)) => format!("blk.{layer}.{}.{kind}", local(name)),
        None => format!("{}.{kind}", local(section)),
    }
}

fn row_bytes(name: &str, info: &TensorInfo, columns: u32) -> Result<usize, ModelError> {
    let kind = info.ggml_dtype;
    if matches!(kind, GgmlDType::Q8_1 | GgmlDType::Q8K) {
        let supported = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K";
        return Err(unsupported("tensor type", &format!("{kind:?}"), supported));
    }
    let columns = columns as usize;
    if !columns.is_multiple_of(kind.block_size()) {
        return Err(ModelError::Gguf(format!("tensor {name}: rows of {columns} are not whole blocks of {kind:?}")));
    }
    Ok(columns / kind.block_size() * kind.type_size())
}

/// Values of whole rows. Every format's rule is a handful of exact or singly rounded operations per value.
fn dequantise(kind: GgmlDType, bytes: &[u8], rows: usize, columns: usize) -> candle_core::Result<Vec<f32>> {
    match kind {
        GgmlDType::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        GgmlDType::F16 => Ok(bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()),
        GgmlDType::BF16 => {
            Ok(bytes.as_chunks::<2>().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect())
        }
        _ => {
            let tensor = qtensor_from_ggml(kind, bytes, vec![rows, columns], &Device::Cpu)?;
            tensor.dequantize(&Device::Cpu)?.flatten_all()?.to_vec1()
        }
    }
}

/// GGUF stores rotary rows of the LLaMA architecture as interleaved pairs `(2j, 2j + 1)`; ours are `(j, j + half)`.
fn split_pairs(values: &[f32], columns: usize, head_dim: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * columns) {
        for first in [0, 1] {
            for row in (first..head_dim).step_by(2) {
                out.extend_from_slice(&head[row * columns..][..columns]);
            }
        }
    }
    out
}

/// SPDX spelling of the licences that model files commonly name in lower case.
fn spdx(license: &str) -> String {
    match license {
        "apache-2.0" => "Apache-2.0",
        "mit" => "MIT",
        "cc-by-4.0" => "CC-BY-4.0",
        other => other,
    }
    .to_owned()
}
