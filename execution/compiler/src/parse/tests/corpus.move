/// A module with everything in it. Ünïcode in comments is fine.
#[allow(unused_const)]
module 0x42::everything {
    use std::vector;
    use std::option::{Self, Option, some as just};
    use 0x1::{signer, string::{Self, String}, ascii as text};
    use fun double as u64.dbl;
    public use fun describe as S.to_text;
    friend 0x42::other;
    friend 0x42::third;

    /* a /* nested */ comment */
    const E_BAD: u64 = 1;
    const NAMES: vector<vector<u8>> = vector[b"a\n\x41", x"0aF0"];
    const A: address = @0x42;
    #[error]
    const E_TEXT: vector<u8> = b"it broke";
    const SUM: u64 = E_BAD + 2 * (3 as u64);

    /// Documented.
    struct S<phantom T, U: copy + drop> has key, store {
        /// A field.
        a: u64,
        b: vector<U>,
    }
    public struct Positional(u64, bool) has copy, drop;
    struct Late { x: u64 } has drop;
    struct Empty {}
    native struct Hidden has drop;

    #[event]
    struct Happened has drop, store { what: String }

    #[resource_group(scope = global)]
    struct Group {}
    #[resource_group_member(group = 0x42::everything::Group)]
    struct Member has key {}

    enum Shape<T> has drop {
        Dot,
        Circle(u64),
        Rect { w: u64, h: T },
        Braces {}
        Last
    }

    native fun secret<T>(x: &T): u64;
    native public fun other_secret();

    #[view]
    public fun get(addr: address): u64 acquires S, Late {
        borrow_global<S<u8, u8>>(addr).a
    }

    public(friend) fun a(): (u64, bool) { (1, true) }
    public(package) entry fun b(account: &signer, _x: u64) {}
    friend fun c() {}
    package fun d() {}
    inline fun each<T>(v: &vector<T>, f: |&T|) {
        let i = 0;
        while (i < v.length()) { f(&v[i]); i += 1 };
    }
    public inline fun fold(v: vector<u64>, f: |u64, u64| u64, g: |u64| -> u64 has copy + drop): u64 { f(1, g(2)) }
    macro fun twice<$T>($x: $T, $f: |$T| -> $T): $T { $f($f($x)) }

    fun for(type: u64, match: u64): u64 { let enum = type; let mut = match; mut + enum }
    fun loops(n: u64): u64 {
        let mut total = 0;
        for (i in 0..n) { total = total + i };
        for (i in 0..n + 1) total += i;
        'outer: loop {
            'inner: while (true) {
                if (total > 3) break 'outer;
                continue 'inner
            };
            break
        };
        let x = 'b: { if (n == 0) return 'b 5; 6 };
        let y = loop { break 7 };
        while ({ total = total + 1; total < 10 }) {};
        total >>= 1u8; total <<= 2; total -= 1; total *= 3; total /= 2; total %= 7; total |= 1; total &= 3; total ^= 1;
        x + y
    }

    fun patterns(s: S<u8, u8>): u64 {
        let S { a, b: mut bytes } = s;
        let S<u8, u8> { a: first, .. } = s;
        let Positional(p, ..) = make();
        let Positional(.., q) = make();
        let (x, mut y, _): (u64, u64, bool) = (1, 2, false);
        let z: u64;
        (x, y) = (y, x);
        S { a, b: bytes } = s;
        S { a, .. } = s;
        Positional(x, ..) = make();
        _ = 3;
        z = 1;
        s.a = 1;
        *&mut s.a = 2;
        v[i] = 3;
        v[i].x[j].0 = 4;
        let () = ();
        a
    }

    fun matches(e: Shape<u64>): u64 {
        match (e) {
            Shape::Dot => 0,
            Shape::Circle(r) if (*r > 5) => *r,
            Shape::Circle(_) | Shape::Braces {} => 1,
            Shape::Rect { w, h: mut h } => { w * h }
            whole @ Shape::Last => 4,
            everything::Shape::Last => 4,
            0x42::everything::Shape::Last => 4,
            Shape<u64>::Last => 5,
            _ => abort,
        }
    }

    fun numbers(x: u8): u64 {
        match (x) { 0 | 1 => 1, n @ (2 | 3) => n, E_BAD => 4, true => 5, _ => 6 }
    }

    fun expressions(x: u64, r: &mut u64): u64 {
        let a = x as u64 < 3;
        let b = v[x as u64] + 1;
        let c = ((2 + a) as u64);
        let d = x as u64 + 1;
        let e = *r + *&x - x%2;
        let f = a < b && c > d || !a == b;
        let g = x >> 2 >= 3;
        let h = f<vector<vector<u8>>>(x) + m::f::<u8>(x) + 0x1::m::f<u8, u8>(x);
        let i = vector[1, 2, 3];
        let j = vector<u64>[];
        let k = S<u8, u8> { a: 1, b: vector[] };
        let l = everything::S { a, b };
        let m = Shape::Rect { w: 1, h: 2 };
        let n = Shape<u64>::Circle(3);
        let o = if (x < 3) { 1 } else { 2 } + 3;
        let p = if (x < 3) 1 else 2 + 3;
        let q = (x: u64);
        let s = e is Shape::Dot | Shape::Last;
        let t = S<u8, u8>[@0x1].a;
        let u = &mut S[addr];
        let w = x.f<u64>(1).g().h.0.i::<u8>(2);
        let y = for_each!(v, |x| x + 1);
        let z = twice!<u64>(x, |x: u64, (y, _): (u64, u64)| -> u64 { x });
        let aa = v.map!(|x| x).fold!(0, |a, b| a + b);
        let bb = || 3;
        let cc = (f)(1);
        let dd = @std;
        let ee = (copy x) + (move x) + copy x;
        let ff = "text with ünïcode";
        let gg = -x;
        let hh = 5i64;
        let ii: |u64| u64 = |x| x;
        assert!(x > 3, E_BAD);
        assert!(x > 3);
        abort E_BAD
    }

    fun casts(x: u64, y: u64): bool { x as u64 < y }

    spec expressions { pragma opaque; ensures result ==> (forall x: u64: x >= 0); }
    spec module { invariant true; }
    spec fun helper(x: u64): u64;
    spec schema Sch<T> { aborts_if false; }
    fun with_spec() { let i = 0; while ({ spec { invariant i < 3; }; i < 3 }) { i = i + 1 }; spec { assert true; }; }

    #[test(a = @0x1, b = @std), expected_failure(abort_code = E_BAD, location = Self)]
    fun a_test(a: &signer, b: signer) {}
    #[test, expected_failure(abort_code = 0x42::everything::E_BAD)]
    fun b_test() {}
    #[test_only]
    use std::debug;
    fun `fun`(`struct`: u64): u64 { `struct` }
}

spec 0x42::everything { spec get { pragma verify = false; } }

address 0x43 {
    module one { public fun f() {} }
    /// Second.
    module two {}
}

script {
    use std::debug;
    const C: u64 = 1;
    fun main<T>(account: signer, x: u64) { debug::print(&x) }
}

module std::label;
public fun f() {}
#[test_only]
module 0x1::second_label;
fun g(): u64 { 1 }
