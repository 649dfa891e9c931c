//! A new package compiles without a warning, its tests pass, and the formatter has nothing to say.

use noema_compiler::package::{EmbeddedPackages, LoadOptions, load};
use noema_compiler::{Options, compile_package};
use noema_execution_api::GasSchedule;
use noema_framework::test_natives;
use noema_move_tools::fmt::format;
use noema_move_tools::new_package::files;
use noema_move_tools::unit_tests::{TestOptions, run};
use noema_vm::{Vm, VmLimits};

#[test]
fn it_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = files("Hello").expect("a good name");
    for (path, text) in &files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        std::fs::write(path, text).expect("a writable file");
    }
    let (library, framework) = (noema_move_stdlib::package(), noema_framework::package());
    let mut embedded = EmbeddedPackages::new();
    for package in [&library, &framework] {
        embedded.add(package.name, package.manifest, package.sources.iter().copied());
    }
    embedded.alias("AptosFramework", framework.name);
    let options = LoadOptions { test: true, dev: true, ..LoadOptions::default() };
    let loaded = load(folder.path(), &embedded, &options).unwrap_or_else(|failure| panic!("{failure}"));
    let program = compile_package(&loaded, Options { test: true }).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(program.warnings.is_empty(), "{}", program.warnings.render(&program.files, false));
    let vm = Vm::new(test_natives(), GasSchedule::default(), VmLimits::default());
    let options = TestOptions { filter: None, gas_limit: 1_000_000, threads: 2, record: true };
    let run = run(&vm, &loaded, &program, options, |_| ()).expect("no fault");
    assert_eq!(run.results.len(), 2);
    for result in &run.results {
        assert_eq!(result.failure, None, "{}", result.name);
    }
    let recorded = run.recorded.expect("recorded");
    // Units of inference are paid in advance and partly given back: the profile knows.
    assert_eq!(recorded.profile.total(), run.results.iter().map(|result| result.gas.0).sum::<u64>());
    let coverage = recorded.coverage;
    assert!(coverage.modules["0x42::hello"].lines.hit > 10, "{}", coverage.table());
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".move")) {
        assert_eq!(format(path, text).unwrap_or_else(|error| panic!("{error}")), *text);
    }
}

#[test]
fn bad_names_are_refused() {
    for name in ["", "1a", "a-b", "a/b", "_x", "..", "\u{e4}"] {
        assert!(files(name).is_err(), "{name}");
    }
}
