#[test_only]
module std::option_tests {
    use std::option;
    use std::vector;

    #[test]
    fun none_and_some() {
        let none = option::none<u64>();
        assert!(option::is_none(&none) && !option::is_some(&none), 0);
        option::destroy_none(none);
        let some = option::some(3);
        assert!(option::is_some(&some) && !option::is_none(&some), 1);
        assert!(option::contains(&some, &3) && !option::contains(&some, &4), 2);
        assert!(*option::borrow(&some) == 3, 3);
        *option::borrow_mut(&mut some) = 4;
        assert!(option::destroy_some(some) == 4, 4);
    }

    #[test]
    fun defaults() {
        assert!(option::get_with_default(&option::none(), 5) == 5, 0);
        assert!(option::get_with_default(&option::some(3), 5) == 3, 1);
        assert!(*option::borrow_with_default(&option::none(), &5) == 5, 2);
        assert!(*option::borrow_with_default(&option::some(3), &5) == 3, 3);
        assert!(option::destroy_with_default(option::none(), 5) == 5, 4);
        assert!(option::destroy_with_default(option::some(3), 5) == 3, 5);
    }

    #[test]
    fun fill_swap_extract() {
        let o = option::none<u64>();
        option::fill(&mut o, 1);
        assert!(option::swap(&mut o, 2) == 1, 0);
        assert!(option::swap_or_fill(&mut o, 3) == option::some(2), 1);
        assert!(option::extract(&mut o) == 3, 2);
        assert!(option::swap_or_fill(&mut o, 4) == option::none(), 3);
        assert!(option::to_vec(o) == vector[4], 4);
    }

    #[test]
    fun vectors() {
        assert!(option::from_vec(vector::empty<u8>()) == option::none(), 0);
        assert!(option::from_vec(vector[1u8]) == option::some(1), 1);
        assert!(option::to_vec(option::none<u8>()) == vector[], 2);
    }

    #[test]
    fun methods() {
        let o = option::some(1u8);
        assert!(o.is_some(), 0);
        assert!(o.extract() == 1, 1);
        assert!(o.is_none(), 2);
    }

    #[test]
    #[expected_failure(abort_code = 0x40001, location = std::option)]
    fun borrow_of_none() {
        option::borrow(&option::none<u64>());
    }

    #[test]
    #[expected_failure(abort_code = 0x40001, location = std::option)]
    fun destroy_some_of_none() {
        option::destroy_some(option::none<u64>());
    }

    #[test]
    #[expected_failure(abort_code = 0x40000, location = std::option)]
    fun fill_of_some() {
        option::fill(&mut option::some(1u8), 2);
    }

    #[test]
    #[expected_failure(abort_code = 0x40000, location = std::option)]
    fun destroy_none_of_some() {
        option::destroy_none(option::some(1u8));
    }

    #[test]
    #[expected_failure(abort_code = 0x40002, location = std::option)]
    fun long_vector_is_no_option() {
        option::from_vec(vector[1u8, 2]);
    }
}
