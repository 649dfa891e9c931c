#[test_only]
module std::integer_tests {
    use std::option;

    #[test]
    fun of_u8() {
        let max = std::u8::max_value!();
        assert!(max == 255);
        assert!(max.bitwise_not() == 0 && 0u8.bitwise_not() == max);
        assert!(3u8.max(5) == 5 && 5u8.max(3) == 5 && 3u8.min(5) == 3 && 5u8.min(3) == 3);
        assert!(3u8.diff(5) == 2 && max.diff(0) == max);
        assert!(7u8.divide_and_round_up(2) == 4 && 8u8.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u8.pow(4) == 81 && 0u8.pow(0) == 1 && 2u8.pow(7) == 1 << 7 && max.pow(1) == max);
        assert!(max.sqrt() == 15 && 0u8.sqrt() == 0 && 15u8.sqrt() == 3 && 16u8.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"255") && 0u8.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u8.checked_sub(4) == option::none() && 4u8.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u8.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u8.saturating_add(4) == 7);
        assert!(3u8.saturating_sub(4) == 0 && 4u8.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u8.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(max.mul_div(max, max) == max && 7u8.mul_div(3, 2) == 10 && 7u8.mul_div_ceil(3, 2) == 11);

        let seen = vector[];
        3u8.do!(|i| seen.push_back(i));
        1u8.do_eq!(|i| seen.push_back(i));
        std::u8::range_do!(5, 7, |i| seen.push_back(i));
        std::u8::range_do!(7, 5, |_i| assert!(false));
        std::u8::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u8::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u8)]
    fun power_of_u8_that_does_not_fit() {
        2u8.pow(8);
    }


    #[test]
    fun of_u16() {
        let max = std::u16::max_value!();
        assert!(max == 65535);
        assert!(max.bitwise_not() == 0 && 0u16.bitwise_not() == max);
        assert!(3u16.max(5) == 5 && 5u16.max(3) == 5 && 3u16.min(5) == 3 && 5u16.min(3) == 3);
        assert!(3u16.diff(5) == 2 && max.diff(0) == max);
        assert!(7u16.divide_and_round_up(2) == 4 && 8u16.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u16.pow(4) == 81 && 0u16.pow(0) == 1 && 2u16.pow(15) == 1 << 15 && max.pow(1) == max);
        assert!(max.sqrt() == 255 && 0u16.sqrt() == 0 && 15u16.sqrt() == 3 && 16u16.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"65535") && 0u16.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u16.checked_sub(4) == option::none() && 4u16.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u16.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u16.saturating_add(4) == 7);
        assert!(3u16.saturating_sub(4) == 0 && 4u16.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u16.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(255u16.try_as_u8() == option::some(255) && 256u16.try_as_u8() == option::none());

        assert!(max.mul_div(max, max) == max && 7u16.mul_div(3, 2) == 10 && 7u16.mul_div_ceil(3, 2) == 11);

        let seen = vector[];
        3u16.do!(|i| seen.push_back(i));
        1u16.do_eq!(|i| seen.push_back(i));
        std::u16::range_do!(5, 7, |i| seen.push_back(i));
        std::u16::range_do!(7, 5, |_i| assert!(false));
        std::u16::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u16::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u16)]
    fun power_of_u16_that_does_not_fit() {
        2u16.pow(16);
    }


    #[test]
    fun of_u32() {
        let max = std::u32::max_value!();
        assert!(max == 4294967295);
        assert!(max.bitwise_not() == 0 && 0u32.bitwise_not() == max);
        assert!(3u32.max(5) == 5 && 5u32.max(3) == 5 && 3u32.min(5) == 3 && 5u32.min(3) == 3);
        assert!(3u32.diff(5) == 2 && max.diff(0) == max);
        assert!(7u32.divide_and_round_up(2) == 4 && 8u32.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u32.pow(4) == 81 && 0u32.pow(0) == 1 && 2u32.pow(31) == 1 << 31 && max.pow(1) == max);
        assert!(max.sqrt() == 65535 && 0u32.sqrt() == 0 && 15u32.sqrt() == 3 && 16u32.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"4294967295") && 0u32.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u32.checked_sub(4) == option::none() && 4u32.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u32.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u32.saturating_add(4) == 7);
        assert!(3u32.saturating_sub(4) == 0 && 4u32.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u32.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(255u32.try_as_u8() == option::some(255) && 256u32.try_as_u8() == option::none());

        assert!(65535u32.try_as_u16() == option::some(65535) && 65536u32.try_as_u16() == option::none());

        assert!(max.mul_div(max, max) == max && 7u32.mul_div(3, 2) == 10 && 7u32.mul_div_ceil(3, 2) == 11);

        let seen = vector[];
        3u32.do!(|i| seen.push_back(i));
        1u32.do_eq!(|i| seen.push_back(i));
        std::u32::range_do!(5, 7, |i| seen.push_back(i));
        std::u32::range_do!(7, 5, |_i| assert!(false));
        std::u32::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u32::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u32)]
    fun power_of_u32_that_does_not_fit() {
        2u32.pow(32);
    }


    #[test]
    fun of_u64() {
        let max = std::u64::max_value!();
        assert!(max == 18446744073709551615);
        assert!(max.bitwise_not() == 0 && 0u64.bitwise_not() == max);
        assert!(3u64.max(5) == 5 && 5u64.max(3) == 5 && 3u64.min(5) == 3 && 5u64.min(3) == 3);
        assert!(3u64.diff(5) == 2 && max.diff(0) == max);
        assert!(7u64.divide_and_round_up(2) == 4 && 8u64.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u64.pow(4) == 81 && 0u64.pow(0) == 1 && 2u64.pow(63) == 1 << 63 && max.pow(1) == max);
        assert!(max.sqrt() == 4294967295 && 0u64.sqrt() == 0 && 15u64.sqrt() == 3 && 16u64.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"18446744073709551615") && 0u64.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u64.checked_sub(4) == option::none() && 4u64.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u64.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u64.saturating_add(4) == 7);
        assert!(3u64.saturating_sub(4) == 0 && 4u64.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u64.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(255u64.try_as_u8() == option::some(255) && 256u64.try_as_u8() == option::none());

        assert!(65535u64.try_as_u16() == option::some(65535) && 65536u64.try_as_u16() == option::none());

        assert!(4294967295u64.try_as_u32() == option::some(4294967295) && 4294967296u64.try_as_u32() == option::none());

        assert!(max.mul_div(max, max) == max && 7u64.mul_div(3, 2) == 10 && 7u64.mul_div_ceil(3, 2) == 11);

        let seen = vector[];
        3u64.do!(|i| seen.push_back(i));
        1u64.do_eq!(|i| seen.push_back(i));
        std::u64::range_do!(5, 7, |i| seen.push_back(i));
        std::u64::range_do!(7, 5, |_i| assert!(false));
        std::u64::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u64::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u64)]
    fun power_of_u64_that_does_not_fit() {
        2u64.pow(64);
    }


    #[test]
    fun of_u128() {
        let max = std::u128::max_value!();
        assert!(max == 340282366920938463463374607431768211455);
        assert!(max.bitwise_not() == 0 && 0u128.bitwise_not() == max);
        assert!(3u128.max(5) == 5 && 5u128.max(3) == 5 && 3u128.min(5) == 3 && 5u128.min(3) == 3);
        assert!(3u128.diff(5) == 2 && max.diff(0) == max);
        assert!(7u128.divide_and_round_up(2) == 4 && 8u128.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u128.pow(4) == 81 && 0u128.pow(0) == 1 && 2u128.pow(127) == 1 << 127 && max.pow(1) == max);
        assert!(max.sqrt() == 18446744073709551615 && 0u128.sqrt() == 0 && 15u128.sqrt() == 3 && 16u128.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"340282366920938463463374607431768211455") && 0u128.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u128.checked_sub(4) == option::none() && 4u128.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u128.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u128.saturating_add(4) == 7);
        assert!(3u128.saturating_sub(4) == 0 && 4u128.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u128.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(255u128.try_as_u8() == option::some(255) && 256u128.try_as_u8() == option::none());

        assert!(65535u128.try_as_u16() == option::some(65535) && 65536u128.try_as_u16() == option::none());

        assert!(4294967295u128.try_as_u32() == option::some(4294967295) && 4294967296u128.try_as_u32() == option::none());

        assert!(18446744073709551615u128.try_as_u64() == option::some(18446744073709551615) && 18446744073709551616u128.try_as_u64() == option::none());

        assert!(max.mul_div(max, max) == max && 7u128.mul_div(3, 2) == 10 && 7u128.mul_div_ceil(3, 2) == 11);

        let seen = vector[];
        3u128.do!(|i| seen.push_back(i));
        1u128.do_eq!(|i| seen.push_back(i));
        std::u128::range_do!(5, 7, |i| seen.push_back(i));
        std::u128::range_do!(7, 5, |_i| assert!(false));
        std::u128::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u128::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u128)]
    fun power_of_u128_that_does_not_fit() {
        2u128.pow(128);
    }


    #[test]
    fun of_u256() {
        let max = std::u256::max_value!();
        assert!(max == 115792089237316195423570985008687907853269984665640564039457584007913129639935);
        assert!(max.bitwise_not() == 0 && 0u256.bitwise_not() == max);
        assert!(3u256.max(5) == 5 && 5u256.max(3) == 5 && 3u256.min(5) == 3 && 5u256.min(3) == 3);
        assert!(3u256.diff(5) == 2 && max.diff(0) == max);
        assert!(7u256.divide_and_round_up(2) == 4 && 8u256.divide_and_round_up(2) == 4 && max.divide_and_round_up(1) == max);
        assert!(3u256.pow(4) == 81 && 0u256.pow(0) == 1 && 2u256.pow(255) == 1 << 255 && max.pow(1) == max);
        assert!(max.sqrt() == 340282366920938463463374607431768211455 && 0u256.sqrt() == 0 && 15u256.sqrt() == 3 && 16u256.sqrt() == 4);
        assert!(max.to_string() == std::string::utf8(b"115792089237316195423570985008687907853269984665640564039457584007913129639935") && 0u256.to_string() == std::string::utf8(b"0"));
        assert!(max.checked_add(1) == option::none() && (max - 1).checked_add(1) == option::some(max));
        assert!(3u256.checked_sub(4) == option::none() && 4u256.checked_sub(4) == option::some(0));
        assert!(max.checked_mul(2) == option::none() && max.checked_mul(0) == option::some(0));
        assert!((max / 2).checked_mul(2) == option::some(max - 1));
        assert!(max.checked_div(0) == option::none() && 9u256.checked_div(2) == option::some(4));
        assert!(max.saturating_add(1) == max && 3u256.saturating_add(4) == 7);
        assert!(3u256.saturating_sub(4) == 0 && 4u256.saturating_sub(3) == 1);
        assert!(max.saturating_mul(2) == max && 3u256.saturating_mul(4) == 12 && max.saturating_mul(0) == 0);

        assert!(255u256.try_as_u8() == option::some(255) && 256u256.try_as_u8() == option::none());

        assert!(65535u256.try_as_u16() == option::some(65535) && 65536u256.try_as_u16() == option::none());

        assert!(4294967295u256.try_as_u32() == option::some(4294967295) && 4294967296u256.try_as_u32() == option::none());

        assert!(18446744073709551615u256.try_as_u64() == option::some(18446744073709551615) && 18446744073709551616u256.try_as_u64() == option::none());

        assert!(340282366920938463463374607431768211455u256.try_as_u128() == option::some(340282366920938463463374607431768211455) && 340282366920938463463374607431768211456u256.try_as_u128() == option::none());

        let seen = vector[];
        3u256.do!(|i| seen.push_back(i));
        1u256.do_eq!(|i| seen.push_back(i));
        std::u256::range_do!(5, 7, |i| seen.push_back(i));
        std::u256::range_do!(7, 5, |_i| assert!(false));
        std::u256::range_do_eq!(max - 1, max, |i| seen.push_back(i));
        std::u256::range_do_eq!(7, 5, |_i| assert!(false));
        assert!(seen == vector[0, 1, 2, 0, 1, 5, 6, max - 1, max]);
    }

    #[test]
    #[expected_failure(arithmetic_error, location = std::u256)]
    fun power_of_u256_that_does_not_fit() {
        2u256.pow(255).pow(2);
    }
}
