//! Authenticators as JSON.

use noema_types::{
    AccountAuthenticator, AnyPublicKey, AnySignature, MultiEd25519PublicKey, MultiEd25519Signature, MultiKey,
    MultiKeySignature, TransactionAuthenticator,
};
use serde_json::{Value, json};

use super::hex_json;

/// A transaction's authenticator.
pub(super) fn signature_json(authenticator: &TransactionAuthenticator) -> Value {
    let list = |signers: &[AccountAuthenticator]| signers.iter().map(account_json).collect::<Vec<_>>();
    match authenticator {
        TransactionAuthenticator::Ed25519 { public_key, signature } => json!({
            "type": "ed25519_signature",
            "public_key": hex_json(&public_key.0),
            "signature": hex_json(&signature.0),
        }),
        TransactionAuthenticator::MultiEd25519 { public_key, signature } => multi_ed25519_json(public_key, signature),
        TransactionAuthenticator::MultiAgent { sender, secondary_signer_addresses, secondary_signers } => json!({
            "type": "multi_agent_signature",
            "sender": account_json(sender),
            "secondary_signer_addresses": secondary_signer_addresses,
            "secondary_signers": list(secondary_signers),
        }),
        TransactionAuthenticator::FeePayer {
            sender,
            secondary_signer_addresses,
            secondary_signers,
            fee_payer_address,
            fee_payer_signer,
        } => json!({
            "type": "fee_payer_signature",
            "sender": account_json(sender),
            "secondary_signer_addresses": secondary_signer_addresses,
            "secondary_signers": list(secondary_signers),
            "fee_payer_address": fee_payer_address,
            "fee_payer_signer": account_json(fee_payer_signer),
        }),
        TransactionAuthenticator::SingleSender { sender } => {
            let mut json = account_json(sender);
            json["type"] = json!("single_sender");
            json
        }
    }
}

fn account_json(authenticator: &AccountAuthenticator) -> Value {
    match authenticator {
        AccountAuthenticator::Ed25519 { public_key, signature } => json!({
            "type": "ed25519_signature",
            "public_key": hex_json(&public_key.0),
            "signature": hex_json(&signature.0),
        }),
        AccountAuthenticator::MultiEd25519 { public_key, signature } => multi_ed25519_json(public_key, signature),
        AccountAuthenticator::SingleKey { public_key, signature } => json!({
            "type": "single_key_signature",
            "public_key": public_key_json(public_key),
            "signature": any_signature_json(signature),
        }),
        AccountAuthenticator::MultiKey { public_keys, signature } => multi_key_json(public_keys, signature),
        AccountAuthenticator::NoAccountAuthenticator => json!({ "type": "no_account_signature" }),
        AccountAuthenticator::Abstraction(never) => match *never {},
    }
}

fn multi_ed25519_json(key: &MultiEd25519PublicKey, signature: &MultiEd25519Signature) -> Value {
    json!({
        "type": "multi_ed25519_signature",
        "public_keys": key.keys().iter().map(|key| hex_json(&key.0)).collect::<Vec<_>>(),
        "signatures": signature.signatures.iter().map(|one| hex_json(&one.0)).collect::<Vec<_>>(),
        "threshold": key.threshold(),
        "bitmap": hex_json(&signature.bitmap),
    })
}

fn multi_key_json(keys: &MultiKey, signature: &MultiKeySignature) -> Value {
    let signers = signature.bitmap.signers().zip(&signature.signatures);
    json!({
        "type": "multi_key_signature",
        "public_keys": keys.keys().iter().map(public_key_json).collect::<Vec<_>>(),
        "signatures": signers
            .map(|(index, one)| json!({ "index": index, "signature": any_signature_json(one) }))
            .collect::<Vec<_>>(),
        "signatures_required": keys.required(),
    })
}

fn public_key_json(key: &AnyPublicKey) -> Value {
    match key {
        AnyPublicKey::Ed25519(key) => json!({ "type": "ed25519", "value": hex_json(&key.0) }),
        AnyPublicKey::Secp256k1(key) => json!({ "type": "secp256k1_ecdsa", "value": hex_json(&key.0) }),
        AnyPublicKey::Secp256r1(key) => json!({ "type": "secp256r1_ecdsa", "value": hex_json(&key.0) }),
        AnyPublicKey::Keyless(never) | AnyPublicKey::FederatedKeyless(never) => match *never {},
    }
}

fn any_signature_json(signature: &AnySignature) -> Value {
    match signature {
        AnySignature::Ed25519(one) => json!({ "type": "ed25519", "value": hex_json(&one.0) }),
        AnySignature::Secp256k1(one) => json!({ "type": "secp256k1_ecdsa", "value": hex_json(&one.0) }),
        AnySignature::WebAuthn(never) => match *never {},
        AnySignature::Keyless(never) => match *never {},
    }
}
