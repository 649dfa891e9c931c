//! Runs the unit tests in Move of the standard library, the framework and the example packages.

use std::path::{Path, PathBuf};

use noema_compiler::expand::test_plan::{FailureKind, FailurePattern, Outcome};
use noema_compiler::{CompiledProgram, Options, SourcePackage, compile_sources};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, StatusCode, TransactionContext};
use noema_framework::{source_package, test_natives};
use noema_types::{Address, CodeLocation, Gas, Hash, Identifier, ModuleId, StateKey};
use noema_vm::{ExecError, Vm, VmError, VmLimits};

/// Units of gas that a unit test may use.
const GAS_PER_TEST: Gas = Gas(1_000_000);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = ["sources", "tests"]
        .iter()
        .filter_map(|part| std::fs::read_dir(folder.join(part)).ok())
        .flatten()
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "move"))
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("sources are readable")))
        .collect()
}

fn compile(folder: &str, dependencies: &[SourcePackage]) -> CompiledProgram {
    let mut addresses = source_package(noema_framework::package()).addresses;
    addresses.insert("scribe".to_owned(), "0x5c1be".parse().expect("an address"));
    addresses.insert("librarian".to_owned(), "0x11b".parse().expect("an address"));
    addresses.insert("task_market".to_owned(), "0x7a5c".parse().expect("an address"));
    addresses.insert("matching_round".to_owned(), "0x20d".parse().expect("an address"));
    addresses.insert("review_escrow".to_owned(), "0xe5c20".parse().expect("an address"));
    let package = SourcePackage { name: folder.to_owned(), sources: sources(&root().join(folder)), addresses };
    compile_sources(&package, dependencies, Options { test: true }).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Runs every unit test of a package, and checks that there are at least `tests_min`.
fn run(folder: &str, dependencies: &[SourcePackage], tests_min: usize) {
    let program = compile(folder, dependencies);
    let mut state = MemoryState::new();
    for unit in &program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let vm = Vm::new(test_natives(), GasSchedule::default(), VmLimits::default());
    let (mut ran, mut failures) = (0, Vec::new());
    for (module, cases) in &program.test_plan.expect("compiled for tests").modules {
        let id = ModuleId::new(module.address, Identifier::new(module.name.as_str()).expect("a module's name"));
        for case in cases {
            ran += 1;
            let name = format!("{id}::{}", case.name);
            let context = TransactionContext { hash: Hash::sha3(&[name.as_bytes()]), ..TransactionContext::default() };
            let mut session = vm.session(&state, &NoAnswers, context);
            let mut gas = GasMeter::new(vm.schedule().from_units(GAS_PER_TEST));
            let signers = case.signers.iter().map(|address| address.0.to_vec()).collect();
            let result = session.execute_function(&id, &case.name, Vec::new(), signers, &mut gas);
            if let Some(failure) = judge(&case.outcome, &result.map(drop)) {
                failures.push(format!("{name}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {ran} tests failed:\n{}", failures.len(), failures.join("\n"));
    assert!(ran >= tests_min, "{folder} has {ran} tests, expected at least {tests_min}");
}

/// `None` if the test ended as it should.
fn judge(outcome: &Outcome, result: &Result<(), ExecError>) -> Option<String> {
    match (outcome, result) {
        (Outcome::Pass, Ok(())) | (Outcome::AnyFailure, Err(ExecError::Program(_))) => None,
        (Outcome::Failure(pattern), Err(ExecError::Program(error))) if matches(pattern, error) => None,
        (outcome, Ok(())) => Some(format!("passed, but {outcome:?} is expected")),
        (outcome, Err(error)) => Some(format!("{outcome:?} is expected, got {error}")),
    }
}

fn matches(pattern: &FailurePattern, error: &VmError) -> bool {
    let is_kind = match &pattern.kind {
        FailureKind::Abort(code) => error.abort_code() == Some(*code),
        FailureKind::Arithmetic => error.status == StatusCode::ARITHMETIC_ERROR,
        FailureKind::Vector(minor) => {
            error.status == StatusCode::VECTOR_OPERATION_ERROR
                && minor.is_none_or(|minor| error.sub_status == Some(minor))
        }
        other => panic!("no test here expects {other:?}"),
    };
    let is_place = pattern.location.as_ref().is_none_or(|wanted| {
        let module = error.at.as_ref().map(|at| &at.location);
        matches!(module, Some(CodeLocation::Module(id))
            if id.address == wanted.address && id.name.as_str() == wanted.name.as_str())
    });
    is_kind && is_place
}

#[test]
fn standard_library() {
    run("move-stdlib", &[], 150);
}

#[test]
fn framework() {
    run("framework", &[source_package(noema_move_stdlib::package())], 345);
}

#[test]
fn examples() {
    let dependencies = [source_package(noema_move_stdlib::package()), source_package(noema_framework::package())];
    run("clients/examples/scribe", &dependencies, 6);
    run("clients/examples/review_escrow", &dependencies, 15);
    run("clients/examples/librarian", &dependencies, 3);
    run("clients/examples/task_market", &dependencies, 20);
    run("clients/examples/matching_round", &dependencies, 14);
}

#[test]
fn the_runner_notices_failures() {
    let package = SourcePackage {
        name: "t".to_owned(),
        sources: vec![(
            "t.move".to_owned(),
            "module 0x42::t { #[test] fun fails() { abort 7 } #[test] #[expected_failure(abort_code = 8)] fun other() { abort 7 } }".to_owned(),
        )],
        addresses: std::iter::once(("std".to_owned(), Address::ONE)).collect(),
    };
    let program = compile_sources(&package, &[], Options { test: true }).unwrap_or_else(|failure| panic!("{failure}"));
    let mut state = MemoryState::new();
    for unit in &program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let vm = Vm::new(test_natives(), GasSchedule::default(), VmLimits::default());
    for cases in program.test_plan.expect("compiled for tests").modules.values() {
        assert_eq!(cases.len(), 2);
        for case in cases {
            let id: ModuleId = "0x42::t".parse().expect("a module");
            let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
            let result = session.execute_function(&id, &case.name, vec![], vec![], &mut GasMeter::unlimited());
            assert!(judge(&case.outcome, &result.map(drop)).is_some(), "{}", case.name);
        }
    }
}

#[test]
fn what_tests_print_is_kept_and_nodes_print_nothing() {
    let package = SourcePackage {
        name: "t".to_owned(),
        sources: vec![(
            "t.move".to_owned(),
            "module 0x42::t { struct S { a: u8 } fun shows() { std::debug::print(&b\"ab\"); let s = S { a: 1 }; \
             std::debug::print(&s); let S { a: _ } = s; std::debug::print_stack_trace(); } }"
                .to_owned(),
        )],
        addresses: std::iter::once(("std".to_owned(), Address::ONE)).collect(),
    };
    let stdlib = [source_package(noema_move_stdlib::package())];
    let program = compile_sources(&package, &stdlib, Options::default()).unwrap_or_else(|failure| panic!("{failure}"));
    let mut state = MemoryState::new();
    for unit in &program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes.clone());
    }
    let id: ModuleId = "0x42::t".parse().expect("a module");
    let printed = |natives| {
        let vm = Vm::new(natives, GasSchedule::default(), VmLimits::default());
        let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
        session.execute_function(&id, "shows", vec![], vec![], &mut GasMeter::unlimited()).expect("runs");
        session.printed().to_vec()
    };
    let shown = printed(test_natives());
    let [bytes, value, _mark] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!(bytes, "0x6162");
    assert!(value.ends_with("42::t::S {\n  a: 1\n}"), "{value}");
    assert!(printed(noema_framework::natives()).is_empty());
}
