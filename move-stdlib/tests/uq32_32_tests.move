#[test_only]
module std::uq32_32_tests {
    use std::uq32_32;

    #[test]
    fun arithmetic() {
        let half = uq32_32::from_quotient(1, 2);
        let three = uq32_32::from_int(3);
        assert!(half.to_raw() == 1 << 31 && three.to_int() == 3);
        assert!(three.add(half).to_int() == 3 && three.add(half).add(half).to_int() == 4);
        assert!(three.sub(half) == uq32_32::from_quotient(5, 2));
        assert!(three.mul(half) == uq32_32::from_quotient(3, 2) && half.mul(half) == uq32_32::from_quotient(1, 4));
        assert!(three.div(half) == uq32_32::from_int(6) && half.div(three).to_raw() == 715827882);
        assert!(uq32_32::int_mul(7, half) == 3 && uq32_32::int_div(7, half) == 14);
        assert!(uq32_32::from_raw(5).to_raw() == 5 && uq32_32::from_quotient(0, 9).to_raw() == 0);
        assert!(half.lt(three) && !three.lt(half) && !half.lt(half));
        assert!(half.le(three) && half.le(half) && !three.le(half));
        assert!(three.gt(half) && !half.gt(three) && three.ge(half) && half.ge(half) && !half.ge(three));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::uq32_32)]
    fun zero_denominator() {
        uq32_32::from_quotient(1, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = std::uq32_32)]
    fun small_quotient() {
        uq32_32::from_quotient(1, 1 << 32 | 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = std::uq32_32)]
    fun large_quotient() {
        uq32_32::from_quotient(1 << 32, 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq32_32)]
    fun large_sum() {
        uq32_32::from_raw(18446744073709551615).add(uq32_32::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq32_32)]
    fun negative_difference() {
        uq32_32::from_raw(0).sub(uq32_32::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq32_32)]
    fun large_product() {
        uq32_32::from_raw(18446744073709551615).mul(uq32_32::from_int(2));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq32_32)]
    fun large_ratio() {
        uq32_32::from_int(2).div(uq32_32::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x10005, location = std::uq32_32)]
    fun division_by_zero() {
        uq32_32::from_int(2).div(uq32_32::from_raw(0));
    }
}
