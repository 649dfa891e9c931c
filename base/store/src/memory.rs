//! A store in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::{Batch, Column, Direction, Durability, Range, Scan, Store, StoreError, WriteOp};

pub(crate) type Columns = BTreeMap<Column, BTreeMap<Bytes, Bytes>>;

/// Ordered maps behind a lock. Every write is as durable as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    columns: RwLock<Columns>,
}

impl MemoryStore {
    /// An empty store with the given columns.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self { columns: RwLock::new(columns.iter().map(|column| (*column, BTreeMap::new())).collect()) }
    }
}

pub(crate) fn get(columns: &Columns, column: Column, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    let entries = columns.get(&column).ok_or(StoreError::NoColumn { column: column.0 })?;
    Ok(entries.get(key).cloned())
}

pub(crate) fn scan(
    columns: &Columns,
    column: Column,
    range: &Range,
    direction: Direction,
) -> Result<Scan<'static>, StoreError> {
    let entries = columns.get(&column).ok_or(StoreError::NoColumn { column: column.0 })?;
    if range.is_empty() {
        return Ok(Box::new(std::iter::empty()));
    }
    let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let found = entries.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
    let mut found: Vec<_> = found.map(|(key, value)| Ok((key.clone(), value.clone()))).collect();
    if direction == Direction::Backward {
        found.reverse();
    }
    Ok(Box::new(found.into_iter()))
}

/// Applies a batch whose columns all exist; nothing is changed otherwise.
pub(crate) fn apply(columns: &mut Columns, batch: &Batch) -> Result<(), StoreError> {
    batch.check_sizes()?;
    if let Some((column, ..)) = batch.operations().iter().find(|(column, ..)| !columns.contains_key(column)) {
        return Err(StoreError::NoColumn { column: column.0 });
    }
    for (column, key, operation) in batch.operations() {
        let entries = columns.get_mut(column).expect("every column of the batch was looked up above");
        match operation {
            WriteOp::Put(value) => entries.insert(key.clone(), value.clone()),
            WriteOp::Delete => entries.remove(key),
        };
    }
    Ok(())
}

impl Store for MemoryStore {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        get(&self.columns.read(), column, key)
    }

    fn scan(&self, column: Column, range: Range, direction: Direction) -> Result<Scan<'_>, StoreError> {
        scan(&self.columns.read(), column, &range, direction)
    }

    fn write(&self, batch: Batch, _durability: Durability) -> Result<(), StoreError> {
        apply(&mut self.columns.write(), &batch)
    }

    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
