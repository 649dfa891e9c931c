//! ECDSA on secp256k1 over SHA3-256 of the message, low `s` only.

use std::fmt;

use fastcrypto::hash::Sha3_256;
use fastcrypto::secp256k1 as backend;
use fastcrypto::traits::ToFromBytes;
use noema_types::{Secp256k1PublicKey, Secp256k1Signature};

/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// A private key and its public key.
pub struct Secp256k1KeyPair {
    pair: backend::Secp256k1KeyPair,
    public: Secp256k1PublicKey,
}

/// The bytes are not a private key: zero, or not below the group order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("secp256k1 private key is zero or not below the group order")]
pub struct Secp256k1KeyError;

impl Secp256k1KeyPair {
    /// The pair of a private key.
    ///
    /// # Errors
    /// [`Secp256k1KeyError`] for zero and what is not below the group order.
    pub fn from_private_bytes(bytes: &[u8; 32]) -> Result<Self, Secp256k1KeyError> {
        let pair = backend::Secp256k1KeyPair::from_bytes(bytes).map_err(|_| Secp256k1KeyError)?;
        let public = Secp256k1PublicKey(pair.public.pubkey.serialize_uncompressed());
        Ok(Self { pair, public })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> Secp256k1PublicKey {
        self.public
    }

    /// Signs a message (RFC 6979, deterministic, low `s`).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Secp256k1Signature {
        Secp256k1Signature(self.pair.sign_with_hash::<Sha3_256>(message).sig.serialize_compact())
    }
}

impl fmt::Debug for Secp256k1KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secp256k1KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Whether `signature` is `public_key`'s over SHA3-256 of `message`, with `s` in the lower half.
#[must_use]
pub fn verify_secp256k1(public_key: &Secp256k1PublicKey, message: &[u8], signature: &Secp256k1Signature) -> bool {
    // The library takes hybrid points too; the wire has uncompressed ones only.
    if public_key.0[0] != UNCOMPRESSED {
        return false;
    }
    let key = backend::Secp256k1PublicKey::from_bytes(&public_key.0);
    let signature = backend::Secp256k1Signature::from_bytes(&signature.0);
    match (key, signature) {
        (Ok(key), Ok(signature)) => key.verify_with_hash::<Sha3_256>(message, &signature).is_ok(),
        _ => false,
    }
}
