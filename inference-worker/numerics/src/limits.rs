//! Sizes that the arithmetic is defined for.

/// Version of the arithmetic standard. A change of any bit of any result is a new version.
pub const VERSION: u32 = 1;
/// Inputs of one matrix product, at most: above it `255 * 128 * K` no longer fits an i32, which some kernels need.
pub const PRODUCT_INPUTS_MAX: usize = 65_793;
/// Largest magnitude of a quantised activation.
pub const ACTIVATION_MAX: i32 = 32_767;
/// Largest magnitude of a quantised weight.
pub const WEIGHT_MAX: i32 = 127;
/// Positions of one block of the key-value cache: weighted values are summed block by block.
pub const BLOCK: usize = 64;
/// Virtual lanes of a sum.
pub const LANES: usize = 16;
/// Positions of a rotary table, at most.
pub const POSITIONS_MAX: usize = 1 << 20;

const _: () = assert!(255 * 128 * PRODUCT_INPUTS_MAX <= i32::MAX as usize);
const _: () = assert!((PRODUCT_INPUTS_MAX as u64) * 127 * 32_767 < 1 << 51);
