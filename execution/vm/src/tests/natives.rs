//! Natives: arguments, effects, ends.

use std::collections::BTreeMap;

use bytes::Bytes;
use noema_bytecode::Bytecode as B;
use noema_execution_api::{
    Counter, GasMeter, InternalGas, NativeArgs, NativeContext, NativeError, NativeResult, NativeTable, NoAnswers,
    StatusCode, TableKey, TransactionContext, Value,
};
use noema_types::{Address, Event, Hash, StateKey, TypeTag, WriteOp};

use super::{M, bytes, failure, state, vm};
use crate::ExecError;
use crate::tests::builder::{Builder, T, declare, id};

const TABLE: Address = Address::from_u8(9);

fn abort(_: &mut NativeContext<'_>, _: NativeArgs) -> NativeResult {
    Err(NativeError::Abort { code: 3 })
}

fn burn(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    context.charge(InternalGas(args.u64()?))?;
    Ok(vec![])
}

/// Doubles a number in place and emits the old one.
fn double(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let reference = args.reference()?;
    let old = context.read(&reference)?.as_u64().unwrap();
    context.write(&reference, Value::U64(old * 2))?;
    let data = context.serialize(&Value::U64(old), &TypeTag::U64)?;
    context.emit(Event::V2 { type_tag: TypeTag::U64, data })?;
    Ok(vec![Value::U64(context.next(Counter::UniqueAddress))])
}

fn ask(context: &mut NativeContext<'_>, _: NativeArgs) -> NativeResult {
    let answer = context.answer(Hash([7; 32]), || vec![1, 2])?;
    Ok(vec![Value::bytes(answer.to_vec())])
}

fn item(key: &[u8]) -> TableKey<'_> {
    TableKey { handle: TABLE, key, value_type: &TypeTag::U64 }
}

fn table_add(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let value = args.value()?;
    Ok(vec![Value::Bool(context.table_insert(item(&[1]), value)?)])
}

fn table_borrow(context: &mut NativeContext<'_>, _: NativeArgs) -> NativeResult {
    let found = context.table_borrow(item(&[1]), true)?;
    Ok(vec![Value::Reference(found.ok_or(NativeError::Abort { code: 404 })?)])
}

fn module() -> Builder {
    let mut m = Builder::new(M);
    let number = T::MutableReference(Box::new(T::U64));
    let natives = [
        declare("abort_3", &[], &[]),
        declare("burn", &[T::U64], &[]),
        declare("double", std::slice::from_ref(&number), &[T::U64]),
        declare("ask", &[], &[T::Vector(Box::new(T::U8))]),
        declare("table_add", &[T::U64], &[T::Bool]),
        declare("table_borrow", &[], std::slice::from_ref(&number)),
        declare("absent", &[], &[]),
    ];
    let handles: Vec<_> = natives.iter().map(|native| m.handle(None, native)).collect();
    for native in &natives {
        m.native(native);
    }
    m.function(&declare("call_abort", &[], &[]), &[], vec![B::Call(handles[0]), B::Ret]);
    m.function(
        &declare("f", &[], &[T::U64, T::U64]),
        &[T::U64],
        vec![B::LdU64(21), B::StLoc(0), B::MutBorrowLoc(0), B::Call(handles[2]), B::MoveLoc(0), B::Ret],
    );
    m.function(
        &declare("fill", &[], &[T::U64]),
        &[],
        vec![
            B::LdU64(1),
            B::Call(handles[4]),
            B::Pop,
            B::LdU64(5),
            B::Call(handles[5]),
            B::WriteRef,
            B::Call(handles[5]),
            B::ReadRef,
            B::Ret,
        ],
    );
    m
}

fn table() -> NativeTable {
    let mut natives = NativeTable::new();
    natives.add_module(
        "0x42".parse().unwrap(),
        "m",
        &[
            ("abort_3", abort),
            ("burn", burn),
            ("double", double),
            ("ask", ask),
            ("table_add", table_add),
            ("table_borrow", table_borrow),
        ],
    );
    natives
}

type Outcome = Result<Vec<(Vec<u8>, TypeTag)>, ExecError>;

fn run(name: &str, args: &[Vec<u8>], gas: &mut GasMeter) -> Outcome {
    let (vm, state) = (vm(table()), state(vec![module()]));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    session.execute_function(&id(M), name, vec![], args.to_vec(), gas)
}

#[test]
fn an_abort_is_located_in_the_native() {
    let error = failure(run("call_abort", &[], &mut GasMeter::unlimited()));
    assert_eq!(error.abort_code(), Some(3));
    assert_eq!(error.at.unwrap().name, "abort_3");
    assert_eq!((error.callers[0].name.as_str(), error.callers[0].code_offset), ("call_abort", 0));
}

#[test]
fn gas_runs_out_inside() {
    let mut gas = GasMeter::new(InternalGas(5_000));
    assert!(run("burn", &[bytes(&1_000u64)], &mut gas).is_ok());
    assert_eq!(gas.used().0, 1_000 + vm(table()).schedule().dynamic.native_call.0);
    let error = failure(run("burn", &[bytes(&5_000u64)], &mut gas));
    assert_eq!((error.status, gas.remaining().0), (StatusCode::OUT_OF_GAS, 0));
}

#[test]
fn effects_stay_in_the_session() {
    let (vm, state) = (vm(table()), state(vec![module()]));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let savepoint = session.savepoint();
    let mut call = || session.execute_function(&id(M), "f", vec![], vec![], &mut GasMeter::unlimited());
    assert_eq!(call().unwrap()[0].0, bytes(&0u64));
    let second = call().unwrap();
    assert_eq!((&second[0].0, &second[1].0), (&bytes(&1u64), &bytes(&42u64)));
    session.rollback(savepoint);
    assert!(session.events().is_empty());
    let third = session.execute_function(&id(M), "f", vec![], vec![], &mut GasMeter::unlimited()).unwrap();
    assert_eq!(third[0].0, bytes(&0u64), "counters start again");
    let events = session.finish().unwrap().events;
    assert_eq!(events, [Event::V2 { type_tag: TypeTag::U64, data: bytes(&21u64) }]);
}

#[test]
fn an_unknown_answer_is_pending_and_a_known_one_comes_back() {
    let pending = run("ask", &[], &mut GasMeter::unlimited());
    let Err(ExecError::Pending(job)) = pending else { panic!("pending, not {pending:?}") };
    assert_eq!((job.id, job.request), (Hash([7; 32]), vec![1, 2]));
    let answers = BTreeMap::from([(Hash([7; 32]), Bytes::from_static(b"yes"))]);
    let (vm, state) = (vm(table()), state(vec![module()]));
    let mut session = vm.session(&state, &answers, TransactionContext::default());
    let results = session.execute_function(&id(M), "ask", vec![], vec![], &mut GasMeter::unlimited()).unwrap();
    assert_eq!(results[0].0, bytes(&b"yes".to_vec()));
    assert_eq!(session.inference().jobs, [Hash([7; 32])]);
}

#[test]
fn table_items_are_global_values() {
    let (vm, mut state) = (vm(table()), state(vec![module()]));
    let key = StateKey::TableItem { handle: TABLE, key: vec![1] };
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let results = session.execute_function(&id(M), "fill", vec![], vec![], &mut GasMeter::unlimited()).unwrap();
    assert_eq!(results[0].0, bytes(&5u64));
    let writes = session.finish().unwrap().write_set;
    assert_eq!(writes.0[&key], WriteOp::Write(bytes(&5u64).into()));
    state.apply(&writes);
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let add = session.execute_function(&id(M), "table_add", vec![], vec![bytes(&8u64)], &mut GasMeter::unlimited());
    assert_eq!(add.unwrap()[0].0, [0], "there is one already");
    assert!(session.finish().unwrap().write_set.0.is_empty());
}

#[test]
fn a_native_that_nobody_implements_says_so() {
    let error = failure(run("absent", &[], &mut GasMeter::unlimited()));
    assert_eq!(error.status, StatusCode::MISSING_DEPENDENCY);
    assert!(error.message.unwrap().contains("absent"));
}
