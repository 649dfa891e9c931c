//! Sizes that the kernels are made for.

/// Bytes that rows of weights and of quantised activations are padded to.
pub const STRIDE: usize = 64;
/// Width of a head, at most: eight queries of it fit into shared memory.
pub const HEAD_DIM_MAX: usize = 1_024;
/// Tokens that the product for few tokens takes at once.
pub const FEW_TOKENS: usize = 4;
/// Tokens from which tensor cores multiply.
pub const MANY_TOKENS_MIN: usize = 9;
/// Threads of a block that works on a row.
pub const ROW_THREADS: u32 = 256;
/// Bytes of scratch for scores and sums of one attention, at most, unless one row needs more.
pub const ATTENTION_BYTES_MAX: usize = 256 << 20;
/// Bytes of a piece of memory that is kept for the next who asks for its size, at most.
pub const KEPT_PIECE_MAX: usize = 1 << 20;
/// Bytes that are kept in all, at most.
pub const KEPT_MAX: usize = 64 << 20;
/// Operations of one batch, at most: their number and the kind of a fault share 32 bits.
pub const OPERATIONS_MAX: u32 = 1 << 28;
