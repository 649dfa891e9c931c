//! The LLaMA family: RMSNorm, grouped-query attention with rotary positions, SwiGLU.
//!
//! A batch is a list of rows, one per token of any sequence. Linear layers see all rows at once, attention sees each
//! row with the cache of its own sequence.

use std::sync::Arc;

use noema_inference_api::ModelManifest;
use noema_numerics::{AttentionScratch, KvBlock, Lines, NumericsError};

use crate::compute::{Matrix, Quantised};
use crate::{CacheShape, Compute, KvCache, Logits, Model, ModelError, Step, Want};

/// Multiply-adds of an attention or vector step above which threads share it.
const PARALLEL_WORK_MIN: usize = 1 << 15;
/// Rows of one sequence that share a pass over keys and values.
const LINES_MAX: usize = 16;
/// Chunks of rows per thread in attention: later rows of a prompt take longer than earlier ones.
const ATTENTION_CHUNKS_PER_THREAD: usize = 8;

/// Weights of one layer.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attn_norm: Vec<f32>,
    pub(crate) q: Matrix,
    pub(crate) k: Matrix,
    pub(crate) v: Matrix,
    /// What is added to the results of `q`, `k`, `v`, where the file has it.
    pub(crate) biases: Option<Box<[Vec<f32>; 3]>>,
    pub(crate) o: Matrix,
    pub(crate) ffn_norm: Vec<f32>,
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

/// A model of the LLaMA family.
#[derive(Debug)]
pub(crate) struct Llama {
    pub(crate) manifest: Arc<ModelManifest>,
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
    pub(crate) embed: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) norm: Vec<f32>,
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

/// Buffers of one batch.
#[derive(Debug, Default)]
struct Scratch {
    /// The residual stream, rows x hidden.
    x: Vec<f32>,
    normed: Vec<f32>,
    input: Quantised,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    out: Vec<f32>,
}

/// First fault of each step.
type Faults = Vec<Option<NumericsError>>;

impl Model for Llama {
    fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn new_cache(&self) -> KvCache {
        KvCache::new(CacheShape::of(&self.manifest))
    }

    fn on_device(&self, device: &noema_cuda::Device) -> Result<Arc<dyn Model>, ModelError> {
        Ok(Arc::new(self.to_device(device)?))
    }

    fn forward(&self, compute: &Compute, steps: &mut [Step<'_>]) -> Vec<Result<Logits, ModelError>> {
        compute.run(|| {
            let refused: Vec<_> = steps.iter().map(|step| self.check(step).err()).collect();
            let mut rows = Vec::new();
            for (index, step) in steps.iter_mut().enumerate().filter(|(index, _)| refused[*index].is_none()) {
                let start = step.cache.len();
                step.cache.reserve(step.tokens.len());
                let row = |(i, &token)| Row { step: index, token, position: start + i };
                rows.extend(step.tokens.iter().enumerate().map(row));
            }
            let mut faults = vec![None; steps.len()];
            let logits = if rows.is_empty() { Vec::new() } else { self.run(compute, steps, &rows, &mut faults) };
            let mut logits = logits.into_iter();
            let finish = |((step, refused), fault): ((&mut Step<'_>, Option<ModelError>), Option<NumericsError>)| {
                if let Some(refused) = refused {
                    return Err(refused);
                }
                let count = match step.want {
                    Want::Nothing => 0,
                    Want::Last => 1,
                    Want::All => step.tokens.len(),
                };
                let vocab = self.manifest.vocab as usize;
                let values = logits.by_ref().take(count * vocab).collect();
                if let Some(fault) = fault {
                    return Err(fault.into());
                }
                step.cache.advance(step.tokens.len());
                Ok(Logits { vocab, values })
            };
            steps.iter_mut().zip(refused).zip(faults).map(finish).collect()
        })
    }
}

impl Llama {
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
    fn run(&self, compute: &Compute, steps: &mut [Step<'_>], rows: &[Row], faults: &mut Faults) -> Vec<f32> {
        let hidden = self.manifest.hidden as usize;
        let mut scratch = Scratch { x: vec![0.0; rows.len() * hidden], ..Scratch::default() };
        for (row, x) in rows.iter().zip(scratch.x.chunks_exact_mut(hidden)) {
            self.embed.embed(compute.arithmetic(), row.token as usize, x);
        }
        for (index, layer) in self.layers.iter().enumerate() {
            self.attention(compute, steps, rows, index, layer, &mut scratch, faults);
            self.feed_forward(compute, rows, layer, &mut scratch, faults);
        }
        // Every row is normed, wanted or not: whether a job fails must not depend on where its prompt was cut.
        self.norm(compute, rows, &self.norm, &mut scratch, faults);
        let wanted = |row: &Row| {
            let step = &steps[row.step];
            match step.want {
                Want::Nothing => false,
                Want::Last => row.position + 1 == step.cache.len() + step.tokens.len(),
                Want::All => true,
            }
        };
        let mut last = Quantised::default();
        for (i, _) in rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
            last.values.extend_from_slice(&scratch.input.values[i * hidden..][..hidden]);
            last.scales.push(scratch.input.scales[i]);
        }
        let mut logits = Vec::new();
        if !last.scales.is_empty() {
            compute.products(&last, &[self.head.as_ref().unwrap_or(&self.embed)], &mut [&mut logits]);
        }
        logits
    }

    /// Norms the residual stream and quantises the result.
    fn norm(&self, compute: &Compute, rows: &[Row], gain: &[f32], scratch: &mut Scratch, faults: &mut Faults) {
        let hidden = gain.len();
        scratch.normed.resize(rows.len() * hidden, 0.0);
        let epsilon = f32::from_bits(self.manifest.norm_epsilon_bits);
        let x = &scratch.x;
        let big = rows.len() * hidden >= PARALLEL_WORK_MIN;
        let results = compute.map_chunks(big, &mut scratch.normed, hidden, |i, normed| {
            compute.arithmetic().rms_norm(&x[i * hidden..][..hidden], gain, epsilon, normed)
        });
        note(faults, rows, results);
        quantise(compute, rows, &scratch.normed, hidden, &mut scratch.input, faults);
    }

    #[allow(clippy::too_many_arguments, reason = "one layer over one batch, called once")]
    fn attention(
        &self,
        compute: &Compute,
        steps: &mut [Step<'_>],
        rows: &[Row],
        index: usize,
        layer: &Layer,
        scratch: &mut Scratch,
        faults: &mut Faults,
    ) {
        self.norm(compute, rows, &layer.attn_norm, scratch, faults);
        let Scratch { x, input, q, k, v, out, .. } = scratch;
        compute.products(input, &[&layer.q, &layer.k, &layer.v], &mut [&mut *q, &mut *k, &mut *v]);
        for (values, bias) in
            [&mut *q, &mut *k, &mut *v].into_iter().zip(layer.biases.iter().flat_map(|all| all.iter()))
        {
            values.chunks_exact_mut(bias.len()).for_each(|row| compute.arithmetic().add(row, bias));
        }
        let (head_dim, half) = (self.manifest.head_dim as usize, self.manifest.head_dim as usize / 2);
        let (query, shared) = (layer.q.rows(), layer.k.rows());
        for (i, row) in rows.iter().enumerate() {
            let (cos, sin) = (&self.cos[row.position * half..][..half], &self.sin[row.position * half..][..half]);
            let (q, k) = (&mut q[i * query..][..query], &mut k[i * shared..][..shared]);
            for head in q.chunks_exact_mut(head_dim).chain(k.chunks_exact_mut(head_dim)) {
                compute.arithmetic().rope(head, cos, sin);
            }
            steps[row.step].cache.write(index, row.position, k, &v[i * shared..][..shared]);
        }
        self.attend(compute, steps, rows, index, q, out, faults);
        quantise(compute, rows, out, query, input, faults);
        compute.products(input, &[&layer.o], &mut [&mut *out]);
        compute.arithmetic().add(x, out);
    }

    /// Attention of all heads of all rows: `out` becomes rows x heads x head_dim.
    #[allow(clippy::too_many_arguments, reason = "one layer over one batch, called once")]
    fn attend(
        &self,
        compute: &Compute,
        steps: &[Step<'_>],
        rows: &[Row],
        layer: usize,
        q: &[f32],
        out: &mut Vec<f32>,
        faults: &mut Faults,
    ) {
        let [heads, kv_heads, head_dim] =
            [self.manifest.heads, self.manifest.kv_heads, self.manifest.head_dim].map(|x| x as usize);
        // Steps that were refused may hold caches of another shape.
        let shape = CacheShape::of(&self.manifest);
        let heads_of = |step: &Step<'_>| if step.cache.shape() == shape { kv_heads } else { 0 };
        let blocks_of = |step| (0..heads_of(step)).map(|head| step.cache.blocks(layer, head)).collect();
        let blocks: Vec<Vec<Vec<KvBlock<'_>>>> = steps.iter().map(blocks_of).collect();
        // Written over, all of it; so are the other buffers that are resized here.
        out.resize(q.len(), 0.0);
        let reads: usize = rows.iter().map(|row| row.position + 1).sum();
        let big = reads * q.len() / rows.len() >= PARALLEL_WORK_MIN;
        // Heads that share keys and values are computed together, and so are rows of one sequence; heads are spread
        // over threads only if there are too few rows.
        let (group, threads) = (heads / kv_heads * head_dim, compute.threads());
        let width = heads * head_dim;
        let few = rows.len() < 2 * threads;
        let lines = if few { 1 } else { rows.len().div_ceil(ATTENTION_CHUNKS_PER_THREAD * threads).min(LINES_MAX) };
        let chunk = if few { group } else { lines * width };
        let found = compute.map_chunks(big, out, chunk, |i, out| {
            let mut scratch = AttentionScratch::default();
            let mut found = Vec::new();
            if few {
                let (row, head) = (rows[i / kv_heads], i % kv_heads);
                let (blocks, queries) = (&blocks[row.step][head], &q[i * group..][..group]);
                let result =
                    compute.arithmetic().attend_group(queries, head_dim, blocks, row.position + 1, &mut scratch, out);
                found.extend(result.err().map(|fault| (row.step, fault)));
                return found;
            }
            let mut rest = &rows[i * lines..][..out.len() / width];
            let mut queries = &q[i * chunk..][..out.len()];
            let mut out = out;
            while let Some(&first) = rest.first() {
                let count = rest.iter().take_while(|row| row.step == first.step).count();
                let (now, later) = out.split_at_mut(count * width);
                for head in 0..kv_heads {
                    let lines = Lines { count, width, from: head * group, columns: group };
                    let (queries, blocks) = (&queries[..count * width], &blocks[first.step][head]);
                    let len = first.position + 1;
                    let attended =
                        compute.arithmetic().attend_lines(queries, lines, head_dim, blocks, len, &mut scratch, now);
                    found.extend(attended.err().map(|fault| (first.step, fault)));
                }
                (rest, queries, out) = (&rest[count..], &queries[count * width..], later);
            }
            found
        });
        for (step, fault) in found.into_iter().flatten() {
            faults[step].get_or_insert(fault);
        }
    }

    fn feed_forward(&self, compute: &Compute, rows: &[Row], layer: &Layer, scratch: &mut Scratch, faults: &mut Faults) {
        self.norm(compute, rows, &layer.ffn_norm, scratch, faults);
        let Scratch { x, input, q: gate, k: up, out, .. } = scratch;
        compute.products(input, &[&layer.gate, &layer.up], &mut [&mut *gate, &mut *up]);
        let width = layer.gate.rows();
        let big = gate.len() >= PARALLEL_WORK_MIN;
        compute.map_chunks(big, gate, width, |i, gate| compute.arithmetic().silu_mul(gate, &up[i * width..][..width]));
        quantise(compute, rows, gate, width, input, faults);
        compute.products(input, &[&layer.down], &mut [&mut *out]);
        compute.arithmetic().add(x, out);
    }
}

/// Quantises rows of `width` values. A row that fails counts as zeros, so that the other rows can go on.
fn quantise(compute: &Compute, rows: &[Row], values: &[f32], width: usize, out: &mut Quantised, faults: &mut Faults) {
    out.values.resize(values.len(), 0);
    let big = values.len() >= PARALLEL_WORK_MIN;
    let results = compute.map_chunks(big, &mut out.values, width, |i, q| {
        let scale = compute.arithmetic().quantise(&values[i * width..][..width], q);
        if scale.is_err() {
            q.fill(0);
        }
        scale
    });
    out.scales.clear();
    out.scales.extend(results.iter().map(|scale| scale.as_ref().map_or(0.0, |scale| *scale)));
    note(faults, rows, results);
}

/// Keeps the first fault of each step.
fn note<T>(faults: &mut Faults, rows: &[Row], results: Vec<Result<T, NumericsError>>) {
    for (row, result) in rows.iter().zip(results) {
        if let Err(fault) = result {
            faults[row.step].get_or_insert(fault);
        }
    }
}
