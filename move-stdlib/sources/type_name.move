/// The canonical text of a type.
module std::type_name {
    use std::ascii::{Self, String};

    /// The text of a type, such as `vector<0x1::string::String>`.
    struct TypeName has copy, drop, store {
        name: String
    }

    /// The name of type `T`.
    public fun get<T>(): TypeName {
        TypeName { name: ascii::string(internal_name<T>()) }
    }

    public fun borrow_string(self: &TypeName): &String {
        &self.name
    }

    public fun into_string(self: TypeName): String {
        self.name
    }

    native fun internal_name<T>(): vector<u8>;
}
