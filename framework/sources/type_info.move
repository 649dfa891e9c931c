/// Names types at run time.
module aptos_std::type_info {
    use std::bcs;
    use std::string::{Self, String};

    /// A struct type without its type arguments' structure: `struct_name` carries them as text.
    struct TypeInfo has copy, drop, store {
        account_address: address,
        module_name: vector<u8>,
        struct_name: vector<u8>
    }

    /// The type is not a struct.
    const ENOT_A_STRUCT: u64 = 0x10001;

    public fun account_address(self: &TypeInfo): address {
        self.account_address
    }

    public fun module_name(self: &TypeInfo): vector<u8> {
        self.module_name
    }

    public fun struct_name(self: &TypeInfo): vector<u8> {
        self.struct_name
    }

    /// Where `T` is defined and how it is called; `T` must be a struct.
    public fun type_of<T>(): TypeInfo {
        let (is_struct, account_address, module_name, struct_name) = type_of_internal<T>();
        assert!(is_struct, ENOT_A_STRUCT);
        TypeInfo { account_address, module_name, struct_name }
    }

    /// The canonical text of `T`.
    public fun type_name<T>(): String {
        string::utf8(type_name_internal<T>())
    }

    /// How many bytes the value's BCS has.
    public fun size_of_val<T>(val: &T): u64 {
        bcs::serialized_size(val)
    }

    native fun type_of_internal<T>(): (bool, address, vector<u8>, vector<u8>);

    native fun type_name_internal<T>(): vector<u8>;
}
