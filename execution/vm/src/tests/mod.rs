//! The interpreter on modules made by hand.

mod accounting;
mod builder;
mod fuzz;
mod gas;
mod natives;
mod storage;
mod tracing;
mod twins;

use noema_bytecode::{AbilitySet, Bytecode as B, VariantJumpTable, Visibility};
use noema_execution_api::{GasMeter, GasSchedule, MemoryState, NativeTable, NoAnswers, StatusCode, TransactionContext};
use noema_types::{Address, StateKey, TypeTag, U256};

use crate::{ExecError, Vm, VmError, VmLimits};
use builder::{Builder, T, declare, id};

pub(crate) const M: &str = "0x42::m";

pub(crate) fn vm(natives: NativeTable) -> Vm {
    Vm::new(natives, GasSchedule::default(), VmLimits::default())
}

pub(crate) fn state(modules: Vec<Builder>) -> MemoryState {
    let mut state = MemoryState::new();
    for builder in modules {
        let key = StateKey::Module(builder.module.self_id());
        state.insert(key, builder.module.serialize().unwrap());
    }
    state
}

pub(crate) fn bytes<V: serde::Serialize>(value: &V) -> Vec<u8> {
    bcs::to_bytes(value).unwrap()
}

/// Runs `0x42::m::name` with BCS arguments on fresh state.
pub(crate) fn call(builders: Vec<Builder>, name: &str, args: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, ExecError> {
    call_generic(builders, name, &[], args)
}

pub(crate) fn call_generic(
    builders: Vec<Builder>,
    name: &str,
    types: &[&str],
    args: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, ExecError> {
    let (vm, state) = (vm(NativeTable::new()), state(builders));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let types = types.iter().map(|tag| tag.parse().unwrap()).collect();
    let results = session.execute_function(&id(M), name, types, args.to_vec(), &mut GasMeter::unlimited())?;
    Ok(results.into_iter().map(|(bytes, _)| bytes).collect())
}

pub(crate) fn failure<V: std::fmt::Debug>(result: Result<V, ExecError>) -> VmError {
    match result {
        Err(ExecError::Program(error)) => *error,
        other => panic!("a failing program, not {other:?}"),
    }
}

pub(crate) fn status<V: std::fmt::Debug>(result: Result<V, ExecError>) -> (StatusCode, Option<u64>) {
    let error = failure(result);
    (error.status, error.sub_status)
}

/// `fun fib(n: u64): u64 { if (n < 2) n else fib(n - 1) + fib(n - 2) }`
pub(crate) fn fib() -> Builder {
    let mut m = Builder::new(M);
    let declared = declare("fib", &[T::U64], &[T::U64]);
    let fib = m.handle(None, &declared);
    m.function(
        &declared,
        &[],
        vec![
            B::CopyLoc(0),
            B::LdU64(2),
            B::Lt,
            B::BrFalse(6),
            B::MoveLoc(0),
            B::Ret,
            B::CopyLoc(0),
            B::LdU64(1),
            B::Sub,
            B::Call(fib),
            B::MoveLoc(0),
            B::LdU64(2),
            B::Sub,
            B::Call(fib),
            B::Add,
            B::Ret,
        ],
    );
    m
}

/// A module with one function `f` without arguments.
pub(crate) fn one(results: &[T], locals: &[T], code: impl FnOnce(&mut Builder) -> Vec<B>) -> Vec<Builder> {
    let mut m = Builder::new(M);
    let code = code(&mut m);
    m.function(&declare("f", &[], results), locals, code);
    vec![m]
}

#[test]
fn recursion_and_calls() {
    assert_eq!(call(vec![fib()], "fib", &[bytes(&20u64)]).unwrap(), [bytes(&6765u64)]);
}

#[test]
fn operands_are_taken_in_order() {
    let code = |_: &mut Builder| vec![B::LdU8(7), B::LdU8(2), B::Sub, B::LdU8(1), B::Shl, B::Ret];
    assert_eq!(call(one(&[T::U8], &[], code), "f", &[]).unwrap(), [[10]]);
    let code = |_: &mut Builder| vec![B::LdU64(1), B::LdU64(2), B::Lt, B::Not, B::Ret];
    assert_eq!(call(one(&[T::Bool], &[], code), "f", &[]).unwrap(), [[0]]);
    let wide = U256::from(7) << 130;
    let code = move |_: &mut Builder| vec![B::LdU256(Box::new(wide)), B::LdU8(130), B::Shr, B::CastU8, B::Ret];
    assert_eq!(call(one(&[T::U8], &[], code), "f", &[]).unwrap(), [[7]]);
}

#[test]
fn failing_arithmetic_has_its_place() {
    let code = |_: &mut Builder| vec![B::LdU64(1), B::LdU64(0), B::Div, B::Ret];
    let error = failure(call(one(&[T::U64], &[], code), "f", &[]));
    assert_eq!((error.status, error.sub_status), (StatusCode::ARITHMETIC_ERROR, None));
    let at = error.at.unwrap();
    assert_eq!((at.function, at.code_offset, at.name.as_str()), (0, 2, "f"));
    assert_eq!(at.to_string(), format!("{}::f at offset 2", id(M)));
}

#[test]
fn aborts_carry_code_and_callers() {
    let mut m = Builder::new(M);
    let inner = declare("inner", &[], &[]);
    let handle = m.handle(None, &inner);
    m.function(&inner, &[], vec![B::LdU64(77), B::Abort]);
    m.function(&declare("f", &[], &[]), &[], vec![B::Nop, B::Call(handle), B::Ret]);
    let error = failure(call(vec![m], "f", &[]));
    assert_eq!(error.abort_code(), Some(77));
    assert_eq!(error.at.unwrap().code_offset, 1);
    assert_eq!((error.callers.len(), error.callers[0].code_offset, error.callers[0].function), (1, 1, 1));
}

/// `fun down(n: u64): u64 { if (n == 0) 0 else 1 + (1 + down(n - 1)) }`, with `pushes` ones before the call.
fn down(pushes: usize) -> Builder {
    let mut m = Builder::new(M);
    let declared = declare("down", &[T::U64], &[T::U64]);
    let down = m.handle(None, &declared);
    let mut code = vec![B::CopyLoc(0), B::LdU64(0), B::Eq, B::BrFalse(6), B::LdU64(0), B::Ret];
    code.extend(vec![B::LdU64(1); pushes]);
    code.extend([B::MoveLoc(0), B::LdU64(1), B::Sub, B::Call(down)]);
    code.extend(vec![B::Add; pushes]);
    code.push(B::Ret);
    m.function(&declared, &[], code);
    m
}

#[test]
fn frames_are_limited() {
    assert_eq!(call(vec![down(0)], "down", &[bytes(&1024u64)]).unwrap(), [bytes(&0u64)]);
    assert_eq!(status(call(vec![down(0)], "down", &[bytes(&1025u64)])).0, StatusCode::CALL_STACK_OVERFLOW);
}

#[test]
fn operands_are_limited_over_all_frames() {
    assert_eq!(call(vec![down(2)], "down", &[bytes(&510u64)]).unwrap(), [bytes(&1020u64)]);
    assert_eq!(status(call(vec![down(2)], "down", &[bytes(&514u64)])).0, StatusCode::EXECUTION_STACK_OVERFLOW);
}

#[test]
fn vectors_work_through_references() {
    // let v = vector[1, 2, 3]; v[0] = 10; swap(&mut v, 0, 2); push_back(&mut v, 4); pop_back(&mut v); v
    let code = |m: &mut Builder| {
        let element = m.signature(&[T::U64]);
        vec![
            B::LdU64(1),
            B::LdU64(2),
            B::LdU64(3),
            B::VecPack(element, 3),
            B::StLoc(0),
            B::LdU64(10),
            B::MutBorrowLoc(0),
            B::LdU64(0),
            B::VecMutBorrow(element),
            B::WriteRef,
            B::MutBorrowLoc(0),
            B::LdU64(0),
            B::LdU64(2),
            B::VecSwap(element),
            B::MutBorrowLoc(0),
            B::LdU64(4),
            B::VecPushBack(element),
            B::MutBorrowLoc(0),
            B::VecPopBack(element),
            B::Pop,
            B::MoveLoc(0),
            B::Ret,
        ]
    };
    let vector = T::Vector(Box::new(T::U64));
    let results = call(one(std::slice::from_ref(&vector), std::slice::from_ref(&vector), code), "f", &[]).unwrap();
    assert_eq!(results, [bytes(&vec![3u64, 2, 10])]);
}

#[test]
fn bytes_are_vectors_too() {
    let code = |m: &mut Builder| {
        let element = m.signature(&[T::U8]);
        let constant = m.constant(T::Vector(Box::new(T::U8)), vec![2, 8, 9]);
        vec![
            B::LdConst(constant),
            B::StLoc(0),
            B::LdU8(200),
            B::MutBorrowLoc(0),
            B::LdU64(1),
            B::VecMutBorrow(element),
            B::WriteRef,
            B::ImmBorrowLoc(0),
            B::LdU64(0),
            B::VecImmBorrow(element),
            B::ReadRef,
            B::StLoc(1),
            B::MutBorrowLoc(0),
            B::MoveLoc(1),
            B::VecPushBack(element),
            B::MoveLoc(0),
            B::Ret,
        ]
    };
    let vector = T::Vector(Box::new(T::U8));
    let results = call(one(std::slice::from_ref(&vector), &[vector.clone(), T::U8], code), "f", &[]).unwrap();
    assert_eq!(results, [vec![3, 8, 200, 8]]);
}

#[test]
fn vector_errors_have_their_sub_status() {
    let vector = T::Vector(Box::new(T::U64));
    let run = |code: fn(noema_bytecode::SignatureIndex) -> Vec<B>, results: &[T]| {
        let build = |m: &mut Builder| {
            let element = m.signature(&[T::U64]);
            code(element)
        };
        status(call(one(results, std::slice::from_ref(&vector), build), "f", &[]))
    };
    let error = StatusCode::VECTOR_OPERATION_ERROR;
    let index = |e| {
        vec![B::VecPack(e, 0), B::StLoc(0), B::ImmBorrowLoc(0), B::LdU64(0), B::VecImmBorrow(e), B::ReadRef, B::Ret]
    };
    assert_eq!(run(index, &[T::U64]), (error, Some(1)));
    let pop = |e| vec![B::VecPack(e, 0), B::StLoc(0), B::MutBorrowLoc(0), B::VecPopBack(e), B::Ret];
    assert_eq!(run(pop, &[T::U64]), (error, Some(2)));
    let unpack = |e| vec![B::LdU64(1), B::VecPack(e, 1), B::VecUnpack(e, 0), B::Ret];
    assert_eq!(run(unpack, &[]), (error, Some(3)));
    let swap =
        |e| vec![B::VecPack(e, 0), B::StLoc(0), B::MutBorrowLoc(0), B::LdU64(0), B::LdU64(0), B::VecSwap(e), B::Ret];
    assert_eq!(run(swap, &[]), (error, Some(1)));
}

#[test]
fn generic_structs_and_functions() {
    // struct Box<T> { f0: T }; fun swap_in<T>(b: Box<T>, x: T): (Box<T>, T)
    let mut m = Builder::new(M);
    let abilities = AbilitySet::PRIMITIVES;
    let (handle, def) = m.structure("Box", abilities, 1, &[T::TypeParameter(0)]);
    let boxed = |of: T| T::DatatypeInstantiation(Box::new((handle, vec![of])));
    let param = T::TypeParameter(0);
    let mut declared =
        declare("swap_in", &[boxed(param.clone()), param.clone()], &[boxed(param.clone()), param.clone()]);
    declared.type_parameters = vec![AbilitySet::PRIMITIVES];
    let function = m.handle(None, &declared);
    let field = m.field_instance(def, 0, std::slice::from_ref(&param));
    m.function(
        &declared,
        std::slice::from_ref(&param),
        vec![
            B::ImmBorrowLoc(0),
            B::ImmBorrowFieldGeneric(field),
            B::ReadRef,
            B::StLoc(2),
            B::MoveLoc(1),
            B::MutBorrowLoc(0),
            B::MutBorrowFieldGeneric(field),
            B::WriteRef,
            B::MoveLoc(0),
            B::MoveLoc(2),
            B::Ret,
        ],
    );
    let bytes_type = T::Vector(Box::new(T::U8));
    let pack = m.struct_instance(def, std::slice::from_ref(&bytes_type));
    let instance = m.function_instance(function, std::slice::from_ref(&bytes_type));
    let constant = m.constant(bytes_type.clone(), vec![1, 5]);
    let element = m.signature(&[T::U8]);
    m.function(
        &declare("f", &[], &[bytes_type.clone(), bytes_type.clone()]),
        &[],
        vec![
            B::LdConst(constant),
            B::PackGeneric(pack),
            B::VecPack(element, 0),
            B::CallGeneric(instance),
            B::StLoc(0),
            B::UnpackGeneric(pack),
            B::MoveLoc(0),
            B::Ret,
        ],
    );
    m.module.function_defs[1].code.as_mut().unwrap().locals = m.signature(&[bytes_type]);
    assert_eq!(call(vec![m], "f", &[]).unwrap(), [vec![0], vec![1, 5]]);
}

/// Struct `Sn` holds `S(n-1)`, down to a u64: nested `depth` structs and a number.
fn nested(depth: usize) -> Builder {
    let mut m = Builder::new(M);
    let mut inner = T::U64;
    let mut code = vec![B::LdU64(1)];
    for level in 0..depth {
        let (handle, def) = m.structure(&format!("S{level}"), AbilitySet::PRIMITIVES, 0, &[inner]);
        inner = T::Datatype(handle);
        code.push(B::Pack(def));
    }
    code.extend([B::Pop, B::Ret]);
    m.function(&declare("f", &[], &[]), &[], code);
    m
}

#[test]
fn values_are_nested_at_most_128_deep() {
    assert_eq!(call(vec![nested(127)], "f", &[]).unwrap(), Vec::<Vec<u8>>::new());
    let error = failure(call(vec![nested(128)], "f", &[]));
    assert_eq!(error.status, StatusCode::VM_MAX_VALUE_DEPTH_REACHED);
    assert_eq!(error.at.unwrap().code_offset, 128);
}

#[test]
fn enums_switch_and_unpack() {
    // enum E { V0, V1(u64) }; f(e): u64 { match (&e) { V0 => 5, V1(x) => *x } }
    let mut m = Builder::new(M);
    let (handle, variants) = m.enumeration("E", AbilitySet::PRIMITIVES, &[&[], &[T::U64]]);
    m.function(
        &declare("f", &[T::Datatype(handle)], &[T::U64]),
        &[],
        vec![
            B::ImmBorrowLoc(0),
            B::VariantSwitch(noema_bytecode::VariantJumpTableIndex(0)),
            B::LdU64(5),
            B::Ret,
            B::ImmBorrowLoc(0),
            B::UnpackVariantImmRef(variants[1]),
            B::ReadRef,
            B::Ret,
        ],
    );
    m.jump_tables(vec![VariantJumpTable { head_enum: noema_bytecode::EnumDefIndex(0), targets: vec![2, 4] }]);
    m.function(
        &declare("g", &[], &[T::U64]),
        &[],
        vec![B::LdU64(1), B::PackVariant(variants[1]), B::UnpackVariant(variants[0]), B::LdU64(1), B::Ret],
    );
    m.module.version = noema_bytecode::Version::Sui7;
    let modules = || vec![Builder { module: m.module.clone() }];
    assert_eq!(call(modules(), "f", &[vec![0]]).unwrap(), [bytes(&5u64)]);
    assert_eq!(call(modules(), "f", &[bytes(&(1u8, 9u64))]).unwrap(), [bytes(&9u64)]);
    assert_eq!(status(call(modules(), "g", &[])).0, StatusCode::VARIANT_TAG_MISMATCH);
    assert_eq!(status(call(modules(), "f", &[vec![2]])).0, StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT);
}

fn caller(of: &str) -> Builder {
    let mut n = Builder::new(M);
    let declared = declare("secret", &[], &[T::U64]);
    let handle = n.handle(Some(of), &declared);
    n.function(&declare("f", &[], &[T::U64]), &[], vec![B::Call(handle), B::Ret]);
    n
}

#[test]
fn calls_cross_modules_as_far_as_visible() {
    let target = |visibility, friend: Option<&str>, results: &[T]| {
        let mut m = Builder::new("0x42::other");
        let code = if results == [T::U64] { B::LdU64(3) } else { B::LdU8(3) };
        m.function(&declare("secret", &[], results), &[], vec![code, B::Ret]);
        m.visibility(visibility, false);
        if let Some(friend) = friend {
            m.friend(friend);
        }
        m
    };
    let run = |target| call(vec![target, caller("0x42::other")], "f", &[]);
    assert_eq!(run(target(Visibility::Public, None, &[T::U64])).unwrap(), [bytes(&3u64)]);
    assert_eq!(run(target(Visibility::Friend, Some(M), &[T::U64])).unwrap(), [bytes(&3u64)]);
    assert_eq!(status(run(target(Visibility::Friend, None, &[T::U64]))).0, StatusCode::LOOKUP_FAILED);
    assert_eq!(status(run(target(Visibility::Private, None, &[T::U64]))).0, StatusCode::LOOKUP_FAILED);
    assert_eq!(status(run(target(Visibility::Public, None, &[T::U8]))).0, StatusCode::TYPE_MISMATCH);
    assert_eq!(status(call(vec![caller("0x42::none")], "f", &[])).0, StatusCode::LINKER_ERROR);
}

#[test]
fn arguments_and_results_may_be_references() {
    let mut m = Builder::new(M);
    let number = T::MutableReference(Box::new(T::U64));
    m.function(
        &declare("f", &[number.clone(), T::U64], &[number]),
        &[],
        vec![B::MoveLoc(1), B::CopyLoc(0), B::WriteRef, B::MoveLoc(0), B::Ret],
    );
    assert_eq!(call(vec![m], "f", &[bytes(&1u64), bytes(&2u64)]).unwrap(), [bytes(&2u64)]);
}

#[test]
fn type_arguments_are_checked() {
    let mut m = Builder::new(M);
    let mut declared = declare("f", &[T::TypeParameter(0)], &[T::TypeParameter(0)]);
    declared.type_parameters = vec![AbilitySet::PRIMITIVES];
    m.function(&declared, &[], vec![B::MoveLoc(0), B::Ret]);
    let modules = || vec![Builder { module: m.module.clone() }];
    assert_eq!(call_generic(modules(), "f", &["vector<u16>"], &[vec![1, 2, 0]]).unwrap(), [vec![1, 2, 0]]);
    let signer = call_generic(modules(), "f", &["signer"], &[vec![0; 32]]);
    assert_eq!(status(signer).0, StatusCode::CONSTRAINT_NOT_SATISFIED);
    assert_eq!(status(call(modules(), "f", &[vec![0]])).0, StatusCode::NUMBER_OF_TYPE_ARGUMENTS_MISMATCH);
    let missing = call_generic(modules(), "f", &["0x9::no::T"], &[vec![0]]);
    assert_eq!(status(missing).0, StatusCode::LINKER_ERROR);
}

#[test]
fn entry_functions_take_what_a_transaction_can_pass() {
    let mut string = Builder::new("0x1::string");
    let text = T::Vector(Box::new(T::U8));
    string.structure("String", AbilitySet::PRIMITIVES, 0, std::slice::from_ref(&text));
    let mut m = Builder::new(M);
    let module = m.module_handle("0x1::string");
    let name = m.identifier("String");
    m.module.datatype_handles.push(noema_bytecode::DatatypeHandle {
        module,
        name,
        abilities: AbilitySet::PRIMITIVES,
        type_parameters: vec![],
    });
    let string_type = T::Datatype(noema_bytecode::DatatypeHandleIndex(0));
    let signer = T::Reference(Box::new(T::Signer));
    m.function(&declare("f", &[signer, string_type.clone()], &[]), &[], vec![B::Ret]);
    m.visibility(Visibility::Private, true);
    let (own, _) = m.structure("Own", AbilitySet::PRIMITIVES, 0, &[T::U64]);
    m.function(&declare("g", &[T::Datatype(own)], &[]), &[], vec![B::Ret]);
    m.visibility(Visibility::Private, true);
    m.function(&declare("h", &[], &[]), &[], vec![B::Ret]);

    let (vm, state) = (vm(NativeTable::new()), state(vec![string, m]));
    let run = |name: &str, signers: &[Address], args: &[Vec<u8>]| {
        let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
        session.execute_entry(&id(M), name, vec![], signers, args.to_vec(), &mut GasMeter::unlimited())
    };
    let one = [Address::ONE];
    assert!(run("f", &one, &[bytes(&"text")]).is_ok());
    assert_eq!(status(run("f", &one, &[vec![1, 0xff]])).0, StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT);
    assert_eq!(status(run("f", &one, &[vec![1, 65, 0]])).0, StatusCode::FAILED_TO_DESERIALIZE_ARGUMENT);
    assert_eq!(status(run("f", &one, &[])).0, StatusCode::NUMBER_OF_ARGUMENTS_MISMATCH);
    let two = [Address::ONE, Address::ZERO];
    assert_eq!(status(run("f", &two, &[bytes(&"")])).0, StatusCode::NUMBER_OF_SIGNER_ARGUMENTS_MISMATCH);
    assert_eq!(status(run("g", &one, &[bytes(&1u64)])).0, StatusCode::INVALID_PARAM_TYPE_FOR_DESERIALIZATION);
    let not_entry = StatusCode::EXECUTE_ENTRY_FUNCTION_CALLED_ON_NON_ENTRY_FUNCTION;
    assert_eq!(status(run("h", &one, &[])).0, not_entry);
    assert_eq!(status(run("none", &one, &[])).0, StatusCode::FUNCTION_RESOLUTION_FAILURE);
}

#[test]
fn layouts_name_fields() {
    let mut m = Builder::new(M);
    m.structure("S", AbilitySet::ALL, 1, &[T::U8, T::Vector(Box::new(T::TypeParameter(0)))]);
    let (vm, state) = (vm(NativeTable::new()), state(vec![m]));
    let tag: TypeTag = format!("{M}::S<u16>").parse().unwrap();
    let layout = vm.type_layout(&state, &tag).unwrap();
    assert_eq!(layout.type_tag(), tag);
    let value = layout.decode_annotated(&[1, 1, 2, 0]).unwrap();
    let noema_execution_api::AnnotatedValue::Struct { fields, .. } = value else { panic!("a struct") };
    assert_eq!(fields[1].0.as_str(), "f1");
    let missing = vm.type_layout(&state, &format!("{M}::None").parse().unwrap());
    assert_eq!(status(missing).0, StatusCode::TYPE_RESOLUTION_FAILURE);
}

#[test]
fn memory_is_limited() {
    // loop { v = vector[v-copies doubled] }: pushes bytes until the limit.
    let vector = T::Vector(Box::new(T::U64));
    let code = |m: &mut Builder| {
        let element = m.signature(&[T::U64]);
        vec![
            B::VecPack(element, 0),
            B::StLoc(0),
            B::MutBorrowLoc(0),
            B::LdU64(1),
            B::VecPushBack(element),
            B::Branch(2),
        ]
    };
    let limits = VmLimits { memory_bytes: 60_000, ..VmLimits::default() };
    let vm = Vm::new(NativeTable::new(), GasSchedule::default(), limits);
    let state = state(one(&[], &[vector], code));
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let result = session.execute_function(&id(M), "f", vec![], vec![], &mut GasMeter::unlimited());
    assert_eq!(status(result).0, StatusCode::MEMORY_LIMIT_EXCEEDED);
    assert!(session.instructions() > 4_000);
}

#[test]
fn a_module_must_be_what_its_key_says() {
    let mut state = MemoryState::new();
    state.insert(StateKey::Module(id("0x42::other")), fib().module.serialize().unwrap());
    state.insert(StateKey::Module(id(M)), vec![1, 2, 3]);
    let vm = vm(NativeTable::new());
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let mut run =
        |module: &str| session.execute_function(&id(module), "fib", vec![], vec![], &mut GasMeter::unlimited());
    assert_eq!(status(run("0x42::other")).0, StatusCode::VERIFICATION_ERROR);
    assert_eq!(status(run(M)).0, StatusCode::BAD_MAGIC);
}
