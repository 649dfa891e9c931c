#[test_only]
module aptos_std::bls12381_tests {
    use std::option;
    use std::vector;
    use aptos_std::bls12381::{Self as bls, AggrOrMultiSignature, PublicKeyWithPoP};

    /// The keys of seeds, proved.
    fun keys(seeds: vector<u8>): vector<PublicKeyWithPoP> {
        seeds.map(|seed| {
            let proof = bls::proof_of_possession_from_bytes(bls::proof_of_possession_for_test(seed));
            bls::public_key_from_bytes_with_pop(bls::public_key_for_test(seed), &proof).destroy_some()
        })
    }

    /// The sum of the seeds' signatures over the messages at their positions.
    fun sum(seeds: vector<u8>, messages: vector<vector<u8>>): AggrOrMultiSignature {
        let signatures = seeds.zip_map(messages, |seed, message| {
            bls::signature_from_bytes(bls::sign_for_test(seed, message))
        });
        bls::aggregate_signatures(signatures).destroy_some()
    }

    #[test]
    fun single_signatures() {
        let key = bls::public_key_from_bytes(bls::public_key_for_test(1)).destroy_some();
        let signature = bls::signature_from_bytes(bls::sign_for_test(1, b"message"));
        assert!(bls::signature_subgroup_check(&signature));
        assert!(bls::verify_normal_signature(&signature, &key, b"message"));
        assert!(!bls::verify_normal_signature(&signature, &key, b"massage"));
        assert!(bls::public_key_to_bytes(&key) == bls::public_key_for_test(1));
        assert!(bls::signature_to_bytes(&signature) == bls::sign_for_test(1, b"message"));
        let proved = keys(vector[1])[0];
        assert!(bls::verify_signature_share(&signature, &proved, b"message"));
        assert!(bls::public_key_with_pop_to_normal(&proved) == key);
        assert!(bls::public_key_with_pop_to_bytes(&proved) == bls::public_key_for_test(1));
    }

    #[test]
    fun proofs_are_of_one_key() {
        let proof = bls::proof_of_possession_from_bytes(bls::proof_of_possession_for_test(1));
        let key = bls::public_key_from_bytes(bls::public_key_for_test(1)).destroy_some();
        let other = bls::public_key_from_bytes(bls::public_key_for_test(2)).destroy_some();
        assert!(bls::proof_of_possession_verify(&key, &proof) && !bls::proof_of_possession_verify(&other, &proof));
        assert!(bls::public_key_from_bytes_with_pop(bls::public_key_for_test(2), &proof).is_none());
        assert!(bls::proof_of_possession_to_bytes(&proof) == bls::proof_of_possession_for_test(1));
    }

    #[test]
    fun one_message_of_many() {
        let all = bls::aggregate_pubkeys(keys(vector[1, 2, 3]));
        let signature = sum(vector[1, 2, 3], vector[b"m", b"m", b"m"]);
        assert!(bls::verify_multisignature(&signature, &all, b"m"));
        assert!(!bls::verify_multisignature(&signature, &all, b"n"));
        assert!(!bls::verify_multisignature(&signature, &bls::aggregate_pubkeys(keys(vector[1, 2])), b"m"));
        assert!(bls::aggregate_pubkey_to_bytes(&all).length() == 48);
        assert!(bls::aggr_or_multi_signature_subgroup_check(&signature));
        let bytes = bls::aggr_or_multi_signature_to_bytes(&signature);
        assert!(bls::aggr_or_multi_signature_from_bytes(bytes) == signature);
    }

    #[test]
    fun many_messages_of_many() {
        let messages = vector[b"a", b"b", b"c"];
        let signature = sum(vector[1, 2, 3], messages);
        assert!(bls::verify_aggregate_signature(&signature, keys(vector[1, 2, 3]), messages));
        assert!(!bls::verify_aggregate_signature(&signature, keys(vector[2, 1, 3]), messages));
        assert!(!bls::verify_aggregate_signature(&signature, keys(vector[1, 2, 3]), vector[b"a", b"b", b"d"]));
        assert!(!bls::verify_aggregate_signature(&signature, keys(vector[1, 2]), messages));
        assert!(!bls::verify_aggregate_signature(&signature, vector[], vector[]));
    }

    #[test]
    fun malformed_points() {
        assert!(bls::public_key_from_bytes(b"short") == option::none());
        // The identity, and a point above the field's prime.
        let identity = vector::tabulate!(48, |i| if (i == 0) 0xC0 else 0);
        assert!(bls::public_key_from_bytes(identity).is_none());
        assert!(bls::public_key_from_bytes(vector::tabulate!(48, |_i| 0xBF)).is_none());
        let signature = bls::signature_from_bytes(vector::tabulate!(96, |i| if (i == 0) 0xC0 else 0));
        assert!(!bls::signature_subgroup_check(&signature));
        assert!(bls::aggregate_signatures(vector[signature]).is_none() && bls::aggregate_signatures(vector[]).is_none());
        let sum = bls::aggr_or_multi_signature_from_bytes(bls::signature_to_bytes(&signature));
        assert!(!bls::aggr_or_multi_signature_subgroup_check(&sum));
        assert!(!bls::verify_aggregate_signature(&sum, keys(vector[1]), vector[b"a"]));
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::bls12381)]
    fun short_signature() {
        bls::signature_from_bytes(b"short");
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::bls12381)]
    fun short_proof() {
        bls::proof_of_possession_from_bytes(b"short");
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::bls12381)]
    fun short_sum() {
        bls::aggr_or_multi_signature_from_bytes(b"short");
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::bls12381)]
    fun no_keys() {
        bls::aggregate_pubkeys(vector[]);
    }
}
