//! ECDSA on secp256k1: over SHA3-256 of the message for transactions, over a given digest for contracts. Low `s` only,
//! but for recovery, which takes what Ethereum's takes.

use std::fmt;

use fastcrypto::hash::Sha3_256;
use fastcrypto::secp256k1 as backend;
use fastcrypto::traits::ToFromBytes;
use noema_types::{Hash, Secp256k1PublicKey, Secp256k1Signature};

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

/// Whether `signature` is `public_key`'s over a digest, with `s` in the lower half.
#[must_use]
pub fn verify_secp256k1_digest(public_key: &Secp256k1PublicKey, digest: &Hash, signature: &Secp256k1Signature) -> bool {
    if public_key.0[0] != UNCOMPRESSED {
        return false;
    }
    let key = ::secp256k1::PublicKey::from_slice(&public_key.0);
    let signature = ::secp256k1::ecdsa::Signature::from_compact(&signature.0);
    let (Ok(digest), Ok(key), Ok(signature)) = (::secp256k1::Message::from_slice(&digest.0), key, signature) else {
        return false;
    };
    ::secp256k1::SECP256K1.verify_ecdsa(&digest, &signature, &key).is_ok()
}

/// The key whose signature over a digest this is. `None` if there is none: `r` or `s` out of range, `recovery_id` above
/// 3, no point with this `r`, or the identity as key.
#[must_use]
pub fn recover_secp256k1(digest: &Hash, recovery_id: u8, signature: &Secp256k1Signature) -> Option<Secp256k1PublicKey> {
    let id = ::secp256k1::ecdsa::RecoveryId::from_i32(i32::from(recovery_id)).ok()?;
    let signature = ::secp256k1::ecdsa::RecoverableSignature::from_compact(&signature.0, id).ok()?;
    let digest = ::secp256k1::Message::from_slice(&digest.0).ok()?;
    let key = ::secp256k1::SECP256K1.recover_ecdsa(&digest, &signature).ok()?;
    Some(Secp256k1PublicKey(key.serialize_uncompressed()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn recovery_finds_the_signer(seed in 1u8.., message in any::<[u8; 8]>()) {
            let pair = Secp256k1KeyPair::from_private_bytes(&[seed; 32]).unwrap_or_else(|_| {
                Secp256k1KeyPair::from_private_bytes(&[1; 32]).unwrap()
            });
            let digest = Hash::sha3(&[&message]);
            let signature = pair.sign(&message);
            prop_assert!(verify_secp256k1_digest(&pair.public(), &digest, &signature));
            let found: Vec<_> = (0..4).filter_map(|id| recover_secp256k1(&digest, id, &signature)).collect();
            prop_assert_eq!(found.iter().filter(|key| **key == pair.public()).count(), 1);
            for key in found {
                prop_assert!(verify_secp256k1_digest(&key, &digest, &signature));
            }
        }

        #[test]
        fn any_bytes_are_no_panic(digest in any::<[u8; 32]>(), id in any::<u8>(), tail in any::<[u8; 32]>()) {
            let mut signature = [0xFF; 64];
            signature[32..].copy_from_slice(&tail);
            let mut key = [4; 65];
            key[33..].copy_from_slice(&tail);
            let (digest, signature) = (Hash(digest), Secp256k1Signature(signature));
            prop_assert!(recover_secp256k1(&digest, id, &signature).is_none());
            prop_assert!(!verify_secp256k1_digest(&Secp256k1PublicKey(key), &digest, &signature));
        }
    }
}
