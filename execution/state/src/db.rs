//! The database: opening, committing, views.

use std::sync::Arc;

use bytes::Bytes;
use noema_store::{Batch, Direction, Durability, Range, Store};
use noema_types::{BlockCommit, CommittedBlock, Hash, Height, StateKey, StateProof, Version, accumulate};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::cache::ValueCache;
use crate::commit::{InfoRecord, changes, put_block, put_info, put_transaction};
use crate::schema::{
    BASE_KEY, BLOCKS, FORMAT, FORMAT_KEY, INFOS, KEYS, META, RESTORE_KEY, TRANSACTIONS, VALUES, damaged, decode,
    encode, number, read_number, read_value_record, split_value_key, value_key, value_prefix,
};
use crate::staged::Staged;
use crate::tree::Nodes;
use crate::view::DbView;
use crate::{StateDbError, restore, tree};

/// The state and the ledger over a store. Clones share everything.
#[derive(Debug, Clone)]
pub struct StateDb {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    /// Held while a block is staged or committed.
    writer: Mutex<Writer>,
    /// Both change together, so that a cached value never outlives the version it was read at.
    newest: RwLock<Newest>,
    /// Blocks that are executed but not committed.
    pub(crate) staged: RwLock<Staged>,
    /// The block of the snapshot that the database began with: what came before it is not here.
    pub(crate) base: Option<CommittedBlock>,
}

#[derive(Debug, Default)]
struct Newest {
    block: Option<CommittedBlock>,
    cache: ValueCache,
}

impl Newest {
    fn version(&self) -> Option<Version> {
        self.block.as_ref().map(|block| block.info.last_version)
    }
}

/// The right to write.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Why nothing more may be written.
    stopped: Option<String>,
}

impl Writer {
    pub(crate) fn check(&self) -> Result<(), StateDbError> {
        match &self.stopped {
            Some(reason) => Err(StateDbError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn write(&mut self, store: &dyn Store, batch: Batch) -> Result<(), StateDbError> {
        store.write(batch, Durability::Sync).map_err(|error| {
            self.stopped = Some(error.to_string());
            error.into()
        })
    }
}

impl StateDb {
    /// Opens the database in `store`, which must have [`COLUMNS`](crate::COLUMNS), and checks its end.
    ///
    /// # Errors
    /// [`StateDbError::Store`], [`StateDbError::Format`], [`StateDbError::RestoreUnfinished`], or
    /// [`StateDbError::Damaged`] if what is stored does not end with a whole block.
    pub fn open(store: Arc<dyn Store>) -> Result<Self, StateDbError> {
        check_format(&*store)?;
        if let Some(record) = store.get(META, RESTORE_KEY)? {
            return Err(StateDbError::RestoreUnfinished { height: restore::unfinished_height(&record)? });
        }
        let block: Option<CommittedBlock> =
            last(&*store, BLOCKS)?.map(|(_, block)| decode("block", &block)).transpose()?;
        let base = store.get(META, BASE_KEY)?.map(|height| read_block(&*store, &height)).transpose()?;
        check_end(&*store, block.as_ref(), base.as_ref())?;
        let newest = RwLock::new(Newest { block, cache: ValueCache::default() });
        let (writer, staged) = (Mutex::default(), RwLock::default());
        Ok(Self { shared: Arc::new(Shared { store, writer, newest, staged, base }) })
    }

    /// The block of the snapshot that the database began with, if it did not begin with genesis: what came before, that
    /// block's transactions included, is not here.
    #[must_use]
    pub fn base(&self) -> Option<&CommittedBlock> {
        self.shared.base.as_ref()
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
    /// [`StateDbError::VersionAhead`] if it is not committed, [`StateDbError::Pruned`] if it is older than the database.
    pub fn view_at(&self, version: Version) -> Result<DbView, StateDbError> {
        let latest = self.latest_version();
        if latest.is_none_or(|latest| version > latest) {
            return Err(StateDbError::VersionAhead { version, latest });
        }
        match self.base() {
            Some(base) if version < base.info.last_version => {
                Err(StateDbError::Pruned { what: "version", asked: version.0, first: base.info.last_version.0 })
            }
            _ => Ok(DbView::new(self.shared.clone(), Some(version))),
        }
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
    /// [`StateDbError::Staged`] while blocks are staged; [`StateDbError::EmptyBlock`]; the node's own faults, after which
    /// the database takes no more blocks.
    pub fn commit_block(&self, block: &BlockCommit) -> Result<CommittedBlock, StateDbError> {
        self.commit_next(block, |_| Ok(Batch::new()))
    }

    /// Commits a block with what `certify` adds or refuses.
    pub(crate) fn commit_next(
        &self,
        block: &BlockCommit,
        certify: impl FnOnce(&CommittedBlock) -> Result<Batch, StateDbError>,
    ) -> Result<CommittedBlock, StateDbError> {
        let mut writer = self.shared.writer();
        writer.check()?;
        let latest = self.latest();
        let expected = latest.as_ref().map_or(Height(0), |latest| latest.info.height.next());
        if block.height > expected {
            return Err(StateDbError::Gap { expected, got: block.height });
        }
        if block.height < expected {
            return self.check_same(block);
        }
        if let Some((oldest, newest)) = self.staged_range() {
            return Err(StateDbError::Staged { height: block.height, oldest, newest });
        }
        let (committed, mut batch) = self.prepare(block, latest.as_ref())?;
        batch.append(certify(&committed)?);
        writer.write(&*self.shared.store, batch)?;
        self.publish(block, &committed);
        Ok(committed)
    }

    /// The outcome and the batch of a block that follows `parent`, the newest that is staged or committed.
    pub(crate) fn prepare(
        &self,
        block: &BlockCommit,
        parent: Option<&CommittedBlock>,
    ) -> Result<(CommittedBlock, Batch), StateDbError> {
        let first = parent.map_or(Version(0), |parent| parent.info.last_version.next());
        let info = block.info(first).ok_or(StateDbError::EmptyBlock { height: block.height })?;
        let mut batch = Batch::new();
        let mut infos = Vec::with_capacity(block.transactions.len());
        for (position, transaction) in block.transactions.iter().enumerate() {
            let transaction_info = transaction.info(None);
            let version = Version(first.0 + position as u64);
            put_transaction(transaction, version, transaction_info.transaction_hash, &mut batch);
            infos.push(transaction_info);
        }
        let state_root = self.update_tree(block, parent, &mut batch)?;
        infos.last_mut().expect("a block with a header has transactions").state_root = Some(state_root);
        let mut accumulator_root = parent.map_or(Hash::ZERO, |parent| parent.accumulator_root);
        for (position, info) in infos.into_iter().enumerate() {
            accumulator_root = accumulate(accumulator_root, &info);
            put_info(Version(first.0 + position as u64), &InfoRecord { info, accumulator_root }, &mut batch);
        }
        let committed = CommittedBlock { info, state_root, accumulator_root };
        put_block(&committed, &mut batch);
        Ok((committed, batch))
    }

    fn update_tree(
        &self,
        block: &BlockCommit,
        parent: Option<&CommittedBlock>,
        batch: &mut Batch,
    ) -> Result<Hash, StateDbError> {
        let before = parent.map(|parent| parent.info.last_version);
        let mut updates = std::collections::BTreeMap::new();
        for (key, (_, value)) in changes(block) {
            let was = self.shared.staged_value(&key, before)?.is_some();
            if value.is_some() && !was {
                batch.put(KEYS, key.hash().0.to_vec(), encode(&key));
            }
            // What was not there before the block and is not there after it never reached the tree.
            if value.is_some() || was {
                updates.insert(key, value);
            }
        }
        let nodes = Nodes::new(&*self.shared.store, Some(&self.shared.staged));
        tree::update(&nodes, block.height, &updates, batch)
    }

    /// Makes a committed block the latest.
    pub(crate) fn publish(&self, block: &BlockCommit, committed: &CommittedBlock) {
        let first = committed.info.first_version;
        let mut newest = self.shared.newest.write();
        for (key, (position, value)) in changes(block) {
            newest.cache.put(key, Version(first.0 + position.0), value);
        }
        newest.block = Some(committed.clone());
    }

    /// The committed block at the height of `block`, if they are the same.
    pub(crate) fn check_same(&self, block: &BlockCommit) -> Result<CommittedBlock, StateDbError> {
        let height = block.height;
        let conflict = |what: String| Err(StateDbError::Conflict { height, what });
        let committed = self.block(height)?;
        if block.info(committed.info.first_version).as_ref() != Some(&committed.info) {
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
    /// [`StateDbError::HeightAhead`], [`StateDbError::Pruned`], or the node's own faults.
    pub fn prove(&self, key: &StateKey, height: Height) -> Result<StateProof, StateDbError> {
        let block = self.block(height)?;
        let value = self.shared.value(key, Some(block.info.last_version))?;
        tree::prove(&Nodes::new(&*self.shared.store, None), height, key, value)
    }
}

impl Shared {
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    pub(crate) fn latest_version(&self) -> Option<Version> {
        self.newest.read().version()
    }

    /// The value of `key` at `version`, staged blocks included; there is none before genesis.
    pub(crate) fn staged_value(&self, key: &StateKey, version: Option<Version>) -> Result<Option<Bytes>, StateDbError> {
        if let Some(version) = version {
            // Before the store: what leaves the staged blocks is in the store already.
            if let Some(value) = self.staged.read().value(key, version)? {
                return Ok(value);
            }
        }
        self.value(key, version)
    }

    /// The committed value of `key` at `version`; there is none before genesis.
    pub(crate) fn value(&self, key: &StateKey, version: Option<Version>) -> Result<Option<Bytes>, StateDbError> {
        let Some(version) = version else { return Ok(None) };
        let latest = {
            let newest = self.newest.read();
            if let Some(value) = newest.cache.get(key, version) {
                return Ok(value);
            }
            newest.version()
        };
        let (since, value) = self.stored_value(key, version)?;
        let mut newest = self.newest.write();
        // A value read at an older version, or before another block was committed, may not be the newest one.
        if newest.version() == latest && latest.is_some_and(|latest| version >= latest) {
            newest.cache.put(key.clone(), since, value.clone());
        }
        Ok(value)
    }

    /// The value at `version` and since when it holds, from the store.
    fn stored_value(&self, key: &StateKey, version: Version) -> Result<(Version, Option<Bytes>), StateDbError> {
        stored_value(&*self.store, &value_prefix(key), version)
    }

    pub(crate) fn info(&self, version: Version) -> Result<InfoRecord, StateDbError> {
        let record = self.store.get(INFOS, &number(version.0))?;
        decode("transaction info", &record.ok_or_else(|| damaged(format!("no info of version {version}")))?)
    }
}

/// The value under `prefix` at `version` and since when it holds, from the store.
pub(crate) fn stored_value(
    store: &dyn Store,
    prefix: &[u8],
    version: Version,
) -> Result<(Version, Option<Bytes>), StateDbError> {
    let range = Range { start: value_key(prefix, version), end: noema_store::prefix_end(prefix) };
    match store.scan(VALUES, range, Direction::Forward)?.next().transpose()? {
        Some((place, record)) => Ok((split_value_key(&place)?.1, read_value_record(&record)?)),
        None => Ok((Version(0), None)),
    }
}

/// Checks the format of what is stored, or notes this program's in an empty store.
pub(crate) fn check_format(store: &dyn Store) -> Result<(), StateDbError> {
    match store.get(META, FORMAT_KEY)? {
        Some(format) => match read_number("format", &format)? {
            FORMAT => Ok(()),
            found => Err(StateDbError::Format { found, expected: FORMAT }),
        },
        None => {
            let mut batch = Batch::new();
            batch.put(META, FORMAT_KEY, number(FORMAT));
            Ok(store.write(batch, Durability::Sync)?)
        }
    }
}

fn read_block(store: &dyn Store, height: &[u8]) -> Result<CommittedBlock, StateDbError> {
    let block = store.get(BLOCKS, height)?.ok_or_else(|| damaged("no block of the snapshot it began with"))?;
    decode("block", &block)
}

type Entry = (Bytes, Bytes);

fn last(store: &dyn Store, column: noema_store::Column) -> Result<Option<Entry>, StateDbError> {
    Ok(store.scan(column, Range::all(), Direction::Backward)?.next().transpose()?)
}

/// Checks that the ledger ends with a whole block: its last transaction, its info and its root are there, and nothing
/// comes after them. Of the block of a snapshot only the root is there.
fn check_end(
    store: &dyn Store,
    block: Option<&CommittedBlock>,
    base: Option<&CommittedBlock>,
) -> Result<(), StateDbError> {
    let last_version =
        last(store, TRANSACTIONS)?.map(|(version, _)| read_number("version", &version)).transpose()?.map(Version);
    let expected = block.filter(|block| Some(*block) != base).map(|block| block.info.last_version);
    if last_version != expected {
        let text = |version: Option<Version>| version.map_or("nothing".to_owned(), |version| version.to_string());
        return Err(damaged(format!(
            "transactions end with {}, the last block with {}",
            text(last_version),
            text(expected)
        )));
    }
    let Some(block) = block else { return Ok(()) };
    let root = tree::root(&Nodes::new(store, None), block.info.height)?;
    let differs = || damaged(format!("block {} does not have the state root of its tree", block.info.height));
    if root != Some(block.state_root) {
        return Err(differs());
    }
    let Some(version) = expected else { return Ok(()) };
    let record = store.get(INFOS, &number(version.0))?;
    let record: InfoRecord = decode("transaction info", &record.unwrap_or_default())?;
    if record.info.state_root != root {
        return Err(differs());
    }
    if record.accumulator_root != block.accumulator_root {
        return Err(damaged(format!("block {} does not end with its last transaction", block.info.height)));
    }
    Ok(())
}
