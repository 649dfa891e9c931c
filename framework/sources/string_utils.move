/// Values as text: `42`, `@0x1`, `0x0a0b`, `"text"`, `[ 1, 2 ]`, `Some(1)`, `Name { field: 1 }`.
module aptos_std::string_utils {
    use std::string::{Self, String};

    /// There are more or fewer `{}` than values.
    const EARGS_MISMATCH: u64 = 1;
    /// A brace is neither part of `{}` nor doubled.
    const EINVALID_FORMAT: u64 = 2;

    const OPENING: u8 = 123;
    const CLOSING: u8 = 125;

    /// On one line, with the short names of types.
    public fun to_string<T>(s: &T): String {
        native_format(s, false, false, true, false)
    }

    /// As `to_string`, with all digits of addresses.
    public fun to_string_with_canonical_addresses<T>(s: &T): String {
        native_format(s, false, true, true, false)
    }

    /// As `to_string`, with the types of numbers: `1u8`.
    public fun to_string_with_integer_types<T>(s: &T): String {
        native_format(s, false, false, true, true)
    }

    /// On many lines, with the whole names of types.
    public fun debug_string<T>(s: &T): String {
        native_format(s, true, false, false, false)
    }

    /// The text `fmt` with its `{}` replaced by a value, and `{{` and `}}` by one brace.
    public fun format1<T0: drop>(fmt: &vector<u8>, a: T0): String {
        fill(fmt, vector[to_string(&a)])
    }

    /// As `format1`, with two values.
    public fun format2<T0: drop, T1: drop>(fmt: &vector<u8>, a: T0, b: T1): String {
        fill(fmt, vector[to_string(&a), to_string(&b)])
    }

    /// As `format1`, with three values.
    public fun format3<T0: drop, T1: drop, T2: drop>(fmt: &vector<u8>, a: T0, b: T1, c: T2): String {
        fill(fmt, vector[to_string(&a), to_string(&b), to_string(&c)])
    }

    /// As `format1`, with four values.
    public fun format4<T0: drop, T1: drop, T2: drop, T3: drop>(
        fmt: &vector<u8>, a: T0, b: T1, c: T2, d: T3
    ): String {
        fill(fmt, vector[to_string(&a), to_string(&b), to_string(&c), to_string(&d)])
    }

    fun fill(fmt: &vector<u8>, values: vector<String>): String {
        values.reverse();
        let text = vector[];
        let i = 0;
        let len = fmt.length();
        while (i < len) {
            let byte = fmt[i];
            if (byte != OPENING && byte != CLOSING) {
                text.push_back(byte);
                i = i + 1;
            } else {
                assert!(i + 1 < len, EINVALID_FORMAT);
                let next = fmt[i + 1];
                if (next == byte) {
                    text.push_back(byte);
                } else {
                    assert!(byte == OPENING && next == CLOSING, EINVALID_FORMAT);
                    assert!(!values.is_empty(), EARGS_MISMATCH);
                    text.append(values.pop_back().into_bytes());
                };
                i = i + 2;
            }
        };
        assert!(values.is_empty(), EARGS_MISMATCH);
        string::utf8(text)
    }

    native fun native_format<T>(
        s: &T, type_tag: bool, canonicalize: bool, single_line: bool, include_int_types: bool
    ): String;
}
