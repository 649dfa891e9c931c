//! The kernel and the threads that compute.

use std::sync::Arc;

use noema_numerics::{Arithmetic, Columns, Kernel, Rows, TILE_ROWS, Tiles, assert_float_mode};
use rayon::prelude::*;

use crate::ModelError;

/// How to compute. No choice made here changes a bit of any result.
#[derive(Debug, Clone)]
pub struct Compute {
    arithmetic: Arithmetic,
    pool: Option<Arc<rayon::ThreadPool>>,
}

/// Rows of a block of work come in multiples of this.
const BLOCK_ROWS_MIN: usize = TILE_ROWS;
/// Multiply-adds of a block of work, unless threads would have none: below it, sharing takes longer than computing.
const BLOCK_WORK_MIN: usize = 256 << 10;
/// Blocks per thread, at most, so that uneven threads even out.
const BLOCKS_PER_THREAD: usize = 4;

/// A quantised batch: one vector per token.
#[derive(Debug, Default)]
pub(crate) struct Quantised {
    pub(crate) values: Vec<i16>,
    pub(crate) scales: Vec<f32>,
}

/// A quantised matrix.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(crate) tiles: Tiles,
    pub(crate) scales: Vec<f32>,
}

impl Matrix {
    pub(crate) fn rows(&self) -> usize {
        self.scales.len()
    }

    /// A row as f32, for tables that are looked up.
    pub(crate) fn embed(&self, arithmetic: &Arithmetic, row: usize, out: &mut [f32]) {
        let mut weights = vec![0; self.tiles.inputs()];
        self.tiles.copy_row(row, &mut weights);
        arithmetic.embed(&weights, self.scales[row], out);
    }

    /// Weights and scales.
    pub(crate) fn parts(&self) -> (&Tiles, &[f32]) {
        (&self.tiles, &self.scales)
    }
}

impl Compute {
    /// Computes on the calling thread.
    ///
    /// # Errors
    /// As [`Arithmetic::new`].
    pub fn single(kernel: Kernel) -> Result<Self, ModelError> {
        Ok(Self { arithmetic: Arithmetic::new(kernel)?, pool: None })
    }

    /// Computes on a pool of the caller's.
    ///
    /// # Errors
    /// As [`Arithmetic::new`], also when a thread of the pool is not in the default floating-point mode.
    pub fn on_pool(kernel: Kernel, pool: Arc<rayon::ThreadPool>) -> Result<Self, ModelError> {
        let arithmetic = Arithmetic::new(kernel)?;
        pool.broadcast(|_| assert_float_mode()).into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Self { arithmetic, pool: Some(pool) })
    }

    /// Computes on a new pool of `threads` threads; on the calling thread if that is 1 or 0.
    ///
    /// # Errors
    /// As [`Compute::on_pool`]; [`ModelError::Threads`] when they cannot be started.
    pub fn with_threads(kernel: Kernel, threads: usize) -> Result<Self, ModelError> {
        if threads <= 1 {
            return Self::single(kernel);
        }
        let named = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("noema-compute-{i}"));
        let pool = named.build().map_err(|error| ModelError::Threads { threads, reason: error.to_string() })?;
        Self::on_pool(kernel, Arc::new(pool))
    }

    /// The arithmetic in use.
    #[must_use]
    pub const fn arithmetic(&self) -> &Arithmetic {
        &self.arithmetic
    }

    /// Threads that compute.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// Runs `work` on the pool, so that what it splits stays there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work` with the index of each chunk, on all threads if `big` says that it pays; results in order.
    pub(crate) fn map_chunks<T: Send, R: Send>(
        &self,
        big: bool,
        data: &mut [T],
        chunk: usize,
        work: impl Fn(usize, &mut [T]) -> R + Sync,
    ) -> Vec<R> {
        if big && self.threads() > 1 {
            data.par_chunks_mut(chunk).enumerate().map(|(i, chunk)| work(i, chunk)).collect()
        } else {
            data.chunks_mut(chunk).enumerate().map(|(i, chunk)| work(i, chunk)).collect()
        }
    }

    /// Multiplies several matrices with the same batch: `outs[i]` becomes `tokens x rows` of `matrices[i]`.
    pub(crate) fn products(&self, input: &Quantised, matrices: &[&Matrix], outs: &mut [&mut Vec<f32>]) {
        assert_eq!(matrices.len(), outs.len(), "one result per matrix");
        let tokens = input.scales.len();
        let total: usize = matrices.iter().map(|matrix| matrix.rows()).sum();
        let work: usize = matrices.iter().map(|matrix| matrix.rows() * matrix.tiles.inputs() * tokens).sum();
        let blocks = match self.threads() {
            0 | 1 => 1,
            threads => (work / BLOCK_WORK_MIN).clamp(threads, threads * BLOCKS_PER_THREAD),
        };
        let block_rows = total.div_ceil(blocks).max(BLOCK_ROWS_MIN).next_multiple_of(BLOCK_ROWS_MIN);
        let mut work = Vec::new();
        for (matrix, out) in matrices.iter().zip(outs.iter_mut()) {
            // What a buffer held is written over, all of it.
            out.resize(matrix.rows() * tokens, 0.0);
            if out.is_empty() {
                continue;
            }
            let mut columns = Columns::new(out, matrix.rows());
            for start in (0..matrix.rows()).step_by(block_rows) {
                let count = block_rows.min(matrix.rows() - start);
                let rows = matrix.tiles.slice(start, &matrix.scales[start..start + count]);
                work.push((rows, columns.split_off(count)));
            }
        }
        let product = |(rows, mut out): (Rows<'_>, Columns<'_>)| {
            self.arithmetic.product_into(rows, &input.values, &input.scales, &mut out);
        };
        if self.threads() > 1 && work.len() > 1 {
            work.into_par_iter().with_max_len(1).for_each(product);
        } else {
            work.into_iter().for_each(product);
        }
    }
}
