/// Vectors of bits with a fixed length.
module std::bit_vector {
    use std::vector;

    /// The index is not below the length.
    const EINDEX: u64 = 0x20000;
    /// The length is zero or too large.
    const ELENGTH: u64 = 0x20001;

    const MAX_SIZE: u64 = 1024;

    struct BitVector has copy, drop, store {
        length: u64,
        bit_field: vector<bool>
    }

    /// A vector of `length` zeros, 1 to 1,024.
    public fun new(length: u64): BitVector {
        assert!(length > 0 && length <= MAX_SIZE, ELENGTH);
        let bit_field = vector::empty();
        let i = 0;
        while (i < length) {
            vector::push_back(&mut bit_field, false);
            i = i + 1;
        };
        BitVector { length, bit_field }
    }

    public fun set(self: &mut BitVector, bit_index: u64) {
        assert!(bit_index < length(self), EINDEX);
        *vector::borrow_mut(&mut self.bit_field, bit_index) = true;
    }

    public fun unset(self: &mut BitVector, bit_index: u64) {
        assert!(bit_index < length(self), EINDEX);
        *vector::borrow_mut(&mut self.bit_field, bit_index) = false;
    }

    /// Moves every bit `amount` places towards index 0; zeros come in at the end.
    public fun shift_left(self: &mut BitVector, amount: u64) {
        let len = self.length;
        let i = 0;
        while (i < len) {
            let bit = if (amount < len - i) *vector::borrow(&self.bit_field, i + amount) else false;
            *vector::borrow_mut(&mut self.bit_field, i) = bit;
            i = i + 1;
        }
    }

    public fun is_index_set(self: &BitVector, bit_index: u64): bool {
        assert!(bit_index < length(self), EINDEX);
        *vector::borrow(&self.bit_field, bit_index)
    }

    public fun length(self: &BitVector): u64 {
        vector::length(&self.bit_field)
    }

    /// How many set bits follow one another from `start_index` on.
    public fun longest_set_sequence_starting_at(self: &BitVector, start_index: u64): u64 {
        assert!(start_index < self.length, EINDEX);
        let index = start_index;
        while (index < self.length && is_index_set(self, index)) {
            index = index + 1;
        };
        index - start_index
    }
}
