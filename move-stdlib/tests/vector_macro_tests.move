#[test_only]
module std::vector_macro_tests;

use std::vector;

public struct Hard has store { n: u64 }

fun soft(hard: Hard): u64 {
    let Hard { n } = hard;
    n
}

#[test]
fun each_element_in_order() {
    let mut seen = vector[];
    vector[1, 2, 3].do!(|x| seen.push_back(x));
    vector[1, 2].destroy!(|x| seen.push_back(x));
    assert!(seen == vector[1, 2, 3, 2, 1]);
    let mut sum = 0;
    vector[4, 5].do_ref!(|x| sum = sum + *x);
    assert!(sum == 9);
    let mut v = vector[1, 2];
    v.do_mut!(|x| *x = *x + 10);
    assert!(v == vector[11, 12]);
    // What the lambda returns is dropped.
    vector[1, 2].do!(|x| x + 1);
    vector[Hard { n: 1 }].destroy!(|h| soft(h));
}

#[test]
fun made() {
    assert!(vector::tabulate!(4, |i| i * i) == vector[0, 1, 4, 9]);
    assert!(vector[1, 2, 3].map!(|x| x * 2) == vector[2, 4, 6]);
    assert!(vector[1, 2].map_ref!(|x| *x == 2) == vector[false, true]);
    assert!(vector[1, 2, 3, 4].filter!(|x| *x % 2 == 0) == vector[2, 4]);
    let (even, odd) = vector[1, 2, 3].partition!(|x| *x % 2 == 0);
    assert!(even == vector[2] && odd == vector[1, 3]);
    assert!(vector[1, 2, 3].fold!(100, |total, x| total - x) == 94);
}

#[test]
fun found() {
    assert!(vector[5, 6, 7].find_index!(|x| *x > 5) == option::some(1));
    assert!(vector[5].find_index!(|x| *x > 5) == option::none());
    assert!(vector[5, 6, 7].find_indices!(|x| *x != 6) == vector[0, 2]);
    assert!(vector[5, 6, 7].count!(|x| *x != 6) == 2);
    assert!(vector[1, 2].any!(|x| *x == 2) && !vector[1, 2].any!(|x| *x == 3));
    assert!(vector[1, 2].all!(|x| *x < 3) && !vector[1, 2].all!(|x| *x < 2));
}

#[test]
fun pairs() {
    let mut seen = vector[];
    vector[1, 2].zip_do!(vector[10, 20], |a, b| seen.push_back(a + b));
    vector[1, 2].zip_do_reverse!(vector[10, 20], |a, b| seen.push_back(a + b));
    assert!(seen == vector[11, 22, 22, 11]);
    let mut sum = 0;
    vector[1, 2].zip_do_ref!(&vector[3, 4], |a, b| sum = sum + *a * *b);
    assert!(sum == 11);
    let (mut v, mut w) = (vector[1, 2], vector[3, 4]);
    v.zip_do_mut!(&mut w, |a, b| {
        *a = *a + *b;
        *b = 0;
    });
    assert!(v == vector[4, 6] && w == vector[0, 0]);
    assert!(vector[1, 2].zip_map!(vector[3, 4], |a, b| a * b) == vector[3, 8]);
    assert!(vector[1, 2].zip_map_ref!(&vector[3, 4], |a, b| *a + *b) == vector[4, 6]);
}

#[test]
#[expected_failure(abort_code = 0x20002, location = Self)]
fun pairs_of_two_lengths() {
    vector[1].zip_do!(vector[1, 2], |_a, _b| ());
}

#[test]
#[expected_failure(abort_code = 0x20002, location = Self)]
fun references_of_two_lengths() {
    vector[1].zip_do_ref!(&vector[1, 2], |_a, _b| ());
}

#[test]
#[expected_failure(abort_code = 0x20002, location = Self)]
fun mutable_references_of_two_lengths() {
    vector[1].zip_do_mut!(&mut vector[1, 2], |_a, _b| ());
}

#[test]
fun sorted() {
    let mut v = vector[21, 13, 12, 25, 11, 24];
    v.insertion_sort_by!(|a, b| *a / 10 <= *b / 10);
    assert!(v == vector[13, 12, 11, 21, 25, 24]);
    assert!(!v.is_sorted_by!(|a, b| *a <= *b));
    v.merge_sort_by!(|a, b| *a <= *b);
    assert!(v == vector[11, 12, 13, 21, 24, 25]);
    assert!(v.is_sorted_by!(|a, b| *a <= *b));
    assert!(vector<u8>[].is_sorted_by!(|_a, _b| false));
}

#[test]
fun beginnings() {
    assert!(vector[1, 2, 9, 1].take_while!(|x| *x < 5) == vector[1, 2]);
    assert!(vector[1, 2, 9, 1].skip_while!(|x| *x < 5) == vector[9, 1]);
    assert!(vector[1].take_while!(|x| *x < 5) == vector[1] && vector[1].skip_while!(|x| *x < 5) == vector[]);
}

#[test]
fun arguments_are_evaluated_once() {
    let mut calls = 0;
    {
        calls = calls + 1;
        vector[1, 2, 3]
    }.map!(|x| x).do!(|_x| ());
    assert!(calls == 1);
}
