//! Limits of the format.

/// Entries of a table, at most: indices are 16 bits.
pub const TABLE_ENTRIES_MAX: usize = 65_535;
/// Instructions of a function, at most.
pub const BYTECODE_COUNT_MAX: usize = 65_535;
/// Locals of a function (parameters included), at most.
pub const LOCALS_MAX: usize = 255;
/// Depth of a signature token, at most.
pub const SIGNATURE_TOKEN_DEPTH_MAX: usize = 256;
/// Bytes of a constant, at most.
pub const CONSTANT_BYTES_MAX: usize = 65_535;
/// Bytes of a metadata key or value, at most.
pub const METADATA_BYTES_MAX: usize = 65_535;
/// Bytes of a module binary, at most.
pub const MODULE_BYTES_MAX: usize = 1024 * 1024;
