#[test_only]
module std::number_tests {
    use std::bit_vector;
    use std::fixed_point32;

    #[test]
    fun fixed_point_arithmetic() {
        let half = fixed_point32::create_from_rational(1, 2);
        assert!(fixed_point32::get_raw_value(half) == 1 << 31, 0);
        assert!(fixed_point32::multiply_u64(9, half) == 4, 1);
        assert!(fixed_point32::divide_u64(9, half) == 18, 2);
        let three = fixed_point32::create_from_u64(3);
        assert!(fixed_point32::divide_u64(9, three) == 3, 3);
        assert!(fixed_point32::is_zero(fixed_point32::create_from_rational(0, 5)), 4);
        assert!(fixed_point32::min(half, three) == half && fixed_point32::max(half, three) == three, 5);
    }

    #[test]
    fun fixed_point_rounding() {
        let x = fixed_point32::create_from_rational(5, 2);
        assert!(fixed_point32::floor(x) == 2 && fixed_point32::ceil(x) == 3 && fixed_point32::round(x) == 3, 0);
        let x = fixed_point32::create_from_rational(9, 4);
        assert!(fixed_point32::floor(x) == 2 && fixed_point32::ceil(x) == 3 && fixed_point32::round(x) == 2, 1);
        let x = fixed_point32::create_from_u64(7);
        assert!(fixed_point32::floor(x) == 7 && fixed_point32::ceil(x) == 7 && fixed_point32::round(x) == 7, 2);
        let x = fixed_point32::create_from_raw_value(18446744073709551615);
        assert!(fixed_point32::ceil(x) == 1 << 32 && fixed_point32::round(x) == 1 << 32, 3);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::fixed_point32)]
    fun zero_denominator() {
        fixed_point32::create_from_rational(1, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x20002, location = std::fixed_point32)]
    fun quotient_too_large() {
        fixed_point32::divide_u64(18446744073709551615, fixed_point32::create_from_rational(1, 2));
    }

    #[test]
    #[expected_failure(abort_code = 0x20003, location = std::fixed_point32)]
    fun product_too_large() {
        fixed_point32::multiply_u64(18446744073709551615, fixed_point32::create_from_u64(2));
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = std::fixed_point32)]
    fun division_by_zero() {
        fixed_point32::divide_u64(1, fixed_point32::create_from_raw_value(0));
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = std::fixed_point32)]
    fun ratio_too_small() {
        fixed_point32::create_from_rational(1, 18446744073709551615);
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = std::fixed_point32)]
    fun ratio_too_large() {
        fixed_point32::create_from_u64(1 << 32);
    }

    #[test]
    fun bits() {
        let bits = bit_vector::new(100);
        assert!(bit_vector::length(&bits) == 100, 0);
        bit_vector::set(&mut bits, 0);
        bit_vector::set(&mut bits, 63);
        bit_vector::set(&mut bits, 64);
        bit_vector::set(&mut bits, 99);
        assert!(bit_vector::is_index_set(&bits, 63) && !bit_vector::is_index_set(&bits, 62), 1);
        assert!(bit_vector::longest_set_sequence_starting_at(&bits, 63) == 2, 2);
        assert!(bit_vector::longest_set_sequence_starting_at(&bits, 99) == 1, 3);
        assert!(bit_vector::longest_set_sequence_starting_at(&bits, 1) == 0, 4);
        bit_vector::shift_left(&mut bits, 63);
        assert!(bit_vector::is_index_set(&bits, 0) && bit_vector::is_index_set(&bits, 1), 5);
        assert!(bit_vector::is_index_set(&bits, 36) && !bit_vector::is_index_set(&bits, 99), 6);
        bit_vector::unset(&mut bits, 0);
        assert!(!bit_vector::is_index_set(&bits, 0), 7);
        bit_vector::shift_left(&mut bits, 18446744073709551615);
        assert!(!bit_vector::is_index_set(&bits, 1), 8);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::bit_vector)]
    fun bit_out_of_range() {
        bit_vector::set(&mut bit_vector::new(3), 3);
    }

    #[test]
    #[expected_failure(abort_code = 0x20001, location = std::bit_vector)]
    fun no_bits() {
        bit_vector::new(0);
    }

    #[test]
    #[expected_failure(abort_code = 0x20001, location = std::bit_vector)]
    fun too_many_bits() {
        bit_vector::new(1025);
    }
}
