/// A value of any type with `copy`, `drop` and `store`, packed with its type's name.
module aptos_std::copyable_any {
    use std::bcs;
    use std::error;
    use std::string::String;
    use aptos_std::from_bcs;
    use aptos_std::type_info;

    /// The value has another type.
    const ETYPE_MISMATCH: u64 = 0;

    struct Any has copy, drop, store {
        type_name: String,
        data: vector<u8>
    }

    public fun pack<T: copy + drop + store>(x: T): Any {
        Any { type_name: type_info::type_name<T>(), data: bcs::to_bytes(&x) }
    }

    public fun unpack<T: copy + drop + store>(self: Any): T {
        assert!(type_info::type_name<T>() == self.type_name, error::invalid_argument(ETYPE_MISMATCH));
        from_bcs::from_bytes<T>(self.data)
    }

    public fun type_name(self: &Any): &String {
        &self.type_name
    }
}
