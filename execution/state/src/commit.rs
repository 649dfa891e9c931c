//! What a block puts into the store.

use std::collections::BTreeMap;

use bytes::Bytes;
use noema_store::Batch;
use noema_types::{BlockCommit, CommittedBlock, Event, Hash, StateKey, TransactionCommit, TransactionInfo, Version};
use serde::{Deserialize, Serialize};

use crate::schema::{
    BLOCKS, EVENTS, EVENTS_BY_KEY, HEIGHTS_BY_VERSION, INFOS, TRANSACTIONS, VALUES, VERSIONS_BY_ACCOUNT,
    VERSIONS_BY_HASH, WRITE_SETS, account_sequence_key, encode, event_key, event_place, number, value_key,
    value_prefix, value_record,
};

/// What is stored of a transaction's outcome, apart from events and write set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InfoRecord {
    pub(crate) info: TransactionInfo,
    /// Hash over all transactions of the ledger up to this one.
    pub(crate) accumulator_root: Hash,
}

/// The newest value of every key that the block changes, and the position of the transaction that gave it.
pub(crate) fn changes(block: &BlockCommit) -> BTreeMap<StateKey, (Version, Option<Bytes>)> {
    let mut changes = BTreeMap::new();
    for (position, transaction) in block.transactions.iter().enumerate() {
        for (key, op) in &transaction.write_set.0 {
            changes.insert(key.clone(), (Version(position as u64), op.bytes().cloned()));
        }
    }
    changes
}

/// Puts everything of a transaction but its info into the batch.
///
/// The transaction goes first and the block, elsewhere, last: should a broken store keep only a part of a batch,
/// opening the database finds a transaction without a block.
pub(crate) fn put_transaction(one: &TransactionCommit, version: Version, hash: Hash, batch: &mut Batch) {
    batch.put(TRANSACTIONS, number(version.0), encode(&one.transaction));
    batch.put(EVENTS, number(version.0), encode(&one.events));
    batch.put(WRITE_SETS, number(version.0), encode(&one.write_set));
    batch.put(VERSIONS_BY_HASH, hash.0.to_vec(), number(version.0));
    if let Some(user) = one.transaction.user() {
        // Orderless transactions have no place in the order of an account.
        if user.raw.payload.replay_protection_nonce().is_none() {
            let key = account_sequence_key(&user.raw.sender, user.raw.sequence_number);
            batch.put(VERSIONS_BY_ACCOUNT, key, number(version.0));
        }
    }
    for (position, event) in one.events.iter().enumerate() {
        if let Event::V1 { key, sequence_number, .. } = event {
            batch.put(EVENTS_BY_KEY, event_key(key, *sequence_number), event_place(version, position as u64));
        }
    }
    for (key, op) in &one.write_set.0 {
        batch.put(VALUES, value_key(&value_prefix(key), version), value_record(op.bytes()));
    }
}

pub(crate) fn put_info(version: Version, record: &InfoRecord, batch: &mut Batch) {
    batch.put(INFOS, number(version.0), encode(record));
}

pub(crate) fn put_block(block: &CommittedBlock, batch: &mut Batch) {
    batch.put(HEIGHTS_BY_VERSION, number(block.info.last_version.0), number(block.info.height.0));
    batch.put(BLOCKS, number(block.info.height.0), encode(block));
}
