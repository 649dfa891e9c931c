//! Images and what networks do to them: convolutions, linear layers, norms and attention over places.
//!
//! Work is split over threads by places, groups and heads; no split changes a bit.

use noema_numerics::image::{Group, GroupFactors};
use noema_numerics::{AttentionScratch, NumericsError};

use crate::Compute;
use crate::bert::Head;
use crate::blocks::{Linear, Norm, PARALLEL_WORK_MIN};
use crate::compute::Quantised;
use crate::limits::CONVOLUTION_VALUES_MAX;

pub(super) type Made<T> = Result<T, NumericsError>;

/// Query rows that attention takes at once, at most.
const QUERIES_MAX: usize = 16;

/// An image: place after place, row by row, channels side by side.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
    pub(super) data: Vec<f32>,
}

impl Image {
    /// Another image of the same sides.
    fn with(&self, channels: usize, data: Vec<f32>) -> Self {
        Self { width: self.width, height: self.height, channels, data }
    }

    /// Channels of both, place by place.
    pub(super) fn join(&self, other: &Self) -> Self {
        assert_eq!((self.width, self.height), (other.width, other.height), "images of one size");
        let mut data = Vec::with_capacity(self.data.len() + other.data.len());
        for (a, b) in self.data.chunks_exact(self.channels).zip(other.data.chunks_exact(other.channels)) {
            data.extend_from_slice(a);
            data.extend_from_slice(b);
        }
        self.with(self.channels + other.channels, data)
    }
}

/// A convolution with a kernel of side 1 or 3.
#[derive(Debug)]
pub(super) struct Convolution {
    pub(super) linear: Linear,
    pub(super) side: usize,
}

/// What a group norm needs beside its gains.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grouping {
    pub(super) groups: usize,
    pub(super) epsilon: f32,
}

/// Rows of queries, keys and values of all heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attending<'a> {
    pub(super) q: &'a [f32],
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) heads: usize,
    /// Width of all heads together.
    pub(super) width: usize,
    /// Whether a row reads only itself and those before.
    pub(super) is_causal: bool,
}

/// Applies layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brush<'a> {
    pub(super) compute: &'a Compute,
}

impl Brush<'_> {
    /// One result row per activation row; `fill` writes an activation row into zeros.
    fn product(&self, layer: &Linear, rows: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Made<Vec<f32>> {
        let (inputs, outputs) = (layer.matrix.tiles.inputs(), layer.matrix.rows());
        let at_once = (CONVOLUTION_VALUES_MAX / inputs).max(1);
        let mut out = Vec::with_capacity(rows * outputs);
        for start in (0..rows).step_by(at_once) {
            let count = at_once.min(rows - start);
            let mut input = Quantised { values: vec![0; count * inputs], scales: Vec::new() };
            let big = input.values.len() >= PARALLEL_WORK_MIN;
            let scales = self.compute.map_chunks(big, &mut input.values, inputs, |i, q| {
                let mut row = vec![0.0; inputs];
                fill(start + i, &mut row);
                self.compute.arithmetic().quantise(&row, q)
            });
            input.scales = scales.into_iter().collect::<Made<_>>()?;
            let mut part = Vec::new();
            self.compute.products(&input, &[&layer.matrix], &mut [&mut part]);
            out.append(&mut part);
        }
        if !layer.bias.is_empty() {
            self.each_row(&mut out, outputs, |row| self.compute.arithmetic().add(row, &layer.bias));
        }
        Ok(out)
    }

    fn each_row(&self, data: &mut [f32], width: usize, work: impl Fn(&mut [f32]) + Sync) {
        let big = data.len() >= PARALLEL_WORK_MIN;
        self.compute.map_chunks(big, data, width, |_, row| work(row));
    }

    pub(super) fn linear(&self, layer: &Linear, x: &[f32]) -> Made<Vec<f32>> {
        let inputs = layer.matrix.tiles.inputs();
        self.product(layer, x.len() / inputs, |i, row| row.copy_from_slice(&x[i * inputs..][..inputs]))
    }

    pub(super) fn convolve(&self, layer: &Convolution, x: &Image) -> Made<Image> {
        self.convolve_at(layer, x, (x.width, x.height), 1)
    }

    /// Convolves the image after it has been enlarged to `size`; results at every `stride`-th place.
    pub(super) fn convolve_at(
        &self,
        layer: &Convolution,
        x: &Image,
        size: (usize, usize),
        stride: usize,
    ) -> Made<Image> {
        let (width, height) = (size.0.div_ceil(stride), size.1.div_ceil(stride));
        let (side, channels) = (layer.side, x.channels);
        let margin = side / 2;
        let data = self.product(&layer.linear, width * height, |place, row| {
            let (left, top) = (place % width * stride, place / width * stride);
            for (i, out) in row.chunks_exact_mut(channels).enumerate() {
                // The place under the kernel; past the edge it stays zero.
                let (across, down) = (left + i % side, top + i / side);
                let inside = (margin..size.0 + margin).contains(&across) && (margin..size.1 + margin).contains(&down);
                if inside {
                    let (across, down) = ((across - margin) * x.width / size.0, (down - margin) * x.height / size.1);
                    out.copy_from_slice(&x.data[(down * x.width + across) * channels..][..channels]);
                }
            }
        })?;
        Ok(Image { width, height, channels: layer.linear.matrix.rows(), data })
    }

    /// A group norm, then SiLU if asked for.
    pub(super) fn group_norm(&self, norm: &Norm, grouping: Grouping, x: &Image, is_silu: bool) -> Made<Image> {
        let (arithmetic, channels) = (self.compute.arithmetic(), x.channels);
        let count = channels / grouping.groups;
        let big = x.data.len() >= PARALLEL_WORK_MIN;
        let mut factors = vec![GroupFactors::default(); grouping.groups];
        let made = self.compute.map_chunks(big, &mut factors, 1, |group, factors| {
            let group = Group { channels, first: group * count, count };
            factors[0] = arithmetic.group_factors(&x.data, group, grouping.epsilon)?;
            Ok(())
        });
        made.into_iter().collect::<Made<()>>()?;
        let mut data = x.data.clone();
        self.each_row(&mut data, channels, |row| {
            arithmetic.group_norm(row, &factors, &norm.gain, &norm.bias);
            if is_silu {
                arithmetic.silu(row);
            }
        });
        Ok(x.with(channels, data))
    }

    pub(super) fn layer_norm(&self, norm: &Norm, epsilon: f32, x: &[f32]) -> Made<Vec<f32>> {
        let width = norm.gain.len();
        let mut out = vec![0.0; x.len()];
        let made = self.compute.map_chunks(x.len() >= PARALLEL_WORK_MIN, &mut out, width, |i, out| {
            self.compute.arithmetic().layer_norm(&x[i * width..][..width], &norm.gain, &norm.bias, epsilon, out)
        });
        made.into_iter().collect::<Made<()>>()?;
        Ok(out)
    }

    pub(super) fn quick_gelu(&self, x: &mut [f32], width: usize) {
        self.each_row(x, width, |row| self.compute.arithmetic().quick_gelu(row));
    }

    /// The first half of each row, gated by the second.
    pub(super) fn geglu(&self, mut x: Vec<f32>, width: usize) -> Vec<f32> {
        let half = width / 2;
        self.each_row(&mut x, width, |row| {
            let (values, gates) = row.split_at_mut(half);
            self.compute.arithmetic().geglu(values, gates);
        });
        x.chunks_exact(width).flat_map(|row| &row[..half]).copied().collect()
    }

    pub(super) fn add(&self, x: &mut [f32], y: &[f32]) {
        self.compute.arithmetic().add(x, y);
    }

    /// Adds one row to every place.
    pub(super) fn add_to_places(&self, x: &mut Image, row: &[f32]) {
        let channels = x.channels;
        self.each_row(&mut x.data, channels, |place| self.compute.arithmetic().add(place, row));
    }

    /// Attention of all rows.
    pub(super) fn attend(&self, attending: Attending<'_>) -> Made<Vec<f32>> {
        let Attending { q, k, v, heads, width, is_causal } = attending;
        let (rows, keys, head_dim) = (q.len() / width, k.len() / width, width / heads);
        let parts: Vec<Head> = (0..heads).map(|head| Head::new(k, v, head, head_dim, width)).collect();
        let mut queries = Vec::with_capacity(q.len());
        for head in 0..heads {
            for row in q.chunks_exact(width) {
                queries.extend_from_slice(&row[head * head_dim..][..head_dim]);
            }
        }
        // Rows that read the same keys go together.
        let most = if is_causal { 1 } else { QUERIES_MAX };
        let together = (1..=most).rev().find(|count| rows.is_multiple_of(*count)).unwrap_or(1);
        let mut by_head = vec![0.0; q.len()];
        let big = rows * keys * width >= PARALLEL_WORK_MIN;
        let made = self.compute.map_chunks(big, &mut by_head, together * head_dim, |i, out| {
            let (head, row) = (i * together / rows, i * together % rows);
            let queries = &queries[i * together * head_dim..][..out.len()];
            let len = if is_causal { row + 1 } else { keys };
            let blocks = parts[head].blocks(head_dim);
            self.compute.arithmetic().attend_group(
                queries,
                head_dim,
                &blocks,
                len,
                &mut AttentionScratch::default(),
                out,
            )
        });
        made.into_iter().collect::<Made<()>>()?;
        let mut out = vec![0.0; q.len()];
        for (i, values) in by_head.chunks_exact(head_dim).enumerate() {
            let (head, row) = (i / rows, i % rows);
            out[row * width + head * head_dim..][..head_dim].copy_from_slice(values);
        }
        Ok(out)
    }
}
