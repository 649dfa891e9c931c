use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::expand::expand;

fn embedded() -> EmbeddedPackages {
    let mut embedded = EmbeddedPackages::new();
    embedded.add(
        "MoveStdlib",
        "[package]\nname = \"MoveStdlib\"\n[addresses]\nstd = \"0x1\"\n",
        [("sources/vector.move", "module std::vector { public fun f() {} }")],
    );
    embedded.add(
        "NoemaFramework",
        "[package]\nname = \"NoemaFramework\"\n[addresses]\nnoema = \"0x1\"\n[dependencies]\nMoveStdlib = { local = \"../move-stdlib\" }\n",
        [("sources/coin.move", "module noema::coin { use std::vector; fun f() { vector::f() } }")],
    );
    embedded.alias("AptosFramework", "NoemaFramework");
    embedded.alias("AptosStdlib", "NoemaFramework");
    embedded
}

/// A folder with the given files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load_well(folder: &TempDir, package: &str, options: &LoadOptions) -> LoadedProgram {
    match load(&folder.path().join(package), &embedded(), options) {
        Ok(program) => program,
        Err(failure) => panic!("{failure}"),
    }
}

/// The messages of a load that fails, without the folder's own name.
fn failure(folder: &TempDir, package: &str, options: &LoadOptions) -> String {
    match load(&folder.path().join(package), &embedded(), options) {
        Ok(_) => panic!("loaded"),
        Err(failure) => failure.to_string().replace(&folder.path().display().to_string(), "TMP"),
    }
}

fn names(program: &LoadedProgram) -> Vec<&str> {
    program.packages.iter().map(|package| package.name.as_str()).collect()
}

fn source_names(program: &LoadedProgram, package: usize) -> Vec<String> {
    program.packages[package]
        .sources
        .iter()
        .map(|file| {
            let path = PathBuf::from(program.files.path(*file));
            path.file_name().unwrap().to_string_lossy().into_owned()
        })
        .collect()
}

const APP: &str = "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2024.beta\"\nupgrade_policy = \"immutable\"\n\
published-at = \"0x5\"\nauthors = [\"a\"]\n[addresses]\napp = \"_\"\nother = \"0x7\"\n[dev-addresses]\napp = \"0xabc\"\n\
[dependencies]\nAptosFramework = { git = \"https://example.invalid/x.git\", rev = \"main\", subdir = \"y\" }\nlib = { local = \"../lib\" }\n\
[dev-dependencies]\nhelp = { local = \"../help\" }\n";

fn app() -> TempDir {
    folder(&[
        ("app/Move.toml", APP),
        ("app/sources/b.move", "module app::b { use lib::x; fun f() { x::f() } }"),
        ("app/sources/a/z.move", "module app::z {}"),
        ("app/sources/a.move", "module app::a {}"),
        ("app/sources/notes.txt", "no"),
        ("app/sources/.hidden.move", "no"),
        ("app/scripts/s.move", "script { fun main() {} }"),
        ("app/tests/t.move", "#[test_only] module app::t { #[test] fun t() {} }"),
        (
            "lib/Move.toml",
            "[package]\nname = \"lib\"\n[addresses]\nlib = \"0x9\"\n[dependencies]\nMoveStdlib = { local = \"nowhere\" }\n",
        ),
        ("lib/sources/x.move", "module lib::x { public fun f() {} #[test] fun t() {} }"),
        ("lib/tests/t.move", "module lib::t {}"),
        ("help/Move.toml", "[package]\nname = \"help\"\n"),
    ])
}

fn given(name: &str, value: u8) -> LoadOptions {
    LoadOptions {
        named_addresses: BTreeMap::from([(name.to_owned(), Address::from_u8(value))]),
        ..LoadOptions::default()
    }
}

#[test]
fn a_package_with_dependencies() {
    let folder = app();
    let program = load_well(&folder, "app", &given("app", 0x42));
    assert_eq!(names(&program), ["MoveStdlib", "NoemaFramework", "lib", "app"]);
    assert_eq!(source_names(&program, 3), ["s.move", "z.move", "a.move", "b.move"]);
    assert_eq!(source_names(&program, 2), ["x.move"]);
    let root = program.root();
    assert!(root.is_target && root.name == "app");
    assert_eq!(root.manifest.edition, Edition::E2024);
    assert_eq!(root.manifest.upgrade_policy, UpgradePolicy::Immutable);
    assert_eq!(root.manifest.published_at, Some(Address::from_u8(5)));
    let shown: Vec<String> =
        root.named_addresses.iter().map(|(name, value)| format!("{name}={}", value.to_short_hex())).collect();
    assert_eq!(
        shown,
        ["app=0x42", "aptos_framework=0x1", "aptos_std=0x1", "lib=0x9", "noema=0x1", "other=0x7", "std=0x1"]
    );
    let lib = &program.packages[2].named_addresses;
    assert!(!lib.contains_key("app") && !lib.contains_key("noema") && lib.contains_key("std"));
    let mut diagnostics = Diagnostics::new();
    let expanded = expand(program.parse(&mut diagnostics), false, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&program.files, false));
    let modules: Vec<String> = expanded.modules.keys().map(ToString::to_string).collect();
    assert_eq!(modules, ["0x1::coin", "0x1::vector", "0x9::x", "0x42::a", "0x42::b", "0x42::z"]);
    assert_eq!(expanded.scripts.len(), 1);
}

#[test]
fn test_mode_adds_tests_and_dev_sections() {
    let folder = app();
    let options = LoadOptions { test: true, ..LoadOptions::default() };
    let program = load_well(&folder, "app", &options);
    assert_eq!(names(&program), ["MoveStdlib", "NoemaFramework", "lib", "help", "app"]);
    assert_eq!(source_names(&program, 4), ["s.move", "z.move", "a.move", "b.move", "t.move"]);
    assert_eq!(program.root().named_addresses["app"].to_short_hex(), "0xabc");
    let mut diagnostics = Diagnostics::new();
    let expanded = expand(program.parse(&mut diagnostics), true, &mut diagnostics);
    assert!(!diagnostics.has_errors());
    let plan = crate::expand::test_plan::TestPlan::new(&expanded, &mut diagnostics);
    assert_eq!(plan.len(), 1);
}

#[test]
fn open_addresses_must_be_given() {
    let folder = app();
    insta::assert_snapshot!(failure(&folder, "app", &LoadOptions::default()));
}

#[test]
fn one_address_has_one_value() {
    let folder = folder(&[
        (
            "app/Move.toml",
            "[package]\nname = \"app\"\n[addresses]\na = \"0x1\"\nstd = \"0x0000000000000000000000000000000000000000000000000000000000000001\"\n[dependencies]\nlib = { local = \"../lib\" }\n",
        ),
        ("lib/Move.toml", "[package]\nname = \"lib\"\n[addresses]\na = \"0x2\"\n"),
    ]);
    insta::assert_snapshot!(failure(&folder, "app", &LoadOptions::default()));
    let only_lib = given("a", 2);
    load_well(&folder, "lib", &only_lib);
    assert!(failure(&folder, "lib", &given("a", 3)).contains("E0205"));
    assert!(failure(&folder, "lib", &given("std", 3)).contains("E0205"));
}

#[test]
fn substitutions_fill_open_addresses() {
    let folder = folder(&[
        (
            "app/Move.toml",
            "[package]\nname = \"app\"\n[dependencies]\nlib = { local = \"../lib\", addr_subst = { a = \"0x2\" } }\n",
        ),
        ("lib/Move.toml", "[package]\nname = \"lib\"\n[addresses]\na = \"_\"\n"),
    ]);
    let program = load_well(&folder, "app", &LoadOptions::default());
    assert_eq!(program.root().named_addresses["a"], Address::from_u8(2));
}

#[test]
fn circles_are_reported() {
    let folder = folder(&[
        ("a/Move.toml", "[package]\nname = \"a\"\n[dependencies]\nb = { local = \"../b\" }\n"),
        ("b/Move.toml", "[package]\nname = \"b\"\n[dependencies]\na = { local = \"../a/../a\" }\n"),
    ]);
    let message = failure(&folder, "a", &LoadOptions::default());
    assert!(message.contains("a -> b -> a"), "{message}");
}

#[test]
fn one_name_is_one_package() {
    let folder = folder(&[
        (
            "a/Move.toml",
            "[package]\nname = \"a\"\n[dependencies]\nx = { local = \"../x\" }\ny = { local = \"../y\" }\n",
        ),
        ("x/Move.toml", "[package]\nname = \"same\"\n"),
        ("y/Move.toml", "[package]\nname = \"same\"\n"),
    ]);
    assert!(failure(&folder, "a", &LoadOptions::default()).contains("E0209"));
}

#[test]
fn diamonds_load_once() {
    let folder = folder(&[
        (
            "a/Move.toml",
            "[package]\nname = \"a\"\n[dependencies]\nx = { local = \"../x\" }\ny = { local = \"../y\" }\n",
        ),
        ("x/Move.toml", "[package]\nname = \"x\"\n[dependencies]\nz = { local = \"../z\" }\n"),
        ("y/Move.toml", "[package]\nname = \"y\"\n[dependencies]\nz = { local = \"../z\" }\n"),
        ("z/Move.toml", "[package]\nname = \"z\"\n"),
    ]);
    let program = load_well(&folder, "a", &LoadOptions::default());
    assert_eq!(names(&program), ["MoveStdlib", "z", "x", "y", "a"]);
}

#[test]
fn missing_things() {
    let folder = folder(&[
        (
            "app/Move.toml",
            "[package]\nname = \"app\"\n[dependencies]\nlost = { local = \"../lost\" }\nfar = { git = \"https://example.invalid\" }\n",
        ),
        ("bare/sources/a.move", ""),
    ]);
    insta::assert_snapshot!(failure(&folder, "app", &LoadOptions::default()));
    insta::assert_snapshot!(failure(&folder, "bare", &LoadOptions::default()));
}

#[test]
fn manifests_with_mistakes() {
    let folder = folder(&[(
        "app/Move.toml",
        "[package]\nname = \"app\"\nauthor = \"x\"\nedition = \"2030\"\n[addresses]\nbad = \"12\"\nworse = 3\n[adresses]\n[dependencies]\nx = 1\n",
    )]);
    insta::assert_snapshot!(failure(&folder, "app", &LoadOptions::default()));
}

#[test]
fn broken_toml() {
    let folder = folder(&[("app/Move.toml", "[package\nname = \"app\"\n")]);
    assert!(failure(&folder, "app", &LoadOptions::default()).contains("E0201"));
}

#[test]
fn unknown_keys_only_warn() {
    let folder = folder(&[("app/Move.toml", "[package]\nname = \"app\"\nnonsense = 1\n[tool]\n")]);
    let program = load_well(&folder, "app", &LoadOptions::default());
    let codes: Vec<&str> = program.diagnostics.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["W0201", "W0201"]);
}

#[test]
fn sources_must_be_utf8() {
    let folder = folder(&[("app/Move.toml", "[package]\nname = \"app\"\n")]);
    fs::create_dir_all(folder.path().join("app/sources")).unwrap();
    fs::write(folder.path().join("app/sources/a.move"), b"module 0x1::m { // \xff\n}").unwrap();
    assert!(failure(&folder, "app", &LoadOptions::default()).contains("E0114"));
}

#[test]
fn an_embedded_package_can_be_built_from_its_own_folder() {
    let folder = folder(&[
        ("std/Move.toml", "[package]\nname = \"MoveStdlib\"\n[addresses]\nstd = \"0x1\"\n"),
        ("std/sources/a.move", "module std::a {}"),
    ]);
    let program = load_well(&folder, "std", &LoadOptions::default());
    assert_eq!(names(&program), ["MoveStdlib"]);
    assert_eq!(source_names(&program, 0), ["a.move"]);
}

#[test]
fn loose_texts_see_every_embedded_package() {
    let text = "module app::m { use std::vector; use noema::coin; }";
    let program = load_texts([("m.move", text)], &embedded(), &given("app", 3)).unwrap();
    assert_eq!(names(&program), ["MoveStdlib", "NoemaFramework", LOOSE_PACKAGE]);
    assert!(program.packages.iter().filter(|package| package.is_target).count() == 1);
    let mut diagnostics = Diagnostics::new();
    let expanded = expand(program.parse(&mut diagnostics), false, &mut diagnostics);
    assert!(diagnostics.is_empty());
    assert_eq!(expanded.modules.len(), 3);
    let missing = load_files(&[PathBuf::from("no/such.move")], &embedded(), &LoadOptions::default());
    assert!(missing.unwrap_err().to_string().contains("E0208"));
}

proptest! {
    #[test]
    fn random_manifests_never_panic(text in "\\PC{0,200}") {
        let mut diagnostics = Diagnostics::new();
        let manifest = manifest::parse(FileId(0), &text, &mut diagnostics);
        prop_assert!(!manifest.name.is_empty() || diagnostics.has_errors());
    }

    #[test]
    fn damaged_manifests_never_panic(cut in 0..APP.len(), insert in "[\\PC\n]{0,6}") {
        let text = format!("{}{insert}{}", &APP[..cut], &APP[cut + 1..]);
        let mut diagnostics = Diagnostics::new();
        let manifest = manifest::parse(FileId(0), &text, &mut diagnostics);
        prop_assert!(!manifest.name.is_empty() || diagnostics.has_errors());
    }
}
