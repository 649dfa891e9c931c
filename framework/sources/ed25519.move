/// Ed25519 signatures (RFC 8032), checked by the equation of ZIP-215; keys and commitments of small order are refused, and
/// so is a signature whose scalar is not below the group order.
module aptos_std::ed25519 {
    use std::bcs;
    use std::error;
    use std::hash;
    use std::option::{Self, Option};
    use std::vector;
    use aptos_std::type_info::{Self, TypeInfo};

    friend aptos_framework::evidence;

    /// Scheme byte of single Ed25519 keys in authentication keys.
    const SIGNATURE_SCHEME_ID: u8 = 0;
    const PUBLIC_KEY_NUM_BYTES: u64 = 32;
    const SIGNATURE_NUM_BYTES: u64 = 64;

    /// A public key has 32 bytes.
    const E_WRONG_PUBKEY_SIZE: u64 = 1;
    /// A signature has 64 bytes.
    const E_WRONG_SIGNATURE_SIZE: u64 = 2;

    /// A value to be signed, bound to its type.
    struct SignedMessage<MessageType> has drop {
        type_info: TypeInfo,
        inner: MessageType
    }

    /// 32 bytes that may or may not be a key.
    struct UnvalidatedPublicKey has copy, drop, store {
        bytes: vector<u8>
    }

    /// A point of the curve that is not of small order.
    struct ValidatedPublicKey has copy, drop, store {
        bytes: vector<u8>
    }

    /// 64 bytes that may or may not be a signature.
    struct Signature has copy, drop, store {
        bytes: vector<u8>
    }

    public fun new_unvalidated_public_key_from_bytes(bytes: vector<u8>): UnvalidatedPublicKey {
        assert!(vector::length(&bytes) == PUBLIC_KEY_NUM_BYTES, error::invalid_argument(E_WRONG_PUBKEY_SIZE));
        UnvalidatedPublicKey { bytes }
    }

    public fun new_validated_public_key_from_bytes(bytes: vector<u8>): Option<ValidatedPublicKey> {
        if (public_key_validate_internal(bytes)) option::some(ValidatedPublicKey { bytes }) else option::none()
    }

    public fun public_key_validate(pk: &UnvalidatedPublicKey): Option<ValidatedPublicKey> {
        new_validated_public_key_from_bytes(pk.bytes)
    }

    public fun new_signature_from_bytes(bytes: vector<u8>): Signature {
        assert!(vector::length(&bytes) == SIGNATURE_NUM_BYTES, error::invalid_argument(E_WRONG_SIGNATURE_SIZE));
        Signature { bytes }
    }

    public fun public_key_to_unvalidated(pk: &ValidatedPublicKey): UnvalidatedPublicKey {
        UnvalidatedPublicKey { bytes: pk.bytes }
    }

    public fun unvalidated_public_key_to_bytes(pk: &UnvalidatedPublicKey): vector<u8> {
        pk.bytes
    }

    public fun validated_public_key_to_bytes(pk: &ValidatedPublicKey): vector<u8> {
        pk.bytes
    }

    public fun signature_to_bytes(sig: &Signature): vector<u8> {
        sig.bytes
    }

    public fun new_signed_message<T: drop>(inner: T): SignedMessage<T> {
        SignedMessage { type_info: type_info::type_of<T>(), inner }
    }

    /// Whether `signature` signs exactly these bytes.
    public fun signature_verify_strict(
        signature: &Signature, public_key: &UnvalidatedPublicKey, message: vector<u8>
    ): bool {
        signature_verify_strict_internal(signature.bytes, public_key.bytes, message)
    }

    /// Whether `signature` signs the value, bound to its type.
    public fun signature_verify_strict_t<T: drop>(
        signature: &Signature, public_key: &UnvalidatedPublicKey, data: T
    ): bool {
        let message = new_signed_message(data);
        signature_verify_strict_internal(signature.bytes, public_key.bytes, bcs::to_bytes(&message))
    }

    /// Whether the signature is one that validators take of each other: a commitment of small order is none to a
    /// contract, but a block signed with one counts, and so must evidence of it.
    public(friend) fun signature_verify_as_validators_do(
        signature: vector<u8>, public_key: vector<u8>, message: vector<u8>
    ): bool {
        signature_verify_zip215_internal(signature, public_key, message)
    }

    public fun unvalidated_public_key_to_authentication_key(pk: &UnvalidatedPublicKey): vector<u8> {
        public_key_bytes_to_authentication_key(pk.bytes)
    }

    public fun validated_public_key_to_authentication_key(pk: &ValidatedPublicKey): vector<u8> {
        public_key_bytes_to_authentication_key(pk.bytes)
    }

    fun public_key_bytes_to_authentication_key(pk_bytes: vector<u8>): vector<u8> {
        vector::push_back(&mut pk_bytes, SIGNATURE_SCHEME_ID);
        hash::sha3_256(pk_bytes)
    }

    native fun public_key_validate_internal(bytes: vector<u8>): bool;

    native fun signature_verify_strict_internal(
        signature: vector<u8>, public_key: vector<u8>, message: vector<u8>
    ): bool;

    native fun signature_verify_zip215_internal(
        signature: vector<u8>, public_key: vector<u8>, message: vector<u8>
    ): bool;

    #[test_only]
    /// The key of a seed.
    native public fun public_key_for_test(seed: u8): vector<u8>;

    #[test_only]
    /// A signature by a seed's key.
    native public fun sign_for_test(seed: u8, message: vector<u8>): vector<u8>;
}
