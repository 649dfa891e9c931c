#[test_only]
module aptos_std::container_tests {
    use std::option;
    use std::vector;
    use aptos_std::big_vector;
    use aptos_std::smart_table::{Self, SmartTable};
    use aptos_std::smart_vector::{Self, SmartVector};
    use aptos_std::table_with_length;

    /// The numbers below `n`, two of them in the ordinary vector and three in a bucket.
    fun smart(n: u64): SmartVector<u64> {
        let v = smart_vector::empty_with_config(2, 3);
        v.add_all(vector::range(0, n));
        v
    }

    fun ended(v: SmartVector<u64>): vector<u64> {
        let all = v.to_vector();
        v.destroy();
        all
    }

    /// 100 items in small buckets.
    fun squares(): SmartTable<u64, u64> {
        let table = smart_table::new_with_config(3, 75, 4);
        vector::range(0, 100).for_each(|n| table.add(n, n * n));
        table
    }

    #[test]
    fun counted_tables() {
        let table = table_with_length::new<u64, u64>();
        assert!(table.empty() && table.length() == 0);
        table.add(1, 10);
        table.upsert(1, 11);
        table.upsert(2, 20);
        *table.borrow_mut_with_default(3, 30) = 31;
        *table.borrow_mut_with_default(3, 99) = 32;
        assert!(table.length() == 3 && !table.empty() && table.contains(3));
        assert!(*table.borrow(1) == 11 && *table.borrow_with_default(9, &5) == 5);
        *table.borrow_mut(2) = 21;
        assert!(table.remove(1) == 11 && table.remove(2) == 21 && table.remove(3) == 32);
        table.destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x30066, location = aptos_std::table_with_length)]
    fun tables_with_items_do_not_end() {
        let table = table_with_length::new<u64, u64>();
        table.add(1, 10);
        table.destroy_empty();
    }

    #[test]
    fun big_vectors() {
        let v = big_vector::singleton(0, 3);
        vector::range(1, 8).for_each(|n| v.push_back(n));
        assert!(v.length() == 8 && !v.is_empty() && *v.borrow(5) == 5);
        *v.borrow_mut(5) = 55;
        assert!(v.remove(1) == 1 && v.to_vector() == vector[0, 2, 3, 4, 55, 6, 7]);
        assert!(v.remove(6) == 7 && v.swap_remove(0) == 0 && v.swap_remove(4) == 55);
        assert!(v.to_vector() == vector[6, 2, 3, 4]);
        v.swap(0, 1);
        v.swap(3, 0);
        assert!(v.to_vector() == vector[4, 6, 3, 2]);
        v.reverse();
        assert!(v.to_vector() == vector[2, 3, 6, 4]);
        let (found, at) = v.index_of(&4);
        assert!(found && at == 3 && v.contains(&6) && !v.contains(&9));
        let w = big_vector::empty(2);
        w.push_back(7);
        v.append(w);
        assert!(v.pop_back() == 7 && v.pop_back() == 4 && v.pop_back() == 6 && v.pop_back() == 3);
        assert!(v.remove(0) == 2);
        v.destroy_empty();
        let v = big_vector::empty<u64>(2);
        vector::range(0, 5).for_each(|n| v.push_back(n));
        v.destroy();
    }

    #[test]
    fun removals_from_every_place() {
        vector::range(0, 8).for_each(|i| {
            let v = big_vector::empty(3);
            vector::range(0, 8).for_each(|n| v.push_back(n));
            let expected = vector::range(0, 8);
            assert!(v.remove(i) == expected.remove(i));
            assert!(v.to_vector() == expected);
            // It still grows as it should.
            v.push_back(9);
            expected.push_back(9);
            assert!(v.to_vector() == expected);
            v.destroy();
        });
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::big_vector)]
    fun big_index_out_of_bounds() {
        let v = big_vector::singleton(0u8, 3);
        v.borrow(1);
        v.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::big_vector)]
    fun big_vectors_with_elements_do_not_end() {
        big_vector::singleton(0u8, 3).destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x30003, location = aptos_std::big_vector)]
    fun big_pop_of_nothing() {
        let v = big_vector::empty<u8>(1);
        v.pop_back();
        v.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::big_vector)]
    fun buckets_of_nothing() {
        big_vector::empty<u8>(0).destroy();
    }

    #[test]
    fun smart_vectors() {
        vector::range(0, 10).for_each(|n| {
            let v = smart(n);
            assert!(v.length() == n && v.is_empty() == (n == 0));
            vector::range(0, n).for_each(|i| assert!(*v.borrow(i) == i));
            v.for_each_mut(|e| *e = *e + 1);
            assert!(ended(v) == vector::range(1, n + 1));
        });
        let v = smart(6);
        *v.borrow_mut(1) = 11;
        *v.borrow_mut(4) = 44;
        assert!(v.contains(&11) && v.contains(&44) && !v.contains(&4));
        let (found, at) = v.index_of(&44);
        assert!(found && at == 4);
        let (found, at) = v.index_of(&99);
        assert!(!found && at == 0);
        v.swap(0, 1);
        v.swap(5, 0);
        v.swap(2, 4);
        assert!(v.to_vector() == vector[5, 0, 44, 3, 2, 11]);
        v.reverse();
        assert!(v.to_vector() == vector[11, 2, 3, 44, 0, 5]);
        v.append(smart(3));
        assert!(v.pop_back() == 2);
        v.clear();
        assert!(v.is_empty());
        v.push_back(1);
        assert!(v.pop_back() == 1);
        v.destroy_empty();
        assert!(ended(smart_vector::singleton(7)) == vector[7]);
        assert!(smart_vector::empty<u64>().into_vector() == vector[]);
    }

    #[test]
    fun smart_removals_from_every_place() {
        vector::range(1, 9).for_each(|n| vector::range(0, n).for_each(|i| {
            let (v, expected) = (smart(n), vector::range(0, n));
            assert!(v.remove(i) == expected.remove(i));
            assert!(v.to_vector() == expected);
            v.push_back(77);
            expected.push_back(77);
            assert!(v.swap_remove(i) == expected.swap_remove(i));
            assert!(ended(v) == expected);
        }));
    }

    #[test]
    fun vectors_of_what_is_large_leave_soon() {
        let v = smart_vector::new();
        vector::range(0, 10).for_each(|_n| v.push_back(vector::range(0, 20)));
        assert!(v.length() == 10 && v.borrow(9).length() == 20);
        v.destroy();
    }

    #[test]
    fun smart_vectors_with_lambdas() {
        let seen = vector[];
        smart(4).for_each(|e| seen.push_back(e));
        smart(3).for_each_reverse(|e| seen.push_back(e));
        assert!(seen == vector[0, 1, 2, 3, 2, 1, 0]);
        let v = smart(4);
        let sum = 0;
        v.for_each_ref(|e| sum = sum + *e);
        v.enumerate_ref(|i, e| sum = sum + i * *e);
        assert!(sum == 6 + 14);
        v.enumerate_mut(|i, e| *e = *e + i);
        assert!(v.to_vector() == vector[0, 2, 4, 6]);
        assert!(ended(v.map_ref(|e| *e + 1)) == vector[1, 3, 5, 7]);
        assert!(ended(v.filter(|e| *e % 4 == 0)) == vector[0, 4]);
        assert!(ended(smart(3).map(|e| e * 10)) == vector[0, 10, 20]);
        assert!(smart(4).fold(0, |total, e| total * 10 + e) == 123);
        assert!(smart(4).foldr(0, |e, total| total * 10 + e) == 3210);
        smart(3).zip(smart(3), |a, b| assert!(a == b));
        let (v, w) = (smart(3), smart(3));
        v.zip_ref(&w, |a, b| assert!(a == b));
        v.destroy();
        w.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x20005, location = Self)]
    fun smart_vectors_of_two_lengths() {
        smart(3).zip(smart(4), |_a, _b| ());
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::smart_vector)]
    fun smart_index_out_of_bounds() {
        let v = smart(3);
        v.borrow(3);
        v.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::smart_vector)]
    fun smart_vectors_with_elements_do_not_end() {
        smart(1).destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x30003, location = aptos_std::smart_vector)]
    fun smart_pop_of_nothing() {
        let v = smart(0);
        v.pop_back();
        v.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::smart_vector)]
    fun smart_buckets_of_nothing() {
        smart_vector::empty_with_config<u8>(1, 0).destroy();
    }

    #[test]
    fun smart_tables_grow() {
        let table = squares();
        assert!(table.length() == 100 && table.num_buckets() > 25 && table.load_factor() < 100);
        vector::range(0, 100).for_each(|n| assert!(table.contains(n) && *table.borrow(n) == n * n));
        assert!(!table.contains(100) && *table.borrow_with_default(100, &7) == 7);
        let total = 0;
        table.for_each_ref(|key, value| total = total + *value - *key);
        assert!(total == 328350 - 4950);
        table.for_each_mut(|key, value| *value = *key);
        assert!(*table.borrow(50) == 50 && table.any(|_key, value| *value == 99) && !table.any(|_k, v| *v == 100));
        *table.borrow_mut(50) = 51;
        *table.borrow_mut_with_default(200, 1) = 2;
        *table.borrow_mut_with_default(200, 9) = 3;
        let more = *table.borrow(200) + 1;
        table.upsert(200, more);
        table.upsert(201, 5);
        assert!(table.remove(50) == 51 && table.remove(200) == 4 && table.length() == 100);
        let keys = table.keys();
        keys.sort_by(|a, b| *a <= *b);
        assert!(keys.length() == 100 && keys[0] == 0 && keys[99] == 201);
        assert!(*table.to_simple_map().borrow(&201) == 5);
        vector::range(0, 50).for_each(|n| {
            table.remove(n);
        });
        table.clear();
        assert!(table.length() == 0 && table.num_buckets() == 1 && !table.contains(60));
        table.add_all(vector[1, 2], vector[3, 4]);
        table.update_target_bucket_size(10);
        table.update_split_load_threshold(50);
        table.destroy();
        smart_table::new<u8, u8>().destroy_empty();
    }

    #[test]
    fun keys_page_by_page() {
        let table = squares();
        let (all, bucket, at) = table.keys_paginated(0, 0, 30);
        while (bucket.is_some()) {
            let (more, next_bucket, next_at) = table.keys_paginated(bucket.destroy_some(), at.destroy_some(), 30);
            all.append(more);
            (bucket, at) = (next_bucket, next_at);
        };
        all.sort_by(|a, b| *a <= *b);
        assert!(all == vector::range(0, 100));
        table.destroy();
        let table = smart_table::new<vector<u8>, bool>();
        table.add(b"key", true);
        let (keys, bucket, at) = table.keys_paginated(0, 0, 1);
        assert!(keys == vector[b"key"] && bucket == option::none() && at == option::none());
        table.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::smart_table)]
    fun smart_key_that_is_not_there() {
        let table = squares();
        table.borrow(100);
        table.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::smart_table)]
    fun smart_tables_with_items_do_not_end() {
        squares().destroy_empty();
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::smart_table)]
    fun smart_key_twice() {
        let table = squares();
        table.add(1, 1);
        table.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10005, location = aptos_std::smart_table)]
    fun threshold_above_100() {
        smart_table::new_with_config<u8, u8>(1, 101, 1).destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10005, location = aptos_std::smart_table)]
    fun threshold_of_zero() {
        let table = squares();
        table.update_split_load_threshold(0);
        table.destroy();
    }

    #[test]
    #[expected_failure(abort_code = 0x10006, location = aptos_std::smart_table)]
    fun buckets_for_nothing() {
        let table = squares();
        table.update_target_bucket_size(0);
        table.destroy();
    }
}
