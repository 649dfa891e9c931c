/// Cryptographic hash functions. What their names end with is the number of bits of the result.
module std::hash {
    /// SHA2-256 (FIPS 180-4).
    native public fun sha2_256(data: vector<u8>): vector<u8>;

    /// SHA2-512 (FIPS 180-4).
    native public fun sha2_512(data: vector<u8>): vector<u8>;

    /// SHA3-256 (FIPS 202).
    native public fun sha3_256(data: vector<u8>): vector<u8>;

    /// SHA3-512 (FIPS 202).
    native public fun sha3_512(data: vector<u8>): vector<u8>;

    /// Keccak-256: SHA3 with its first padding, as Ethereum has it.
    native public fun keccak256(data: vector<u8>): vector<u8>;

    /// BLAKE2b with a result of 32 bytes (RFC 7693).
    native public fun blake2b_256(data: vector<u8>): vector<u8>;

    /// RIPEMD-160: 20 bytes.
    native public fun ripemd160(data: vector<u8>): vector<u8>;

    /// SipHash-2-4 with the key zero, for tables: collisions can be made on purpose.
    native public fun sip_hash(data: vector<u8>): u64;
}
