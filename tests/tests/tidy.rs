//! Rules of the repository that a machine can check: layers, owners of heavy dependencies, documentation, sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use noema_tests::workspace_root;

/// Lines of a source file, tests included, at most.
const FILE_LINES_MAX: usize = 1_000;

/// Layer of every crate (ARCHITECTURE.md). A crate may depend on its own layer and those below.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["noema-types", "noema-crypto", "noema-store"]),
    (1, &["noema-execution-api", "noema-bytecode", "noema-inference-api", "noema-numerics", "noema-cuda"]),
    (
        2,
        &[
            "noema-dag",
            "noema-executor",
            "noema-state",
            "noema-vm",
            "noema-verifier",
            "noema-compiler",
            "noema-move-stdlib",
            "noema-framework",
            "noema-models",
            "noema-network",
        ],
    ),
    (3, &["noema-consensus", "noema-mempool", "noema-engine", "noema-move-tools", "noema-remote"]),
    (4, &["noema-node"]),
    (5, &["noema", "noema-lsp", "noema-move-diff", "noema-sdk", "noema-sim", "noema-tests"]),
];

/// Heavy dependencies and the only crates that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("axum", &["noema-node"]),
    ("blst", &["noema-crypto"]),
    ("candle-core", &["noema-models"]),
    ("clap", &["noema"]),
    ("cudarc", &["noema-cuda"]),
    ("fastcrypto", &["noema-crypto"]),
    ("jmt", &["noema-state"]),
    ("lsp-server", &["noema-lsp"]),
    ("lsp-types", &["noema-lsp"]),
    ("rocksdb", &["noema-store"]),
    ("rustls", &["noema-network"]),
    ("ratatui", &["noema"]),
    ("tokenizers", &["noema-models"]),
    ("tokio-rustls", &["noema-network"]),
    ("tonic", &["noema-remote"]),
    ("ureq", &["noema-node", "noema-sdk", "noema-tests"]),
];

/// Crates that must never know each other, whatever their layers: areas meet through contracts.
const STRANGERS: &[(&str, &str)] = &[
    ("noema-compiler", "noema-vm"),
    ("noema-dag", "noema-execution-api"),
    ("noema-executor", "noema-engine"),
    ("noema-executor", "noema-state"),
    ("noema-numerics", "noema-types"),
    ("noema-vm", "noema-inference-api"),
];

fn members() -> Vec<Package> {
    let manifest = workspace_root().join("Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    metadata.packages
}

fn normal_dependencies(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

fn sources(extension: &str) -> Vec<PathBuf> {
    let folders =
        ["base", "consensus", "execution", "move-stdlib", "framework", "inference-worker", "node", "clients", "tests"];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(workspace_root().join(folder)))
        .map(|entry| entry.expect("a readable tree").into_path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "build"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn dependencies_point_downward() {
    let layer_of: BTreeMap<&str, u8> =
        LAYERS.iter().flat_map(|(layer, names)| names.iter().map(|name| (*name, *layer))).collect();
    let mut wrong = Vec::new();
    for package in members() {
        let Some(own) = layer_of.get(package.name.as_str()) else {
            wrong.push(format!("{} has no layer in tests/tests/tidy.rs", package.name));
            continue;
        };
        for dependency in normal_dependencies(&package) {
            if layer_of.get(dependency.as_str()).is_some_and(|other| other > own) {
                wrong.push(format!("{} (L{own}) depends upward on {dependency}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn areas_meet_only_through_contracts() {
    let packages: BTreeMap<String, BTreeSet<String>> =
        members().iter().map(|package| (package.name.to_string(), normal_dependencies(package))).collect();
    for (left, right) in STRANGERS {
        assert!(!packages[*left].contains(*right), "{left} must not know {right}");
        assert!(!packages.get(*right).is_some_and(|names| names.contains(*left)), "{right} must not know {left}");
    }
}

#[test]
fn heavy_dependencies_have_one_owner() {
    for package in members() {
        let dependencies = normal_dependencies(&package);
        for (heavy, owners) in OWNERS {
            let allowed = owners.contains(&package.name.as_str());
            assert!(allowed || !dependencies.contains(*heavy), "{} must not depend on {heavy}", package.name);
        }
    }
}

#[test]
fn every_crate_is_introduced_in_one_sentence() {
    let root_readme = read(&workspace_root().join("ARCHITECTURE.md"));
    for package in members() {
        if package.name.as_str() == "noema" {
            continue;
        }
        let folder = package.manifest_path.parent().expect("a manifest has a folder").as_std_path().to_path_buf();
        let lib = read(&folder.join("src/lib.rs"));
        let sentence = lib.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default().to_owned();
        assert!(sentence.ends_with('.'), "{}: the first line of lib.rs is its sentence", package.name);
        let readme = read(&folder.join("README.md"));
        assert!(readme.contains(&sentence), "{}: README.md lacks the sentence {sentence:?}", package.name);
        assert!(root_readme.contains(&sentence), "{}: ARCHITECTURE.md lacks the sentence {sentence:?}", package.name);
    }
}

#[test]
fn files_have_module_docs_and_stay_short() {
    let mut wrong = Vec::new();
    for path in sources("rs") {
        let text = read(&path);
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines, more than {FILE_LINES_MAX}", path.display()));
        }
        let is_test_module = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        if !text.starts_with("//!") && !is_test_module {
            wrong.push(format!("{}: no module documentation", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_to_do_and_no_machine_is_named() {
    let marks = ["TO", "FIX", "XX"].map(|start| {
        format!(
            "{start}{}",
            if start == "TO" {
                "DO"
            } else if start == "FIX" {
                "ME"
            } else {
                "X"
            }
        )
    });
    let paths = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let mut wrong = Vec::new();
    for path in ["rs", "move", "sh", "md", "toml", "mjs"].into_iter().flat_map(sources) {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let marked = marks.iter().any(|mark| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == mark));
            if marked || paths.iter().any(|named| line.contains(named.as_str())) {
                wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn workspace_lints_reach_every_crate() {
    for package in members() {
        let manifest = read(package.manifest_path.as_std_path());
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} does not inherit the lints", package.name);
    }
}
