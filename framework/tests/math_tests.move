#[test_only]
module aptos_std::math_tests {
    use std::fixed_point32;
    use aptos_std::fixed_point64::{Self, FixedPoint64};
    use aptos_std::math128;
    use aptos_std::math64;
    use aptos_std::math_fixed;
    use aptos_std::math_fixed64;

    const MAX: u128 = 340282366920938463463374607431768211455;

    fun ratio(numerator: u128, denominator: u128): FixedPoint64 {
        fixed_point64::create_from_rational(numerator, denominator)
    }

    fun rational(numerator: u64, denominator: u64): fixed_point32::FixedPoint32 {
        fixed_point32::create_from_rational(numerator, denominator)
    }

    /// Checks that the bits are those of the exact number, rounded down, up to `slack`.
    fun assert_near(number: FixedPoint64, exact: u128, slack: u128) {
        assert!(number.get_raw_value().diff(exact) <= slack);
    }

    #[test]
    fun arithmetic_on_u128() {
        assert!(math128::max(1, 2) == 2 && math128::max(2, 1) == 2 && math128::min(1, 2) == 1 && math128::min(2, 1) == 1);
        assert!(math128::average(MAX, MAX - 2) == MAX - 1 && math128::average(3, 4) == 3);
        assert!(math128::gcd(12, 18) == 6 && math128::gcd(7, 0) == 7);
        assert!(math128::mul_div(MAX, MAX, MAX) == MAX && math128::ceil_div(7, 3) == 3 && math128::ceil_div(0, 3) == 0);
        assert!(math128::clamp(5, 1, 3) == 3 && math128::clamp(0, 1, 3) == 1 && math128::clamp(2, 1, 3) == 2);
        assert!(math128::pow(2, 127) == 1 << 127 && math128::pow(7, 0) == 1 && math128::pow(3, 5) == 243);
        assert!(math128::floor_log2(1) == 0 && math128::floor_log2(MAX) == 127 && math128::floor_log2(1 << 64) == 64);
        assert!(math128::sqrt(MAX) == 18446744073709551615 && math128::sqrt(99) == 9 && math128::sqrt(0) == 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::math128)]
    fun logarithm_of_zero() {
        math128::floor_log2(0);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::math128)]
    fun product_divided_by_zero() {
        math128::mul_div(1, 1, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::math128)]
    fun division_by_zero() {
        math128::ceil_div(1, 0);
    }

    #[test]
    fun logarithms() {
        assert_near(math128::log2_64(1), 0, 0);
        assert_near(math128::log2_64(1 << 100), 100 << 64, 0);
        assert_near(math128::log2_64(3), 29237397617229858719, 4);
        assert_near(math128::log2_64(1000000007), 551508816765165594688, 4);
        assert_near(math128::log2_64(MAX), 2361183241434822606847, 4);
        assert_near(math64::log2_64(10), 61278757397652712441, 4);
        assert!(math64::log2(10).get_raw_value() == 14267572527);
        assert!(math128::log2(MAX).get_raw_value() == 549755813887);
    }

    #[test]
    fun fixed_point_arithmetic() {
        let (half, three) = (ratio(1, 2), fixed_point64::create_from_u128(3));
        assert!(half.get_raw_value() == 1 << 63 && three.floor() == 3);
        assert!(three.add(half) == ratio(7, 2) && three.sub(half) == ratio(5, 2));
        assert!(fixed_point64::multiply_u128(9, half) == 4 && fixed_point64::divide_u128(9, half) == 18);
        assert!(fixed_point64::divide_u128(MAX, three) == MAX / 3);
        assert!(fixed_point64::create_from_raw_value(7).get_raw_value() == 7);
        assert!(ratio(0, 5).is_zero() && !half.is_zero());
        assert!(half.min(three) == half && half.max(three) == three && three.min(half) == half && three.max(half) == three);
        assert!(half.less(three) && !half.less(half) && half.less_or_equal(half) && !three.less_or_equal(half));
        assert!(three.greater(half) && !half.greater(half) && half.greater_or_equal(half));
        assert!(!half.greater_or_equal(three) && half.equal(half) && !half.equal(three));
        assert!(half.almost_equal(ratio(3, 4), ratio(1, 4)) && !half.almost_equal(three, half));
        let x = ratio(5, 2);
        assert!(x.floor() == 2 && x.ceil() == 3 && x.round() == 3 && ratio(9, 4).round() == 2 && three.ceil() == 3);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::fixed_point64)]
    fun zero_denominator() {
        ratio(1, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = aptos_std::fixed_point64)]
    fun small_ratio() {
        ratio(1, MAX);
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = aptos_std::fixed_point64)]
    fun large_ratio() {
        ratio(MAX, 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = aptos_std::fixed_point64)]
    fun large_rational() {
        fixed_point64::create_from_u128(1 << 64);
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = aptos_std::fixed_point64)]
    fun large_sum() {
        fixed_point64::create_from_raw_value(MAX).add(fixed_point64::create_from_raw_value(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x10006, location = aptos_std::fixed_point64)]
    fun negative_difference() {
        ratio(1, 2).sub(ratio(2, 3));
    }

    #[test]
    #[expected_failure(abort_code = 0x20003, location = aptos_std::fixed_point64)]
    fun large_product() {
        fixed_point64::multiply_u128(MAX, ratio(2, 1));
    }

    #[test]
    #[expected_failure(abort_code = 0x20002, location = aptos_std::fixed_point64)]
    fun large_quotient() {
        fixed_point64::divide_u128(MAX, ratio(1, 2));
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::fixed_point64)]
    fun quotient_of_zero() {
        fixed_point64::divide_u128(1, ratio(0, 1));
    }

    #[test]
    fun functions_of_fixed_point64() {
        assert!(math_fixed64::sqrt(ratio(9, 4)) == ratio(3, 2));
        assert_near(math_fixed64::sqrt(ratio(2, 1)), 26087635650665564424, 0);
        assert_near(math_fixed64::exp(ratio(0, 1)), 1 << 64, 0);
        assert_near(math_fixed64::exp(ratio(1, 1)), 50143449209799256682, 1);
        assert_near(math_fixed64::exp(ratio(1, 2)), 30413539329486470295, 1);
        assert_near(math_fixed64::exp(ratio(40, 1)), 4342091776064339869272522905257458571, 1);
        assert_near(math_fixed64::exp(ratio(443, 10)), 320011268120653359372893390185296378878, 128);
        assert_near(math_fixed64::log2_plus_64(ratio(1, 2)), 63 << 64, 0);
        assert_near(math_fixed64::log2_plus_64(ratio(3, 1)), 1209829018334641162143, 4);
        assert_near(math_fixed64::ln_plus_32ln2(ratio(3, 1)), 838589573018262901865, 4);
        assert!(math_fixed64::pow(ratio(3, 2), 3) == ratio(27, 8) && math_fixed64::pow(ratio(3, 2), 0) == ratio(1, 1));
        assert!(math_fixed64::pow(ratio(2, 1), 63) == fixed_point64::create_from_u128(1 << 63));
        assert!(math_fixed64::mul_div(ratio(3, 1), ratio(5, 1), ratio(2, 1)) == ratio(15, 2));
    }

    #[test]
    #[expected_failure(abort_code = 0x30001, location = aptos_std::math_fixed64)]
    fun exponential_that_does_not_fit() {
        math_fixed64::exp(ratio(444, 10));
    }

    #[test]
    #[expected_failure(arithmetic_error, location = aptos_std::math_fixed64)]
    fun power_that_does_not_fit() {
        math_fixed64::pow(ratio(2, 1), 64);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::math_fixed64)]
    fun product_of_64_divided_by_zero() {
        math_fixed64::mul_div(ratio(3, 1), ratio(5, 1), ratio(0, 1));
    }

    #[test]
    fun functions_of_fixed_point32() {
        assert!(math_fixed::sqrt(rational(9, 4)) == rational(3, 2));
        assert!(math_fixed::exp(rational(0, 1)) == rational(1, 1));
        assert!(math_fixed::exp(rational(1, 1)).get_raw_value() == 11674931554);
        assert!(math_fixed::exp(rational(22, 1)).get_raw_value() == 15397083433145465869);
        assert!(math_fixed::log2_plus_32(rational(3, 1)).get_raw_value() == 144246315577);
        assert!(math_fixed::ln_plus_32ln2(rational(1, 1)).get_raw_value() == 95265423098);
        assert!(math_fixed::pow(rational(3, 2), 3) == rational(27, 8) && math_fixed::pow(rational(3, 2), 0) == rational(1, 1));
        assert!(math_fixed::mul_div(rational(3, 1), rational(5, 1), rational(2, 1)) == rational(15, 2));
    }

    #[test]
    #[expected_failure(abort_code = 0x30001, location = aptos_std::math_fixed)]
    fun exponential_of_32_that_does_not_fit() {
        math_fixed::exp(fixed_point32::create_from_rational(222, 10));
    }

    #[test]
    #[expected_failure(abort_code = 0x30001, location = aptos_std::math_fixed)]
    fun exponential_of_32_far_out_of_range() {
        math_fixed::exp(fixed_point32::create_from_u64(4000000000));
    }

    #[test]
    #[expected_failure(arithmetic_error, location = aptos_std::math_fixed)]
    fun power_of_32_that_does_not_fit() {
        math_fixed::pow(fixed_point32::create_from_u64(2), 32);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::math_fixed)]
    fun product_of_32_divided_by_zero() {
        math_fixed::mul_div(
            fixed_point32::create_from_u64(1), fixed_point32::create_from_u64(1), fixed_point32::create_from_u64(0)
        );
    }
}
