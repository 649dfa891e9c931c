#[test_only]
module std::ascii_tests {
    use std::ascii;
    use std::option;

    #[test]
    fun every_byte() {
        let i = 0u64;
        while (i < 256) {
            let byte = (i as u8);
            assert!(ascii::is_valid_char(byte) == (i < 128), 0);
            assert!(ascii::is_printable_char(byte) == (i >= 32 && i < 127), 1);
            assert!(option::is_some(&ascii::try_string(std::vector::singleton(byte))) == (i < 128), 2);
            i = i + 1;
        }
    }

    #[test]
    fun push_and_pop() {
        let s = ascii::string(b"ab");
        ascii::push_char(&mut s, ascii::char(0x63));
        assert!(ascii::length(&s) == 3, 0);
        assert!(ascii::as_bytes(&s) == &b"abc", 1);
        assert!(ascii::all_characters_printable(&s), 2);
        assert!(ascii::byte(ascii::pop_char(&mut s)) == 0x63, 3);
        ascii::push_char(&mut s, ascii::char(0x0A));
        assert!(!ascii::all_characters_printable(&s), 4);
        assert!(ascii::into_bytes(s) == x"61620a", 5);
    }

    #[test]
    #[expected_failure(abort_code = 0x10000, location = std::ascii)]
    fun char_above_ascii() {
        ascii::char(0x80);
    }

    #[test]
    #[expected_failure(abort_code = 0x10000, location = std::ascii)]
    fun string_above_ascii() {
        ascii::string(x"6180");
    }
}
