//! A store on disk: RocksDB, a column family for each column.
//!
//! The write-ahead log makes batches atomic and keeps their order; a synced write is on disk before it returns.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, ErrorKind,
    IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions,
};

use crate::limits::{
    BACKGROUND_JOBS, BLOCK_CACHE_BYTES, BLOOM_BITS, INFO_LOG_FILES, LOG_BYTES_MAX, OPEN_FILES_MAX, WRITE_BUFFER_BYTES,
};
use crate::{Batch, Column, Direction, Durability, Range, Scan, Store, StoreError, WriteOp};

/// Sizes of a RocksDB store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RocksOptions {
    /// Memory for blocks that were read, in bytes, over all columns.
    pub block_cache_bytes: usize,
    /// Memory of a column for writes, in bytes.
    pub write_buffer_bytes: usize,
}

/// RocksDB at a path.
pub struct RocksStore {
    database: DB,
    path: PathBuf,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { block_cache_bytes: BLOCK_CACHE_BYTES, write_buffer_bytes: WRITE_BUFFER_BYTES }
    }
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RocksStore {
    /// Opens the store at `path`, making folder and columns that are not there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process has it open, [`StoreError::Corrupt`] for damaged files,
    /// [`StoreError::DiskFull`] and [`StoreError::Io`] as the system says.
    pub fn open(path: &Path, columns: &[Column], options: RocksOptions) -> Result<Self, StoreError> {
        let error = |error| store_error(path, &error);
        std::fs::create_dir_all(path)
            .map_err(|error| StoreError::Io { path: path.to_owned(), reason: error.to_string() })?;
        let database_options = database_options();
        // RocksDB opens a database only with all of its columns, also those that this program does not know.
        let present = match path.join("CURRENT").exists() {
            true => DB::list_cf(&database_options, path).map_err(error)?,
            false => Vec::new(),
        };
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let mut names: Vec<&str> = columns.iter().map(|column| column.0).collect();
        names.extend(present.iter().map(String::as_str).filter(|name| !columns.iter().any(|column| column.0 == *name)));
        let families = names.into_iter().map(|name| ColumnFamilyDescriptor::new(name, column_options(&cache, options)));
        let database = DB::open_cf_descriptors(&database_options, path, families).map_err(error)?;
        Ok(Self { database, path: path.to_owned() })
    }

    fn family(&self, column: Column) -> Result<&ColumnFamily, StoreError> {
        self.database.cf_handle(column.0).ok_or(StoreError::NoColumn { column: column.0 })
    }

    fn error(&self, error: &rocksdb::Error) -> StoreError {
        store_error(&self.path, error)
    }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    options.set_keep_log_file_num(INFO_LOG_FILES);
    // After a crash, everything up to the first torn record of the log counts.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options
}

fn column_options(cache: &Cache, sizes: RocksOptions) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(BLOOM_BITS, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(sizes.write_buffer_bytes);
    options.set_compression_type(DBCompressionType::None);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

fn store_error(path: &Path, error: &rocksdb::Error) -> StoreError {
    let (path, reason) = (path.to_owned(), error.to_string());
    let text = reason.to_ascii_lowercase();
    match error.kind() {
        ErrorKind::IOError if text.contains("no space left") || text.contains("disk quota exceeded") => {
            StoreError::DiskFull { path, reason }
        }
        // "While lock file" of another process, "lock hold by current process" of this one.
        ErrorKind::IOError if text.contains("lock file") || text.contains("lock hold by") => {
            StoreError::Locked { path }
        }
        ErrorKind::Corruption => StoreError::Corrupt { path, reason },
        _ => StoreError::Io { path, reason },
    }
}

impl Store for RocksStore {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let value = self.database.get_pinned_cf(self.family(column)?, key).map_err(|error| self.error(&error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(&self, column: Column, range: Range, direction: Direction) -> Result<Scan<'_>, StoreError> {
        let family = self.family(column)?;
        if range.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(range.start);
        if let Some(end) = range.end {
            options.set_iterate_upper_bound(end);
        }
        let mode = match direction {
            Direction::Forward => IteratorMode::Start,
            Direction::Backward => IteratorMode::End,
        };
        let entries = self.database.iterator_cf_opt(family, options, mode);
        Ok(Box::new(entries.map(|entry| match entry {
            Ok((key, value)) => Ok((Bytes::from(key), Bytes::from(value))),
            Err(error) => Err(self.error(&error)),
        })))
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        batch.check_sizes()?;
        let mut operations = WriteBatch::default();
        for (column, key, operation) in batch.operations() {
            let family = self.family(*column)?;
            match operation {
                WriteOp::Put(value) => operations.put_cf(family, key, value),
                WriteOp::Delete => operations.delete_cf(family, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Sync);
        self.database.write_opt(operations, &options).map_err(|error| self.error(&error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.database.flush_wal(true).map_err(|error| self.error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Column = Column("a");

    fn open(path: &Path) -> Result<RocksStore, StoreError> {
        RocksStore::open(path, &[A], RocksOptions::default())
    }

    fn batch(key: &'static [u8], value: &'static [u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(A, key, value);
        batch
    }

    #[test]
    fn what_was_written_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap().write(batch(b"k", b"v"), Durability::Sync).unwrap();
        let store = open(folder.path()).unwrap();
        assert_eq!(store.get(A, b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn columns_may_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap().write(batch(b"k", b"v"), Durability::Sync).unwrap();
        let other = Column("b");
        let store = RocksStore::open(folder.path(), &[other], RocksOptions::default()).unwrap();
        assert_eq!(store.get(other, b"k").unwrap(), None);
        drop(store);
        assert!(open(folder.path()).unwrap().get(A, b"k").unwrap().is_some());
    }

    #[test]
    fn a_second_opening_is_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let _first = open(folder.path()).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { .. }), "{error}");
        assert!(error.is_transient() && error.to_string().contains("hint: stop the other node"), "{error}");
    }

    #[test]
    fn damaged_files_are_told() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap().write(batch(b"k", b"v"), Durability::Sync).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("MANIFEST") {
                std::fs::write(path, b"this is no manifest").unwrap();
            }
        }
        let error = open(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("hint: "), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = open(file.path()).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
    }
}
