//! The packages of this repository load, parse and expand without a message, in both modes.

use std::path::{Path, PathBuf};

use noema_compiler::diagnostics::Diagnostics;
use noema_compiler::expand::expand;
use noema_compiler::expand::test_plan::TestPlan;
use noema_compiler::package::{EmbeddedPackages, LoadOptions, load};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(package: &str, test: bool) -> usize {
    let options = LoadOptions { test, ..LoadOptions::default() };
    let program = match load(&repository().join(package), &EmbeddedPackages::new(), &options) {
        Ok(program) => program,
        Err(failure) => panic!("{failure}"),
    };
    let mut diagnostics = program.diagnostics.clone();
    let expanded = expand(program.parse(&mut diagnostics), test, &mut diagnostics);
    let plan = TestPlan::new(&expanded, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{}", diagnostics.render(&program.files, false));
    assert!(expanded.modules.values().any(|module| module.is_target));
    plan.len()
}

#[test]
fn move_stdlib() {
    assert_eq!(check("move-stdlib", false), 0);
    assert!(check("move-stdlib", true) > 0);
}

#[test]
fn framework() {
    assert_eq!(check("framework", false), 0);
    assert!(check("framework", true) > 0);
}

#[test]
fn loading_twice_gives_the_same_program() {
    let load_once = || {
        let options = LoadOptions { test: true, ..LoadOptions::default() };
        let program = load(&repository().join("framework"), &EmbeddedPackages::new(), &options).expect("loads");
        let mut diagnostics = Diagnostics::new();
        format!("{:?}", expand(program.parse(&mut diagnostics), true, &mut diagnostics))
    };
    assert_eq!(load_once(), load_once());
}
