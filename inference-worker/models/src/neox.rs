//! The GPT-NeoX family: layer norms, biases everywhere, partly rotated heads, GELU, parallel branches.
//!
//! A layer with parallel branches: `x = x + o(attention(norm1(x))) + down(gelu(up(norm2(x))))`, added in this order.
//! One without: `x = x + o(attention(norm1(x)))`, then `x = x + down(gelu(up(norm2(x))))`.

use std::sync::Arc;

use noema_inference_api::ModelManifest;
use noema_numerics::{AttentionScratch, KvBlock};

use crate::blocks::{Attention, Batch, FeedForward, Linear, Norm, PARALLEL_WORK_MIN};
use crate::compute::{Matrix, Quantised};
use crate::{CacheShape, Compute, KvCache, Logits, Model, ModelError, Step, Want};

/// Weights of one layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attn_norm: Norm,
    pub(crate) attention: Attention,
    pub(crate) ffn_norm: Norm,
    pub(crate) feed_forward: FeedForward,
}

/// A model of the GPT-NeoX family.
#[derive(Debug)]
pub(crate) struct NeoX {
    pub(crate) manifest: Arc<ModelManifest>,
    pub(crate) parallel: bool,
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    pub(crate) embed: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Norm,
    /// None if the head is the embedding table.
    pub(crate) head: Option<Matrix>,
}

/// One token of the batch.
#[derive(Debug, Clone, Copy)]
struct Row {
    step: usize,
    token: u32,
    position: usize,
}

impl Model for NeoX {
    fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn new_cache(&self) -> KvCache {
        KvCache::new(CacheShape::of(&self.manifest))
    }

    fn forward(&self, compute: &Compute, steps: &mut [Step<'_>]) -> Vec<Result<Logits, ModelError>> {
        compute.run(|| {
            let checks: Vec<_> = steps.iter().map(|step| self.check(step)).collect();
            let mut rows = Vec::new();
            for (index, step) in steps.iter_mut().enumerate().filter(|(index, _)| checks[*index].is_ok()) {
                let start = step.cache.len();
                step.cache.reserve(step.tokens.len());
                let row = |(i, &token)| Row { step: index, token, position: start + i };
                rows.extend(step.tokens.iter().enumerate().map(row));
            }
            let owners = rows.iter().map(|row| row.step).collect();
            let mut batch = Batch { compute, owners, faults: vec![None; steps.len()] };
            let logits = if rows.is_empty() { Vec::new() } else { self.run(&mut batch, steps, &rows) };
            let mut logits = logits.into_iter();
            let vocab = self.manifest.vocab as usize;
            let mut results = Vec::new();
            for ((step, check), fault) in steps.iter_mut().zip(checks).zip(batch.faults) {
                results.push(check.and_then(|()| {
                    let count = match step.want {
                        Want::Nothing => 0,
                        Want::Last => 1,
                        Want::All => step.tokens.len(),
                    };
                    let values = logits.by_ref().take(count * vocab).collect();
                    match fault {
                        Some(fault) => Err(fault.into()),
                        None => {
                            step.cache.advance(step.tokens.len());
                            Ok(Logits { vocab, values })
                        }
                    }
                }));
            }
            results
        })
    }
}

impl NeoX {
    fn check(&self, step: &Step<'_>) -> Result<(), ModelError> {
        let ModelManifest { vocab, context, .. } = *self.manifest;
        if !step.cache.is_local(CacheShape::of(&self.manifest)) {
            return Err(ModelError::ForeignCache);
        }
        if step.tokens.is_empty() {
            return Err(ModelError::EmptyStep);
        }
        if let Some(&token) = step.tokens.iter().find(|&&token| token >= vocab) {
            return Err(ModelError::TokenOutOfRange { token, vocab });
        }
        let tokens = step.cache.len() as u64 + step.tokens.len() as u64;
        if tokens > context.into() {
            return Err(ModelError::ContextExceeded { tokens, context });
        }
        Ok(())
    }

    /// Logits of all wanted rows, in order.
    fn run(&self, batch: &mut Batch<'_>, steps: &mut [Step<'_>], rows: &[Row]) -> Vec<f32> {
        let hidden = self.manifest.hidden as usize;
        let epsilon = f32::from_bits(self.manifest.norm_epsilon_bits);
        let (compute, arithmetic) = (batch.compute, batch.compute.arithmetic());
        let mut x = vec![0.0; rows.len() * hidden];
        for (row, x) in rows.iter().zip(x.chunks_exact_mut(hidden)) {
            let token = row.token as usize;
            self.embed.embed(arithmetic, token, x);
        }
        let mut normed = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            batch.norm(&layer.attn_norm, epsilon, &x, &mut normed);
            let input = batch.quantise(&normed, hidden);
            let attended = self.attention(batch, steps, rows, index, &layer.attention, &input);
            if !self.parallel {
                arithmetic.add(&mut x, &attended);
            }
            batch.norm(&layer.ffn_norm, epsilon, &x, &mut normed);
            let input = batch.quantise(&normed, hidden);
            let fed = batch.feed_forward(&layer.feed_forward, &input);
            if self.parallel {
                arithmetic.add(&mut x, &attended);
            }
            arithmetic.add(&mut x, &fed);
        }
        // Every row is normed, wanted or not: whether a job fails must not depend on where its prompt was cut.
        batch.norm(&self.norm, epsilon, &x, &mut normed);
        let input = batch.quantise(&normed, hidden);
        let mut last = Quantised::default();
        for (i, row) in rows.iter().enumerate() {
            let step = &steps[row.step];
            let wanted = match step.want {
                Want::Nothing => false,
                Want::Last => row.position + 1 == step.cache.len() + step.tokens.len(),
                Want::All => true,
            };
            if wanted {
                last.values.extend_from_slice(&input.values[i * hidden..][..hidden]);
                last.scales.push(input.scales[i]);
            }
        }
        let mut logits = Vec::new();
        if !last.scales.is_empty() {
            compute.products(&last, &[self.head.as_ref().unwrap_or(&self.embed)], &mut [&mut logits]);
        }
        logits
    }

    /// The attention branch of one layer, its last product included.
    fn attention(
        &self,
        batch: &mut Batch<'_>,
        steps: &mut [Step<'_>],
        rows: &[Row],
        index: usize,
        layers: &Attention,
        input: &Quantised,
    ) -> Vec<f32> {
        let [mut q, mut k, v] = [&layers.q, &layers.k, &layers.v].map(|part: &Linear| batch.linear(part, input));
        let (heads, head_dim) = (self.manifest.heads as usize, self.manifest.head_dim as usize);
        let width = heads * head_dim;
        // The tables are as wide as half of what is rotated.
        let half = self.cos.len() / self.manifest.context as usize;
        for (i, row) in rows.iter().enumerate() {
            let (cos, sin) = (&self.cos[row.position * half..][..half], &self.sin[row.position * half..][..half]);
            let (q, k) = (&mut q[i * width..][..width], &mut k[i * width..][..width]);
            for head in q.chunks_exact_mut(head_dim).chain(k.chunks_exact_mut(head_dim)) {
                batch.compute.arithmetic().rope(&mut head[..2 * half], cos, sin);
            }
            steps[row.step].cache.write(index, row.position, k, &v[i * width..][..width]);
        }
        let steps: &[Step<'_>] = steps;
        // Steps that were refused may hold caches of another shape.
        let shape = CacheShape::of(&self.manifest);
        let heads_of = |step: &Step<'_>| if step.cache.shape() == shape { heads } else { 0 };
        let blocks_of = |step| (0..heads_of(step)).map(|head| step.cache.blocks(index, head)).collect();
        let blocks: Vec<Vec<Vec<KvBlock<'_>>>> = steps.iter().map(blocks_of).collect();
        let mut out = vec![0.0; q.len()];
        let compute = batch.compute;
        let results = compute.map_chunks(q.len() >= PARALLEL_WORK_MIN, &mut out, head_dim, |i, out| {
            let row = rows[i / heads];
            let query = &q[i * head_dim..][..head_dim];
            let blocks = &blocks[row.step][i % heads];
            compute.arithmetic().attend(query, blocks, row.position + 1, &mut AttentionScratch::default(), out)
        });
        batch.note(results);
        let input = batch.quantise(&out, width);
        batch.linear(&layers.o, &input)
    }
}
