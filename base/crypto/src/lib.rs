//! Signs, verifies and hashes with one face over fastcrypto, ed25519-consensus and blake3.
//!
//! Guarantees:
//! - A batch accepts exactly the Ed25519 signatures that [`verify_ed25519`] accepts: both follow ZIP-215.
//! - Every answer is a function of the inputs. Only key generation draws randomness.
//! - Private keys are never shown, logged or written readable by others.

mod authentication;
mod bls;
mod certificate;
mod ed25519;
mod ed25519_strict;
mod hashing;
mod key_file;
mod secp256k1;

pub use authentication::{AuthError, verify_account, verify_transaction, verify_transactions};
pub use bls::{
    BlsAggregateError, BlsKeyError, BlsKeyPair, aggregate_bls, aggregate_bls_keys, is_bls_key, is_bls_signature,
    verify_bls, verify_bls_aggregate, verify_bls_messages, verify_proof_of_possession,
};
pub use certificate::{
    CertificateError, aggregate_certificate, certificate_signers, sign_checkpoint, verify_certificate,
    verify_certified, verify_checkpoint_signature,
};
pub use ed25519::{Ed25519Item, Ed25519KeyPair, verify_ed25519, verify_ed25519_batch};
pub use ed25519_strict::{is_strict_ed25519_key, verify_ed25519_strict};
pub use hashing::blake3_hash;
pub use key_file::{
    BlsKeyParseError, KeyContentError, KeyFileError, KeyParseError, parse_bls_private_key, parse_private_key,
    read_bls_key_file, read_key_file, write_bls_key_file, write_key_file,
};
pub use secp256k1::{
    Secp256k1KeyError, Secp256k1KeyPair, recover_secp256k1, verify_secp256k1, verify_secp256k1_digest,
};
