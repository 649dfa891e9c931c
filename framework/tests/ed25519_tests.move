#[test_only]
module aptos_std::ed25519_tests {
    use std::bcs;
    use std::hash;
    use aptos_std::ed25519;

    struct Order has copy, drop { what: vector<u8>, amount: u64 }

    struct Offer has copy, drop { what: vector<u8>, amount: u64 }

    #[test]
    fun keys_and_signatures_are_their_bytes() {
        let bytes = ed25519::public_key_for_test(1);
        let key = ed25519::new_validated_public_key_from_bytes(bytes).destroy_some();
        let unvalidated = ed25519::public_key_to_unvalidated(&key);
        assert!(ed25519::validated_public_key_to_bytes(&key) == bytes);
        assert!(ed25519::unvalidated_public_key_to_bytes(&unvalidated) == bytes);
        assert!(ed25519::public_key_validate(&unvalidated).destroy_some() == key);
        let signature = ed25519::sign_for_test(1, b"message");
        assert!(ed25519::signature_to_bytes(&ed25519::new_signature_from_bytes(signature)) == signature);
    }

    #[test]
    fun authentication_keys_name_the_scheme() {
        let key = ed25519::new_validated_public_key_from_bytes(ed25519::public_key_for_test(1)).destroy_some();
        let bytes = ed25519::public_key_for_test(1);
        bytes.push_back(0);
        let expected = hash::sha3_256(bytes);
        assert!(ed25519::validated_public_key_to_authentication_key(&key) == expected);
        let unvalidated = ed25519::public_key_to_unvalidated(&key);
        assert!(ed25519::unvalidated_public_key_to_authentication_key(&unvalidated) == expected);
    }

    #[test]
    fun signed_values_are_bound_to_their_type() {
        let order = Order { what: b"bread", amount: 2 };
        let key = ed25519::new_unvalidated_public_key_from_bytes(ed25519::public_key_for_test(1));
        let signed = ed25519::sign_for_test(1, bcs::to_bytes(&ed25519::new_signed_message(order)));
        let signature = ed25519::new_signature_from_bytes(signed);
        assert!(ed25519::signature_verify_strict_t(&signature, &key, order));
        assert!(!ed25519::signature_verify_strict_t(&signature, &key, Order { what: b"bread", amount: 3 }));
        assert!(!ed25519::signature_verify_strict_t(&signature, &key, Offer { what: b"bread", amount: 2 }));
        let other = ed25519::new_unvalidated_public_key_from_bytes(ed25519::public_key_for_test(2));
        assert!(!ed25519::signature_verify_strict_t(&signature, &other, order));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::ed25519)]
    fun short_key() {
        ed25519::new_unvalidated_public_key_from_bytes(b"short");
    }
}
