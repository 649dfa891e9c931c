#[test_only]
module std::uq64_64_tests {
    use std::uq64_64;

    #[test]
    fun arithmetic() {
        let half = uq64_64::from_quotient(1, 2);
        let three = uq64_64::from_int(3);
        assert!(half.to_raw() == 1 << 63 && three.to_int() == 3);
        assert!(three.add(half).to_int() == 3 && three.add(half).add(half).to_int() == 4);
        assert!(three.sub(half) == uq64_64::from_quotient(5, 2));
        assert!(three.mul(half) == uq64_64::from_quotient(3, 2) && half.mul(half) == uq64_64::from_quotient(1, 4));
        assert!(three.div(half) == uq64_64::from_int(6) && half.div(three).to_raw() == 3074457345618258602);
        assert!(uq64_64::int_mul(7, half) == 3 && uq64_64::int_div(7, half) == 14);
        assert!(uq64_64::from_raw(5).to_raw() == 5 && uq64_64::from_quotient(0, 9).to_raw() == 0);
        assert!(half.lt(three) && !three.lt(half) && !half.lt(half));
        assert!(half.le(three) && half.le(half) && !three.le(half));
        assert!(three.gt(half) && !half.gt(three) && three.ge(half) && half.ge(half) && !half.ge(three));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::uq64_64)]
    fun zero_denominator() {
        uq64_64::from_quotient(1, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = std::uq64_64)]
    fun small_quotient() {
        uq64_64::from_quotient(1, 1 << 64 | 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = std::uq64_64)]
    fun large_quotient() {
        uq64_64::from_quotient(1 << 64, 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq64_64)]
    fun large_sum() {
        uq64_64::from_raw(340282366920938463463374607431768211455).add(uq64_64::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq64_64)]
    fun negative_difference() {
        uq64_64::from_raw(0).sub(uq64_64::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq64_64)]
    fun large_product() {
        uq64_64::from_raw(340282366920938463463374607431768211455).mul(uq64_64::from_int(2));
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::uq64_64)]
    fun large_ratio() {
        uq64_64::from_int(2).div(uq64_64::from_raw(1));
    }

    #[test]
    #[expected_failure(abort_code = 0x10005, location = std::uq64_64)]
    fun division_by_zero() {
        uq64_64::from_int(2).div(uq64_64::from_raw(0));
    }
}
