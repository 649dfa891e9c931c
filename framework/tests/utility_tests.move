#[test_only]
module aptos_std::utility_tests {
    use std::bcs;
    use std::hash;
    use std::option::{Self, Option};
    use std::string::{Self, String};
    use aptos_std::any;
    use aptos_std::aptos_hash;
    use aptos_std::capability;
    use aptos_std::comparator;
    use aptos_std::pool_u64;
    use aptos_std::secp256k1;
    use aptos_std::string_utils;
    use aptos_std::type_info;

    struct Point has copy, drop, store { x: u64, y: u8 }

    struct Named<T> has copy, drop { name: String, at: address, inner: T, tags: vector<Option<u8>>, raw: vector<u8> }

    struct Pair(u8, bool) has copy, drop;

    enum Shape has copy, drop {
        Dot,
        Line { length: u64 }
    }

    struct Feature has drop {}

    fun named(): Named<Point> {
        Named {
            name: string::utf8(b"a \"quoted\" name"),
            at: @0xCAFE,
            inner: Point { x: 1, y: 2 },
            tags: vector[option::some(3), option::none()],
            raw: x"0a0b"
        }
    }

    fun is_text(text: String, expected: vector<u8>) {
        assert!(text == string::utf8(expected));
    }

    #[test(s = @0xCAFE)]
    fun values_as_text(s: &signer) {
        is_text(string_utils::to_string(&1u8), b"1");
        is_text(string_utils::to_string(&std::u256::max_value!()), std::u256::max_value!().to_string().into_bytes());
        is_text(string_utils::to_string(&true), b"true");
        is_text(string_utils::to_string(&false), b"false");
        is_text(string_utils::to_string(&@0x0), b"@0x0");
        is_text(string_utils::to_string(s), b"signer(@0xcafe)");
        is_text(string_utils::to_string(&vector[1u16, 2]), b"[ 1, 2 ]");
        is_text(string_utils::to_string(&vector<u32>[]), b"[]");
        is_text(string_utils::to_string(&x"00ff"), b"0x00ff");
        is_text(string_utils::to_string(&string::utf8(b"text")), b"\"text\"");
        is_text(string_utils::to_string(&std::ascii::string(b"text")), b"\"text\"");
        is_text(string_utils::to_string(&option::some(5u64)), b"Some(5)");
        is_text(string_utils::to_string(&option::none<u64>()), b"None");
        is_text(string_utils::to_string(&Shape::Dot), b"Shape::Dot");
        is_text(string_utils::to_string(&Shape::Line { length: 3 }), b"Shape::Line { length: 3 }");
        is_text(string_utils::to_string(&Pair(1, true)), b"Pair { pos0: 1, pos1: true }");
        is_text(
            string_utils::to_string(&named()),
            b"Named { name: \"a \\\"quoted\\\" name\", at: @0xcafe, inner: Point { x: 1, y: 2 }, tags: [ Some(3), None ], raw: 0x0a0b }"
        );
        is_text(
            string_utils::to_string_with_canonical_addresses(&@0xCAFE),
            b"@0x000000000000000000000000000000000000000000000000000000000000cafe"
        );
        is_text(string_utils::to_string_with_integer_types(&vector[1u16, 2]), b"[ 1u16, 2u16 ]");
        is_text(string_utils::to_string_with_integer_types(&Point { x: 1, y: 2 }), b"Point { x: 1u64, y: 2u8 }");
        is_text(
            string_utils::debug_string(&vector[Point { x: 1, y: 2 }]),
            b"[\n  0x1::utility_tests::Point {\n    x: 1,\n    y: 2\n  }\n]"
        );
        is_text(string_utils::debug_string(&7), b"7");
    }

    #[test]
    fun templates() {
        is_text(string_utils::format1(&b"{}", 1), b"1");
        is_text(string_utils::format2(&b"a = {}, b = {}.", 1, true), b"a = 1, b = true.");
        is_text(string_utils::format3(&b"{}{}{{}}{}", 1, 2, 3), b"12{}3");
        is_text(string_utils::format4(&b"{} {} {} {}", 1, b"a", @0x1, string::utf8(b"s")), b"1 0x61 @0x1 \"s\"");
    }

    #[test]
    #[expected_failure(abort_code = 1, location = aptos_std::string_utils)]
    fun too_few_values() {
        string_utils::format1(&b"{} {}", 1);
    }

    #[test]
    #[expected_failure(abort_code = 1, location = aptos_std::string_utils)]
    fun too_many_values() {
        string_utils::format1(&b"none", 1);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = aptos_std::string_utils)]
    fun opening_brace_at_the_end() {
        string_utils::format1(&b"{}{", 1);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = aptos_std::string_utils)]
    fun closing_brace_alone() {
        string_utils::format1(&b"{}} ", 1);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = aptos_std::string_utils)]
    fun names_in_braces() {
        string_utils::format1(&b"{a}", 1);
    }

    #[test]
    fun anything_packs() {
        let packed = any::pack(Point { x: 1, y: 2 });
        assert!(packed.type_name() == &string::utf8(b"0x1::utility_tests::Point"));
        assert!(packed.unpack<Point>() == Point { x: 1, y: 2 });
    }

    #[test]
    #[expected_failure(abort_code = 0x10000, location = aptos_std::any)]
    fun anything_unpacks_as_itself() {
        any::pack(1u8).unpack<u16>();
    }

    #[test]
    fun bytes_are_compared() {
        let order = comparator::compare(&vector[1u8, 2], &vector[1u8, 3]);
        assert!(order.is_smaller_than() && !order.is_equal() && !order.is_greater_than());
        assert!(comparator::compare(&Point { x: 1, y: 2 }, &Point { x: 1, y: 2 }).is_equal());
        // Least significant byte first.
        assert!(comparator::compare(&256u64, &1u64).is_smaller_than());
        assert!(comparator::compare_u8_vector(b"ab", b"a").is_greater_than());
    }

    #[test]
    fun hashes_are_those_of_std() {
        assert!(aptos_hash::keccak256(b"a") == hash::keccak256(b"a"));
        assert!(aptos_hash::sha2_512(b"a") == hash::sha2_512(b"a") && aptos_hash::sha3_512(b"a") == hash::sha3_512(b"a"));
        assert!(aptos_hash::ripemd160(b"a") == hash::ripemd160(b"a"));
        assert!(aptos_hash::blake2b_256(b"a") == hash::blake2b_256(b"a"));
        assert!(aptos_hash::sip_hash(b"a") == hash::sip_hash(b"a"));
        assert!(aptos_hash::sip_hash_from_value(&1u64) == hash::sip_hash(bcs::to_bytes(&1u64)));
    }

    #[test]
    fun sizes_of_values() {
        assert!(type_info::size_of_val(&Point { x: 1, y: 2 }) == 9);
    }

    #[test(owner = @0xA, friend = @0xB)]
    fun capabilities(owner: &signer, friend: &signer) {
        let feature = Feature {};
        capability::create(owner, &feature);
        let cap = capability::acquire(owner, &feature);
        assert!(cap.root_addr(&feature) == @0xA);
        cap.delegate(&feature, friend);
        assert!(capability::acquire_linear(friend, &feature).linear_root_addr(&feature) == @0xA);
        cap.revoke(&feature, @0xB);
        // A second time there is nothing to end.
        cap.revoke(&feature, @0xB);
        cap.delegate(&feature, friend);
    }

    #[test(owner = @0xA, other = @0xB, friend = @0xC)]
    fun owners_revoke_only_their_own(owner: &signer, other: &signer, friend: &signer) {
        let feature = Feature {};
        capability::create(owner, &feature);
        capability::create(other, &feature);
        capability::acquire(owner, &feature).delegate(&feature, friend);
        capability::acquire(other, &feature).revoke(&feature, @0xC);
        assert!(capability::acquire(friend, &feature).root_addr(&feature) == @0xA);
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x80001, location = aptos_std::capability)]
    fun capability_twice(owner: &signer) {
        capability::create(owner, &Feature {});
        capability::create(owner, &Feature {});
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x60002, location = aptos_std::capability)]
    fun capability_of_nobody(owner: &signer) {
        capability::acquire(owner, &Feature {});
    }

    #[test(owner = @0xA, friend = @0xB)]
    #[expected_failure(abort_code = 0x60002, location = aptos_std::capability)]
    fun revoked_capability(owner: &signer, friend: &signer) {
        let feature = Feature {};
        capability::create(owner, &feature);
        let cap = capability::acquire(owner, &feature);
        cap.delegate(&feature, friend);
        cap.revoke(&feature, @0xB);
        capability::acquire(friend, &feature);
    }

    #[test(owner = @0xA)]
    #[expected_failure(abort_code = 0x80003, location = aptos_std::capability)]
    fun owners_are_no_delegates(owner: &signer) {
        capability::create(owner, &Feature {});
        capability::acquire(owner, &Feature {}).delegate(&Feature {}, owner);
    }

    #[test]
    fun shares_follow_the_pot() {
        let pool = pool_u64::new(3);
        assert!(pool.total_coins() == 0 && pool.total_shares() == 0 && pool.buy_in(@0xA, 0) == 0);
        assert!(pool.balance(@0xA) == 0);
        assert!(pool.buy_in(@0xA, 1000) == 1000 && pool.buy_in(@0xB, 500) == 500);
        pool.update_total_coins(3000);
        assert!(pool.balance(@0xA) == 2000 && pool.balance(@0xB) == 1000 && pool.balance(@0xC) == 0);
        // A coin is half a share now.
        assert!(pool.amount_to_shares(101) == 50 && pool.shares_to_amount(50) == 100);
        assert!(pool.buy_in(@0xC, 200) == 100 && pool.shares(@0xC) == 100 && pool.contains(@0xC));
        pool.transfer_shares(@0xC, @0xA, 40);
        pool.transfer_shares(@0xC, @0xA, 0);
        assert!(pool.shares(@0xA) == 1040 && pool.shares(@0xC) == 60);
        assert!(pool.redeem_shares(@0xC, 60) == 120 && !pool.contains(@0xC) && pool.redeem_shares(@0xC, 0) == 0);
        assert!(pool.shareholders() == vector[@0xA, @0xB] && pool.shareholders_count() == 2);
        assert!(pool.total_coins() == 3080 && pool.total_shares() == 1540);
        assert!(pool.amount_to_shares_with_total_coins(2, 1540) == 2);
        assert!(pool.shares_to_amount_with_total_coins(2, 1540) == 2);
        assert!(pool.multiply_then_divide(7, 3, 2) == 10);
        assert!(pool.redeem_shares(@0xA, 1040) == 2080 && pool.redeem_shares(@0xB, 500) == 1000);
        pool.destroy_empty();
        let pool = pool_u64::create_with_scaling_factor(1, 100);
        assert!(pool.buy_in(@0xA, 3) == 300 && pool.redeem_shares(@0xA, 300) == 3);
        pool.destroy_empty();
        pool_u64::create(1).destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::pool_u64)]
    fun redeeming_of_a_stranger() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, 1);
        pool.redeem_shares(@0xB, 1);
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x30002, location = aptos_std::pool_u64)]
    fun too_many_shareholders() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, 1);
        pool.buy_in(@0xB, 1);
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x30003, location = aptos_std::pool_u64)]
    fun pools_with_coins_do_not_end() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, 1);
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::pool_u64)]
    fun too_many_shares_redeemed() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, 1);
        pool.redeem_shares(@0xA, 2);
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10006, location = aptos_std::pool_u64)]
    fun too_many_coins() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, 1);
        pool.buy_in(@0xA, std::u64::max_value!());
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10006, location = aptos_std::pool_u64)]
    fun too_many_coins_scaled() {
        let pool = pool_u64::create_with_scaling_factor(1, 2);
        pool.buy_in(@0xA, std::u64::max_value!());
        pool.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10007, location = aptos_std::pool_u64)]
    fun too_many_shares() {
        let pool = pool_u64::new(1);
        pool.buy_in(@0xA, std::u64::max_value!() - 1);
        // After a loss a coin buys more shares than there can be.
        pool.update_total_coins(1 << 62);
        pool.buy_in(@0xA, 1 << 61);
        pool.destroy_empty();
    }

    #[test]
    fun keys_are_recovered() {
        // The key 1: its point is the generator. SHA-256 of the empty message, nonce by RFC 6979.
        let digest = hash::sha2_256(b"");
        let key = secp256k1::ecdsa_raw_public_key_from_64_bytes(
            x"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
        );
        let signature = secp256k1::ecdsa_signature_from_bytes(
            x"77c8d336572f6f466055b5f70f433851f8f535f6c4fc71133a6cfd71079d03b70ed9f5eb8aa5b266abac35d416c3207e7a538bf5f37649727d7a9823b1069577"
        );
        assert!(secp256k1::ecdsa_verify(digest, &signature, &key));
        assert!(!secp256k1::ecdsa_verify(hash::sha2_256(b"a"), &signature, &key));
        let found = secp256k1::ecdsa_recover(digest, 1, &signature);
        assert!(found == option::some(key));
        assert!(secp256k1::ecdsa_recover(digest, 0, &signature) != option::some(key));
        assert!(secp256k1::ecdsa_recover(digest, 4, &signature).is_none());
        assert!(secp256k1::ecdsa_raw_public_key_to_bytes(&key).length() == 64);
        assert!(secp256k1::ecdsa_signature_to_bytes(&signature).length() == 64);
        // With -s in place of s it still recovers, but is no signature to `ecdsa_verify`.
        let other = secp256k1::ecdsa_signature_from_bytes(
            x"77c8d336572f6f466055b5f70f433851f8f535f6c4fc71133a6cfd71079d03b7f1260a14755a4d995453ca2be93cdf80405b50f0bbd256c94257c6691f2fabca"
        );
        assert!(secp256k1::ecdsa_recover(digest, 0, &other) == option::some(key));
        assert!(!secp256k1::ecdsa_verify(digest, &other, &key));
        // Zeros and ones are neither keys nor signatures.
        let nothing = std::vector::tabulate!(64, |_i| 0);
        let zeros = secp256k1::ecdsa_signature_from_bytes(nothing);
        assert!(secp256k1::ecdsa_recover(digest, 0, &zeros).is_none());
        assert!(!secp256k1::ecdsa_verify(digest, &signature, &secp256k1::ecdsa_raw_public_key_from_64_bytes(nothing)));
        let ones = secp256k1::ecdsa_signature_from_bytes(std::vector::tabulate!(64, |_i| 255));
        assert!(secp256k1::ecdsa_recover(digest, 0, &ones).is_none() && !secp256k1::ecdsa_verify(digest, &ones, &key));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::secp256k1)]
    fun short_key() {
        secp256k1::ecdsa_raw_public_key_from_64_bytes(b"short");
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::secp256k1)]
    fun short_secp256k1_signature() {
        secp256k1::ecdsa_signature_from_bytes(b"short");
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::secp256k1)]
    fun short_digest() {
        let zeros = secp256k1::ecdsa_signature_from_bytes(std::vector::tabulate!(64, |_i| 0));
        secp256k1::ecdsa_recover(b"short", 0, &zeros);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::secp256k1)]
    fun short_digest_to_verify() {
        let zeros = std::vector::tabulate!(64, |_i| 0);
        secp256k1::ecdsa_verify(
            b"short",
            &secp256k1::ecdsa_signature_from_bytes(zeros),
            &secp256k1::ecdsa_raw_public_key_from_64_bytes(zeros)
        );
    }
}
