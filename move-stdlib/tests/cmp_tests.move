#[test_only]
module std::cmp_tests {
    use std::cmp;

    struct Pair has copy, drop { a: u64, b: vector<u8> }

    enum Shape has copy, drop {
        Dot,
        Line(u64),
        Box { width: u64, height: u64 }
    }

    fun assert_rises<T>(small: &T, large: &T) {
        let order = cmp::compare(small, large);
        assert!(order.is_lt() && order.is_le() && order.is_ne());
        assert!(!order.is_eq() && !order.is_gt() && !order.is_ge());
        let order = cmp::compare(large, small);
        assert!(order.is_gt() && order.is_ge() && order.is_ne());
        assert!(!order.is_eq() && !order.is_lt() && !order.is_le());
        let order = cmp::compare(small, small);
        assert!(order.is_eq() && order.is_le() && order.is_ge());
        assert!(!order.is_ne() && !order.is_lt() && !order.is_gt());
    }

    #[test(alice = @0xA, bob = @0xB)]
    fun values_of_every_kind(alice: &signer, bob: &signer) {
        assert_rises(&false, &true);
        assert_rises(&1u8, &2u8);
        assert_rises(&255u16, &256u16);
        assert_rises(&255u32, &256u32);
        // By their bytes they would stand the other way round.
        assert_rises(&255u64, &256u64);
        assert_rises(&255u128, &256u128);
        assert_rises(&255u256, &256u256);
        assert_rises(&@0x1, &@0x100);
        assert_rises(&b"a", &b"ab");
        assert_rises(&b"ab", &b"b");
        assert_rises(&vector[1u64, 300], &vector[2]);
        assert_rises(&vector<u64>[], &vector[0]);
        assert_rises(&Pair { a: 1, b: b"z" }, &Pair { a: 2, b: b"a" });
        assert_rises(&Pair { a: 1, b: b"a" }, &Pair { a: 1, b: b"b" });
        assert_rises(&Shape::Dot, &Shape::Line(0));
        assert_rises(&Shape::Line(9), &Shape::Box { width: 0, height: 0 });
        assert_rises(&Shape::Box { width: 1, height: 2 }, &Shape::Box { width: 1, height: 3 });
        assert_rises(&std::string::utf8(b"a"), &std::string::utf8(b"b"));
        assert_rises(alice, bob);
    }
}
