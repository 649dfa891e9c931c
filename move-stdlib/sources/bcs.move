/// Binary Canonical Serialisation: values to bytes, and bytes to values piece by piece.
///
///     let bcs = bcs::new(bytes);
///     let (id, tags) = (bcs.peel_u64(), bcs.peel_vec!(|bcs| bcs.peel_vec_u8()));
///     assert!(bcs.into_remainder_bytes().is_empty());
module std::bcs {
    use std::option::{Self, Option};

    /// The bytes end inside a value.
    const EOUT_OF_RANGE: u64 = 0;
    /// A byte that should be a bool is neither 0 nor 1.
    const ENOT_BOOL: u64 = 1;
    /// A length is above u32, or not in its shortest form.
    const ELEN_OUT_OF_RANGE: u64 = 2;

    /// What is left to read, last byte first.
    struct BCS has copy, drop, store {
        bytes: vector<u8>
    }

    /// The BCS bytes of a value.
    native public fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;

    /// How many bytes `to_bytes` gives.
    native public fun serialized_size<MoveValue>(v: &MoveValue): u64;

    /// How many bytes `to_bytes` gives for every value of the type, if that is one number.
    native public fun constant_serialized_size<MoveValue>(): Option<u64>;

    /// A reader of these bytes.
    public fun new(bytes: vector<u8>): BCS {
        bytes.reverse();
        BCS { bytes }
    }

    /// What has not been read.
    public fun into_remainder_bytes(self: BCS): vector<u8> {
        let BCS { bytes } = self;
        bytes.reverse();
        bytes
    }

    /// Reads `n` bytes as they are.
    public fun peel_bytes(self: &mut BCS, n: u64): vector<u8> {
        let len = self.bytes.length();
        assert!(n <= len, EOUT_OF_RANGE);
        self.bytes.trim_reverse(len - n)
    }

    /// Reads an `address`.
    public fun peel_address(self: &mut BCS): address {
        address_from(self.peel_bytes(32))
    }

    /// Reads a `bool`.
    public fun peel_bool(self: &mut BCS): bool {
        let byte = self.peel_u8();
        assert!(byte <= 1, ENOT_BOOL);
        byte == 1
    }

    /// Reads a `u8`.
    public fun peel_u8(self: &mut BCS): u8 {
        assert!(!self.bytes.is_empty(), EOUT_OF_RANGE);
        self.bytes.pop_back()
    }

    /// Reads a `u16`.
    public fun peel_u16(self: &mut BCS): u16 {
        let value: u16 = 0;
        let bytes = self.peel_bytes(2);
        // The last byte is the most significant one.
        bytes.for_each_reverse(|byte| value = (value << 8) | (byte as u16));
        value
    }

    /// Reads a `u32`.
    public fun peel_u32(self: &mut BCS): u32 {
        let value: u32 = 0;
        let bytes = self.peel_bytes(4);
        // The last byte is the most significant one.
        bytes.for_each_reverse(|byte| value = (value << 8) | (byte as u32));
        value
    }

    /// Reads a `u64`.
    public fun peel_u64(self: &mut BCS): u64 {
        let value: u64 = 0;
        let bytes = self.peel_bytes(8);
        // The last byte is the most significant one.
        bytes.for_each_reverse(|byte| value = (value << 8) | (byte as u64));
        value
    }

    /// Reads a `u128`.
    public fun peel_u128(self: &mut BCS): u128 {
        let value: u128 = 0;
        let bytes = self.peel_bytes(16);
        // The last byte is the most significant one.
        bytes.for_each_reverse(|byte| value = (value << 8) | (byte as u128));
        value
    }

    /// Reads a `u256`.
    public fun peel_u256(self: &mut BCS): u256 {
        let value: u256 = 0;
        let bytes = self.peel_bytes(32);
        // The last byte is the most significant one.
        bytes.for_each_reverse(|byte| value = (value << 8) | (byte as u256));
        value
    }

    /// Reads the length of a vector, which comes before its elements.
    public fun peel_vec_length(self: &mut BCS): u64 {
        let length = 0u64;
        let shift = 0u8;
        loop {
            let byte = self.peel_u8();
            length = length | ((byte & 0x7F) as u64) << shift;
            if (byte < 0x80) {
                assert!(byte != 0 || shift == 0, ELEN_OUT_OF_RANGE);
                break
            };
            shift = shift + 7;
            assert!(shift < 35, ELEN_OUT_OF_RANGE);
        };
        assert!(length <= 0xFFFF_FFFF, ELEN_OUT_OF_RANGE);
        length
    }

    /// Reads the number of an enum's variant, which comes before its fields.
    public fun peel_enum_tag(self: &mut BCS): u32 {
        self.peel_vec_length() as u32
    }

    /// Reads a vector whose elements `peel` reads.
    public macro fun peel_vec<$T>($bcs: &mut BCS, $peel: |&mut BCS| -> $T): vector<$T> {
        let bcs = $bcs;
        let mut left = bcs.peel_vec_length();
        let mut elements = vector[];
        while (left > 0) {
            elements.push_back($peel(bcs));
            left = left - 1;
        };
        elements
    }

    /// Reads an option whose value `peel` reads.
    public macro fun peel_option<$T>($bcs: &mut BCS, $peel: |&mut BCS| -> $T): Option<$T> {
        let bcs = $bcs;
        if (bcs.peel_bool()) option::some($peel(bcs)) else option::none()
    }

    /// Reads a `vector<address>`.
    public fun peel_vec_address(self: &mut BCS): vector<address> {
        peel_vec!(self, |bcs| bcs.peel_address())
    }

    /// Reads a `vector<bool>`.
    public fun peel_vec_bool(self: &mut BCS): vector<bool> {
        peel_vec!(self, |bcs| bcs.peel_bool())
    }

    /// Reads a `vector<u8>`.
    public fun peel_vec_u8(self: &mut BCS): vector<u8> {
        let len = self.peel_vec_length();
        self.peel_bytes(len)
    }

    /// Reads a `vector<u16>`.
    public fun peel_vec_u16(self: &mut BCS): vector<u16> {
        peel_vec!(self, |bcs| bcs.peel_u16())
    }

    /// Reads a `vector<u32>`.
    public fun peel_vec_u32(self: &mut BCS): vector<u32> {
        peel_vec!(self, |bcs| bcs.peel_u32())
    }

    /// Reads a `vector<u64>`.
    public fun peel_vec_u64(self: &mut BCS): vector<u64> {
        peel_vec!(self, |bcs| bcs.peel_u64())
    }

    /// Reads a `vector<u128>`.
    public fun peel_vec_u128(self: &mut BCS): vector<u128> {
        peel_vec!(self, |bcs| bcs.peel_u128())
    }

    /// Reads a `vector<u256>`.
    public fun peel_vec_u256(self: &mut BCS): vector<u256> {
        peel_vec!(self, |bcs| bcs.peel_u256())
    }

    /// Reads a `vector<vector<u8>>`.
    public fun peel_vec_vec_u8(self: &mut BCS): vector<vector<u8>> {
        peel_vec!(self, |bcs| bcs.peel_vec_u8())
    }

    /// Reads an `Option<address>`.
    public fun peel_option_address(self: &mut BCS): Option<address> {
        peel_option!(self, |bcs| bcs.peel_address())
    }

    /// Reads an `Option<bool>`.
    public fun peel_option_bool(self: &mut BCS): Option<bool> {
        peel_option!(self, |bcs| bcs.peel_bool())
    }

    /// Reads an `Option<u8>`.
    public fun peel_option_u8(self: &mut BCS): Option<u8> {
        peel_option!(self, |bcs| bcs.peel_u8())
    }

    /// Reads an `Option<u16>`.
    public fun peel_option_u16(self: &mut BCS): Option<u16> {
        peel_option!(self, |bcs| bcs.peel_u16())
    }

    /// Reads an `Option<u32>`.
    public fun peel_option_u32(self: &mut BCS): Option<u32> {
        peel_option!(self, |bcs| bcs.peel_u32())
    }

    /// Reads an `Option<u64>`.
    public fun peel_option_u64(self: &mut BCS): Option<u64> {
        peel_option!(self, |bcs| bcs.peel_u64())
    }

    /// Reads an `Option<u128>`.
    public fun peel_option_u128(self: &mut BCS): Option<u128> {
        peel_option!(self, |bcs| bcs.peel_u128())
    }

    /// Reads an `Option<u256>`.
    public fun peel_option_u256(self: &mut BCS): Option<u256> {
        peel_option!(self, |bcs| bcs.peel_u256())
    }

    /// The address of 32 bytes.
    public(package) native fun address_from(bytes: vector<u8>): address;
}
