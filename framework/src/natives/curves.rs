//! Natives of signature schemes: Ed25519, BLS12-381 and ECDSA on secp256k1.

use noema_crypto::{
    BlsKeyPair, Ed25519KeyPair, aggregate_bls, aggregate_bls_keys, is_bls_key, is_bls_signature, is_strict_ed25519_key,
    recover_secp256k1, verify_bls, verify_bls_messages, verify_ed25519, verify_ed25519_strict,
    verify_proof_of_possession, verify_secp256k1_digest,
};
use noema_execution_api::{InternalGas, NativeArgs, NativeContext, NativeResult, NativeTable, Value};
use noema_types::{
    Address, BlsPublicKey, BlsSignature, Ed25519PublicKey, Ed25519Signature, Hash, Secp256k1PublicKey,
    Secp256k1Signature,
};

use super::byte_vectors;

/// One Ed25519 signature check, in internal gas: some 60 microseconds where a simple instruction takes a few nanoseconds.
const VERIFY_COST: InternalGas = InternalGas(200_000);
/// One decompression of an Ed25519 point.
const VALIDATE_COST: InternalGas = InternalGas(40_000);
/// One BLS signature check: two points checked, a hash to the curve and two pairings, about 1.2 milliseconds.
const BLS_VERIFY_COST: InternalGas = InternalGas(4_000_000);
/// One BLS point decompressed and found in its subgroup.
const BLS_POINT_COST: InternalGas = InternalGas(400_000);
/// One ECDSA signature on secp256k1 checked, or its key recovered.
const SECP256K1_COST: InternalGas = InternalGas(150_000);
/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

pub(super) fn add_to(table: &mut NativeTable) {
    table.add_module(
        Address::ONE,
        "ed25519",
        &[
            ("public_key_validate_internal", public_key_validate),
            ("signature_verify_strict_internal", signature_verify_strict),
            ("signature_verify_zip215_internal", signature_verify_zip215),
        ],
    );
    table.add_module(
        Address::ONE,
        "bls12381",
        &[
            ("validate_pubkey_internal", bls_key_validate),
            ("verify_proof_of_possession_internal", bls_possession_verify),
            ("signature_subgroup_check_internal", bls_signature_validate),
            ("aggregate_pubkeys_internal", bls_aggregate_keys),
            ("aggregate_signatures_internal", bls_aggregate_signatures),
            ("verify_signature_internal", bls_verify),
            ("verify_aggregate_signature_internal", bls_verify_messages),
        ],
    );
    table.add_module(
        Address::ONE,
        "secp256k1",
        &[("ecdsa_recover_internal", secp256k1_recover), ("ecdsa_verify_internal", secp256k1_verify)],
    );
}

pub(super) fn add_test_only_to(table: &mut NativeTable) {
    table.add_module(Address::ONE, "ed25519", &[("public_key_for_test", ed25519_key), ("sign_for_test", ed25519_sign)]);
    table.add_module(
        Address::ONE,
        "bls12381",
        &[
            ("public_key_for_test", bls_key),
            ("proof_of_possession_for_test", bls_possession),
            ("sign_for_test", bls_sign),
        ],
    );
}

/// `native fun public_key_validate_internal(bytes: vector<u8>): bool;`
fn public_key_validate(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let bytes = args.bytes()?;
    context.charge(VALIDATE_COST)?;
    let is_valid = Ed25519PublicKey::from_slice(&bytes).is_some_and(|key| is_strict_ed25519_key(&key));
    Ok(vec![Value::Bool(is_valid)])
}

/// `native fun signature_verify_strict_internal(signature, public_key, message): bool;`
fn signature_verify_strict(context: &mut NativeContext<'_>, args: NativeArgs) -> NativeResult {
    signature_verify(context, args, verify_ed25519_strict)
}

/// `native fun signature_verify_zip215_internal(signature, public_key, message): bool;`
fn signature_verify_zip215(context: &mut NativeContext<'_>, args: NativeArgs) -> NativeResult {
    signature_verify(context, args, verify_ed25519)
}

fn signature_verify(
    context: &mut NativeContext<'_>,
    mut args: NativeArgs,
    verify: fn(&Ed25519PublicKey, &[u8], &Ed25519Signature) -> bool,
) -> NativeResult {
    let (signature, key, message) = (args.bytes()?, args.bytes()?, args.bytes()?);
    context.charge(VERIFY_COST)?;
    context.charge_bytes(message.len())?;
    let verifies = match (Ed25519PublicKey::from_slice(&key), Ed25519Signature::from_slice(&signature)) {
        (Some(key), Some(signature)) => verify(&key, &message, &signature),
        _ => false,
    };
    Ok(vec![Value::Bool(verifies)])
}

/// `native fun validate_pubkey_internal(public_key: vector<u8>): bool;`
fn bls_key_validate(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let key = BlsPublicKey::from_slice(&args.bytes()?);
    context.charge(BLS_POINT_COST)?;
    Ok(vec![Value::Bool(key.is_some_and(|key| is_bls_key(&key)))])
}

/// `native fun verify_proof_of_possession_internal(public_key, proof_of_possession): bool;`
fn bls_possession_verify(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (key, proof) = (BlsPublicKey::from_slice(&args.bytes()?), BlsSignature::from_slice(&args.bytes()?));
    context.charge(BLS_VERIFY_COST)?;
    let verifies = key.zip(proof).is_some_and(|(key, proof)| verify_proof_of_possession(&key, &proof));
    Ok(vec![Value::Bool(verifies)])
}

/// `native fun signature_subgroup_check_internal(signature: vector<u8>): bool;`
fn bls_signature_validate(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let signature = BlsSignature::from_slice(&args.bytes()?);
    context.charge(BLS_POINT_COST)?;
    Ok(vec![Value::Bool(signature.is_some_and(|signature| is_bls_signature(&signature)))])
}

/// `native fun aggregate_pubkeys_internal(public_keys: vector<vector<u8>>): (vector<u8>, bool);`
fn bls_aggregate_keys(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let keys = byte_vectors(args.vector()?)?;
    charge_points(context, keys.len())?;
    let keys: Option<Vec<_>> = keys.iter().map(|bytes| BlsPublicKey::from_slice(bytes)).collect();
    Ok(sum(keys.and_then(|keys| aggregate_bls_keys(&keys)).map(|key| key.0.to_vec())))
}

/// `native fun aggregate_signatures_internal(signatures: vector<vector<u8>>): (vector<u8>, bool);`
fn bls_aggregate_signatures(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let signatures = byte_vectors(args.vector()?)?;
    charge_points(context, signatures.len())?;
    let signatures: Option<Vec<_>> = signatures.iter().map(|bytes| BlsSignature::from_slice(bytes)).collect();
    let total = signatures.and_then(|signatures| aggregate_bls(&signatures).ok());
    Ok(sum(total.map(|signature| signature.0.to_vec())))
}

fn charge_points(context: &mut NativeContext<'_>, count: usize) -> NativeResult<()> {
    context.charge(BLS_POINT_COST.times(count as u64))
}

fn sum(bytes: Option<Vec<u8>>) -> Vec<Value> {
    let is_some = bytes.is_some();
    vec![Value::Bytes(bytes.unwrap_or_default()), Value::Bool(is_some)]
}

/// `native fun verify_signature_internal(signature, public_key, message): bool;`
fn bls_verify(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (signature, key) = (BlsSignature::from_slice(&args.bytes()?), BlsPublicKey::from_slice(&args.bytes()?));
    let message = args.bytes()?;
    context.charge(BLS_VERIFY_COST)?;
    context.charge_bytes(message.len())?;
    let verifies = key.zip(signature).is_some_and(|(key, signature)| verify_bls(&key, &message, &signature));
    Ok(vec![Value::Bool(verifies)])
}

/// `native fun verify_aggregate_signature_internal(signature, public_keys, messages): bool;`
fn bls_verify_messages(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let signature = BlsSignature::from_slice(&args.bytes()?);
    let (keys, messages) = (byte_vectors(args.vector()?)?, byte_vectors(args.vector()?)?);
    // A pairing and a hash to the curve per message: what one check of one signature costs.
    context.charge(BLS_VERIFY_COST.times(keys.len().max(1) as u64))?;
    context.charge_bytes(messages.iter().map(Vec::len).sum())?;
    let keys: Option<Vec<_>> = keys.iter().map(|bytes| BlsPublicKey::from_slice(bytes)).collect();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let verifies = keys.zip(signature).is_some_and(|(keys, sig)| verify_bls_messages(&keys, &messages, &sig));
    Ok(vec![Value::Bool(verifies)])
}

/// `native fun ecdsa_recover_internal(message, recovery_id: u8, signature): (vector<u8>, bool);`
fn secp256k1_recover(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (digest, id) = (digest(&args.bytes()?), args.u8()?);
    let signature = Secp256k1Signature::from_slice(&args.bytes()?);
    context.charge(SECP256K1_COST)?;
    let key = digest.zip(signature).and_then(|(digest, signature)| recover_secp256k1(&digest, id, &signature));
    Ok(sum(key.map(|key| key.0[1..].to_vec())))
}

fn digest(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

/// `native fun ecdsa_verify_internal(message, signature, public_key): bool;`
fn secp256k1_verify(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let digest = digest(&args.bytes()?);
    let signature = Secp256k1Signature::from_slice(&args.bytes()?);
    let key = [&[UNCOMPRESSED], args.bytes()?.as_slice()].concat();
    context.charge(SECP256K1_COST)?;
    let verifies = match (Secp256k1PublicKey::from_slice(&key), digest, signature) {
        (Some(key), Some(digest), Some(signature)) => verify_secp256k1_digest(&key, &digest, &signature),
        _ => false,
    };
    Ok(vec![Value::Bool(verifies)])
}

/// `#[test_only] native public fun public_key_for_test(seed: u8): vector<u8>;`
fn ed25519_key(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    Ok(vec![Value::Bytes(Ed25519KeyPair::from_private_bytes([args.u8()?; 32]).public().0.to_vec())])
}

/// `#[test_only] native public fun sign_for_test(seed: u8, message: vector<u8>): vector<u8>;`
fn ed25519_sign(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let key = Ed25519KeyPair::from_private_bytes([args.u8()?; 32]);
    Ok(vec![Value::Bytes(key.sign(&args.bytes()?).0.to_vec())])
}

/// `#[test_only] native public fun public_key_for_test(seed: u8): vector<u8>;`
fn bls_key(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    Ok(vec![Value::Bytes(BlsKeyPair::from_seed(&[args.u8()?; 32]).public().0.to_vec())])
}

/// `#[test_only] native public fun proof_of_possession_for_test(seed: u8): vector<u8>;`
fn bls_possession(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    Ok(vec![Value::Bytes(BlsKeyPair::from_seed(&[args.u8()?; 32]).proof_of_possession().0.to_vec())])
}

/// `#[test_only] native public fun sign_for_test(seed: u8, message: vector<u8>): vector<u8>;`
fn bls_sign(_context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let key = BlsKeyPair::from_seed(&[args.u8()?; 32]);
    Ok(vec![Value::Bytes(key.sign(&args.bytes()?).0.to_vec())])
}
