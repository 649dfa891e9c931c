/// The canonical text of a type.
module std::type_name {
    use std::ascii::{Self, String};

    /// The type is no struct or enum.
    const ENON_MODULE_TYPE: u64 = 0;

    /// `:`
    const COLON: u8 = 58;
    /// `<`
    const OPENING: u8 = 60;

    /// The text of a type, such as `vector<0x1::string::String>`.
    struct TypeName has copy, drop, store {
        name: String
    }

    /// The name of type `T`.
    public fun get<T>(): TypeName {
        TypeName { name: ascii::string(internal_name<T>()) }
    }

    /// As `get`: a type is named by the address that it was first published at, which upgrades keep.
    public fun with_defining_ids<T>(): TypeName {
        get<T>()
    }

    /// As `get`.
    public fun with_original_ids<T>(): TypeName {
        get<T>()
    }

    /// As `get`.
    public fun get_with_original_ids<T>(): TypeName {
        get<T>()
    }

    /// Whether the type is no struct or enum.
    public fun is_primitive(self: &TypeName): bool {
        ends_of_words(self).is_empty()
    }

    /// The 64 digits, without `0x`, of the address of the type's module; the type must not be primitive.
    public fun address_string(self: &TypeName): String {
        let ends = word_ends(self);
        let short = self.name.substring(2, ends[0]);
        let digits = vector[];
        let zeros = 64 - short.length();
        while (zeros > 0) {
            digits.push_back(48);
            zeros = zeros - 1;
        };
        digits.append(short.into_bytes());
        ascii::string(digits)
    }

    /// The name of the type's module; the type must not be primitive.
    public fun module_string(self: &TypeName): String {
        let ends = word_ends(self);
        self.name.substring(ends[0] + 2, ends[1])
    }

    /// The name of the struct or enum, with its type arguments; the type must not be primitive.
    public fun datatype_string(self: &TypeName): String {
        let ends = word_ends(self);
        self.name.substring(ends[1] + 2, self.name.length())
    }

    public fun as_string(self: &TypeName): &String {
        &self.name
    }

    fun word_ends(self: &TypeName): vector<u64> {
        let ends = ends_of_words(self);
        assert!(!ends.is_empty(), ENON_MODULE_TYPE);
        ends
    }

    /// Where the first two `::` are before any type argument: none in the name of a primitive type or a vector.
    fun ends_of_words(self: &TypeName): vector<u64> {
        let ends = vector[];
        let bytes = self.name.as_bytes();
        let i = 0;
        while (i < bytes.length() && bytes[i] != OPENING && ends.length() < 2) {
            if (bytes[i] == COLON) {
                ends.push_back(i);
                i = i + 1;
            };
            i = i + 1;
        };
        ends
    }

    public fun borrow_string(self: &TypeName): &String {
        &self.name
    }

    public fun into_string(self: TypeName): String {
        self.name
    }

    native fun internal_name<T>(): vector<u8>;
}
