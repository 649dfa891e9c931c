//! Small packages with marks in their sources.

use std::collections::BTreeMap;

use super::*;

const LIBRARY: &str = "/// Things about numbers.
module std::numbers {
    /// The largest.
    const MAX: u64 = 2 * 50;

    /// A pair.
    public struct Pair has copy, drop { left: u64, right: u64 }

    /// Builds a pair.
    public fun pair(left: u64, right: u64): Pair { Pair { left, right } }

    public fun sum(self: &Pair): u64 { self.left + self.right }

    public fun limit(): u64 { MAX }

    macro fun twice($x: u64): u64 { let y = $x; y + y }

    public fun use_macro(seed: u64): u64 { twice!(seed + 1) }
}
";

/// Splits a text at its marks: `$0`.
fn marked(text: &str) -> (String, Vec<u32>) {
    let mut places = Vec::new();
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$0") {
        clean.push_str(&rest[..at]);
        places.push(u32::try_from(clean.len()).unwrap());
        rest = &rest[at + 2..];
    }
    clean.push_str(rest);
    (clean, places)
}

fn session(text: &str) -> (Session, FileId) {
    let mut embedded = EmbeddedPackages::new();
    embedded.add("MoveStdlib", "[package]\nname = \"MoveStdlib\"\n", [("sources/numbers.move", LIBRARY)]);
    let session = Session::open_text("main.move", text, &embedded, &BTreeMap::new()).expect("loads");
    let file = session.files().iter().find(|(_, file)| &*file.path == "main.move").map(|(id, _)| id).unwrap();
    (session, file)
}

fn analysed(text: &str) -> (Session, Analysis, FileId, Vec<u32>) {
    let (clean, places) = marked(text);
    let (mut session, file) = session(&clean);
    let analysis = session.analyse();
    (session, analysis, file, places)
}

fn hover(text: &str) -> String {
    let (_, analysis, file, places) = analysed(text);
    let hover = analysis.hover(file, places[0]).expect("something stands there");
    [Some(hover.code), hover.container, hover.value, hover.docs].into_iter().flatten().collect::<Vec<_>>().join(" | ")
}

fn offers(text: &str) -> Vec<String> {
    let (clean, places) = marked(text);
    let (session, file) = session(&clean);
    let (offers, _) = session.complete(file, places[0]).unwrap_or_else(|| panic!("no place for names: {text}"));
    offers.into_iter().map(|offer| offer.label).collect()
}

/// Wraps a body.
fn body(text: &str) -> String {
    format!(
        "module 0x42::m {{\n use std::numbers::{{Self, Pair}};\n public struct Own has drop {{ first: u64, second: vector<u8> }}\n \
         public enum Shape has drop {{ Dot, Circle {{ radius: u64 }} }}\n const LIMIT: u64 = 7;\n \
         fun helper(own: &Own, count: u64): u64 {{ own.first + count }}\n fun f(param: u64, pair: Pair): u64 {{ {text} }}\n}}\n"
    )
}

#[test]
fn hover_shows_types_signatures_docs_and_values() {
    assert_eq!(hover(&body("let x = par$0am + 1; x")), "param: u64");
    assert_eq!(hover(&body("let x$0 = &param; *x")), "let x: &u64");
    assert_eq!(hover(&body("numbers::su$0m(&pair)")), "public fun sum(self: &numbers::Pair): u64 | 0x1::numbers");
    assert_eq!(
        hover(&body("numbers::pair$0(1, 2).sum()")),
        "public fun pair(left: u64, right: u64): numbers::Pair | 0x1::numbers | Builds a pair."
    );
    assert_eq!(hover(&body("LIM$0IT")), "const LIMIT: u64 | 0x42::m | 7");
    assert_eq!(hover(&body("num$0bers::limit()")), "module 0x1::numbers | package MoveStdlib | Things about numbers.");
    assert_eq!(
        hover(&body("exi$0sts<Own>(@0x1); 1")).split(" | ").next(),
        Some("fun exists<T: key>(owner: address): bool")
    );
    assert_eq!(hover(&body("(param +$0 1) * 2")), "u64");
}

#[test]
fn broken_code_keeps_what_is_whole() {
    let text = body("let before = &pair; let = ; let x = bef$0ore; x.");
    assert_eq!(hover(&text), "let before: &numbers::Pair");
    let mistyped = body("let wrong: bool = param; wro$0ng");
    assert_eq!(hover(&mistyped), "let wrong: bool");
}

#[test]
fn definitions_are_found_across_modules() {
    let (_, analysis, file, places) =
        analysed(&body("pair.su$0m() + helper(&Own { fir$0st: 1, second: vector[] }, 1)"));
    let sum = analysis.occurrence(file, places[0]).unwrap();
    let name = analysis.name_span(sum.definition).unwrap();
    assert_eq!(analysis.files.path(name.file), "<MoveStdlib>/sources/numbers.move");
    assert_eq!(analysis.files.text(name), "sum");
    let first = analysis.occurrence(file, places[1]).unwrap();
    assert_eq!(analysis.kind(first.definition), SymbolKind::Field);
    assert_eq!(analysis.index.of(first.definition).len(), 3);
}

#[test]
fn names_inside_macros_lead_to_the_macro() {
    let (mut session, _) = session("module 0x42::m {}");
    let analysis = session.analyse();
    let library = analysis.file("<MoveStdlib>/sources/numbers.move").unwrap();
    let at = u32::try_from(LIBRARY.find("y + y").unwrap()).unwrap();
    let y = analysis.occurrence(library, at).unwrap();
    assert_eq!(analysis.describe(y.definition).code, "let y: u64");
    assert_eq!(analysis.index.of(y.definition).len(), 3);
    let seed = analysis.occurrence(library, u32::try_from(LIBRARY.find("seed + 1").unwrap()).unwrap()).unwrap();
    assert_eq!(analysis.describe(seed.definition).code, "seed: u64");
}

#[test]
fn a_macro_and_a_function_of_one_name_are_two() {
    let text = "module 0x42::m { fun $0f(x: u64): u64 { x } macro fun $0f($x: u64): u64 { $x } fun g(): u64 { f$0(1) + f$0!(2) } }";
    let (_, analysis, file, places) = analysed(text);
    let found: Vec<Definition> =
        places.iter().map(|at| analysis.occurrence(file, *at).expect("a name").definition).collect();
    assert_eq!(found[0], found[2]);
    assert_eq!(found[1], found[3]);
    assert_ne!(found[0], found[1]);
    assert_eq!(analysis.kind(found[3]), SymbolKind::Macro);
}

#[test]
fn completion_behind_a_dot() {
    assert_eq!(offers(&body("pair.$0")), ["sum"]);
    assert_eq!(
        offers(&body("let own = Own { first: 1, second: vector[] };\n own.$0\n let z = 1; z")),
        ["first", "second", "helper"]
    );
    assert_eq!(offers(&body("helper(&pair.s$0")), ["sum"]);
    assert_eq!(offers(&body("if (pair.$0\n let z = 1; z")), ["sum"]);
}

#[test]
fn completion_behind_colons() {
    assert_eq!(offers(&body("numbers::$0")), ["Pair", "limit", "pair", "sum", "use_macro"]);
    assert_eq!(offers(&body("let a = std::numbers::li$0")), ["Pair", "limit", "pair", "sum", "use_macro"]);
    assert_eq!(offers(&body("let a = std::$0; 1")), ["numbers"]);
    assert_eq!(offers(&body("let a = Shape::$0; 1")), ["Circle", "Dot"]);
    assert_eq!(offers("module 0x42::m { use std::$0\n fun f() {} }"), ["numbers"]);
    assert_eq!(offers("module 0x42::m { use std::numbers::$0\n fun f() {} }").len(), 5);
    assert_eq!(offers("module 0x42::m { use std::numbers::{Self, $0}; fun f() {} }").len(), 5);
    assert_eq!(offers("module 0x42::m { use std::numbers::{Self, $0\n fun f() {} }").len(), 5);
}

#[test]
fn completion_of_names_and_fields() {
    let all = offers(&body("let local = 1; { let inner = 2; }; $0"));
    for wanted in
        ["local", "param", "pair", "helper", "LIMIT", "Own", "numbers", "Pair", "let", "u64", "std", "assert!"]
    {
        assert!(all.iter().any(|label| label == wanted), "{wanted} is missing: {all:?}");
    }
    assert!(!all.iter().any(|label| label == "inner"));
    let inside = offers("module 0x42::m { fun f() { { use std::numbers::{limit as top}; $0 }; } }");
    assert!(inside.contains(&"top".to_owned()), "{inside:?}");
    let outside = offers("module 0x42::m { fun f() { { use std::numbers::{limit as top}; }; $0 } }");
    assert!(!outside.contains(&"top".to_owned()), "{outside:?}");
    assert_eq!(offers(&body("let o = Own { first: 1, $0 }; 1")), ["second"]);
    assert_eq!(offers(&body("let o = Own { $0 }; 1")), ["first", "second"]);
    assert!(offers(&body("let o = Own { first: $0 }; 1")).contains(&"param".to_owned()));
    assert!(offers(&body("let o = Own { first: helper(param, $0) }; 1")).contains(&"param".to_owned()));
}

#[test]
fn nothing_is_offered_in_comments_and_strings() {
    for text in ["// a $0", "/* a $0 */", "let s = b\"a$0\";"] {
        let (clean, places) = marked(&body(text));
        let (session, file) = session(&clean);
        assert!(session.complete(file, places[0]).is_none(), "{text}");
    }
}

#[test]
fn signatures_name_the_parameter_that_is_written() {
    let at = |text: &str| {
        let (clean, places) = marked(&body(text));
        let (session, file) = session(&clean);
        session.signature(file, places[0]).map(|(signature, active)| (signature.label, active))
    };
    let (label, active) = at("helper(&Own { first: 1, second: vector[] }, $0").unwrap();
    assert_eq!((label.as_str(), active), ("fun helper(own: &m::Own, count: u64): u64", 1));
    assert_eq!(at("numbers::pair($0)").unwrap().1, 0);
    assert_eq!(at("numbers::pair(1, 2$0)").unwrap().1, 1);
    assert_eq!(at("pair.sum($0)").unwrap().1, 1);
    assert_eq!(at("par$0am"), None);
}

fn renamed(text: &str, new_name: &str) -> Result<String, String> {
    let (session, analysis, file, places) = analysed(text);
    let found = analysis.renamable(file, places[0]).map_err(|refused| refused.0)?;
    let edits = session.rename(&analysis, found, new_name).map_err(|refused| refused.0)?;
    let mut text = analysis.files.get(file).unwrap().text.to_string();
    for edit in edits.iter().rev() {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    Ok(text)
}

#[test]
fn renames_reach_every_form_of_a_name() {
    let text = "module 0x42::m { public struct S has drop { a: u64, b: u64 }
        fun f(a: u64, b: u64): u64 { let s = S { a, b }; let S { a: x, b } = s; x + b }
        fun g(s: &S): u64 { s.$0a } }";
    assert_eq!(
        renamed(text, "first").unwrap(),
        "module 0x42::m { public struct S has drop { first: u64, b: u64 }
        fun f(a: u64, b: u64): u64 { let s = S { first: a, b }; let S { first: x, b } = s; x + b }
        fun g(s: &S): u64 { s.first } }"
    );
    let text = "module 0x42::m { public struct S has drop { a: u64 }
        fun f($0a: u64): u64 { let s = S { a }; let S { mut a } = s; a = a + 1; a }
        #[test(a = @0x1)] fun t(a: signer) {} }";
    assert_eq!(
        renamed(text, "b").unwrap(),
        "module 0x42::m { public struct S has drop { a: u64 }
        fun f(b: u64): u64 { let s = S { a: b }; let S { mut a } = s; a = a + 1; a }
        #[test(a = @0x1)] fun t(a: signer) {} }"
    );
    let text = "module 0x42::m { public struct S has drop { a: u64 }
        fun f(s: S): u64 { let S { mut a } = s; $0a = a + 1; a } }";
    assert!(renamed(text, "b").unwrap().contains("let S { a: mut b } = s; b = b + 1; b"));
    let text = "module 0x42::m { public struct S has drop { $0a: u64 }
        fun f(s: S): u64 { let S { mut a } = s; a = a + 1; a } }";
    assert!(
        renamed(text, "b")
            .unwrap()
            .contains("{ b: u64 }\n        fun f(s: S): u64 { let S { b: mut a } = s; a = a + 1; a }")
    );
    let text = "module 0x42::m { fun f() { 'out: loop { break 'o$0ut } } }";
    assert!(renamed(text, "done").unwrap().contains("'done: loop { break 'done }"));
}

#[test]
fn renames_that_would_change_a_meaning_are_refused() {
    let refusals = [
        ("module 0x42::m { fun f(a: u64): u64 { let $0b = 1; a + b } }", "a", "stand for something else"),
        ("module 0x42::m { fun $0f() {} fun g() {} }", "g", "does not compile"),
        ("module 0x42::m { fun $0f() {} }", "let", "word of the language"),
        ("module 0x42::m { fun $0f() {} }", "1f", "is no name"),
        ("module 0x42::m { fun $0f() {} }", "_f", "begin with a letter"),
        ("module 0x42::m { public struct $0S {} }", "s", "A to Z"),
        (
            "module 0x42::m { use std::numbers; fun f() { numbers::$0limit(); } }",
            "g",
            "belongs to package `MoveStdlib`",
        ),
        ("module 0x42::m { use std::$0numbers; }", "g", "belongs to package `MoveStdlib`"),
        ("module 0x42::m { fun f() { $0assert!(true, 1) } }", "g", "part of the language"),
        ("module 0x42::m { fun f() { $0 } }", "g", "no name here"),
    ];
    for (text, new_name, wanted) in refusals {
        let error = renamed(text, new_name).expect_err(text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn outlines_and_searches_name_the_members() {
    let (_, analysis, file, _) = analysed(&body("1"));
    let outline = analysis.outline(file);
    assert_eq!(outline.len(), 1);
    let names: Vec<&str> = outline[0].children.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["Own", "Shape", "LIMIT", "helper", "f"]);
    assert_eq!(outline[0].children[0].children.len(), 2);
    let found = analysis.search("hlp", 10);
    assert_eq!(found.iter().map(|one| analysis.name(*one).to_string()).collect::<Vec<_>>(), ["helper"]);
}

#[test]
fn unsaved_texts_win() {
    let (mut session, file) = session("module 0x42::m { fun f() {} }");
    assert_eq!(session.check().iter().filter(|one| one.is_error()).count(), 0);
    let path = PathBuf::from("main.move");
    session.set_texts(&BTreeMap::from([(path, Arc::from("module 0x42::m { fun f(): u64 { true } }"))]));
    assert_eq!(session.check().iter().filter(|one| one.is_error()).count(), 1);
    assert!(session.analyse().files.get(file).unwrap().text.contains("true"));
    session.set_texts(&BTreeMap::new());
    assert_eq!(session.check().iter().filter(|one| one.is_error()).count(), 0);
}
