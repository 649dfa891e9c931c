//! Limits of files and models, checked before memory is taken.

/// Bytes of a canonical file's header, at most.
pub const HEADER_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a tokenizer section, at most.
pub const TOKENIZER_BYTES_MAX: u64 = 256 << 20;
/// Layers, at most.
pub const LAYERS_MAX: u32 = 1_024;
/// Any width (residual stream, feed-forward, all heads together), at most: what one matrix product may sum over.
pub const WIDTH_MAX: u32 = 65_793;
/// Heads, at most.
pub const HEADS_MAX: u32 = 4_096;
/// Vocabulary, at most.
pub const VOCAB_MAX: u32 = 1 << 20;
/// Tokens a model can see, at most.
pub const CONTEXT_MAX: u32 = 1 << 20;
/// Bytes of one rotary table, at most.
pub const ROPE_BYTES_MAX: u64 = 512 << 20;
/// Factors and bands of stretched rotary angles, in thousandths, at most.
pub const STRETCH_MILLI_MAX: u32 = 1_000_000;
/// Bytes of a chat template, at most.
pub const TEMPLATE_BYTES_MAX: usize = 1 << 20;
/// Special tokens, at most.
pub const SPECIAL_TOKENS_MAX: usize = 4_096;
/// Added tokens that are not special, at most.
pub const ADDED_TOKENS_MAX: usize = 65_536;
/// Rows (tokens of all texts) that one batch of embeddings holds, at most, unless one text is longer.
pub const EMBED_ROWS_MAX: usize = 2_048;
/// Values of activation rows that a convolution holds at once, at most; one row may be longer.
pub const CONVOLUTION_VALUES_MAX: usize = 1 << 22;
/// Residual blocks of a stage of a network that draws, at most.
pub const PAINTER_BLOCKS_MAX: u32 = 16;
/// Noise levels of a network that draws, at most.
pub const LEVELS_MAX: u32 = 10_000;
/// Bytes of the JSON files of a Hugging Face folder and of a safetensors header, at most.
pub const JSON_BYTES_MAX: u64 = 64 << 20;
/// Weights dequantised at a time while importing; a row or a head may be longer.
pub const IMPORT_CHUNK_WEIGHTS: usize = 1 << 20;
/// Bytes read at a time while loading.
pub const LOAD_CHUNK_BYTES: usize = 1 << 20;
/// Alignment of the sections of a canonical file.
pub const ALIGNMENT: u64 = 64;

const _: () = assert!(WIDTH_MAX as usize <= noema_numerics::limits::PRODUCT_INPUTS_MAX);
const _: () = assert!(CONTEXT_MAX as usize <= noema_numerics::limits::POSITIONS_MAX);
const _: () = assert!(ALIGNMENT.is_power_of_two());
