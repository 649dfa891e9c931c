/// The natural order of values of any type.
///
/// Numbers by size, `false` before `true`, addresses and bytes by their first difference, a vector before those that
/// begin with it, structs field by field in declared order, enums by variant and then by field.
module std::cmp {
    const LESS: u8 = 0;
    const EQUAL: u8 = 1;
    const GREATER: u8 = 2;

    /// How the first value stands to the second.
    struct Ordering has copy, drop {
        value: u8
    }

    /// Compares two values.
    public fun compare<T>(first: &T, second: &T): Ordering {
        Ordering { value: compare_values(first, second) }
    }

    /// Whether the values are equal.
    public fun is_eq(self: &Ordering): bool {
        self.value == EQUAL
    }

    /// Whether the values differ.
    public fun is_ne(self: &Ordering): bool {
        !is_eq(self)
    }

    /// Whether the first comes before the second.
    public fun is_lt(self: &Ordering): bool {
        self.value == LESS
    }

    /// Whether the first does not come after the second.
    public fun is_le(self: &Ordering): bool {
        !is_gt(self)
    }

    /// Whether the first comes after the second.
    public fun is_gt(self: &Ordering): bool {
        self.value == GREATER
    }

    /// Whether the first does not come before the second.
    public fun is_ge(self: &Ordering): bool {
        !is_lt(self)
    }

    /// `LESS`, `EQUAL` or `GREATER`.
    native fun compare_values<T>(first: &T, second: &T): u8;
}
