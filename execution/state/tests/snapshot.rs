//! Snapshots: served, restored, gone on with; interrupted and tampered with.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Plan, certified_chain, commit_chain, committee, contents, key, memory, plan};
use noema_execution_api::StateView;
use noema_state::{COLUMNS, RECORDS, SnapshotWriter, StateDb, StateDbError};
use noema_store::{Batch, FaultyStore, MemoryStore, Store};
use noema_types::*;
use proptest::prelude::*;

/// All chunks of a snapshot.
fn chunks(db: &StateDb, height: u64, max_bytes: usize) -> Vec<SnapshotChunk> {
    let mut chunks = Vec::new();
    let mut after = None;
    loop {
        let chunk = db.snapshot_chunk(Height(height), after, max_bytes).unwrap();
        after = chunk.end();
        let last = chunk.is_last();
        // Over the wire.
        chunks.push(SnapshotChunk::decode(&bcs::to_bytes(&chunk).unwrap()).unwrap());
        if last {
            return chunks;
        }
    }
}

fn restore(db: &StateDb, height: u64, max_bytes: usize, store: Arc<dyn Store>) -> StateDb {
    let header = bcs::to_bytes(&db.snapshot_header(Height(height)).unwrap()).unwrap();
    let mut writer = SnapshotWriter::start(store, SnapshotHeader::decode(&header).unwrap()).unwrap();
    for chunk in chunks(db, height, max_bytes) {
        assert!(!writer.is_complete());
        writer.add_chunk(&chunk).unwrap();
        assert_eq!(writer.after(), chunk.end());
    }
    writer.finish(Batch::new()).unwrap()
}

fn check_same_state(left: &StateDb, right: &StateDb, height: Height) {
    let CommittedBlock { info, state_root: root, .. } = left.block(height).unwrap();
    let view = |db: &StateDb| db.view_at(info.last_version).unwrap();
    for number in 0..48 {
        let key = key(number);
        let proof = right.prove(&key, height).unwrap();
        assert_eq!(proof, left.prove(&key, height).unwrap());
        proof.verify(root, &key).unwrap();
        assert_eq!(view(right).get(&key), view(left).get(&key), "key {number}");
    }
    for byte in 0..4 {
        let list = |db: &StateDb| view(db).resources(&Address::from_u8(byte), None, 99).unwrap();
        assert_eq!(list(right), list(left));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_restored_database_goes_on_as_the_original(
        mut plans in prop::collection::vec(plan(), 3..10), at in any::<prop::sample::Index>(), max_bytes in 1usize..400,
    ) {
        // Something is there at every height.
        plans[0].push(vec![(47, Some(vec![1]))]);
        plans.iter_mut().flatten().for_each(|changes| changes.retain(|(number, value)| *number != 47 || value.is_some()));
        let db = memory();
        let blocks = certified_chain(&plans);
        let at = 1 + at.index(blocks.len() - 1);
        commit_chain(&db, &blocks[..=at]);
        let height = Height(at as u64);
        let restored = restore(&db, height.0, max_bytes, Arc::new(MemoryStore::new(COLUMNS)));
        prop_assert_eq!(restored.latest(), db.latest());
        prop_assert_eq!(restored.latest_checkpoint().unwrap(), db.latest_checkpoint().unwrap());
        check_same_state(&db, &restored, height);
        commit_chain(&db, &blocks[at + 1..]);
        for block in &blocks[at + 1..] {
            restored.apply_certified(&db.certified_block(block.0.height).unwrap()).unwrap();
            check_same_state(&db, &restored, block.0.height);
        }
        prop_assert_eq!(restored.latest(), db.latest());
        // And once more: a restored database serves snapshots itself, also of the block it began with.
        let last = db.latest().unwrap().info.height;
        let again = restore(&restored, last.0, max_bytes, Arc::new(MemoryStore::new(COLUMNS)));
        check_same_state(&db, &again, last);
        if at + 1 == blocks.len() {
            prop_assert_eq!(chunks(&restored, height.0, max_bytes), chunks(&db, height.0, max_bytes));
        }
    }

    #[test]
    fn mutated_chunks_are_refused_and_named(
        at in any::<prop::sample::Index>(), flip in 1..=255u8, which in any::<prop::sample::Index>(),
    ) {
        let db = large();
        let chunks = chunks(&db, 4, 300);
        let header = db.snapshot_header(Height(4)).unwrap();
        let mut writer = SnapshotWriter::start(Arc::new(MemoryStore::new(COLUMNS)), header).unwrap();
        let which = which.index(chunks.len());
        for chunk in &chunks[..which] {
            writer.add_chunk(chunk).unwrap();
        }
        let mut bytes = bcs::to_bytes(&chunks[which]).unwrap();
        let place = at.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(mutated) = SnapshotChunk::decode(&bytes) {
            let after = writer.after();
            match writer.add_chunk(&mutated) {
                Err(StateDbError::BadChunk { height: Height(4), after: named, .. }) => prop_assert_eq!(named, after),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        // The right one in its place: a bad peer costs one chunk.
        for chunk in &chunks[which..] {
            writer.add_chunk(chunk).unwrap();
        }
        check_same_state(&db, &writer.finish(Batch::new()).unwrap(), Height(4));
    }
}

/// A database with five blocks, items, deletions, and a few dozen values.
fn large() -> StateDb {
    let db = memory();
    let plans: Vec<Plan> = (0..5u8)
        .map(|block| {
            let write = (0..48).filter(|number| number % 5 >= block % 5);
            let write = write.map(|number| (number, Some(vec![number; 20 + usize::from(block)]))).collect();
            vec![write, (0..48).filter(|number| number % 11 == block).map(|number| (number, None)).collect()]
        })
        .collect();
    commit_chain(&db, &certified_chain(&plans));
    db
}

#[test]
fn a_snapshot_of_one_value_is_restored() {
    let db = memory();
    commit_chain(&db, &certified_chain(&[vec![vec![(3, Some(vec![1]))]], vec![vec![]]]));
    let restored = restore(&db, 1, 1, Arc::new(MemoryStore::new(COLUMNS)));
    check_same_state(&db, &restored, Height(1));
}

#[test]
fn what_came_before_is_pruned() {
    let db = large();
    let restored = restore(&db, 3, 1_000, Arc::new(MemoryStore::new(COLUMNS)));
    let base = restored.base().unwrap().clone();
    assert_eq!(base, db.block(Height(3)).unwrap());
    let (first, last) = (base.info.first_version, base.info.last_version);
    let pruned = |error: StateDbError| matches!(error, StateDbError::Pruned { .. }) && error.is_callers();
    assert!(pruned(restored.block(Height(2)).unwrap_err()));
    assert!(pruned(restored.transaction(last).unwrap_err()));
    assert!(pruned(restored.events(first).unwrap_err()));
    assert!(pruned(restored.transactions(Version(0), 5).unwrap_err()));
    assert!(pruned(restored.view_at(Version(last.0 - 1)).unwrap_err()));
    assert!(pruned(restored.prove(&key(1), Height(2)).unwrap_err()));
    assert!(pruned(restored.certified_block(Height(3)).unwrap_err()));
    assert!(pruned(restored.snapshot_header(Height(2)).unwrap_err()));
    assert!(pruned(restored.snapshot_chunk(Height(2), None, 9).unwrap_err()));
    assert!(pruned(restored.block_by_version(Version(first.0 - 1)).unwrap_err()));
    assert_eq!(restored.block_by_version(first).unwrap(), base);
    assert_eq!(restored.block(Height(3)).unwrap(), base);
    assert!(restored.view_at(last).is_ok());
    let error = restored.block(Height(2)).unwrap_err().to_string();
    assert!(error.contains("block 2") && error.contains("from 3 on") && error.contains("hint"), "{error}");
    // It applies what follows, and has that whole.
    restored.apply_certified(&db.certified_block(Height(4)).unwrap()).unwrap();
    assert_eq!(restored.certified_block(Height(4)).unwrap(), db.certified_block(Height(4)).unwrap());
    assert_eq!(restored.transactions(last.next(), 9).unwrap(), db.transactions(last.next(), 9).unwrap());
}

#[test]
fn epochs_before_the_snapshot_can_be_added() {
    let db = memory();
    let plans: Vec<Plan> = vec![vec![vec![(1, Some(vec![7]))]]; 9];
    commit_chain(&db, &certified_chain(&plans));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(COLUMNS));
    let restored = restore(&db, 6, 1_000, store.clone());
    assert_eq!(restored.epoch_change(Epoch(2)).unwrap(), db.epoch_change(Epoch(2)).unwrap(), "its own block's");
    assert!(restored.epoch_change(Epoch(2)).unwrap().is_some());
    let first = db.epoch_change(Epoch(1)).unwrap().unwrap();
    assert_eq!(restored.epoch_change(Epoch(1)), Ok(None));
    let mut wrong = first.clone();
    wrong.committee = committee(7);
    assert!(matches!(restored.add_epoch_change(&wrong), Err(StateDbError::NotCertified { .. })));
    restored.add_epoch_change(&first).unwrap();
    drop(restored);
    let restored = StateDb::open(store).unwrap();
    assert_eq!(restored.epoch_change(Epoch(1)).unwrap(), Some(first));
}

#[test]
fn an_interrupted_restore_says_so_and_goes_on_or_begins_again() {
    let db = large();
    let chunks = chunks(&db, 4, 300);
    assert!(chunks.len() > 4);
    let header = db.snapshot_header(Height(4)).unwrap();
    let mut reference = None;
    for again in [false, true] {
        for crash_at in 0..=chunks.len() {
            // A crash keeps some of the chunks that were not synced.
            for kept in 0..=crash_at {
                let store = Arc::new(FaultyStore::new(COLUMNS));
                let mut writer = SnapshotWriter::start(store.clone(), header.clone()).unwrap();
                for chunk in &chunks[..crash_at] {
                    writer.add_chunk(chunk).unwrap();
                }
                drop(writer);
                store.crash(kept);
                let error = StateDb::open(store.clone()).unwrap_err();
                assert_eq!(error, StateDbError::RestoreUnfinished { height: Height(4) });
                assert!(error.to_string().contains("unfinished"), "{error}");
                let mut writer = match again {
                    true => SnapshotWriter::start(store.clone(), header.clone()).unwrap(),
                    false => SnapshotWriter::resume(store.clone()).unwrap().unwrap(),
                };
                let from = if again { 0 } else { kept };
                assert_eq!(writer.after(), from.checked_sub(1).and_then(|last| chunks[last].end()));
                for chunk in &chunks[from..] {
                    writer.add_chunk(chunk).unwrap();
                }
                let restored = writer.finish(Batch::new()).unwrap();
                assert_eq!(restored.latest(), db.latest());
                drop(restored);
                let restored = contents(&*store);
                assert_eq!(&restored, reference.get_or_insert_with(|| restored.clone()), "as if nothing had happened");
            }
        }
    }
    assert!(SnapshotWriter::resume(Arc::new(MemoryStore::new(COLUMNS))).unwrap().is_none());
}

#[test]
fn another_snapshot_may_be_begun_over_an_unfinished_one() {
    let db = large();
    let store = Arc::new(MemoryStore::new(COLUMNS));
    let mut writer = SnapshotWriter::start(store.clone(), db.snapshot_header(Height(2)).unwrap()).unwrap();
    writer.add_chunk(&chunks(&db, 2, 500)[0]).unwrap();
    drop(writer);
    let restored = restore(&db, 4, 500, store.clone());
    check_same_state(&db, &restored, Height(4));
    let clean = Arc::new(MemoryStore::new(COLUMNS));
    restore(&db, 4, 500, clean.clone());
    assert_eq!(contents(&*store), contents(&*clean), "nothing is left of the first");
    let error = SnapshotWriter::start(store, db.snapshot_header(Height(4)).unwrap()).unwrap_err();
    assert_eq!(error, StateDbError::NotEmpty { height: Height(4) });
}

/// Changes a chunk's height, entries, siblings, and whether it is the last.
type Change = dyn Fn(&mut u64, &mut Vec<(StateKey, Bytes)>, &mut Vec<Hash>, &mut bool);

#[test]
fn wrong_chunks_and_headers_are_refused() {
    let db = large();
    let chunks = chunks(&db, 4, 300);
    let header = db.snapshot_header(Height(4)).unwrap();
    let mut wrong = header.clone();
    let SnapshotHeader::V1 { block, .. } = &mut wrong;
    block.state_root = Hash::ZERO;
    let error = SnapshotWriter::start(Arc::new(MemoryStore::new(COLUMNS)), wrong).unwrap_err();
    assert!(matches!(error, StateDbError::NotCertified { what: "the state root", .. }));

    let store = Arc::new(MemoryStore::new(COLUMNS));
    let mut writer = SnapshotWriter::start(store.clone(), header).unwrap();
    writer.add_chunk(&chunks[0]).unwrap();
    let before = contents(&*store);
    let mut refused = |change: &Change| {
        let mut wrong = chunks[1].clone();
        let SnapshotChunk::V1 { height, entries, siblings, last } = &mut wrong;
        change(&mut height.0, entries, siblings, last);
        let error = writer.add_chunk(&wrong).unwrap_err();
        assert_eq!(contents(&*store), before, "nothing is written");
        match error {
            StateDbError::BadChunk { after, reason, .. } if after == chunks[0].end() => reason,
            other => panic!("{other}"),
        }
    };
    assert!(refused(&|height, _, _, _| *height = 3).contains("block 3"));
    assert!(refused(&|_, entries, _, _| entries.clear()).contains("no entries"));
    assert!(refused(&|_, entries, _, _| entries.reverse()).contains("come after"));
    assert!(refused(&|_, entries, _, _| drop(entries.remove(0))).contains("not those of the state"));
    assert!(refused(&|_, entries, _, _| drop(entries.pop())).contains("state"));
    assert!(refused(&|_, entries, _, _| entries[0].1 = Bytes::from_static(b"loot")).contains("not those of the state"));
    assert!(refused(&|_, entries, _, _| entries.last_mut().unwrap().1 = Bytes::new()).contains("leads to state root"));
    assert!(refused(&|_, _, siblings, _| siblings.truncate(0)).contains("state"));
    assert!(refused(&|_, _, siblings, _| siblings.resize(300, Hash::ZERO)).contains("300 siblings"));
    assert!(refused(&|_, _, _, last| *last = true).contains("last"));
    let again = writer.add_chunk(&chunks[0]).unwrap_err().to_string();
    assert!(again.contains("come after"), "{again}");
    assert!(writer.add_chunk(&chunks[2]).is_err(), "one is missing");
    writer.add_chunk(&chunks[1]).unwrap();
    assert_eq!(writer.finish(Batch::new()).unwrap_err(), StateDbError::RestoreUnfinished { height: Height(4) });
}

#[test]
fn records_go_in_with_the_end() {
    let db = large();
    let store = Arc::new(MemoryStore::new(COLUMNS));
    let mut writer = SnapshotWriter::start(store, db.snapshot_header(Height(4)).unwrap()).unwrap();
    for chunk in chunks(&db, 4, 10_000) {
        writer.add_chunk(&chunk).unwrap();
    }
    let mut records = Batch::new();
    records.put(RECORDS, &b"k"[..], &b"v"[..]);
    let restored = writer.finish(records).unwrap();
    assert_eq!(restored.record(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    assert!(matches!(restored.snapshot_chunk(Height(4), Some(Hash([255; 32])), 9), Err(StateDbError::BadChunk { .. })));
}
