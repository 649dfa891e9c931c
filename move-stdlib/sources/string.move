/// UTF-8 strings. Indices are in bytes and must fall on character boundaries.
module std::string {
    use std::ascii;
    use std::option::{Self, Option};
    use std::vector;

    /// The bytes are not valid UTF-8.
    const EINVALID_UTF8: u64 = 1;
    /// The index is out of range or not on a character boundary.
    const EINVALID_INDEX: u64 = 2;

    /// Always holds valid UTF-8.
    struct String has copy, drop, store {
        bytes: vector<u8>
    }

    /// Wraps bytes, which must be valid UTF-8.
    public fun utf8(bytes: vector<u8>): String {
        assert!(internal_check_utf8(&bytes), EINVALID_UTF8);
        String { bytes }
    }

    /// Wraps bytes if they are valid UTF-8.
    public fun try_utf8(bytes: vector<u8>): Option<String> {
        if (internal_check_utf8(&bytes)) option::some(String { bytes }) else option::none()
    }

    /// The bytes.
    public fun bytes(self: &String): &vector<u8> {
        &self.bytes
    }

    /// The bytes.
    public fun as_bytes(self: &String): &vector<u8> {
        &self.bytes
    }

    /// An ASCII string is UTF-8.
    public fun from_ascii(text: ascii::String): String {
        String { bytes: ascii::into_bytes(text) }
    }

    /// The string as an ASCII string; every character must be one.
    public fun to_ascii(self: String): ascii::String {
        ascii::string(into_bytes(self))
    }

    /// The bytes, taken out.
    public fun into_bytes(self: String): vector<u8> {
        let String { bytes } = self;
        bytes
    }

    public fun is_empty(self: &String): bool {
        vector::is_empty(&self.bytes)
    }

    /// The number of bytes.
    public fun length(self: &String): u64 {
        vector::length(&self.bytes)
    }

    /// Adds `other` at the end.
    public fun append(self: &mut String, other: String) {
        vector::append(&mut self.bytes, other.bytes)
    }

    /// Adds bytes, which must be valid UTF-8, at the end.
    public fun append_utf8(self: &mut String, bytes: vector<u8>) {
        append(self, utf8(bytes))
    }

    /// Puts `other` at byte `at`.
    public fun insert(self: &mut String, at: u64, other: String) {
        let bytes = &self.bytes;
        assert!(at <= vector::length(bytes) && internal_is_char_boundary(bytes, at), EINVALID_INDEX);
        let len = vector::length(bytes);
        let text = sub_string(self, 0, at);
        let tail = sub_string(self, at, len);
        append(&mut text, other);
        append(&mut text, tail);
        *self = text;
    }

    /// The bytes from `i` up to, not including, `j`.
    public fun sub_string(self: &String, i: u64, j: u64): String {
        let bytes = &self.bytes;
        assert!(
            j <= vector::length(bytes)
                && i <= j
                && internal_is_char_boundary(bytes, i)
                && internal_is_char_boundary(bytes, j),
            EINVALID_INDEX
        );
        String { bytes: internal_sub_string(bytes, i, j) }
    }

    /// As `sub_string`.
    public fun substring(self: &String, i: u64, j: u64): String {
        sub_string(self, i, j)
    }

    /// The byte index of the first occurrence of `other`, or the length when there is none.
    public fun index_of(self: &String, other: &String): u64 {
        internal_index_of(&self.bytes, &other.bytes)
    }

    native fun internal_check_utf8(bytes: &vector<u8>): bool;

    native fun internal_is_char_boundary(bytes: &vector<u8>, i: u64): bool;

    native fun internal_sub_string(bytes: &vector<u8>, i: u64, j: u64): vector<u8>;

    native fun internal_index_of(bytes: &vector<u8>, pattern: &vector<u8>): u64;
}
