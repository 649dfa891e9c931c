/// Pure functions that two compilers translate and one virtual machine runs.
module peer::peer;

use std::vector;

public struct Point has copy, drop { x: u64, y: u64 }

public struct Box<T> has copy, drop { value: T }

public fun fib(n: u64): u64 { if (n < 2) n else fib(n - 1) + fib(n - 2) }

public fun dot(n: u64): u64 {
    let mut points = vector::empty<Point>();
    let mut i = 0;
    while (i < n) { vector::push_back(&mut points, Point { x: i, y: i * 2 }); i = i + 1; };
    let mut sum = 0;
    let mut j = 0;
    while (j < vector::length(&points)) {
        let point = vector::borrow(&points, j);
        sum = sum + point.x * point.y;
        j = j + 1;
    };
    sum
}

public fun sort(n: u64): u64 {
    let mut values = vector::empty<u64>();
    let mut i = 0;
    let mut x = 12345;
    while (i < n) { x = (x * 1103515245 + 12345) % 2147483648; vector::push_back(&mut values, x); i = i + 1; };
    let mut k = 1;
    while (k < n) {
        let mut j = k;
        while (j > 0 && *vector::borrow(&values, j - 1) > *vector::borrow(&values, j)) {
            vector::swap(&mut values, j - 1, j);
            j = j - 1;
        };
        k = k + 1;
    };
    *vector::borrow(&values, n / 2)
}

public fun order(x: u64): u64 {
    let mut y = x;
    y + { y = 10; y }
}

public fun wide(n: u64): u256 {
    let mut a: u256 = 1;
    let mut i = 0;
    while (i < n) {
        a = (a * 6364136223846793005 + 1442695040888963407) % 340282366920938463463374607431768211297;
        i = i + 1;
    };
    a
}

fun unbox<T: copy + drop>(box: &Box<T>): T { box.value }

public fun generic(n: u64): u64 {
    let boxed = Box { value: Box { value: n } };
    let inner = unbox(&boxed);
    inner.value + unbox(&inner)
}

public fun labels(n: u64): u64 {
    let mut i = 0;
    loop {
        i = i + 1;
        if (i % 2 == 0) continue;
        if (i > n) break;
    };
    i
}

public fun divide(a: u64, b: u64): u64 { a / b }

public fun guarded(n: u64): u64 {
    assert!(n < 5, 42);
    n
}
