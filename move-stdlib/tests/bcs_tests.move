#[test_only]
module std::bcs_tests {
    use std::bcs;
    use std::option;
    use std::string::String;

    struct Flat has copy, drop { a: u8, b: u64, c: address, d: bool }

    struct Nested has copy, drop { flat: Flat, n: u256, m: u128, k: u32, j: u16 }

    enum Shape has copy, drop { Dot }

    struct Text has copy, drop { text: String }

    #[test]
    fun numbers() {
        let bytes = bcs::to_bytes(&Nested {
            flat: Flat { a: 1, b: 2, c: @0x3, d: true },
            n: 0x0102_0000_0000_0000_0000_0000_0000_0000_0304,
            m: 5 << 100,
            k: 0x0102_0304,
            j: 0x0506
        });
        bytes.push_back(9);
        let bcs = bcs::new(bytes);
        assert!(bcs.peel_u8() == 1 && bcs.peel_u64() == 2 && bcs.peel_address() == @0x3 && bcs.peel_bool());
        assert!(bcs.peel_u256() == 0x0102_0000_0000_0000_0000_0000_0000_0000_0304);
        assert!(bcs.peel_u128() == 5 << 100 && bcs.peel_u32() == 0x0102_0304 && bcs.peel_u16() == 0x0506);
        assert!(bcs.into_remainder_bytes() == vector[9]);
    }

    #[test]
    fun vectors() {
        let bytes = vector[];
        bytes.append(bcs::to_bytes(&vector[@0x1, @0x2]));
        bytes.append(bcs::to_bytes(&vector[true, false]));
        bytes.append(bcs::to_bytes(&b"text"));
        bytes.append(bcs::to_bytes(&vector[1u16, 2]));
        bytes.append(bcs::to_bytes(&vector[3u32]));
        bytes.append(bcs::to_bytes(&vector[4u64]));
        bytes.append(bcs::to_bytes(&vector[5u128]));
        bytes.append(bcs::to_bytes(&vector[6u256]));
        bytes.append(bcs::to_bytes(&vector[b"a", b"", b"bc"]));
        bytes.append(bcs::to_bytes(&vector[vector[1u16], vector[]]));
        let bcs = bcs::new(bytes);
        assert!(bcs.peel_vec_address() == vector[@0x1, @0x2] && bcs.peel_vec_bool() == vector[true, false]);
        assert!(bcs.peel_vec_u8() == b"text" && bcs.peel_vec_u16() == vector[1, 2]);
        assert!(bcs.peel_vec_u32() == vector[3] && bcs.peel_vec_u64() == vector[4]);
        assert!(bcs.peel_vec_u128() == vector[5] && bcs.peel_vec_u256() == vector[6]);
        assert!(bcs.peel_vec_vec_u8() == vector[b"a", b"", b"bc"]);
        assert!(bcs.peel_vec!(|bcs| bcs.peel_vec_u16()) == vector[vector[1], vector[]]);
        assert!(bcs.into_remainder_bytes().is_empty());
    }

    #[test]
    fun options() {
        let bytes = vector[];
        bytes.append(bcs::to_bytes(&option::some(@0x1)));
        bytes.append(bcs::to_bytes(&option::some(true)));
        bytes.append(bcs::to_bytes(&option::some(1u8)));
        bytes.append(bcs::to_bytes(&option::some(2u16)));
        bytes.append(bcs::to_bytes(&option::some(3u32)));
        bytes.append(bcs::to_bytes(&option::some(4u64)));
        bytes.append(bcs::to_bytes(&option::some(5u128)));
        bytes.append(bcs::to_bytes(&option::some(6u256)));
        bytes.append(bcs::to_bytes(&option::none<u64>()));
        bytes.append(bcs::to_bytes(&option::some(b"x")));
        let bcs = bcs::new(bytes);
        assert!(bcs.peel_option_address() == option::some(@0x1) && bcs.peel_option_bool() == option::some(true));
        assert!(bcs.peel_option_u8() == option::some(1) && bcs.peel_option_u16() == option::some(2));
        assert!(bcs.peel_option_u32() == option::some(3) && bcs.peel_option_u64() == option::some(4));
        assert!(bcs.peel_option_u128() == option::some(5) && bcs.peel_option_u256() == option::some(6));
        assert!(bcs.peel_option_u64() == option::none());
        assert!(bcs.peel_option!(|bcs| bcs.peel_vec_u8()) == option::some(b"x"));
    }

    #[test]
    fun lengths() {
        let bcs = bcs::new(x"007f8001ffffffff0f05");
        assert!(bcs.peel_vec_length() == 0 && bcs.peel_vec_length() == 127 && bcs.peel_vec_length() == 128);
        assert!(bcs.peel_vec_length() == 0xFFFF_FFFF && bcs.peel_enum_tag() == 5);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::bcs)]
    fun length_with_a_zero_too_many() {
        bcs::new(x"8000").peel_vec_length();
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::bcs)]
    fun length_above_u32() {
        bcs::new(x"ffffffff10").peel_vec_length();
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::bcs)]
    fun length_of_six_bytes() {
        bcs::new(x"808080808001").peel_vec_length();
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::bcs)]
    fun length_that_ends() {
        bcs::new(x"80").peel_vec_length();
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::bcs)]
    fun number_that_ends() {
        bcs::new(x"01020304050607").peel_u64();
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::bcs)]
    fun bytes_that_end() {
        bcs::new(x"0301").peel_vec_u8();
    }

    #[test]
    #[expected_failure(abort_code = 1, location = std::bcs)]
    fun bool_of_two() {
        bcs::new(x"02").peel_bool();
    }

    #[test]
    fun sizes() {
        assert!(bcs::constant_serialized_size<Flat>() == option::some(42));
        assert!(bcs::constant_serialized_size<Nested>() == option::some(96));
        assert!(bcs::constant_serialized_size<Text>() == option::none());
        assert!(bcs::constant_serialized_size<vector<u8>>() == option::none());
        assert!(bcs::constant_serialized_size<Shape>() == option::none());
        assert!(bcs::constant_serialized_size<signer>() == option::some(32));
    }
}
