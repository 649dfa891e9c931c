//! What the chain commits: transactions of every kind, what became of them, blocks.

use serde::{Deserialize, Serialize};

use crate::{Address, Epoch, Event, ExecutionStatus, Gas, Hash, Height, Round, SignedTransaction, Version, WriteSet};

/// A transaction of any kind. The order of variants is the storage and hash format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "nearly all are users' transactions: a box would cost each of them")]
pub enum Transaction {
    /// Signed by a user. First, so that its hash is the one clients compute.
    User(SignedTransaction),
    /// The first state.
    Genesis(Genesis),
    /// The start of a block.
    BlockMetadata(BlockMetadata),
}

/// The first state of a chain and the events it begins with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Genesis {
    /// Every value of the first state.
    pub write_set: WriteSet,
    /// Events of its making.
    pub events: Vec<Event>,
}

/// What consensus tells execution at the start of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockMetadata {
    /// Name of the block.
    pub id: Hash,
    /// Position of the block.
    pub height: Height,
    /// Term of the validator set.
    pub epoch: Epoch,
    /// Round of consensus.
    pub round: Round,
    /// Validator that proposed it.
    pub proposer: Address,
    /// Positions, in the validator set, of those that should have proposed and did not.
    pub failed_proposer_indices: Vec<u32>,
    /// Which validators voted for the block before, one bit each.
    #[serde(with = "serde_bytes")]
    pub previous_block_votes: Vec<u8>,
    /// Unix time that consensus agreed on, in microseconds.
    pub timestamp_us: u64,
}

/// A committed block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInfo {
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
    /// Its first transaction.
    pub first_version: Version,
    /// Its last transaction.
    pub last_version: Version,
}

/// What became of a transaction, in hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionInfo {
    /// Hash of the transaction.
    pub transaction_hash: Hash,
    /// Root of the state after it, where a block ends.
    pub state_root: Option<Hash>,
    /// Hash of its events, in order.
    pub event_root: Hash,
    /// Hash of its write set.
    pub write_set_hash: Hash,
    /// Gas it used.
    pub gas_used: Gas,
    /// How it ended.
    pub status: ExecutionStatus,
}

/// SHA3-256 of a value's BCS under the hash of a domain's name.
fn domain_hash(domain: &[u8], value: &impl Serialize) -> Hash {
    let bytes = bcs::to_bytes(value).expect("ledger values always serialise");
    Hash::sha3(&[&Hash::sha3(&[domain]).0, &bytes])
}

impl Transaction {
    /// The name of the transaction; for a user's, [`SignedTransaction::hash`].
    #[must_use]
    pub fn hash(&self) -> Hash {
        domain_hash(b"APTOS::Transaction", self)
    }

    /// The signed transaction, if a user sent it.
    #[must_use]
    pub fn user(&self) -> Option<&SignedTransaction> {
        match self {
            Self::User(transaction) => Some(transaction),
            Self::Genesis(_) | Self::BlockMetadata(_) => None,
        }
    }
}

impl TransactionInfo {
    /// Hash of the whole.
    #[must_use]
    pub fn hash(&self) -> Hash {
        domain_hash(b"NOEMA::TransactionInfo", self)
    }
}

impl Event {
    /// Hash of a transaction's events, in order.
    #[must_use]
    pub fn root(events: &[Self]) -> Hash {
        domain_hash(b"NOEMA::Events", &events)
    }
}

impl WriteSet {
    /// Hash of the changes.
    #[must_use]
    pub fn hash(&self) -> Hash {
        domain_hash(b"NOEMA::WriteSet", self)
    }
}
