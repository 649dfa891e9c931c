//! Named limits of values that cross the wire.

/// Bytes of an identifier, at most.
pub const IDENTIFIER_BYTES_MAX: usize = 128;

/// Nesting of a type tag, at most.
pub const TYPE_TAG_DEPTH_MAX: usize = 8;

/// Nodes of a type tag, at most.
pub const TYPE_TAG_NODES_MAX: usize = 128;
