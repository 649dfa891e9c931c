/// Cryptographic hash functions with results of 32 bytes.
module std::hash {
    /// SHA2-256.
    native public fun sha2_256(data: vector<u8>): vector<u8>;

    /// SHA3-256.
    native public fun sha3_256(data: vector<u8>): vector<u8>;
}
