//! Certificates of checkpoints: one BLS signature for more than two thirds of a committee's stake.
//!
//! A certificate has one form per set of signers: as many bitmap bytes as the committee needs, no bit beyond it. Stake
//! counts once per validator. That the committee's keys proved their possession is the framework's rule: it registers
//! no other.

use std::collections::{BTreeMap, BTreeSet};

use noema_types::{
    Author, BlsPublicKey, BlsSignature, Certificate, CertifiedCheckpoint, Checkpoint, Committee, Epoch, Stake,
};

use crate::bls::{BlsAggregateError, BlsKeyPair, aggregate_bls, verify_bls, verify_bls_aggregate};

/// Why a certificate certifies nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The committee is another epoch's.
    #[error("the checkpoint is of epoch {checkpoint}, the committee of epoch {committee}")]
    WrongEpoch {
        /// Epoch of the checkpoint.
        checkpoint: Epoch,
        /// Epoch of the committee.
        committee: Epoch,
    },
    /// A signer is not in the committee.
    #[error("signer {author} is not in the committee of {size}")]
    UnknownSigner {
        /// The position named.
        author: Author,
        /// Validators of the committee.
        size: usize,
    },
    /// The bitmap is longer or shorter than the committee needs.
    #[error("the bitmap of signers has {got} bytes, expected {expected}")]
    BitmapSize {
        /// Bytes it has.
        got: usize,
        /// Bytes the committee needs.
        expected: usize,
    },
    /// The signers have too little stake.
    #[error("the signers have a stake of {stake}, below the quorum of {quorum}")]
    NoQuorum {
        /// What they have.
        stake: Stake,
        /// What is needed.
        quorum: Stake,
    },
    /// The signature is not that of the signers over the checkpoint.
    #[error("the signature is not that of the signers over the checkpoint")]
    WrongSignature,
    /// Votes do not aggregate.
    #[error(transparent)]
    Aggregate(#[from] BlsAggregateError),
}

/// Signs a checkpoint.
#[must_use]
pub fn sign_checkpoint(key: &BlsKeyPair, checkpoint: &Checkpoint) -> BlsSignature {
    key.sign(&checkpoint.signing_message())
}

/// Whether a member of the committee signed a checkpoint of the committee's epoch.
#[must_use]
pub fn verify_checkpoint_signature(
    committee: &Committee,
    author: Author,
    checkpoint: &Checkpoint,
    signature: &BlsSignature,
) -> bool {
    checkpoint.data().epoch == committee.epoch()
        && committee
            .get(author)
            .is_some_and(|info| verify_bls(&info.checkpoint_key, &checkpoint.signing_message(), signature))
}

/// Makes a certificate of votes, each of which [`verify_checkpoint_signature`] holds for; one that is wrong makes the
/// certificate wrong.
///
/// # Errors
/// [`CertificateError`] for a foreign epoch, unknown authors, too little stake, or what is no signature at all.
pub fn aggregate_certificate(
    committee: &Committee,
    checkpoint: &Checkpoint,
    votes: &BTreeMap<Author, BlsSignature>,
) -> Result<Certificate, CertificateError> {
    check_epoch(committee, checkpoint)?;
    let mut signers = vec![0; bitmap_bytes(committee)];
    for author in votes.keys() {
        let at = usize::from(author.0);
        if at >= committee.size() {
            return Err(CertificateError::UnknownSigner { author: *author, size: committee.size() });
        }
        signers[at / 8] |= 1 << (at % 8);
    }
    check_quorum(committee, &votes.keys().copied().collect())?;
    let signatures: Vec<BlsSignature> = votes.values().copied().collect();
    Ok(Certificate { signers, signature: aggregate_bls(&signatures)? })
}

/// Who signed, if the bitmap has the one form that fits the committee.
///
/// # Errors
/// [`CertificateError::BitmapSize`], [`CertificateError::UnknownSigner`].
pub fn certificate_signers(
    committee: &Committee,
    certificate: &Certificate,
) -> Result<BTreeSet<Author>, CertificateError> {
    let (got, expected) = (certificate.signers.len(), bitmap_bytes(committee));
    if got != expected {
        return Err(CertificateError::BitmapSize { got, expected });
    }
    let mut authors = BTreeSet::new();
    for (byte, bits) in (0u16..).zip(&certificate.signers) {
        for bit in (0..8).filter(|bit| bits & (1 << bit) != 0) {
            let author = Author(byte * 8 + bit);
            if committee.get(author).is_none() {
                return Err(CertificateError::UnknownSigner { author, size: committee.size() });
            }
            authors.insert(author);
        }
    }
    Ok(authors)
}

/// Verifies that more than two thirds of the committee's stake signed the checkpoint.
///
/// # Errors
/// [`CertificateError`].
pub fn verify_certificate(
    committee: &Committee,
    checkpoint: &Checkpoint,
    certificate: &Certificate,
) -> Result<(), CertificateError> {
    check_epoch(committee, checkpoint)?;
    let signers = certificate_signers(committee, certificate)?;
    check_quorum(committee, &signers)?;
    let keys: Vec<BlsPublicKey> =
        signers.iter().filter_map(|author| committee.get(*author)).map(|info| info.checkpoint_key).collect();
    if verify_bls_aggregate(&keys, &checkpoint.signing_message(), &certificate.signature) {
        Ok(())
    } else {
        Err(CertificateError::WrongSignature)
    }
}

/// As [`verify_certificate`], of both in one.
///
/// # Errors
/// [`CertificateError`].
pub fn verify_certified(committee: &Committee, certified: &CertifiedCheckpoint) -> Result<(), CertificateError> {
    verify_certificate(committee, &certified.checkpoint, &certified.certificate)
}

fn bitmap_bytes(committee: &Committee) -> usize {
    committee.size().div_ceil(8)
}

fn check_epoch(committee: &Committee, checkpoint: &Checkpoint) -> Result<(), CertificateError> {
    let (checkpoint, committee) = (checkpoint.data().epoch, committee.epoch());
    if checkpoint == committee { Ok(()) } else { Err(CertificateError::WrongEpoch { checkpoint, committee }) }
}

fn check_quorum(committee: &Committee, signers: &BTreeSet<Author>) -> Result<(), CertificateError> {
    let (stake, quorum) = (committee.stake_of(signers), committee.quorum());
    if stake >= quorum { Ok(()) } else { Err(CertificateError::NoQuorum { stake, quorum }) }
}
