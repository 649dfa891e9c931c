//! Ed25519 by the rules of ZIP-215: one signature at a time or many at once, with equal answers.
//!
//! ZIP-215 takes every encoding of a point, small-order points too, demands `s` below the group order, and checks the
//! equation times the cofactor. That is what makes a batch agree with single checks.

use std::fmt;

use ed25519_consensus::{Signature, SigningKey, VerificationKey, VerificationKeyBytes, batch};
use noema_types::{Ed25519PublicKey, Ed25519Signature};
use rand::TryRngCore;
use rand_core::{CryptoRng, RngCore};

/// Below this, checking one by one is as fast as a batch.
const BATCH_MIN: usize = 4;

/// A private key and its public key.
#[derive(Clone)]
pub struct Ed25519KeyPair {
    private: SigningKey,
    public: Ed25519PublicKey,
}

/// One signature to check.
#[derive(Debug, Clone, Copy)]
pub struct Ed25519Item<'a> {
    /// Who should have signed.
    pub public_key: &'a Ed25519PublicKey,
    /// What.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a Ed25519Signature,
}

impl Ed25519KeyPair {
    /// Draws a key from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give, without which no key is safe.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives randomness");
        Self::from_private_bytes(bytes)
    }

    /// The pair of a private key; every 32 bytes are one.
    #[must_use]
    pub fn from_private_bytes(bytes: [u8; 32]) -> Self {
        let private = SigningKey::from(bytes);
        let public = Ed25519PublicKey(private.verification_key().to_bytes());
        Self { private, public }
    }

    /// The private key, for storing it safely.
    #[must_use]
    pub fn private_bytes(&self) -> [u8; 32] {
        self.private.to_bytes()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> Ed25519PublicKey {
        self.public
    }

    /// Signs a message (RFC 8032, deterministic).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Ed25519Signature {
        Ed25519Signature(self.private.sign(message).to_bytes())
    }
}

impl fmt::Debug for Ed25519KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Whether `signature` is `public_key`'s over `message`.
#[must_use]
pub fn verify_ed25519(public_key: &Ed25519PublicKey, message: &[u8], signature: &Ed25519Signature) -> bool {
    VerificationKey::try_from(public_key.0).is_ok_and(|key| key.verify(&Signature::from(signature.0), message).is_ok())
}

/// For each item, what [`verify_ed25519`] says of it; several times faster when all are good.
///
/// When the whole does not hold, halves are checked until the bad ones are found: few bad signatures cost little, many
/// cost a small factor over checking one by one.
#[must_use]
pub fn verify_ed25519_batch(items: &[Ed25519Item<'_>]) -> Vec<bool> {
    let mut results = vec![false; items.len()];
    verify_halving(items, &mut results);
    results
}

fn verify_halving(items: &[Ed25519Item<'_>], results: &mut [bool]) {
    if items.len() < BATCH_MIN {
        for (item, result) in items.iter().zip(results) {
            *result = verify_ed25519(item.public_key, item.message, item.signature);
        }
    } else if all_hold(items) {
        results.fill(true);
    } else {
        let middle = items.len() / 2;
        let (left, right) = results.split_at_mut(middle);
        verify_halving(&items[..middle], left);
        verify_halving(&items[middle..], right);
    }
}

fn all_hold(items: &[Ed25519Item<'_>]) -> bool {
    let mut verifier = batch::Verifier::new();
    for item in items {
        let key = VerificationKeyBytes::from(item.public_key.0);
        verifier.queue((key, Signature::from(item.signature.0), item.message));
    }
    verifier.verify(Coefficients::of(items)).is_ok()
}

/// The random coefficients of a batch: the output of BLAKE3 over all of it.
///
/// Who wants to slip in a bad signature must find one whose error the coefficients cancel, and they change with every
/// bit of it. So no randomness of the machine is needed, and a batch gives the same answer everywhere.
struct Coefficients(blake3::OutputReader);

impl Coefficients {
    fn of(items: &[Ed25519Item<'_>]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("noema 2026 ed25519 batch coefficients");
        for item in items {
            hasher.update(&item.public_key.0);
            hasher.update(&item.signature.0);
            hasher.update(&(item.message.len() as u64).to_le_bytes());
            hasher.update(item.message);
        }
        Self(hasher.finalize_xof())
    }
}

impl CryptoRng for Coefficients {}

impl RngCore for Coefficients {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
