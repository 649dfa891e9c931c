//! The formatter on every Move file of the repository, and on those files with their white space thrown about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use noema_compiler::diagnostics::{Diagnostics, FileId};
use noema_compiler::package::{EmbeddedPackages, LoadOptions, load};
use noema_compiler::parse::lexer::lex;
use noema_compiler::parse::token::TokenKind;
use noema_compiler::{Options, compile_package};
use noema_move_tools::fmt::{FormatError, format};
use proptest::prelude::*;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Path and text of every Move file that is meant to parse.
fn sources() -> Vec<(String, String)> {
    let is_build =
        |path: &Path| path.components().any(|part| part.as_os_str() == "build" || part.as_os_str() == "target");
    let mut found: Vec<_> = walkdir::WalkDir::new(repository())
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|extension| extension == "move") && !is_build(path))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a readable file")))
        .collect();
    found.sort();
    assert!(found.len() > 60, "{} files", found.len());
    found
}

/// The text's tokens without commas before closing brackets, and the text without white space and those commas.
fn tokens(text: &str) -> Vec<(TokenKind, String)> {
    let mut unused = Diagnostics::new();
    let tokens = lex(FileId(0), text, &mut unused).tokens;
    let is_closer = |kind| {
        matches!(
            kind,
            TokenKind::RParen | TokenKind::RBracket | TokenKind::RBrace | TokenKind::Greater | TokenKind::Pipe
        )
    };
    let is_last_comma =
        |at: usize| tokens[at].kind == TokenKind::Comma && tokens.get(at + 1).is_some_and(|next| is_closer(next.kind));
    let kept = (0..tokens.len()).filter(|at| !is_last_comma(*at)).map(|at| &tokens[at]);
    kept.map(|token| (token.kind, text[token.span.start as usize..token.span.end as usize].to_owned())).collect()
}

/// The text without white space and commas: what a reader would miss if any of it were gone.
fn ink(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace() && *character != ',').collect()
}

fn check(path: &str, text: &str) -> Result<String, String> {
    let once = format(path, text).map_err(|error| error.to_string())?;
    let twice = format(path, &once).map_err(|error| format!("the second time: {error}"))?;
    if once != twice {
        let (a, b) = once.lines().zip(twice.lines()).find(|(a, b)| a != b).unwrap_or(("", ""));
        return Err(format!("{path} changes again:\n{a}\n{b}"));
    }
    if tokens(text) != tokens(&once) {
        return Err(format!("{path}: other tokens"));
    }
    if ink(text) != ink(&once) {
        return Err(format!("{path}: a comment or word is gone"));
    }
    if let Some(line) = once.lines().find(|line| line.ends_with([' ', '\t'])) {
        return Err(format!("{path}: white space at the end of `{line}`"));
    }
    Ok(once)
}

#[test]
fn every_file_keeps_its_tokens_and_comments_and_is_stable() {
    let wrong: Vec<String> = sources().iter().filter_map(|(path, text)| check(path, text).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Copies packages, formatted if wanted, and compiles the last of them.
fn compiled(packages: &[&str], formats: bool) -> BTreeMap<String, Vec<u8>> {
    let root = tempfile::tempdir().expect("a folder");
    for package in packages {
        for entry in walkdir::WalkDir::new(repository().join(package)) {
            let from = entry.expect("a readable folder").into_path();
            let to = root.path().join(from.strip_prefix(repository()).expect("below the root"));
            let is_source = from.extension().is_some_and(|extension| extension == "move");
            if is_source || from.ends_with("Move.toml") {
                std::fs::create_dir_all(to.parent().expect("it has one")).expect("a folder");
                let text = std::fs::read_to_string(&from).expect("a readable file");
                let text = if is_source && formats { format("x.move", &text).expect("it parses") } else { text };
                std::fs::write(to, text).expect("a writable file");
            }
        }
    }
    let options = LoadOptions { test: true, dev: true, ..LoadOptions::default() };
    let last = root.path().join(packages.last().expect("one at least"));
    let mut embedded = EmbeddedPackages::new();
    let library = noema_move_stdlib::package();
    if packages.len() == 1 && packages[0] != "move-stdlib" {
        let framework = noema_framework::package();
        embedded.add(library.name, library.manifest, library.sources.iter().copied());
        embedded.add(framework.name, framework.manifest, framework.sources.iter().copied());
        embedded.alias("AptosFramework", framework.name);
    }
    let loaded = load(&last, &embedded, &options).unwrap_or_else(|failure| panic!("{failure}"));
    let program = compile_package(&loaded, Options { test: true }).unwrap_or_else(|failure| panic!("{failure}"));
    program.modules.into_iter().map(|unit| (unit.ident.to_string(), unit.bytes)).collect()
}

#[test]
fn formatted_packages_compile_to_the_same_bytes() {
    for packages in [vec!["move-stdlib"], vec!["move-stdlib", "framework"], vec!["clients/examples/review_escrow"]] {
        let (before, after) = (compiled(&packages, false), compiled(&packages, true));
        assert!(!before.is_empty());
        for (name, bytes) in &before {
            assert!(after.get(name) == Some(bytes), "{name} of {packages:?} compiles to something else");
        }
        assert_eq!(before.len(), after.len());
    }
}

#[test]
fn a_text_with_errors_is_left_alone() {
    let error = format("bad.move", "module 0x1::m { fun f() { let x = ; } }").expect_err("a syntax error");
    let FormatError::Syntax { path, .. } = &error else { panic!("{error}") };
    assert_eq!(path, "bad.move");
    assert!(error.to_string().contains("bad.move:1"), "{error}");
}

/// What may stand where white space stands.
const GAPS: &[&str] = &[
    " ",
    "\n",
    "\n\n\n",
    "\t ",
    " /* c */ ",
    " // c\n",
    "\n// c\n",
    "\n\n    /* a\n  b */\n",
    "\r\n",
    " /* x */ // y\n\n",
];

/// The text with its white space replaced, chosen by `choices` in turn.
fn shaken(text: &str, choices: &[u8]) -> String {
    let mut unused = Diagnostics::new();
    let tokens = lex(FileId(0), text, &mut unused).tokens;
    let mut out = String::new();
    let mut position = 0;
    for (token, choice) in tokens.iter().zip(choices.iter().cycle()) {
        let (start, end) = (token.span.start as usize, token.span.end as usize);
        let gap = &text[position..start];
        if gap.is_empty() || position == 0 {
            out.push_str(gap);
        } else {
            // Doc comments stay where they are: they belong to what follows.
            let docs: String = gap
                .lines()
                .filter(|line| line.trim_start().starts_with("///"))
                .map(|line| format!("\n{line}\n"))
                .collect();
            out.push_str(GAPS[usize::from(*choice) % GAPS.len()]);
            out.push_str(&docs);
        }
        out.push_str(&text[start..end]);
        position = end;
    }
    out
}

fn shakable() -> Vec<(String, String)> {
    let names =
        ["corpus.move", "option.move", "inference.move", "semantics.move", "refs.move", "shapes.move", "coin.move"];
    sources().into_iter().filter(|(path, _)| names.iter().any(|name| path.ends_with(&format!("/{name}")))).collect()
}

/// Runs of each property; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn most_shaken_texts_still_parse() {
    let files = shakable();
    assert_eq!(files.len(), 7);
    let good = |seed: u8| {
        let choices: Vec<u8> = (0..101).map(|at: u8| at.wrapping_mul(37).wrapping_add(seed.wrapping_mul(11))).collect();
        files.iter().filter(|(path, text)| check(path, &shaken(text, &choices)).is_ok()).count()
    };
    let parsed: usize = (0..20).map(good).sum();
    assert!(parsed > 100, "{parsed} of 140");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn white_space_and_comments_anywhere(file in 0usize..7, choices in prop::collection::vec(any::<u8>(), 1..200)) {
        let files = shakable();
        let (path, text) = &files[file % files.len()];
        let text = shaken(text, &choices);
        // A `<` that moved away from its name compares: such a text may not parse, which is fine.
        match check(path, &text) {
            Err(message) if message.contains("syntax errors") && !message.contains("second") => {}
            other => prop_assert!(other.is_ok(), "{}", other.unwrap_err()),
        }
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = format("x.move", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nothing_panics_on_broken_text(file in 0usize..7, at in any::<prop::sample::Index>(), length in 0usize..40, with in "[ -~]{0,3}") {
        let files = shakable();
        let (path, text) = &files[file % files.len()];
        let mut characters: Vec<char> = text.chars().take(3000).collect();
        let start = at.index(characters.len());
        let end = (start + length).min(characters.len());
        characters.splice(start..end, with.chars());
        let text: String = characters.into_iter().collect();
        if let Err(message) = check(path, &text) {
            prop_assert!(message.contains("syntax errors") && !message.contains("second"), "{message}");
        }
    }
}
