//! What runs pay and take that instructions do not show: memory, shapes of types, events.

use noema_bytecode::{AbilitySet, Bytecode as B, DatatypeHandleIndex};
use noema_execution_api::{
    EVENT_BYTES_MAX, EVENTS_MAX, GasMeter, GasSchedule, InternalGas, MemoryState, NativeArgs, NativeContext,
    NativeResult, NativeTable, NoAnswers, StatusCode, TransactionContext, VALUE_BYTES,
};
use noema_types::{Address, Event, StateKey, TypeTag};

use super::{M, bytes, state, status};
use crate::tests::builder::{Builder, T, declare, id};
use crate::{ExecError, Session, Vm, VmLimits};

const MEMORY: u64 = 60_000;

fn small_vm(natives: NativeTable) -> Vm {
    Vm::new(natives, GasSchedule::default(), VmLimits { memory_bytes: MEMORY, ..VmLimits::default() })
}

fn start<'a>(vm: &'a Vm, state: &'a MemoryState) -> Session<'a> {
    vm.session(state, &NoAnswers, TransactionContext::default())
}

/// Runs `0x42::m::name`; also gives the gas it used.
fn run(session: &mut Session<'_>, name: &str, types: &[&str], args: &[Vec<u8>]) -> (Result<(), ExecError>, u64) {
    // Enough for every test, and an end for what would run forever.
    let mut gas = GasMeter::new(InternalGas(100_000_000));
    let types = types.iter().map(|tag| tag.parse().unwrap()).collect();
    let result = session.execute_function(&id(M), name, types, args.to_vec(), &mut gas);
    (result.map(drop), gas.used().0)
}

fn vector(of: T) -> T {
    T::Vector(Box::new(of))
}

/// `copy(v: vector<bool>)` copies v and drops the copy; `hoard()` makes vectors forever.
fn copies() -> Builder {
    let mut m = Builder::new(M);
    let element = m.signature(&[T::U64]);
    m.function(&declare("copy", &[vector(T::Bool)], &[]), &[], vec![B::CopyLoc(0), B::Pop, B::Ret]);
    m.function(
        &declare("hoard", &[], &[]),
        &[],
        vec![B::LdU64(1), B::LdU64(2), B::VecPack(element, 2), B::Pop, B::Branch(0)],
    );
    m
}

#[test]
fn a_rollback_gives_memory_back() {
    let (vm, state) = (small_vm(NativeTable::new()), state(vec![copies()]));
    let mut session = start(&vm, &state);
    let ten = [bytes(&vec![true; 10])];
    run(&mut session, "copy", &[], &ten).0.unwrap();
    let savepoint = session.savepoint();
    assert_eq!(status(run(&mut session, "hoard", &[], &[]).0).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
    assert_eq!(status(run(&mut session, "copy", &[], &ten).0).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
    session.rollback(savepoint);
    run(&mut session, "copy", &[], &ten).0.unwrap();
}

#[test]
fn memory_is_counted_by_values_not_by_their_bytes() {
    let (vm, state) = (small_vm(NativeTable::new()), state(vec![copies()]));
    // The argument counts, and its copy.
    let fits = MEMORY / VALUE_BYTES / 2;
    run(&mut start(&vm, &state), "copy", &[], &[bytes(&vec![true; fits as usize])]).0.unwrap();
    let over = run(&mut start(&vm, &state), "copy", &[], &[bytes(&vec![true; fits as usize + 1])]).0;
    assert_eq!(status(over).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
}

#[test]
fn taking_bytes_apart_gives_back_no_more_than_they_took() {
    let mut m = Builder::new(M);
    let (byte, number) = (m.signature(&[T::U8]), m.signature(&[T::U64]));
    let constant = m.constant(vector(T::U8), bytes(&vec![7u8; 100]));
    let mut code = vec![B::LdU64(1), B::VecPack(number, 1), B::Pop, B::LdConst(constant), B::VecUnpack(byte, 100)];
    code.extend(vec![B::Pop; 100]);
    code.push(B::Branch(0));
    m.function(&declare("f", &[], &[]), &[], code);
    let (vm, state) = (small_vm(NativeTable::new()), state(vec![m]));
    let result = run(&mut start(&vm, &state), "f", &[], &[]).0;
    assert_eq!(status(result).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
}

fn key_ability() -> AbilitySet {
    AbilitySet::from_bits(0x8).unwrap()
}

#[test]
fn what_is_read_has_a_limit_too() {
    let mut m = Builder::new(M);
    let (_, r) = m.structure("R", key_ability(), 0, &[vector(T::Bool)]);
    m.function(&declare("has", &[T::Address], &[T::Bool]), &[], vec![B::MoveLoc(0), B::Exists(r), B::Ret]);
    let (vm, mut state) = (small_vm(NativeTable::new()), state(vec![m]));
    for (address, count) in [(1, 700), (2, 700), (3, 1_300)] {
        let key = StateKey::Resource { address: Address::from_u8(address), tag: format!("{M}::R").parse().unwrap() };
        state.insert(key, bytes(&vec![true; count]));
    }
    let has = |session: &mut Session<'_>, address| run(session, "has", &[], &[bytes(&Address::from_u8(address))]).0;
    let mut session = start(&vm, &state);
    let savepoint = session.savepoint();
    has(&mut session, 1).unwrap();
    has(&mut session, 1).unwrap();
    assert_eq!(status(has(&mut session, 2)).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
    session.rollback(savepoint);
    has(&mut session, 2).unwrap();
    assert_eq!(status(has(&mut start(&vm, &state), 3)).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
}

/// `struct Ln { f0: Ln-1, f1: Ln-1 }` and `struct Gn<T> { f0: Gn-1<P<T>>, f1: Gn-1<Q<T>> }`, both up to 12; `R` is
/// `struct has key { f0: L5 }`, `has` asks for it.
fn trees() -> Builder {
    let mut m = Builder::new(M);
    let abilities = AbilitySet::PRIMITIVES;
    let of = |handle: DatatypeHandleIndex, arg: T| T::DatatypeInstantiation(Box::new((handle, vec![arg])));
    let (p, _) = m.structure("P", abilities, 1, &[T::Bool]);
    let (q, _) = m.structure("Q", abilities, 1, &[T::Bool]);
    let (mut plain, mut generic) = (T::U64, None);
    for level in 0..=12 {
        let (handle, _) = m.structure(&format!("L{level}"), abilities, 0, &[plain.clone(), plain]);
        plain = T::Datatype(handle);
        let fields = [p, q].map(|wrapper| match generic {
            None => T::Bool,
            Some(below) => of(below, of(wrapper, T::TypeParameter(0))),
        });
        generic = Some(m.structure(&format!("G{level}"), abilities, 1, &fields).0);
        if level == 5 {
            let (_, r) = m.structure("R", key_ability(), 0, &[plain.clone()]);
            m.function(&declare("has", &[T::Address], &[T::Bool]), &[], vec![B::MoveLoc(0), B::Exists(r), B::Ret]);
        }
    }
    m
}

#[test]
fn shapes_are_counted_as_trees_before_they_are_built() {
    let (vm, state) = (super::vm(NativeTable::new()), state(vec![trees()]));
    let mut session = start(&vm, &state);
    let mut shape = |name: &str| session.type_layout(&format!("{M}::{name}").parse().unwrap());
    // L0 has 3 nodes, each next one twice those and its own: L7 has 511.
    shape("L7").unwrap();
    assert_eq!(status(shape("L8")).0, StatusCode::VM_MAX_TYPE_NODES_REACHED);
    assert_eq!(status(shape("L12")).0, StatusCode::VM_MAX_TYPE_NODES_REACHED);
    shape("G7<u8>").unwrap();
    assert_eq!(status(shape("G12<u8>")).0, StatusCode::VM_MAX_TYPE_NODES_REACHED);
    // What is known is no smaller.
    assert_eq!(status(shape("L8")).0, StatusCode::VM_MAX_TYPE_NODES_REACHED);
}

#[test]
fn shapes_cost_the_same_whether_known_or_not() {
    let (vm, state) = (super::vm(NativeTable::new()), state(vec![trees()]));
    let mut session = start(&vm, &state);
    let costs = GasSchedule::default();
    let block = costs.instructions.move_loc.0 + costs.instructions.exists.0 + costs.instructions.ret.0;
    let nodes = 128; // R and the 127 of L5.
    for address in [Address::ONE, Address::ZERO] {
        let (result, used) = run(&mut session, "has", &[], &[bytes(&address)]);
        result.unwrap();
        assert_eq!(used, block + costs.dynamic.global_load.0 + nodes * costs.dynamic.type_node.0);
    }
    let (_, used) = run(&mut session, "has", &[], &[bytes(&Address::ONE)]);
    assert_eq!(used, block, "the value is there");
}

#[test]
fn type_arguments_of_the_transaction_cost_like_others() {
    let mut m = Builder::new(M);
    let mut inner = declare("inner", &[], &[]);
    inner.type_parameters = vec![AbilitySet::EMPTY];
    let handle = m.handle(None, &inner);
    m.function(&inner, &[], vec![B::Ret]);
    let instance = m.function_instance(handle, &[T::TypeParameter(0)]);
    let mut outer = declare("outer", &[], &[]);
    outer.type_parameters = vec![AbilitySet::EMPTY];
    m.function(&outer, &[], vec![B::CallGeneric(instance), B::Ret]);
    let (vm, state) = (super::vm(NativeTable::new()), state(vec![m]));
    let used = |tag: &str| {
        let (result, used) = run(&mut start(&vm, &state), "outer", &[tag], &[]);
        result.unwrap();
        used
    };
    assert_eq!(used("vector<vector<u8>>") - used("u8"), 2 * GasSchedule::default().dynamic.type_node.0);
}

/// Emits `count` events of `size` bytes each.
fn emit(context: &mut NativeContext<'_>, mut args: NativeArgs) -> NativeResult {
    let (count, size) = (args.u64()?, args.u64()? as usize);
    let type_tag: TypeTag = context.type_arg(0)?.clone();
    for _ in 0..count {
        context.emit(Event::V2 { type_tag: type_tag.clone(), data: vec![0; size] })?;
    }
    Ok(vec![])
}

#[test]
fn events_cost_by_type_and_data_and_have_limits() {
    let mut m = Builder::new(M);
    let mut declared = declare("emit", &[T::U64, T::U64], &[]);
    declared.type_parameters = vec![AbilitySet::EMPTY];
    m.native(&declared);
    let mut natives = NativeTable::new();
    natives.add("0x42".parse().unwrap(), "m", "emit", emit);
    let (vm, state) = (super::vm(natives), state(vec![m]));
    let go = |session: &mut Session<'_>, tag: &str, count: u64, size: u64| {
        let mut gas = GasMeter::unlimited();
        let (types, args) = (vec![tag.parse().unwrap()], vec![bytes(&count), bytes(&size)]);
        let result = session.execute_function(&id(M), "emit", types, args, &mut gas);
        (result.map(drop), gas.used().0)
    };
    let mut session = start(&vm, &state);
    let savepoint = session.savepoint();
    let (_, short) = go(&mut session, "u8", 1, 10);
    let (_, long) = go(&mut session, "vector<vector<u8>>", 1, 10);
    assert_eq!(long - short, 2 * GasSchedule::default().dynamic.event_byte.0);
    session.rollback(savepoint.clone());

    go(&mut session, "u8", EVENTS_MAX as u64, 0).0.unwrap();
    assert_eq!(status(go(&mut session, "u8", 1, 0).0).0, StatusCode::IO_LIMIT_REACHED);
    session.rollback(savepoint.clone());

    go(&mut session, "u8", 8, EVENT_BYTES_MAX / 8 - 1).0.unwrap();
    assert_eq!(status(go(&mut session, "u8", 1, 0).0).0, StatusCode::IO_LIMIT_REACHED);
    session.rollback(savepoint);
    go(&mut session, "u8", 1, 0).0.unwrap();
}
