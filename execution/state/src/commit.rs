//! Commits blocks: one synced batch each.

use std::collections::BTreeMap;

use bytes::Bytes;
use noema_store::Batch;
use noema_types::{
    Address, BlockInfo, Epoch, Event, ExecutionStatus, Gas, Hash, Height, Round, StateKey, Transaction,
    TransactionInfo, Version, WriteSet,
};
use serde::{Deserialize, Serialize};

use crate::StateDbError;
use crate::schema::{
    BLOCKS, EVENTS, EVENTS_BY_KEY, HEIGHTS_BY_VERSION, INFOS, TRANSACTIONS, VALUES, VERSIONS_BY_ACCOUNT,
    VERSIONS_BY_HASH, WRITE_SETS, account_sequence_key, encode, event_key, event_place, number, value_key,
    value_prefix, value_record,
};

/// An executed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionCommit {
    /// What ran.
    pub transaction: Transaction,
    /// What it changed.
    pub write_set: WriteSet,
    /// What it emitted.
    pub events: Vec<Event>,
    /// Gas it used.
    pub gas_used: Gas,
    /// How it ended.
    pub status: ExecutionStatus,
}

/// An executed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockCommit {
    /// Position of the block; 0 is genesis.
    pub height: Height,
    /// Name of the block.
    pub id: Hash,
    /// Term of the validator set.
    pub epoch: Epoch,
    /// Round of consensus.
    pub round: Round,
    /// Validator that proposed it; `0x0` for genesis.
    pub proposer: Address,
    /// Unix time that consensus agreed on, in microseconds.
    pub timestamp_us: u64,
    /// Its transactions, in order: at least one.
    pub transactions: Vec<TransactionCommit>,
}

/// A block as it is in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedBlock {
    /// Header of the block.
    pub info: BlockInfo,
    /// Root of the state after it.
    pub state_root: Hash,
    /// Hash over all transactions of the ledger up to its end.
    pub accumulator_root: Hash,
}

/// What is stored of a transaction's outcome, apart from events and write set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InfoRecord {
    pub(crate) info: TransactionInfo,
    /// Hash over all transactions of the ledger up to this one.
    pub(crate) accumulator_root: Hash,
}

/// The chain of hashes over the ledger: each covers its predecessor and one transaction's info.
pub(crate) fn accumulate(previous: Hash, info: &TransactionInfo) -> Hash {
    Hash::sha3(&[&Hash::sha3(&[b"NOEMA::Accumulator"]).0, &previous.0, &info.hash().0])
}

impl BlockCommit {
    /// The header, once the first version is known.
    pub(crate) fn info(&self, first_version: Version) -> Result<BlockInfo, StateDbError> {
        let Some(others) = self.transactions.len().checked_sub(1) else {
            return Err(StateDbError::EmptyBlock { height: self.height });
        };
        Ok(BlockInfo {
            height: self.height,
            id: self.id,
            epoch: self.epoch,
            round: self.round,
            proposer: self.proposer,
            timestamp_us: self.timestamp_us,
            first_version,
            last_version: Version(first_version.0 + others as u64),
        })
    }

    /// The newest value of every key that the block changes.
    pub(crate) fn changes(&self) -> BTreeMap<StateKey, (Version, Option<Bytes>)> {
        let mut changes = BTreeMap::new();
        for (position, transaction) in self.transactions.iter().enumerate() {
            for (key, op) in &transaction.write_set.0 {
                changes.insert(key.clone(), (Version(position as u64), op.bytes().cloned()));
            }
        }
        changes
    }
}

impl TransactionCommit {
    pub(crate) fn info(&self, state_root: Option<Hash>) -> TransactionInfo {
        TransactionInfo {
            transaction_hash: self.transaction.hash(),
            state_root,
            event_root: Event::root(&self.events),
            write_set_hash: self.write_set.hash(),
            gas_used: self.gas_used,
            status: self.status.clone(),
        }
    }

    /// Puts everything but the info into the batch.
    ///
    /// The transaction goes first and the block, elsewhere, last: should a broken store keep only a part of a batch,
    /// opening the database finds a transaction without a block.
    pub(crate) fn put(&self, version: Version, hash: Hash, batch: &mut Batch) {
        batch.put(TRANSACTIONS, number(version.0), encode(&self.transaction));
        batch.put(EVENTS, number(version.0), encode(&self.events));
        batch.put(WRITE_SETS, number(version.0), encode(&self.write_set));
        batch.put(VERSIONS_BY_HASH, hash.0.to_vec(), number(version.0));
        if let Some(user) = self.transaction.user() {
            // Orderless transactions have no place in the order of an account.
            if user.raw.payload.replay_protection_nonce().is_none() {
                let key = account_sequence_key(&user.raw.sender, user.raw.sequence_number);
                batch.put(VERSIONS_BY_ACCOUNT, key, number(version.0));
            }
        }
        for (position, event) in self.events.iter().enumerate() {
            if let Event::V1 { key, sequence_number, .. } = event {
                batch.put(EVENTS_BY_KEY, event_key(key, *sequence_number), event_place(version, position as u64));
            }
        }
        for (key, op) in &self.write_set.0 {
            batch.put(VALUES, value_key(&value_prefix(key), version), value_record(op.bytes()));
        }
    }
}

pub(crate) fn put_info(version: Version, record: &InfoRecord, batch: &mut Batch) {
    batch.put(INFOS, number(version.0), encode(record));
}

pub(crate) fn put_block(block: &CommittedBlock, batch: &mut Batch) {
    batch.put(HEIGHTS_BY_VERSION, number(block.info.last_version.0), number(block.info.height.0));
    batch.put(BLOCKS, number(block.info.height.0), encode(block));
}
