//! The state at one version.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_execution_api::{StateError, StateView};
use noema_store::{Direction, Entry, Range, prefix_end};
use noema_types::{Address, Identifier, StateKey, StructTag, Version};

use crate::StateDbError;
use crate::db::Shared;
use crate::limits::PAGE_ITEMS_MAX;
use crate::schema::{
    Kind, VALUES, account_prefix, decode, name_of, read_tag, read_value_record, split_value_key, value_key,
};

/// The state after one transaction. Later commits do not change it.
#[derive(Clone)]
pub struct DbView {
    shared: Arc<Shared>,
    version: Option<Version>,
    /// Of a view on staged blocks: how often staged blocks had been dropped when it was made.
    staged: Option<u64>,
}

/// A part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Names and values, in the order of the names' bytes.
    pub items: Vec<(T, Bytes)>,
    /// Where the next page starts: opaque, `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl fmt::Debug for DbView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbView").field("version", &self.version).finish_non_exhaustive()
    }
}

impl DbView {
    pub(crate) fn new(shared: Arc<Shared>, version: Option<Version>) -> Self {
        Self { shared, version, staged: None }
    }

    /// The state after a staged transaction.
    pub(crate) fn staged(shared: Arc<Shared>, version: Version, discards: u64) -> Self {
        Self { shared, version: Some(version), staged: Some(discards) }
    }

    /// A view on staged blocks ends when they are dropped.
    fn check(&self) -> Result<(), StateDbError> {
        match (self.staged, self.version) {
            (Some(discards), Some(version)) if self.shared.staged.read().discards() != discards => {
                Err(StateDbError::Discarded { version })
            }
            _ => Ok(()),
        }
    }

    /// The version it shows; `None` for the emptiness before genesis.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// Up to `limit` resources of an account, from the start or from where the last page ended.
    ///
    /// # Errors
    /// The node's own faults. A `start` that no page gave starts at some place, or gives an empty page.
    pub fn resources(
        &self,
        account: &Address,
        start: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<StructTag>, StateDbError> {
        self.list(account, Kind::Resource, start, limit, read_tag)
    }

    /// Up to `limit` modules of an account, from the start or from where the last page ended.
    ///
    /// # Errors
    /// The node's own faults. A `start` that no page gave starts at some place, or gives an empty page.
    pub fn modules(
        &self,
        account: &Address,
        start: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Identifier>, StateDbError> {
        self.list(account, Kind::Module, start, limit, |name| decode("module name", name))
    }

    fn list<T>(
        &self,
        account: &Address,
        kind: Kind,
        start: Option<&[u8]>,
        limit: usize,
        read_name: impl Fn(&[u8]) -> Result<T, StateDbError>,
    ) -> Result<Page<T>, StateDbError> {
        let prefix = account_prefix(account, kind);
        let mut from = [&prefix, start.unwrap_or_default()].concat();
        let mut items = Vec::new();
        while let Some((name, value)) = self.next_value(&prefix, &mut from)? {
            if items.len() == limit.min(PAGE_ITEMS_MAX) {
                return Ok(Page { items, next: Some(name) });
            }
            items.push((read_name(&name)?, value));
        }
        Ok(Page { items, next: None })
    }

    /// The first name under `prefix`, at or after `from`, that has a value; moves `from` past it.
    fn next_value(&self, prefix: &[u8], from: &mut Vec<u8>) -> Result<Option<(Vec<u8>, Bytes)>, StateDbError> {
        let Some(version) = self.version else { return Ok(None) };
        let end = prefix_end(prefix);
        loop {
            let Some((place, record)) = self.first_entry(from, end.as_deref())? else { return Ok(None) };
            let (key, written) = split_value_key(&place)?;
            if written > version {
                // Newer than the view: look again from the key's newest version that the view may see.
                *from = value_key(key, version);
                continue;
            }
            // The first version that the view sees counts; older ones are skipped.
            match prefix_end(key) {
                Some(after) => *from = after,
                None => return Ok(None),
            }
            if let Some(value) = read_value_record(&record)? {
                return Ok(Some((name_of(key)?.to_vec(), value)));
            }
        }
    }
}

impl DbView {
    /// The first entry of the values column from `start` up to, but not including, `end`.
    fn first_entry(&self, start: &[u8], end: Option<&[u8]>) -> Result<Option<Entry>, StateDbError> {
        // Before the store: what leaves the staged blocks is in the store already.
        let staged = self.staged.and_then(|_| {
            let staged = self.shared.staged.read();
            staged.first_value(start, end).map(|(place, record)| (place.clone(), record.clone()))
        });
        let range = Range { start: start.to_vec(), end: end.map(<[u8]>::to_vec) };
        let stored = self.shared.store.scan(VALUES, range, Direction::Forward)?.next().transpose()?;
        self.check()?;
        Ok(match (staged, stored) {
            (Some(staged), Some(stored)) => Some(staged.min(stored)),
            (staged, stored) => staged.or(stored),
        })
    }
}

impl StateView for DbView {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        if self.staged.is_none() {
            return Ok(self.shared.value(key, self.version)?);
        }
        let value = self.shared.staged_value(key, self.version)?;
        // After reading: had they been dropped before it, the value might be of other blocks.
        self.check()?;
        Ok(value)
    }
}
