//! Every way to sign a transaction: the good passes, each damaged one gives its own error.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use noema_crypto::{
    AuthError, Ed25519KeyPair, Secp256k1KeyPair, verify_secp256k1, verify_transaction, verify_transactions,
};
use noema_types::*;
use proptest::prelude::*;

fn a() -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([0x11; 32])
}

fn b() -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([0x22; 32])
}

fn s() -> Secp256k1KeyPair {
    Secp256k1KeyPair::from_private_bytes(&[0x33; 32]).unwrap()
}

fn raw() -> RawTransaction {
    let recipient: Address = "0xa32657fd60acb0433491a33d84823c04722ae76639b272873cc27d015232904e".parse().unwrap();
    RawTransaction {
        sender: AuthKey::ed25519(&a().public()).to_address(),
        sequence_number: 5,
        payload: TransactionPayload::EntryFunction(EntryFunction {
            module: "0x1::aptos_account".parse().unwrap(),
            function: Identifier::new("transfer").unwrap(),
            type_args: vec![],
            args: vec![recipient.0.to_vec(), 1000u64.to_le_bytes().to_vec()],
        }),
        max_gas_amount: Gas(200_000),
        gas_unit_price: 100,
        expiration_timestamp_secs: 1_900_000_000,
        chain_id: ChainId(77),
    }
}

fn signed(authenticator: TransactionAuthenticator) -> SignedTransaction {
    SignedTransaction { raw: raw(), authenticator }
}

fn single(sender: AccountAuthenticator) -> SignedTransaction {
    signed(TransactionAuthenticator::SingleSender { sender })
}

fn ed25519(pair: &Ed25519KeyPair, message: &[u8]) -> AccountAuthenticator {
    AccountAuthenticator::Ed25519 { public_key: pair.public(), signature: pair.sign(message) }
}

fn plain(pair: &Ed25519KeyPair) -> SignedTransaction {
    let signature = pair.sign(&raw().signing_message());
    signed(TransactionAuthenticator::Ed25519 { public_key: pair.public(), signature })
}

#[test]
fn the_vector_of_two_clients() {
    assert_eq!(hex::encode(a().public().0), "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737");
    let transaction = plain(&a());
    let TransactionAuthenticator::Ed25519 { signature, .. } = &transaction.authenticator else { unreachable!() };
    let expected = "48177fb4152ad2b44d964db1a4cfdede2f799cbbc62a26b97bfef04c34b525f8\
                    cec9a773e3cd4a23588f9821193cf4fc9f9e40d9d019659d13c875373351e20f";
    assert_eq!(hex::encode(signature.0), expected);
    assert_eq!(transaction.hash().to_string(), "0x7578df7754976ef2a859b2ae7164c4c2b31394329aaca34d66f610037721ad91");
    assert_eq!(verify_transaction(&transaction), Ok(()));
}

#[test]
fn addresses_of_every_scheme() {
    let address = |key: AuthKey| key.to_address().to_hex();
    assert_eq!(
        address(AuthKey::single_key(&AnyPublicKey::Secp256k1(s().public()))),
        "3f3ab40131e123917fdea919822fd088e365e4d19b226f3a313490bdf7f729bf"
    );
    assert_eq!(
        address(AuthKey::multi_ed25519(&MultiEd25519PublicKey::new(vec![a().public(), b().public()], 2).unwrap())),
        "c9636e7dcabf4ed9cf4ff55d64fb34a5928933809ed5c3014fc4d60064bf22d8"
    );
    let keys = vec![AnyPublicKey::Ed25519(a().public()), AnyPublicKey::Secp256k1(s().public())];
    assert_eq!(
        address(AuthKey::multi_key(&MultiKey::new(keys, 2).unwrap())),
        "ecbcd05b4536f2d109e2fee31c0595d82c373c6eb01228e1a7b33bfdd4b12f6a"
    );
}

#[test]
fn a_changed_transaction_is_not_signed() {
    let mut transaction = plain(&a());
    transaction.raw.sequence_number += 1;
    assert_eq!(verify_transaction(&transaction), Err(AuthError::InvalidSignature { signer: raw().sender }));
    // Another's good signature holds: that the key is not the account's is for validation to say.
    assert_eq!(verify_transaction(&plain(&b())), Ok(()));
}

#[test]
fn single_keys_of_both_curves() {
    let message = raw().signing_message();
    let key = |public_key, signature| single(AccountAuthenticator::SingleKey { public_key, signature });
    let (ed_key, ed_signature) = (AnyPublicKey::Ed25519(a().public()), AnySignature::Ed25519(a().sign(&message)));
    let (k1_key, k1_signature) = (AnyPublicKey::Secp256k1(s().public()), AnySignature::Secp256k1(s().sign(&message)));
    assert_eq!(verify_transaction(&key(ed_key.clone(), ed_signature.clone())), Ok(()));
    assert_eq!(verify_transaction(&key(k1_key.clone(), k1_signature.clone())), Ok(()));
    let signer = raw().sender;
    let mismatch = Err(AuthError::SchemeMismatch { signer });
    assert_eq!(verify_transaction(&key(ed_key, k1_signature)), mismatch);
    assert_eq!(verify_transaction(&key(k1_key.clone(), ed_signature)), mismatch);
    let wrong = AnySignature::Secp256k1(s().sign(b"another"));
    assert_eq!(verify_transaction(&key(k1_key, wrong)), Err(AuthError::InvalidSignature { signer }));
    let r1 = AnyPublicKey::Secp256r1(Secp256r1PublicKey([4; 65]));
    let result = verify_transaction(&key(r1, AnySignature::Ed25519(a().sign(&message))));
    assert_eq!(result, Err(AuthError::Unsupported { signer, scheme: "secp256r1" }));
}

#[test]
fn nobody_signing_is_an_error() {
    let result = verify_transaction(&single(AccountAuthenticator::NoAccountAuthenticator));
    assert_eq!(result, Err(AuthError::Unsigned { signer: raw().sender }));
}

#[test]
fn multi_ed25519_counts_and_places_signatures() {
    let message = raw().signing_message();
    let signer = raw().sender;
    let public_key = MultiEd25519PublicKey::new(vec![a().public(), b().public()], 2).unwrap();
    let with = |signatures: Vec<Ed25519Signature>, bits: u8| {
        let signature = MultiEd25519Signature { signatures, bitmap: [bits, 0, 0, 0] };
        verify_transaction(&signed(TransactionAuthenticator::MultiEd25519 {
            public_key: public_key.clone(),
            signature,
        }))
    };
    let (of_a, of_b) = (a().sign(&message), b().sign(&message));
    assert_eq!(with(vec![of_a, of_b], 0b1100_0000), Ok(()));
    assert_eq!(with(vec![of_b, of_a], 0b1100_0000), Err(AuthError::InvalidSignature { signer }));
    assert_eq!(with(vec![of_a], 0b1000_0000), Err(AuthError::TooFewSignatures { signer, got: 1, required: 2 }));
    let bitmap = |signatures| Err(AuthError::Bitmap { signer, signatures, keys: 2 });
    assert_eq!(with(vec![of_a, of_b], 0b1000_0000), bitmap(2));
    assert_eq!(with(vec![of_a, of_b], 0b1010_0000), bitmap(2));
    assert_eq!(with(vec![], 0), Err(AuthError::TooFewSignatures { signer, got: 0, required: 2 }));
}

#[test]
fn multi_ed25519_inside_single_sender() {
    let message = raw().signing_message();
    let public_key = MultiEd25519PublicKey::new(vec![a().public(), b().public()], 1).unwrap();
    let signature = MultiEd25519Signature { signatures: vec![b().sign(&message)], bitmap: [0b0100_0000, 0, 0, 0] };
    assert_eq!(verify_transaction(&single(AccountAuthenticator::MultiEd25519 { public_key, signature })), Ok(()));
}

#[test]
fn multi_key_takes_every_length_of_bitmap() {
    let message = raw().signing_message();
    let keys = vec![AnyPublicKey::Ed25519(a().public()), AnyPublicKey::Secp256k1(s().public())];
    let with = |signatures, bitmap: &[u8]| {
        verify_transaction(&single(AccountAuthenticator::MultiKey {
            public_keys: MultiKey::new(keys.clone(), 2).unwrap(),
            signature: MultiKeySignature { signatures, bitmap: Bitmap::new(bitmap.to_vec()).unwrap() },
        }))
    };
    let of_a = AnySignature::Ed25519(a().sign(&message));
    let of_s = AnySignature::Secp256k1(s().sign(&message));
    for length in 1..=4 {
        let mut bitmap = vec![0; length];
        bitmap[0] = 0b1100_0000;
        assert_eq!(with(vec![of_a.clone(), of_s.clone()], &bitmap), Ok(()), "{length} bytes");
    }
    let signer = raw().sender;
    assert_eq!(with(vec![of_s.clone(), of_a.clone()], &[0xc0]), Err(AuthError::SchemeMismatch { signer }));
    let bitmap = AuthError::Bitmap { signer, signatures: 2, keys: 2 };
    assert_eq!(with(vec![of_a, of_s], &[0x80, 0x01]), Err(bitmap));
}

#[test]
fn multi_agent_signs_the_list_of_signers() {
    let other = AuthKey::ed25519(&b().public()).to_address();
    let message = raw().signing_message_with_data(&[other], None);
    let with = |of_a: &[u8], of_b: &[u8], addresses: Vec<Address>| {
        verify_transaction(&signed(TransactionAuthenticator::MultiAgent {
            sender: ed25519(&a(), of_a),
            secondary_signer_addresses: addresses,
            secondary_signers: vec![ed25519(&b(), of_b)],
        }))
    };
    assert_eq!(with(&message, &message, vec![other]), Ok(()));
    let alone = raw().signing_message();
    assert_eq!(with(&alone, &message, vec![other]), Err(AuthError::InvalidSignature { signer: raw().sender }));
    assert_eq!(with(&message, &alone, vec![other]), Err(AuthError::InvalidSignature { signer: other }));
    assert_eq!(with(&message, &message, vec![]), Err(AuthError::SignerCount { addresses: 0, authenticators: 1 }));
    assert!(with(&message, &message, vec![raw().sender]).is_err(), "another address than was signed");
}

#[test]
fn the_sender_need_not_know_the_fee_payer() {
    let payer = AuthKey::ed25519(&b().public()).to_address();
    let named = raw().signing_message_with_data(&[], Some(payer));
    let unnamed = raw().signing_message_with_data(&[], Some(Address::ZERO));
    let with = |of_sender: &[u8], of_payer: &[u8]| {
        let transaction = signed(TransactionAuthenticator::FeePayer {
            sender: ed25519(&a(), of_sender),
            secondary_signer_addresses: vec![],
            secondary_signers: vec![],
            fee_payer_address: payer,
            fee_payer_signer: ed25519(&b(), of_payer),
        });
        assert_eq!(transaction.fee_payer(), payer);
        verify_transaction(&transaction)
    };
    assert_eq!(with(&unnamed, &named), Ok(()));
    assert_eq!(with(&named, &named), Ok(()));
    assert_eq!(with(&named, &unnamed), Err(AuthError::InvalidSignature { signer: payer }));
    let other = raw().signing_message_with_data(&[], Some(Address::ONE));
    assert_eq!(with(&other, &named), Err(AuthError::InvalidSignature { signer: raw().sender }));
}

#[test]
fn many_transactions_give_each_its_own_answer() {
    let mut bad = plain(&a());
    bad.raw.gas_unit_price += 1;
    let message = raw().signing_message();
    let public_key = AnyPublicKey::Secp256k1(s().public());
    let k1 =
        single(AccountAuthenticator::SingleKey { public_key, signature: AnySignature::Secp256k1(s().sign(&message)) });
    let unsigned = single(AccountAuthenticator::NoAccountAuthenticator);
    let good = plain(&a());
    let all = [&good, &bad, &k1, &good, &unsigned, &good, &good, &bad, &good];
    let expected: Vec<_> = all.iter().map(|transaction| verify_transaction(transaction)).collect();
    assert_eq!(expected.iter().filter(|result| result.is_ok()).count(), 6);
    assert_eq!(verify_transactions(&all), expected);
}

#[test]
fn secp256k1_refuses_high_s_and_odd_points() {
    let signature = s().sign(b"message");
    assert!(verify_secp256k1(&s().public(), b"message", &signature));
    assert!(!verify_secp256k1(&s().public(), b"another", &signature));
    let order = U256::from_be_bytes::<32>(
        hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap().try_into().unwrap(),
    );
    let mut high = signature;
    let low_s = U256::from_be_bytes::<32>(signature.0[32..].try_into().unwrap());
    high.0[32..].copy_from_slice(&(order - low_s).to_be_bytes::<32>());
    assert!(!verify_secp256k1(&s().public(), b"message", &high));
    for first in [2, 3, 6, 7, 0] {
        let mut key = s().public();
        key.0[0] = first;
        assert!(!verify_secp256k1(&key, b"message", &signature), "first byte {first}");
    }
    assert!(Secp256k1KeyPair::from_private_bytes(&[0; 32]).is_err());
    assert!(Secp256k1KeyPair::from_private_bytes(&[0xff; 32]).is_err());
}

proptest! {
    #[test]
    fn damaged_transactions_are_refused_and_never_panic(position in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = plain(&a()).to_bytes();
        let position = position.index(bytes.len());
        bytes[position] ^= flip;
        if let Ok(transaction) = SignedTransaction::decode(&bytes) {
            prop_assert!(verify_transaction(&transaction).is_err(), "byte {}", position);
        }
    }
}
