//! Programs that a lowering gets wrong easily. Machines of this crate's tests are paranoid: every run here is compared
//! with the reference interpreter, so most tests need no expectation of their own.

use noema_bytecode::{AbilitySet, Bytecode as B, VariantJumpTable, VariantJumpTableIndex, Version};
use noema_execution_api::{GasMeter, InternalGas, NativeTable, NoAnswers, TransactionContext};
use noema_types::U256;

use super::{M, bytes, call, one, state, vm};
use crate::tests::builder::{Builder, T, declare, id};

fn vector(of: T) -> T {
    T::Vector(Box::new(of))
}

fn f(results: &[T], locals: &[T], code: Vec<B>) -> Result<Vec<Vec<u8>>, crate::ExecError> {
    call(one(results, locals, |_| code), "f", &[])
}

#[test]
fn a_pending_local_keeps_its_value() {
    // x + { x = 10; x }
    let code = vec![B::LdU64(1), B::StLoc(0), B::CopyLoc(0), B::LdU64(10), B::StLoc(0), B::CopyLoc(0), B::Add, B::Ret];
    assert_eq!(f(&[T::U64], &[T::U64], code).unwrap(), [bytes(&11u64)]);
    // x + { *(&mut x) = 10; x }
    let code = vec![
        B::LdU64(1),
        B::StLoc(0),
        B::CopyLoc(0),
        B::LdU64(10),
        B::MutBorrowLoc(0),
        B::WriteRef,
        B::CopyLoc(0),
        B::Add,
        B::Ret,
    ];
    assert_eq!(f(&[T::U64], &[T::U64], code).unwrap(), [bytes(&11u64)]);
    // (a, b) = (b, a)
    let code = vec![
        B::LdU64(1),
        B::StLoc(0),
        B::LdU64(2),
        B::StLoc(1),
        B::CopyLoc(1),
        B::CopyLoc(0),
        B::StLoc(1),
        B::StLoc(0),
        B::CopyLoc(0),
        B::CopyLoc(1),
        B::Ret,
    ];
    assert_eq!(f(&[T::U64, T::U64], &[T::U64, T::U64], code).unwrap(), [bytes(&2u64), bytes(&1u64)]);
}

#[test]
fn a_callee_changes_a_local_under_a_pending_copy() {
    let mut m = Builder::new(M);
    let bump = declare("bump", &[T::MutableReference(Box::new(T::U64))], &[T::U64]);
    let handle = m.handle(None, &bump);
    m.function(
        &bump,
        &[],
        vec![
            B::CopyLoc(0),
            B::ReadRef,
            B::LdU64(1),
            B::Add,
            B::CopyLoc(0),
            B::WriteRef,
            B::MoveLoc(0),
            B::ReadRef,
            B::Ret,
        ],
    );
    m.function(
        &declare("f", &[], &[T::U64]),
        &[T::U64],
        vec![B::LdU64(1), B::StLoc(0), B::CopyLoc(0), B::MutBorrowLoc(0), B::Call(handle), B::Add, B::Ret],
    );
    assert_eq!(call(vec![m], "f", &[]).unwrap(), [bytes(&3u64)]);
}

/// A struct of `count` numbers, changed in place, copied, compared, taken apart, kept in a vector and in another struct.
fn fields(count: usize) -> Builder {
    let mut m = Builder::new(M);
    let (handle, def) = m.structure("S", AbilitySet::PRIMITIVES, 0, &vec![T::U128; count]);
    let inner = T::Datatype(handle);
    let (outer, outer_def) = m.structure("O", AbilitySet::PRIMITIVES, 0, &[T::U8, inner.clone(), vector(T::U8)]);
    let last = m.field(def, count as u16 - 1);
    let in_outer = m.field(outer_def, 1);
    let (element, byte) = (m.signature(std::slice::from_ref(&inner)), m.signature(&[T::U8]));
    let mut code: Vec<_> = (0..count).map(|at| B::LdU128(Box::new(at as u128))).collect();
    code.extend([
        B::Pack(def),
        B::StLoc(0),
        // s.last = s.last + 5, and o = O { 7, s, [1] }
        B::ImmBorrowLoc(0),
        B::ImmBorrowField(last),
        B::ReadRef,
        B::LdU128(Box::new(5)),
        B::Add,
        B::MutBorrowLoc(0),
        B::MutBorrowField(last),
        B::WriteRef,
        B::LdU8(7),
        B::CopyLoc(0),
        B::LdU8(1),
        B::VecPack(byte, 1),
        B::Pack(outer_def),
        B::StLoc(1),
        // o.s.last = 100, and s is as before
        B::LdU128(Box::new(100)),
        B::MutBorrowLoc(1),
        B::MutBorrowField(in_outer),
        B::MutBorrowField(last),
        B::WriteRef,
        B::ImmBorrowLoc(0),
        B::ImmBorrowLoc(1),
        B::ImmBorrowField(in_outer),
        B::Eq,
        // v = [s, s]; v[1].last = 9; v[0] == s
        B::CopyLoc(0),
        B::CopyLoc(0),
        B::VecPack(element, 2),
        B::StLoc(2),
        B::LdU128(Box::new(9)),
        B::MutBorrowLoc(2),
        B::LdU64(1),
        B::VecMutBorrow(element),
        B::MutBorrowField(last),
        B::WriteRef,
        B::ImmBorrowLoc(2),
        B::LdU64(0),
        B::VecImmBorrow(element),
        B::ReadRef,
        B::CopyLoc(0),
        B::Eq,
        // the whole of o, v and s's parts
        B::MoveLoc(1),
        B::CopyLoc(2),
        B::MutBorrowLoc(2),
        B::VecPopBack(element),
    ]);
    code.push(B::MoveLoc(0));
    code.push(B::Unpack(def));
    code.extend(vec![B::Add; count - 1]);
    code.push(B::Ret);
    m.function(
        &declare("f", &[], &[T::Bool, T::Bool, T::Datatype(outer), vector(inner.clone()), inner.clone(), T::U128]),
        &[inner.clone(), T::Datatype(outer), vector(inner)],
        code,
    );
    m
}

#[test]
fn structs_around_the_flat_limit() {
    for count in [1, 2, 3, 14, 15, 16, 17, 18, 30] {
        let results = call(vec![fields(count)], "f", &[]).unwrap();
        let sum = (0..count as u128).sum::<u128>() + 5;
        assert_eq!((&results[0], &results[1], &results[5]), (&vec![0], &vec![1], &bytes(&sum)), "{count} fields");
    }
}

/// An enum whose second variant is large, through references and as a value.
fn variants(count: usize) -> Builder {
    let mut m = Builder::new(M);
    m.module.version = Version::Sui7;
    let mut large = vec![T::U128; count];
    large.push(vector(T::U16));
    let (handle, variants) = m.enumeration("E", AbilitySet::PRIMITIVES, &[&[], &large, &[T::U8, T::U256]]);
    let e = T::Datatype(handle);
    let number = m.signature(&[T::U16]);
    let mut code: Vec<_> = (0..count).map(|at| B::LdU128(Box::new(at as u128))).collect();
    code.extend([B::LdU16(500), B::LdU16(501), B::VecPack(number, 2), B::PackVariant(variants[1]), B::StLoc(0)]);
    code.extend([B::CopyLoc(0), B::StLoc(1)]);
    // Push 502 to the vector of the copy, through a reference.
    code.extend([B::MutBorrowLoc(1), B::UnpackVariantMutRef(variants[1])]);
    code.extend([B::LdU16(502), B::VecPushBack(number)]);
    code.extend(vec![B::Pop; count]);
    code.extend([B::CopyLoc(0), B::CopyLoc(1), B::Eq]);
    code.extend([B::CopyLoc(1), B::MoveLoc(0), B::UnpackVariant(variants[1]), B::StLoc(2)]);
    code.extend(vec![B::Add; count - 1]);
    code.extend([B::MoveLoc(2), B::PackVariant(variants[0])]);
    code.push(B::Ret);
    m.function(
        &declare("f", &[], &[T::Bool, e.clone(), T::U128, vector(T::U16), e.clone()]),
        &[e.clone(), e.clone(), vector(T::U16)],
        code,
    );
    m.function(
        &declare("wrong", std::slice::from_ref(&e), &[T::U8]),
        &[],
        vec![
            B::ImmBorrowLoc(0),
            B::VariantSwitch(VariantJumpTableIndex(0)),
            B::LdU8(1),
            B::Ret,
            B::LdU8(2),
            B::Ret,
            B::ImmBorrowLoc(0),
            B::UnpackVariantImmRef(variants[1]),
        ]
        .into_iter()
        .chain(vec![B::Pop; count + 1])
        .chain([B::LdU64(7), B::Abort])
        .collect(),
    );
    m.jump_tables(vec![VariantJumpTable { head_enum: noema_bytecode::EnumDefIndex(0), targets: vec![2, 4, 6] }]);
    m
}

#[test]
fn enums_around_the_flat_limit() {
    for count in [2, 14, 15, 16, 17, 29] {
        let results = call(vec![variants(count)], "f", &[]).unwrap();
        assert_eq!((&results[0], &results[2]), (&vec![0], &bytes(&(0..count as u128).sum::<u128>())), "{count}");
    }
    for variant in [vec![0], bytes(&(1u8, 7u128, 8u128, vec![1u16])), [vec![2, 9], vec![1; 32]].concat()] {
        let _ = call(vec![variants(2)], "wrong", &[variant]);
    }
}

/// Type, borders of it, and the BCS of each.
fn integers() -> Vec<(T, Vec<Vec<u8>>)> {
    let small = |bits: u32| -> Vec<u64> {
        let max = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        vec![0, 1, 2, max / 2, max / 2 + 1, max - 1, max]
    };
    let cut = |values: Vec<u64>, width: usize| values.iter().map(|v| v.to_le_bytes()[..width].to_vec()).collect();
    let wide = [0, 1, u128::from(u64::MAX), 1 << 64, u128::MAX / 2, u128::MAX - 1, u128::MAX];
    let widest = [U256::ZERO, U256::from(1), U256::from(u128::MAX), U256::from(1) << 128, U256::MAX >> 1, U256::MAX];
    vec![
        (T::U8, cut(small(8), 1)),
        (T::U16, cut(small(16), 2)),
        (T::U32, cut(small(32), 4)),
        (T::U64, cut(small(64), 8)),
        (T::U128, wide.iter().map(|v| v.to_le_bytes().to_vec()).collect()),
        (T::U256, widest.iter().map(|v| v.to_le_bytes::<32>().to_vec()).collect()),
    ]
}

#[test]
fn arithmetic_at_the_borders() {
    let ops = [B::Add, B::Sub, B::Mul, B::Div, B::Mod, B::BitAnd, B::BitOr, B::Xor];
    let orders = [B::Lt, B::Le, B::Gt, B::Ge, B::Eq, B::Neq];
    let shifts = [B::Shl, B::Shr];
    let casts = [B::CastU8, B::CastU16, B::CastU32, B::CastU64, B::CastU128, B::CastU256];
    let widths = [T::U8, T::U16, T::U32, T::U64, T::U128, T::U256];
    for (of, values) in integers() {
        let mut m = Builder::new(M);
        let binary = |m: &mut Builder, name: &str, right: &T, result: &T, op: &B| {
            let code = vec![B::CopyLoc(0), B::CopyLoc(1), op.clone(), B::Ret];
            m.function(&declare(name, &[of.clone(), right.clone()], std::slice::from_ref(result)), &[], code);
        };
        ops.iter().enumerate().for_each(|(at, op)| binary(&mut m, &format!("op{at}"), &of, &of, op));
        orders.iter().enumerate().for_each(|(at, op)| binary(&mut m, &format!("order{at}"), &of, &T::Bool, op));
        shifts.iter().enumerate().for_each(|(at, op)| binary(&mut m, &format!("shift{at}"), &T::U8, &of, op));
        for (at, (op, to)) in casts.iter().zip(&widths).enumerate() {
            let code = vec![B::MoveLoc(0), op.clone(), B::Ret];
            m.function(&declare(&format!("cast{at}"), std::slice::from_ref(&of), std::slice::from_ref(to)), &[], code);
        }
        let (vm, state) = (vm(NativeTable::new()), state(vec![m]));
        let run = |name: String, args: Vec<Vec<u8>>| {
            let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
            let _ = session.execute_function(&id(M), &name, vec![], args, &mut GasMeter::unlimited());
        };
        for left in &values {
            for right in &values {
                (0..ops.len()).for_each(|at| run(format!("op{at}"), vec![left.clone(), right.clone()]));
                (0..orders.len()).for_each(|at| run(format!("order{at}"), vec![left.clone(), right.clone()]));
            }
            for by in [0u8, 1, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255] {
                (0..shifts.len()).for_each(|at| run(format!("shift{at}"), vec![left.clone(), vec![by]]));
            }
            (0..casts.len()).for_each(|at| run(format!("cast{at}"), vec![left.clone()]));
        }
    }
}

/// A vector of `of` filled with copies of the argument, read, written, swapped, popped and compared.
fn vectors(of: &T) -> Builder {
    let mut m = Builder::new(M);
    let e = m.signature(std::slice::from_ref(of));
    let code = vec![
        B::VecPack(e, 0),
        B::StLoc(2),
        B::MutBorrowLoc(2),
        B::CopyLoc(0),
        B::VecPushBack(e),
        B::MutBorrowLoc(2),
        B::CopyLoc(1),
        B::VecPushBack(e),
        B::MutBorrowLoc(2),
        B::CopyLoc(0),
        B::VecPushBack(e),
        B::MutBorrowLoc(2),
        B::LdU64(0),
        B::LdU64(1),
        B::VecSwap(e),
        B::CopyLoc(2),
        B::StLoc(3),
        B::CopyLoc(1),
        B::MutBorrowLoc(3),
        B::LdU64(2),
        B::VecMutBorrow(e),
        B::WriteRef,
        B::CopyLoc(2),
        B::CopyLoc(3),
        B::Neq,
        B::ImmBorrowLoc(3),
        B::VecLen(e),
        B::ImmBorrowLoc(3),
        B::LdU64(2),
        B::VecImmBorrow(e),
        B::ReadRef,
        B::MutBorrowLoc(3),
        B::VecPopBack(e),
        B::CopyLoc(3),
        B::MoveLoc(2),
        B::VecUnpack(e, 3),
        B::VecPack(e, 3),
        B::Ret,
    ];
    let all = vector(of.clone());
    let results = [T::Bool, T::U64, of.clone(), of.clone(), all.clone(), all.clone()];
    m.function(&declare("f", &[of.clone(), of.clone()], &results), &[all.clone(), all], code);
    m
}

#[test]
fn vectors_of_every_width() {
    let values = [
        (T::Bool, vec![0], vec![1]),
        (T::U8, vec![3], vec![255]),
        (T::U16, vec![3, 1], vec![255, 255]),
        (T::U32, vec![3, 1, 2, 9], vec![255; 4]),
        (T::U64, vec![9; 8], vec![7; 8]),
        (T::U128, vec![9; 16], vec![7; 16]),
        (T::U256, vec![9; 32], vec![7; 32]),
        (T::Address, vec![9; 32], vec![7; 32]),
        (vector(T::U8), vec![2, 1, 2], vec![0]),
        (vector(vector(T::U32)), vec![1, 1, 1, 2, 3, 4], vec![2, 0, 0]),
    ];
    for (of, left, right) in values {
        let results = call(vec![vectors(&of)], "f", &[left.clone(), right.clone()]).unwrap();
        assert_eq!((&results[0], &results[2], &results[3]), (&vec![1], &right, &right), "{of:?}");
        assert_eq!(results[5], [vec![3], right.clone(), left.clone(), left].concat(), "{of:?}");
    }
}

#[test]
fn gas_runs_out_everywhere_alike() {
    for builder in [fields(3), fields(17), variants(4)] {
        let (vm, state) = (vm(NativeTable::new()), state(vec![builder]));
        let run = |limit| {
            let mut session = vm.session(&state, &NoAnswers, TransactionContext::default());
            let mut gas = GasMeter::new(InternalGas(limit));
            let result = session.execute_function(&id(M), "f", vec![], vec![], &mut gas);
            (result.is_ok(), gas.used().0)
        };
        let (is_ok, used) = run(u64::MAX);
        assert!(is_ok && used > 100, "{used}");
        assert!(run(used).0 && !run(used - 1).0);
        (0..used).step_by(7).for_each(|limit| assert!(!run(limit).0));
    }
}
