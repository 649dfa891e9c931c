//! Every diagnostic code is explained, and its examples do what they say: the wrong one provokes the code, the right one
//! does not. What no short text provokes is built here.

use std::collections::BTreeSet;
use std::path::Path;

use noema_compiler::diagnostics::codes::{self, TABLE};
use noema_compiler::diagnostics::{Code, Diagnostics, Example, ExampleKind};
use noema_compiler::package::{EmbeddedPackages, LoadOptions, load};
use noema_compiler::{Options, SourcePackage, compile_package, compile_sources};
use noema_types::Address;

/// Codes that only a fault of the compiler gives, or the system below it.
const FAULTS: &[Code] = &[codes::COMPILER_BUG];

/// Codes that stand for whatever their special cases do not cover; nothing else is left of them today.
const ONLY_GENERAL: &[Code] = &[
    codes::BAD_MODIFIER,
    codes::TYPE_MISMATCH,
    codes::BAD_NAME,
    codes::BAD_FIELDS,
    codes::BORROW_CONFLICT,
    codes::REJECTED,
];

fn stdlib() -> SourcePackage {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../move-stdlib/sources");
    let mut sources: Vec<(String, String)> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "move"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("readable")))
        .collect();
    sources.sort();
    SourcePackage { name: "MoveStdlib".into(), sources, addresses: [("std".to_owned(), Address::from_u8(1))].into() }
}

/// What compiling the text gives.
fn diagnose(text: &str, dependencies: &[SourcePackage]) -> Diagnostics {
    let starts = ["module ", "script ", "address "];
    let is_whole = starts.iter().any(|start| text.starts_with(start));
    let text = if is_whole { text.to_owned() } else { format!("module 0x42::m {{\n{text}\n}}\n") };
    let package = SourcePackage {
        name: "case".into(),
        sources: vec![("case.move".into(), text.clone())],
        addresses: [("std".to_owned(), Address::from_u8(1))].into(),
    };
    match compile_sources(&package, dependencies, Options { test: text.contains("#[test") }) {
        Ok(program) => program.warnings,
        Err(failure) => failure.diagnostics,
    }
}

/// What loading and compiling a folder of files gives.
fn diagnose_folder(files: &[(&str, &[u8])]) -> Diagnostics {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, bytes) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("files lie in folders")).expect("writable");
        std::fs::write(path, bytes).expect("writable");
    }
    match load(&folder.path().join("app"), &EmbeddedPackages::new(), &LoadOptions::default()) {
        Err(failure) => failure.diagnostics,
        Ok(loaded) => match compile_package(&loaded, Options::default()) {
            Ok(program) => program.warnings,
            Err(failure) => failure.diagnostics,
        },
    }
}

fn has(diagnostics: &Diagnostics, code: Code) -> bool {
    diagnostics.iter().any(|one| one.code == code)
}

fn found(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.sorted().iter().map(|one| format!("{}: {}", one.code, one.message)).collect()
}

#[test]
fn every_code_is_explained_and_its_examples_are_true() {
    let dependencies = [stdlib()];
    let mut wrong = Vec::new();
    let mut provoked = BTreeSet::new();
    for entry in TABLE {
        let code = entry.code;
        let Some(explanation) = code.explanation() else {
            wrong.push(format!("{code} is not explained"));
            continue;
        };
        assert!(explanation.text.ends_with('.') && explanation.text.len() > 20, "{code}: {}", explanation.text);
        for Example { kind, text } in explanation.examples {
            let diagnostics = match kind {
                ExampleKind::Manifest => {
                    diagnose_folder(&[("app/Move.toml", text.as_bytes()), ("app/sources/m.move", b"module 0x42::m {}")])
                }
                ExampleKind::Wrong | ExampleKind::Right => diagnose(text, &dependencies),
            };
            match (kind, has(&diagnostics, code)) {
                (ExampleKind::Right, false) if !diagnostics.has_errors() => {}
                (ExampleKind::Right, _) => wrong.push(format!("{code}, right:\n{text}\n{:?}", found(&diagnostics))),
                (_, true) => {
                    provoked.insert(code);
                }
                (_, false) => wrong.push(format!("{code}, wrong:\n{text}\n{:?}", found(&diagnostics))),
            }
        }
    }
    for (code, diagnostics) in built() {
        match has(&diagnostics, code) {
            true => {
                provoked.insert(code);
            }
            false => wrong.push(format!("{code}, built: {:?}", found(&diagnostics))),
        }
    }
    for entry in TABLE {
        let excused = FAULTS.contains(&entry.code) || ONLY_GENERAL.contains(&entry.code);
        if !excused && !provoked.contains(&entry.code) {
            wrong.push(format!("nothing provokes {}", entry.code));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(provoked.len() >= 200, "{} codes are provoked", provoked.len());
}

/// Cases that take more than a line of source.
fn built() -> Vec<(Code, Diagnostics)> {
    let manifest = b"[package]\nname = \"app\"\n".as_slice();
    let with = |file: &str, bytes: &[u8]| diagnose_folder(&[("app/Move.toml", manifest), (file, bytes)]);
    let depends = |name: &str, on: &str| format!("[package]\nname = \"{name}\"\n[dependencies]\n{on}\n");
    let deep = format!("fun f(): u64 {{ {}1{} }}", "(".repeat(300), ")".repeat(300));
    let edition = "[package]\nname = \"app\"\nedition = \"2024\"\n[addresses]\napp = \"0x42\"\n";
    let fields: String = (0..300).map(|one| format!("f{one}: u8, ")).collect();
    vec![
        (codes::BIDI_CONTROL, diagnose("fun f() {} // \u{202E}", &[])),
        (codes::NESTING_TOO_DEEP, diagnose(&deep, &[])),
        (codes::FILE_TOO_LARGE, with("app/sources/m.move", &vec![b' '; 17 * 1024 * 1024])),
        (codes::NOT_UTF8, with("app/sources/m.move", b"module 0x42::m { /* \xFF */ }")),
        (
            codes::DEPENDENCY_CYCLE,
            diagnose_folder(&[
                ("app/Move.toml", depends("app", "b = { local = \"../b\" }").as_bytes()),
                ("b/Move.toml", depends("b", "app = { local = \"../app\" }").as_bytes()),
            ]),
        ),
        (
            codes::DUPLICATE_PACKAGE,
            diagnose_folder(&[
                ("app/Move.toml", depends("app", "b = { local = \"../b\" }\nc = { local = \"../c\" }").as_bytes()),
                ("b/Move.toml", b"[package]\nname = \"same\"\n"),
                ("c/Move.toml", b"[package]\nname = \"same\"\n"),
            ]),
        ),
        (
            codes::IMMUTABLE_LOCAL,
            diagnose_folder(&[
                ("app/Move.toml", edition.as_bytes()),
                ("app/sources/m.move", b"module app::m { public fun f(): u64 { let x = 1; x = x + 1; x } }"),
            ]),
        ),
        (codes::TOO_LARGE, diagnose(&format!("struct S has drop {{ {fields} }}"), &[])),
        (codes::SOURCE_UNREADABLE, unreadable()),
    ]
}

/// A source that cannot be read: its name is a link to nothing.
fn unreadable() -> Diagnostics {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing.move");
    match noema_compiler::package::load_files(&[missing], &EmbeddedPackages::new(), &LoadOptions::default()) {
        Err(failure) => failure.diagnostics,
        Ok(_) => Diagnostics::new(),
    }
}

#[test]
fn explanations_name_their_special_cases() {
    let text = codes::TYPE_MISMATCH.explain();
    assert!(text.contains("E0531") && text.contains("special cases"), "{text}");
    let text = codes::ARGUMENT_TYPE.explain();
    assert!(text.contains("a special case of E0501") && text.contains("wrong:") && text.contains("right:"), "{text}");
}
