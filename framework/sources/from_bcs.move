/// Reads BCS bytes as values of types that carry no authority.
module aptos_std::from_bcs {
    use std::string::{Self, String};

    friend aptos_framework::code;
    friend aptos_std::any;
    friend aptos_std::copyable_any;
    friend noema::model;

    /// The bytes are not the BCS of the wanted type.
    const EINVALID_BYTES: u64 = 0x10001;
    /// The bytes are not valid UTF-8.
    const EINVALID_UTF8: u64 = 0x10002;

    public fun to_bool(v: vector<u8>): bool { from_bytes<bool>(v) }

    public fun to_u8(v: vector<u8>): u8 { from_bytes<u8>(v) }

    public fun to_u16(v: vector<u8>): u16 { from_bytes<u16>(v) }

    public fun to_u32(v: vector<u8>): u32 { from_bytes<u32>(v) }

    public fun to_u64(v: vector<u8>): u64 { from_bytes<u64>(v) }

    public fun to_u128(v: vector<u8>): u128 { from_bytes<u128>(v) }

    public fun to_u256(v: vector<u8>): u256 { from_bytes<u256>(v) }

    public fun to_address(v: vector<u8>): address { from_bytes<address>(v) }

    public fun to_bytes(v: vector<u8>): vector<u8> { from_bytes<vector<u8>>(v) }

    public fun to_string(v: vector<u8>): String {
        // Through the bytes, so that a string that is not UTF-8 never exists.
        let text = string::try_utf8(from_bytes<vector<u8>>(v));
        assert!(std::option::is_some(&text), EINVALID_UTF8);
        std::option::destroy_some(text)
    }

    /// Reads any type. Only for friends: it could forge values that other modules guard. Aborts with
    /// `EINVALID_BYTES`; strings inside are checked to be UTF-8.
    public(friend) native fun from_bytes<T>(bytes: vector<u8>): T;
}
