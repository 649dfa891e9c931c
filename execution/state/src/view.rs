//! The state at one version.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_execution_api::{StateError, StateView};
use noema_store::{Direction, Range, prefix_end};
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
        Self { shared, version }
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
            let range = Range { start: from.clone(), end: end.clone() };
            let entry = self.shared.store.scan(VALUES, range, Direction::Forward)?.next().transpose()?;
            let Some((place, record)) = entry else { return Ok(None) };
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

impl StateView for DbView {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        Ok(self.shared.value(key, self.version)?)
    }
}
