//! What it says of texts it does not take.

use super::messages;

#[test]
fn missing_semicolon() {
    insta::assert_snapshot!(messages(
        "module 0x1::m {\n    fun f() {\n        let x = 1\n        let y = 2;\n    }\n}\n"
    ));
}

#[test]
fn missing_semicolon_behind_a_block() {
    insta::assert_snapshot!(messages(
        "module 0x1::m {\n    fun f(): u64 {\n        while (true) { }\n        3\n    }\n}\n"
    ));
}

#[test]
fn unclosed_function() {
    insta::assert_snapshot!(messages(
        "module 0x1::m {\n    fun f() {\n        if (true) {\n            g();\n    }\n\n    fun g() {}\n}\n"
    ));
}

#[test]
fn unclosed_module() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f() {}\n"));
}

#[test]
fn brace_too_many() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f() {}\n    }\n    fun g() {}\n}\n"));
}

#[test]
fn misspelt_keywords() {
    insta::assert_snapshot!(messages(
        "module 0x1::m {\n    fn f() {}\n    sturct S {}\n    pub fun g() {}\n}\nmodul 0x1::n {}\n"
    ));
}

#[test]
fn ambiguous_cast() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f(a: u8): u64 { 2 + a as u64 }\n}\n"));
}

#[test]
fn assignment_to_a_call() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f(v: &mut vector<u64>) { v.borrow_mut(0) = 1; }\n}\n"));
}

#[test]
fn several_errors_in_one_run() {
    insta::assert_snapshot!(messages(
        "module 0x1::m {\n    const A: u64 = 0xZZ;\n    const B: vector<u8> = x\"abc\";\n    fun f() { let = 1; let y = 2 }\n    fun g(x u64) {}\n    fun h(): u64 { \"open }\n}\n"
    ));
}

#[test]
fn reserved_word_as_name() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f(module: u64) {}\n}\n"));
}

#[test]
fn condition_without_parentheses() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    fun f() { if x > 1 { } }\n}\n"));
}

#[test]
fn hidden_direction_control() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    // \u{202e} x\n}\n"));
}

#[test]
fn typographic_quotes() {
    insta::assert_snapshot!(messages("module 0x1::m {\n    const A: vector<u8> = b“x”;\n}\n"));
}
