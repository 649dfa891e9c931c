//! The database: opening, committing, views.

use std::sync::Arc;

use bytes::Bytes;
use noema_store::{Batch, Direction, Durability, Range, Store};
use noema_types::{Hash, Height, StateKey, Version};
use parking_lot::{Mutex, RwLock};

use crate::cache::ValueCache;
use crate::commit::{BlockCommit, CommittedBlock, InfoRecord, accumulate, put_block, put_info};
use crate::proof::StateProof;
use crate::schema::{
    BLOCKS, FORMAT, FORMAT_KEY, INFOS, META, TRANSACTIONS, VALUES, damaged, decode, number, read_number,
    read_value_record, split_value_key, value_key, value_prefix,
};
use crate::view::DbView;
use crate::{StateDbError, tree};

/// The state and the ledger over a store. Clones share everything.
#[derive(Debug, Clone)]
pub struct StateDb {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    /// Held while a block is committed; says why nothing more may be written.
    writer: Mutex<Option<String>>,
    /// Both change together, so that a cached value never outlives the version it was read at.
    newest: RwLock<Newest>,
}

#[derive(Debug, Default)]
struct Newest {
    block: Option<CommittedBlock>,
    cache: ValueCache,
}

impl StateDb {
    /// Opens the database in `store`, which must have [`COLUMNS`](crate::COLUMNS), and checks its end.
    ///
    /// # Errors
    /// [`StateDbError::Store`], [`StateDbError::Format`], or [`StateDbError::Damaged`] if what is stored does not end
    /// with a whole block.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, StateDbError> {
        match store.get(META, FORMAT_KEY)? {
            Some(format) => match read_number("format", &format)? {
                FORMAT => {}
                found => return Err(StateDbError::Format { found, expected: FORMAT }),
            },
            None => {
                let mut batch = Batch::new();
                batch.put(META, FORMAT_KEY, number(FORMAT));
                store.write(batch, Durability::Sync)?;
            }
        }
        let block = last(&*store, BLOCKS)?.map(|(_, block)| decode("block", &block)).transpose()?;
        check_end(&*store, block.as_ref())?;
        let newest = RwLock::new(Newest { block, cache: ValueCache::default() });
        Ok(Self { shared: Arc::new(Shared { store, writer: Mutex::new(None), newest }) })
    }

    /// The latest block, if there is one.
    #[must_use]
    pub fn latest(&self) -> Option<CommittedBlock> {
        self.shared.newest.read().block.clone()
    }

    /// The latest version, if there is one.
    #[must_use]
    pub fn latest_version(&self) -> Option<Version> {
        self.shared.latest_version()
    }

    /// The height that the next block must have.
    #[must_use]
    pub fn next_height(&self) -> Height {
        self.latest().map_or(Height(0), |block| block.info.height.next())
    }

    /// The state after the transaction at `version`.
    ///
    /// # Errors
    /// [`StateDbError::VersionAhead`] if it is not committed.
    pub fn view_at(&self, version: Version) -> Result<DbView, StateDbError> {
        let latest = self.latest_version();
        if latest.is_none_or(|latest| version > latest) {
            return Err(StateDbError::VersionAhead { version, latest });
        }
        Ok(DbView::new(self.shared.clone(), Some(version)))
    }

    /// The state after the latest block; empty before genesis.
    #[must_use]
    pub fn latest_view(&self) -> DbView {
        DbView::new(self.shared.clone(), self.latest_version())
    }

    /// Commits a block: its transactions, their effects and the new root, in one synced batch.
    ///
    /// The same block again gives the same answer and changes nothing.
    ///
    /// # Errors
    /// [`StateDbError::Gap`] unless it follows the latest; [`StateDbError::Conflict`] if another block has its height;
    /// [`StateDbError::EmptyBlock`]; the node's own faults, after which the database takes no more blocks.
    pub fn commit_block(&self, block: &BlockCommit) -> Result<CommittedBlock, StateDbError> {
        let mut stopped = self.shared.writer.lock();
        if let Some(reason) = &*stopped {
            return Err(StateDbError::Stopped { reason: reason.clone() });
        }
        let latest = self.latest();
        let expected = latest.as_ref().map_or(Height(0), |latest| latest.info.height.next());
        if block.height > expected {
            return Err(StateDbError::Gap { expected, got: block.height });
        }
        if block.height < expected {
            return self.check_same(block);
        }
        let (committed, batch) = self.prepare(block, latest.as_ref())?;
        if let Err(error) = self.shared.store.write(batch, Durability::Sync) {
            *stopped = Some(error.to_string());
            return Err(error.into());
        }
        self.publish(block, &committed);
        Ok(committed)
    }

    /// The batch of a block that follows `latest`.
    fn prepare(
        &self,
        block: &BlockCommit,
        latest: Option<&CommittedBlock>,
    ) -> Result<(CommittedBlock, Batch), StateDbError> {
        let first = latest.map_or(Version(0), |latest| latest.info.last_version.next());
        let info = block.info(first)?;
        let mut batch = Batch::new();
        let mut infos = Vec::with_capacity(block.transactions.len());
        for (position, transaction) in block.transactions.iter().enumerate() {
            let transaction_info = transaction.info(None);
            transaction.put(Version(first.0 + position as u64), transaction_info.transaction_hash, &mut batch);
            infos.push(transaction_info);
        }
        let state_root = self.update_tree(block, &mut batch)?;
        infos.last_mut().expect("a block with a header has transactions").state_root = Some(state_root);
        let mut accumulator_root = latest.map_or(Hash::ZERO, |latest| latest.accumulator_root);
        for (position, info) in infos.into_iter().enumerate() {
            accumulator_root = accumulate(accumulator_root, &info);
            put_info(Version(first.0 + position as u64), &InfoRecord { info, accumulator_root }, &mut batch);
        }
        let committed = CommittedBlock { info, state_root, accumulator_root };
        put_block(&committed, &mut batch);
        Ok((committed, batch))
    }

    fn update_tree(&self, block: &BlockCommit, batch: &mut Batch) -> Result<Hash, StateDbError> {
        let latest = self.latest_version();
        let mut changes = std::collections::BTreeMap::new();
        for (key, (_, value)) in block.changes() {
            // What was not there before the block and is not there after it never reached the tree.
            if value.is_some() || self.shared.value(&key, latest)?.is_some() {
                changes.insert(key, value);
            }
        }
        tree::update(&*self.shared.store, block.height, &changes, batch)
    }

    /// Makes a committed block the latest.
    fn publish(&self, block: &BlockCommit, committed: &CommittedBlock) {
        let first = committed.info.first_version;
        let mut newest = self.shared.newest.write();
        for (key, (position, value)) in block.changes() {
            newest.cache.put(key, Version(first.0 + position.0), value);
        }
        newest.block = Some(committed.clone());
    }

    /// The committed block at the height of `block`, if they are the same.
    fn check_same(&self, block: &BlockCommit) -> Result<CommittedBlock, StateDbError> {
        let height = block.height;
        let conflict = |what: String| Err(StateDbError::Conflict { height, what });
        let committed = self.block(height)?;
        if block.info(committed.info.first_version)? != committed.info {
            return conflict("its header".to_owned());
        }
        for (position, transaction) in block.transactions.iter().enumerate() {
            let version = Version(committed.info.first_version.0 + position as u64);
            let stored = self.shared.info(version)?.info;
            if transaction.info(stored.state_root) != stored {
                return conflict(format!("transaction {position} (version {version})"));
            }
        }
        Ok(committed)
    }

    /// A value, or its absence, after block `height`, with the path to that block's state root.
    ///
    /// # Errors
    /// [`StateDbError::HeightAhead`], or the node's own faults.
    pub fn prove(&self, key: &StateKey, height: Height) -> Result<StateProof, StateDbError> {
        let block = self.block(height)?;
        let value = self.shared.value(key, Some(block.info.last_version))?;
        let path = tree::prove(&*self.shared.store, height, key)?;
        Ok(StateProof::new(value, path))
    }
}

impl Shared {
    pub(crate) fn latest_version(&self) -> Option<Version> {
        self.newest.read().block.as_ref().map(|block| block.info.last_version)
    }

    /// The value of `key` at `version`; there is none before genesis.
    pub(crate) fn value(&self, key: &StateKey, version: Option<Version>) -> Result<Option<Bytes>, StateDbError> {
        let Some(version) = version else { return Ok(None) };
        if let Some(value) = self.newest.read().cache.get(key, version) {
            return Ok(value);
        }
        let (since, value) = self.stored_value(key, version)?;
        let mut newest = self.newest.write();
        // A value read at an older version may not be the newest one.
        if newest.block.as_ref().is_some_and(|block| block.info.last_version == version) {
            newest.cache.put(key.clone(), since, value.clone());
        }
        Ok(value)
    }

    /// The value at `version` and since when it holds, from the store.
    fn stored_value(&self, key: &StateKey, version: Version) -> Result<(Version, Option<Bytes>), StateDbError> {
        let prefix = value_prefix(key);
        let range = Range { start: value_key(&prefix, version), end: noema_store::prefix_end(&prefix) };
        match self.store.scan(VALUES, range, Direction::Forward)?.next().transpose()? {
            Some((place, record)) => Ok((split_value_key(&place)?.1, read_value_record(&record)?)),
            None => Ok((Version(0), None)),
        }
    }

    pub(crate) fn info(&self, version: Version) -> Result<InfoRecord, StateDbError> {
        let record = self.store.get(INFOS, &number(version.0))?;
        decode("transaction info", &record.ok_or_else(|| damaged(format!("no info of version {version}")))?)
    }
}

type Entry = (Bytes, Bytes);

fn last(store: &dyn Store, column: noema_store::Column) -> Result<Option<Entry>, StateDbError> {
    Ok(store.scan(column, Range::all(), Direction::Backward)?.next().transpose()?)
}

/// Checks that the ledger ends with a whole block: its last transaction, its info and its root are there, and nothing
/// comes after them.
fn check_end(store: &dyn Store, block: Option<&CommittedBlock>) -> Result<(), StateDbError> {
    let last_version =
        last(store, TRANSACTIONS)?.map(|(version, _)| read_number("version", &version)).transpose()?.map(Version);
    let expected = block.map(|block| block.info.last_version);
    if last_version != expected {
        let text = |version: Option<Version>| version.map_or("nothing".to_owned(), |version| version.to_string());
        return Err(damaged(format!(
            "transactions end with {}, the last block with {}",
            text(last_version),
            text(expected)
        )));
    }
    let Some(block) = block else { return Ok(()) };
    let record = store.get(INFOS, &number(block.info.last_version.0))?;
    let record: InfoRecord = decode("transaction info", &record.unwrap_or_default())?;
    let root = tree::root(store, block.info.height)?;
    if root != Some(block.state_root) || record.info.state_root != root {
        return Err(damaged(format!("block {} does not have the state root of its tree", block.info.height)));
    }
    if record.accumulator_root != block.accumulator_root {
        return Err(damaged(format!("block {} does not end with its last transaction", block.info.height)));
    }
    Ok(())
}
