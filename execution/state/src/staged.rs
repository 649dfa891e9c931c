//! Blocks that are executed but not certified: in memory, on top of what is committed, seen by execution only.
//!
//! A staged block is the very batch that committing it writes. Its values and tree nodes are found here until they are in
//! the store, so that a view on it never sees a gap. Keys of both carry the block's versions and height: nothing staged
//! ever hides or replaces what is committed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use noema_store::{Batch, WriteOp, prefix_end};
use noema_types::{BlockCommit, CommittedBlock, Height, StateKey, Version};

use crate::limits::STAGED_BLOCKS_MAX;
use crate::schema::{TREE, VALUES, read_value_record, value_key, value_prefix};
use crate::{DbView, StateDb, StateDbError};

/// Staged blocks, oldest first, each on top of the one before.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    blocks: VecDeque<StagedBlock>,
    /// Their entries of the values column.
    values: BTreeMap<Bytes, Bytes>,
    /// Their entries of the tree column.
    nodes: BTreeMap<Bytes, Bytes>,
    /// How often all were dropped: a view on what was dropped must not go on with other blocks' values.
    discards: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct StagedBlock {
    pub(crate) block: Arc<BlockCommit>,
    pub(crate) committed: CommittedBlock,
    pub(crate) batch: Batch,
}

impl Staged {
    pub(crate) fn oldest(&self) -> Option<&StagedBlock> {
        self.blocks.front()
    }

    pub(crate) fn newest(&self) -> Option<&StagedBlock> {
        self.blocks.back()
    }

    fn get(&self, height: Height) -> Option<&StagedBlock> {
        let offset = height.0.checked_sub(self.oldest()?.committed.info.height.0)?;
        self.blocks.get(usize::try_from(offset).ok()?)
    }

    /// The staged value of `key` at `version`, if a staged block up to there changes it.
    pub(crate) fn value(&self, key: &StateKey, version: Version) -> Result<Option<Option<Bytes>>, StateDbError> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let prefix = value_prefix(key);
        self.first_value(&value_key(&prefix, version), prefix_end(&prefix).as_deref())
            .map(|(_, record)| read_value_record(record))
            .transpose()
    }

    /// The first entry of the values column from `start` up to, but not including, `end`.
    pub(crate) fn first_value(&self, start: &[u8], end: Option<&[u8]>) -> Option<(&Bytes, &Bytes)> {
        if end.is_some_and(|end| end <= start) {
            return None;
        }
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        self.values.range::<[u8], _>((Bound::Included(start), end)).next()
    }

    pub(crate) fn node(&self, place: &[u8]) -> Option<Bytes> {
        self.nodes.get(place).cloned()
    }

    fn push(&mut self, block: StagedBlock) {
        for (column, key, operation) in block.batch.operations() {
            let WriteOp::Put(value) = operation else { continue };
            if *column == VALUES {
                self.values.insert(key.clone(), value.clone());
            } else if *column == TREE {
                self.nodes.insert(key.clone(), value.clone());
            }
        }
        self.blocks.push_back(block);
    }

    /// Forgets the oldest block, which is in the store now.
    pub(crate) fn pop(&mut self) {
        let Some(block) = self.blocks.pop_front() else { return };
        for (column, key, _) in block.batch.operations() {
            if *column == VALUES {
                self.values.remove(key);
            } else if *column == TREE {
                self.nodes.remove(key);
            }
        }
    }

    pub(crate) fn discards(&self) -> u64 {
        self.discards
    }
}

impl StateDb {
    /// Computes what a block makes of the state after the newest staged block, or after the latest committed one, and
    /// keeps it in memory. Nothing is written, and nobody sees it but [`StateDb::staged_view`].
    ///
    /// The same block again gives the same answer and changes nothing.
    ///
    /// # Errors
    /// [`StateDbError::Gap`] unless it follows; [`StateDbError::Conflict`] if another block has its height, staged or
    /// committed; [`StateDbError::StagedFull`] until staged blocks are committed; [`StateDbError::EmptyBlock`]; the
    /// node's own faults.
    pub fn stage_block(&self, block: &BlockCommit) -> Result<CommittedBlock, StateDbError> {
        let stopped = self.shared.writer();
        stopped.check()?;
        let (tip, staged) = {
            let staged = self.shared.staged.read();
            if let Some(same) = staged.get(block.height) {
                return match *same.block == *block {
                    true => Ok(same.committed.clone()),
                    false => Err(StateDbError::Conflict { height: block.height, what: "what is staged".to_owned() }),
                };
            }
            (staged.newest().map(|newest| newest.committed.clone()), staged.blocks.len())
        };
        let tip = tip.or_else(|| self.latest());
        let expected = tip.as_ref().map_or(Height(0), |tip| tip.info.height.next());
        if block.height > expected {
            return Err(StateDbError::Gap { expected, got: block.height });
        }
        if block.height < expected {
            return self.check_same(block);
        }
        if staged >= STAGED_BLOCKS_MAX {
            return Err(StateDbError::StagedFull { count: staged, limit: STAGED_BLOCKS_MAX });
        }
        let (committed, batch) = self.prepare(block, tip.as_ref())?;
        let answer = committed.clone();
        self.shared.staged.write().push(StagedBlock { block: Arc::new(block.clone()), committed, batch });
        Ok(answer)
    }

    /// The newest staged block, if there is one.
    #[must_use]
    pub fn staged_tip(&self) -> Option<CommittedBlock> {
        self.shared.staged.read().newest().map(|newest| newest.committed.clone())
    }

    /// Heights of the staged blocks: the oldest and the newest.
    #[must_use]
    pub fn staged_range(&self) -> Option<(Height, Height)> {
        let staged = self.shared.staged.read();
        Some((staged.oldest()?.committed.info.height, staged.newest()?.committed.info.height))
    }

    /// The state after the newest staged block, or after the latest committed one: for the execution of the next block,
    /// and for nothing else. Committing what it shows does not change it; discarding makes its reads fail.
    #[must_use]
    pub fn staged_view(&self) -> DbView {
        let staged = self.shared.staged.read();
        match staged.newest() {
            Some(newest) => {
                let version = newest.committed.info.last_version;
                DbView::staged(self.shared.clone(), version, staged.discards)
            }
            None => {
                drop(staged);
                self.latest_view()
            }
        }
    }

    /// The staged block at `height`, if there is one.
    #[must_use]
    pub fn staged(&self, height: Height) -> Option<Arc<BlockCommit>> {
        self.shared.staged.read().get(height).map(|staged| staged.block.clone())
    }

    /// What the staged block at `height` makes of the state and the ledger, if there is one.
    #[must_use]
    pub fn staged_outcome(&self, height: Height) -> Option<CommittedBlock> {
        self.shared.staged.read().get(height).map(|staged| staged.committed.clone())
    }

    /// Commits the oldest staged block, which must be the one at `height`, in one synced batch.
    ///
    /// # Errors
    /// [`StateDbError::NotStaged`] if another block, or none, is the oldest; the node's own faults, after which the
    /// database takes no more blocks.
    pub fn commit_staged(&self, height: Height) -> Result<CommittedBlock, StateDbError> {
        self.commit_staged_with(height, Batch::new())
    }

    /// [`StateDb::commit_staged`] with records of the caller's own, in [`RECORDS`](crate::RECORDS), in the same batch.
    ///
    /// # Errors
    /// Those of [`StateDb::commit_staged`]; [`StateDbError::ForeignColumn`] for records elsewhere.
    pub fn commit_staged_with(&self, height: Height, records: Batch) -> Result<CommittedBlock, StateDbError> {
        self.commit_oldest(height, records, |_, _| Ok(Batch::new()))
    }

    /// Commits the oldest staged block with the caller's records and what `certify` adds or refuses.
    pub(crate) fn commit_oldest(
        &self,
        height: Height,
        records: Batch,
        certify: impl FnOnce(&BlockCommit, &CommittedBlock) -> Result<Batch, StateDbError>,
    ) -> Result<CommittedBlock, StateDbError> {
        crate::schema::check_records(&records)?;
        let mut writer = self.shared.writer();
        writer.check()?;
        let oldest = self.shared.staged.read().oldest().cloned();
        let Some(oldest) = oldest.filter(|oldest| oldest.committed.info.height == height) else {
            let oldest = self.staged_range().map(|(oldest, _)| oldest);
            return Err(StateDbError::NotStaged { height, oldest });
        };
        let mut batch = oldest.batch;
        batch.append(certify(&oldest.block, &oldest.committed)?);
        batch.append(records);
        writer.write(&*self.shared.store, batch)?;
        self.publish(&oldest.block, &oldest.committed);
        // Only now: a view finds every value here or in the store.
        self.shared.staged.write().pop();
        Ok(oldest.committed)
    }

    /// Drops all staged blocks; what is committed stays. Says how many there were.
    pub fn discard_staged(&self) -> usize {
        let _writer = self.shared.writer();
        let mut staged = self.shared.staged.write();
        let count = staged.blocks.len();
        *staged = Staged { discards: staged.discards + 1, ..Staged::default() };
        count
    }
}
