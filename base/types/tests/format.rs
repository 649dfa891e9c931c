//! Wire and storage formats stay what they are, and hold against bytes from anywhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::fmt::Debug;

use common::Seed;
use noema_types::*;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// SHA3-256 over the bytes of 200 seeded cases, each checked to round-trip.
fn digest<T: Serialize + DeserializeOwned + PartialEq + Debug>(mut make: impl FnMut(&mut Seed) -> T) -> String {
    let mut all = Vec::new();
    for case in 0..200 {
        let value = make(&mut Seed(case));
        let bytes = bcs::to_bytes(&value).unwrap();
        assert_eq!(decode::<T>("sample", &bytes).unwrap(), value, "case {case}");
        all.extend(bytes);
    }
    hex::encode(&Hash::sha3(&[&all]).0[..8])
}

/// A changed hash is a changed format: old chains and clients stop working.
#[test]
fn formats_are_frozen() {
    let digests = [
        ("type tag", digest(|seed| common::type_tag(seed, 3))),
        ("payload", digest(common::payload)),
        ("raw transaction", digest(common::raw_transaction)),
        ("account authenticator", digest(common::account_authenticator)),
        ("signed transaction", digest(common::signed_transaction)),
        ("state key", digest(common::state_key)),
        ("write set", digest(common::write_set)),
        ("event", digest(common::event)),
        ("status", digest(common::status)),
        ("transaction", digest(common::transaction)),
        ("transaction info", digest(common::transaction_info)),
        ("block info", digest(common::block_info)),
    ];
    let text: Vec<String> = digests.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
    assert_eq!(text, FROZEN);
}

const FROZEN: [&str; 12] = [
    "type tag 5c52563f4adf77b3",
    "payload 0669401e99c2bbc0",
    "raw transaction dccfcc3ba0e32594",
    "account authenticator b2849a5fa931132f",
    "signed transaction 91333ce427dab027",
    "state key 621eca6dd6b9ef75",
    "write set 7f40d3d234005043",
    "event c13d4357c823b6b5",
    "status bcd2b9269b0d677e",
    "transaction 47f89891ffa3a78f",
    "transaction info caccf552c5c52841",
    "block info 92ec3c7aab79298b",
];

#[test]
fn decoding_leaves_nothing_over() {
    let mut bytes = common::signed_transaction(&mut Seed(1)).to_bytes();
    assert!(SignedTransaction::decode(&bytes).is_ok());
    bytes.push(0);
    assert!(matches!(SignedTransaction::decode(&bytes), Err(DecodeError::Malformed { .. })));
}

#[test]
fn removed_and_unknown_payloads_are_refused() {
    for tag in [1, 5, 200] {
        let mut bytes = vec![0; 40];
        bytes.push(tag);
        bytes.extend([0; 60]);
        assert!(SignedTransaction::decode(&bytes).is_err(), "payload tag {tag}");
    }
    let mut removed = vec![0; 40];
    removed.push(1);
    let error = decode::<RawTransaction>("raw transaction", &removed).unwrap_err().to_string();
    assert!(error.contains("module bundle payloads were removed"), "{error}");
}

fn call(module: &str, function: &str, args: Vec<Vec<u8>>) -> SignedTransaction {
    let mut transaction = common::signed_transaction(&mut Seed(2));
    transaction.raw.payload = TransactionPayload::EntryFunction(EntryFunction {
        module: module.parse().unwrap(),
        function: Identifier::new(function).unwrap(),
        type_args: vec![],
        args,
    });
    transaction
}

#[test]
fn only_publishing_may_be_large() {
    let large = vec![vec![0; limits::TRANSACTION_BYTES_MAX]];
    assert!(SignedTransaction::decode(&call("0x1::code", "publish_package_txn", large.clone()).to_bytes()).is_ok());
    let refused = SignedTransaction::decode(&call("0x2::code", "publish_package_txn", large).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooLarge { limit: limits::TRANSACTION_BYTES_MAX, .. })));
    let huge = vec![vec![0; limits::PUBLISH_TRANSACTION_BYTES_MAX]];
    let refused = SignedTransaction::decode(&call("0x1::code", "publish_package_txn", huge).to_bytes());
    assert!(matches!(refused, Err(DecodeError::TooLarge { limit: limits::PUBLISH_TRANSACTION_BYTES_MAX, .. })));
}

#[test]
fn deep_types_and_long_lists_are_refused() {
    let with_types = |type_args: Vec<TypeTag>| {
        let mut transaction = call("0x1::m", "f", vec![]);
        if let TransactionPayload::EntryFunction(call) = &mut transaction.raw.payload {
            call.type_args = type_args;
        }
        SignedTransaction::decode(&transaction.to_bytes())
    };
    let nested = |depth| (1..depth).fold(TypeTag::U8, |inner, _| TypeTag::Vector(Box::new(inner)));
    assert!(with_types(vec![nested(8)]).is_ok());
    for depth in [9, 30, 60, 200] {
        assert!(with_types(vec![nested(depth)]).is_err(), "depth {depth}");
    }
    assert!(with_types(vec![nested(8); 16]).is_ok());
    assert!(with_types(vec![nested(8); 17]).is_err(), "over 128 nodes");
    assert!(with_types(vec![TypeTag::U8; 33]).is_err(), "33 type arguments");
    let args = |count| SignedTransaction::decode(&call("0x1::m", "f", vec![vec![]; count]).to_bytes());
    assert!(args(128).is_ok());
    assert!(args(129).is_err());
}

#[test]
fn signatures_are_bounded_over_all_signers() {
    let signer =
        AccountAuthenticator::Ed25519 { public_key: Ed25519PublicKey([0; 32]), signature: Ed25519Signature([0; 64]) };
    let with = |signers: usize| {
        let mut transaction = call("0x1::m", "f", vec![]);
        transaction.authenticator = TransactionAuthenticator::MultiAgent {
            sender: signer.clone(),
            secondary_signer_addresses: vec![Address::ONE; signers],
            secondary_signers: vec![signer.clone(); signers],
        };
        SignedTransaction::decode(&transaction.to_bytes())
    };
    assert!(with(31).is_ok());
    assert!(with(32).is_err());
}

/// Whatever decodes is canonical: it encodes to the same bytes.
fn decode_any(bytes: &[u8]) {
    if let Ok(transaction) = SignedTransaction::decode(bytes) {
        assert_eq!(transaction.to_bytes(), bytes);
        assert_eq!(transaction.size(), bytes.len());
    }
    fn check<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
        if let Ok(value) = decode::<T>("bytes", bytes) {
            assert_eq!(bcs::to_bytes(&value).unwrap(), bytes);
        }
    }
    check::<Transaction>(bytes);
    check::<TransactionInfo>(bytes);
    check::<BlockInfo>(bytes);
    check::<WriteSet>(bytes);
    check::<StateKey>(bytes);
    check::<EntryFunction>(bytes);
    check::<Vec<Event>>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_any(&bytes);
    }

    #[test]
    fn mutated_bytes_do_not_panic(case in any::<u64>(), edits in proptest::collection::vec(any::<(u16, u8)>(), 1..4),
                                  cut in any::<Option<u16>>()) {
        for mut bytes in [
            common::signed_transaction(&mut Seed(case)).to_bytes(),
            bcs::to_bytes(&common::transaction(&mut Seed(case))).unwrap(),
            bcs::to_bytes(&common::write_set(&mut Seed(case))).unwrap(),
        ] {
            for (position, byte) in &edits {
                let length = bytes.len();
                bytes[usize::from(*position) % length] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            decode_any(&bytes);
        }
    }

    #[test]
    fn type_text_does_not_panic(text in "[a-z0-9_:<>, ]{0,60}") {
        if let Ok(tag) = text.parse::<TypeTag>() {
            prop_assert_eq!(tag.to_string().parse::<TypeTag>(), Ok(tag));
        }
    }
}
