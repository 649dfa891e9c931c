#[test_only]
module std::address_tests {
    use std::address;
    use std::string;

    const DIGITS: vector<u8> = b"00000000000000000000000000000000000000000000000000000000000aBcf9";

    #[test]
    fun bytes_numbers_and_texts() {
        assert!(address::length() == 32 && @0xABCF9.to_bytes().length() == 32);
        assert!(address::from_bytes(@0xABCF9.to_bytes()) == @0xABCF9);
        assert!(@0xABCF9.to_u256() == 0xABCF9 && address::from_u256(0xABCF9) == @0xABCF9);
        let max = address::from_u256(address::max());
        assert!(max.to_u256() == std::u256::max_value!() && max.to_bytes().all(|byte| *byte == 0xFF));
        assert!(address::from_ascii_bytes(&DIGITS) == @0xABCF9);
        assert!(@0xABCF9.to_string() == string::utf8(DIGITS).to_ascii().to_lowercase().into_bytes().to_string());
        assert!(max.to_ascii_string().into_bytes().all(|digit| *digit == 102));
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::address)]
    fun bytes_of_another_length() {
        address::from_bytes(b"0");
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::address)]
    fun digits_of_another_length() {
        address::from_ascii_bytes(&b"0");
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::address)]
    fun letters_that_are_no_digits() {
        address::from_ascii_bytes(&b"000000000000000000000000000000000000000000000000000000000000000g");
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::address)]
    fun signs_between_digits_and_letters() {
        address::from_ascii_bytes(&b"000000000000000000000000000000000000000000000000000000000000000:");
    }
}
