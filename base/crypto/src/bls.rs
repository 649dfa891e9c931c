//! BLS signatures over BLS12-381 with keys in G1 (48 bytes) and signatures in G2 (96 bytes), by the proof-of-possession
//! ciphersuite of draft-irtf-cfrg-bls-signature.
//!
//! - Every point is checked to be canonical, in its subgroup and not the identity, whoever sent it.
//! - A proof of possession is a signature over the key under a domain of its own, which no message can reach.
//! - An aggregate over one message means something only if every key in it proved its possession before: else an
//!   attacker picks a key that cancels the others.

use std::fmt;

use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey, Signature};
use noema_types::{BlsPublicKey, BlsSignature};
use rand::TryRngCore;

/// Domain of messages.
const MESSAGE_DOMAIN: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Domain of proofs of possession.
const POSSESSION_DOMAIN: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// A private key and its public key.
#[derive(Clone)]
pub struct BlsKeyPair {
    private: SecretKey,
    public: BlsPublicKey,
}

/// The bytes are not a private key: zero, or not below the group order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("BLS private key is zero or not below the group order")]
pub struct BlsKeyError;

/// Signatures that do not aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlsAggregateError {
    /// There is nothing to aggregate.
    #[error("no signatures to aggregate")]
    Empty,
    /// One of them is not a point of the group.
    #[error("signature {index} is not a point of the group")]
    Malformed {
        /// Its position.
        index: usize,
    },
    /// They add up to the identity, which signs nothing.
    #[error("the signatures cancel each other")]
    Identity,
}

impl BlsKeyPair {
    /// Draws a key from the operating system's randomness.
    ///
    /// # Panics
    /// When the operating system has no randomness to give, without which no key is safe.
    #[must_use]
    pub fn generate() -> Self {
        let mut seed = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut seed).expect("the operating system gives randomness");
        Self::from_seed(&seed)
    }

    /// The pair derived from a secret seed (`KeyGen` of the draft). Equal seeds give equal keys.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::new(SecretKey::key_gen(seed, &[]).expect("32 bytes are enough for a key"))
    }

    /// The pair of a private key: a scalar, most significant byte first.
    ///
    /// # Errors
    /// [`BlsKeyError`] for zero and what is not below the group order.
    pub fn from_private_bytes(bytes: &[u8; 32]) -> Result<Self, BlsKeyError> {
        SecretKey::from_bytes(bytes).map(Self::new).map_err(|_| BlsKeyError)
    }

    fn new(private: SecretKey) -> Self {
        let public = BlsPublicKey(private.sk_to_pk().compress());
        Self { private, public }
    }

    /// The private key, for storing it safely.
    #[must_use]
    pub fn private_bytes(&self) -> [u8; 32] {
        self.private.to_bytes()
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> BlsPublicKey {
        self.public
    }

    /// Signs a message; deterministic.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> BlsSignature {
        BlsSignature(self.private.sign(message, MESSAGE_DOMAIN, &[]).compress())
    }

    /// Shows that whoever registers the public key has the private one.
    #[must_use]
    pub fn proof_of_possession(&self) -> BlsSignature {
        BlsSignature(self.private.sign(&self.public.0, POSSESSION_DOMAIN, &[]).compress())
    }
}

impl fmt::Debug for BlsKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlsKeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

fn key(bytes: &BlsPublicKey) -> Option<PublicKey> {
    let key = PublicKey::uncompress(&bytes.0).ok()?;
    key.validate().is_ok().then_some(key)
}

fn signature(bytes: &BlsSignature) -> Option<Signature> {
    let signature = Signature::uncompress(&bytes.0).ok()?;
    signature.validate(true).is_ok().then_some(signature)
}

/// Whether a checked signature holds under a checked key.
fn holds(key: &PublicKey, message: &[u8], signature: &Signature, domain: &[u8]) -> bool {
    signature.verify(false, message, domain, &[], key, false) == BLST_ERROR::BLST_SUCCESS
}

/// Whether the bytes are a key: a canonical point of the group that is not the identity. Says nothing of possession.
#[must_use]
pub fn is_bls_key(public_key: &BlsPublicKey) -> bool {
    key(public_key).is_some()
}

/// Whether the bytes are a signature of some message by some key: a canonical point of the group that is not the
/// identity.
#[must_use]
pub fn is_bls_signature(bytes: &BlsSignature) -> bool {
    signature(bytes).is_some()
}

/// Whether `signature` is `public_key`'s over `message`.
#[must_use]
pub fn verify_bls(public_key: &BlsPublicKey, message: &[u8], sig: &BlsSignature) -> bool {
    match (key(public_key), signature(sig)) {
        (Some(key), Some(signature)) => holds(&key, message, &signature, MESSAGE_DOMAIN),
        _ => false,
    }
}

/// Whether `proof` shows that the owner of `public_key` has its private key.
#[must_use]
pub fn verify_proof_of_possession(public_key: &BlsPublicKey, proof: &BlsSignature) -> bool {
    match (key(public_key), signature(proof)) {
        (Some(key), Some(proof)) => holds(&key, &public_key.0, &proof, POSSESSION_DOMAIN),
        _ => false,
    }
}

/// Adds signatures up. Each is checked to be a signature, none against a key: one that is not its signer's makes the
/// aggregate worthless.
///
/// # Errors
/// [`BlsAggregateError`].
pub fn aggregate_bls(signatures: &[BlsSignature]) -> Result<BlsSignature, BlsAggregateError> {
    let mut points = Vec::with_capacity(signatures.len());
    for (index, bytes) in signatures.iter().enumerate() {
        points.push(signature(bytes).ok_or(BlsAggregateError::Malformed { index })?);
    }
    let points: Vec<&Signature> = points.iter().collect();
    let sum = AggregateSignature::aggregate(&points, false).map_err(|_| BlsAggregateError::Empty)?.to_signature();
    sum.validate(true).map_err(|_| BlsAggregateError::Identity)?;
    Ok(BlsSignature(sum.compress()))
}

/// Adds keys up, each of which must have proved its possession before. `None` if there is none, one is not a key, or
/// they cancel each other.
#[must_use]
pub fn aggregate_bls_keys(public_keys: &[BlsPublicKey]) -> Option<BlsPublicKey> {
    sum_of_keys(public_keys).map(|key| BlsPublicKey(key.compress()))
}

fn sum_of_keys(public_keys: &[BlsPublicKey]) -> Option<PublicKey> {
    let points = public_keys.iter().map(key).collect::<Option<Vec<_>>>()?;
    let points: Vec<&PublicKey> = points.iter().collect();
    let sum = AggregatePublicKey::aggregate(&points, false).ok()?.to_public_key();
    sum.validate().is_ok().then_some(sum)
}

/// Whether `sig` is the sum of one signature of each key over `message`. Every key must have proved its possession.
#[must_use]
pub fn verify_bls_aggregate(public_keys: &[BlsPublicKey], message: &[u8], sig: &BlsSignature) -> bool {
    match (sum_of_keys(public_keys), signature(sig)) {
        (Some(key), Some(signature)) => holds(&key, message, &signature, MESSAGE_DOMAIN),
        _ => false,
    }
}

/// Whether `sig` is the sum of one signature of each key over the message at its position. Every key must have proved its
/// possession. Without keys, or with another number of messages, it is none.
#[must_use]
pub fn verify_bls_messages(public_keys: &[BlsPublicKey], messages: &[&[u8]], sig: &BlsSignature) -> bool {
    if public_keys.is_empty() || public_keys.len() != messages.len() {
        return false;
    }
    let keys = public_keys.iter().map(key).collect::<Option<Vec<_>>>();
    let (Some(keys), Some(signature)) = (keys, signature(sig)) else { return false };
    let keys: Vec<&PublicKey> = keys.iter().collect();
    signature.aggregate_verify(false, messages, MESSAGE_DOMAIN, &keys, false) == BLST_ERROR::BLST_SUCCESS
}
