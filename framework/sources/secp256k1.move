/// ECDSA on secp256k1, over digests of 32 bytes that the caller made.
module aptos_std::secp256k1 {
    use std::error;
    use std::option::{Self, Option};

    const RAW_PUBLIC_KEY_NUM_BYTES: u64 = 64;
    const SIGNATURE_NUM_BYTES: u64 = 64;
    const DIGEST_NUM_BYTES: u64 = 32;

    /// A key or signature has 64 bytes, a digest 32.
    const E_DESERIALIZE: u64 = 1;

    /// 64 bytes, a point's coordinates, that may or may not be a key.
    struct ECDSARawPublicKey has copy, drop, store {
        bytes: vector<u8>
    }

    /// 64 bytes, `r` and `s`, that may or may not be a signature.
    struct ECDSASignature has copy, drop, store {
        bytes: vector<u8>
    }

    /// `r` and `s`, most significant bytes first.
    public fun ecdsa_signature_from_bytes(bytes: vector<u8>): ECDSASignature {
        assert!(bytes.length() == SIGNATURE_NUM_BYTES, error::invalid_argument(E_DESERIALIZE));
        ECDSASignature { bytes }
    }

    /// A point's coordinates, most significant bytes first.
    public fun ecdsa_raw_public_key_from_64_bytes(bytes: vector<u8>): ECDSARawPublicKey {
        assert!(bytes.length() == RAW_PUBLIC_KEY_NUM_BYTES, error::invalid_argument(E_DESERIALIZE));
        ECDSARawPublicKey { bytes }
    }

    public fun ecdsa_raw_public_key_to_bytes(pk: &ECDSARawPublicKey): vector<u8> {
        pk.bytes
    }

    public fun ecdsa_signature_to_bytes(sig: &ECDSASignature): vector<u8> {
        sig.bytes
    }

    /// The key whose signature over the digest this is, if there is one: `recovery_id`, 0 to 3, says which of those that
    /// there may be. A signature with its `s` replaced by `-s`, and another id, recovers to the same key: who counts
    /// signatures must count digests.
    public fun ecdsa_recover(
        message: vector<u8>, recovery_id: u8, signature: &ECDSASignature
    ): Option<ECDSARawPublicKey> {
        assert!(message.length() == DIGEST_NUM_BYTES, error::invalid_argument(E_DESERIALIZE));
        let (bytes, success) = ecdsa_recover_internal(message, recovery_id, signature.bytes);
        if (success) option::some(ECDSARawPublicKey { bytes }) else option::none()
    }

    /// Whether the signature is the key's over the digest, with `s` in the lower half.
    public fun ecdsa_verify(message: vector<u8>, signature: &ECDSASignature, pk: &ECDSARawPublicKey): bool {
        assert!(message.length() == DIGEST_NUM_BYTES, error::invalid_argument(E_DESERIALIZE));
        ecdsa_verify_internal(message, signature.bytes, pk.bytes)
    }

    native fun ecdsa_recover_internal(
        message: vector<u8>, recovery_id: u8, signature: vector<u8>
    ): (vector<u8>, bool);

    native fun ecdsa_verify_internal(message: vector<u8>, signature: vector<u8>, public_key: vector<u8>): bool;
}
