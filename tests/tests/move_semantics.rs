//! Programs compiled by our compiler and run by our VM: each function's name ends with what it must return.

use std::collections::BTreeMap;

use noema_compiler::{CompiledProgram, Options, SourcePackage, compile_sources};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NoAnswers, TransactionContext};
use noema_types::{Address, StateKey};
use noema_vm::{Vm, VmLimits};

fn compile(source: &str) -> CompiledProgram {
    let std = noema_move_stdlib::package();
    let addresses: BTreeMap<String, Address> = [("std".to_owned(), Address::ONE)].into();
    let library = SourcePackage {
        name: std.name.to_owned(),
        sources: std.sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        addresses: addresses.clone(),
    };
    let root = SourcePackage {
        name: "expressions".to_owned(),
        sources: vec![("expressions.move".to_owned(), source.to_owned())],
        addresses,
    };
    compile_sources(&root, &[library], Options::default()).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The little-endian bytes of a result as a number.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[test]
fn functions_return_what_their_names_say() {
    let program = compile(include_str!("programs/expressions.move"));
    let mut state = MemoryState::new();
    let mut functions = Vec::new();
    for unit in program.modules {
        if unit.is_target {
            functions.extend(unit.source_map.functions.iter().map(|function| function.name.to_string()));
        }
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes);
    }
    let vm = Vm::new(noema_move_stdlib::natives(), GasSchedule::default(), VmLimits::default());
    let module = "0x42::r".parse().expect("a module's name");
    let mut wrong = Vec::new();
    let mut count = 0;
    for function in &functions {
        let Some((_, expected)) = function.strip_prefix('t').and_then(|rest| rest.split_once('_')) else { continue };
        let Ok(expected) = expected.parse::<u128>() else { continue };
        count += 1;
        let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
        let outcome = session.execute_function(&module, function, vec![], vec![], &mut GasMeter::unlimited());
        match outcome.as_deref() {
            Ok([(bytes, _)]) if number(bytes) == expected => {}
            other => wrong.push(format!("{function}: {other:?}")),
        }
    }
    assert!(count >= 40, "the functions are there: {count}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
