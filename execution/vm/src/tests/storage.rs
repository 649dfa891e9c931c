//! Global storage, savepoints and publishing.

use noema_bytecode::{AbilitySet, Bytecode as B};
use noema_execution_api::{GasMeter, MemoryState, NativeTable, NoAnswers, StateView, StatusCode, TransactionContext};
use noema_types::{Address, StateKey, WriteOp};

use super::{M, bytes, failure, fib, state, vm};
use crate::tests::builder::{Builder, T, declare, id};
use crate::{ExecError, Session, Vm};

/// `struct R has key { f0: u64 }` with put, set, get, take, has; `struct G<T> has key { f0: T }` with put_generic.
fn store() -> Builder {
    let mut m = Builder::new(M);
    let key = AbilitySet::from_bits(0x8).unwrap();
    let (handle, r) = m.structure("R", key, 0, &[T::U64]);
    let field = m.field(r, 0);
    let signer = T::Reference(Box::new(T::Signer));
    m.function(
        &declare("put", &[signer.clone(), T::U64], &[]),
        &[],
        vec![B::MoveLoc(0), B::MoveLoc(1), B::Pack(r), B::MoveTo(r), B::Ret],
    );
    m.function(
        &declare("set", &[T::Address, T::U64], &[]),
        &[],
        vec![B::MoveLoc(1), B::MoveLoc(0), B::MutBorrowGlobal(r), B::MutBorrowField(field), B::WriteRef, B::Ret],
    );
    m.acquires(&[r]);
    m.function(
        &declare("get", &[T::Address], &[T::U64]),
        &[],
        vec![B::MoveLoc(0), B::ImmBorrowGlobal(r), B::ImmBorrowField(field), B::ReadRef, B::Ret],
    );
    m.acquires(&[r]);
    m.function(
        &declare("take", &[T::Address], &[T::U64]),
        &[],
        vec![B::MoveLoc(0), B::MoveFrom(r), B::Unpack(r), B::Ret],
    );
    m.acquires(&[r]);
    m.function(&declare("has", &[T::Address], &[T::Bool]), &[], vec![B::MoveLoc(0), B::Exists(r), B::Ret]);
    let (_, g) = m.structure("G", key, 1, &[T::TypeParameter(0)]);
    let instance = m.struct_instance(g, &[T::TypeParameter(0)]);
    let mut put = declare("put_generic", &[signer, T::TypeParameter(0)], &[]);
    put.type_parameters = vec![AbilitySet::PRIMITIVES];
    m.module.datatype_handles[1].type_parameters[0].constraints = AbilitySet::from_bits(0x4).unwrap();
    m.function(
        &put,
        &[],
        vec![B::MoveLoc(0), B::MoveLoc(1), B::PackGeneric(instance), B::MoveToGeneric(instance), B::Ret],
    );
    let _ = handle;
    m
}

fn key(tag: &str, address: Address) -> StateKey {
    StateKey::Resource { address, tag: format!("{M}::{tag}").parse().unwrap() }
}

fn start<'a>(vm: &'a Vm, state: &'a MemoryState) -> Session<'a> {
    vm.session(state, &NoAnswers, TransactionContext::default())
}

fn run(session: &mut Session<'_>, name: &str, args: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, ExecError> {
    let results = session.execute_function(&id(M), name, vec![], args.to_vec(), &mut GasMeter::unlimited())?;
    Ok(results.into_iter().map(|(bytes, _)| bytes).collect())
}

#[test]
fn changes_leave_as_a_write_set() {
    let (vm, mut state) = (vm(NativeTable::new()), state(vec![store()]));
    let one = bytes(&Address::ONE);
    let mut session = start(&vm, &state);
    assert_eq!(run(&mut session, "has", std::slice::from_ref(&one)).unwrap(), [[0]]);
    run(&mut session, "put", &[one.clone(), bytes(&5u64)]).unwrap();
    assert_eq!(run(&mut session, "has", std::slice::from_ref(&one)).unwrap(), [[1]]);
    let summary = session.change_summary().unwrap();
    assert_eq!((summary.writes, summary.slots_created, summary.slots_deleted), (1, 1, 0));
    let output = session.finish().unwrap();
    assert_eq!(output.write_set.0.len(), 1);
    assert_eq!(output.write_set.0[&key("R", Address::ONE)], WriteOp::Write(bytes(&5u64).into()));
    state.apply(&output.write_set);

    let mut session = start(&vm, &state);
    assert_eq!(run(&mut session, "get", std::slice::from_ref(&one)).unwrap(), [bytes(&5u64)]);
    assert_eq!(run(&mut session, "take", std::slice::from_ref(&one)).unwrap(), [bytes(&5u64)]);
    let output = session.finish().unwrap();
    assert_eq!(output.write_set.0[&key("R", Address::ONE)], WriteOp::Delete);
}

#[test]
fn equal_bytes_are_no_write() {
    let (vm, mut state) = (vm(NativeTable::new()), state(vec![store()]));
    state.insert(key("R", Address::ONE), bytes(&5u64));
    let one = bytes(&Address::ONE);
    let mut session = start(&vm, &state);
    run(&mut session, "set", &[one.clone(), bytes(&6u64)]).unwrap();
    run(&mut session, "set", &[one.clone(), bytes(&5u64)]).unwrap();
    assert!(session.finish().unwrap().write_set.0.is_empty());
    // Taken out and put back is no change either.
    let mut session = start(&vm, &state);
    run(&mut session, "take", std::slice::from_ref(&one)).unwrap();
    run(&mut session, "put", &[one, bytes(&5u64)]).unwrap();
    assert!(session.finish().unwrap().write_set.0.is_empty());
    // Made and taken within the session leaves nothing.
    let mut session = start(&vm, &state);
    let zero = bytes(&Address::ZERO);
    run(&mut session, "put", &[zero.clone(), bytes(&1u64)]).unwrap();
    run(&mut session, "take", &[zero]).unwrap();
    assert!(session.finish().unwrap().write_set.0.is_empty());
}

#[test]
fn missing_and_present_resources() {
    let (vm, mut state) = (vm(NativeTable::new()), state(vec![store()]));
    let one = bytes(&Address::ONE);
    let mut session = start(&vm, &state);
    let error = failure(run(&mut session, "get", std::slice::from_ref(&one)));
    assert_eq!((error.status, error.sub_status, error.at.unwrap().code_offset), (StatusCode::MISSING_DATA, None, 1));
    assert_eq!(failure(run(&mut session, "take", std::slice::from_ref(&one))).status, StatusCode::MISSING_DATA);
    state.insert(key("R", Address::ONE), bytes(&5u64));
    let mut session = start(&vm, &state);
    let error = failure(run(&mut session, "put", &[one.clone(), bytes(&5u64)]));
    assert_eq!(error.status, StatusCode::RESOURCE_ALREADY_EXISTS);
    state.insert(key("R", Address::ONE), vec![1, 2]);
    let mut session = start(&vm, &state);
    assert_eq!(failure(run(&mut session, "get", &[one])).status, StatusCode::FAILED_TO_DESERIALIZE_RESOURCE);
}

#[test]
fn type_arguments_are_part_of_the_key() {
    let (vm, state) = (vm(NativeTable::new()), state(vec![store()]));
    let one = bytes(&Address::ONE);
    let mut session = start(&vm, &state);
    let mut put = |tag: &str, value: Vec<u8>| {
        let types = vec![tag.parse().unwrap()];
        session.execute_function(&id(M), "put_generic", types, vec![one.clone(), value], &mut GasMeter::unlimited())
    };
    put("u8", vec![1]).unwrap();
    put("vector<u8>", vec![1, 9]).unwrap();
    assert_eq!(failure(put("u8", vec![1])).status, StatusCode::RESOURCE_ALREADY_EXISTS);
    let writes = session.finish().unwrap().write_set;
    assert_eq!(writes.0[&key("G<vector<u8>>", Address::ONE)], WriteOp::Write(vec![1, 9].into()));
    assert_eq!(writes.0[&key("G<u8>", Address::ONE)], WriteOp::Write(vec![1].into()));
}

#[test]
fn a_rollback_undoes_values_and_modules() {
    let (vm, state) = (vm(NativeTable::new()), state(vec![store()]));
    let one = bytes(&Address::ONE);
    let mut session = start(&vm, &state);
    run(&mut session, "put", &[one.clone(), bytes(&5u64)]).unwrap();
    let savepoint = session.savepoint();
    run(&mut session, "set", &[one.clone(), bytes(&6u64)]).unwrap();
    let mut other = fib();
    other.module.identifiers[0] = "n".parse().unwrap();
    session.publish_modules(vec![other.module.serialize().unwrap()]).unwrap();
    assert!(session.function(&id("0x42::n"), "fib").unwrap().is_some());
    session.rollback(savepoint);
    assert!(session.function(&id("0x42::n"), "fib").unwrap().is_none());
    assert_eq!(run(&mut session, "get", &[one]).unwrap(), [bytes(&5u64)]);
    let writes = session.finish().unwrap().write_set;
    assert_eq!(writes.0.keys().collect::<Vec<_>>(), [&key("R", Address::ONE)]);
}

#[test]
fn published_modules_run_at_once_and_replace_old_ones() {
    let version = |number: u64| {
        let mut m = Builder::new(M);
        m.function(&declare("f", &[], &[T::U64]), &[], vec![B::LdU64(number), B::Ret]);
        m
    };
    let (vm, state) = (vm(NativeTable::new()), state(vec![version(1)]));
    let mut session = start(&vm, &state);
    assert_eq!(run(&mut session, "f", &[]).unwrap(), [bytes(&1u64)]);
    let new = version(2).module.serialize().unwrap();
    session.publish_modules(vec![new.clone()]).unwrap();
    assert_eq!(run(&mut session, "f", &[]).unwrap(), [bytes(&2u64)]);
    let writes = session.finish().unwrap().write_set;
    assert_eq!(writes.0[&StateKey::Module(id(M))], WriteOp::Write(new.into()));
    // The state itself is untouched, and its version still runs.
    assert!(state.get(&StateKey::Module(id(M))).unwrap().is_some());
    assert_eq!(run(&mut start(&vm, &state), "f", &[]).unwrap(), [bytes(&1u64)]);
}

/// `script { fun main(s: &signer, v: u64) { 0x42::m::put(s, v) } }`
fn script() -> Vec<u8> {
    let mut m = Builder::new(M);
    let signer = T::Reference(Box::new(T::Signer));
    let declared = declare("put", &[signer, T::U64], &[]);
    m.handle(None, &declared);
    let parameters = m.signature(&declared.parameters);
    let locals = m.signature(&[]);
    // The pseudo-module comes last in every table.
    m.module.self_module_handle = m.module_handle("0x0::<SELF>");
    let code = vec![B::MoveLoc(0), B::MoveLoc(1), B::Call(noema_bytecode::FunctionHandleIndex(0)), B::Ret];
    let code = noema_bytecode::CodeUnit { locals, code, jump_tables: vec![] };
    noema_bytecode::CompiledScript { module: m.module, type_parameters: vec![], parameters, code }.serialize().unwrap()
}

#[test]
fn scripts_run_against_published_modules() {
    let (vm, state) = (vm(NativeTable::new()), state(vec![store()]));
    let mut session = start(&vm, &state);
    let script = script();
    let mut run =
        |args: Vec<Vec<u8>>| session.execute_script(&script, vec![], &[Address::ONE], args, &mut GasMeter::unlimited());
    assert_eq!(failure(run(vec![])).status, StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH);
    run(vec![bytes(&4u64)]).unwrap();
    let error = failure(run(vec![bytes(&4u64)]));
    assert_eq!(error.status, StatusCode::RESOURCE_ALREADY_EXISTS);
    assert_eq!(error.callers[0].location, noema_types::CodeLocation::Script);
    let garbage = session.execute_script(&[0], vec![], &[], vec![], &mut GasMeter::unlimited());
    assert_eq!(failure(garbage).status, StatusCode::BAD_MAGIC);
    assert_eq!(session.finish().unwrap().write_set.0.len(), 1);
}
