//! Global state as a transaction sees it.
//!
//! A view answers for one point in the order of transactions: the same key always has the same value while the view
//! lives. Every read may be recorded (Block-STM validates them), so callers read what they need and nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use noema_types::{StateKey, WriteOp, WriteSet};

/// The store behind a view failed. Never a program's result: the node stops or re-executes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store cannot answer.
    #[error("state store failed: {reason}")]
    Store {
        /// What the store said.
        reason: String,
    },
    /// The read hit a value that another transaction is about to write; the executor re-runs this one later.
    #[error("read of a value that is being written")]
    Dependency,
}

/// Reads global state.
///
/// `Ok(Some)`: the value's bytes. `Ok(None)`: there is no such value. `Err`: the store failed, which says nothing about
/// the value. Implementations are deterministic for the lifetime of the view.
pub trait StateView: Send + Sync {
    /// The value at `key`.
    ///
    /// # Errors
    /// [`StateError`] if the store cannot answer.
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError>;
}

/// State in a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryState {
    /// The values.
    pub values: BTreeMap<StateKey, Bytes>,
}

/// Changes laid over a view, without touching it.
#[derive(Clone, Copy)]
pub struct OverlayView<'a> {
    base: &'a dyn StateView,
    changes: &'a WriteSet,
}

impl MemoryState {
    /// Empty state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one value.
    pub fn insert(&mut self, key: StateKey, value: impl Into<Bytes>) {
        self.values.insert(key, value.into());
    }

    /// Applies a transaction's changes.
    pub fn apply(&mut self, writes: &WriteSet) {
        for (key, op) in &writes.0 {
            match op {
                WriteOp::Write(bytes) => self.values.insert(key.clone(), bytes.clone()),
                WriteOp::Delete => self.values.remove(key),
            };
        }
    }
}

impl StateView for MemoryState {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        Ok(self.values.get(key).cloned())
    }
}

impl<'a> OverlayView<'a> {
    /// `base` with `changes` applied.
    #[must_use]
    pub fn new(base: &'a dyn StateView, changes: &'a WriteSet) -> Self {
        Self { base, changes }
    }
}

impl std::fmt::Debug for OverlayView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OverlayView").field("changes", self.changes).finish_non_exhaustive()
    }
}

impl StateView for OverlayView<'_> {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        match self.changes.0.get(key) {
            Some(op) => Ok(op.bytes().cloned()),
            None => self.base.get(key),
        }
    }
}

impl<T: StateView + ?Sized> StateView for &T {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        (**self).get(key)
    }
}

impl<T: StateView + ?Sized> StateView for std::sync::Arc<T> {
    fn get(&self, key: &StateKey) -> Result<Option<Bytes>, StateError> {
        (**self).get(key)
    }
}

#[cfg(test)]
mod tests {
    use noema_types::Address;

    use super::*;

    #[test]
    fn overlay_hides_and_adds() {
        let key = |byte: u8| StateKey::TableItem { handle: Address::ONE, key: vec![byte] };
        let mut state = MemoryState::new();
        state.insert(key(1), vec![1]);
        state.insert(key(2), vec![2]);
        let mut changes = WriteSet::default();
        changes.0.insert(key(1), WriteOp::Delete);
        changes.0.insert(key(3), WriteOp::Write(Bytes::from_static(&[3])));
        let view = OverlayView::new(&state, &changes);
        let seen: Vec<_> = (1..=4).map(|byte| view.get(&key(byte)).unwrap().map(|bytes| bytes.to_vec())).collect();
        assert_eq!(seen, [None, Some(vec![2]), Some(vec![3]), None]);
        let mut applied = state.clone();
        applied.apply(&changes);
        assert_eq!(applied.get(&key(1)).unwrap(), None);
    }
}
