//! The machine's memory, and a look at lowered code.

use std::collections::BTreeMap;

use noema_execution_api::{GasSchedule, MemoryState, NativeTable};
use noema_types::StateKey;
use proptest::prelude::*;

use super::mem::{Arena, Lease, Link, Pool, Ptr};
use super::values::{elements, free_block, grow_by_one, new_block, set_bytes_vector, slot_block, vector_len};
use super::world::World;
use crate::loader::{Callee, Loader};
use crate::{Vm, VmLimits};

/// A block filled with a byte that tells it from the others.
fn fill(block: Ptr, bytes: usize, mark: u8) {
    block.set_bytes(&vec![mark; bytes]);
}

proptest! {
    #[test]
    fn blocks_do_not_overlap(steps in prop::collection::vec((any::<bool>(), 1usize..5_000, any::<u8>()), 1..200)) {
        let mut lease = Lease::new();
        let arena: &mut Arena = &mut lease.arena;
        let mut live: BTreeMap<usize, (Ptr, usize, u8)> = BTreeMap::new();
        for (at, (frees, bytes, mark)) in steps.into_iter().enumerate() {
            if frees && let Some((_, (block, bytes, _))) = live.pop_first() {
                arena.release(block, bytes);
            } else {
                let block = arena.allocate(bytes);
                fill(block, bytes, mark);
                live.insert(at, (block, bytes, mark));
            }
        }
        for (block, bytes, mark) in live.values() {
            prop_assert!(block.bytes(*bytes).iter().all(|byte| byte == mark));
        }
    }

    #[test]
    fn vectors_keep_their_elements(bytes in prop::collection::vec(any::<u8>(), 0..300), more in 0usize..300) {
        let mut lease = Lease::new();
        let slot = lease.stack.base();
        let arena = &mut lease.arena;
        set_bytes_vector(arena, slot, &bytes);
        for at in 0..more {
            grow_by_one(arena, slot, 1).set_u8(at as u8);
        }
        let block = slot_block(slot);
        prop_assert_eq!(vector_len(block), (bytes.len() + more) as u64);
        let expected: Vec<u8> = bytes.iter().copied().chain((0..more).map(|at| at as u8)).collect();
        prop_assert_eq!(elements(block).bytes(expected.len()), expected.as_slice());
    }
}

#[test]
fn a_freed_vector_is_used_again() {
    let mut lease = Lease::new();
    let arena = &mut lease.arena;
    for stride in [1, 2, 8, 24, 256] {
        for count in 1..40 {
            let block = new_block(arena, count, stride);
            free_block(arena, block, stride);
            assert_eq!(new_block(arena, count, stride), block, "{count} elements of {stride} bytes");
        }
    }
}

#[test]
fn memory_is_returned_empty() {
    let first = {
        let mut lease = Lease::new();
        (lease.stack.base().word(), lease.arena.allocate(100).word())
    };
    let mut lease = Lease::new();
    assert_eq!((lease.stack.base().word(), lease.arena.allocate(100).word()), first);
    // The stack has all the words that frames within the limits can take.
    lease.stack.base().words(crate::limits::STACK_WORDS - 1).set_u64(7);
    assert_eq!(lease.stack.end(), lease.stack.base().words(crate::limits::STACK_WORDS).word());
}

#[test]
fn links_name_values_of_their_pool() {
    let pool = Pool::new();
    let link = Link::new();
    assert_eq!(link.get(&pool), None);
    let kept = pool.add(7u64);
    link.set(&pool, kept);
    (0..1_000).for_each(|at| assert_eq!(*pool.add(at), at));
    assert_eq!((link.get(&pool), pool.get(0), pool.len()), (Some(&7), Some(&7), 1_001));
}

/// `cargo test -p noema-vm --lib shows_lowered_code -- --ignored --nocapture`
#[test]
#[ignore = "prints code"]
#[allow(clippy::print_stderr, reason = "its only purpose is to show code")]
fn shows_lowered_code() {
    let addresses: BTreeMap<_, _> = [("std".to_owned(), noema_types::Address::ONE)].into();
    let package = |name: &str, sources: Vec<(String, String)>| noema_compiler::SourcePackage {
        name: name.to_owned(),
        sources,
        addresses: addresses.clone(),
    };
    let std = noema_move_stdlib::package();
    let library = std.sources.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let source = include_str!("../../tests/programs/bench.move").to_owned();
    let root = package("bench", vec![("bench.move".to_owned(), source)]);
    let library = package("MoveStdlib", library);
    let program = noema_compiler::compile_sources(&root, &[library], Default::default()).expect("it compiles");
    let mut state = MemoryState::new();
    for unit in program.modules {
        state.insert(StateKey::Module(unit.module.self_id()), unit.bytes);
    }
    let vm = Vm::new(NativeTable::new(), GasSchedule::default(), VmLimits::default());
    let mut loader = Loader::new(&vm, &state);
    let world = World::new();
    let module = loader.module_index(&"0x42::bench".parse().expect("a module")).expect("it is there");
    for function in 0..loader.module(module).functions.len() as u16 {
        let callee = Callee { module, function };
        let lowered = world.function(&mut loader, callee, &Default::default()).expect("it lowers");
        eprintln!("{} {:?}", loader.module(module).functions[usize::from(function)].name, lowered.pool);
        for (at, (op, offset)) in lowered.code.iter().zip(&lowered.offsets).enumerate() {
            eprintln!("{at:4} {offset:4} {op:?}");
        }
    }
}
