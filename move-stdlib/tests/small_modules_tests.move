#[test_only]
module std::small_modules_tests {
    use std::ascii;
    use std::bcs;
    use std::error;
    use std::hash;
    use std::signer;
    use std::string;
    use std::type_name;

    struct Pair<A, B> has copy, drop { a: A, b: B }

    struct Tagged<phantom T> has copy, drop { vals: vector<u16> }

    #[test(s = @0x42)]
    fun signer_knows_its_address(s: &signer) {
        assert!(signer::address_of(s) == @0x42, 0);
        assert!(*signer::borrow_address(s) == @0x42, 1);
    }

    #[test]
    fun error_codes_have_their_category() {
        assert!(error::invalid_argument(1) == 0x10001, 0);
        assert!(error::out_of_range(2) == 0x20002, 1);
        assert!(error::invalid_state(3) == 0x30003, 2);
        assert!(error::unauthenticated(4) == 0x40004, 3);
        assert!(error::permission_denied(5) == 0x50005, 4);
        assert!(error::not_found(6) == 0x60006, 5);
        assert!(error::aborted(7) == 0x70007, 6);
        assert!(error::already_exists(8) == 0x80008, 7);
        assert!(error::resource_exhausted(9) == 0x90009, 8);
        assert!(error::cancelled(1) == 0xA0001, 9);
        assert!(error::internal(2) == 0xB0002, 10);
        assert!(error::not_implemented(3) == 0xC0003, 11);
        assert!(error::unavailable(4) == 0xD0004, 12);
    }

    #[test]
    fun hashes_match_the_standards() {
        // FIPS 180-4 and FIPS 202 example messages: "abc" and the empty one.
        assert!(
            hash::sha2_256(b"abc") == x"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            0
        );
        assert!(
            hash::sha3_256(b"abc") == x"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            1
        );
        assert!(hash::sha2_256(b"") == x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 2);
        assert!(hash::sha3_256(b"") == x"a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a", 3);
    }

    #[test]
    fun bcs_of_every_kind() {
        assert!(bcs::to_bytes(&true) == x"01", 0);
        assert!(bcs::to_bytes(&258u16) == x"0201", 1);
        assert!(bcs::to_bytes(&1u32) == x"01000000", 2);
        assert!(bcs::to_bytes(&1u64) == x"0100000000000000", 3);
        assert!(bcs::to_bytes(&1u128) == x"01000000000000000000000000000000", 4);
        assert!(bcs::to_bytes(&1u256) == x"0100000000000000000000000000000000000000000000000000000000000000", 5);
        assert!(bcs::to_bytes(&@0x1) == x"0000000000000000000000000000000000000000000000000000000000000001", 6);
        assert!(bcs::to_bytes(&vector[1u16, 2]) == x"0201000200", 7);
        assert!(bcs::to_bytes(&string::utf8(b"ab")) == x"026162", 8);
        assert!(bcs::to_bytes(&Pair { a: 1u8, b: vector[vector[2u8], vector[]] }) == x"0102010200", 9);
        assert!(bcs::to_bytes(&Tagged<signer> { vals: vector[] }) == x"00", 10);
        assert!(bcs::serialized_size(&vector[1u16, 2]) == 5, 11);
    }

    #[test]
    fun long_vectors_have_long_lengths() {
        let v = std::vector::empty<u8>();
        let i = 0;
        while (i < 300) {
            std::vector::push_back(&mut v, 0);
            i = i + 1;
        };
        let bytes = bcs::to_bytes(&v);
        assert!(std::vector::length(&bytes) == 302, 0);
        assert!(*std::vector::borrow(&bytes, 0) == 0xAC && *std::vector::borrow(&bytes, 1) == 0x02, 1);
    }

    fun text_of<T>(): vector<u8> {
        ascii::into_bytes(type_name::into_string(type_name::get<T>()))
    }

    #[test]
    fun type_names() {
        assert!(text_of<u8>() == b"u8", 0);
        assert!(text_of<vector<vector<u256>>>() == b"vector<vector<u256>>", 1);
        assert!(text_of<string::String>() == b"0x1::string::String", 2);
        assert!(
            text_of<Pair<bool, Tagged<address>>>()
                == b"0x1::small_modules_tests::Pair<bool, 0x1::small_modules_tests::Tagged<address>>",
            3
        );
        assert!(ascii::length(type_name::borrow_string(&type_name::get<u8>())) == 2, 4);
    }
}
