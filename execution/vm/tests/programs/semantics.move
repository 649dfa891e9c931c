// Programs whose results the official compiler and machine gave; the numbers are those of the list of traps.
module 0x42::order {
    struct S has copy, drop { v: u64 }
    struct P has copy, drop { a: u64, b: u64 }

    struct Owner has copy, drop { v: u64, all: vector<u64> }

    fun bump(x: &mut u64): u64 { *x = *x + 1; *x }
    fun pair(a: u64, b: u64): u64 { a * 100 + b }
    fun fails(code: u64): u64 { abort code }

    // 1
    public fun local(): u64 { let x = 1; x + { x = 10; x } }
    public fun field(): u64 { let s = S { v: 1 }; s.v + { s.v = 5; s.v } }
    public fun field_of_what_is_moved(): u64 {
        let s = Owner { v: 10, all: vector[15] };
        s.v + { let Owner { v: _, all } = s; all[0] }
    }
    public fun through_reference(): u64 { let x = 1; let p = &mut x; *p + { *p = 3; *p } }
    public fun arguments(): u64 { let x = 1; pair(x, { x = 7; x }) }
    public fun less(): bool { let x = 1; x < { x = 0; x + 5 } }
    public fun equal(): bool { let x = 1; x == { x = 0; x + 1 } }
    // 2
    public fun call(): u64 { let x = 1; x + bump(&mut x) }
    // 3
    public fun pack(): u64 { let x = 0; let p = P { b: bump(&mut x), a: bump(&mut x) }; p.a * 10 + p.b }
    // 4
    public fun right_side_first() {
        let x = 0;
        let v = vector[0, 0];
        *(&mut v[bump(&mut x)]) = bump(&mut x);
    }
    public fun place_after_value(): u64 { let p = P { a: 1, b: 2 }; p.a = { p = P { a: 9, b: 0 }; p.a + 1 }; p.a }
    public fun abort_before_index() { let v = vector[0]; *(&mut v[5]) = fails(2); }
    // 5
    public fun swap(): u64 { let (a, b) = (1, 2); (a, b) = (b, a); a * 10 + b }
    // 6
    public fun lazy_code() { let zero = 0; assert!(zero == 0, 1 / zero); }
    public fun eager_code() { let x = 5; assert!(x == 0, bump(&mut x)); }
    public fun short_circuit(): bool { let zero = 0; (zero == 0 || 1 / zero == 0) && !(zero == 1 && 1 / zero == 0) }
    // 7
    public fun first_operand_fails(): u64 { let zero = 0; (1 / zero) + fails(2) }
    public fun first_argument_fails(): u64 { pair(fails(1), fails(2)) }
    // 8
    public fun literals(): u64 { let x = 0; let v = vector[bump(&mut x), bump(&mut x)]; v[0] * 10 + v[1] }
    // 9
    public fun condition_block(): u64 { let i = 0; while ({ i = i + 1; i < 10 }) {}; i }
}

module 0x42::numbers {
    fun zero(): u64 { 0 }
    public fun add(): u8 { 255 + one() }
    fun one(): u8 { 1 }
    public fun sub(): u64 { zero() - 1 }
    public fun mul(): u64 { 0xFFFFFFFFFFFFFFFF * (zero() + 2) }
    public fun div(): u64 { 1 / zero() }
    public fun modulo(): u64 { 1 % zero() }
    public fun shift_by_width(): u8 { 1u8 << 8 }
    public fun narrow(): u8 { (zero() + 300) as u8 }
    public fun shift_drops(): bool { 3u64 << 63 == 1u64 << 63 }
    public fun shift_u256(): bool { 1u256 << 255 >> 255 == 1 }
    // 12: left to run time.
    public fun folded_add(): u8 { 255u8 + 1 }
    public fun folded_cast(): u8 { 300u64 as u8 }
    // 13
    public fun digits(): u64 { 1_000 + (0xFF_FFu64 - 65_535) }
    // 15, 16
    public fun precedence(): bool {
        1 << 2 + 1 == 8u64 && 6 & 3 << 1 == 6u64 && 1 | 2 & 3 == 3u64 && 1 & 3 == 1u64 && 2 + 3 * 4 == 14u64
    }
}

module 0x42::flow {
    // 17
    public fun braced_if(c: bool): u64 { if (c) { 1 } else { 2 } + 3 }
    public fun bare_if(c: bool): u64 { if (c) 1 else 2 + 3 }
    // 20
    public fun shadow(): u64 { let x = 1; let x = x + 1; { let x = 50; x; }; x }
    // 21
    public fun function_scope(): u64 { let r = { let y = 1; &y }; *r }
    // 22
    public fun released_at_once(): u64 {
        let z = 9;
        let r = &z;
        let i = 0;
        while (i < 3) { let y = i; r = &y; i = i + 1; };
        *r
    }
    public fun nested_loops(): u64 {
        let (i, s) = (0, 0);
        while (i < 5) {
            let j = 0;
            loop { if (j == i) break; if (j == 3) { j = j + 1; continue }; s = s + j; j = j + 1; };
            i = i + 1;
        };
        s
    }
}

module 0x42::data {
    use std::vector;
    struct In has copy, drop { v: vector<u64> }
    struct Out has copy, drop { a: In, b: vector<In> }

    // 28
    public fun deep_copy(): u64 {
        let a = vector[vector[1], vector[2]];
        let b = a;
        *(&mut a[0][0]) = 7;
        b[0][0] * 10 + a[0][0]
    }
    public fun structural_equality(): bool {
        let make = Out { a: In { v: vector[1] }, b: vector[In { v: vector[] }] };
        let other = Out { a: In { v: vector[1] }, b: vector[In { v: vector[] }] };
        let same = &make == &other;
        vector::push_back(&mut other.b[0].v, 1);
        same && make != other
    }
    // 40
    public fun index(): u64 { let v = vector[1]; v[1] }
    public fun pop(): u64 { let v = vector<u64>[]; vector::pop_back(&mut v) }
    public fun destroy() { let v = vector[1]; vector::destroy_empty(v) }
    public fun swap_empty() { let v = vector<u64>[]; vector::swap(&mut v, 0, 0) }
    public fun swap_same(): u64 { let v = vector[4]; vector::swap(&mut v, 0, 0); v[0] }
    // 41
    struct NoDrop {}
    public fun destroy_without_drop() { let v = vector<NoDrop>[]; vector::destroy_empty(v) }
    // 42
    public fun option_set() { let o = std::option::some(1); std::option::fill(&mut o, 2); }
    public fun option_unset(): u64 { std::option::extract(&mut std::option::none<u64>()) }
    public fun bad_utf8() { std::string::utf8(vector[0xffu8]); }
    // 44
    public fun index_in_index(): u64 { let v = vector[5, 0, 6]; v[v[1]] }
}

module 0x42::frames {
    // 43
    public fun down(n: u64): u64 { if (n == 0) 0 else down(n - 1) }
    public fun ones(n: u64): u64 { if (n == 0) 0 else 1 + (1 + ones(n - 1)) }
}

module 0x42::store {
    struct R has key, drop { v: u64 }
    struct G<phantom T> has key { v: u64 }

    public fun put(s: &signer, v: u64) { move_to(s, R { v }) }
    public fun get(a: address): u64 acquires R { borrow_global<R>(a).v }
    public fun take(a: address): u64 acquires R { let R { v } = move_from<R>(a); v }
    public fun twice(s: &signer) { put(s, 1); put(s, 2) }
    public fun cycle(s: &signer): u64 acquires R {
        put(s, 1);
        let a = std::signer::address_of(s);
        let r = borrow_global_mut<R>(a);
        r.v = r.v + 5;
        let seen = get(a) * 100 + take(a);
        if (exists<R>(a)) 0 else seen
    }
    public fun phantoms(s: &signer): bool {
        let a = std::signer::address_of(s);
        move_to(s, G<u8> { v: 1 });
        let before = exists<G<u64>>(a);
        move_to(s, G<u64> { v: 2 });
        !before && exists<G<u8>>(a) && exists<G<u64>>(a)
    }
}
