//! Signatures of the simulation: keyed BLAKE3 under one secret per validator and key version. Fast, deterministic, and
//! nobody forges them, because a Byzantine validator is only ever given its own signer.

use std::fmt;
use std::sync::Arc;

use noema_dag::BlockCrypto;
use noema_types::{Author, Ed25519Signature};

/// A validator's secret.
pub(crate) type Secret = [u8; 32];

/// The signer of one validator and the verifier of all of an epoch.
#[derive(Clone)]
pub(crate) struct SimCrypto {
    own: Secret,
    all: Arc<Vec<Secret>>,
}

impl fmt::Debug for SimCrypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimCrypto").field("validators", &self.all.len()).finish_non_exhaustive()
    }
}

impl SimCrypto {
    /// For a validator with the secret `own` in a committee with the secrets `all`.
    #[must_use]
    pub(crate) fn new(own: Secret, all: Arc<Vec<Secret>>) -> Self {
        Self { own, all }
    }
}

/// The secret of a validator's key of this version, on this run.
#[must_use]
pub(crate) fn secret(seed: u64, node: u16, version: u64) -> Secret {
    let mut hasher = blake3::Hasher::new_derive_key("noema 2026 simulated key");
    hasher.update(&seed.to_le_bytes()).update(&node.to_le_bytes()).update(&version.to_le_bytes());
    hasher.finalize().into()
}

fn seal(secret: &Secret, message: &[u8]) -> Ed25519Signature {
    let first: [u8; 32] = blake3::keyed_hash(secret, message).into();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&first);
    signature[32..].copy_from_slice(&first);
    Ed25519Signature(signature)
}

impl BlockCrypto for SimCrypto {
    fn sign(&self, message: &[u8]) -> Ed25519Signature {
        seal(&self.own, message)
    }

    fn verify(&self, author: Author, message: &[u8], signature: &Ed25519Signature) -> bool {
        self.all.get(usize::from(author.0)).is_some_and(|secret| seal(secret, message) == *signature)
    }
}
