/// BLS signatures over BLS12-381: keys of 48 bytes in G1, signatures of 96 bytes in G2, the proof-of-possession
/// ciphersuite of draft-irtf-cfrg-bls-signature. Points that are not canonical, not of the group or the identity are no
/// keys and no signatures.
module aptos_std::bls12381 {
    use std::error;
    use std::option::{Self, Option};
    use std::vector;

    const SIGNATURE_SIZE: u64 = 96;

    /// A signature or proof of possession has 96 bytes.
    const E_WRONG_SIGNATURE_SIZE: u64 = 2;
    /// There is no key to aggregate.
    const EZERO_PUBKEYS: u64 = 3;
    /// The keys cancel each other.
    const EKEYS_CANCEL: u64 = 4;

    /// A point of the group that is not the identity. Its owner may not have its private key.
    struct PublicKey has copy, drop, store {
        bytes: vector<u8>
    }

    /// 96 bytes that may or may not prove the possession of a private key.
    struct ProofOfPossession has copy, drop, store {
        bytes: vector<u8>
    }

    /// A key whose owner proved to have its private key. Only such keys can be aggregated.
    struct PublicKeyWithPoP has copy, drop, store {
        bytes: vector<u8>
    }

    /// The sum of keys with proofs.
    struct AggrPublicKeysWithPoP has copy, drop, store {
        bytes: vector<u8>
    }

    /// 96 bytes that may or may not be a signature.
    struct Signature has copy, drop, store {
        bytes: vector<u8>
    }

    /// The sum of signatures.
    struct AggrOrMultiSignature has copy, drop, store {
        bytes: vector<u8>
    }

    /// The key of these bytes, if they are one.
    public fun public_key_from_bytes(bytes: vector<u8>): Option<PublicKey> {
        if (validate_pubkey_internal(bytes)) option::some(PublicKey { bytes }) else option::none()
    }

    public fun public_key_to_bytes(pk: &PublicKey): vector<u8> {
        pk.bytes
    }

    public fun proof_of_possession_from_bytes(bytes: vector<u8>): ProofOfPossession {
        assert!(vector::length(&bytes) == SIGNATURE_SIZE, error::invalid_argument(E_WRONG_SIGNATURE_SIZE));
        ProofOfPossession { bytes }
    }

    public fun proof_of_possession_to_bytes(pop: &ProofOfPossession): vector<u8> {
        pop.bytes
    }

    /// Whether the proof shows that the key's owner has its private key.
    public fun proof_of_possession_verify(pk: &PublicKey, pop: &ProofOfPossession): bool {
        verify_proof_of_possession_internal(pk.bytes, pop.bytes)
    }

    /// The key of these bytes, if they are one and the proof is of it.
    public fun public_key_from_bytes_with_pop(
        pk_bytes: vector<u8>, pop: &ProofOfPossession
    ): Option<PublicKeyWithPoP> {
        if (verify_proof_of_possession_internal(pk_bytes, pop.bytes)) {
            option::some(PublicKeyWithPoP { bytes: pk_bytes })
        } else {
            option::none()
        }
    }

    public fun public_key_with_pop_to_normal(pkpop: &PublicKeyWithPoP): PublicKey {
        PublicKey { bytes: pkpop.bytes }
    }

    public fun public_key_with_pop_to_bytes(pk: &PublicKeyWithPoP): vector<u8> {
        pk.bytes
    }

    public fun signature_from_bytes(bytes: vector<u8>): Signature {
        assert!(vector::length(&bytes) == SIGNATURE_SIZE, error::invalid_argument(E_WRONG_SIGNATURE_SIZE));
        Signature { bytes }
    }

    public fun signature_to_bytes(sig: &Signature): vector<u8> {
        sig.bytes
    }

    /// Whether the bytes are a point of the group that is not the identity.
    public fun signature_subgroup_check(signature: &Signature): bool {
        signature_subgroup_check_internal(signature.bytes)
    }

    /// Adds keys up.
    public fun aggregate_pubkeys(public_keys: vector<PublicKeyWithPoP>): AggrPublicKeysWithPoP {
        assert!(!vector::is_empty(&public_keys), error::invalid_argument(EZERO_PUBKEYS));
        let all = vector::empty();
        while (!vector::is_empty(&public_keys)) {
            let PublicKeyWithPoP { bytes } = vector::pop_back(&mut public_keys);
            vector::push_back(&mut all, bytes);
        };
        let (bytes, success) = aggregate_pubkeys_internal(all);
        assert!(success, error::invalid_argument(EKEYS_CANCEL));
        AggrPublicKeysWithPoP { bytes }
    }

    public fun aggregate_pubkey_to_bytes(apk: &AggrPublicKeysWithPoP): vector<u8> {
        apk.bytes
    }

    /// Adds signatures up; none if there is none, one is not a signature, or they cancel each other.
    public fun aggregate_signatures(signatures: vector<Signature>): Option<AggrOrMultiSignature> {
        let all = vector::empty();
        while (!vector::is_empty(&signatures)) {
            let Signature { bytes } = vector::pop_back(&mut signatures);
            vector::push_back(&mut all, bytes);
        };
        let (bytes, success) = aggregate_signatures_internal(all);
        if (success) option::some(AggrOrMultiSignature { bytes }) else option::none()
    }

    public fun aggr_or_multi_signature_from_bytes(bytes: vector<u8>): AggrOrMultiSignature {
        assert!(vector::length(&bytes) == SIGNATURE_SIZE, error::invalid_argument(E_WRONG_SIGNATURE_SIZE));
        AggrOrMultiSignature { bytes }
    }

    public fun aggr_or_multi_signature_to_bytes(sig: &AggrOrMultiSignature): vector<u8> {
        sig.bytes
    }

    /// Whether the bytes are a point of the group that is not the identity.
    public fun aggr_or_multi_signature_subgroup_check(signature: &AggrOrMultiSignature): bool {
        signature_subgroup_check_internal(signature.bytes)
    }

    /// Whether the sum is one signature of each key over the message at its position; there must be as many messages as
    /// keys, and at least one.
    public fun verify_aggregate_signature(
        aggr_sig: &AggrOrMultiSignature, public_keys: vector<PublicKeyWithPoP>, messages: vector<vector<u8>>
    ): bool {
        let keys = public_keys.map_ref(|key| key.bytes);
        verify_aggregate_signature_internal(aggr_sig.bytes, keys, messages)
    }

    /// Whether the sum is one signature of each key over one message.
    public fun verify_multisignature(
        multisig: &AggrOrMultiSignature, aggr_public_key: &AggrPublicKeysWithPoP, message: vector<u8>
    ): bool {
        verify_signature_internal(multisig.bytes, aggr_public_key.bytes, message)
    }

    /// Whether `signature` is the key's over `message`.
    public fun verify_normal_signature(signature: &Signature, public_key: &PublicKey, message: vector<u8>): bool {
        verify_signature_internal(signature.bytes, public_key.bytes, message)
    }

    /// As `verify_normal_signature`, of one share of a multisignature.
    public fun verify_signature_share(
        signature_share: &Signature, public_key: &PublicKeyWithPoP, message: vector<u8>
    ): bool {
        verify_signature_internal(signature_share.bytes, public_key.bytes, message)
    }

    native fun validate_pubkey_internal(public_key: vector<u8>): bool;

    native fun verify_proof_of_possession_internal(public_key: vector<u8>, proof_of_possession: vector<u8>): bool;

    native fun signature_subgroup_check_internal(signature: vector<u8>): bool;

    native fun aggregate_pubkeys_internal(public_keys: vector<vector<u8>>): (vector<u8>, bool);

    native fun aggregate_signatures_internal(signatures: vector<vector<u8>>): (vector<u8>, bool);

    native fun verify_signature_internal(
        signature: vector<u8>, public_key: vector<u8>, message: vector<u8>
    ): bool;

    native fun verify_aggregate_signature_internal(
        signature: vector<u8>, public_keys: vector<vector<u8>>, messages: vector<vector<u8>>
    ): bool;

    #[test_only]
    /// The key of a seed.
    native public fun public_key_for_test(seed: u8): vector<u8>;

    #[test_only]
    /// The proof of possession of a seed's key.
    native public fun proof_of_possession_for_test(seed: u8): vector<u8>;

    #[test_only]
    /// A signature by a seed's key.
    native public fun sign_for_test(seed: u8, message: vector<u8>): vector<u8>;
}
