/// Functions on `address`, also called as methods: `a.to_bytes()`.
module std::address {
    use std::ascii;
    use std::bcs;
    use std::string::{Self, String};

    /// Bytes of an address.
    const LENGTH: u64 = 32;

    /// The bytes or the text are no address.
    const EADDRESS_PARSE_ERROR: u64 = 0;

    /// The number of bytes of an address.
    public fun length(): u64 {
        LENGTH
    }

    /// The bytes, most significant first.
    public fun to_bytes(a: address): vector<u8> {
        bcs::to_bytes(&a)
    }

    /// The address of 32 bytes.
    public fun from_bytes(bytes: vector<u8>): address {
        assert!(bytes.length() == LENGTH, EADDRESS_PARSE_ERROR);
        bcs::address_from(bytes)
    }

    /// The address as a number.
    public fun to_u256(a: address): u256 {
        let number = 0;
        to_bytes(a).for_each(|byte| number = (number << 8) | (byte as u256));
        number
    }

    /// The address of a number.
    public fun from_u256(n: u256): address {
        let bytes = bcs::to_bytes(&n);
        bytes.reverse();
        from_bytes(bytes)
    }

    /// 64 hexadecimal digits, without `0x`.
    public fun to_ascii_string(a: address): ascii::String {
        let digits = vector[];
        to_bytes(a).for_each(|byte| {
            digits.push_back(digit(byte >> 4));
            digits.push_back(digit(byte & 15));
        });
        ascii::string(digits)
    }

    /// As `to_ascii_string`.
    public fun to_string(a: address): String {
        string::from_ascii(to_ascii_string(a))
    }

    /// The address of 64 hexadecimal digits, without `0x`.
    public fun from_ascii_bytes(digits: &vector<u8>): address {
        assert!(digits.length() == 2 * LENGTH, EADDRESS_PARSE_ERROR);
        let bytes = vector[];
        let i = 0;
        while (i < LENGTH) {
            bytes.push_back((value(digits[2 * i]) << 4) | value(digits[2 * i + 1]));
            i = i + 1;
        };
        from_bytes(bytes)
    }

    /// The largest address.
    public fun max(): u256 {
        std::u256::max_value!()
    }

    fun digit(value: u8): u8 {
        if (value < 10) 48 + value else 87 + value
    }

    fun value(digit: u8): u8 {
        if (digit >= 48 && digit <= 57) {
            digit - 48
        } else if (digit >= 65 && digit <= 70) {
            digit - 55
        } else {
            assert!(digit >= 97 && digit <= 102, EADDRESS_PARSE_ERROR);
            digit - 87
        }
    }
}
