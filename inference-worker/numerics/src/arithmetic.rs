//! The one face of all kernels.

use crate::limits::{BLOCK, PRODUCT_INPUTS_MAX};
#[cfg(target_arch = "aarch64")]
use crate::neon;
#[cfg(target_arch = "x86_64")]
use crate::x86;
use crate::{Columns, Kernel, NumericsError, Rows, assert_float_mode, scalar};

/// The arithmetic, on a kernel this machine has.
///
/// Shapes are the caller's business: every operation asserts that the slices it is given fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arithmetic {
    kernel: Kernel,
    /// Whether the processor has the AVX-512 dot-product instructions.
    vnni: bool,
}

/// Keys and values of one head at [`BLOCK`] consecutive positions.
#[derive(Debug, Clone, Copy)]
pub struct KvBlock<'a> {
    /// `head_dim` x [`BLOCK`]: element `d * BLOCK + position`.
    pub keys: &'a [f32],
    /// [`BLOCK`] x `head_dim`: element `position * head_dim + d`.
    pub values: &'a [f32],
}

/// Some columns of a table of queries, and of the table of results beside it.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// Lines.
    pub count: usize,
    /// Values of a line.
    pub width: usize,
    /// First column that is meant.
    pub from: usize,
    /// Columns that are meant: the heads of one group.
    pub columns: usize,
}

/// Buffers of attention, worth keeping from call to call.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    scores: Vec<f32>,
    queries: Vec<f32>,
    sums: Vec<f32>,
}

/// Calls an operation on the chosen kernel. AVX-512 shares the AVX2 form of everything but the products.
macro_rules! on_kernel {
    ($self:ident, $operation:ident($($argument:expr),*)) => {
        match $self.kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 | Kernel::Avx512 => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked that the processor has AVX2 and FMA.
                unsafe { x86::avx2::$operation($($argument),*) }
            }
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked that the processor has NEON.
                unsafe { neon::$operation($($argument),*) }
            }
            _ => scalar::$operation($($argument),*),
        }
    };
}

impl Arithmetic {
    /// The arithmetic on a given kernel.
    ///
    /// # Errors
    /// [`NumericsError::Unavailable`] when this processor cannot run it, [`NumericsError::FloatMode`] when its
    /// floating point is not in the default mode.
    pub fn new(kernel: Kernel) -> Result<Self, NumericsError> {
        kernel.check_available()?;
        assert_float_mode()?;
        #[cfg(target_arch = "x86_64")]
        let vnni = is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        let vnni = false;
        Ok(Self { kernel, vnni })
    }

    /// The arithmetic on the fastest kernel of this machine.
    ///
    /// # Errors
    /// [`NumericsError::FloatMode`] when floating point is not in the default mode.
    pub fn best() -> Result<Self, NumericsError> {
        Self::new(Kernel::best())
    }

    /// The kernel in use.
    #[must_use]
    pub const fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Quantises one token's activations to 16 bits and returns their scale.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn quantise(&self, x: &[f32], q: &mut [i16]) -> Result<f32, NumericsError> {
        assert_eq!(x.len(), q.len(), "as many quantised values as values");
        on_kernel!(self, quantise(x, q))
    }

    /// Multiplies rows with quantised tokens: `out[token * rows + row]`.
    ///
    /// `q` holds one vector of as many values as a row has weights per element of `q_scales`.
    pub fn product(&self, rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut [f32]) {
        if !out.is_empty() {
            self.product_into(rows, q, q_scales, &mut Columns::new(out, rows.scales.len()));
        }
    }

    /// [`Arithmetic::product`] into some columns of a table: a line per token, a column per row.
    pub fn product_into(&self, rows: Rows<'_>, q: &[i16], q_scales: &[f32], out: &mut Columns<'_>) {
        assert!(rows.inputs <= PRODUCT_INPUTS_MAX, "a product of {} inputs is not defined", rows.inputs);
        assert_eq!(q.len(), q_scales.len() * rows.inputs, "tokens are whole");
        assert!(out.columns() == rows.scales.len() && out.lines() == q_scales.len(), "one result per row and token");
        match self.kernel {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked AVX-512 F, BW and VL, and `vnni` says whether VNNI is there.
                unsafe {
                    if self.vnni {
                        x86::avx512::product_vnni(rows, q, q_scales, out);
                    } else {
                        x86::avx512::product(rows, q, q_scales, out);
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked that the processor has AVX2 and FMA.
                unsafe {
                    x86::tiled::product(rows, q, q_scales, out);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => {
                #[allow(unsafe_code, reason = "functions compiled for a processor feature")]
                // SAFETY: `Arithmetic::new` has checked that the processor has NEON.
                unsafe {
                    neon::product(rows, q, q_scales, out);
                }
            }
            _ => scalar::product(rows, q, q_scales, out),
        }
    }

    /// Root-mean-square norm: `out = (x * (1 / sqrt(mean(x²) + epsilon))) * gain`.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when the sum of squares is.
    pub fn rms_norm(&self, x: &[f32], gain: &[f32], epsilon: f32, out: &mut [f32]) -> Result<(), NumericsError> {
        assert!(x.len() == gain.len() && x.len() == out.len(), "vectors of one length");
        on_kernel!(self, rms_norm(x, gain, epsilon, out))
    }

    /// Layer norm: `out = fma((x - mean) * (1 / sqrt(mean((x - mean)²) + epsilon)), gain, bias)`.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when the sum of squares is.
    pub fn layer_norm(
        &self,
        x: &[f32],
        gain: &[f32],
        bias: &[f32],
        epsilon: f32,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let count = x.len();
        assert!(count == gain.len() && count == bias.len() && count == out.len(), "vectors of one length");
        on_kernel!(self, layer_norm(x, gain, bias, epsilon, out))
    }

    /// `x = x * (1 + erf(x / sqrt 2)) / 2`, element by element, as the standard defines it.
    pub fn gelu(&self, x: &mut [f32]) {
        on_kernel!(self, gelu(x));
    }

    /// `x = x * (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, element by element, as the standard defines it.
    pub fn gelu_tanh(&self, x: &mut [f32]) {
        on_kernel!(self, gelu_tanh(x));
    }

    /// The vector divided by its length, in units of 1/127, rounded to the nearest, ties to even.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when the sum of squares is.
    pub fn unit_bytes(&self, x: &[f32], out: &mut [i8]) -> Result<(), NumericsError> {
        assert_eq!(x.len(), out.len(), "vectors of one length");
        on_kernel!(self, unit_bytes(x, out))
    }

    /// Rotates one head in place: pairs are `(j, j + n / 2)`, with the position's row of both tables.
    pub fn rope(&self, head: &mut [f32], cos: &[f32], sin: &[f32]) {
        assert!(head.len() == 2 * cos.len() && cos.len() == sin.len(), "one angle per pair");
        on_kernel!(self, rope(head, cos, sin));
    }

    /// Attention of one query head over the first `len` positions of `blocks`.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when a score is.
    pub fn attend(
        &self,
        query: &[f32],
        blocks: &[KvBlock<'_>],
        len: usize,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        self.attend_group(query, query.len(), blocks, len, scratch, out)
    }

    /// [`Arithmetic::attend`] of several query heads that share keys and values: `queries` and `out` hold `head_dim`
    /// values per head.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when a score is.
    pub fn attend_group(
        &self,
        queries: &[f32],
        head_dim: usize,
        blocks: &[KvBlock<'_>],
        len: usize,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let lines = Lines { count: 1, width: queries.len(), from: 0, columns: queries.len() };
        self.attend_lines(queries, lines, head_dim, blocks, len, scratch, out)
    }

    /// [`Arithmetic::attend_group`] of consecutive positions of one sequence, so that keys and values are read once for
    /// all of them: line `i` sees the first `len + i` positions of `blocks`.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`] when a score is.
    #[allow(clippy::too_many_arguments, reason = "two tables and what part of them is meant")]
    pub fn attend_lines(
        &self,
        queries: &[f32],
        lines: Lines,
        head_dim: usize,
        blocks: &[KvBlock<'_>],
        len: usize,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
    ) -> Result<(), NumericsError> {
        let Lines { count, width, from, columns } = lines;
        assert!(head_dim > 0 && columns.is_multiple_of(head_dim) && from + columns <= width, "heads are whole");
        assert!(count > 0 && queries.len() == count * width && out.len() == queries.len(), "lines are whole");
        let last = len + count - 1;
        assert!(len > 0 && last.div_ceil(BLOCK) <= blocks.len(), "blocks hold every position");
        let blocks = &blocks[..last.div_ceil(BLOCK)];
        let whole =
            |block: &KvBlock<'_>| block.keys.len() == head_dim * BLOCK && block.values.len() == head_dim * BLOCK;
        assert!(blocks.iter().all(whole), "blocks are whole");
        let (stride, heads) = (blocks.len() * BLOCK, columns / head_dim);
        let AttentionScratch { scores, queries: packed, sums } = scratch;
        scores.resize(scores.len().max(count * heads * stride), 0.0);
        let scores = &mut scores[..count * heads * stride];
        let line_of = |line: usize| line * width + from..line * width + from + columns;
        packed.clear();
        (0..count).for_each(|line| packed.extend_from_slice(&queries[line_of(line)]));
        let scale = attention_scale(head_dim);
        // Lines before `first` do not see a block at all, those from `whole` on see all of it.
        let first = |at: usize| (at + 1).saturating_sub(len);
        for (block, at) in blocks.iter().zip((0usize..).step_by(BLOCK)) {
            let (queries, scores) = (&packed[first(at) * columns..], &mut scores[first(at) * heads * stride + at..]);
            on_kernel!(self, scores(queries, head_dim, block.keys, scale, scores, stride));
        }
        for (line, scores) in scores.chunks_exact_mut(heads * stride).enumerate() {
            for scores in scores.chunks_exact_mut(stride) {
                self.softmax(&mut scores[..len + line])?;
            }
        }
        sums.clear();
        sums.resize(packed.len(), 0.0);
        for (block, at) in blocks.iter().zip((0usize..).step_by(BLOCK)) {
            let whole = (at + BLOCK).saturating_sub(len).min(count);
            for line in first(at)..whole {
                let (scores, sums) = (&scores[line * heads * stride + at..], &mut sums[line * columns..][..columns]);
                on_kernel!(self, add_weighted(scores, stride, len + line - at, block.values, sums, head_dim));
            }
            if whole < count {
                let (scores, sums) = (&scores[whole * heads * stride + at..], &mut sums[whole * columns..]);
                on_kernel!(self, add_weighted(scores, stride, BLOCK, block.values, sums, head_dim));
            }
        }
        for (line, sums) in sums.chunks_exact(columns).enumerate() {
            out[line_of(line)].copy_from_slice(sums);
        }
        Ok(())
    }

    /// Softmax in place.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn softmax(&self, x: &mut [f32]) -> Result<(), NumericsError> {
        assert!(!x.is_empty(), "a softmax of nothing is not defined");
        on_kernel!(self, softmax(x))
    }

    /// `gate = (gate / (1 + exp(-gate))) * up`, element by element.
    pub fn silu_mul(&self, gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len(), "vectors of one length");
        on_kernel!(self, silu_mul(gate, up));
    }

    /// `x = x + y`, element by element.
    pub fn add(&self, x: &mut [f32], y: &[f32]) {
        assert_eq!(x.len(), y.len(), "vectors of one length");
        on_kernel!(self, add(x, y));
    }

    /// One row of a quantised table as f32: `out = w * scale`.
    pub fn embed(&self, row: &[i8], scale: f32, out: &mut [f32]) {
        assert_eq!(row.len(), out.len(), "vectors of one length");
        on_kernel!(self, embed(row, scale, out));
    }

    /// Index of the largest value; the lowest index wins a tie.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn argmax(&self, x: &[f32]) -> Result<usize, NumericsError> {
        assert!(!x.is_empty(), "a maximum of nothing is not defined");
        on_kernel!(self, argmax(x))
    }

    /// `exp(x)` for each element, as the standard defines it.
    pub fn exp(&self, x: &mut [f32]) {
        on_kernel!(self, exp_all(x));
    }

    /// Negative log-likelihood of one index in nats: `ln(sum(exp(x - max))) - (x[index] - max)`.
    ///
    /// # Errors
    /// [`NumericsError::NonFinite`].
    pub fn surprise(&self, logits: &[f32], index: usize) -> Result<f32, NumericsError> {
        assert!(index < logits.len(), "the index is one of the logits");
        on_kernel!(self, surprise(logits, index))
    }
}

/// Factor of attention scores: `1 / sqrt(head_dim)`, both correctly rounded.
fn attention_scale(head_dim: usize) -> f32 {
    1.0 / (head_dim as f32).sqrt()
}
