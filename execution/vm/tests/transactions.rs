//! What transactions call: entry functions and views, with the arguments they may pass.

#![allow(missing_docs, reason = "a test")]

mod common;

use common::{compile, vm};
use noema_execution_api::{GasMeter, MemoryState, NoAnswers, StatusCode, TransactionContext};
use noema_types::Address;
use noema_vm::{ExecError, Session, Vm};

const SOURCE: &str = r#"
module 0x1::object {
    struct ObjectCore has key { owner: address }
    struct Object<phantom T> has copy, drop, store { inner: address }
    public fun address_to_object<T: key>(object: address): Object<T> {
        assert!(exists<ObjectCore>(object), 0x60002);
        Object<T> { inner: object }
    }
    public fun make(s: &signer) { move_to(s, ObjectCore { owner: @0x1 }) }
}

module 0x42::m {
    use std::option::{Self, Option};
    use std::string::String;
    use 0x1::object::{Object, ObjectCore};

    struct Log has key { number: u64, words: vector<String>, flag: bool }

    entry fun note(s: &signer, number: u64, words: vector<String>, flag: Option<bool>) {
        move_to(s, Log { number, words, flag: option::destroy_with_default(flag, false) })
    }
    entry fun point(_s: &signer, _objects: vector<Object<ObjectCore>>) {}
    entry fun fail(s: &signer) { note(s, 1, vector[], option::none()); abort 9 }
    public fun number(a: address): u64 acquires Log { borrow_global<Log>(a).number }
    public fun pair<T>(x: u8): (u8, vector<u8>) { (x, vector[x, x]) }
}
"#;

fn id(text: &str) -> noema_types::ModuleId {
    text.parse().expect("a module's name")
}

fn arg<T: serde::Serialize>(value: &T) -> Vec<u8> {
    bcs::to_bytes(value).expect("a plain value serialises")
}

fn start<'a>(vm: &'a Vm, state: &'a MemoryState) -> Session<'a> {
    vm.session(state, &NoAnswers, TransactionContext::default())
}

fn entry(session: &mut Session<'_>, name: &str, args: Vec<Vec<u8>>) -> Result<(), ExecError> {
    session.execute_entry(&id("0x42::m"), name, vec![], &[Address::ONE], args, &mut GasMeter::unlimited())
}

fn status(result: Result<(), ExecError>) -> (StatusCode, Option<u64>) {
    let error = result.expect_err("it fails");
    let error = error.program().expect("a program's failure");
    (error.status, error.sub_status)
}

#[test]
fn arguments_of_every_kind_arrive() {
    let (vm, state) = (vm(), compile(SOURCE));
    let mut session = start(&vm, &state);
    let args = vec![arg(&7u64), arg(&vec!["a", "é"]), arg(&vec![true])];
    entry(&mut session, "note", args).expect("note");
    let view =
        session.execute_view(&id("0x42::m"), "number", vec![], vec![arg(&Address::ONE)], &mut GasMeter::unlimited());
    assert_eq!(view.expect("view")[0].0, arg(&7u64));
    let writes = session.finish().expect("changes").write_set;
    let written = writes.0.values().next().and_then(|op| op.bytes().cloned()).expect("one write");
    assert_eq!(written.to_vec(), arg(&(7u64, vec!["a", "é"], true)));
}

#[test]
fn what_move_code_could_not_have_made_is_refused() {
    let (vm, state) = (vm(), compile(SOURCE));
    let malformed = (StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT, None);
    let none = arg(&Vec::<bool>::new());
    for args in [
        vec![arg(&7u32), arg(&vec!["a"]), none.clone()],
        vec![arg(&7u64), vec![1, 1, 0xff], none.clone()],
        vec![arg(&7u64), arg(&vec!["a"]), arg(&vec![true, true])],
        vec![arg(&7u64), arg(&vec!["a"]), vec![1, 2]],
        vec![arg(&7u64), arg(&vec!["a"]), vec![0, 0]],
    ] {
        assert_eq!(status(entry(&mut start(&vm, &state), "note", args.clone())), malformed, "{args:?}");
    }
}

#[test]
fn objects_must_exist() {
    let (vm, state) = (vm(), compile(SOURCE));
    let mut session = start(&vm, &state);
    let here = || vec![arg(&vec![Address::ONE])];
    assert_eq!(status(entry(&mut session, "point", here())), (StatusCode::ABORTED, Some(0x60002)));
    let make = session.execute_function(
        &id("0x1::object"),
        "make",
        vec![],
        vec![arg(&Address::ONE)],
        &mut GasMeter::unlimited(),
    );
    make.expect("make");
    entry(&mut session, "point", here()).expect("the object is there");
}

#[test]
fn an_abort_leaves_nothing_after_rollback() {
    let (vm, state) = (vm(), compile(SOURCE));
    let mut session = start(&vm, &state);
    let savepoint = session.savepoint();
    assert_eq!(status(entry(&mut session, "fail", vec![])), (StatusCode::ABORTED, Some(9)));
    assert_eq!(session.change_summary().expect("changes").writes, 1, "half done until it is undone");
    session.rollback(savepoint);
    assert!(session.finish().expect("changes").write_set.0.is_empty());
}

#[test]
fn views_give_values_and_types() {
    let (vm, state) = (vm(), compile(SOURCE));
    let mut session = start(&vm, &state);
    let types = vec!["0x1::string::String".parse().expect("a type")];
    let results =
        session.execute_view(&id("0x42::m"), "pair", types, vec![vec![5]], &mut GasMeter::unlimited()).expect("view");
    let texts: Vec<_> = results.iter().map(|(bytes, tag)| (bytes.clone(), tag.to_string())).collect();
    assert_eq!(texts, [(vec![5], "u8".to_owned()), (vec![2, 5, 5], "vector<u8>".to_owned())]);
}
