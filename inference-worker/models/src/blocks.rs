//! What GPT-NeoX and BERT share: affine layers, layer norms, feed-forward layers with GELU, over rows of a batch.

use noema_numerics::NumericsError;

use crate::Compute;
use crate::compute::{Matrix, Quantised};

/// Multiply-adds of a vector step above which threads share it.
pub(crate) const PARALLEL_WORK_MIN: usize = 1 << 15;

/// A matrix and what is added to its results.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) matrix: Matrix,
    pub(crate) bias: Vec<f32>,
}

/// A layer norm.
#[derive(Debug)]
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// Query, key and value layers of one attention, and the layer after it.
#[derive(Debug)]
pub(crate) struct Attention {
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
}

/// Two layers with GELU between.
#[derive(Debug)]
pub(crate) struct FeedForward {
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    /// Whether GELU is the form by the hyperbolic tangent.
    pub(crate) is_tanh: bool,
}

/// One batch: how to compute, whose each row is, and the first fault of each owner.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) compute: &'a Compute,
    /// The sequence of each row.
    pub(crate) owners: Vec<usize>,
    /// First fault of each sequence.
    pub(crate) faults: Vec<Option<NumericsError>>,
}

impl Batch<'_> {
    /// Keeps the first fault of each owner; `results` holds the same number of results for every row.
    pub(crate) fn note<T>(&mut self, results: Vec<Result<T, NumericsError>>) {
        let per_row = (results.len() / self.owners.len().max(1)).max(1);
        for (i, result) in results.into_iter().enumerate() {
            if let Err(fault) = result {
                self.faults[self.owners[i / per_row]].get_or_insert(fault);
            }
        }
    }

    /// Norms each row of `x` into `out`.
    pub(crate) fn norm(&mut self, norm: &Norm, epsilon: f32, x: &[f32], out: &mut Vec<f32>) {
        let width = norm.gain.len();
        out.clear();
        out.resize(x.len(), 0.0);
        let results = self.compute.map_chunks(x.len() >= PARALLEL_WORK_MIN, out, width, |i, out| {
            self.compute.arithmetic().layer_norm(&x[i * width..][..width], &norm.gain, &norm.bias, epsilon, out)
        });
        self.note(results);
    }

    /// Quantises each row of `width` values. A row that fails counts as zeros, so that the other rows can go on.
    pub(crate) fn quantise(&mut self, values: &[f32], width: usize) -> Quantised {
        let mut quantised = Quantised { values: vec![0; values.len()], scales: Vec::new() };
        let big = values.len() >= PARALLEL_WORK_MIN;
        let results = self.compute.map_chunks(big, &mut quantised.values, width, |i, q| {
            let scale = self.compute.arithmetic().quantise(&values[i * width..][..width], q);
            if scale.is_err() {
                q.fill(0);
            }
            scale
        });
        quantised.scales = results.iter().map(|scale| scale.as_ref().map_or(0.0, |scale| *scale)).collect();
        self.note(results);
        quantised
    }

    /// `matrix * input + bias` for each row.
    pub(crate) fn linear(&self, layer: &Linear, input: &Quantised) -> Vec<f32> {
        let mut out = Vec::new();
        self.compute.products(input, &[&layer.matrix], &mut [&mut out]);
        for row in out.chunks_exact_mut(layer.bias.len()) {
            self.compute.arithmetic().add(row, &layer.bias);
        }
        out
    }

    /// Up, GELU, down.
    pub(crate) fn feed_forward(&mut self, layers: &FeedForward, input: &Quantised) -> Vec<f32> {
        let mut inner = self.linear(&layers.up, input);
        let width = layers.up.bias.len();
        let big = inner.len() >= PARALLEL_WORK_MIN;
        self.compute.map_chunks(big, &mut inner, width, |_, row| match layers.is_tanh {
            true => self.compute.arithmetic().gelu_tanh(row),
            false => self.compute.arithmetic().gelu(row),
        });
        let input = self.quantise(&inner, width);
        self.linear(&layers.down, &input)
    }
}
