/// What the running transaction knows about itself.
module aptos_framework::transaction_context {
    /// The transaction's hash; 32 zero bytes outside a transaction.
    native public fun get_transaction_hash(): vector<u8>;

    /// A new address that no other call ever gets: SHA3-256 of the transaction hash, a per-transaction counter (u64)
    /// and the byte 0xFB.
    native public fun generate_auid_address(): address;
}
