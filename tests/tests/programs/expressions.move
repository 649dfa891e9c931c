module 0x42::r {
    use std::vector;
    use std::option;
    struct P has copy, drop, store { a: u64, b: u64 }
    struct N { v: u64 }
    struct Q<T> has copy, drop { x: T, y: vector<T> }
    enum E has copy, drop { A, B(u64), C { x: u64, y: bool } }
    enum L<T> has copy, drop { Nil, One(T), Two(T, T) }
    fun bump(p: &mut u64): u64 { *p = *p + 1; *p }
    fun pair(a: u64, b: u64): u64 { a * 100 + b }
    fun three(a: u64, b: u64, c: u64): u64 { a * 10000 + b * 100 + c }
    inline fun fold(v: &vector<u64>, init: u64, f: |u64, u64| u64): u64 { let acc = init; let i = 0; while (i < v.length()) { acc = f(acc, v[i]); i = i + 1; }; acc }
    inline fun early(x: u64): u64 { if (x > 5) return 0; x * 2 }
    macro fun while_less($i: u64, $n: u64, $f: |u64|) { let n = $n; let mut i = $i; while (i < n) { $f(i); i = i + 1; } }

    public fun t1_11(): u64 { let x = 1; x + { x = 10; x } }
    public fun t2_12(): u64 { let x = 1; pair(x, if (x == 1) { x = 5; 2 } else 3) - 90 }
    public fun t3_10203(): u64 { let x = 0; three(bump(&mut x), if (x == 1) bump(&mut x) else 9, { let y = bump(&mut x); y }) }
    public fun t4_6(): u64 { fold(&vector[1, 2, 3], 0, |a, b| a + b) }
    public fun t5_24(): u64 { let k = 2; fold(&vector[1, 2, 3], 0, |a, b| { let k2 = k * 2; a + b * k2 }) }
    public fun t6_6(): u64 { early(3) + early(9) }
    public fun t7_10(): u64 { let s = 0; while_less!(0, 5, |i| s = s + i); s }
    public fun t8_7(): u64 { let e = E::B(7); match (e) { E::A => 0, E::B(x) if (*x > 10) => 1, E::B(x) => x, E::C { x, .. } => x } }
    public fun t9_1(): u64 { let e = E::B(17); match (e) { E::A => 0, E::B(x) if (*x > 10) => 1, E::B(x) => x, E::C { x, .. } => x } }
    public fun t10_9(): u64 { let e = E::B(1); match (&mut e) { E::B(x) => *x = 9, _ => {} }; match (&e) { E::B(x) => *x, _ => 0 } }
    public fun t11_5(): u64 { let e = E::C { x: 5, y: true }; match (&e) { E::C { x, y: false } => *x + 100, E::C { x, y: _ } => *x, _ => 0 } }
    public fun t12_3(): u64 { match (L::Two(1u64, 2)) { L::Nil => 0, L::One(x) => x, L::Two(x, y) => x + y } }
    public fun t13_21(): u64 { match (E::C { x: 21, y: false }) { E::B(x) | E::C { x, .. } => x, E::A => 1 } }
    public fun t14_132(): u64 { let n = 0; let i = 0; while (i < 4) { n = n * 10 + (match (i) { 0 => 1, 1 | 2 => { if (i == 1) 3 else 2 }, _ => 0 }); i = i + 1; }; n / 10 }
    public fun t15_2(): u64 { let e = E::B(1); let n = 0; if (e is E::B) n = n + 1; if (e is E::A | E::B) n = n + 1; if (e is E::A) n = n + 100; n }
    public fun t16_45(): u64 { let s = 0; for (i in 0..10) { s += i }; s }
    public fun t17_20(): u64 { let s = 0; for (i in 0..10) { if (i % 2 == 1) continue; s += i; if (i == 8) break; }; s }
    public fun t18_4(): u64 { 'o: loop { loop { break 'o 4 } } }
    public fun t19_5(): u64 { 'b: { return 'b 5; 6 } }
    public fun t20_13(): u64 { let v = vector[1, 2, 3]; v[1] += 5; v[2] *= v[0] + 1; v[1] + v[2] }
    public fun t21_21(): u64 { let p = P { b: 1, a: 2 }; let P { a, b } = p; (a, b) = (b, a); b * 10 + a }
    public fun t22_30(): u64 { let (a, b) = if (true) (10, 20) else (1, 2); a + b }
    public fun t23_8(): u64 { let x = 1; let y = 2; let r = if (x < y) &mut x else &mut y; *r = 5; *r += 1; x + y }
    public fun t24_3(): u64 { let q = Q { x: 1u64, y: vector[1, 2, 3] }; let w = q; w.y.push_back(9); q.y.length() }
    public fun t25_4(): u64 { let o = option::some(4u64); if (o.is_some()) o.extract() else 0 }
    public fun t26_15(): u64 { let x = 10; x -= { x = 20; 5 }; x }
    public fun t27_6(): u64 { let v = vector::empty<N>(); v.push_back(N { v: 1 }); v.push_back(N { v: 5 }); let s = 0; while (!v.is_empty()) { let N { v: n } = v.pop_back(); s = s + n; }; v.destroy_empty(); s }
    public fun t28_2(): u64 { let i = 0; let z = 9; let r = &z; while (i < 3) { let y = i; r = &y; i = i + 1; }; *r }
    public fun t29_111(): u64 { let a = true; let b = false; let n = 0; if (a && !b) n = n + 1; if (a || { n = n + 1000; true }) n = n + 10; if (!(b || !a)) n = n + 100; n }
    public fun t30_7(): u64 { let c = (1 < 2) && { let x = 3; x == 3 }; if (c) 7 else 8 }
    public fun t31_1(): u64 { let x = 5u8; (x as u64) - 4 }
    public fun t32_12(): u64 { let v = vector[vector[1, 2], vector[3, 4]]; v[0][1] = 9; v[0][1] + v[1][0] }
    public fun t33_18(): u64 { fold(&vector[1, 2], 0, |a, b| a + fold(&vector[b, b], 0, |c, d| c + d * 3)) }
    public fun t34_3(): u64 { let p = P { a: 1, b: 2 }; let r = &p; let P { a, b } = r; *a + *b }
    public fun t35_50(): u64 { let p = P { a: 1, b: 2 }; { let P { a, b } = &mut p; *a = 20; *b = 30; }; p.a + p.b }
    public fun t36_4(): u64 { let n = 0; 'o: while (n < 10) { let j = 0; while (true) { j = j + 1; if (j == 2) { n = n + 2; if (n == 4) break 'o; continue 'o } } }; n }
    public fun t37_7(): u64 { let x = loop { if (true) break 7; }; x }
    public fun t38_102(): u64 { let x = 1; pair(x, { x = 2; x }) }
    public fun t39_123(): u64 { let s = b"{"; (s[0] as u64) }
    public fun t40_1(): u64 { if (vector[1u8, 2] == vector[1u8, 2] && P { a: 1, b: 2 } != P { a: 2, b: 1 }) 1 else 0 }
    public fun t41_340282366920938463463374607431768211455(): u128 { 340282366920938463463374607431768211455 }
}
