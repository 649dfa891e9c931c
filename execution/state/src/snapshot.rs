//! Serves snapshots: all values of the state after a block, in chunks ordered by the hashes of their keys.
//!
//! Every chunk carries the path of its last entry to the state root. Whoever has taken all chunks before computes the
//! left half of that path, and so sees on arrival whether an entry is changed, missing or added
//! ([`SnapshotWriter`](crate::SnapshotWriter)).

use std::sync::Arc;

use jmt::{JellyfishMerkleIterator, KeyHash};
use noema_types::{Hash, Height, SnapshotChunk, SnapshotHeader, StateKey};

use crate::db::stored_value;
use crate::limits::SNAPSHOT_CHUNK_BYTES;
use crate::schema::{KEYS, damaged, decode, value_prefix};
use crate::tree::{self, Nodes, tree_error};
use crate::{StateDb, StateDbError};

/// Bytes an entry is counted with beyond its key and value.
const ENTRY_OVERHEAD_BYTES: usize = 16;

impl StateDb {
    /// What a snapshot at `height` is of.
    ///
    /// # Errors
    /// [`StateDbError::HeightAhead`], [`StateDbError::Pruned`], [`StateDbError::NoCheckpoint`], or the node's own faults.
    pub fn snapshot_header(&self, height: Height) -> Result<SnapshotHeader, StateDbError> {
        let block = self.block(height)?;
        let certified = self.checkpoint(height)?.ok_or(StateDbError::NoCheckpoint { height })?;
        let next_committee = match certified.data().next_committee {
            Some(_) => self.epoch_change(certified.data().epoch)?.map(|change| change.committee),
            None => None,
        };
        Ok(SnapshotHeader::V1 { block, certified, next_committee })
    }

    /// The values of the state after block `height` that follow the key hash `after`, or the first ones: about
    /// `max_bytes`, but at least one.
    ///
    /// # Errors
    /// [`StateDbError::HeightAhead`], [`StateDbError::Pruned`]; [`StateDbError::BadChunk`] if nothing follows; the node's
    /// own faults.
    pub fn snapshot_chunk(
        &self,
        height: Height,
        after: Option<Hash>,
        max_bytes: usize,
    ) -> Result<SnapshotChunk, StateDbError> {
        let version = self.block(height)?.info.last_version;
        let nothing = || StateDbError::BadChunk { height, after, reason: "nothing follows".to_owned() };
        let start = match after {
            Some(after) => following(after).ok_or_else(nothing)?,
            None => Hash::ZERO,
        };
        let store = &*self.shared.store;
        let nodes = Nodes::new(store, None);
        let mut leaves = JellyfishMerkleIterator::new(Arc::new(nodes), height.0, KeyHash(start.0))
            .map_err(tree_error)?
            .map(|leaf| leaf.map(|(key, _)| Hash(key.0)).map_err(tree_error));
        let limit = max_bytes.min(SNAPSHOT_CHUNK_BYTES);
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0usize, true);
        for leaf in &mut leaves {
            let hash = leaf?;
            let key = store.get(KEYS, &hash.0)?.ok_or_else(|| damaged(format!("no state key with hash {hash}")))?;
            let size = key.len();
            let key: StateKey = decode("state key", &key)?;
            let (_, value) = stored_value(store, &value_prefix(&key), version)?;
            let value = value.ok_or_else(|| damaged(format!("no value of {key:?} at version {version}")))?;
            let size = size.saturating_add(value.len()).saturating_add(ENTRY_OVERHEAD_BYTES);
            bytes = bytes.saturating_add(size);
            if bytes > limit && !entries.is_empty() {
                last = false;
                break;
            }
            entries.push((key, value));
        }
        let (key, value) = entries.last().ok_or_else(nothing)?;
        let siblings = tree::prove(&Nodes::new(store, None), height, key, Some(value.clone()))?.siblings;
        Ok(SnapshotChunk::V1 { height, entries, siblings, last })
    }
}

/// The hash after this one, if there is one.
fn following(mut hash: Hash) -> Option<Hash> {
    for byte in hash.0.iter_mut().rev() {
        let (next, overflow) = byte.overflowing_add(1);
        *byte = next;
        if !overflow {
            return Some(hash);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_counted_through() {
        assert_eq!(following(Hash([0xff; 32])), None);
        let mut carry = Hash::ZERO;
        carry.0[31] = 0xff;
        let mut next = Hash::ZERO;
        next.0[30] = 1;
        assert_eq!(following(carry), Some(next));
    }
}
