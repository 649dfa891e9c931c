//! Compiles Move sources and puts them into a state.

use noema_compiler::{Options, SourcePackage, compile_sources};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_types::{Address, StateKey, TypeTag};
use noema_vm::{ExecError, Vm, VmLimits};

/// Results of a call, or how it failed.
#[allow(dead_code, reason = "not every test looks at outcomes")]
pub(crate) type Outcome = Result<Vec<(Vec<u8>, TypeTag)>, ExecError>;

/// A machine that compares the interpreters with each other.
pub(crate) fn vm() -> Vm {
    plain_vm().paranoid()
}

/// A machine as nodes have it.
pub(crate) fn plain_vm() -> Vm {
    Vm::new(noema_move_stdlib::natives(), GasSchedule::default(), VmLimits::default())
}

/// The standard library and a package of one file.
pub(crate) fn compile(source: &str) -> MemoryState {
    let std = noema_move_stdlib::package();
    let addresses: std::collections::BTreeMap<String, Address> = [("std".to_owned(), Address::ONE)].into();
    let library = SourcePackage {
        name: "MoveStdlib".to_owned(),
        sources: std.sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        addresses: addresses.clone(),
    };
    let root = SourcePackage {
        name: "test".to_owned(),
        sources: vec![("test.move".to_owned(), source.to_owned())],
        addresses,
    };
    let program = compile_sources(&root, &[library], Options::default())
        .unwrap_or_else(|failure| panic!("{failure}{:?}", failure.diagnostics));
    let mut state = MemoryState::new();
    for unit in program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes);
    }
    state
}

/// Calls `0x42::module::function` on fresh state.
#[allow(dead_code, reason = "not every test calls functions this way")]
pub(crate) fn call(state: &MemoryState, function: &str, args: Vec<Vec<u8>>) -> Outcome {
    let (module, function) = function.rsplit_once("::").expect("MODULE::FUNCTION");
    let vm = vm();
    let mut session = vm.session(state, &NoAnswers, TransactionContext::default());
    let module = format!("0x42::{module}").parse().expect("a module's name");
    session.execute_function(&module, function, vec![], args, &mut GasMeter::unlimited())
}
