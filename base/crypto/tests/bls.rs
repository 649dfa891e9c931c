//! BLS signatures, proofs of possession and certificates of checkpoints.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;

use noema_crypto::{
    BlsAggregateError, BlsKeyPair, CertificateError, aggregate_bls, aggregate_certificate, is_bls_key,
    is_bls_signature, sign_checkpoint, verify_bls, verify_bls_aggregate, verify_certificate, verify_certified,
    verify_checkpoint_signature, verify_proof_of_possession,
};
use noema_types::{
    Address, Author, BlsPublicKey, BlsSignature, Certificate, CertifiedCheckpoint, Checkpoint, CheckpointData,
    CommitIndex, Committee, Ed25519PublicKey, Epoch, Hash, Height, Stake, TimestampMs, ValidatorInfo, Version, decode,
};
use proptest::prelude::*;

fn key(seed: u8) -> BlsKeyPair {
    BlsKeyPair::from_seed(&[seed; 32])
}

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

/// A case of the Ethereum consensus tests, which use the same ciphersuite.
#[test]
fn signatures_are_those_of_the_proof_of_possession_suite() {
    let key =
        BlsKeyPair::from_private_bytes(&bytes("263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3"))
            .unwrap();
    let public = "a491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368dffb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a";
    assert_eq!(key.public(), BlsPublicKey(bytes(public)));
    let signature = "b6ed936746e01f8ecf281f020953fbf1f01debd5657c4a383940b020b26507f6\
                     076334f91e2366c96e9ab279fb5158090352ea1c5b0c9274504f4f0e7053af24\
                     802e51e4568d164fe986834f41e55c8e850ce1f98458c0cfc9ab380b55285a55";
    assert_eq!(key.sign(&[0; 32]), BlsSignature(bytes(signature)));
}

#[test]
fn a_signature_is_for_one_key_and_one_message() {
    let signature = key(1).sign(b"message");
    assert!(verify_bls(&key(1).public(), b"message", &signature));
    assert!(!verify_bls(&key(1).public(), b"massage", &signature));
    assert!(!verify_bls(&key(2).public(), b"message", &signature));
    assert_eq!(BlsKeyPair::from_private_bytes(&key(1).private_bytes()).unwrap().public(), key(1).public());
    assert_ne!(BlsKeyPair::generate().public(), BlsKeyPair::generate().public());
}

#[test]
fn a_proof_of_possession_is_no_signature_and_of_one_key() {
    let (key, other) = (key(1), key(2));
    assert!(verify_proof_of_possession(&key.public(), &key.proof_of_possession()));
    assert!(!verify_proof_of_possession(&other.public(), &key.proof_of_possession()));
    // Who makes the owner sign the bytes of a key as a message gains nothing, and a proof is no signature.
    assert!(!verify_proof_of_possession(&key.public(), &key.sign(&key.public().0)));
    assert!(!verify_bls(&key.public(), &key.public().0, &key.proof_of_possession()));
}

#[test]
fn the_identity_and_points_outside_of_the_group_are_refused() {
    let (mut identity_key, mut identity) = ([0; 48], [0; 96]);
    identity_key[0] = 0xc0;
    identity[0] = 0xc0;
    let (identity_key, identity) = (BlsPublicKey(identity_key), BlsSignature(identity));
    assert!(!is_bls_key(&identity_key) && !is_bls_signature(&identity));
    // With both at the identity the equation holds for every message.
    assert!(!verify_bls(&identity_key, b"anything", &identity));
    assert!(!verify_bls_aggregate(&[identity_key], b"anything", &identity));
    assert!(!verify_proof_of_possession(&identity_key, &identity));
    assert_eq!(aggregate_bls(&[identity]), Err(BlsAggregateError::Malformed { index: 0 }));
    // x = 4 is on the curve, and the cofactor is large: the point is in no subgroup of prime order.
    let outside = (0..=255).map(|x| {
        let mut point = [0; 48];
        (point[0], point[47]) = (0x80, x);
        BlsPublicKey(point)
    });
    assert_eq!(outside.filter(is_bls_key).count(), 0, "no small x is in the group");
    // The same key with the flag of uncompressed points.
    let mut plain = key(1).public();
    plain.0[0] &= 0x7f;
    assert!(!is_bls_key(&plain));
}

#[test]
fn aggregates_hold_for_exactly_their_signers() {
    let signatures: Vec<_> = (1..4).map(|seed| key(seed).sign(b"message")).collect();
    let keys: Vec<_> = (1..4).map(|seed| key(seed).public()).collect();
    let sum = aggregate_bls(&signatures).unwrap();
    assert!(verify_bls_aggregate(&keys, b"message", &sum));
    assert!(!verify_bls_aggregate(&keys, b"massage", &sum));
    assert!(!verify_bls_aggregate(&keys[..2], b"message", &sum));
    assert!(!verify_bls_aggregate(&[keys[0], keys[1], keys[2], keys[2]], b"message", &sum));
    assert!(!verify_bls_aggregate(&[], b"message", &sum));
    assert_eq!(aggregate_bls(&[]), Err(BlsAggregateError::Empty));
}

/// Negation of a compressed point: the other of its two y-coordinates.
fn negative<const N: usize>(mut point: [u8; N]) -> [u8; N] {
    point[0] ^= 0x20;
    point
}

#[test]
fn keys_and_signatures_that_cancel_are_refused() {
    let signature = key(1).sign(b"message");
    assert_eq!(aggregate_bls(&[signature, BlsSignature(negative(signature.0))]), Err(BlsAggregateError::Identity));
    let (one, two) = (key(1).public(), key(2).public());
    let cancelling = [one, BlsPublicKey(negative(one.0))];
    let mut identity = [0; 96];
    identity[0] = 0xc0;
    assert!(cancelling.iter().all(is_bls_key));
    assert!(!verify_bls_aggregate(&cancelling, b"message", &BlsSignature(identity)));
    // What is left when two cancel is a third's: arithmetic alone cannot tell. That is what proofs of possession are
    // for, and nobody has one of a key made of others' keys.
    assert!(verify_bls_aggregate(&[one, cancelling[1], two], b"message", &key(2).sign(b"message")));
    let rogue = cancelling[1];
    assert!(!verify_proof_of_possession(&rogue, &key(1).proof_of_possession()));
    assert!(!verify_proof_of_possession(&rogue, &key(2).proof_of_possession()));
}

fn committee(stakes: &[u64]) -> Committee {
    let validator = |(stake, seed): (&u64, u8)| ValidatorInfo {
        address: Address([seed; 32]),
        stake: Stake(*stake),
        consensus_key: Ed25519PublicKey([seed; 32]),
        network_key: Ed25519PublicKey([seed; 32]),
        checkpoint_key: key(seed).public(),
        network_address: format!("127.0.0.1:{}", 7_000 + u16::from(seed)),
    };
    Committee::new(Epoch(3), stakes.iter().zip(0..).map(validator).collect()).unwrap()
}

fn checkpoint(height: u64) -> Checkpoint {
    Checkpoint::V1(CheckpointData {
        chain: Hash([1; 32]),
        epoch: Epoch(3),
        height: Height(height),
        previous: Hash([2; 32]),
        version: Version(99),
        state_root: Hash([3; 32]),
        accumulator_root: Hash([4; 32]),
        timestamp: TimestampMs(5),
        commit_index: CommitIndex(6),
        commit_digest: Hash([7; 32]),
        consensus_state: Hash([8; 32]),
        next_committee: None,
    })
}

fn votes(signers: &[u16], checkpoint: &Checkpoint) -> BTreeMap<Author, BlsSignature> {
    signers.iter().map(|at| (Author(*at), sign_checkpoint(&key(*at as u8), checkpoint))).collect()
}

#[test]
fn votes_are_of_members_for_their_epoch() {
    let (committee, checkpoint) = (committee(&[1; 4]), checkpoint(7));
    let vote = sign_checkpoint(&key(2), &checkpoint);
    assert!(verify_checkpoint_signature(&committee, Author(2), &checkpoint, &vote));
    assert!(!verify_checkpoint_signature(&committee, Author(1), &checkpoint, &vote));
    assert!(!verify_checkpoint_signature(&committee, Author(4), &checkpoint, &vote));
    let next = Committee::new(Epoch(4), committee.validators().to_vec()).unwrap();
    assert!(!verify_checkpoint_signature(&next, Author(2), &checkpoint, &vote));
}

#[test]
fn a_certificate_needs_a_quorum_of_stake() {
    let (committee, seven) = (committee(&[10, 1, 1, 1, 1, 1, 1, 1, 1, 1]), checkpoint(7));
    // 13 of 19 are more than two thirds; nine heads of ten without the heavy one are not.
    let certificate = aggregate_certificate(&committee, &seven, &votes(&[0, 3, 8, 9], &seven)).unwrap();
    assert_eq!(certificate.signers, [0b0000_1001, 0b0000_0011]);
    assert_eq!(verify_certificate(&committee, &seven, &certificate), Ok(()));
    let certified = CertifiedCheckpoint { checkpoint: checkpoint(8), certificate: certificate.clone() };
    assert_eq!(verify_certified(&committee, &certified), Err(CertificateError::WrongSignature));
    let many: Vec<u16> = (1..10).collect();
    let refused = CertificateError::NoQuorum { stake: Stake(9), quorum: Stake(13) };
    assert_eq!(aggregate_certificate(&committee, &seven, &votes(&many, &seven)), Err(refused.clone()));
    let signatures: Vec<_> = votes(&many, &seven).into_values().collect();
    let small = Certificate { signers: vec![0xFE, 3], signature: aggregate_bls(&signatures).unwrap() };
    assert_eq!(verify_certificate(&committee, &seven, &small), Err(refused));
}

#[test]
fn a_bitmap_has_one_form() {
    let (committee, checkpoint) = (committee(&[1; 4]), checkpoint(7));
    let good = aggregate_certificate(&committee, &checkpoint, &votes(&[0, 1, 2], &checkpoint)).unwrap();
    let with = |signers: &[u8]| {
        verify_certificate(&committee, &checkpoint, &Certificate { signers: signers.to_vec(), ..good.clone() })
    };
    assert_eq!(with(&[0b0111]), Ok(()));
    assert_eq!(with(&[0b1_0111]), Err(CertificateError::UnknownSigner { author: Author(4), size: 4 }));
    assert_eq!(with(&[0b0111, 0]), Err(CertificateError::BitmapSize { got: 2, expected: 1 }));
    assert_eq!(with(&[]), Err(CertificateError::BitmapSize { got: 0, expected: 1 }));
    assert_eq!(with(&[0b1011]), Err(CertificateError::WrongSignature));
    assert_eq!(with(&[0b1111]), Err(CertificateError::WrongSignature));
    assert_eq!(with(&[0b0011]), Err(CertificateError::NoQuorum { stake: Stake(2), quorum: Stake(3) }));
    let foreign = votes(&[0, 1, 2, 4], &checkpoint);
    let error = aggregate_certificate(&committee, &checkpoint, &foreign);
    assert_eq!(error, Err(CertificateError::UnknownSigner { author: Author(4), size: 4 }));
    let next = Committee::new(Epoch(4), committee.validators().to_vec()).unwrap();
    let wrong = CertificateError::WrongEpoch { checkpoint: Epoch(3), committee: Epoch(4) };
    assert_eq!(verify_certificate(&next, &checkpoint, &good), Err(wrong));
}

#[test]
fn one_wrong_vote_spoils_a_certificate_and_is_found_alone() {
    let (committee, checkpoint) = (committee(&[1; 4]), checkpoint(7));
    let mut votes = votes(&[0, 1, 2], &checkpoint);
    votes.insert(Author(2), sign_checkpoint(&key(9), &checkpoint));
    let certificate = aggregate_certificate(&committee, &checkpoint, &votes).unwrap();
    assert_eq!(verify_certificate(&committee, &checkpoint, &certificate), Err(CertificateError::WrongSignature));
    let wrong =
        votes.iter().filter(|(author, vote)| !verify_checkpoint_signature(&committee, **author, &checkpoint, vote));
    assert_eq!(wrong.map(|(author, _)| *author).collect::<Vec<_>>(), [Author(2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_are_no_keys_and_no_signatures(key_bytes in any::<[u8; 32]>(), tail in any::<[u8; 16]>(), more in any::<[u8; 48]>()) {
        let key_bytes: [u8; 48] = [&key_bytes[..], &tail].concat().try_into().unwrap();
        let signature = BlsSignature([key_bytes, more].concat().try_into().unwrap());
        prop_assert!(!verify_bls(&BlsPublicKey(key_bytes), b"message", &signature));
        prop_assert!(!verify_proof_of_possession(&BlsPublicKey(key_bytes), &signature));
        prop_assert!(!verify_bls(&key(1).public(), b"message", &signature));
    }

    #[test]
    fn a_changed_bit_is_noticed(at in 0..96 * 8usize, which in 0..48 * 8usize) {
        let (key, message) = (key(1), b"message");
        let (mut signature, mut public) = (key.sign(message), key.public());
        signature.0[at / 8] ^= 1 << (at % 8);
        public.0[which / 8] ^= 1 << (which % 8);
        prop_assert!(!verify_bls(&key.public(), message, &signature));
        prop_assert!(!verify_bls(&public, message, &key.sign(message)));
    }

    #[test]
    fn mutated_certificates_never_pass_and_never_panic(at in 0..300usize, mask in 1..=255u8, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (committee, checkpoint) = (committee(&[1; 4]), checkpoint(7));
        let certificate = aggregate_certificate(&committee, &checkpoint, &votes(&[0, 1, 3], &checkpoint)).unwrap();
        let certified = CertifiedCheckpoint { checkpoint, certificate };
        let mut bytes = bcs::to_bytes(&certified).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        if let Ok(changed) = decode::<CertifiedCheckpoint>("checkpoint", &bytes) {
            prop_assert!(verify_certified(&committee, &changed).is_err(), "byte {at}");
        }
        if let Ok(changed) = decode::<CertifiedCheckpoint>("checkpoint", &noise) {
            prop_assert!(verify_certified(&committee, &changed).is_err());
        }
        prop_assert_eq!(verify_certified(&committee, &certified), Ok(()));
    }
}
