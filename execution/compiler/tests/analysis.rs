//! The editor's analysis on the repository's own packages: every name is known, and edits are followed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noema_compiler::analysis::{Analysis, Session};
use noema_compiler::package::EmbeddedPackages;
use noema_compiler::parse::lexer::lex;
use noema_compiler::parse::token::TokenKind;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn on_big_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(noema_compiler::STACK_BYTES);
        thread.spawn_scoped(scope, work).expect("a thread starts").join().expect("the work is done")
    })
}

fn open(package: &str) -> Session {
    Session::open(&repository().join(package), &EmbeddedPackages::new(), &BTreeMap::new()).expect("loads")
}

/// Whether a place is in an `inline fun` or `macro fun`: where nothing calls it, types and so methods are unknown.
fn is_in_template(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let fun = before.rfind(" fun ").unwrap_or(0);
    let start = before[..fun].rfind('\n').unwrap_or(0);
    let head = &before[start..fun];
    head.ends_with("inline") || head.ends_with("macro")
}

/// Words of the sources that stand for nothing the analysis knows.
fn unknown_words(analysis: &Analysis) -> BTreeMap<String, usize> {
    let mut unknown = BTreeMap::new();
    for (id, file) in analysis.files.iter().filter(|(_, file)| file.path.ends_with(".move")) {
        for token in lex(id, &file.text, &mut noema_compiler::diagnostics::Diagnostics::new()).tokens {
            let word = analysis.files.text(token.span);
            let is_known = || analysis.occurrence(id, token.span.start).is_some();
            let is_template = || is_in_template(&file.text, token.span.start as usize);
            if token.kind == TokenKind::Ident && !is_known() && !is_template() {
                *unknown.entry(word.to_owned()).or_insert(0) += 1;
            }
        }
    }
    unknown
}

/// What is not a name: words of the language, its types, attributes and their settings.
const WORDS: &[&str] = &[
    "Self",
    "_",
    "abort",
    "acquires",
    "address",
    "as",
    "bool",
    "break",
    "const",
    "continue",
    "copy",
    "drop",
    "else",
    "entry",
    "enum",
    "false",
    "for",
    "friend",
    "fun",
    "has",
    "if",
    "in",
    "inline",
    "key",
    "let",
    "loop",
    "macro",
    "match",
    "module",
    "move",
    "mut",
    "native",
    "package",
    "phantom",
    "public",
    "return",
    "script",
    "signer",
    "spec",
    "store",
    "struct",
    "true",
    "use",
    "u128",
    "u16",
    "u256",
    "u32",
    "u64",
    "u8",
    "vector",
    "while",
    // Attributes.
    "abort_code",
    "bytecode_instruction",
    "error",
    "event",
    "expected_failure",
    "allow",
    "code",
    "lint_allow",
    "location",
    "major_status",
    "group",
    "resource_group",
    "resource_group_member",
    "scope",
    "syntax",
    "index",
    "test",
    "test_only",
    "view",
    "arithmetic_error",
    "vector_error",
    "out_of_gas",
    "minor_status",
    "global",
];

#[test]
fn every_name_of_the_packages_is_known() {
    on_big_stack(|| {
        for package in ["move-stdlib", "framework"] {
            let mut unknown = unknown_words(&open(package).analyse());
            unknown.retain(|word, _| !WORDS.contains(&word.as_str()));
            assert!(unknown.is_empty(), "{package}: {unknown:?}");
        }
    });
}

#[test]
fn an_edit_of_the_framework_is_analysed() {
    on_big_stack(|| {
        let mut session = open("framework");
        let path = repository().join("framework/sources/stake.move");
        let text = std::fs::read_to_string(&path).expect("the source is there");
        let known = session.analyse();
        let file = known.file(&path.display().to_string()).expect("the file is known");
        assert!(!session.check().has_errors());
        for round in 0..3 {
            let edited = text.replacen("fun ", &format!("fun edited_{round}() {{}}\n    fun "), 1);
            session.set_texts(&BTreeMap::from([(path.clone(), Arc::from(edited))]));
            assert_eq!(session.analyse().search(&format!("edited_{round}"), 1).len(), 1);
            // The function whose modifiers the new one took may be missed elsewhere.
            session.check();
            let at = text.find("fun ").expect("the file has functions");
            assert!(session.complete(file, u32::try_from(at).expect("small")).is_some());
        }
    });
}
