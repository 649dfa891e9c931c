#[test_only]
module std::vector_inline_tests {
    use std::vector;

    struct Hard has store { n: u64 }

    fun hard(n: u64): Hard {
        Hard { n }
    }

    fun soft(hard: Hard): u64 {
        let Hard { n } = hard;
        n
    }

    #[test]
    fun each_element_in_order() {
        let seen = vector[];
        vector[1, 2, 3].for_each(|x| seen.push_back(x));
        assert!(seen == vector[1, 2, 3]);
        vector[1, 2, 3].for_each_reverse(|x| seen.push_back(x));
        assert!(seen == vector[1, 2, 3, 3, 2, 1]);
        let sum = 0;
        vector[4, 5].for_each_ref(|x| sum = sum + *x);
        assert!(sum == 9);
        let v = vector[1, 2];
        v.for_each_mut(|x| *x = *x + 10);
        assert!(v == vector[11, 12]);
        vector::for_each(vector<u64>[], |_x| abort 1);
    }

    #[test]
    fun indices() {
        let seen = vector[];
        vector[7, 8].enumerate_ref(|i, x| seen.push_back(i * 10 + *x));
        assert!(seen == vector[7, 18]);
        let v = vector[7, 8];
        v.enumerate_mut(|i, x| *x = i);
        assert!(v == vector[0, 1]);
    }

    #[test]
    fun pairs() {
        let seen = vector[];
        vector[1, 2].zip(vector[10, 20], |a, b| seen.push_back(a + b));
        assert!(seen == vector[11, 22]);
        vector[1, 2].zip_reverse(vector[10, 20], |a, b| seen.push_back(a + b));
        assert!(seen == vector[11, 22, 22, 11]);
        let sum = 0;
        vector[1, 2].zip_ref(&vector[3, 4], |a, b| sum = sum + *a * *b);
        assert!(sum == 11);
        let (v, w) = (vector[1, 2], vector[3, 4]);
        v.zip_mut(&mut w, |a, b| {
            *a = *a + *b;
            *b = 0;
        });
        assert!(v == vector[4, 6] && w == vector[0, 0]);
        assert!(vector[1, 2].zip_map(vector[true, false], |a, b| if (b) a else 0) == vector[1, 0]);
        assert!(vector[1, 2].zip_map_ref(&vector[3, 4], |a, b| *a + *b) == vector[4, 6]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20002, location = Self)]
    fun zip_of_two_lengths() {
        vector[1].zip(vector[1, 2], |_a, _b| ());
    }

    #[test]
    #[expected_failure(abort_code = 0x20002, location = Self)]
    fun zip_ref_of_two_lengths() {
        vector[1].zip_ref(&vector[1, 2], |_a, _b| ());
    }

    #[test]
    #[expected_failure(abort_code = 0x20002, location = Self)]
    fun zip_mut_of_two_lengths() {
        vector[1].zip_mut(&mut vector[1, 2], |_a, _b| ());
    }

    #[test]
    fun mapped() {
        assert!(vector[1, 2, 3].map(|x| x * 2) == vector[2, 4, 6]);
        assert!(vector[1, 2, 3].map_ref(|x| *x == 2) == vector[false, true, false]);
        // Neither side needs abilities.
        let hard = vector[1, 2].map(|n| hard(n));
        assert!(hard.map(|h| soft(h)) == vector[1, 2]);
        // The caller's own variables are the lambda's.
        let v = vector[1, 2];
        let self = 100;
        assert!(v.map(|x| x + self) == vector[101, 102]);
    }

    #[test]
    fun folded() {
        assert!(vector[1, 2, 3].fold(100, |total, x| total - x) == 94);
        assert!(vector[b"a", b"b"].fold(b"", |total, x| {
            total.append(x);
            total
        }) == b"ab");
        // 1 - (2 - (3 - 0)) with room above zero
        assert!(vector[10, 4, 3].foldr(0, |x, total| x - total) == 9);
    }

    #[test]
    fun chosen() {
        assert!(vector[1, 2, 3, 4].filter(|x| *x % 2 == 0) == vector[2, 4]);
        let (found, at) = vector[5, 6, 7].find(|x| *x > 5);
        assert!(found && at == 1);
        let (found, at) = vector[5].find(|x| *x > 5);
        assert!(!found && at == 0);
        assert!(vector[1, 2].any(|x| *x == 2) && !vector[1, 2].any(|x| *x == 3) && !vector<u8>[].any(|_x| true));
        assert!(vector[1, 2].all(|x| *x < 3) && !vector[1, 2].all(|x| *x < 2) && vector<u8>[].all(|_x| false));
    }

    #[test]
    fun parted() {
        let v = vector[1, 2, 3, 4, 5, 6];
        assert!(v.partition(|x| *x % 3 == 0) == 2);
        assert!(v.slice(0, 2) == vector[3, 6]);
        let v = vector[1, 2, 3, 4, 5, 6];
        assert!(v.stable_partition(|x| *x % 2 == 0) == 3);
        assert!(v == vector[2, 4, 6, 1, 3, 5]);
        let v = vector<u64>[];
        assert!(v.stable_partition(|_x| true) == 0 && v.partition(|_x| true) == 0);
    }

    #[test]
    fun sorted() {
        let v = vector<u64>[];
        v.sort_by(|a, b| *a <= *b);
        let v = vector[3, 1, 2, 1, 0, 9, 5];
        v.sort_by(|a, b| *a <= *b);
        assert!(v == vector[0, 1, 1, 2, 3, 5, 9]);
        v.sort_by(|a, b| *a >= *b);
        assert!(v == vector[9, 5, 3, 2, 1, 1, 0]);
        // Equal ones keep their order: by tens only.
        let v = vector[21, 13, 12, 25, 11, 24];
        v.sort_by(|a, b| *a / 10 <= *b / 10);
        assert!(v == vector[13, 12, 11, 21, 25, 24]);
        // Elements are moved, not copied.
        let hard = vector[3, 1, 2].map(|n| hard(n));
        hard.sort_by(|a, b| a.n <= b.n);
        assert!(hard.map(|h| soft(h)) == vector[1, 2, 3]);
    }

    #[test]
    fun destroyed() {
        let sum = 0;
        vector[hard(1), hard(2)].destroy(|h| sum = sum * 10 + soft(h));
        assert!(sum == 21);
    }

    #[test]
    fun arranged() {
        let v = vector[10, 11, 12, 13];
        v.arrange(vector[2, 0, 3, 1]);
        assert!(v == vector[12, 10, 13, 11]);
        v.arrange(vector[0, 1, 2, 3]);
        assert!(v == vector[12, 10, 13, 11]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::vector)]
    fun order_with_a_gap() {
        vector[1, 2].arrange(vector[1, 1]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::vector)]
    fun order_outside() {
        vector[1, 2].arrange(vector[1, 2]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20004, location = std::vector)]
    fun order_of_another_length() {
        vector[1, 2].arrange(vector[0]);
    }

    #[test]
    fun moved_ranges() {
        let (v, w) = (vector[1, 2, 3, 4], vector[10, 20]);
        v.move_range(1, 2, &mut w, 1);
        assert!(v == vector[1, 4] && w == vector[10, 2, 3, 20]);
        v.move_range(2, 0, &mut w, 4);
        assert!(v == vector[1, 4] && w == vector[10, 2, 3, 20]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun range_past_the_end() {
        vector[1].move_range(0, 2, &mut vector[], 0);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun range_to_nowhere() {
        vector[1].move_range(0, 1, &mut vector[], 1);
    }

    #[test]
    fun rotations_of_parts() {
        let v = vector[0, 1, 2, 3, 4, 5];
        assert!(v.rotate_slice(1, 2, 5) == 4);
        assert!(v == vector[0, 2, 3, 4, 1, 5]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun rotation_past_the_end() {
        vector[1, 2].rotate_slice(0, 1, 3);
    }

    #[test]
    fun ranges_with_steps() {
        assert!(vector::range_with_step(1, 8, 3) == vector[1, 4, 7]);
        assert!(vector::range_with_step(1, 7, 3) == vector[1, 4]);
        assert!(vector::range_with_step(5, 5, 1) == vector[]);
        let max = std::u64::max_value!();
        assert!(vector::range_with_step(max - 1, max, 5) == vector[max - 1]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20003, location = std::vector)]
    fun step_of_zero() {
        vector::range_with_step(1, 8, 0);
    }

    #[test]
    fun parts() {
        assert!(vector[vector[1], vector[], vector[2, 3]].flatten() == vector[1, 2, 3]);
        assert!(vector[1, 2, 3].take(2) == vector[1, 2] && vector[1, 2, 3].skip(2) == vector[3]);
        let v = vector[1, 2, 3];
        assert!(v.take_mut(1) == vector[1] && v == vector[2, 3]);
        assert!(v.skip_mut(1) == vector[3] && v == vector[2]);
    }

    #[test]
    #[expected_failure(abort_code = 0x20000, location = std::vector)]
    fun take_too_many() {
        vector[1].take(2);
    }

    #[test]
    fun texts() {
        assert!(b"ab".to_string() == std::string::utf8(b"ab"));
        assert!(b"ab".to_ascii_string() == std::ascii::string(b"ab"));
        assert!(x"ff".try_to_string().is_none() && x"ff".try_to_ascii_string().is_none());
    }
}
