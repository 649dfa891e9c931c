#[test_only]
module aptos_framework::account_tests {
    use std::bcs;
    use std::option;
    use std::signer;
    use std::vector;
    use aptos_framework::account;
    use aptos_framework::event;
    use aptos_framework::guid;

    // RFC 8032 section 7.1, test 1: the key of the secret 9d61...7f60, and its signature of nothing.
    const KEY: vector<u8> = x"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    // RFC 8032 section 7.1, test 2.
    const OTHER_KEY: vector<u8> = x"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    // The public keys of the secrets 11 (32 times) and 22 (32 times).
    const A: vector<u8> = x"d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737";
    const B: vector<u8> = x"a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0";
    // Their signatures of the challenge to rotate 0xA11CE from A to B at sequence number 0.
    const SIGNED_BY_A: vector<u8> = x"e0a5cbed870f02b97793e0e6d842edde55b3d4c011db293dbb8b7bf543e5049703cd36f27b1a83d5e394bad766e741bfcfb539760359d156613b97b970083200";
    const SIGNED_BY_B: vector<u8> = x"94ac36837debe5391d79146f0192c0dfebfce4015d8f95b18146ff49532ee6e17f131211b1302f8b23d39109e29e319d7c1fb4e06cc41206ee5bed98d2101d0c";

    #[test]
    fun authentication_keys_match_the_sdks() {
        assert!(
            account::authentication_key_for_test(0, A)
                == x"147e4d3a5b10eaed2a93536e284c23096dfcea9ac61f0a8420e5d01fbd8f0ea8",
            0
        );
        let single = x"0020";
        vector::append(&mut single, A);
        assert!(
            account::authentication_key_for_test(2, single)
                == x"c4c6cf75ac3530d31e455f8662df984159f5c71d9903a7202efc68f83775073a",
            1
        );
        let multi = A;
        vector::append(&mut multi, B);
        vector::push_back(&mut multi, 2);
        assert!(
            account::authentication_key_for_test(1, multi)
                == x"c9636e7dcabf4ed9cf4ff55d64fb34a5928933809ed5c3014fc4d60064bf22d8",
            2
        );
    }

    #[test(framework = @0x1)]
    fun rotation_with_proof_fills_the_table(framework: &signer) {
        account::initialize_for_test(framework);
        let s = account::create_account_for_test(@0xA11CE);
        account::rotate_for_test(&s, 0, A);
        account::rotate_authentication_key(&s, 0, A, 0, B, SIGNED_BY_A, SIGNED_BY_B);
        let new_key = account::authentication_key_for_test(0, B);
        assert!(account::get_authentication_key(@0xA11CE) == new_key, 0);
        let new_address = aptos_std::from_bcs::to_address(new_key);
        assert!(account::originating_address(new_address) == option::some(@0xA11CE), 1);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::account)]
    fun rotation_proofs_are_not_exchangeable(framework: &signer) {
        account::initialize_for_test(framework);
        let s = account::create_account_for_test(@0xA11CE);
        account::rotate_for_test(&s, 0, A);
        account::rotate_authentication_key(&s, 0, A, 0, B, SIGNED_BY_B, SIGNED_BY_A);
    }

    struct News has drop, store { n: u64 }

    #[test]
    fun new_accounts_are_opened_by_their_address() {
        let s = account::create_account_for_test(@0xA11CE);
        assert!(signer::address_of(&s) == @0xA11CE, 0);
        assert!(account::exists_at(@0xA11CE) && !account::exists_at(@0xB0B), 1);
        assert!(account::get_sequence_number(@0xA11CE) == 0, 2);
        assert!(account::get_authentication_key(@0xA11CE) == bcs::to_bytes(&@0xA11CE), 3);
        assert!(account::get_guid_next_creation_num(@0xA11CE) == 2, 4);
    }

    #[test]
    #[expected_failure(abort_code = 0x60002, location = aptos_framework::account)]
    fun absent_accounts_have_no_number() {
        account::get_sequence_number(@0xB0B);
    }

    #[test]
    fun guids_count_up() {
        let s = account::create_account_for_test(@0xA11CE);
        let first = account::create_guid(&s);
        let second = account::create_guid(&s);
        assert!(guid::creation_num(&first) == 2 && guid::creation_num(&second) == 3, 0);
        assert!(guid::creator_address(&first) == @0xA11CE, 1);
        assert!(guid::eq_id(&first, &guid::create_id(@0xA11CE, 2)), 2);
        assert!(!guid::eq_id(&second, &guid::create_id(@0xA11CE, 2)), 3);
    }

    #[test]
    fun handles_number_their_events() {
        let s = account::create_account_for_test(@0xA11CE);
        let handle = account::new_event_handle<News>(&s);
        event::emit_event(&mut handle, News { n: 5 });
        event::emit_event(&mut handle, News { n: 6 });
        assert!(event::counter(&handle) == 2, 0);
        assert!(event::was_event_emitted_by_handle(&handle, &News { n: 6 }), 1);
        assert!(!event::was_event_emitted_by_handle(&handle, &News { n: 7 }), 2);
        let other = account::new_event_handle<News>(&s);
        assert!(!event::was_event_emitted_by_handle(&other, &News { n: 6 }), 3);
        event::destroy_handle(handle);
        event::destroy_handle(other);
    }

    #[test]
    fun keys_change() {
        let s = account::create_account_for_test(@0xA11CE);
        account::rotate_for_test(&s, 0, KEY);
        let expected = account::authentication_key_for_test(0, KEY);
        assert!(account::get_authentication_key(@0xA11CE) == expected, 0);
        let with_scheme = KEY;
        vector::push_back(&mut with_scheme, 0);
        assert!(expected == std::hash::sha3_256(with_scheme), 1);
    }

    #[test]
    fun every_scheme_has_its_form() {
        let multi = KEY;
        vector::append(&mut multi, OTHER_KEY);
        vector::push_back(&mut multi, 2);
        account::authentication_key_for_test(1, multi);

        let single = x"0020";
        vector::append(&mut single, KEY);
        account::authentication_key_for_test(2, single);

        let multi_key = x"02";
        vector::append(&mut multi_key, single);
        vector::append(&mut multi_key, single);
        vector::push_back(&mut multi_key, 1);
        account::authentication_key_for_test(3, multi_key);
    }

    #[test]
    #[expected_failure(abort_code = 0x10016, location = aptos_framework::account)]
    fun short_key() {
        account::authentication_key_for_test(0, x"00");
    }

    #[test]
    #[expected_failure(abort_code = 0x10016, location = aptos_framework::account)]
    fun threshold_above_keys() {
        let multi = KEY;
        vector::append(&mut multi, OTHER_KEY);
        vector::push_back(&mut multi, 3);
        account::authentication_key_for_test(1, multi);
    }

    #[test]
    #[expected_failure(abort_code = 0x10016, location = aptos_framework::account)]
    fun multi_key_with_trailing_bytes() {
        let multi_key = x"010020";
        vector::append(&mut multi_key, KEY);
        vector::append(&mut multi_key, x"0100");
        account::authentication_key_for_test(3, multi_key);
    }

    #[test]
    #[expected_failure(abort_code = 0x1000c, location = aptos_framework::account)]
    fun unknown_scheme() {
        account::authentication_key_for_test(9, KEY);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x40007, location = aptos_framework::account)]
    fun rotation_with_proof_needs_the_current_key(framework: &signer) {
        account::initialize_for_test(framework);
        let s = account::create_account_for_test(@0xA11CE);
        account::rotate_for_test(&s, 0, KEY);
        let signature = x"";
        account::rotate_authentication_key(&s, 0, OTHER_KEY, 0, KEY, signature, signature);
    }

    #[test(framework = @0x1)]
    #[expected_failure(abort_code = 0x10008, location = aptos_framework::account)]
    fun rotation_with_proof_needs_both_signatures(framework: &signer) {
        account::initialize_for_test(framework);
        let s = account::create_account_for_test(@0xA11CE);
        account::rotate_for_test(&s, 0, KEY);
        let signature = x"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        account::rotate_authentication_key(&s, 0, KEY, 0, OTHER_KEY, signature, signature);
    }

    #[test]
    fun rotation_challenge_names_its_type() {
        let bytes = account::challenge_bytes_for_test(3, @0xA, @0xB, x"cc");
        let expected = bcs::to_bytes(&@0x1);
        vector::append(&mut expected, bcs::to_bytes(&b"account"));
        vector::append(&mut expected, bcs::to_bytes(&b"RotationProofChallenge"));
        vector::append(&mut expected, bcs::to_bytes(&3u64));
        vector::append(&mut expected, bcs::to_bytes(&@0xA));
        vector::append(&mut expected, bcs::to_bytes(&@0xB));
        vector::append(&mut expected, x"01cc");
        assert!(bytes == expected, 0);
    }

    #[test(framework = @0x1)]
    fun nobody_is_originated_at_first(framework: &signer) {
        account::initialize_for_test(framework);
        assert!(option::is_none(&account::originating_address(@0xA)), 0);
    }

    #[test(source = @0xA11CE)]
    fun resource_accounts_obey_their_capability(source: &signer) {
        let (s, cap) = account::create_resource_account(source, b"seed");
        let addr = account::create_resource_address(&@0xA11CE, b"seed");
        assert!(signer::address_of(&s) == addr, 0);
        assert!(signer::address_of(&account::create_signer_with_capability(&cap)) == addr, 1);
        assert!(account::get_signer_capability_address(&cap) == addr, 2);
        assert!(account::get_authentication_key(addr) != bcs::to_bytes(&addr), 3);
    }

    #[test(source = @0xA11CE)]
    #[expected_failure(abort_code = 0x8000f, location = aptos_framework::account)]
    fun resource_accounts_are_made_once(source: &signer) {
        let (_, _) = account::create_resource_account(source, b"seed");
        let (_, _) = account::create_resource_account(source, b"seed");
    }
}
