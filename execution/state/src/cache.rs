//! The newest values of hot keys, in memory.
//!
//! Two generations: when the young one is full it becomes the old one, and what was old is forgotten. An entry is
//! always the newest committed value of its key; `since` tells from which version on it holds.

use std::collections::HashMap;

use bytes::Bytes;
use noema_types::{StateKey, Version};

use crate::limits::{CACHE_BYTES_MAX, CACHE_ENTRIES_MAX, CACHE_KEY_BYTES_MAX};

/// Bytes an entry is counted with beyond its key and value.
const ENTRY_OVERHEAD_BYTES: usize = 128;

#[derive(Debug, Clone)]
struct Entry {
    since: Version,
    value: Option<Bytes>,
}

// Looked up by key only, never iterated: the order of the map shows nowhere.
type Generation = HashMap<StateKey, Entry>;

#[derive(Debug, Default)]
pub(crate) struct ValueCache {
    young: Generation,
    young_bytes: usize,
    old: Generation,
}

impl ValueCache {
    /// The value of `key` at `version`, if the cache can tell.
    pub(crate) fn get(&self, key: &StateKey, version: Version) -> Option<Option<Bytes>> {
        let entry = self.young.get(key).or_else(|| self.old.get(key))?;
        (entry.since <= version).then(|| entry.value.clone())
    }

    /// Notes the newest value of `key`, which holds since `since`.
    pub(crate) fn put(&mut self, key: StateKey, since: Version, value: Option<Bytes>) {
        let key_bytes = key_bytes(&key);
        if key_bytes > CACHE_KEY_BYTES_MAX {
            return self.forget(&key);
        }
        let bytes = ENTRY_OVERHEAD_BYTES + key_bytes + value.as_ref().map_or(0, Bytes::len);
        if self.young.len() >= CACHE_ENTRIES_MAX || self.young_bytes.saturating_add(bytes) > CACHE_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        // A key that is overwritten counts twice: the generation only ends a little sooner.
        self.young_bytes = self.young_bytes.saturating_add(bytes);
        self.young.insert(key, Entry { since, value });
    }
}

impl ValueCache {
    /// A key that is not kept must not leave an older value of itself behind.
    fn forget(&mut self, key: &StateKey) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

/// Bytes of the part of a key that its author chooses freely.
fn key_bytes(key: &StateKey) -> usize {
    match key {
        StateKey::TableItem { key, .. } => key.len(),
        StateKey::Module(_) | StateKey::Resource { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use noema_types::Address;

    use super::*;

    fn key(number: usize) -> StateKey {
        StateKey::TableItem { handle: Address::ONE, key: number.to_le_bytes().to_vec() }
    }

    #[test]
    fn answers_only_from_the_version_on() {
        let mut cache = ValueCache::default();
        cache.put(key(1), Version(5), Some(Bytes::from_static(b"x")));
        assert_eq!(cache.get(&key(1), Version(4)), None);
        assert_eq!(cache.get(&key(1), Version(5)), Some(Some(Bytes::from_static(b"x"))));
        cache.put(key(1), Version(9), None);
        assert_eq!(cache.get(&key(1), Version(8)), None);
        assert_eq!(cache.get(&key(1), Version(9)), Some(None));
    }

    #[test]
    fn forgets_the_oldest_and_never_an_update() {
        let mut cache = ValueCache::default();
        cache.put(key(0), Version(0), None);
        for number in 1..=CACHE_ENTRIES_MAX {
            cache.put(key(number), Version(0), None);
        }
        assert!(cache.get(&key(0), Version(0)).is_some(), "in the old generation");
        cache.put(key(0), Version(1), Some(Bytes::new()));
        assert_eq!(cache.get(&key(0), Version(1)), Some(Some(Bytes::new())), "the young generation counts");
        for number in 1..=2 * CACHE_ENTRIES_MAX {
            cache.put(key(number), Version(2), None);
        }
        assert!(cache.get(&key(0), Version(9)).is_none());
        cache.put(key(0), Version(3), Some(Bytes::from(vec![0; CACHE_BYTES_MAX])));
        cache.put(key(1), Version(3), Some(Bytes::from_static(b"y")));
        assert_eq!(cache.young.len(), 1, "bytes end a generation too");
    }
}
