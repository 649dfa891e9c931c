//! Named sizes of the stores.

/// Memory of a RocksDB store for blocks that were read, in bytes, over all columns.
pub const BLOCK_CACHE_BYTES: usize = 128 << 20;

/// Memory of a RocksDB column for writes, in bytes, before they go to a file.
pub const WRITE_BUFFER_BYTES: usize = 16 << 20;

/// Write-ahead log of a RocksDB store, in bytes, before the oldest buffer is written out.
pub const LOG_BYTES_MAX: u64 = 256 << 20;

/// Threads of a RocksDB store for flushing and compaction.
pub const BACKGROUND_JOBS: i32 = 2;

/// Bits of a RocksDB store's Bloom filter for a key.
pub const BLOOM_BITS: f64 = 10.0;

/// Files a RocksDB store keeps open, at most.
pub const OPEN_FILES_MAX: i32 = 512;

/// RocksDB's own diagnostic files to keep.
pub const INFO_LOG_FILES: usize = 3;

/// Bytes of a key or value, at most.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;
