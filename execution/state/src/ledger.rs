//! Reads transactions, events and blocks.
//!
//! A block that is being committed is on disk a moment before it is the latest: until then its transactions are not
//! shown.

use noema_store::{Column, Direction, Range};
use noema_types::{
    Address, CommittedBlock, Event, EventKey, Hash, Height, Transaction, TransactionInfo, Version, WriteSet,
};
use serde::de::DeserializeOwned;

use crate::StateDbError;
use crate::db::StateDb;
use crate::limits::PAGE_ITEMS_MAX;
use crate::schema::{
    BLOCKS, EVENTS, EVENTS_BY_KEY, HEIGHTS_BY_VERSION, TRANSACTIONS, VERSIONS_BY_ACCOUNT, VERSIONS_BY_HASH, WRITE_SETS,
    account_sequence_key, damaged, decode, event_key, event_prefix, number, read_event_place, read_number,
};

/// A transaction as it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedTransaction {
    /// Its position.
    pub version: Version,
    /// What ran.
    pub transaction: Transaction,
    /// What became of it.
    pub info: TransactionInfo,
    /// What it emitted.
    pub events: Vec<Event>,
    /// What it changed.
    pub write_set: WriteSet,
    /// Hash over all transactions of the ledger up to this one.
    pub accumulator_root: Hash,
}

impl StateDb {
    /// The transaction at `version`.
    ///
    /// # Errors
    /// [`StateDbError::VersionAhead`], [`StateDbError::Pruned`], or the node's own faults.
    pub fn transaction(&self, version: Version) -> Result<CommittedTransaction, StateDbError> {
        self.check_version(version)?;
        let record = self.shared.info(version)?;
        Ok(CommittedTransaction {
            version,
            transaction: self.read(TRANSACTIONS, "transaction", version)?,
            info: record.info,
            events: self.read(EVENTS, "events", version)?,
            write_set: self.read(WRITE_SETS, "write set", version)?,
            accumulator_root: record.accumulator_root,
        })
    }

    /// Up to `limit` transactions from `start` on, ascending; fewer where the ledger ends.
    ///
    /// # Errors
    /// [`StateDbError::Pruned`], or the node's own faults.
    pub fn transactions(&self, start: Version, limit: usize) -> Result<Vec<CommittedTransaction>, StateDbError> {
        let Some(latest) = self.latest_version() else { return Ok(Vec::new()) };
        let limit = limit.min(PAGE_ITEMS_MAX);
        (start.0..=latest.0).take(limit).map(|version| self.transaction(Version(version))).collect()
    }

    /// The events of the transaction at `version`.
    ///
    /// # Errors
    /// [`StateDbError::VersionAhead`], [`StateDbError::Pruned`], or the node's own faults.
    pub fn events(&self, version: Version) -> Result<Vec<Event>, StateDbError> {
        self.check_version(version)?;
        self.read(EVENTS, "events", version)
    }

    /// Where the transaction with this hash is; `None` if it is not committed.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn version_by_hash(&self, hash: &Hash) -> Result<Option<Version>, StateDbError> {
        self.place(VERSIONS_BY_HASH, &hash.0)
    }

    /// Where an account's transaction with this sequence number is; `None` if it is not committed.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn version_by_account(&self, account: &Address, sequence: u64) -> Result<Option<Version>, StateDbError> {
        self.place(VERSIONS_BY_ACCOUNT, &account_sequence_key(account, sequence))
    }

    /// Versions of up to `limit` transactions of an account, ascending: from sequence number `start` on, or without it
    /// the latest ones.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn account_transactions(
        &self,
        account: &Address,
        start: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Version>, StateDbError> {
        let first = start.map_or_else(|| account.0.to_vec(), |start| account_sequence_key(account, start));
        let places = self.page(VERSIONS_BY_ACCOUNT, &account.0, first, start.is_some(), limit)?;
        let versions = places.iter().map(|place| read_number("version", place).map(Version));
        let latest = self.latest_version();
        versions.filter(|version| version.as_ref().map_or(true, |version| Some(*version) <= latest)).collect()
    }

    /// Up to `limit` events of a handle and their versions, ascending: from sequence number `start` on, or without it
    /// the latest ones.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn events_by_key(
        &self,
        key: &EventKey,
        start: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(Version, Event)>, StateDbError> {
        let prefix = event_prefix(key);
        let first = start.map_or_else(|| prefix.clone(), |start| event_key(key, start));
        let places = self.page(EVENTS_BY_KEY, &prefix, first, start.is_some(), limit)?;
        let latest = self.latest_version();
        let event = |place: &bytes::Bytes| {
            let (version, position) = read_event_place(place)?;
            if Some(version) > latest {
                return Ok(None);
            }
            let mut events: Vec<Event> = self.read(EVENTS, "events", version)?;
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            if position >= events.len() {
                return Err(damaged(format!("no event {position} at version {version}")));
            }
            Ok(Some((version, events.swap_remove(position))))
        };
        places.iter().map(event).filter_map(Result::transpose).collect()
    }

    /// The block at `height`.
    ///
    /// # Errors
    /// [`StateDbError::HeightAhead`], [`StateDbError::Pruned`], or the node's own faults.
    pub fn block(&self, height: Height) -> Result<CommittedBlock, StateDbError> {
        if self.latest().is_none_or(|latest| height > latest.info.height) {
            return Err(StateDbError::HeightAhead { height });
        }
        if let Some(base) = self.base().filter(|base| height < base.info.height) {
            return Err(StateDbError::Pruned { what: "block", asked: height.0, first: base.info.height.0 });
        }
        let block = self.shared.store.get(BLOCKS, &number(height.0))?;
        decode("block", &block.ok_or_else(|| damaged(format!("no block {height}")))?)
    }

    /// The block that the transaction at `version` is in.
    ///
    /// # Errors
    /// [`StateDbError::VersionAhead`], [`StateDbError::Pruned`], or the node's own faults.
    pub fn block_by_version(&self, version: Version) -> Result<CommittedBlock, StateDbError> {
        match self.base() {
            // Its transactions are not here, but where they are is known.
            Some(base) if (base.info.first_version..=base.info.last_version).contains(&version) => {
                return Ok(base.clone());
            }
            _ => self.check_version(version)?,
        }
        let range = Range { start: number(version.0).to_vec(), end: None };
        let entry = self.shared.store.scan(HEIGHTS_BY_VERSION, range, Direction::Forward)?.next().transpose()?;
        let (_, height) = entry.ok_or_else(|| damaged(format!("no block ends at or after version {version}")))?;
        self.block(Height(read_number("height", &height)?))
    }

    fn check_version(&self, version: Version) -> Result<(), StateDbError> {
        let latest = self.latest_version();
        if latest.is_none_or(|latest| version > latest) {
            return Err(StateDbError::VersionAhead { version, latest });
        }
        match self.base() {
            Some(base) if version <= base.info.last_version => {
                let first = base.info.last_version.next().0;
                Err(StateDbError::Pruned { what: "transaction", asked: version.0, first })
            }
            _ => Ok(()),
        }
    }

    fn read<T: DeserializeOwned>(&self, column: Column, what: &str, version: Version) -> Result<T, StateDbError> {
        let record = self.shared.store.get(column, &number(version.0))?;
        decode(what, &record.ok_or_else(|| damaged(format!("no {what} of version {version}")))?)
    }

    fn place(&self, column: Column, key: &[u8]) -> Result<Option<Version>, StateDbError> {
        let place = self.shared.store.get(column, key)?;
        let version = place.map(|place| read_number("version", &place)).transpose()?.map(Version);
        Ok(version.filter(|version| self.latest_version().is_some_and(|latest| *version <= latest)))
    }

    /// Up to `limit` values under `prefix`, ascending: from `first` on, or else the last ones.
    fn page(
        &self,
        column: Column,
        prefix: &[u8],
        first: Vec<u8>,
        forward: bool,
        limit: usize,
    ) -> Result<Vec<bytes::Bytes>, StateDbError> {
        let range = Range { start: first, end: noema_store::prefix_end(prefix) };
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let entries = self.shared.store.scan(column, range, direction)?.take(limit.min(PAGE_ITEMS_MAX));
        let mut values = entries.map(|entry| Ok(entry?.1)).collect::<Result<Vec<_>, StateDbError>>()?;
        if !forward {
            values.reverse();
        }
        Ok(values)
    }
}
