#[test_only]
module std::string_tests {
    use std::option;
    use std::string;

    #[test]
    fun utf8_is_checked() {
        let s = string::utf8(x"e282ac61");
        assert!(string::length(&s) == 4, 0);
        assert!(string::bytes(&s) == &x"e282ac61", 1);
        assert!(option::is_none(&string::try_utf8(x"e282")), 2);
        assert!(option::is_some(&string::try_utf8(b"")), 3);
        // An overlong form, a surrogate, a value above U+10FFFF, a lone continuation byte.
        assert!(option::is_none(&string::try_utf8(x"c080")), 4);
        assert!(option::is_none(&string::try_utf8(x"eda080")), 5);
        assert!(option::is_none(&string::try_utf8(x"f4908080")), 6);
        assert!(option::is_none(&string::try_utf8(x"80")), 7);
    }

    #[test]
    fun append_insert_cut() {
        let s = string::utf8(b"abc");
        string::append(&mut s, string::utf8(b"def"));
        string::append_utf8(&mut s, x"e282ac");
        string::insert(&mut s, 1, string::utf8(b"--"));
        assert!(s == string::utf8(x"612d2d6263646566e282ac"), 0);
        assert!(string::sub_string(&s, 1, 3) == string::utf8(b"--"), 1);
        assert!(string::sub_string(&s, 8, 11) == string::utf8(x"e282ac"), 2);
        assert!(string::is_empty(&string::sub_string(&s, 11, 11)), 3);
        assert!(string::into_bytes(s) == x"612d2d6263646566e282ac", 4);
    }

    #[test]
    fun index_of_pattern() {
        let s = string::utf8(b"orange");
        assert!(string::index_of(&s, &string::utf8(b"ra")) == 1, 0);
        assert!(string::index_of(&s, &string::utf8(b"")) == 0, 1);
        assert!(string::index_of(&s, &string::utf8(b"xyz")) == 6, 2);
        assert!(string::index_of(&s, &string::utf8(b"oranges")) == 6, 3);
    }

    #[test]
    #[expected_failure(abort_code = 1, location = std::string)]
    fun invalid_utf8() {
        string::utf8(x"ff");
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::string)]
    fun cut_inside_a_character() {
        string::sub_string(&string::utf8(x"e282ac"), 0, 1);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::string)]
    fun cut_backwards() {
        string::sub_string(&string::utf8(b"abc"), 2, 1);
    }

    #[test]
    #[expected_failure(abort_code = 2, location = std::string)]
    fun insert_out_of_range() {
        string::insert(&mut string::utf8(b"abc"), 4, string::utf8(b""));
    }
}
