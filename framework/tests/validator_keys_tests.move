#[test_only]
module aptos_framework::validator_keys_tests {
    use std::option;
    use std::vector;
    use aptos_std::bls12381::{Self as bls, public_key_for_test as key, proof_of_possession_for_test as proof};
    use aptos_std::ed25519;
    use aptos_framework::genesis;
    use aptos_framework::stake;
    use aptos_framework::staking_config;
    use aptos_framework::staking_setup::{Self as setup, start};
    use aptos_framework::validator_keys::is_network_address_for_test as is_address;

    const SMALL_ORDER: vector<u8> = x"0100000000000000000000000000000000000000000000000000000000000000";

    #[test(framework = @0x1, vm = @0x0, operator = @0xC1)]
    fun rotated_keys_serve_from_the_border_on(framework: &signer, vm: &signer, operator: &signer) {
        start(framework);
        stake::rotate_consensus_key(operator, @0xC1, ed25519::public_key_for_test(50));
        stake::rotate_network_key(operator, @0xC1, ed25519::public_key_for_test(51));
        stake::rotate_checkpoint_key(operator, @0xC1, key(52), proof(52));
        stake::update_network_and_fullnode_addresses(operator, @0xC1, b"b:2", b"https://b");
        setup::end_epoch(vm);
        let (consensus, network, checkpoint, address, fullnode) = stake::get_validator_config(@0xC1);
        assert!(consensus == ed25519::public_key_for_test(50) && network == ed25519::public_key_for_test(51), 0);
        assert!(checkpoint == key(52) && address == b"b:2" && fullnode == b"https://b", 1);
        // The own old key may come back.
        stake::rotate_consensus_key(operator, @0xC1, ed25519::public_key_for_test(1));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x80003, location = aptos_framework::validator_keys)]
    fun anothers_consensus_key(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_consensus_key(operator, @0xC1, ed25519::public_key_for_test(2));
    }

    #[test(framework = @0x1, operator = @0xC1, other = @0xC2)]
    #[expected_failure(abort_code = 0x80003, location = aptos_framework::validator_keys)]
    fun anothers_former_key(framework: &signer, operator: &signer, other: &signer) {
        start(framework);
        stake::rotate_network_key(other, @0xC2, ed25519::public_key_for_test(50));
        stake::rotate_network_key(operator, @0xC1, ed25519::public_key_for_test(102));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x80003, location = aptos_framework::validator_keys)]
    fun anothers_checkpoint_key(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_checkpoint_key(operator, @0xC1, key(2), proof(2));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::validator_keys)]
    fun a_key_of_small_order(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_consensus_key(operator, @0xC1, SMALL_ORDER);
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::validator_keys)]
    fun a_checkpoint_key_that_is_none(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_checkpoint_key(operator, @0xC1, b"key", proof(2));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::validator_keys)]
    fun a_proof_of_another_key(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_checkpoint_key(operator, @0xC1, key(50), proof(51));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::validator_keys)]
    fun a_signature_is_no_proof(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_checkpoint_key(operator, @0xC1, key(50), bls::sign_for_test(50, key(50)));
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::bls12381)]
    fun a_proof_of_another_length(framework: &signer, operator: &signer) {
        start(framework);
        stake::rotate_checkpoint_key(operator, @0xC1, key(50), b"proof");
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10004, location = aptos_framework::validator_keys)]
    fun an_address_without_port(framework: &signer, operator: &signer) {
        start(framework);
        stake::update_network_and_fullnode_addresses(operator, @0xC1, b"example.org", b"");
    }

    #[test(framework = @0x1, operator = @0xC1)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::validator_keys)]
    fun a_long_address_for_full_nodes(framework: &signer, operator: &signer) {
        start(framework);
        stake::update_network_and_fullnode_addresses(operator, @0xC1, b"a:1", letters(257));
    }

    fun letters(count: u64): vector<u8> {
        let bytes = vector::empty();
        while (vector::length(&bytes) < count) vector::push_back(&mut bytes, 97);
        bytes
    }

    #[test]
    fun network_addresses() {
        let good = vector[b"a:1", b"localhost:65535", b"[::1]:80", b"validator_1.example-net.org:7000"];
        while (!vector::is_empty(&good)) assert!(is_address(vector::pop_back(&mut good)), 0);
        let bad = vector[
            b"", b":80", b"a", b"a:", b"a:0", b"a:080", b"a:65536", b"a:123456", b"a:1234567", b"a b:80", b"http://a:80", b"a:8x", x"ff3a3830"
        ];
        while (!vector::is_empty(&bad)) assert!(!is_address(vector::pop_back(&mut bad)), 1);
        let long = letters(253);
        vector::append(&mut long, b":80");
        assert!(is_address(long), 2);
        vector::reverse(&mut long);
        vector::push_back(&mut long, 97);
        vector::reverse(&mut long);
        assert!(!is_address(long), 3);
    }

    #[test]
    fun bls_signatures_and_their_sums() {
        let message = b"message";
        let first = bls::signature_from_bytes(bls::sign_for_test(1, message));
        let second = bls::signature_from_bytes(bls::sign_for_test(2, message));
        let plain = option::destroy_some(bls::public_key_from_bytes(key(1)));
        assert!(bls::verify_normal_signature(&first, &plain, message), 0);
        assert!(!bls::verify_normal_signature(&first, &plain, b"massage"), 1);
        assert!(!bls::verify_normal_signature(&second, &plain, message), 2);
        assert!(bls::signature_subgroup_check(&first), 3);
        let pop = bls::proof_of_possession_from_bytes(proof(1));
        assert!(bls::proof_of_possession_verify(&plain, &pop), 4);
        assert!(option::is_none(&bls::public_key_from_bytes_with_pop(key(2), &pop)), 5);
        let one = option::destroy_some(bls::public_key_from_bytes_with_pop(key(1), &pop));
        let pop = bls::proof_of_possession_from_bytes(proof(2));
        let two = option::destroy_some(bls::public_key_from_bytes_with_pop(key(2), &pop));
        assert!(bls::verify_signature_share(&second, &two, message), 6);
        let sum = option::destroy_some(bls::aggregate_signatures(vector[first, second]));
        assert!(bls::verify_multisignature(&sum, &bls::aggregate_pubkeys(vector[one, two]), message), 7);
        assert!(!bls::verify_multisignature(&sum, &bls::aggregate_pubkeys(vector[one]), message), 8);
        assert!(!bls::verify_multisignature(&sum, &bls::aggregate_pubkeys(vector[one, two]), b"massage"), 9);
        assert!(option::is_none(&bls::aggregate_signatures(vector[])), 10);
        let zeros = letters(96);
        assert!(!bls::signature_subgroup_check(&bls::signature_from_bytes(zeros)), 11);
        assert!(option::is_none(&bls::public_key_from_bytes(letters(48))), 12);
        assert!(option::is_none(&bls::public_key_from_bytes(b"short")), 13);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::bls12381)]
    fun no_keys_have_no_sum() {
        bls::aggregate_pubkeys(vector[]);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10003, location = aptos_framework::staking_config)]
    fun a_minimum_above_the_maximum(framework: &signer) {
        start(framework);
        staking_config::update_required_stake(framework, 2, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10003, location = aptos_framework::staking_config)]
    fun a_full_set_of_the_maximum_fits_a_number(framework: &signer) {
        start(framework);
        staking_config::update_required_stake(framework, 1, 36028797018963967);
        staking_config::update_required_stake(framework, 1, 36028797018963968);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::staking_config)]
    fun no_lockup(framework: &signer) {
        start(framework);
        staking_config::update_recurring_lockup_duration_secs(framework, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10001, location = aptos_framework::staking_config)]
    fun an_endless_lockup(framework: &signer) {
        start(framework);
        staking_config::update_recurring_lockup_duration_secs(framework, 3153600001);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::staking_config)]
    fun a_lockup_shorter_than_evidence_counts(framework: &signer) {
        start(framework);
        staking_config::update_recurring_lockup_duration_secs(framework, 499);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10002, location = aptos_framework::staking_config)]
    fun no_denominator(framework: &signer) {
        start(framework);
        staking_config::update_rewards_rate(framework, 0, 0);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10005, location = aptos_framework::staking_config)]
    fun a_rate_above_one(framework: &signer) {
        start(framework);
        staking_config::update_rewards_rate(framework, 3, 2);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10004, location = aptos_framework::staking_config)]
    fun a_limit_above_half(framework: &signer) {
        start(framework);
        staking_config::update_voting_power_increase_limit(framework, 51);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10006, location = aptos_framework::staking_config)]
    fun a_reporter_gets_at_most_a_tenth(framework: &signer) {
        start(framework);
        staking_config::update_slashing(framework, 5000, 1001, 1, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10006, location = aptos_framework::staking_config)]
    fun nobody_loses_more_than_all(framework: &signer) {
        start(framework);
        staking_config::update_slashing(framework, 10001, 0, 1, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10007, location = aptos_framework::staking_config)]
    fun jail_is_an_epoch_at_least(framework: &signer) {
        start(framework);
        staking_config::update_slashing(framework, 1, 0, 0, 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::staking_config)]
    fun evidence_counts_no_longer_than_a_lockup(framework: &signer) {
        start(framework);
        staking_config::update_slashing(framework, 1, 0, 1, 1001);
    }

    #[test(framework = @0x1, other = @0xC1)]
    #[expected_failure(abort_code = 0x50003, location = aptos_framework::system_addresses)]
    fun the_numbers_are_the_frameworks(framework: &signer, other: &signer) {
        genesis::setup_for_test(framework, @0xFA);
        let (rate, denominator) = staking_config::reward_rate();
        assert!(rate == 1 && denominator == 1000, 0);
        staking_config::update_rewards_rate(other, 0, 1);
    }
}
