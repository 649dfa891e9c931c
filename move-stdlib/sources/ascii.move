/// ASCII strings and characters.
module std::ascii {
    use std::option::{Self, Option};
    use std::vector;

    /// A byte is above 0x7F.
    const EINVALID_ASCII_CHARACTER: u64 = 0x10000;
    /// The index is above the length, or the range's start exceeds its end.
    const EINVALID_INDEX: u64 = 0x10001;

    /// Always holds bytes up to 0x7F.
    struct String has copy, drop, store {
        bytes: vector<u8>
    }

    /// A byte up to 0x7F.
    struct Char has copy, drop, store {
        byte: u8
    }

    /// Wraps a byte, which must be ASCII.
    public fun char(byte: u8): Char {
        assert!(is_valid_char(byte), EINVALID_ASCII_CHARACTER);
        Char { byte }
    }

    /// Wraps bytes, which must be ASCII.
    public fun string(bytes: vector<u8>): String {
        let text = try_string(bytes);
        assert!(option::is_some(&text), EINVALID_ASCII_CHARACTER);
        option::destroy_some(text)
    }

    /// Wraps bytes if they are ASCII.
    public fun try_string(bytes: vector<u8>): Option<String> {
        let i = 0;
        let len = vector::length(&bytes);
        while (i < len) {
            if (!is_valid_char(*vector::borrow(&bytes, i))) return option::none();
            i = i + 1;
        };
        option::some(String { bytes })
    }

    /// Whether every character can be shown.
    public fun all_characters_printable(self: &String): bool {
        let i = 0;
        let len = vector::length(&self.bytes);
        while (i < len) {
            if (!is_printable_char(*vector::borrow(&self.bytes, i))) return false;
            i = i + 1;
        };
        true
    }

    public fun push_char(self: &mut String, char: Char) {
        vector::push_back(&mut self.bytes, char.byte);
    }

    public fun pop_char(self: &mut String): Char {
        Char { byte: vector::pop_back(&mut self.bytes) }
    }

    public fun length(self: &String): u64 {
        vector::length(&self.bytes)
    }

    public fun is_empty(self: &String): bool {
        vector::is_empty(&self.bytes)
    }

    /// Adds `other` at the end.
    public fun append(self: &mut String, other: String) {
        vector::append(&mut self.bytes, into_bytes(other))
    }

    /// Puts `other` at index `at`.
    public fun insert(self: &mut String, at: u64, other: String) {
        assert!(at <= length(self), EINVALID_INDEX);
        let tail = vector::trim(&mut self.bytes, at);
        append(self, other);
        vector::append(&mut self.bytes, tail);
    }

    /// The characters from `i` up to, not including, `j`.
    public fun substring(self: &String, i: u64, j: u64): String {
        assert!(i <= j && j <= length(self), EINVALID_INDEX);
        String { bytes: vector::slice(&self.bytes, i, j) }
    }

    /// The index of the first occurrence of `other`, or the length when there is none.
    public fun index_of(self: &String, other: &String): u64 {
        let len = length(self);
        let wanted = length(other);
        let i = 0;
        while (i + wanted <= len) {
            let matched = 0;
            while (matched < wanted && self.bytes[i + matched] == other.bytes[matched]) {
                matched = matched + 1;
            };
            if (matched == wanted) return i;
            i = i + 1;
        };
        len
    }

    /// The letters a to z become A to Z.
    public fun to_uppercase(self: &String): String {
        String { bytes: vector::map_ref(&self.bytes, |byte| if (is_between(*byte, 97, 122)) *byte - 32 else *byte) }
    }

    /// The letters A to Z become a to z.
    public fun to_lowercase(self: &String): String {
        String { bytes: vector::map_ref(&self.bytes, |byte| if (is_between(*byte, 65, 90)) *byte + 32 else *byte) }
    }

    fun is_between(byte: u8, low: u8, high: u8): bool {
        low <= byte && byte <= high
    }

    public fun as_bytes(self: &String): &vector<u8> {
        &self.bytes
    }

    public fun into_bytes(self: String): vector<u8> {
        let String { bytes } = self;
        bytes
    }

    public fun byte(self: Char): u8 {
        let Char { byte } = self;
        byte
    }

    /// Whether the byte is ASCII.
    public fun is_valid_char(byte: u8): bool {
        byte <= 0x7F
    }

    /// Whether the byte is ASCII and can be shown.
    public fun is_printable_char(byte: u8): bool {
        byte >= 0x20 && byte <= 0x7E
    }
}
