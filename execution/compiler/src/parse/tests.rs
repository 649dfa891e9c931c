//! Grammar, error messages as people see them, and robustness against any text.

use proptest::prelude::*;

use super::ast::*;
use crate::diagnostics::{Diagnostics, Files};
use crate::limits::NESTING_MAX;

mod grammar;
mod messages;
mod semantics;

fn parse_text(text: &str) -> (Files, SourceUnit, Diagnostics) {
    let mut files = Files::new();
    let file = files.add("test.move", text);
    let mut diagnostics = Diagnostics::new();
    let unit = super::parse(file, text, &mut diagnostics);
    (files, unit, diagnostics)
}

fn parse_well(text: &str) -> SourceUnit {
    let (files, unit, diagnostics) = parse_text(text);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&files, false));
    unit
}

/// The errors of a text as people see them.
fn messages(text: &str) -> String {
    let (files, _, diagnostics) = parse_text(text);
    diagnostics.render(&files, false)
}

/// The codes of a text's messages; of a special case the general one.
fn error_codes(text: &str) -> Vec<&'static str> {
    let (_, _, diagnostics) = parse_text(text);
    diagnostics.sorted().iter().map(|one| one.code.general().unwrap_or(one.code).as_str()).collect()
}

fn members(unit: SourceUnit) -> Vec<Member> {
    match unit.definitions.into_iter().next() {
        Some(Definition::Module(module)) => module.members,
        other => panic!("no module: {other:?}"),
    }
}

/// The result expression of a function that holds `text`.
fn expression(text: &str) -> Exp {
    let unit = parse_well(&format!("module 0x1::m {{ fun f() {{ {text} }} }}"));
    for member in members(unit) {
        if let Member::Function(function) = member
            && let FunctionBody::Block(block) = function.body
        {
            return *block.result.expect("a result");
        }
    }
    panic!("no function");
}

/// Bodies that every corpus test and fuzzer starts from.
const CORPUS: &str = include_str!("tests/corpus.move");

#[test]
fn the_corpus_parses() {
    let unit = parse_well(CORPUS);
    assert_eq!(unit.definitions.len(), 6);
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let levels = NESTING_MAX as usize * 50;
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("{", "1", "}"),
        ("!", "true", ""),
        ("&", "x", ""),
        ("*", "x", ""),
        ("if (c) ", "1", ""),
        ("if (c) {", "1", "}"),
        ("f(", "1", ")"),
        ("vector[", "1", "]"),
        ("|x| ", "1", ""),
        ("return ", "1", ""),
        ("a = ", "1", ""),
        ("1 + ", "1", ""),
        ("x.f", "", ""),
        ("a.", "b", ""),
        ("match (x) { _ => ", "1", "}"),
        ("loop ", "{}", ""),
        ("S { a: ", "1", "}"),
        ("a[", "1", "]"),
        ("x as u64 as ", "u64", ""),
        ("f<vector<", "u8", ">>()"),
    ] {
        let text = format!("module 0x1::m {{ fun f() {{ {}{middle}{} }} }}", open.repeat(levels), close.repeat(levels));
        let codes = error_codes(&text);
        assert!(!codes.is_empty() || open == "x.f", "{open}");
    }
    let chain = format!("module 0x1::m {{ fun f() {{ a{} }} }}", ".b()".repeat(levels));
    assert_eq!(error_codes(&chain), ["E0107"]);
    let sum = format!("module 0x1::m {{ fun f() {{ a{} }} }}", " + a".repeat(levels));
    assert_eq!(error_codes(&sum), ["E0107"]);
    let types = format!("module 0x1::m {{ fun f(x: {}u8{}) {{}} }}", "vector<".repeat(levels), ">".repeat(levels));
    assert_eq!(error_codes(&types), ["E0107"]);
}

#[test]
fn chains_inside_chains_count_together() {
    // Each level is short, but the left spine of every level hangs below the one before.
    let mut text = String::from("a");
    for _ in 0..150 {
        text = format!("(a + ({text})){}", " + a".repeat(100));
    }
    let codes = error_codes(&format!("module 0x1::m {{ fun f() {{ {text} }} }}"));
    assert_eq!(codes.first(), Some(&"E0107"));
    let shallow = format!("a{}", " + a".repeat(NESTING_MAX as usize / 2));
    expression(&shallow);
}

#[test]
fn many_errors_end_the_file() {
    let text = format!("module 0x1::m {{ {} }}", "fun f() { let = 1; }\n".repeat(500));
    let (_, _, diagnostics) = parse_text(&text);
    assert!(diagnostics.len() <= crate::limits::SYNTAX_ERRORS_MAX + 1);
}

#[test]
fn recovery_keeps_the_members_around_an_error() {
    let (_, unit, diagnostics) = parse_text(
        "module 0x1::m {\n fun a() {}\n fun b( {}\n struct S { x: }\n fun c() { let = 3; let y = 4; }\n const D: u64 = 1;\n}\nmodule 0x1::n {}\n",
    );
    assert_eq!(unit.definitions.len(), 2);
    let names: Vec<String> = members(unit)
        .into_iter()
        .map(|member| match member {
            Member::Function(function) => function.name.value.to_string(),
            Member::Constant(constant) => constant.name.value.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["a", "c", "D"]);
    assert_eq!(diagnostics.len(), 3);
}

fn token_soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "module", "0x1", "::", "m", "{", "}", "(", ")", "[", "]", "fun", "struct", "enum", "let", "mut", "=", "==",
        ";", ",", ":", "<", ">", ">>=", "|", "||", "&", "&mut", "&&", "*", "+", "-", "!", "..", ".", "#", "@", "if",
        "else", "while", "loop", "for", "in", "match", "=>", "->", "return", "break", "continue", "abort", "as", "is",
        "x", "S", "T", "vector", "1", "0xFFu8", "1_0", "\"a\"", "b\"a\"", "x\"0a\"", "'a", "'a:", "use", "friend",
        "public", "(friend)", "native", "entry", "inline", "macro", "const", "has", "copy", "drop", "spec", "script",
        "address", "move", "$x", "assert!", "/// d\n", "/* c */", "\n", "phantom", "acquires", "`fun`", "_",
    ]);
    prop::collection::vec(words, 0..120).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_text_never_panics(text in "\\PC{0,300}") {
        let (files, _, diagnostics) = parse_text(&text);
        prop_assert!(diagnostics.is_empty() || !diagnostics.render(&files, false).is_empty());
    }

    #[test]
    fn token_soup_never_panics(text in token_soup()) {
        let (files, _, diagnostics) = parse_text(&text);
        prop_assert!(diagnostics.is_empty() || !diagnostics.render(&files, false).is_empty());
    }

    #[test]
    fn token_soup_in_a_body_never_panics(text in token_soup()) {
        let text = format!("module 0x1::m {{ fun f() {{ {text} }} fun g() {{}} }}");
        let (files, _, diagnostics) = parse_text(&text);
        prop_assert!(diagnostics.is_empty() || !diagnostics.render(&files, false).is_empty());
    }

    #[test]
    fn damaged_sources_never_panic(cut in 0..CORPUS.len(), length in 0usize..40, insert in "[\\PC]{0,4}") {
        let mut start = cut;
        while !CORPUS.is_char_boundary(start) { start -= 1; }
        let mut end = (start + length).min(CORPUS.len());
        while !CORPUS.is_char_boundary(end) { end -= 1; }
        let text = format!("{}{insert}{}", &CORPUS[..start], &CORPUS[end.max(start)..]);
        let (files, _, diagnostics) = parse_text(&text);
        prop_assert!(diagnostics.to_json(&files).is_array());
    }
}
