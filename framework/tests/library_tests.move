#[test_only]
module aptos_framework::library_tests {
    use std::bcs;
    use std::option;
    use std::string;
    use aptos_std::copyable_any;
    use aptos_std::ed25519;
    use aptos_std::from_bcs;
    use aptos_std::math64;
    use aptos_std::table::{Self, Table};
    use aptos_std::type_info;
    use aptos_framework::event;
    use aptos_framework::transaction_context;

    const MAX: u64 = 18446744073709551615;

    struct Holder has key { numbers: Table<u64, vector<u64>>, names: Table<string::String, u8> }

    struct Pair<A, B> has copy, drop, store { a: A, b: B }

    #[event]
    struct Happened has drop, store { what: u64 }

    #[test]
    fun arithmetic() {
        assert!(math64::max(1, 2) == 2 && math64::min(1, 2) == 1, 0);
        assert!(math64::average(MAX, MAX - 2) == MAX - 1 && math64::average(3, 4) == 3, 1);
        assert!(math64::gcd(12, 18) == 6 && math64::gcd(7, 0) == 7 && math64::gcd(0, 7) == 7, 2);
        assert!(math64::clamp(5, 1, 3) == 3 && math64::clamp(0, 1, 3) == 1 && math64::clamp(2, 1, 3) == 2, 3);
        assert!(math64::pow(2, 63) == 1 << 63 && math64::pow(7, 0) == 1 && math64::pow(0, 0) == 1, 4);
        assert!(math64::pow(MAX, 1) == MAX, 5);
        assert!(math64::mul_div(MAX, MAX, MAX) == MAX, 6);
        assert!(math64::ceil_div(0, 3) == 0 && math64::ceil_div(7, 3) == 3 && math64::ceil_div(MAX, 1) == MAX, 7);
    }

    #[test]
    fun roots_and_logarithms() {
        assert!(math64::floor_log2(1) == 0 && math64::floor_log2(MAX) == 63, 0);
        assert!(math64::floor_log2(1 << 32) == 32 && math64::floor_log2((1 << 32) - 1) == 31, 1);
        let x = 0;
        while (x < 200) {
            let root = math64::sqrt(x);
            assert!(root * root <= x && (root + 1) * (root + 1) > x, 2);
            x = x + 1;
        };
        assert!(math64::sqrt(MAX) == 4294967295, 3);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::math64)]
    fun logarithm_of_zero() {
        math64::floor_log2(0);
    }

    #[test(s = @0x42)]
    fun tables_hold_items(s: &signer) {
        let numbers = table::new<u64, vector<u64>>();
        let names = table::new<string::String, u8>();
        assert!(table::handle(&numbers) != table::handle(&names), 0);
        table::add(&mut numbers, 1, vector[10]);
        table::add(&mut names, string::utf8(b"one"), 1);
        assert!(table::contains(&numbers, 1) && !table::contains(&numbers, 2), 1);
        std::vector::push_back(table::borrow_mut(&mut numbers, 1), 11);
        assert!(*table::borrow(&numbers, 1) == vector[10, 11], 2);
        std::vector::push_back(table::borrow_mut_with_default(&mut numbers, 2, vector[]), 20);
        assert!(*table::borrow_with_default(&numbers, 3, &vector[30]) == vector[30], 3);
        table::upsert(&mut numbers, 2, vector[21]);
        table::upsert(&mut numbers, 4, vector[40]);
        assert!(table::remove(&mut numbers, 2) == vector[21], 4);
        assert!(!table::contains(&numbers, 2), 5);
        table::add(&mut numbers, 2, vector[22]);
        move_to(s, Holder { numbers, names });
        let holder = borrow_global_mut<Holder>(@0x42);
        assert!(*table::borrow(&holder.numbers, 4) == vector[40], 6);
        *table::borrow_mut(&mut holder.names, string::utf8(b"one")) = 9;
        assert!(*table::borrow(&holder.names, string::utf8(b"one")) == 9, 7);
    }

    #[test(s = @0x42)]
    #[expected_failure(abort_code = 0x80064, location = aptos_std::table)]
    fun keys_are_added_once(s: &signer) {
        let numbers = table::new<u64, vector<u64>>();
        table::add(&mut numbers, 1, vector[]);
        table::add(&mut numbers, 1, vector[]);
        move_to(s, Holder { numbers, names: table::new() });
    }

    #[test(s = @0x42)]
    #[expected_failure(abort_code = 0x60065, location = aptos_std::table)]
    fun absent_keys_have_no_value(s: &signer) {
        let numbers = table::new<u64, vector<u64>>();
        table::borrow(&numbers, 1);
        move_to(s, Holder { numbers, names: table::new() });
    }

    #[test(s = @0x42)]
    #[expected_failure(abort_code = 0x60065, location = aptos_std::table)]
    fun absent_keys_cannot_be_removed(s: &signer) {
        let numbers = table::new<u64, vector<u64>>();
        table::remove(&mut numbers, 1);
        move_to(s, Holder { numbers, names: table::new() });
    }

    #[test]
    fun types_have_names() {
        let info = type_info::type_of<Pair<u8, string::String>>();
        assert!(type_info::account_address(&info) == @0x1, 0);
        assert!(type_info::module_name(&info) == b"library_tests", 1);
        assert!(type_info::struct_name(&info) == b"Pair<u8, 0x1::string::String>", 2);
        assert!(type_info::type_name<vector<bool>>() == string::utf8(b"vector<bool>"), 3);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::type_info)]
    fun primitives_are_no_structs() {
        type_info::type_of<u8>();
    }

    #[test]
    fun bytes_become_values() {
        assert!(from_bcs::to_bool(x"01") && from_bcs::to_u8(x"ff") == 255, 0);
        assert!(from_bcs::to_u16(x"0201") == 258 && from_bcs::to_u32(x"01000000") == 1, 1);
        assert!(from_bcs::to_u64(bcs::to_bytes(&MAX)) == MAX, 2);
        assert!(from_bcs::to_u128(bcs::to_bytes(&7u128)) == 7 && from_bcs::to_u256(bcs::to_bytes(&8u256)) == 8, 3);
        assert!(from_bcs::to_address(bcs::to_bytes(&@0xA)) == @0xA, 4);
        assert!(from_bcs::to_bytes(x"020102") == x"0102", 5);
        assert!(from_bcs::to_string(x"03e282ac") == string::utf8(x"e282ac"), 6);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::from_bcs)]
    fun bool_of_two() {
        from_bcs::to_bool(x"02");
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::from_bcs)]
    fun trailing_bytes() {
        from_bcs::to_u8(x"0102");
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::from_bcs)]
    fun string_that_is_not_utf8() {
        from_bcs::to_string(x"01ff");
    }

    #[test]
    fun anything_packs() {
        let any = copyable_any::pack(Pair { a: 1u8, b: option::some(string::utf8(b"x")) });
        assert!(
            copyable_any::type_name(&any)
                == &string::utf8(b"0x1::library_tests::Pair<u8, 0x1::option::Option<0x1::string::String>>"),
            0
        );
        let Pair { a, b } = copyable_any::unpack<Pair<u8, option::Option<string::String>>>(any);
        assert!(a == 1 && b == option::some(string::utf8(b"x")), 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10000, location = aptos_std::copyable_any)]
    fun anything_unpacks_as_itself() {
        copyable_any::unpack<u16>(copyable_any::pack(1u8));
    }

    #[test]
    fun module_events() {
        event::emit(Happened { what: 1 });
        event::emit(Happened { what: 2 });
        assert!(event::emitted_count<Happened>() == 2, 0);
        assert!(event::was_event_emitted(&Happened { what: 2 }), 1);
        assert!(!event::was_event_emitted(&Happened { what: 3 }), 2);
    }

    #[test]
    fun unique_addresses_differ() {
        assert!(
            transaction_context::generate_auid_address() != transaction_context::generate_auid_address(),
            0
        );
        assert!(std::vector::length(&transaction_context::get_transaction_hash()) == 32, 1);
    }

    #[test]
    fun signatures_of_rfc_8032() {
        // Section 7.1, test 2.
        let key = x"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let signature = ed25519::new_signature_from_bytes(
            x"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        let public_key = ed25519::new_unvalidated_public_key_from_bytes(key);
        assert!(option::is_some(&ed25519::public_key_validate(&public_key)), 0);
        assert!(ed25519::signature_verify_strict(&signature, &public_key, x"72"), 1);
        assert!(!ed25519::signature_verify_strict(&signature, &public_key, x"73"), 2);
    }

    #[test]
    fun bad_keys() {
        assert!(option::is_none(&ed25519::new_validated_public_key_from_bytes(x"00")), 0);
        // The identity has small order.
        let identity = x"0100000000000000000000000000000000000000000000000000000000000000";
        assert!(option::is_none(&ed25519::new_validated_public_key_from_bytes(identity)), 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::ed25519)]
    fun short_signature() {
        ed25519::new_signature_from_bytes(x"00");
    }
}
