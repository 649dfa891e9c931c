//! Proofs that a value is in the state, or is not, and their verification without a database.
//!
//! The state is a Jellyfish Merkle tree: a binary trie over 256-bit key hashes, in which a subtree with one leaf is that
//! leaf and a subtree without leaves is a placeholder. With SHA-256:
//!
//! - leaf: `H("JMT::LeafNode" ‖ key hash ‖ H(value))`,
//! - inner node: `H("JMT::IntrnalNode" ‖ left ‖ right)`,
//! - nothing: the 32 bytes `SPARSE_MERKLE_PLACEHOLDER_HASH__`.
//!
//! A proof that holds for a root shows what the state with that root has under the key; which root is right is for a
//! certificate to say.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits::{BCS_DEPTH_MAX, PROOF_SIBLINGS_MAX, STATE_PROOF_BYTES_MAX};
use crate::{DecodeError, Hash, Height, StateKey};

/// Root of the state without values, and hash of every place without one.
pub const EMPTY_STATE_ROOT: Hash = Hash(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

const LEAF_DOMAIN: &[u8] = b"JMT::LeafNode";
const NODE_DOMAIN: &[u8] = b"JMT::IntrnalNode";

/// A leaf of the tree: the hashes of a key and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateLeaf {
    /// [`StateKey::hash`].
    pub key: Hash,
    /// SHA-256 of the value.
    pub value: Hash,
}

/// A value, or its absence, and the path to a state root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateProof {
    /// The value; `None` claims that there is none.
    pub value: Option<Bytes>,
    /// For an absent value: the leaf that has the place to itself where the value would be; `None` if nothing is there.
    /// For a present one: `None`.
    pub neighbour: Option<StateLeaf>,
    /// Hashes beside the path, from the bottom to the root.
    pub siblings: Vec<Hash>,
}

/// A proof and the block whose state it is about: what a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValueProof {
    /// The one format so far.
    V1 {
        /// The block.
        height: Height,
        /// The proof, against that block's state root.
        proof: StateProof,
    },
}

/// The proof does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Longer than any path of the tree.
    #[error("the proof has {count} siblings, over the limit of {limit}")]
    TooLong {
        /// Siblings given.
        count: usize,
        /// Siblings allowed.
        limit: usize,
    },
    /// A proof of presence that names a leaf in the value's place.
    #[error("the proof has a value and a leaf in its place")]
    ValueAndNeighbour,
    /// The leaf that should show the absence has the key itself.
    #[error("the proof of absence shows that the key is there")]
    NeighbourIsKey,
    /// The leaf that should show the absence lies where the key would not.
    #[error("the leaf in the proof of absence shares {shared} bits with the key, its path has {needed}")]
    NeighbourElsewhere {
        /// Bits that the leaf's key shares with the key.
        shared: usize,
        /// Bits that it must share.
        needed: usize,
    },
    /// The path leads to another root.
    #[error("the proof leads to root {found}, expected {expected}")]
    OtherRoot {
        /// Root that was to be proved against.
        expected: Hash,
        /// Where the path leads.
        found: Hash,
    },
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of an inner node of the tree.
#[must_use]
pub fn state_node_hash(left: Hash, right: Hash) -> Hash {
    sha256(&[NODE_DOMAIN, &left.0, &right.0])
}

/// Bit `index` of a key hash, from the root down: whether the path goes right there.
#[must_use]
pub fn goes_right(key: &Hash, index: usize) -> bool {
    key.0[index / 8] >> (7 - index % 8) & 1 == 1
}

/// Bits that two key hashes share, from the root down.
fn shared_bits(left: &Hash, right: &Hash) -> usize {
    match left.0.iter().zip(&right.0).position(|(left, right)| left != right) {
        Some(byte) => byte * 8 + (left.0[byte] ^ right.0[byte]).leading_zeros() as usize,
        None => Hash::LENGTH * 8,
    }
}

impl StateLeaf {
    /// The leaf of a value under the hash of its key.
    #[must_use]
    pub fn new(key: Hash, value: &[u8]) -> Self {
        Self { key, value: sha256(&[value]) }
    }

    /// The hash of the leaf.
    #[must_use]
    pub fn hash(&self) -> Hash {
        sha256(&[LEAF_DOMAIN, &self.key.0, &self.value.0])
    }
}

impl StateProof {
    /// Decodes a proof from outside.
    ///
    /// # Errors
    /// [`DecodeError`] for what is too large, malformed, or longer than any path.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let proof: Self = decode_proof("state proof", bytes)?;
        proof.check_length()?;
        Ok(proof)
    }

    fn check_length(&self) -> Result<(), DecodeError> {
        let (count, limit) = (self.siblings.len(), PROOF_SIBLINGS_MAX);
        if count > limit {
            return Err(DecodeError::OverLimit { what: "state proof", of: "siblings", count, limit });
        }
        Ok(())
    }

    /// Checks that in the state with `root`, `key` has this value or, if there is none, does not exist.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, root: Hash, key: &StateKey) -> Result<(), ProofError> {
        self.verify_hash(root, key.hash())
    }

    /// [`StateProof::verify`] for the hash of a key.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify_hash(&self, root: Hash, key: Hash) -> Result<(), ProofError> {
        let (count, limit) = (self.siblings.len(), PROOF_SIBLINGS_MAX);
        if count > limit {
            return Err(ProofError::TooLong { count, limit });
        }
        let bottom = match (&self.value, &self.neighbour) {
            (Some(_), Some(_)) => return Err(ProofError::ValueAndNeighbour),
            (Some(value), None) => StateLeaf::new(key, value).hash(),
            (None, Some(leaf)) if leaf.key == key => return Err(ProofError::NeighbourIsKey),
            (None, Some(leaf)) => {
                let shared = shared_bits(&leaf.key, &key);
                if shared < count {
                    return Err(ProofError::NeighbourElsewhere { shared, needed: count });
                }
                leaf.hash()
            }
            (None, None) => EMPTY_STATE_ROOT,
        };
        let found = state_path_root(bottom, &key, &self.siblings);
        if found == root { Ok(()) } else { Err(ProofError::OtherRoot { expected: root, found }) }
    }
}

/// Where the path of `key` leads from `bottom`, past no more than 256 siblings.
///
/// # Panics
/// With more siblings: the caller has checked them.
#[must_use]
pub fn state_path_root(bottom: Hash, key: &Hash, siblings: &[Hash]) -> Hash {
    let levels = siblings.iter().zip((0..siblings.len()).rev());
    levels.fold(bottom, |hash, (sibling, index)| match goes_right(key, index) {
        true => state_node_hash(*sibling, hash),
        false => state_node_hash(hash, *sibling),
    })
}

impl ValueProof {
    /// The block.
    #[must_use]
    pub fn height(&self) -> Height {
        let Self::V1 { height, .. } = self;
        *height
    }

    /// The proof.
    #[must_use]
    pub fn proof(&self) -> &StateProof {
        let Self::V1 { proof, .. } = self;
        proof
    }

    /// Decodes a node's answer.
    ///
    /// # Errors
    /// [`DecodeError`] for what is too large, malformed, or longer than any path.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let answer: Self = decode_proof("value proof", bytes)?;
        answer.proof().check_length()?;
        Ok(answer)
    }
}

fn decode_proof<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    crate::encoding::decode_limited(what, bytes, STATE_PROOF_BYTES_MAX, BCS_DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The root of a set of leaves by the definition: no tree, no nodes.
    fn root(leaves: &[StateLeaf], depth: usize) -> Hash {
        match leaves {
            [] => EMPTY_STATE_ROOT,
            [leaf] => leaf.hash(),
            _ => {
                let split = leaves.partition_point(|leaf| !goes_right(&leaf.key, depth));
                state_node_hash(root(&leaves[..split], depth + 1), root(&leaves[split..], depth + 1))
            }
        }
    }

    /// The proof of `key` by the definition.
    fn prove(leaves: &[StateLeaf], values: &[(Hash, Bytes)], key: Hash) -> StateProof {
        let mut siblings = Vec::new();
        let mut rest = leaves;
        let mut depth = 0;
        while rest.len() > 1 {
            let split = rest.partition_point(|leaf| !goes_right(&leaf.key, depth));
            let (left, right) = rest.split_at(split);
            let (own, other) = if goes_right(&key, depth) { (right, left) } else { (left, right) };
            siblings.push(root(other, depth + 1));
            rest = own;
            depth += 1;
        }
        siblings.reverse();
        let value = values.iter().find(|(of, _)| *of == key).map(|(_, value)| value.clone());
        let neighbour = if value.is_some() { None } else { rest.first().copied() };
        StateProof { value, neighbour, siblings }
    }

    fn values() -> impl Strategy<Value = Vec<(Hash, Bytes)>> {
        // Few different first bytes and zeros behind: long shared paths.
        let key = (0..6u8, 0..4u8, any::<bool>()).prop_map(|(first, last, long)| {
            let mut bytes = [0; 32];
            bytes[0] = first << 5;
            bytes[if long { 31 } else { 1 }] |= last;
            Hash(bytes)
        });
        prop::collection::btree_map(key, prop::collection::vec(any::<u8>(), 0..4), 0..12)
            .prop_map(|map| map.into_iter().map(|(key, value)| (key, Bytes::from(value))).collect())
    }

    proptest! {
        #[test]
        fn proofs_hold_and_lies_do_not(values in values(), key in 0..8u8, at in any::<prop::sample::Index>()) {
            let leaves: Vec<_> = values.iter().map(|(key, value)| StateLeaf::new(*key, value)).collect();
            let root = root(&leaves, 0);
            let mut other = [0; 32];
            other[0] = key << 5;
            let key = if values.is_empty() || key > 5 { Hash(other) } else { values[at.index(values.len())].0 };
            let proof = prove(&leaves, &values, key);
            prop_assert_eq!(proof.verify_hash(root, key), Ok(()));
            let bytes = bcs::to_bytes(&proof).unwrap();
            prop_assert_eq!(StateProof::decode(&bytes), Ok(proof.clone()));
            prop_assert!(proof.verify_hash(Hash::ZERO, key).is_err());
            let mut lie = proof.clone();
            lie.value = Some(Bytes::from_static(b"another value"));
            prop_assert!(lie.verify_hash(root, key).is_err());
            if proof.value.is_some() {
                lie = proof.clone();
                lie.value = None;
                prop_assert!(lie.verify_hash(root, key).is_err());
                lie.neighbour = leaves.iter().find(|leaf| leaf.key != key).copied();
                prop_assert!(lie.verify_hash(root, key).is_err());
                lie.neighbour = leaves.iter().find(|leaf| leaf.key == key).copied();
                prop_assert_eq!(lie.verify_hash(root, key), Err(ProofError::NeighbourIsKey));
            }
            for index in 0..proof.siblings.len() {
                let mut lie = proof.clone();
                lie.siblings[index].0[at.index(32)] ^= 1;
                prop_assert!(lie.verify_hash(root, key).is_err());
                lie = proof.clone();
                lie.siblings.remove(index);
                prop_assert!(lie.verify_hash(root, key).is_err());
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(proof) = StateProof::decode(&bytes) {
                let _ = proof.verify_hash(Hash::ZERO, Hash::ZERO);
            }
            let _ = ValueProof::decode(&bytes);
        }

        #[test]
        fn mutated_proofs_never_panic_and_never_hold(
            values in values(), at in any::<prop::sample::Index>(), flip in 1..=255u8, of in any::<prop::sample::Index>(),
        ) {
            prop_assume!(!values.is_empty());
            let leaves: Vec<_> = values.iter().map(|(key, value)| StateLeaf::new(*key, value)).collect();
            let key = values[of.index(values.len())].0;
            let proof = prove(&leaves, &values, key);
            let mut bytes = bcs::to_bytes(&proof).unwrap();
            let place = at.index(bytes.len());
            bytes[place] ^= flip;
            if let Ok(mutated) = StateProof::decode(&bytes) {
                prop_assert_ne!(&mutated, &proof);
                prop_assert!(mutated.verify_hash(root(&leaves, 0), key).is_err());
            }
        }
    }

    #[test]
    fn sizes_are_limited() {
        let long = StateProof { value: None, neighbour: None, siblings: vec![Hash::ZERO; PROOF_SIBLINGS_MAX + 1] };
        let error = ProofError::TooLong { count: 257, limit: 256 };
        assert_eq!(long.verify_hash(Hash::ZERO, Hash::ZERO), Err(error));
        assert!(matches!(StateProof::decode(&bcs::to_bytes(&long).unwrap()), Err(DecodeError::OverLimit { .. })));
        let large =
            StateProof { value: Some(vec![0; STATE_PROOF_BYTES_MAX].into()), neighbour: None, siblings: vec![] };
        assert!(matches!(StateProof::decode(&bcs::to_bytes(&large).unwrap()), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn an_empty_state_has_nothing() {
        let proof = StateProof { value: None, neighbour: None, siblings: Vec::new() };
        assert_eq!(proof.verify_hash(EMPTY_STATE_ROOT, Hash::ZERO), Ok(()));
        assert!(proof.verify_hash(Hash::ZERO, Hash::ZERO).is_err());
    }
}
