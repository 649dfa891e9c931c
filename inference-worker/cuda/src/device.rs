//! Typed memory and the operations of the kernels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use noema_numerics::limits::{BLOCK, PRODUCT_INPUTS_MAX};
use noema_numerics::{NumericsError, Tiles};

use crate::limits::{ATTENTION_BYTES_MAX, FEW_TOKENS, HEAD_DIM_MAX, MANY_TOKENS_MIN, ROW_THREADS, STRIDE};
use crate::{Backend, CudaError, Launch, checks};

/// Shared memory of what reduces over a row: `REDUCE_BYTES` of the kernels.
const REDUCE_BYTES: u32 = (2_048 + 16) * 4 + 32 * 4;
const TILE_ROWS: usize = 128;
const TILE_TOKENS: usize = 64;
const TILE_BYTES: u32 = (TILE_ROWS + 2 * TILE_TOKENS) as u32 * 80;

/// A device whose kernels have given the scalar arithmetic's bits.
#[derive(Debug, Clone)]
pub struct Device {
    backend: Arc<dyn Backend>,
    /// Whether models have been compared too.
    proven: Arc<AtomicBool>,
}

/// Memory of a device; given back when dropped.
#[derive(Debug)]
pub struct Buffer {
    backend: Arc<dyn Backend>,
    address: u64,
    bytes: usize,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.backend.free(self.address, self.bytes.max(1));
    }
}

impl Buffer {
    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn holds(&self, bytes: usize) -> u64 {
        assert!(bytes <= self.bytes, "{bytes} bytes do not fit into {}", self.bytes);
        self.address
    }
}

/// A quantised weight matrix on a device; rows are padded with zeros.
#[derive(Debug)]
pub struct Matrix {
    weights: Buffer,
    scales: Buffer,
    rows: usize,
    inputs: usize,
    stride: usize,
}

impl Matrix {
    /// Rows, that is results per token.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Weights per row.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }
}

/// Room for quantised tokens: `q = 256 * high + low`.
#[derive(Debug)]
pub struct Quantised {
    /// Signed high bytes, `tokens x stride`.
    pub high: Buffer,
    /// Unsigned low bytes, `tokens x stride`.
    pub low: Buffer,
    /// One scale per token.
    pub scales: Buffer,
    /// Bytes between tokens.
    pub stride: usize,
    inputs: usize,
}

/// What attention needs to know of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Attention<'a> {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Layer of the cache.
    pub layer: usize,
    /// Rows of the batch.
    pub rows: usize,
    /// Pages of the longest sequence, counted up to its last row.
    pub pages_most: usize,
    /// Position of each row in its sequence.
    pub positions: &'a Buffer,
    /// First page of each row's sequence in `pages`.
    pub tables: &'a Buffer,
    /// Addresses of the pages of all sequences.
    pub pages: &'a Buffer,
}

/// A fault of a row: the number of the operation that found it, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault(u32);

impl Fault {
    /// Reads a fault's code; none for 0.
    #[must_use]
    pub fn read(code: u32) -> Option<Self> {
        (code != 0).then_some(Self(code))
    }

    /// The number of the operation.
    #[must_use]
    pub const fn operation(self) -> u32 {
        self.0 >> 3
    }

    /// The fault as the arithmetic names it.
    #[must_use]
    pub const fn error(self) -> NumericsError {
        let what = match self.0 & 7 {
            1 => "a sum of squares",
            2 => "an activation",
            _ => "an attention score",
        };
        NumericsError::NonFinite { what }
    }
}

/// Little-endian bytes of words.
fn bytes_of<const N: usize>(words: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    words.flatten().collect()
}

impl Device {
    /// A device, if all its kernels give the scalar arithmetic's bits.
    ///
    /// # Errors
    /// [`CudaError::Wrong`] for the first kernel that does not; [`CudaError::Device`].
    pub fn new(backend: Arc<dyn Backend>) -> Result<Self, CudaError> {
        let device = Self { backend, proven: Arc::default() };
        checks::self_test(&device)?;
        Ok(device)
    }

    /// The device of this number, with kernels compiled for it and checked.
    ///
    /// # Errors
    /// [`CudaError::NotBuilt`] without the feature `cuda`; [`CudaError::Missing`], [`CudaError::NoDevice`],
    /// [`CudaError::TooOld`] and [`CudaError::Compile`] with a hint; as [`Device::new`].
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        #[cfg(feature = "cuda")]
        return Self::new(Arc::new(crate::driver::Driver::open(ordinal)?));
        #[cfg(not(feature = "cuda"))]
        {
            let _ = ordinal;
            Err(CudaError::NotBuilt)
        }
    }

    /// The device that a setting names: `cuda`, the first one; `cuda:N`; `emulated` in programs built with that feature.
    ///
    /// # Errors
    /// [`CudaError::Name`]; as [`Device::open`].
    pub fn named(name: &str) -> Result<Self, CudaError> {
        let unknown = || CudaError::Name { name: name.to_owned() };
        match name.split_once(':') {
            None if name == "cuda" => Self::open(0),
            #[cfg(feature = "emulator")]
            None if name == "emulated" => Self::emulated(),
            Some(("cuda", ordinal)) => Self::open(ordinal.parse().map_err(|_| unknown())?),
            _ => Err(unknown()),
        }
    }

    /// Compares every kernel with the scalar arithmetic once more.
    ///
    /// # Errors
    /// [`CudaError::Wrong`] for the first kernel that differs; [`CudaError::Device`].
    pub fn recheck(&self) -> Result<(), CudaError> {
        checks::self_test(self)
    }

    /// Compiles the kernels for an architecture such as `sm_90` and returns their assembly.
    ///
    /// # Errors
    /// [`CudaError::Missing`] without NVRTC, [`CudaError::Compile`].
    #[cfg(feature = "cuda")]
    pub fn compile(architecture: &str) -> Result<String, CudaError> {
        crate::driver::compile(architecture).map(|ptx| ptx.to_src())
    }

    /// A device that runs the kernels' logic on the processor.
    ///
    /// # Errors
    /// [`CudaError::Missing`] without g++; as [`Device::new`].
    #[cfg(feature = "emulator")]
    pub fn emulated() -> Result<Self, CudaError> {
        Self::emulated_behind(|backend| backend)
    }

    /// As [`Device::emulated`], reached through what `wrap` returns: a device that fails, for example.
    ///
    /// # Errors
    /// As [`Device::emulated`].
    #[cfg(feature = "emulator")]
    pub fn emulated_behind(wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Result<Self, CudaError> {
        Self::new(wrap(crate::emulator::Emulator::open()?))
    }

    /// Whether [`Device::set_proven`] was called for this device.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// Remembers that whole models, too, have given the processor's bits here.
    pub fn set_proven(&self) {
        self.proven.store(true, Ordering::Release);
    }

    /// Name of the device.
    #[must_use]
    pub fn name(&self) -> &str {
        self.backend.name()
    }

    /// Memory of undefined content.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn allocate(&self, bytes: usize) -> Result<Buffer, CudaError> {
        let address = self.backend.allocate(bytes.max(1))?;
        Ok(Buffer { backend: Arc::clone(&self.backend), address, bytes })
    }

    /// Memory with this content.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn bytes(&self, data: &[u8]) -> Result<Buffer, CudaError> {
        let buffer = self.allocate(data.len())?;
        self.backend.upload(buffer.address, data)?;
        Ok(buffer)
    }

    /// Memory with these numbers.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn floats(&self, values: &[f32]) -> Result<Buffer, CudaError> {
        self.bytes(&bytes_of(values.iter().map(|value| value.to_le_bytes())))
    }

    /// Memory with these numbers.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn words(&self, values: &[u32]) -> Result<Buffer, CudaError> {
        self.bytes(&bytes_of(values.iter().map(|value| value.to_le_bytes())))
    }

    /// Memory with these addresses.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn addresses(&self, values: &[u64]) -> Result<Buffer, CudaError> {
        self.bytes(&bytes_of(values.iter().map(|value| value.to_le_bytes())))
    }

    /// The first bytes of some memory.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn read(&self, buffer: &Buffer, count: usize) -> Result<Vec<u8>, CudaError> {
        let mut out = vec![0; count];
        self.backend.download(buffer.holds(count), &mut out)?;
        Ok(out)
    }

    /// The first numbers of some memory.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn read_floats(&self, buffer: &Buffer, count: usize) -> Result<Vec<f32>, CudaError> {
        Ok(self.read(buffer, 4 * count)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The first numbers of some memory.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn read_words(&self, buffer: &Buffer, count: usize) -> Result<Vec<u32>, CudaError> {
        Ok(self.read(buffer, 4 * count)?.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    /// Copies all of one buffer to the start of another.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn copy(&self, from: &Buffer, to: &Buffer) -> Result<(), CudaError> {
        self.backend.copy(from.address, to.holds(from.bytes), from.bytes)
    }

    /// One matrix of the rows of several, in their order.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn matrix(&self, parts: &[(&Tiles, &[f32])]) -> Result<Matrix, CudaError> {
        let inputs = parts[0].0.inputs();
        assert!(
            parts.iter().all(|(tiles, scales)| tiles.inputs() == inputs && tiles.rows() == scales.len()),
            "one width"
        );
        assert!(inputs > 0 && inputs <= PRODUCT_INPUTS_MAX, "a product of {inputs} inputs is not defined");
        let stride = inputs.next_multiple_of(STRIDE);
        let rows: usize = parts.iter().map(|(tiles, _)| tiles.rows()).sum();
        let mut weights = vec![0u8; rows * stride];
        let lines = parts.iter().flat_map(|(tiles, _)| (0..tiles.rows()).map(move |row| (tiles, row)));
        let mut line = vec![0i8; inputs];
        for (target, (tiles, row)) in weights.chunks_exact_mut(stride).zip(lines) {
            tiles.copy_row(row, &mut line);
            for (target, weight) in target.iter_mut().zip(&line) {
                *target = weight.cast_unsigned();
            }
        }
        let scales: Vec<f32> = parts.iter().flat_map(|(_, scales)| *scales).copied().collect();
        Ok(Matrix { weights: self.bytes(&weights)?, scales: self.floats(&scales)?, rows, inputs, stride })
    }

    /// Room for so many quantised tokens.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn quantised(&self, tokens: usize, inputs: usize) -> Result<Quantised, CudaError> {
        let stride = inputs.next_multiple_of(STRIDE);
        let plane = || self.allocate(tokens * stride);
        Ok(Quantised { high: plane()?, low: plane()?, scales: self.allocate(4 * tokens)?, stride, inputs })
    }

    fn launch(&self, kernel: &'static str, grid: [usize; 3], shared: u32, arguments: &[u64]) -> Result<(), CudaError> {
        self.launch_with(kernel, grid, ROW_THREADS, shared, arguments)
    }

    fn launch_with(
        &self,
        kernel: &'static str,
        grid: [usize; 3],
        threads: u32,
        shared: u32,
        arguments: &[u64],
    ) -> Result<(), CudaError> {
        assert!(grid[1] <= 65_535 && grid[2] <= 65_535, "a grid is at most 65,535 blocks in y and z");
        let grid = grid.map(|blocks| u32::try_from(blocks).expect("a grid that fits"));
        self.backend.launch(&Launch { kernel, grid, threads, shared, arguments })
    }

    /// `out[token * rows + row]` becomes the product, or grows by it.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn product(
        &self,
        matrix: &Matrix,
        q: &Quantised,
        tokens: usize,
        out: &Buffer,
        accumulate: bool,
    ) -> Result<(), CudaError> {
        assert!(q.inputs == matrix.inputs && q.stride == matrix.stride, "tokens as wide as the rows");
        let (rows, stride) = (matrix.rows, matrix.stride);
        let [weights, scales] = [matrix.weights.address, matrix.scales.address];
        let [high, low] = [q.high.holds(tokens * stride), q.low.holds(tokens * stride)];
        let (q_scales, out) = (q.scales.holds(4 * tokens), out.holds(4 * tokens * rows));
        let (count, wide, accumulate) = (rows as u64, stride as u64, u64::from(accumulate));
        if tokens >= MANY_TOKENS_MIN {
            let grid = [rows.div_ceil(TILE_ROWS), tokens.div_ceil(TILE_TOKENS), 1];
            let arguments = [weights, scales, count, wide, high, low, q_scales, tokens as u64, out, accumulate];
            return self.launch("product_many", grid, TILE_BYTES, &arguments);
        }
        for from in (0..tokens).step_by(FEW_TOKENS) {
            let now = FEW_TOKENS.min(tokens - from);
            let kernel = ["product_1", "product_2", "product_3", "product_4"][now - 1];
            let plane = (from * stride) as u64;
            let (q_scales, out) = (q_scales + 4 * from as u64, out + 4 * (from * rows) as u64);
            let arguments = [weights, scales, count, wide, high + plane, low + plane, q_scales, out, accumulate];
            // Four warps of two rows each.
            self.launch_with(kernel, [rows.div_ceil(8), 1, 1], 128, 0, &arguments)?;
        }
        Ok(())
    }

    /// Rows of a table as floats: `x` becomes `tokens x inputs`.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn embed(&self, table: &Matrix, tokens: &Buffer, count: usize, x: &Buffer) -> Result<(), CudaError> {
        let arguments = [
            table.weights.address,
            table.scales.address,
            table.inputs as u64,
            table.stride as u64,
            tokens.holds(4 * count),
            x.holds(4 * count * table.inputs),
        ];
        self.launch("embed", [count, 1, 1], 0, &arguments)
    }

    /// Adds one vector to each row of `x`.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn add_bias(&self, x: &Buffer, bias: &Buffer, rows: usize) -> Result<(), CudaError> {
        let arguments = [x.holds(rows * bias.bytes), bias.address, bias.bytes as u64 / 4];
        self.launch("add_bias", [rows, 1, 1], 0, &arguments)
    }

    /// Quantises what a kernel computes from each row of `x`, which holds `width` values.
    #[allow(clippy::too_many_arguments, reason = "one launch of one of several kernels")]
    fn rows(
        &self,
        kernel: &'static str,
        x: &Buffer,
        width: usize,
        extra: &[u64],
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        let mut arguments = vec![x.holds(4 * rows * width)];
        arguments.extend(extra);
        arguments.extend([
            q.stride as u64,
            q.high.holds(rows * q.stride),
            q.low.holds(rows * q.stride),
            q.scales.holds(4 * rows),
            faults.holds(4 * rows),
            operation.into(),
        ]);
        self.launch(kernel, [rows, 1, 1], REDUCE_BYTES, &arguments)
    }

    /// Quantises rows. Uses the number `operation` for faults.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn quantise(
        &self,
        x: &Buffer,
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        self.rows("quantise", x, q.inputs, &[q.inputs as u64], rows, q, faults, operation)
    }

    /// RMSNorm, then quantisation. Uses the numbers `operation` and `operation + 1` for faults.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    #[allow(clippy::too_many_arguments, reason = "one launch")]
    pub fn rms_norm(
        &self,
        x: &Buffer,
        gain: &Buffer,
        epsilon: f32,
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        let n = q.inputs;
        let extra = [gain.holds(4 * n), n as u64, epsilon.to_bits().into()];
        self.rows("rms_norm", x, n, &extra, rows, q, faults, operation)
    }

    /// LayerNorm, then quantisation. Uses the numbers `operation` and `operation + 1` for faults.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    #[allow(clippy::too_many_arguments, reason = "one launch")]
    pub fn layer_norm(
        &self,
        x: &Buffer,
        [gain, bias]: [&Buffer; 2],
        epsilon: f32,
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        let n = q.inputs;
        let extra = [gain.holds(4 * n), bias.holds(4 * n), n as u64, epsilon.to_bits().into()];
        self.rows("layer_norm", x, n, &extra, rows, q, faults, operation)
    }

    /// The SiLU gate of rows of gates and values, then quantisation.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn silu_mul(
        &self,
        x: &Buffer,
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        self.rows("silu", x, 2 * q.inputs, &[q.inputs as u64], rows, q, faults, operation)
    }

    /// GELU, then quantisation.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn gelu(
        &self,
        x: &Buffer,
        rows: usize,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        self.rows("gelu_rows", x, q.inputs, &[q.inputs as u64], rows, q, faults, operation)
    }

    /// Collects quantised rows.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn gather(&self, rows: &[u32], from: &Quantised, to: &Quantised) -> Result<(), CudaError> {
        assert_eq!((from.stride, from.inputs), (to.stride, to.inputs), "rows of one width");
        let last = rows.iter().copied().max().map_or(0, |row| row as usize + 1);
        let chosen = self.words(rows)?;
        let arguments = [
            chosen.address,
            from.stride as u64,
            from.high.holds(last * from.stride),
            from.low.holds(last * from.stride),
            from.scales.holds(4 * last),
            to.high.holds(rows.len() * to.stride),
            to.low.holds(rows.len() * to.stride),
            to.scales.holds(4 * rows.len()),
        ];
        self.launch("gather", [rows.len(), 1, 1], 0, &arguments)
    }

    /// The lowest index of the largest value of each row of `n`; none for a row that is not finite.
    ///
    /// # Errors
    /// [`CudaError::Device`].
    pub fn argmax(&self, x: &Buffer, n: usize, rows: usize) -> Result<Vec<Option<u32>>, CudaError> {
        let out = self.allocate(4 * rows)?;
        let arguments = [x.holds(4 * n * rows), n as u64, out.address];
        self.launch("argmax", [rows, 1, 1], REDUCE_BYTES, &arguments)?;
        Ok(self.read_words(&out, rows)?.into_iter().map(|index| (index != u32::MAX).then_some(index)).collect())
    }

    /// Attention: rotates queries and keys in `qkv` (per row: queries, keys, values), writes keys and values to the
    /// cache, attends, and quantises the result, whose floats are left in `out`. Scores use the number `operation` for
    /// faults, quantisation `operation + 1`.
    ///
    /// # Errors
    /// [`CudaError::Device`]; [`CudaError::Shape`] for heads that are too wide.
    #[allow(clippy::too_many_arguments, reason = "one operation of several launches")]
    pub fn attend(
        &self,
        attention: &Attention<'_>,
        qkv: &Buffer,
        [cos, sin]: [&Buffer; 2],
        out: &Buffer,
        q: &Quantised,
        faults: &Buffer,
        operation: u32,
    ) -> Result<(), CudaError> {
        let &Attention { heads, kv_heads, head_dim, layer, rows, pages_most, positions, tables, pages } = attention;
        if head_dim > HEAD_DIM_MAX {
            return Err(CudaError::Shape {
                what: "the width of a head",
                got: head_dim,
                rule: format!("{HEAD_DIM_MAX}"),
            });
        }
        assert!(heads.is_multiple_of(kv_heads) && q.inputs == heads * head_dim, "heads are shared evenly");
        let qkv = qkv.holds(4 * rows * (heads + 2 * kv_heads) * head_dim);
        let out = out.holds(4 * rows * heads * head_dim);
        let [positions, tables] = [positions, tables].map(|buffer| buffer.holds(4 * rows));
        let pages = pages.holds(8 * pages_most);
        let shape = [heads, kv_heads, head_dim, layer].map(|size| size as u64);
        let [heads64, _, dim64, _] = shape;
        let most = pages_most as u64;
        let rotate = [&[qkv], &shape[..], &[cos.address, sin.address, positions, tables, pages]].concat();
        self.launch("rope_and_cache", [rows, 1, 1], 0, &rotate)?;
        let row_bytes = 4 * heads * pages_most * (BLOCK + head_dim);
        let together = (ATTENTION_BYTES_MAX / row_bytes).clamp(1, rows.min(65_535));
        let weights = self.allocate(4 * together * heads * pages_most * BLOCK)?;
        let parts = self.allocate(4 * together * heads * pages_most * head_dim)?;
        let scale = 1.0 / (head_dim as f32).sqrt();
        for from in (0..rows).step_by(together) {
            let now = together.min(rows - from);
            let first = from as u64;
            let grid = [pages_most, kv_heads, now];
            let queries = (4 * (heads / kv_heads).min(8) * head_dim) as u32;
            let scores =
                [&[qkv], &shape[..], &[scale.to_bits().into(), first, positions, tables, pages, weights.address, most]];
            self.launch_with("scores", grid, BLOCK as u32, queries, &scores.concat())?;
            let softmax = [weights.address, first, positions, most, faults.holds(4 * rows), operation.into()];
            self.launch("softmax", [heads, now, 1], REDUCE_BYTES, &softmax)?;
            let weighted = [&[weights.address], &shape[..], &[first, positions, tables, pages, parts.address, most]];
            let threads = head_dim.next_multiple_of(32).min(256) as u32;
            self.launch_with("weighted", grid, threads, 0, &weighted.concat())?;
            let combine = [
                parts.address,
                heads64,
                dim64,
                first,
                positions,
                most,
                out,
                q.stride as u64,
                q.high.holds(rows * q.stride),
                q.low.holds(rows * q.stride),
                q.scales.holds(4 * rows),
                faults.address,
                u64::from(operation) + 1,
            ];
            self.launch("combine", [now, 1, 1], REDUCE_BYTES, &combine)?;
        }
        Ok(())
    }
}
