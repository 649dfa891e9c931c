/// Binary Canonical Serialisation of Move values.
module std::bcs {
    /// The BCS bytes of a value.
    native public fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;

    /// How many bytes `to_bytes` gives.
    native public fun serialized_size<MoveValue>(v: &MoveValue): u64;
}
