//! Authentication keys and derived addresses: SHA3-256 of what owns the account, and one byte for how.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::keys::{AnyPublicKey, Ed25519PublicKey, MultiEd25519PublicKey, MultiKey};
use crate::{Address, Hash};

/// How an address or authentication key is derived: the last byte hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Scheme {
    Ed25519 = 0,
    MultiEd25519 = 1,
    SingleKey = 2,
    MultiKey = 3,
    Auid = 251,
    ObjectFromObject = 252,
    ObjectFromGuid = 253,
    NamedObject = 254,
    ResourceAccount = 255,
}

fn derive(parts: &[&[u8]], scheme: Scheme) -> [u8; 32] {
    let tag = [scheme as u8];
    let parts: Vec<&[u8]> = parts.iter().copied().chain([tag.as_slice()]).collect();
    Hash::sha3(&parts).0
}

/// What an account's signers must hash to. It is the account's address until the key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AuthKey(pub [u8; 32]);

impl AuthKey {
    /// Of a plain Ed25519 key (scheme 0).
    #[must_use]
    pub fn ed25519(key: &Ed25519PublicKey) -> Self {
        Self(derive(&[&key.0], Scheme::Ed25519))
    }

    /// Of a MultiEd25519 key (scheme 1).
    #[must_use]
    pub fn multi_ed25519(key: &MultiEd25519PublicKey) -> Self {
        Self(derive(&[&key.to_bytes()], Scheme::MultiEd25519))
    }

    /// Of a single key of any kind (scheme 2).
    #[must_use]
    pub fn single_key(key: &AnyPublicKey) -> Self {
        let bytes = bcs::to_bytes(key).expect("a public key always serialises");
        Self(derive(&[&bytes], Scheme::SingleKey))
    }

    /// Of several keys of any kind (scheme 3).
    #[must_use]
    pub fn multi_key(key: &MultiKey) -> Self {
        let bytes = bcs::to_bytes(key).expect("public keys always serialise");
        Self(derive(&[&bytes], Scheme::MultiKey))
    }

    /// The address of an account created with this key.
    #[must_use]
    pub fn to_address(self) -> Address {
        Address(self.0)
    }
}

impl fmt::Display for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// A unique address made in a transaction: its `counter`-th, from 1.
    #[must_use]
    pub fn unique(transaction: &Hash, counter: u64) -> Self {
        Self(derive(&[&transaction.0, &counter.to_le_bytes()], Scheme::Auid))
    }

    /// The object that `source` derives from the object `derive_from`.
    #[must_use]
    pub fn object_from_object(source: &Self, derive_from: &Self) -> Self {
        Self(derive(&[&source.0, &derive_from.0], Scheme::ObjectFromObject))
    }

    /// The object made from an account's globally unique identifier.
    #[must_use]
    pub fn object_from_guid(creator: &Self, creation_number: u64) -> Self {
        Self(derive(&[&creation_number.to_le_bytes(), &creator.0], Scheme::ObjectFromGuid))
    }

    /// The object that `creator` names with `seed`.
    #[must_use]
    pub fn named_object(creator: &Self, seed: &[u8]) -> Self {
        Self(derive(&[&creator.0, seed], Scheme::NamedObject))
    }

    /// The resource account that `source` names with `seed`.
    #[must_use]
    pub fn resource_account(source: &Self, seed: &[u8]) -> Self {
        Self(derive(&[&source.0, seed], Scheme::ResourceAccount))
    }
}
