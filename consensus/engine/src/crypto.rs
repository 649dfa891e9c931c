//! Block signatures with the keys of a committee.

use std::sync::Arc;

use noema_crypto::{Ed25519KeyPair, verify_ed25519};
use noema_dag::BlockCrypto;
use noema_types::{Author, Committee, Ed25519Signature};

/// The own consensus key and those of the committee.
#[derive(Debug)]
pub(crate) struct CommitteeCrypto {
    pub(crate) key: Ed25519KeyPair,
    pub(crate) committee: Arc<Committee>,
}

impl BlockCrypto for CommitteeCrypto {
    fn sign(&self, message: &[u8]) -> Ed25519Signature {
        self.key.sign(message)
    }

    fn verify(&self, author: Author, message: &[u8], signature: &Ed25519Signature) -> bool {
        self.committee.get(author).is_some_and(|info| verify_ed25519(&info.consensus_key, message, signature))
    }
}
