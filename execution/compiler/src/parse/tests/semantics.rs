//! Texts that implementations of the language disagree on: which of them are well-formed here.

use super::*;

/// Function bodies that parse, with the rule each one stands for.
const WELL_FORMED: &[(&str, &str)] = &[
    ("a block as right operand", "x + { x = 10; x }"),
    ("blocks in arguments", "f(x, { x = 7; x })"),
    ("comparison with a block", "x < { x = 0; 5 }"),
    ("borrow in an argument", "x + bump(&mut x)"),
    ("fields in any order", "S { b: next(), a: next() }"),
    ("assignment through an index", "*&mut v[bump(&mut x)] = bump(&mut x)"),
    ("abort as a value", "*&mut v[5] = abort 2"),
    ("swap", "(a, b) = (b, a)"),
    ("field targets in a tuple", "(p.a, x, _) = t"),
    ("unpacking assignment", "P { a, b: y } = p"),
    ("abort as an operand", "(1 / zero) + { abort 2 }"),
    ("abort in arguments", "f(abort 1, abort 2)"),
    ("effects in a condition", "while ({ i = i + 1; i < 10 }) {}"),
    ("overflow in a body is for run time", "let a = 255u8 + 1; let b = 1 << 64; let c = 300u64 as u8;"),
    ("a literal too large for its type is for typing", "let y: u8 = 256;"),
    ("no space around minus", "a -1"),
    ("break with a unit in while", "while (true) { break () }"),
    ("break with a value from an outer loop", "'o: loop { loop { break 'o 4 } }"),
    ("return to a labelled block", "let x = 'b: { return 'b 5; 6 };"),
    ("label reused inside", "'a: loop { 'a: loop { break 'a }; break 'a }"),
    ("let without a value", "let x; if (c) { x = 1 } else { x = 2 }; x"),
    ("dereferenced block", "let r = { let y = 1; &y }; *r"),
    ("conditional borrow", "let r = if (c) &mut x else &mut y; *r = 1;"),
    ("conditional borrow with braces", "*if (c) { &mut x } else { &mut y } = 1"),
    ("freeze and compare", "&mut x == &y"),
    ("method on a literal", "4u64.dbl() + 1"),
    ("field and method of one name", "s.get + s.get()"),
    ("element of element", "v[v[1]]"),
    ("field of element", "v[0].a = 7"),
    ("element", "v[0] = 7"),
    ("global index", "T[addr].x = T<u64>[addr].y"),
    ("exists", "exists<S<u8>>(@0x1) && borrow_global_mut<S<u8>>(a).x == 1"),
    ("macro with lambda", "twice!(bump(&mut i)); v.do!(|x| { y = y + x; });"),
    ("lambda with a result type", "f(|x: u64| -> u64 { x })"),
    ("empty vector", "vector[]"),
    ("trailing commas", "f(a, b,); S { a, }; vector[1, 2,]; (a, b,)"),
    ("nested if without braces", "if (a) if (b) 1 else 2 else 3"),
    ("loop as operand", "1 + loop { break 2 }"),
    ("type annotation", "(x: u64) + (vector[]: vector<u8>).length()"),
    ("address literals", "@0x1 == @std && @42 != a"),
    ("shift of generics", "f<vector<vector<u8>>>(x) >> 1u8"),
    ("cast then compare", "x as u64 < y && y as u8 == z"),
];

/// Function bodies that do not parse, with the code of the first message.
const MALFORMED: &[(&str, &str)] = &[
    ("while (c) { } 3", "E0108"),
    ("2 + a as u64", "E0109"),
    ("x\"0aF\"", "E0105"),
    ("~x", "E0102"),
    ("x++", "E0101"),
    ("let x = ;", "E0101"),
    ("for (i in 0) {}", "E0101"),
    ("if c { }", "E0101"),
    ("f(a b)", "E0101"),
    ("let fun = 1;", "E0101"),
    ("a ? b : c", "E0102"),
    ("115792089237316195423570985008687907853269984665640564039457584007913129639936", "E0104"),
    ("'a: x", "E0101"),
    ("match (x) { 1 -> 2 }", "E0101"),
    ("S { a: 1 b: 2 }", "E0101"),
    ("v[", "E0101"),
];

fn in_module(body: &str) -> String {
    format!("module 0x1::m {{ fun f() {{ {body} }} }}")
}

#[test]
fn well_formed_bodies() {
    for (rule, body) in WELL_FORMED {
        let codes = error_codes(&in_module(body));
        assert!(codes.is_empty(), "{rule}: {body}: {codes:?}");
    }
}

#[test]
fn malformed_bodies() {
    for (body, code) in MALFORMED {
        let codes = error_codes(&in_module(body));
        assert_eq!(codes.first(), Some(code), "{body}: {codes:?}");
    }
}

#[test]
fn members_of_both_dialects() {
    for member in [
        "public struct S has copy { a: u64 }",
        "struct S(u64) has copy;",
        "struct S { a: u64 } has copy, drop;",
        "struct S<phantom T: store + drop> {}",
        "public(package) fun f() {}",
        "package fun f() {}",
        "friend fun f() {}",
        "public(script) fun f() {}",
        "entry public fun f() {}",
        "public entry fun f(a: &signer) acquires A, B<u8>, m::C {}",
        "native public(friend) fun f<T: key>(x: &mut T): &T;",
        "macro fun f<$T, $U>($x: $T, $f: |$T, u64| -> $U): $U { $f($x, 1) }",
        "inline fun f(g: |u64|) { g(1) }",
        "inline fun f(g: ||u64): u64 { g() }",
        "public enum E has drop { A, B(u64), C { x: u64 }, }",
        "const A: vector<address> = vector[@0x1, @std];",
        "use a::b::{Self, c as d};",
        "use a::{b, c::d};",
        "use fun a::b::c as D.e;",
        "public use fun f as S.g;",
        "friend a::b;",
        "fun f(mut x: u64, mut: u64): (u64, u64) { (x, mut) }",
        "fun `while`(`if`: u64) {}",
        "spec fun g(x: num): num { x + 1 }",
        "spec f { aborts_if forall i in 0..3: x[i] == 0; }",
        "#[test(a = @0x1), expected_failure(abort_code = 0x1::m::E, location = 0x1::m)] fun t(a: signer) {}",
    ] {
        let (files, unit, diagnostics) = parse_text(&format!("module 0x1::m {{ {member} }}"));
        assert!(diagnostics.is_empty(), "{member}\n{}", diagnostics.render(&files, false));
        assert_eq!(members(unit).len(), 1, "{member}");
    }
    for (member, code) in [
        ("public public fun f() {}", "E0111"),
        ("entry struct S {}", "E0111"),
        ("inline macro fun f() {}", "E0111"),
        ("native fun f() {}", "E0111"),
        ("fun f();", "E0101"),
        ("fun f() -> u64 { 1 }", "E0101"),
        ("struct S has fly {}", "E0101"),
        ("struct S has copy, copy {}", "E0111"),
        ("use a::b::*;", "E0101"),
        ("const A = 1;", "E0101"),
        ("let x = 1;", "E0101"),
    ] {
        let codes = error_codes(&format!("module 0x1::m {{ {member} }}"));
        assert_eq!(codes, [code], "{member}");
    }
}
