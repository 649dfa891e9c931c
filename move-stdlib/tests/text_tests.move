#[test_only]
module std::text_tests {
    use std::ascii;
    use std::debug;
    use std::string;
    use std::type_name;

    struct Tagged<phantom T> {}

    #[test]
    fun ascii_strings() {
        let text = ascii::string(b"Hello");
        assert!(!text.is_empty() && ascii::string(b"").is_empty());
        text.append(ascii::string(b"!"));
        text.insert(5, ascii::string(b", World"));
        assert!(text == ascii::string(b"Hello, World!"));
        text.insert(13, ascii::string(b"?"));
        assert!(text.substring(7, 12) == ascii::string(b"World") && text.substring(2, 2).is_empty());
        assert!(text.index_of(&ascii::string(b"o")) == 4 && text.index_of(&ascii::string(b"World")) == 7);
        assert!(text.index_of(&ascii::string(b"x")) == 14 && text.index_of(&ascii::string(b"")) == 0);
        assert!(ascii::string(b"aZ@[`{").to_uppercase() == ascii::string(b"AZ@[`{"));
        assert!(ascii::string(b"aZ@[`{").to_lowercase() == ascii::string(b"az@[`{"));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::ascii)]
    fun ascii_insertion_behind_the_end() {
        ascii::string(b"a").insert(2, ascii::string(b"b"));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::ascii)]
    fun ascii_part_behind_the_end() {
        ascii::string(b"a").substring(1, 2);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = std::ascii)]
    fun ascii_part_that_ends_before_it_starts() {
        ascii::string(b"ab").substring(1, 0);
    }

    #[test]
    fun both_kinds_of_strings() {
        let text = string::from_ascii(ascii::string(b"abc"));
        assert!(text.as_bytes() == &b"abc" && text.substring(1, 3) == b"bc".to_string());
        assert!(text.to_ascii() == ascii::string(b"abc"));
    }

    #[test]
    #[expected_failure(abort_code = 0x10000, location = std::ascii)]
    fun not_ascii() {
        string::utf8(x"c3bc").to_ascii();
    }

    #[test]
    fun parts_of_type_names() {
        let name = type_name::get<Tagged<vector<string::String>>>();
        assert!(name == type_name::with_defining_ids<Tagged<vector<string::String>>>());
        assert!(name == type_name::with_original_ids<Tagged<vector<string::String>>>());
        assert!(name == type_name::get_with_original_ids<Tagged<vector<string::String>>>());
        assert!(!name.is_primitive());
        assert!(
            name.address_string()
                == ascii::string(b"0000000000000000000000000000000000000000000000000000000000000001")
        );
        assert!(name.module_string() == ascii::string(b"text_tests"));
        assert!(name.datatype_string() == ascii::string(b"Tagged<vector<0x1::string::String>>"));
        assert!(name.as_string() == name.borrow_string());
        assert!(type_name::get<u8>().is_primitive());
        assert!(type_name::get<vector<string::String>>().is_primitive());
    }

    #[test]
    #[expected_failure(abort_code = 0, location = std::type_name)]
    fun module_of_a_number() {
        type_name::get<u64>().module_string();
    }

    #[test]
    fun printing_changes_nothing() {
        debug::print(&vector[1, 2]);
        debug::print_stack_trace();
    }
}
