//! Executed blocks, and what goes with them from node to node: nothing here is trusted before it is checked.

use serde::{Deserialize, Serialize};

use crate::limits::{BLOCK_DEPTH_MAX, CERTIFIED_BLOCK_BYTES_MAX, SNAPSHOT_CHUNK_BYTES_MAX};
use crate::{
    Address, BlockInfo, CertifiedCheckpoint, Committee, DecodeError, Epoch, Event, ExecutionStatus, Gas, Hash, Height,
    Round, StateKey, Transaction, TransactionInfo, Version, WriteSet,
};

/// An executed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The end of an epoch: its certified last block and the committee that follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochChange {
    /// The last checkpoint of the epoch, which names the committee's hash.
    pub certified: CertifiedCheckpoint,
    /// The committee of the next epoch.
    pub committee: Committee,
}

/// A block with the certificate over its outcome: whoever has the state before can apply it without executing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertifiedBlock {
    /// The one format so far.
    V1 {
        /// The block.
        block: BlockCommit,
        /// The checkpoint after it.
        certified: CertifiedCheckpoint,
        /// The committee that follows, where the block ends an epoch.
        next_committee: Option<Committee>,
    },
}

/// What a snapshot of the state is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotHeader {
    /// The one format so far.
    V1 {
        /// The block after which the state is taken.
        block: CommittedBlock,
        /// The checkpoint after it.
        certified: CertifiedCheckpoint,
        /// The committee that follows, where the block ends an epoch.
        next_committee: Option<Committee>,
    },
}

/// A part of a snapshot: values whose key hashes follow one another, and proof that none is missing between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotChunk {
    /// The one format so far.
    V1 {
        /// The block after which the state is taken.
        height: Height,
        /// Keys and values, by ascending hash of the key: at least one.
        entries: Vec<(StateKey, bytes::Bytes)>,
        /// Hashes beside the last entry's path, from the bottom to the root.
        siblings: Vec<Hash>,
        /// Whether no entries follow.
        last: bool,
    },
}

/// The chain of hashes over the ledger: each covers its predecessor and one transaction's info.
#[must_use]
pub fn accumulate(previous: Hash, info: &TransactionInfo) -> Hash {
    Hash::sha3(&[&Hash::sha3(&[b"NOEMA::Accumulator"]).0, &previous.0, &info.hash().0])
}

impl BlockCommit {
    /// The header, once the first version is known; `None` for a block without transactions.
    #[must_use]
    pub fn info(&self, first_version: Version) -> Option<BlockInfo> {
        let others = u64::try_from(self.transactions.len().checked_sub(1)?).ok()?;
        Some(BlockInfo {
            height: self.height,
            id: self.id,
            epoch: self.epoch,
            round: self.round,
            proposer: self.proposer,
            timestamp_us: self.timestamp_us,
            first_version,
            last_version: Version(first_version.0.checked_add(others)?),
        })
    }
}

impl TransactionCommit {
    /// What became of it, in hashes; the last transaction of a block carries the root of the state.
    #[must_use]
    pub fn info(&self, state_root: Option<Hash>) -> TransactionInfo {
        TransactionInfo {
            transaction_hash: self.transaction.hash(),
            state_root,
            event_root: Event::root(&self.events),
            write_set_hash: self.write_set.hash(),
            gas_used: self.gas_used,
            status: self.status.clone(),
        }
    }
}

impl CertifiedBlock {
    /// The block.
    #[must_use]
    pub fn block(&self) -> &BlockCommit {
        let Self::V1 { block, .. } = self;
        block
    }

    /// The checkpoint after it.
    #[must_use]
    pub fn certified(&self) -> &CertifiedCheckpoint {
        let Self::V1 { certified, .. } = self;
        certified
    }

    /// The committee that follows, where the block ends an epoch.
    #[must_use]
    pub fn next_committee(&self) -> Option<&Committee> {
        let Self::V1 { next_committee, .. } = self;
        next_committee.as_ref()
    }

    /// Decodes a block from another node.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        crate::encoding::decode_limited("certified block", bytes, CERTIFIED_BLOCK_BYTES_MAX, BLOCK_DEPTH_MAX)
    }
}

impl SnapshotHeader {
    /// The block after which the state is taken.
    #[must_use]
    pub fn block(&self) -> &CommittedBlock {
        let Self::V1 { block, .. } = self;
        block
    }

    /// The checkpoint after it.
    #[must_use]
    pub fn certified(&self) -> &CertifiedCheckpoint {
        let Self::V1 { certified, .. } = self;
        certified
    }

    /// The committee that follows, where the block ends an epoch.
    #[must_use]
    pub fn next_committee(&self) -> Option<&Committee> {
        let Self::V1 { next_committee, .. } = self;
        next_committee.as_ref()
    }

    /// Decodes a header from another node.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        crate::encoding::decode_limited("snapshot header", bytes, SNAPSHOT_CHUNK_BYTES_MAX, BLOCK_DEPTH_MAX)
    }
}

impl SnapshotChunk {
    /// Hash of the last key: where the next chunk goes on. `None` for a chunk without entries, which no node makes.
    #[must_use]
    pub fn end(&self) -> Option<Hash> {
        let Self::V1 { entries, .. } = self;
        entries.last().map(|(key, _)| key.hash())
    }

    /// Whether no entries follow.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let Self::V1 { last, .. } = self;
        *last
    }

    /// Decodes a chunk from another node.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        crate::encoding::decode_limited("snapshot chunk", bytes, SNAPSHOT_CHUNK_BYTES_MAX, BLOCK_DEPTH_MAX)
    }
}
