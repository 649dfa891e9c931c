#[test_only]
module std::vector_tests {
    use std::vector;

    struct Hard has store { n: u64 }

    fun numbers(n: u64): vector<u64> {
        vector::range(0, n)
    }

    #[test]
    fun push_pop_and_length() {
        let v = vector::empty<u64>();
        assert!(vector::is_empty(&v), 0);
        vector::push_back(&mut v, 7);
        vector::push_back(&mut v, 8);
        assert!(vector::length(&v) == 2, 1);
        assert!(*vector::borrow(&v, 0) == 7, 2);
        *vector::borrow_mut(&mut v, 0) = 9;
        assert!(vector::pop_back(&mut v) == 8, 3);
        assert!(vector::pop_back(&mut v) == 9, 4);
        vector::destroy_empty(v);
    }

    #[test]
    fun elements_without_abilities() {
        let v = vector::singleton(Hard { n: 1 });
        vector::push_back(&mut v, Hard { n: 2 });
        vector::reverse(&mut v);
        let Hard { n } = vector::remove(&mut v, 0);
        assert!(n == 2, 0);
        let Hard { n } = vector::pop_back(&mut v);
        assert!(n == 1, 1);
        vector::destroy_empty(v);
    }

    #[test]
    fun reverse_of_every_length() {
        let i = 0;
        while (i < 6) {
            let v = numbers(i);
            vector::reverse(&mut v);
            let j = 0;
            while (j < i) {
                assert!(*vector::borrow(&v, j) == i - 1 - j, 0);
                j = j + 1;
            };
            i = i + 1;
        };
        let v = numbers(6);
        vector::reverse_slice(&mut v, 1, 4);
        assert!(v == vector[0, 3, 2, 1, 4, 5], 1);
    }

    #[test]
    fun append_keeps_order() {
        let v = vector[1, 2];
        vector::append(&mut v, vector[3, 4, 5]);
        assert!(v == vector[1, 2, 3, 4, 5], 0);
        vector::append(&mut v, vector[]);
        assert!(vector::length(&v) == 5, 1);
        vector::reverse_append(&mut v, vector[6, 7]);
        assert!(v == vector[1, 2, 3, 4, 5, 7, 6], 2);
    }

    #[test]
    fun trim_splits() {
        let v = numbers(5);
        assert!(vector::trim(&mut v, 2) == vector[2, 3, 4], 0);
        assert!(v == vector[0, 1], 1);
        assert!(vector::trim_reverse(&mut v, 0) == vector[1, 0], 2);
        assert!(vector::is_empty(&v), 3);
    }

    #[test]
    fun finds() {
        let v = vector[3, 1, 4, 1];
        assert!(vector::contains(&v, &4), 0);
        assert!(!vector::contains(&v, &9), 1);
        let (found, i) = vector::index_of(&v, &1);
        assert!(found && i == 1, 2);
        let (found, i) = vector::index_of(&v, &9);
        assert!(!found && i == 0, 3);
    }

    #[test]
    fun insert_remove_replace() {
        let v = vector[1, 2, 3];
        vector::insert(&mut v, 0, 9);
        vector::insert(&mut v, 4, 8);
        vector::insert(&mut v, 2, 7);
        assert!(v == vector[9, 1, 7, 2, 3, 8], 0);
        assert!(vector::remove(&mut v, 2) == 7, 1);
        assert!(vector::remove(&mut v, 4) == 8, 2);
        assert!(vector::swap_remove(&mut v, 0) == 9, 3);
        assert!(v == vector[3, 1, 2], 4);
        assert!(vector::replace(&mut v, 1, 5) == 1, 5);
        assert!(v == vector[3, 5, 2], 6);
        assert!(vector::remove_value(&mut v, &5) == vector[5], 7);
        assert!(vector::remove_value(&mut v, &5) == vector[], 8);
    }

    #[test]
    fun slice_and_rotate() {
        let v = numbers(6);
        assert!(vector::slice(&v, 1, 4) == vector[1, 2, 3], 0);
        assert!(vector::slice(&v, 6, 6) == vector[], 1);
        assert!(vector::rotate(&mut v, 2) == 4, 2);
        assert!(v == vector[2, 3, 4, 5, 0, 1], 3);
    }

    #[test]
    fun methods_and_index() {
        let v = vector[1, 2, 3];
        v.push_back(4);
        assert!(v.length() == 4, 0);
        v[0] = 10;
        v[1] += 5;
        assert!(v[0] + v[1] == 17, 1);
        v.swap(0, 3);
        assert!(v == vector[4, 7, 3, 10], 2);
    }

    #[test]
    #[expected_failure(vector_error, minor_status = 1, location = Self)]
    fun borrow_out_of_range() {
        vector::borrow(&vector[1u64], 1);
    }

    #[test]
    #[expected_failure(vector_error, minor_status = 1, location = Self)]
    fun swap_out_of_range() {
        vector::swap(&mut vector::empty<u8>(), 0, 0);
    }

    #[test]
    #[expected_failure(vector_error, minor_status = 2, location = Self)]
    fun pop_of_empty() {
        vector::pop_back(&mut vector::empty<u8>());
    }

    #[test]
    #[expected_failure(vector_error, minor_status = 3, location = Self)]
    fun destroy_of_full() {
        vector::destroy_empty(vector[1u8]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun remove_out_of_range() {
        vector::remove(&mut vector[1u8], 1);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun insert_out_of_range() {
        vector::insert(&mut vector[1u8], 2, 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x20001, location = std::vector)]
    fun slice_out_of_range() {
        vector::slice(&vector[1u8], 0, 2);
    }
}
