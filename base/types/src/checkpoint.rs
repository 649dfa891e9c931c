//! What validators certify: the executed state of a block.

use serde::{Deserialize, Serialize};

use crate::{BlsSignature, CommitIndex, Epoch, Hash, Height, TimestampMs, Version};

const DOMAIN: &[u8] = b"NOEMA::Checkpoint";

/// The state after a block, as the committee of its epoch signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Checkpoint {
    /// The one format so far.
    V1(CheckpointData),
}

/// The content of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointData {
    /// Hash of the genesis transaction: names the chain.
    pub chain: Hash,
    /// Epoch of the block, whose committee signs.
    pub epoch: Epoch,
    /// The block.
    pub height: Height,
    /// Digest of the checkpoint before; of block 1, the chain.
    pub previous: Hash,
    /// The block's last transaction.
    pub version: Version,
    /// Root of the state after the block.
    pub state_root: Hash,
    /// Hash over all transactions of the ledger up to the block's end.
    pub accumulator_root: Hash,
    /// The block's time.
    pub timestamp: TimestampMs,
    /// The commit that ends the block.
    pub commit_index: CommitIndex,
    /// Digest of that commit, which covers all before.
    pub commit_digest: Hash,
    /// Digest of the state of consensus after that commit.
    pub consensus_state: Hash,
    /// Hash of the committee that follows, where the block ends an epoch.
    pub next_committee: Option<Hash>,
}

/// Who signed a checkpoint, and their signatures in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// One bit per validator, the lowest bit of the first byte first; no byte more than needed for the committee.
    #[serde(with = "serde_bytes")]
    pub signers: Vec<u8>,
    /// The sum of their signatures.
    pub signature: BlsSignature,
}

/// A checkpoint with its certificate, which is to be verified before anything of it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedCheckpoint {
    /// What is certified.
    pub checkpoint: Checkpoint,
    /// By whom.
    pub certificate: Certificate,
}

impl Checkpoint {
    /// Its content.
    #[must_use]
    pub fn data(&self) -> &CheckpointData {
        match self {
            Self::V1(data) => data,
        }
    }

    /// The bytes that validators sign: a domain tag and its BCS, which begins with the version and the chain.
    #[must_use]
    pub fn signing_message(&self) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        bcs::serialize_into(&mut message, self).expect("a checkpoint always serialises");
        message
    }

    /// Domain-separated SHA3-256 of its BCS: names it and everything before it.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Hash::sha3(&[&self.signing_message()])
    }
}

impl CertifiedCheckpoint {
    /// Its content.
    #[must_use]
    pub fn data(&self) -> &CheckpointData {
        self.checkpoint.data()
    }
}
