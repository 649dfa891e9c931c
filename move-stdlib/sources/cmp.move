/// The natural order of values of any type.
///
/// Numbers by size, `false` before `true`, addresses and bytes by their first difference, a vector before those that
/// begin with it, structs field by field in declared order, enums by variant and then by field.
module std::cmp {
    /// How the first value stands to the second.
    enum Ordering has copy, drop {
        /// It comes before.
        Less,
        /// They are equal.
        Equal,
        /// It comes after.
        Greater
    }

    const LESS: u8 = 0;
    const EQUAL: u8 = 1;

    /// Compares two values.
    public fun compare<T>(first: &T, second: &T): Ordering {
        let order = compare_values(first, second);
        if (order == LESS) Ordering::Less else if (order == EQUAL) Ordering::Equal else Ordering::Greater
    }

    /// Whether the values are equal.
    public fun is_eq(self: &Ordering): bool {
        self is Ordering::Equal
    }

    /// Whether the values differ.
    public fun is_ne(self: &Ordering): bool {
        !is_eq(self)
    }

    /// Whether the first comes before the second.
    public fun is_lt(self: &Ordering): bool {
        self is Ordering::Less
    }

    /// Whether the first does not come after the second.
    public fun is_le(self: &Ordering): bool {
        !is_gt(self)
    }

    /// Whether the first comes after the second.
    public fun is_gt(self: &Ordering): bool {
        self is Ordering::Greater
    }

    /// Whether the first does not come before the second.
    public fun is_ge(self: &Ordering): bool {
        !is_lt(self)
    }

    /// 0 for less, 1 for equal, 2 for greater.
    native fun compare_values<T>(first: &T, second: &T): u8;
}
