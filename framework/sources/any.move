/// A value of any type with `drop` and `store`, packed with its type's name. Unlike `copyable_any` it cannot be copied.
module aptos_std::any {
    use std::bcs;
    use std::error;
    use std::string::String;
    use aptos_std::from_bcs;
    use aptos_std::type_info;

    /// The value has another type.
    const ETYPE_MISMATCH: u64 = 0;

    struct Any has drop, store {
        type_name: String,
        data: vector<u8>
    }

    /// Packs a value.
    public fun pack<T: drop + store>(x: T): Any {
        Any { type_name: type_info::type_name<T>(), data: bcs::to_bytes(&x) }
    }

    /// The packed value, which must be of type `T`.
    public fun unpack<T>(self: Any): T {
        assert!(type_info::type_name<T>() == self.type_name, error::invalid_argument(ETYPE_MISMATCH));
        from_bcs::from_bytes<T>(self.data)
    }

    /// The name of the packed value's type.
    public fun type_name(self: &Any): &String {
        &self.type_name
    }
}
