//! The BERT family: an encoder whose tokens see each other in both directions. It embeds texts.
//!
//! `x = norm(word + position)`, then per layer `x = norm(x + o(attention(x)))`, `x = norm(x + down(gelu(up(x))))`; the
//! embedding is the direction of the first token's row, or of the sum of all rows.

use std::sync::Arc;

use noema_inference_api::ModelManifest;
use noema_numerics::limits::BLOCK;
use noema_numerics::{AttentionScratch, KvBlock};

use crate::blocks::{Attention, Batch, FeedForward, Linear, Norm, PARALLEL_WORK_MIN};
use crate::compute::Matrix;
use crate::extension::Pooling;
use crate::limits::EMBED_ROWS_MAX;
use crate::{Compute, Embedder, ModelError};

/// Weights of one layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attention: Attention,
    pub(crate) attn_norm: Norm,
    pub(crate) feed_forward: FeedForward,
    pub(crate) ffn_norm: Norm,
}

/// A model of the BERT family.
#[derive(Debug)]
pub(crate) struct Bert {
    pub(crate) manifest: Arc<ModelManifest>,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) pooling: Pooling,
    pub(crate) embed: Matrix,
    /// One row per position; the vector of the only token type is part of it.
    pub(crate) positions: Vec<f32>,
    pub(crate) embed_norm: Norm,
    pub(crate) layers: Vec<Layer>,
}

/// Keys and values of one head of one text, in the blocks that attention reads.
pub(crate) struct Head {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Embedder for Bert {
    fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn embed(&self, compute: &Compute, texts: &[&[u32]]) -> Vec<Result<Vec<i8>, ModelError>> {
        let mut results = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            // As many texts at once as bounded memory allows, at least one.
            let mut rows = 0;
            let fits = |text: &&&[u32]| {
                rows += text.len() + 2;
                rows <= EMBED_ROWS_MAX
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            results.extend(compute.run(|| self.embed_batch(compute, now)));
            rest = later;
        }
        results
    }
}

impl Bert {
    fn embed_batch(&self, compute: &Compute, texts: &[&[u32]]) -> Vec<Result<Vec<i8>, ModelError>> {
        let checks: Vec<Result<(), ModelError>> = texts.iter().map(|text| self.check(text)).collect();
        let mut owners = Vec::new();
        let mut starts = Vec::new();
        let mut tokens = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            starts.push(tokens.len());
            if checks[index].is_ok() {
                tokens.push(self.first);
                tokens.extend_from_slice(text);
                tokens.push(self.last);
                owners.resize(tokens.len(), index);
            }
        }
        starts.push(tokens.len());
        let mut batch = Batch { compute, owners, faults: vec![None; texts.len()] };
        let x = if tokens.is_empty() { Vec::new() } else { self.run(&mut batch, &tokens, &starts) };
        let hidden = self.manifest.hidden as usize;
        let mut results = Vec::new();
        for (index, check) in checks.into_iter().enumerate() {
            let rows = &x[starts[index] * hidden..starts[index + 1] * hidden];
            results.push(check.and_then(|()| match batch.faults[index].take() {
                Some(fault) => Err(fault.into()),
                None => self.pool(compute, rows),
            }));
        }
        results
    }

    fn check(&self, text: &[u32]) -> Result<(), ModelError> {
        let ModelManifest { vocab, context, .. } = *self.manifest;
        if let Some(&token) = text.iter().find(|&&token| token >= vocab) {
            return Err(ModelError::TokenOutOfRange { token, vocab });
        }
        let tokens = text.len() as u64 + 2;
        if tokens > context.into() {
            return Err(ModelError::ContextExceeded { tokens, context });
        }
        Ok(())
    }

    fn pool(&self, compute: &Compute, rows: &[f32]) -> Result<Vec<i8>, ModelError> {
        let hidden = self.manifest.hidden as usize;
        let mut sum = rows[..hidden].to_vec();
        if self.pooling == Pooling::Mean {
            for row in rows[hidden..].chunks_exact(hidden) {
                compute.arithmetic().add(&mut sum, row);
            }
        }
        let mut out = vec![0; hidden];
        compute.arithmetic().unit_bytes(&sum, &mut out)?;
        Ok(out)
    }

    /// The last layer's rows.
    fn run(&self, batch: &mut Batch<'_>, tokens: &[u32], starts: &[usize]) -> Vec<f32> {
        let hidden = self.manifest.hidden as usize;
        let epsilon = f32::from_bits(self.manifest.norm_epsilon_bits);
        let arithmetic = batch.compute.arithmetic();
        let mut sum = vec![0.0; tokens.len() * hidden];
        for (i, (&token, row)) in tokens.iter().zip(sum.chunks_exact_mut(hidden)).enumerate() {
            let (token, position) = (token as usize, i - starts[batch.owners[i]]);
            self.embed.embed(arithmetic, token, row);
            arithmetic.add(row, &self.positions[position * hidden..][..hidden]);
        }
        let mut x = Vec::new();
        batch.norm(&self.embed_norm, epsilon, &sum, &mut x);
        for layer in &self.layers {
            let input = batch.quantise(&x, hidden);
            let [q, k, v] = [&layer.attention.q, &layer.attention.k, &layer.attention.v]
                .map(|part: &Linear| batch.linear(part, &input));
            let attended = self.attend(batch, &q, &k, &v, starts);
            let input = batch.quantise(&attended, layer.attention.q.bias.len());
            arithmetic.add(&mut x, &batch.linear(&layer.attention.o, &input));
            batch.norm(&layer.attn_norm, epsilon, &x, &mut sum);
            let input = batch.quantise(&sum, hidden);
            arithmetic.add(&mut sum, &batch.feed_forward(&layer.feed_forward, &input));
            batch.norm(&layer.ffn_norm, epsilon, &sum, &mut x);
        }
        x
    }

    /// Every token of a text reads all tokens of the text.
    fn attend(&self, batch: &mut Batch<'_>, q: &[f32], k: &[f32], v: &[f32], starts: &[usize]) -> Vec<f32> {
        let (heads, head_dim) = (self.manifest.heads as usize, self.manifest.head_dim as usize);
        let width = heads * head_dim;
        let parts: Vec<Vec<Head>> = starts
            .windows(2)
            .map(|ends| {
                let rows = ends[0] * width..ends[1] * width;
                (0..heads).map(|head| Head::new(&k[rows.clone()], &v[rows.clone()], head, head_dim, width)).collect()
            })
            .collect();
        let mut out = vec![0.0; q.len()];
        let (compute, owners) = (batch.compute, &batch.owners);
        let results = compute.map_chunks(q.len() >= PARALLEL_WORK_MIN, &mut out, head_dim, |i, out| {
            let owner = owners[i / heads];
            let blocks = parts[owner][i % heads].blocks(head_dim);
            let len = starts[owner + 1] - starts[owner];
            compute.arithmetic().attend(
                &q[i * head_dim..][..head_dim],
                &blocks,
                len,
                &mut AttentionScratch::default(),
                out,
            )
        });
        batch.note(results);
        out
    }
}

impl Head {
    /// Takes one head out of rows of all heads.
    pub(crate) fn new(k: &[f32], v: &[f32], head: usize, head_dim: usize, width: usize) -> Self {
        let room = (k.len() / width).next_multiple_of(BLOCK) * head_dim;
        let mut this = Self { keys: vec![0.0; room], values: vec![0.0; room] };
        for (position, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
            let block = position / BLOCK * BLOCK * head_dim;
            for (d, value) in k[head * head_dim..][..head_dim].iter().enumerate() {
                this.keys[block + d * BLOCK + position % BLOCK] = *value;
            }
            this.values[position * head_dim..][..head_dim].copy_from_slice(&v[head * head_dim..][..head_dim]);
        }
        this
    }

    pub(crate) fn blocks(&self, head_dim: usize) -> Vec<KvBlock<'_>> {
        let size = BLOCK * head_dim;
        let pairs = self.keys.chunks_exact(size).zip(self.values.chunks_exact(size));
        pairs.map(|(keys, values)| KvBlock { keys, values }).collect()
    }
}
