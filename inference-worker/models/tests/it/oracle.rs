//! An independent forward pass in f32: candle tensors, the layout of the GGUF file, no code of this crate.

use std::io::{Read, Seek};

use candle_core::quantized::gguf_file::Content;
use candle_core::{D, DType, Device, IndexOp, Tensor};

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

/// A LLaMA model as published.
pub(crate) struct Oracle {
    embed: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Tensor,
    heads: usize,
    kv_heads: usize,
    base: f32,
    epsilon: f32,
}

impl Oracle {
    pub(crate) fn read<R: Read + Seek>(mut source: R) -> Self {
        let content = Content::read(&mut source).expect("a gguf file");
        let number = |key: &str| content.metadata[&format!("llama.{key}")].to_u32().expect("a number") as usize;
        let float = |key: &str| content.metadata[&format!("llama.{key}")].to_f32().expect("a float");
        let mut tensor = |name: &str| {
            let tensor = content.tensor(&mut source, &format!("{name}.weight"), &Device::Cpu).expect("a tensor");
            tensor.dequantize(&Device::Cpu).expect("dequantises")
        };
        let layers = (0..number("block_count"))
            .map(|i| {
                let mut part = |name: &str| tensor(&format!("blk.{i}.{name}"));
                Layer {
                    attn_norm: part("attn_norm"),
                    q: part("attn_q"),
                    k: part("attn_k"),
                    v: part("attn_v"),
                    o: part("attn_output"),
                    ffn_norm: part("ffn_norm"),
                    gate: part("ffn_gate"),
                    up: part("ffn_up"),
                    down: part("ffn_down"),
                }
            })
            .collect();
        let embed = tensor("token_embd");
        let tied = !content.tensor_infos.contains_key("output.weight");
        Self {
            head: if tied { embed.clone() } else { tensor("output") },
            embed,
            layers,
            norm: tensor("output_norm"),
            heads: number("attention.head_count"),
            kv_heads: number("attention.head_count_kv"),
            base: float("rope.freq_base"),
            epsilon: float("attention.layer_norm_rms_epsilon"),
        }
    }

    /// Logits of every position.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Vec<Vec<f32>> {
        self.try_logits(tokens).expect("candle computes")
    }

    fn try_logits(&self, tokens: &[u32]) -> candle_core::Result<Vec<Vec<f32>>> {
        let device = &Device::Cpu;
        let (count, hidden) = (tokens.len(), self.embed.dim(1)?);
        let head_dim = self.layers[0].q.dim(0)? / self.heads;
        let mut x = self.embed.index_select(&Tensor::new(tokens, device)?, 0)?;
        let frequencies: Vec<f32> =
            (0..head_dim).step_by(2).map(|i| 1.0 / self.base.powf(i as f32 / head_dim as f32)).collect();
        let frequencies = Tensor::new(frequencies.as_slice(), device)?.reshape((1, head_dim / 2))?;
        let positions = Tensor::arange(0u32, count as u32, device)?.to_dtype(DType::F32)?.reshape((count, 1))?;
        let angles = positions.matmul(&frequencies)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let mask: Vec<f32> =
            (0..count * count).map(|i| if i % count > i / count { f32::NEG_INFINITY } else { 0.0 }).collect();
        let mask = Tensor::from_vec(mask, (count, count), device)?;
        for layer in &self.layers {
            let normed = candle_nn::ops::rms_norm(&x, &layer.attn_norm, self.epsilon)?;
            let split = |weights: &Tensor, heads: usize| {
                normed.matmul(&weights.t()?)?.reshape((1, count, heads, head_dim))?.transpose(1, 2)?.contiguous()
            };
            let q = candle_nn::rotary_emb::rope_i(&split(&layer.q, self.heads)?, &cos, &sin)?;
            let k = candle_nn::rotary_emb::rope_i(&split(&layer.k, self.kv_heads)?, &cos, &sin)?;
            let v = split(&layer.v, self.kv_heads)?;
            let mut outputs = Vec::new();
            for head in 0..self.heads {
                let shared = head / (self.heads / self.kv_heads);
                let scores = (q.i((0, head))?.matmul(&k.i((0, shared))?.t()?)? / (head_dim as f64).sqrt())?;
                let weights = candle_nn::ops::softmax(&(scores + &mask)?, D::Minus1)?;
                outputs.push(weights.matmul(&v.i((0, shared))?)?);
            }
            x = (x + Tensor::cat(&outputs, 1)?.matmul(&layer.o.t()?)?)?;
            let normed = candle_nn::ops::rms_norm(&x, &layer.ffn_norm, self.epsilon)?;
            let gate = candle_nn::ops::silu(&normed.matmul(&layer.gate.t()?)?)?;
            x = (x + (gate * normed.matmul(&layer.up.t()?)?)?.matmul(&layer.down.t()?)?)?;
        }
        assert_eq!(x.dims(), [count, hidden]);
        candle_nn::ops::rms_norm(&x, &self.norm, self.epsilon)?.matmul(&self.head.t()?)?.to_vec2()
    }
}
