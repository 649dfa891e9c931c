/// Compares values by their BCS bytes, which for numbers is not their size: `std::cmp` has the natural order.
module aptos_std::comparator {
    use std::bcs;

    const EQUAL: u8 = 0;
    const SMALLER: u8 = 1;
    const GREATER: u8 = 2;

    struct Result has drop {
        inner: u8
    }

    /// Whether the bytes are equal.
    public fun is_equal(self: &Result): bool {
        self.inner == EQUAL
    }

    /// Whether the left bytes come first.
    public fun is_smaller_than(self: &Result): bool {
        self.inner == SMALLER
    }

    /// Whether the right bytes come first.
    public fun is_greater_than(self: &Result): bool {
        self.inner == GREATER
    }

    /// Compares the BCS bytes of two values.
    public fun compare<T>(left: &T, right: &T): Result {
        compare_u8_vector(bcs::to_bytes(left), bcs::to_bytes(right))
    }

    /// Compares bytes by their first difference; what ends first comes first.
    public fun compare_u8_vector(left: vector<u8>, right: vector<u8>): Result {
        let order = std::cmp::compare(&left, &right);
        Result { inner: if (order.is_eq()) EQUAL else if (order.is_lt()) SMALLER else GREATER }
    }
}
