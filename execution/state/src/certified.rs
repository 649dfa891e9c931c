//! Certified checkpoints beside their blocks, epoch changes, and blocks that another node executed.
//!
//! Certificates are verified by the caller, who has the committee. Here it is checked that what goes in is what the
//! checkpoint says: height, version, state root, accumulator root, epoch, predecessor and next committee. The
//! accumulator covers every transaction, its events and its write set, and the block's header through its metadata
//! transaction.

use bytes::Bytes;
use noema_store::{Batch, Direction, Durability, Range};
use noema_types::{
    BlockCommit, CertifiedBlock, CertifiedCheckpoint, CommittedBlock, Committee, Epoch, EpochChange, Height,
    Transaction, TransactionCommit, Version,
};

use crate::schema::{CHECKPOINTS, EPOCHS, RECORDS, check_records, damaged, decode, encode, number};
use crate::{StateDb, StateDbError};

impl StateDb {
    /// The certified checkpoint after the block at `height`; `None` for a block that was committed without one, as
    /// genesis is, for one from before the snapshot that the database began with, and for one that is not committed.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn checkpoint(&self, height: Height) -> Result<Option<CertifiedCheckpoint>, StateDbError> {
        if self.latest().is_none_or(|latest| height > latest.info.height) {
            return Ok(None);
        }
        let record = self.shared.store.get(CHECKPOINTS, &number(height.0))?;
        record.map(|record| decode("checkpoint", &record)).transpose()
    }

    /// The certified checkpoint after the latest block, if it has one.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn latest_checkpoint(&self) -> Result<Option<CertifiedCheckpoint>, StateDbError> {
        match self.latest() {
            Some(latest) => self.checkpoint(latest.info.height),
            None => Ok(None),
        }
    }

    /// The certified last block of `epoch` and the committee that follows, once the epoch has ended.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, StateDbError> {
        let record = self.shared.store.get(EPOCHS, &number(epoch.0))?;
        record.map_or(Ok(None), |record| self.read_epoch_change(&record))
    }

    /// The latest epoch change, if there was one.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn latest_epoch_change(&self) -> Result<Option<EpochChange>, StateDbError> {
        for entry in self.shared.store.scan(EPOCHS, Range::all(), Direction::Backward)? {
            // One that is not shown yet is of a block that is being committed.
            if let Some(change) = self.read_epoch_change(&entry?.1)? {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }

    fn read_epoch_change(&self, record: &Bytes) -> Result<Option<EpochChange>, StateDbError> {
        let (height, committee): (Height, Committee) = decode("epoch change", record)?;
        let certified = self.checkpoint(height)?;
        Ok(certified.map(|certified| EpochChange { certified, committee }))
    }

    /// Adds an epoch change, verified by the caller, from before the snapshot that the database began with, so that it
    /// can be served. One that is there already, or is of a block that is here, is left alone.
    ///
    /// # Errors
    /// [`StateDbError::NotCertified`] if the checkpoint names another committee, or none; the node's own faults.
    pub fn add_epoch_change(&self, change: &EpochChange) -> Result<(), StateDbError> {
        let mut writer = self.shared.writer();
        writer.check()?;
        let data = change.certified.data();
        let mut batch = Batch::new();
        put_certified(&change.certified, Some(&change.committee), &mut batch)?;
        match self.base() {
            Some(base) if data.height < base.info.height => writer.write(&*self.shared.store, batch),
            _ => Ok(()),
        }
    }

    /// Commits the oldest staged block, which must be what `certified` says, with its checkpoint, the committee that
    /// follows where it ends an epoch, and records of the caller's own in [`RECORDS`](crate::RECORDS): in one synced
    /// batch. The caller has verified the certificate.
    ///
    /// # Errors
    /// [`StateDbError::NotStaged`]; [`StateDbError::NotCertified`], with nothing written and the block still staged; the
    /// node's own faults, after which the database takes no more blocks.
    pub fn commit_certified(
        &self,
        certified: &CertifiedCheckpoint,
        next_committee: Option<&Committee>,
        records: Batch,
    ) -> Result<CommittedBlock, StateDbError> {
        self.commit_oldest(certified.data().height, records, |_, committed| {
            self.certify(committed, certified, next_committee)
        })
    }

    /// Commits a block that others executed, if applying it gives what its checkpoint says. The caller has verified the
    /// certificate. A block that is committed already changes nothing.
    ///
    /// # Errors
    /// [`StateDbError::NotCertified`], [`StateDbError::Gap`], [`StateDbError::Conflict`], [`StateDbError::Staged`],
    /// [`StateDbError::EmptyBlock`], each with nothing written; the node's own faults, after which the database takes no
    /// more blocks.
    pub fn apply_certified(&self, block: &CertifiedBlock) -> Result<CommittedBlock, StateDbError> {
        self.apply_certified_with(block, Batch::new())
    }

    /// [`StateDb::apply_certified`] with records of the caller's own, in [`RECORDS`](crate::RECORDS), in the same batch.
    ///
    /// # Errors
    /// Those of [`StateDb::apply_certified`]; [`StateDbError::ForeignColumn`] for records elsewhere.
    pub fn apply_certified_with(&self, block: &CertifiedBlock, records: Batch) -> Result<CommittedBlock, StateDbError> {
        check_records(&records)?;
        check_header(block.block())?;
        self.commit_next(block.block(), |committed| {
            let mut batch = self.certify(committed, block.certified(), block.next_committee())?;
            batch.append(records);
            Ok(batch)
        })
    }

    /// The block at `height` with its checkpoint, for another node to apply.
    ///
    /// # Errors
    /// [`StateDbError::HeightAhead`], [`StateDbError::Pruned`], [`StateDbError::NoCheckpoint`], or the node's own faults.
    pub fn certified_block(&self, height: Height) -> Result<CertifiedBlock, StateDbError> {
        let info = self.block(height)?.info;
        let certified = self.checkpoint(height)?.ok_or(StateDbError::NoCheckpoint { height })?;
        let next_committee = match certified.data().next_committee {
            Some(_) => {
                let change = self.epoch_change(certified.data().epoch)?;
                Some(change.ok_or_else(|| damaged(format!("no committee after block {height}")))?.committee)
            }
            None => None,
        };
        let transactions = (info.first_version.0..=info.last_version.0).map(|version| {
            let found = self.transaction(Version(version))?;
            Ok(TransactionCommit {
                transaction: found.transaction,
                write_set: found.write_set,
                events: found.events,
                gas_used: found.info.gas_used,
                status: found.info.status,
            })
        });
        let transactions = transactions.collect::<Result<Vec<_>, StateDbError>>()?;
        let block = BlockCommit {
            height,
            id: info.id,
            epoch: info.epoch,
            round: info.round,
            proposer: info.proposer,
            timestamp_us: info.timestamp_us,
            transactions,
        };
        Ok(CertifiedBlock::V1 { block, certified, next_committee })
    }

    /// A record of the caller's own, put with a block or by [`StateDb::put_records`].
    ///
    /// # Errors
    /// The node's own faults.
    pub fn record(&self, key: &[u8]) -> Result<Option<Bytes>, StateDbError> {
        Ok(self.shared.store.get(RECORDS, key)?)
    }

    /// Writes records of the caller's own, in [`RECORDS`](crate::RECORDS), durably and apart from any block.
    ///
    /// # Errors
    /// [`StateDbError::ForeignColumn`] for records elsewhere; the node's own faults.
    pub fn put_records(&self, records: Batch) -> Result<(), StateDbError> {
        check_records(&records)?;
        Ok(self.shared.store.write(records, Durability::Sync)?)
    }

    /// What a checkpoint adds to its block's batch, if it is of that block.
    fn certify(
        &self,
        committed: &CommittedBlock,
        certified: &CertifiedCheckpoint,
        next_committee: Option<&Committee>,
    ) -> Result<Batch, StateDbError> {
        let mut batch = Batch::new();
        check_certified(committed, certified)?;
        put_certified(certified, next_committee, &mut batch)?;
        let data = certified.data();
        let before = match data.height.previous() {
            None | Some(Height(0)) => Some(data.chain),
            Some(before) => self.checkpoint(before)?.map(|before| before.checkpoint.digest()),
        };
        if let Some(before) = before.filter(|before| *before != data.previous) {
            return Err(not_certified(data.height, "the previous checkpoint", data.previous, before));
        }
        Ok(batch)
    }
}

fn not_certified(height: Height, what: &'static str, certified: impl ToString, found: impl ToString) -> StateDbError {
    StateDbError::NotCertified { height, what, certified: certified.to_string(), found: found.to_string() }
}

/// Checks that a block's outcome is the certified one.
pub(crate) fn check_certified(block: &CommittedBlock, certified: &CertifiedCheckpoint) -> Result<(), StateDbError> {
    let data = certified.data();
    let height = block.info.height;
    let error = |what, certified: &dyn ToString, found: &dyn ToString| {
        Err(not_certified(height, what, certified.to_string(), found.to_string()))
    };
    if data.height != height {
        return error("the height", &data.height, &height);
    }
    if data.epoch != block.info.epoch {
        return error("the epoch", &data.epoch, &block.info.epoch);
    }
    if data.version != block.info.last_version {
        return error("the last version", &data.version, &block.info.last_version);
    }
    if data.accumulator_root != block.accumulator_root {
        return error("the accumulator root", &data.accumulator_root, &block.accumulator_root);
    }
    if data.state_root != block.state_root {
        return error("the state root", &data.state_root, &block.state_root);
    }
    Ok(())
}

/// Puts a checkpoint into the batch, and the committee that it names.
pub(crate) fn put_certified(
    certified: &CertifiedCheckpoint,
    next_committee: Option<&Committee>,
    batch: &mut Batch,
) -> Result<(), StateDbError> {
    let data = certified.data();
    let text = |hash: Option<noema_types::Hash>| hash.map_or("none".to_owned(), |hash| hash.to_string());
    let found = next_committee.map(Committee::hash);
    if data.next_committee != found {
        return Err(not_certified(data.height, "the next committee", text(data.next_committee), text(found)));
    }
    batch.put(CHECKPOINTS, number(data.height.0), encode(certified));
    if let Some(committee) = next_committee {
        let next = data.epoch.next();
        if committee.epoch() != next {
            return Err(not_certified(data.height, "the epoch of the next committee", next, committee.epoch()));
        }
        batch.put(EPOCHS, number(data.epoch.0), encode(&(data.height, committee)));
    }
    Ok(())
}

/// Checks that a block's header is what its metadata transaction says, which the accumulator covers.
fn check_header(block: &BlockCommit) -> Result<(), StateDbError> {
    let height = block.height;
    let metadata = match block.transactions.first().map(|first| &first.transaction) {
        Some(Transaction::BlockMetadata(metadata)) => metadata,
        Some(_) => return Err(not_certified(height, "the first transaction", "block metadata", "another kind")),
        None => return Err(StateDbError::EmptyBlock { height }),
    };
    let certified =
        (metadata.id, metadata.height, metadata.epoch, metadata.round, metadata.proposer, metadata.timestamp_us);
    let found = (block.id, block.height, block.epoch, block.round, block.proposer, block.timestamp_us);
    if certified != found {
        return Err(not_certified(height, "the header", format!("{certified:?}"), format!("{found:?}")));
    }
    Ok(())
}
