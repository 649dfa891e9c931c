//! The LLaMA family on a device: weights and caches stay there, tokens go in and logits come out.
//!
//! The same bits as on any processor: the kernels are checked when a device is opened, and a synthetic model's logits
//! when the first model is put there. A device runs one batch at a time; [`Compute`] has no part in it.

use std::sync::{Arc, Mutex};

use noema_cuda::{Attention, Buffer, CudaError, Device, Fault, Matrix, Quantised};
use noema_inference_api::ModelManifest;
use noema_numerics::limits::BLOCK;

use crate::llama::{self, Llama};
use crate::{CacheShape, Compute, KvCache, LoadedModel, Logits, Model, ModelError, Network, Step, Want, golden};

/// Rows that are computed together, at most: what they need beside the weights stays small.
const ROWS_MAX: usize = 1_024;
/// Positions whose logits are computed together.
const HEAD_ROWS_MAX: usize = 128;
/// Operations of a layer that can find a fault.
const OPERATIONS: u32 = 8;

impl From<CudaError> for ModelError {
    fn from(error: CudaError) -> Self {
        Self::Device(error.to_string())
    }
}

impl LoadedModel {
    /// The same model with weights and caches on a device, after the golden vectors of the model code have come out
    /// right there once.
    ///
    /// # Errors
    /// [`ModelError::Golden`] when one bit of one logit differs; [`ModelError::Device`] when the device fails or lacks
    /// memory; [`ModelError::ProcessorOnly`] when it has no kernels for the model's family.
    pub fn on_device(&self, device: &Device) -> Result<Self, ModelError> {
        let network = self.network.on_device(device)?;
        if !device.is_proven() {
            golden::self_tests_on(device)?;
            device.set_proven();
        }
        Ok(Self { network, processor: Some(self.network.clone()), ..self.clone() })
    }

    /// The model on a device if it has kernels for the family, else as it is.
    ///
    /// # Errors
    /// As [`LoadedModel::on_device`], without [`ModelError::ProcessorOnly`].
    pub fn placed_on(self, device: &Device) -> Result<Self, ModelError> {
        match self.on_device(device) {
            Err(ModelError::ProcessorOnly { .. }) => Ok(self),
            placed => placed,
        }
    }

    /// Whether the network is on a device.
    #[must_use]
    pub const fn is_on_device(&self) -> bool {
        self.processor.is_some()
    }

    /// The same model on the processor, if it is on a device.
    #[must_use]
    pub fn on_processor(&self) -> Option<Self> {
        let network = self.processor.clone()?;
        Some(Self { network, processor: None, ..self.clone() })
    }
}

impl Network {
    pub(crate) fn on_device(&self, device: &Device) -> Result<Self, ModelError> {
        let what = match self {
            Self::Causal(model) => return Ok(Self::Causal(model.on_device(device)?)),
            Self::Embedder(_) => "models that embed texts",
            Self::Painter(_) => "models that draw",
        };
        Err(ModelError::ProcessorOnly { what: what.to_owned() })
    }
}

/// Weights of one layer; what reads the same input is one matrix.
#[derive(Debug)]
struct Layer {
    attn_norm: Buffer,
    qkv: Matrix,
    /// What is added to the results of `qkv`, where the file has it.
    bias: Option<Buffer>,
    o: Matrix,
    ffn_norm: Buffer,
    gate_up: Matrix,
    down: Matrix,
}

/// A model of the LLaMA family on a device.
#[derive(Debug)]
pub(crate) struct DeviceLlama {
    device: Device,
    manifest: Arc<ModelManifest>,
    cos: Buffer,
    sin: Buffer,
    embed: Matrix,
    layers: Vec<Layer>,
    norm: Buffer,
    head: Option<Matrix>,
    pages: Arc<Pages>,
    /// A batch holds this while it runs.
    turn: Mutex<()>,
}

/// Pages of caches on a device. Those that are given back are used again.
#[derive(Debug)]
pub(crate) struct Pages {
    device: Device,
    bytes: usize,
    free: Mutex<Vec<Buffer>>,
}

/// One page; given back when the last cache that shares it is gone.
#[derive(Debug)]
struct Page {
    home: Arc<Pages>,
    buffer: Option<Buffer>,
}

impl Page {
    fn buffer(&self) -> &Buffer {
        self.buffer.as_ref().expect("it is there until the page is dropped")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.home.free.lock().expect("no thread panics while it holds this").extend(self.buffer.take());
    }
}

impl Pages {
    fn page(self: &Arc<Self>) -> Result<Arc<Page>, CudaError> {
        let free = self.free.lock().expect("no thread panics while it holds this").pop();
        let buffer = Some(free.map_or_else(|| self.device.allocate(self.bytes), Ok)?);
        Ok(Arc::new(Page { home: Arc::clone(self), buffer }))
    }
}

/// The pages of one cache, on a device.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    home: Arc<Pages>,
    pages: Vec<Arc<Page>>,
}

impl Remote {
    pub(crate) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn truncate(&mut self, pages: usize) {
        self.pages.truncate(pages);
    }

    /// Makes pages up to position `end`, and every page from position `start` on this cache's own.
    fn reserve(&mut self, start: usize, end: usize) -> Result<(), CudaError> {
        for index in start / BLOCK..end.div_ceil(BLOCK) {
            match self.pages.get(index) {
                None => self.pages.push(self.home.page()?),
                Some(page) if Arc::strong_count(page) > 1 => {
                    let own = self.home.page()?;
                    self.home.device.copy(page.buffer(), own.buffer())?;
                    self.pages[index] = own;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// One token of the batch.
#[derive(Debug, Clone, Copy)]
struct Row {
    step: usize,
    token: u32,
    position: usize,
}

impl Llama {
    /// The same model on a device.
    pub(crate) fn to_device(&self, device: &Device) -> Result<DeviceLlama, ModelError> {
        let layer = |layer: &llama::Layer| {
            Ok(Layer {
                attn_norm: device.floats(&layer.attn_norm)?,
                qkv: device.matrix(&[layer.q.parts(), layer.k.parts(), layer.v.parts()])?,
                bias: layer.biases.as_ref().map(|biases| device.floats(&biases.concat())).transpose()?,
                o: device.matrix(&[layer.o.parts()])?,
                ffn_norm: device.floats(&layer.ffn_norm)?,
                gate_up: device.matrix(&[layer.gate.parts(), layer.up.parts()])?,
                down: device.matrix(&[layer.down.parts()])?,
            })
        };
        let bytes = CacheShape::of(&self.manifest).page_bytes();
        Ok(DeviceLlama {
            device: device.clone(),
            manifest: Arc::clone(&self.manifest),
            cos: device.floats(&self.cos)?,
            sin: device.floats(&self.sin)?,
            embed: device.matrix(&[self.embed.parts()])?,
            layers: self.layers.iter().map(layer).collect::<Result<_, CudaError>>()?,
            norm: device.floats(&self.norm)?,
            head: self.head.as_ref().map(|head| device.matrix(&[head.parts()])).transpose()?,
            pages: Arc::new(Pages { device: device.clone(), bytes, free: Mutex::default() }),
            turn: Mutex::default(),
        })
    }
}

impl Model for DeviceLlama {
    fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    fn new_cache(&self) -> KvCache {
        let remote = Remote { home: Arc::clone(&self.pages), pages: Vec::new() };
        KvCache::new_remote(CacheShape::of(&self.manifest), remote)
    }

    fn forward(&self, _: &Compute, steps: &mut [Step<'_>]) -> Vec<Result<Logits, ModelError>> {
        let _turn = self.turn.lock().expect("no batch panics");
        let refused: Vec<_> = steps.iter_mut().map(|step| self.prepare(step).err()).collect();
        let mut rows = Vec::new();
        for (index, step) in steps.iter().enumerate().filter(|(index, _)| refused[*index].is_none()) {
            let start = step.cache.len();
            let row = |(i, &token)| Row { step: index, token, position: start + i };
            rows.extend(step.tokens.iter().enumerate().map(row));
        }
        let mut faults = vec![None; steps.len()];
        let computed = self.run(steps, &rows, &mut faults);
        let vocab = self.manifest.vocab as usize;
        let mut logits = computed.as_deref().unwrap_or_default().iter().copied();
        let finish = |((step, refused), fault): ((&mut Step<'_>, Option<ModelError>), Option<Fault>)| {
            if let Some(refused) = refused {
                return Err(refused);
            }
            if let Err(error) = &computed {
                return Err(error.clone().into());
            }
            let count = match step.want {
                Want::Nothing => 0,
                Want::Last => 1,
                Want::All => step.tokens.len(),
            };
            let values = logits.by_ref().take(count * vocab).collect();
            if let Some(fault) = fault {
                return Err(fault.error().into());
            }
            step.cache.advance(step.tokens.len());
            Ok(Logits { vocab, values })
        };
        steps.iter_mut().zip(refused).zip(faults).map(finish).collect()
    }
}

impl DeviceLlama {
    /// Checks a step and makes room for it in its cache.
    fn prepare(&self, step: &mut Step<'_>) -> Result<(), ModelError> {
        let ModelManifest { vocab, context, .. } = *self.manifest;
        let (start, count) = (step.cache.len(), step.tokens.len());
        let remote = step.cache.remote_mut().filter(|remote| Arc::ptr_eq(&remote.home, &self.pages));
        let Some(remote) = remote else { return Err(ModelError::ForeignCache) };
        if count == 0 {
            return Err(ModelError::EmptyStep);
        }
        if let Some(&token) = step.tokens.iter().find(|&&token| token >= vocab) {
            return Err(ModelError::TokenOutOfRange { token, vocab });
        }
        let tokens = start as u64 + count as u64;
        if tokens > context.into() {
            return Err(ModelError::ContextExceeded { tokens, context });
        }
        Ok(remote.reserve(start, start + count)?)
    }

    /// Logits of all wanted rows, in order, and the first fault of each step.
    fn run(&self, steps: &mut [Step<'_>], rows: &[Row], faults: &mut [Option<Fault>]) -> Result<Vec<f32>, CudaError> {
        let (mut addresses, mut tables) = (Vec::new(), Vec::new());
        for step in steps.iter_mut() {
            tables.push(addresses.len() as u32);
            let remote = step.cache.remote_mut();
            addresses.extend(remote.iter().flat_map(|remote| &remote.pages).map(|page| page.buffer().address()));
        }
        let pages = self.device.addresses(&addresses)?;
        let mut logits = Vec::new();
        for rows in rows.chunks(ROWS_MAX) {
            let wanted = |row: &Row| match steps[row.step].want {
                Want::Nothing => false,
                Want::Last => row.position + 1 == steps[row.step].cache.len() + steps[row.step].tokens.len(),
                Want::All => true,
            };
            let wanted: Vec<u32> = (0..).zip(rows).filter(|(_, row)| wanted(row)).map(|(index, _)| index).collect();
            let codes = self.pass(rows, &wanted, &tables, &pages, &mut logits)?;
            let mut found: Vec<Option<Fault>> = vec![None; faults.len()];
            for (row, fault) in rows.iter().zip(codes) {
                let earliest = &mut found[row.step];
                *earliest = [*earliest, Fault::read(fault)].into_iter().flatten().min();
            }
            faults.iter_mut().zip(found).for_each(|(fault, found)| *fault = fault.or(found));
        }
        Ok(logits)
    }

    /// One batch of rows through all layers. Appends the logits of the wanted rows and returns the faults' codes.
    fn pass(
        &self,
        rows: &[Row],
        wanted: &[u32],
        tables: &[u32],
        pages: &Buffer,
        logits: &mut Vec<f32>,
    ) -> Result<Vec<u32>, CudaError> {
        let [heads, kv_heads, head_dim, hidden, wide] = [
            self.manifest.heads,
            self.manifest.kv_heads,
            self.manifest.head_dim,
            self.manifest.hidden,
            self.manifest.feed_forward,
        ]
        .map(|size| size as usize);
        let (device, count) = (&self.device, rows.len());
        let epsilon = f32::from_bits(self.manifest.norm_epsilon_bits);
        let words = |value: fn(&Row, &[u32]) -> u32| {
            device.words(&rows.iter().map(|row| value(row, tables)).collect::<Vec<_>>())
        };
        let tokens = words(|row, _| row.token)?;
        let positions = words(|row, _| row.position as u32)?;
        let first_pages = words(|row, tables| tables[row.step])?;
        let faults = words(|_, _| 0)?;
        let floats = |width: usize| device.allocate(4 * count * width);
        let (x, attended) = (floats(hidden)?, floats(heads * head_dim)?);
        let (qkv, both) = (floats((heads + 2 * kv_heads) * head_dim)?, floats(2 * wide)?);
        let normed = device.quantised(count, hidden)?;
        let (mixed, gated) = (device.quantised(count, heads * head_dim)?, device.quantised(count, wide)?);
        device.embed(&self.embed, &tokens, count, &x)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let operation = 1 + index as u32 * OPERATIONS;
            device.rms_norm(&x, &layer.attn_norm, epsilon, count, &normed, &faults, operation)?;
            device.product(&layer.qkv, &normed, count, &qkv, false)?;
            if let Some(bias) = &layer.bias {
                device.add_bias(&qkv, bias, count)?;
            }
            let attention = Attention {
                heads,
                kv_heads,
                head_dim,
                layer: index,
                rows: count,
                pages_most: rows.iter().map(|row| row.position / BLOCK + 1).max().unwrap_or(1),
                positions: &positions,
                tables: &first_pages,
                pages,
            };
            device.attend(&attention, &qkv, [&self.cos, &self.sin], &attended, &mixed, &faults, operation + 2)?;
            device.product(&layer.o, &mixed, count, &x, true)?;
            device.rms_norm(&x, &layer.ffn_norm, epsilon, count, &normed, &faults, operation + 4)?;
            device.product(&layer.gate_up, &normed, count, &both, false)?;
            device.silu_mul(&both, count, &gated, &faults, operation + 6)?;
            device.product(&layer.down, &gated, count, &x, true)?;
        }
        let operation = 1 + self.layers.len() as u32 * OPERATIONS;
        // Every row is normed, wanted or not: whether a job fails must not depend on where its prompt was cut.
        device.rms_norm(&x, &self.norm, epsilon, count, &normed, &faults, operation)?;
        for wanted in wanted.chunks(HEAD_ROWS_MAX) {
            self.logits(wanted, &normed, logits)?;
        }
        device.read_words(&faults, count)
    }

    fn logits(&self, wanted: &[u32], normed: &Quantised, logits: &mut Vec<f32>) -> Result<(), CudaError> {
        let head = self.head.as_ref().unwrap_or(&self.embed);
        let picked = self.device.quantised(wanted.len(), head.inputs())?;
        self.device.gather(wanted, normed, &picked)?;
        let out = self.device.allocate(4 * wanted.len() * head.rows())?;
        self.device.product(head, &picked, wanted.len(), &out, false)?;
        logits.extend(self.device.read_floats(&out, wanted.len() * head.rows())?);
        Ok(())
    }
}
