//! The contract of a store.

use std::fmt;

use bytes::Bytes;

use crate::StoreError;
use crate::limits::ENTRY_BYTES_MAX;

/// Names a column: a key space of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(pub &'static str);

/// When a write must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Before `write` returns: it survives the loss of power.
    Sync,
    /// At the latest with the next synced write: a crash may lose it, and every write after it, but none before.
    Lazy,
}

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// Keys from `start` up to, but not including, `end`; to the last key without one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Range {
    /// First key.
    pub start: Vec<u8>,
    /// First key past the range.
    pub end: Option<Vec<u8>>,
}

/// A change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOp {
    /// Create or replace.
    Put(Bytes),
    /// Remove, if it is there.
    Delete,
}

/// Changes that go in together or not at all. Later changes of a key replace earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    operations: Vec<(Column, Bytes, WriteOp)>,
}

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// Entries in order.
pub type Scan<'a> = Box<dyn Iterator<Item = Result<Entry, StoreError>> + Send + 'a>;

/// Ordered bytes in columns.
///
/// - `Ok(Some)`: the value. `Ok(None)`: no such key. `Err`: the store failed, which says nothing about the key.
/// - Keys order by their bytes.
/// - A batch is atomic: readers see all of it or nothing, a crash leaves all of it or nothing.
/// - Writes survive a crash in order: if one is there after it, all before it are.
/// - After `write` failed, whether the batch is in is unknown until the store is opened again.
pub trait Store: Send + Sync + fmt::Debug {
    /// The value at `key`.
    ///
    /// # Errors
    /// [`StoreError`], also for a column that the store was not opened with.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The entries of `range`, as they are at the call: later writes do not show.
    ///
    /// # Errors
    /// [`StoreError`], also for a column that the store was not opened with.
    fn scan(&self, column: Column, range: Range, direction: Direction) -> Result<Scan<'_>, StoreError>;

    /// Applies a batch.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of the batch is seen by readers of this store then.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError>;

    /// Makes every earlier write durable.
    ///
    /// # Errors
    /// [`StoreError`].
    fn sync(&self) -> Result<(), StoreError>;
}

impl Batch {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates or replaces a value.
    pub fn put(&mut self, column: Column, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.operations.push((column, key.into(), WriteOp::Put(value.into())));
    }

    /// Removes a value.
    pub fn delete(&mut self, column: Column, key: impl Into<Bytes>) {
        self.operations.push((column, key.into(), WriteOp::Delete));
    }

    /// Adds the changes of another batch after those of this one.
    pub fn append(&mut self, other: Self) {
        self.operations.extend(other.operations);
    }

    /// The changes, in the order they were made.
    #[must_use]
    pub fn operations(&self) -> &[(Column, Bytes, WriteOp)] {
        &self.operations
    }

    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Keeps the first `count` changes: what a broken disk leaves of a batch.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.operations.truncate(count);
    }

    pub(crate) fn check_sizes(&self) -> Result<(), StoreError> {
        for (_, key, operation) in &self.operations {
            let value = match operation {
                WriteOp::Put(value) => value.len(),
                WriteOp::Delete => 0,
            };
            let size = key.len().max(value);
            if size > ENTRY_BYTES_MAX {
                return Err(StoreError::EntryTooLarge { size, limit: ENTRY_BYTES_MAX });
            }
        }
        Ok(())
    }
}

impl Range {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Every key that begins with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: prefix_end(prefix) }
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The first key after all that begin with `prefix`; `None` if nothing comes after them.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let length = prefix.iter().rposition(|byte| *byte != u8::MAX)? + 1;
    let mut end = prefix[..length].to_vec();
    end[length - 1] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appended_changes_come_after() {
        let column = Column("a");
        let (mut first, mut second) = (Batch::new(), Batch::new());
        first.put(column, &b"k"[..], &b"1"[..]);
        second.delete(column, &b"k"[..]);
        first.append(second.clone());
        assert_eq!(first.operations().len(), 2);
        assert_eq!(first.operations()[1..], *second.operations());
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255]), None);
        assert_eq!(prefix_end(&[]), None);
    }
}
