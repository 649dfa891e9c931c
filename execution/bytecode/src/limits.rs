//! Limits of the format.

/// Entries of a table, at most: indices are 16 bits.
pub const TABLE_ENTRIES_MAX: usize = 65_535;
/// Tables of a binary, at most.
pub const TABLES_MAX: usize = 19;
/// Instructions of a function, at most.
pub const BYTECODE_COUNT_MAX: usize = 65_535;
/// Locals of a function (parameters included), at most.
pub const LOCALS_MAX: usize = 255;
/// Depth of a signature token, at most.
pub const SIGNATURE_TOKEN_DEPTH_MAX: usize = 256;
/// Types of a signature, at most.
pub const SIGNATURE_TYPES_MAX: usize = 255;
/// Type parameters of a function or datatype, at most.
pub const TYPE_PARAMETERS_MAX: usize = 255;
/// Fields of a struct or variant, at most.
pub const FIELDS_MAX: usize = 255;
/// Variants of an enum, at most.
pub const VARIANTS_MAX: usize = 127;
/// Jump tables of a function, at most.
pub const JUMP_TABLES_MAX: usize = 127;
/// Position of a variant handle, at most.
pub const VARIANT_HANDLE_INDEX_MAX: usize = 1024;
/// Structs that a function acquires, at most.
pub const ACQUIRES_MAX: usize = 255;
/// Bytes of a constant, at most.
pub const CONSTANT_BYTES_MAX: usize = 65_535;
/// Bytes of a metadata key, at most.
pub const METADATA_KEY_BYTES_MAX: usize = 1023;
/// Bytes of a metadata value, at most.
pub const METADATA_BYTES_MAX: usize = 65_535;
/// Bytes of a module binary, at most.
pub const MODULE_BYTES_MAX: usize = 1024 * 1024;

const _: () = assert!(VARIANTS_MAX < 128, "variant tags are one byte in ULEB128");
