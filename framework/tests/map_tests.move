#[test_only]
module aptos_std::map_tests {
    use std::option;
    use aptos_std::ordered_map::{Self, OrderedMap};
    use aptos_std::simple_map;

    struct Hard has store { n: u64 }

    fun three(): OrderedMap<u64, vector<u8>> {
        ordered_map::new_from(vector[300, 1, 20], vector[b"c", b"a", b"b"])
    }

    #[test]
    fun simple_maps_keep_the_order_of_insertion() {
        let map = simple_map::new_from(vector[3, 1], vector[b"c", b"a"]);
        map.add(2, b"b");
        assert!(map.length() == 3 && map.keys() == vector[3, 1, 2] && map.values() == vector[b"c", b"a", b"b"]);
        assert!(map.contains_key(&1) && !map.contains_key(&4));
        assert!(map.borrow(&3) == &b"c");
        *map.borrow_mut(&3) = b"C";
        let (key, value) = map.upsert(3, b"cc");
        assert!(key == option::some(3) && value == option::some(b"C"));
        let (key, value) = map.upsert(5, b"e");
        assert!(key == option::none() && value == option::none());
        let (key, value) = map.remove(&3);
        assert!(key == 3 && value == b"cc" && map.keys() == vector[5, 1, 2]);
        map.add_all(vector[7], vector[b"g"]);
        let (keys, values) = map.to_vec_pair();
        assert!(keys == vector[5, 1, 2, 7] && values == vector[b"e", b"a", b"b", b"g"]);
        simple_map::create<u8, u8>().destroy_empty();
        let sum = 0;
        let hard = simple_map::new_from(vector[1, 2], vector[Hard { n: 3 }, Hard { n: 4 }]);
        hard.destroy(|key| sum = sum + key, |value| {
            let Hard { n } = value;
            sum = sum + n;
        });
        assert!(sum == 10);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::simple_map)]
    fun simple_key_twice() {
        simple_map::new_from(vector[1, 1], vector[2, 2]);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::simple_map)]
    fun simple_key_that_is_not_there() {
        simple_map::new<u8, u8>().borrow(&1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::simple_map)]
    fun simple_key_that_is_not_there_to_remove() {
        simple_map::new<u8, u8>().remove(&1);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::simple_map)]
    fun simple_key_that_is_not_there_to_change() {
        simple_map::new<u8, u8>().borrow_mut(&1);
    }

    #[test]
    fun ordered_maps_are_ordered() {
        let map = three();
        assert!(map.keys() == vector[1, 20, 300] && map.values() == vector[b"a", b"b", b"c"] && map.length() == 3);
        // However a map came about, equal ones are equal.
        let other = ordered_map::new();
        other.add(20, b"b");
        other.add(1, b"a");
        assert!(other.upsert(300, b"x") == option::none());
        assert!(other.upsert(300, b"c") == option::some(b"x") && other == map);
        assert!(map.contains(&20) && !map.contains(&21) && !map.is_empty());
        *map.borrow_mut(&20) = b"B";
        assert!(map.borrow(&20) == &b"B" && map.get(&1) == option::some(b"a") && map.get(&2) == option::none());
        assert!(map.remove(&1) == b"a");
        assert!(map.remove_or_none(&1) == option::none() && map.remove_or_none(&20) == option::some(b"B"));
        map.remove(&300);
        assert!(map.is_empty());
        map.destroy_empty();
    }

    #[test]
    fun ordered_maps_with_lambdas() {
        let map = three();
        assert!(map.get_and_map(&20, |v| v.length()) == option::some(1));
        assert!(map.get_and_map(&21, |v| v.length()) == option::none());
        map.modify(&20, |v| v.push_back(33));
        assert!(map.modify_and_return(&20, |v| v.pop_back()) == 33);
        let seen = vector[];
        map.for_each_ref(|key, _value| seen.push_back(*key));
        map.for_each_mut(|key, value| if (key > 1) *value = b"new");
        assert!(map.values() == vector[b"a", b"new", b"new"]);
        map.for_each(|key, _value| seen.push_back(key));
        assert!(seen == vector[1, 20, 300, 1, 20, 300]);
        let sum = 0;
        ordered_map::new_from(vector[1], vector[Hard { n: 3 }]).destroy(|key| sum = sum + key, |value| {
            let Hard { n } = value;
            sum = sum + n;
        });
        assert!(sum == 4);
    }

    #[test]
    fun ends_and_neighbours() {
        let map = three();
        let (key, value) = map.borrow_front();
        assert!(*key == 1 && value == &b"a");
        let (key, value) = map.borrow_back();
        assert!(*key == 300 && value == &b"c");
        assert!(map.next_key(&1) == option::some(20) && map.next_key(&2) == option::some(20));
        assert!(map.next_key(&300) == option::none() && map.prev_key(&1) == option::none());
        assert!(map.prev_key(&20) == option::some(1) && map.prev_key(&999) == option::some(300));
        let (key, _) = map.pop_front();
        assert!(key == 1);
        let (key, _) = map.pop_back();
        assert!(key == 300 && map.length() == 1);
    }

    #[test]
    fun merged_and_cut() {
        let map = three();
        map.append(ordered_map::new_from(vector[5, 20, 400], vector[b"e", b"2", b"d"]));
        assert!(map.keys() == vector[1, 5, 20, 300, 400]);
        assert!(map.values() == vector[b"a", b"e", b"2", b"c", b"d"]);
        map.append_disjoint(ordered_map::new_from(vector[2], vector[b"z"]));
        map.append_disjoint(ordered_map::new());
        assert!(map.keys() == vector[1, 2, 5, 20, 300, 400]);
        let rest = map.trim(2);
        assert!(map.keys() == vector[1, 2] && rest.keys() == vector[5, 20, 300, 400]);
        map.add_all(vector[9, 8], vector[b"9", b"8"]);
        map.upsert_all(vector[9, 7], vector[b"99", b"7"]);
        assert!(map.keys() == vector[1, 2, 7, 8, 9] && map.borrow(&9) == &b"99");
        let (keys, values) = map.to_vec_pair();
        assert!(keys.length() == 5 && values.length() == 5);
    }

    #[test]
    fun keys_in_place() {
        let map = three();
        map.replace_key_inplace(&20, 21);
        map.replace_key_inplace(&1, 0);
        map.replace_key_inplace(&300, 301);
        assert!(map.keys() == vector[0, 21, 301] && map.values() == vector[b"a", b"b", b"c"]);
    }

    #[test]
    fun places() {
        let map = three();
        let begin = map.new_begin_iter();
        assert!(begin.iter_is_begin(&map) && !begin.iter_is_end(&map));
        assert!(*begin.iter_borrow_key(&map) == 1 && begin.iter_borrow(&map) == &b"a");
        let second = begin.iter_next(&map);
        assert!(*second.iter_borrow_key(&map) == 20 && second.iter_prev(&map) == begin);
        let end = map.new_end_iter();
        assert!(end.iter_is_end(&map) && *end.iter_prev(&map).iter_borrow_key(&map) == 300);
        assert!(second.iter_next(&map).iter_next(&map) == end);
        assert!(map.lower_bound(&20) == second && map.lower_bound(&2) == second && map.lower_bound(&301) == end);
        assert!(map.find(&20) == second && map.find(&21) == end);
        *second.iter_borrow_mut(&mut map) = b"B";
        assert!(second.iter_remove(&mut map) == b"B" && map.keys() == vector[1, 300]);
        let none = ordered_map::new<u8, u8>();
        assert!(none.new_begin_iter().iter_is_end(&none) && none.new_end_iter().iter_is_begin(&none));
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::ordered_map)]
    fun ordered_key_twice() {
        ordered_map::new_from(vector[1, 1], vector[2, 2]);
    }

    #[test]
    #[expected_failure(abort_code = 0x10001, location = aptos_std::ordered_map)]
    fun appended_key_twice() {
        three().append_disjoint(three());
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::ordered_map)]
    fun ordered_key_that_is_not_there() {
        three().borrow(&2);
    }

    #[test]
    #[expected_failure(abort_code = 0x10002, location = aptos_std::ordered_map)]
    fun ordered_key_that_is_not_there_to_remove() {
        three().remove(&2);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun front_of_nothing() {
        ordered_map::new<u8, u8>().borrow_front();
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun back_of_nothing() {
        ordered_map::new<u8, u8>().borrow_back();
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun pop_front_of_nothing() {
        ordered_map::new<u8, u8>().pop_front();
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun pop_back_of_nothing() {
        ordered_map::new<u8, u8>().pop_back();
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun behind_the_end() {
        let map = three();
        map.new_end_iter().iter_next(&map);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun before_the_begin() {
        let map = three();
        map.new_begin_iter().iter_prev(&map);
    }

    #[test]
    #[expected_failure(abort_code = 0x10003, location = aptos_std::ordered_map)]
    fun value_behind_the_end() {
        three().value_at_mut(3);
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::ordered_map)]
    fun key_past_its_neighbour() {
        three().replace_key_inplace(&20, 300);
    }

    #[test]
    #[expected_failure(abort_code = 0x10004, location = aptos_std::ordered_map)]
    fun key_before_its_neighbour() {
        three().replace_key_inplace(&20, 1);
    }
}
