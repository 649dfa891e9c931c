//! Proofs that a value is in the state, or is not.

use bytes::Bytes;
use jmt::RootHash;
use noema_types::{Hash, StateKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::tree::key_hash;

pub(crate) type MerkleProof = jmt::proof::SparseMerkleProof<Sha256>;

/// A value, or its absence, and the path to a state root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateProof {
    /// The value; `None` claims that there is none.
    pub value: Option<Bytes>,
    path: MerkleProof,
}

/// The proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not hold for root {root}: {reason}")]
pub struct ProofError {
    /// The root it was checked against.
    pub root: Hash,
    /// What is wrong.
    pub reason: String,
}

impl StateProof {
    pub(crate) fn new(value: Option<Bytes>, path: MerkleProof) -> Self {
        Self { value, path }
    }

    /// Checks that in the state with `root`, `key` has this value or, if there is none, does not exist.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, root: Hash, key: &StateKey) -> Result<(), ProofError> {
        let result = self.path.verify(RootHash(root.0), key_hash(key), self.value.as_ref());
        result.map_err(|error| ProofError { root, reason: format!("{error:#}") })
    }
}
