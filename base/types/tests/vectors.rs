//! Vectors that two independent client libraries computed, and agree on.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use noema_types::*;

const RAW: &str = "147e4d3a5b10eaed2a93536e284c23096dfcea9ac61f0a8420e5d01fbd8f0ea8050000000000000002\
    00000000000000000000000000000000000000000000000000000000000000010d6170746f735f6163\
    636f756e74087472616e73666572000220a32657fd60acb0433491a33d84823c04722ae76639b27287\
    3cc27d015232904e08e803000000000000400d030000000000640000000000000000b33f7100000000\
    4d";

const AUTHENTICATOR: &str = "0020d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c977873740\
    48177fb4152ad2b44d964db1a4cfdede2f799cbbc62a26b97bfef04c34b525f8\
    cec9a773e3cd4a23588f9821193cf4fc9f9e40d9d019659d13c875373351e20f";

const A_PUBLIC: &str = "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737";
const A_ADDRESS: &str = "147e4d3a5b10eaed2a93536e284c23096dfcea9ac61f0a8420e5d01fbd8f0ea8";
const B_ADDRESS: &str = "a32657fd60acb0433491a33d84823c04722ae76639b272873cc27d015232904e";

fn a_public() -> Ed25519PublicKey {
    Ed25519PublicKey::from_slice(&hex::decode(A_PUBLIC).unwrap()).unwrap()
}

fn transfer() -> EntryFunction {
    let b: Address = B_ADDRESS.parse().unwrap();
    EntryFunction {
        module: "0x1::aptos_account".parse().unwrap(),
        function: Identifier::new("transfer").unwrap(),
        type_args: vec![],
        args: vec![b.0.to_vec(), 1000u64.to_le_bytes().to_vec()],
    }
}

fn raw() -> RawTransaction {
    RawTransaction {
        sender: A_ADDRESS.parse().unwrap(),
        sequence_number: 5,
        payload: TransactionPayload::EntryFunction(transfer()),
        max_gas_amount: Gas(200_000),
        gas_unit_price: 100,
        expiration_timestamp_secs: 1_900_000_000,
        chain_id: ChainId(77),
    }
}

#[test]
fn raw_transaction_bytes() {
    assert_eq!(hex::encode(bcs::to_bytes(&raw()).unwrap()), RAW);
}

#[test]
fn signing_message_is_prefix_and_bytes() {
    let prefix = "b5e97db07fa0bd0e5598aa3643a9bc6f6693bddc1a9fec9e674a461eaa00b193";
    assert_eq!(hex::encode(raw().signing_message()), format!("{prefix}{RAW}"));
}

#[test]
fn signing_messages_with_data() {
    let prefix = "5efa3c4f02f83a0f4b2d69fc95c607cc02825cc4e7be536ef0992df050d9e67c";
    let b: Address = B_ADDRESS.parse().unwrap();
    let multi_agent = hex::encode(raw().signing_message_with_data(&[b], None));
    assert_eq!(multi_agent, format!("{prefix}00{RAW}01{B_ADDRESS}"));
    let fee_payer = hex::encode(raw().signing_message_with_data(&[], Some(b)));
    assert_eq!(fee_payer, format!("{prefix}01{RAW}00{B_ADDRESS}"));
}

#[test]
fn signed_transaction_hash() {
    let transaction = SignedTransaction::decode(&hex::decode(format!("{RAW}{AUTHENTICATOR}")).unwrap()).unwrap();
    assert_eq!(transaction.raw, raw());
    let expected = "0x7578df7754976ef2a859b2ae7164c4c2b31394329aaca34d66f610037721ad91";
    assert_eq!(transaction.hash().to_string(), expected);
    assert_eq!(Transaction::User(transaction.clone()).hash().to_string(), expected);
    let TransactionAuthenticator::Ed25519 { public_key, .. } = transaction.authenticator else {
        panic!("the vector has a plain Ed25519 authenticator");
    };
    assert_eq!(public_key, a_public());
}

#[test]
fn orderless_payload_bytes() {
    let payload = TransactionPayload::Payload(ExtendedPayload::V1 {
        executable: Executable::EntryFunction(transfer()),
        extra: ExtraConfig::V1 { multisig_address: None, replay_protection_nonce: Some(0x0102_0304_0506_0708) },
    });
    let call = hex::encode(bcs::to_bytes(&transfer()).unwrap());
    assert_eq!(hex::encode(bcs::to_bytes(&payload).unwrap()), format!("040001{call}0000010807060504030201"));
    assert_eq!(payload.replay_protection_nonce(), Some(0x0102_0304_0506_0708));
}

#[test]
fn addresses_of_ed25519_keys() {
    assert_eq!(AuthKey::ed25519(&a_public()).to_address().to_hex(), A_ADDRESS);
    let single = AuthKey::single_key(&AnyPublicKey::Ed25519(a_public()));
    assert_eq!(single.to_address().to_hex(), "c4c6cf75ac3530d31e455f8662df984159f5c71d9903a7202efc68f83775073a");
}

#[test]
fn address_of_a_named_object() {
    let object = Address::named_object(&Address::from_u8(10), b"0x1::x::Y");
    assert_eq!(object.to_hex(), "a451f50ee365b23136ead4b33776b6e10536801534a018263e30a2156a23f706");
}

#[test]
fn derivations_differ_by_scheme() {
    let (a, b) = (Address::ONE, Address::from_u8(2));
    let derived = [
        Address::named_object(&a, &b.0),
        Address::resource_account(&a, &b.0),
        Address::object_from_object(&a, &b),
        Address::object_from_guid(&b, 1),
        Address::unique(&Hash(a.0), 1),
    ];
    for (index, address) in derived.iter().enumerate() {
        assert!(!derived[..index].contains(address));
    }
    assert_eq!(derived[1].0, Hash::sha3(&[&a.0, &b.0, &[255]]).0);
    assert_eq!(derived[3].0, Hash::sha3(&[&1u64.to_le_bytes(), &b.0, &[253]]).0);
}
