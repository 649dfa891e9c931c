//! Named limits of the state.

/// Values in one generation of the cache, at most; there are two.
pub const CACHE_ENTRIES_MAX: usize = 100_000;

/// Bytes of values in one generation of the cache, at most; there are two.
pub const CACHE_BYTES_MAX: usize = 64 << 20;

/// Items of one page of a listing, at most.
pub const PAGE_ITEMS_MAX: usize = 10_000;

/// Blocks that are staged, at most: executed, but not committed. They are in memory.
pub const STAGED_BLOCKS_MAX: usize = 256;

/// Nested containers in what the database stores, at most: transactions and their wrappers.
pub const STORED_DEPTH_MAX: usize = 64;

const _: () = assert!(STORED_DEPTH_MAX > noema_types::limits::BCS_DEPTH_MAX);
/// Bytes of a table key that the cache keeps, at most: anybody may ask for any key.
pub const CACHE_KEY_BYTES_MAX: usize = 1_024;

/// Bytes of a snapshot's chunk that a node serves, at most, but for a single value that is larger.
pub const SNAPSHOT_CHUNK_BYTES: usize = 8 << 20;

/// Keys that are removed in one batch when a restore begins again.
pub const WIPE_KEYS: usize = 10_000;

const _: () = assert!(SNAPSHOT_CHUNK_BYTES < noema_types::limits::SNAPSHOT_CHUNK_BYTES_MAX);
