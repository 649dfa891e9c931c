//! The yardstick of quality: a LLaMA GGUF in f32, with candle's tensors and no code of this crate.
//!
//! ```text
//! reference GGUF score          < ids    per line: nats of all tokens after the first, then the likeliest next tokens
//! reference GGUF greedy N E,E   < ids    per line, all of one length: up to N likeliest next tokens, the ends E included
//! ```
//!
//! A line of ids is numbers with spaces between. Weights are dequantised as the file's format says; everything else is
//! written from the published description of the architecture. Sequences start with nothing before them.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Write};

use candle_core::quantized::gguf_file::Content;
use candle_core::{D, DType, Device, Result, Tensor};

struct Layer {
    attn_norm: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    o: Tensor,
    ffn_norm: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
}

struct Reference {
    embed: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Tensor,
    heads: usize,
    kv_heads: usize,
    base: f32,
    epsilon: f32,
}

/// Keys and values of each layer, `batch x kv_heads x positions x head_dim`.
type Cache = Vec<Option<(Tensor, Tensor)>>;

impl Reference {
    fn read(path: &str) -> std::result::Result<Self, Box<dyn Error>> {
        let mut source = BufReader::new(File::open(path)?);
        let content = Content::read(&mut source)?;
        let value = |key: &str| content.metadata.get(key).ok_or_else(|| format!("the file does not say {key}"));
        let number = |key: &str| Ok::<_, Box<dyn Error>>(value(key)?.to_u32()? as usize);
        let count = number("llama.block_count")?;
        let (heads, kv_heads) = (number("llama.attention.head_count")?, number("llama.attention.head_count_kv")?);
        let base = value("llama.rope.freq_base")?.to_f32()?;
        let epsilon = value("llama.attention.layer_norm_rms_epsilon")?.to_f32()?;
        let mut tensor =
            |name: &str| content.tensor(&mut source, &format!("{name}.weight"), &Device::Cpu)?.dequantize(&Device::Cpu);
        let mut layers = Vec::new();
        for i in 0..count {
            let mut part = |name: &str| tensor(&format!("blk.{i}.{name}"));
            layers.push(Layer {
                attn_norm: part("attn_norm")?,
                q: part("attn_q")?,
                k: part("attn_k")?,
                v: part("attn_v")?,
                o: part("attn_output")?,
                ffn_norm: part("ffn_norm")?,
                gate: part("ffn_gate")?,
                up: part("ffn_up")?,
                down: part("ffn_down")?,
            });
        }
        let embed = tensor("token_embd")?;
        let is_tied = !content.tensor_infos.contains_key("output.weight");
        let head = if is_tied { embed.clone() } else { tensor("output")? };
        Ok(Self { head, embed, layers, norm: tensor("output_norm")?, heads, kv_heads, base, epsilon })
    }

    /// Logits, `batch x tokens x vocabulary`, of sequences that all have the same length.
    fn forward(&self, batch: &[Vec<u32>], cache: &mut Cache, only_last: bool) -> Result<Tensor> {
        let device = &Device::Cpu;
        let (count, hidden) = (batch[0].len(), self.embed.dim(1)?);
        let head_dim = self.layers[0].q.dim(0)? / self.heads;
        cache.resize(self.layers.len(), None);
        let seen = cache[0].as_ref().map_or(Ok(0), |(keys, _)| keys.dim(2))?;
        let (cos, sin) = self.angles(seen, count, head_dim)?;
        let mask: Vec<f32> = (0..count * (seen + count))
            .map(|i| if i % (seen + count) > seen + i / (seen + count) { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let mask = Tensor::from_vec(mask, (count, seen + count), device)?;
        let mut x = self.embed.index_select(&Tensor::new(batch.concat(), device)?, 0)?;
        for (layer, cache) in self.layers.iter().zip(cache) {
            let normed = candle_nn::ops::rms_norm(&x, &layer.attn_norm, self.epsilon)?;
            let split = |weights: &Tensor, heads: usize| {
                let all = normed.matmul(&weights.t()?)?.reshape((batch.len(), count, heads, head_dim))?;
                all.transpose(1, 2)?.contiguous()
            };
            let q = candle_nn::rotary_emb::rope_i(&split(&layer.q, self.heads)?, &cos, &sin)?;
            let mut k = candle_nn::rotary_emb::rope_i(&split(&layer.k, self.kv_heads)?, &cos, &sin)?;
            let mut v = split(&layer.v, self.kv_heads)?;
            if let Some((keys, values)) = cache.as_ref() {
                k = Tensor::cat(&[keys, &k], 2)?;
                v = Tensor::cat(&[values, &v], 2)?;
            }
            let shared = |x: &Tensor| {
                let groups = self.heads / self.kv_heads;
                let wide = x.unsqueeze(2)?.expand((batch.len(), self.kv_heads, groups, seen + count, head_dim))?;
                wide.reshape((batch.len(), self.heads, seen + count, head_dim))
            };
            let scores = (q.matmul(&shared(&k)?.t()?)? / (head_dim as f64).sqrt())?.broadcast_add(&mask)?;
            let mixed = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&shared(&v)?)?;
            *cache = Some((k, v));
            let mixed = mixed.transpose(1, 2)?.reshape((batch.len() * count, self.heads * head_dim))?;
            x = (x + mixed.matmul(&layer.o.t()?)?)?;
            let normed = candle_nn::ops::rms_norm(&x, &layer.ffn_norm, self.epsilon)?;
            let gate = candle_nn::ops::silu(&normed.matmul(&layer.gate.t()?)?)?;
            x = (x + (gate * normed.matmul(&layer.up.t()?)?)?.matmul(&layer.down.t()?)?)?;
        }
        let mut x = x.reshape((batch.len(), count, hidden))?;
        if only_last {
            x = x.narrow(1, count - 1, 1)?;
        }
        let rows = x.dim(1)?;
        let x = x.contiguous()?.reshape((batch.len() * rows, hidden))?;
        let logits = candle_nn::ops::rms_norm(&x, &self.norm, self.epsilon)?.matmul(&self.head.t()?)?;
        logits.reshape((batch.len(), rows, ()))
    }

    fn angles(&self, start: usize, count: usize, head_dim: usize) -> Result<(Tensor, Tensor)> {
        let frequencies: Vec<f32> =
            (0..head_dim).step_by(2).map(|i| 1.0 / self.base.powf(i as f32 / head_dim as f32)).collect();
        let frequencies = Tensor::from_vec(frequencies, (1, head_dim / 2), &Device::Cpu)?;
        let positions = Tensor::arange(start as u32, (start + count) as u32, &Device::Cpu)?;
        let angles = positions.to_dtype(DType::F32)?.reshape((count, 1))?.matmul(&frequencies)?;
        Ok((angles.cos()?, angles.sin()?))
    }
}

fn argmax(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (i, value)| if *value > row[best] { i } else { best })
}

/// Negative log-likelihood in double precision.
fn surprise(row: &[f32], token: u32) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = row.iter().map(|value| f64::from(value - most).exp()).sum();
    total.ln() - f64::from(row[token as usize] - most)
}

fn score(model: &Reference, tokens: &[u32], out: &mut dyn Write) -> std::result::Result<(), Box<dyn Error>> {
    let logits = model.forward(&[tokens.to_vec()], &mut Cache::new(), false)?.squeeze(0)?.to_vec2::<f32>()?;
    let nats: f64 = logits.iter().zip(&tokens[1..]).map(|(row, &next)| surprise(row, next)).sum();
    let likeliest: Vec<_> = logits.iter().map(|row| argmax(row).to_string()).collect();
    writeln!(out, "{nats} {}", likeliest.join(" "))?;
    Ok(())
}

fn greedy(model: &Reference, prompts: &[Vec<u32>], count: usize, ends: &[u32]) -> Result<Vec<Vec<u32>>> {
    let mut cache = Cache::new();
    let mut answers = vec![Vec::new(); prompts.len()];
    let mut batch = prompts.to_vec();
    for _ in 0..count {
        let logits = model.forward(&batch, &mut cache, true)?.squeeze(1)?.to_vec2::<f32>()?;
        batch = logits.iter().map(|row| vec![argmax(row) as u32]).collect();
        for (answer, next) in answers.iter_mut().zip(&batch) {
            if !answer.last().is_some_and(|last| ends.contains(last)) {
                answer.push(next[0]);
            }
        }
    }
    Ok(answers)
}

fn numbers(text: &str, separator: char) -> std::result::Result<Vec<u32>, std::num::ParseIntError> {
    text.split(separator).filter(|word| !word.is_empty()).map(str::parse).collect()
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let lines = std::io::read_to_string(std::io::stdin())?;
    let sequences = lines.lines().map(|line| numbers(line, ' ')).collect::<std::result::Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [gguf, "score"] => {
            let model = Reference::read(gguf)?;
            sequences.iter().try_for_each(|tokens| score(&model, tokens, &mut out))
        }
        [gguf, "greedy", count, ends] => {
            let model = Reference::read(gguf)?;
            for answer in greedy(&model, &sequences, count.parse()?, &numbers(ends, ',')?)? {
                let words: Vec<_> = answer.iter().map(u32::to_string).collect();
                writeln!(out, "{}", words.join(" "))?;
            }
            Ok(())
        }
        _ => Err("usage: reference GGUF score | greedy N END,END  < lines of ids".into()),
    }
}
