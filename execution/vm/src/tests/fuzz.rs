//! Bytecode that no verifier saw: it may fail in any way but a panic, a hang or unbounded memory.

use noema_bytecode::{
    AbilitySet, Bytecode as B, CompiledModule, ConstantIndex, FieldHandleIndex, FieldInstantiationIndex,
    FunctionHandleIndex, FunctionInstantiationIndex, SignatureIndex, StructDefIndex, StructDefInstantiationIndex,
    VariantHandleIndex, VariantJumpTable, VariantJumpTableIndex, Version,
};
use noema_execution_api::{GasMeter, InternalGas, MemoryState, NativeTable, NoAnswers, TransactionContext};
use noema_types::{StateKey, U256};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::M;
use crate::tests::builder::{Builder, T, declare, id};
use crate::{ExecError, Vm};

/// A module with something behind every kind of index, and a function `f` to fill with code.
fn skeleton() -> CompiledModule {
    let mut m = Builder::new(M);
    m.module.version = Version::Sui7;
    let vector = T::Vector(Box::new(T::U64));
    let (_, plain) = m.structure("P", AbilitySet::ALL, 0, &[T::U64, T::U8]);
    let (_, generic) = m.structure("G", AbilitySet::ALL, 1, &[T::TypeParameter(0), vector.clone()]);
    m.enumeration("E", AbilitySet::PRIMITIVES, &[&[], &[T::U64, T::Bool]]);
    m.constant(T::Vector(Box::new(T::U8)), vec![2, 1, 2]);
    m.field(plain, 1);
    m.field(generic, 0);
    m.struct_instance(generic, &[T::U8]);
    m.field_instance(generic, 1, &[T::U8]);
    let mut helper = declare("g", &[T::U64], &[T::U64]);
    helper.type_parameters = vec![];
    m.function(&helper, &[], vec![B::MoveLoc(0), B::Ret]);
    let mut identity = declare("h", &[T::TypeParameter(0)], &[T::TypeParameter(0)]);
    identity.type_parameters = vec![AbilitySet::EMPTY];
    let handle = m.handle(None, &identity);
    m.function(&identity, &[], vec![B::MoveLoc(0), B::Ret]);
    m.function_instance(handle, std::slice::from_ref(&vector));
    let locals = [T::U64, T::Bool, vector, T::Address];
    m.function(
        &declare("f", &[T::U64, T::Address, T::Reference(Box::new(T::Signer))], &[T::U64]),
        &locals,
        vec![B::Ret],
    );
    m.jump_tables(vec![VariantJumpTable { head_enum: noema_bytecode::EnumDefIndex(0), targets: vec![0, 3] }]);
    m.module
}

fn instruction() -> impl Strategy<Value = B> {
    let element = SignatureIndex(0);
    let local = 0u8..7;
    let target = 0u16..40;
    let plain = prop::sample::select(vec![
        B::Pop,
        B::Ret,
        B::CastU8,
        B::CastU64,
        B::CastU256,
        B::LdTrue,
        B::LdFalse,
        B::ReadRef,
        B::WriteRef,
        B::FreezeRef,
        B::Add,
        B::Sub,
        B::Mul,
        B::Mod,
        B::Div,
        B::BitOr,
        B::Xor,
        B::Shl,
        B::Shr,
        B::Or,
        B::And,
        B::Not,
        B::Eq,
        B::Neq,
        B::Lt,
        B::Ge,
        B::Abort,
        B::Nop,
        B::LdConst(ConstantIndex(0)),
        B::LdU8(3),
        B::LdU64(1),
        B::LdU64(0),
        B::LdU256(Box::new(U256::MAX)),
        B::LdU128(Box::new(u128::MAX)),
        B::Call(FunctionHandleIndex(0)),
        B::Call(FunctionHandleIndex(2)),
        B::CallGeneric(FunctionInstantiationIndex(0)),
    ]);
    let data = prop::sample::select(vec![
        B::Pack(StructDefIndex(0)),
        B::Unpack(StructDefIndex(0)),
        B::PackGeneric(StructDefInstantiationIndex(0)),
        B::UnpackGeneric(StructDefInstantiationIndex(0)),
        B::MutBorrowField(FieldHandleIndex(0)),
        B::ImmBorrowField(FieldHandleIndex(0)),
        B::MutBorrowFieldGeneric(FieldInstantiationIndex(0)),
        B::ImmBorrowFieldGeneric(FieldInstantiationIndex(0)),
        B::MutBorrowGlobal(StructDefIndex(0)),
        B::ImmBorrowGlobalGeneric(StructDefInstantiationIndex(0)),
        B::Exists(StructDefIndex(0)),
        B::ExistsGeneric(StructDefInstantiationIndex(0)),
        B::MoveFrom(StructDefIndex(0)),
        B::MoveTo(StructDefIndex(0)),
        B::MoveToGeneric(StructDefInstantiationIndex(0)),
        B::MoveFrom(StructDefIndex(1)),
        B::VecPack(element, 0),
        B::VecPack(element, 2),
        B::VecLen(element),
        B::VecImmBorrow(element),
        B::VecMutBorrow(element),
        B::VecPushBack(element),
        B::VecPopBack(element),
        B::VecUnpack(element, 2),
        B::VecSwap(element),
        B::VecPack(SignatureIndex(1), 1),
        B::PackVariant(VariantHandleIndex(1)),
        B::UnpackVariant(VariantHandleIndex(1)),
        B::UnpackVariantMutRef(VariantHandleIndex(1)),
        B::VariantSwitch(VariantJumpTableIndex(0)),
    ]);
    prop_oneof![
        3 => plain,
        3 => data,
        2 => local.clone().prop_map(B::CopyLoc),
        2 => local.clone().prop_map(B::MoveLoc),
        2 => local.clone().prop_map(B::StLoc),
        1 => local.clone().prop_map(B::MutBorrowLoc),
        1 => local.prop_map(B::ImmBorrowLoc),
        1 => target.clone().prop_map(B::BrTrue),
        1 => target.clone().prop_map(B::BrFalse),
        1 => target.prop_map(B::Branch),
    ]
}

/// Runs `f` of a module that nothing but the reader's bounds check has seen.
fn run(module: &CompiledModule) -> Result<(), ExecError> {
    let mut vm = Vm::new(NativeTable::new(), Default::default(), Default::default());
    vm.verifies = false;
    let mut state = MemoryState::new();
    state.insert(StateKey::Module(id(M)), module.serialize().unwrap());
    let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
    let args = vec![vec![3, 0, 0, 0, 0, 0, 0, 0], vec![1; 32], vec![1; 32]];
    let mut gas = GasMeter::new(InternalGas(200_000));
    session.execute_function(&id(M), "f", vec![], args, &mut gas)?;
    session.finish().map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_code_ends_without_a_panic(code in prop::collection::vec(instruction(), 40)) {
        let mut module = skeleton();
        let (at, _) = module.find_function("f").unwrap();
        let unit = module.function_defs[at.index()].code.as_mut().unwrap();
        unit.code = code;
        noema_bytecode::check_module_bounds(&module).unwrap();
        let _ = run(&module);
    }

    #[test]
    fn flipped_bytes_end_without_a_panic(at in 0usize..4096, flip in 1u8..) {
        let mut bytes = super::fib().module.serialize().unwrap();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        if let Ok(module) = CompiledModule::deserialize(&bytes)
            && module.self_id() == id(M)
        {
            let _ = run(&module);
        }
    }
}

#[test]
fn the_generator_reaches_many_ends() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = prop::collection::vec(instruction(), 40);
    let mut ends = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        let mut module = skeleton();
        let (at, _) = module.find_function("f").unwrap();
        module.function_defs[at.index()].code.as_mut().unwrap().code =
            strategy.new_tree(&mut runner).unwrap().current();
        let end = run(&module).err().and_then(|error| error.program().map(|error| error.status));
        *ends.entry(end).or_insert(0) += 1;
    }
    assert!(ends.len() >= 6, "{ends:?}");
}
