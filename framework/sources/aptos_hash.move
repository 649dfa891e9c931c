/// Hash functions beside those that `std::hash` had first, under the names that Aptos has them by.
module aptos_std::aptos_hash {
    use std::bcs;
    use std::hash;

    /// SipHash-2-4 with the key zero: for tables, not for security.
    public fun sip_hash(bytes: vector<u8>): u64 {
        hash::sip_hash(bytes)
    }

    /// `sip_hash` of a value's BCS bytes.
    public fun sip_hash_from_value<MoveValue>(v: &MoveValue): u64 {
        hash::sip_hash(bcs::to_bytes(v))
    }

    /// Keccak-256, as Ethereum has it.
    public fun keccak256(bytes: vector<u8>): vector<u8> {
        hash::keccak256(bytes)
    }

    /// SHA2-512.
    public fun sha2_512(bytes: vector<u8>): vector<u8> {
        hash::sha2_512(bytes)
    }

    /// SHA3-512.
    public fun sha3_512(bytes: vector<u8>): vector<u8> {
        hash::sha3_512(bytes)
    }

    /// RIPEMD-160: 20 bytes. Its margin against collisions is small.
    public fun ripemd160(bytes: vector<u8>): vector<u8> {
        hash::ripemd160(bytes)
    }

    /// BLAKE2b with a result of 32 bytes.
    public fun blake2b_256(bytes: vector<u8>): vector<u8> {
        hash::blake2b_256(bytes)
    }
}
