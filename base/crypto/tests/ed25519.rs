//! Single and batch checks accept the same signatures, the awkward ones included.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use noema_crypto::{Ed25519Item, Ed25519KeyPair, verify_ed25519, verify_ed25519_batch};
use noema_types::{Ed25519PublicKey, Ed25519Signature};
use proptest::prelude::*;

/// Every encoding of a point of small order, canonical or not. From the literature on Ed25519 edge cases.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The order of the base point, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn signature(r: [u8; 32], s: [u8; 32]) -> Ed25519Signature {
    let mut all = [0; 64];
    all[..32].copy_from_slice(&r);
    all[32..].copy_from_slice(&s);
    Ed25519Signature(all)
}

struct Case {
    key: Ed25519PublicKey,
    message: Vec<u8>,
    signature: Ed25519Signature,
    valid: bool,
}

/// Small-order keys and nonces (valid by ZIP-215), good signatures, and good ones damaged in each way.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for key in SMALL_ORDER {
        for r in SMALL_ORDER {
            cases.push(Case {
                key: Ed25519PublicKey(bytes(key)),
                message: b"Zcash".to_vec(),
                signature: signature(bytes(r), [0; 32]),
                valid: true,
            });
        }
    }
    for number in 0..20u8 {
        let pair = Ed25519KeyPair::from_private_bytes([number; 32]);
        let message = vec![number; usize::from(number)];
        let good = pair.sign(&message);
        let case = |key, message: &[u8], signature, valid| Case { key, message: message.to_vec(), signature, valid };
        let (r, s) = (good.0[..32].try_into().unwrap(), good.0[32..].try_into().unwrap());
        cases.push(case(pair.public(), &message, good, true));
        cases.push(case(pair.public(), b"another", good, false));
        cases.push(case(pair.public(), &message, signature(r, add(s, bytes(ORDER))), false));
        cases.push(case(pair.public(), &message, signature(bytes(SMALL_ORDER[4]), s), false));
        cases.push(case(Ed25519PublicKey(bytes(SMALL_ORDER[6])), &message, good, false));
        // 2 is no point's y coordinate.
        let mut not_a_point = [0; 32];
        not_a_point[0] = 2;
        cases.push(case(Ed25519PublicKey(not_a_point), &message, good, false));
        cases.push(case(pair.public(), &message, signature(not_a_point, s), false));
    }
    cases
}

fn add(a: [u8; 32], b: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|i| {
        let sum = u16::from(a[i]) + u16::from(b[i]) + carry;
        carry = sum >> 8;
        sum as u8
    })
}

fn items(cases: &[Case]) -> Vec<Ed25519Item<'_>> {
    cases
        .iter()
        .map(|case| Ed25519Item { public_key: &case.key, message: &case.message, signature: &case.signature })
        .collect()
}

#[test]
fn rfc_8032_vectors() {
    for (private, public, message, expected) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
             387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let pair = Ed25519KeyPair::from_private_bytes(bytes(private));
        let message = hex::decode(message).unwrap();
        assert_eq!(hex::encode(pair.public().0), public);
        assert_eq!(hex::encode(pair.sign(&message).0), expected.replace([' ', '\n'], ""));
        assert!(verify_ed25519(&pair.public(), &message, &pair.sign(&message)));
    }
}

#[test]
fn each_edge_case_is_what_zip_215_says() {
    for (index, case) in cases().iter().enumerate() {
        assert_eq!(verify_ed25519(&case.key, &case.message, &case.signature), case.valid, "case {index}");
    }
}

#[test]
fn a_batch_agrees_with_single_checks() {
    let cases = cases();
    let expected: Vec<bool> = cases.iter().map(|case| case.valid).collect();
    assert_eq!(verify_ed25519_batch(&items(&cases)), expected);
    // Each case amid good ones only, so that nothing else decides the batch.
    let good: Vec<Case> = super_good(7);
    for (index, case) in cases.iter().enumerate() {
        let mut mixed = items(&good);
        mixed.insert(index % 8, items(std::slice::from_ref(case))[0]);
        let results = verify_ed25519_batch(&mixed);
        let expected: Vec<bool> = (0..8).map(|position| position != index % 8 || case.valid).collect();
        assert_eq!(results, expected, "case {index}");
    }
}

fn super_good(count: u8) -> Vec<Case> {
    (0..count)
        .map(|number| {
            let pair = Ed25519KeyPair::from_private_bytes([number + 100; 32]);
            Case { key: pair.public(), message: vec![number], signature: pair.sign(&[number]), valid: true }
        })
        .collect()
}

#[test]
fn errors_do_not_cancel() {
    // s off by one up in one signature and down in another of the same key: the sum holds, neither signature does.
    let pair = Ed25519KeyPair::from_private_bytes([9; 32]);
    let shifted = |message: &[u8], by: i8| {
        let mut signature = pair.sign(message);
        signature.0[32] = signature.0[32].wrapping_add_signed(by);
        signature
    };
    let (up, down) = (shifted(b"a", 1), shifted(b"b", -1));
    let mut cases = super_good(6);
    cases.push(Case { key: pair.public(), message: b"a".to_vec(), signature: up, valid: false });
    cases.push(Case { key: pair.public(), message: b"b".to_vec(), signature: down, valid: false });
    let expected: Vec<bool> = cases.iter().map(|case| case.valid).collect();
    assert_eq!(verify_ed25519_batch(&items(&cases)), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_mixture_agrees(picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let cases = cases();
        let all = items(&cases);
        let chosen: Vec<_> = picks.iter().map(|pick| all[pick.index(all.len())]).collect();
        let expected: Vec<bool> = picks.iter().map(|pick| cases[pick.index(all.len())].valid).collect();
        prop_assert_eq!(verify_ed25519_batch(&chosen), expected);
    }

    #[test]
    fn random_bytes_do_not_panic(key in any::<[u8; 32]>(), r in any::<[u8; 32]>(), s in any::<[u8; 32]>()) {
        prop_assert!(!verify_ed25519(&Ed25519PublicKey(key), b"message", &signature(r, s)));
    }
}
