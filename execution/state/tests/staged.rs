//! Staged blocks: what execution builds on before it is certified, and nobody else sees.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use common::{Model, Plan, apply, block, chain, contents, key, memory, plan};
use noema_execution_api::{StateError, StateView};
use noema_state::limits::STAGED_BLOCKS_MAX;
use noema_state::{COLUMNS, DbView, RECORDS, StateDb, StateDbError};
use noema_store::{Batch, Column, Fault, FaultyStore, MemoryStore};
use noema_types::*;
use proptest::prelude::*;

fn check_view(view: &DbView, model: &Model) {
    for number in 0..48 {
        assert_eq!(view.get(&key(number)).unwrap().as_ref(), model.get(&key(number)), "key {number} of {view:?}");
    }
    for byte in 0..4 {
        let address = Address::from_u8(byte);
        let mut resources: Vec<_> = model
            .iter()
            .filter_map(|(key, value)| match key {
                StateKey::Resource { address: at, tag } if *at == address => Some((tag.clone(), value.clone())),
                _ => None,
            })
            .collect();
        resources.sort_by_key(|(tag, _)| bcs::to_bytes(tag).unwrap());
        assert_eq!(view.resources(&address, None, 100).unwrap().items, resources);
    }
}

/// The state after the first `count` blocks.
fn model(plans: &[Plan], count: usize) -> Model {
    let mut model = Model::new();
    plans[..count].iter().flatten().for_each(|changes| apply(&mut model, changes));
    model
}

/// Commits all of `blocks` directly.
fn direct(blocks: &[BlockCommit]) -> (Arc<MemoryStore>, Vec<CommittedBlock>) {
    let store = Arc::new(MemoryStore::new(COLUMNS));
    let db = StateDb::open(store.clone()).unwrap();
    let committed = blocks.iter().map(|block| db.commit_block(block).unwrap()).collect();
    (store, committed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn staging_and_committing_is_committing(
        plans in prop::collection::vec(plan(), 1..9), ahead in 1usize..5, look in any::<bool>(),
    ) {
        let blocks = chain(&plans);
        let store = Arc::new(MemoryStore::new(COLUMNS));
        let db = StateDb::open(store.clone()).unwrap();
        let (mut staged, mut committed) = (0, 0);
        while committed < blocks.len() {
            while staged < blocks.len() && staged - committed < ahead {
                let outcome = db.stage_block(&blocks[staged]).unwrap();
                prop_assert_eq!(db.stage_block(&blocks[staged]), Ok(outcome.clone()), "again is nothing new");
                prop_assert_eq!(db.staged_tip(), Some(outcome));
                prop_assert_eq!(&*db.staged(Height(staged as u64)).unwrap(), &blocks[staged]);
                staged += 1;
                if look {
                    // Reading fills the cache, also with what staged blocks change.
                    check_view(&db.staged_view(), &model(&plans, staged));
                    check_view(&db.latest_view(), &model(&plans, committed));
                }
            }
            let view = db.staged_view();
            db.commit_staged(Height(committed as u64)).unwrap();
            committed += 1;
            check_view(&view, &model(&plans, staged));
            check_view(&db.latest_view(), &model(&plans, committed));
            let (direct, outcomes) = direct(&blocks[..committed]);
            prop_assert_eq!(db.latest(), outcomes.last().cloned());
            prop_assert_eq!(contents(&*store), contents(&*direct));
        }
        prop_assert_eq!(db.staged_tip(), None);
        check_view(&db.staged_view(), &model(&plans, committed));
    }

    #[test]
    fn other_blocks_can_follow_what_was_discarded(
        plans in prop::collection::vec(plan(), 2..6), others in prop::collection::vec(plan(), 1..5), keep in 1usize..5,
    ) {
        let blocks = chain(&plans);
        let keep = keep.min(blocks.len() - 1);
        let store = Arc::new(MemoryStore::new(COLUMNS));
        let db = StateDb::open(store.clone()).unwrap();
        for block in &blocks {
            db.stage_block(block).unwrap();
        }
        for height in 0..keep {
            db.commit_staged(Height(height as u64)).unwrap();
        }
        let view = db.staged_view();
        prop_assert_eq!(db.discard_staged(), blocks.len() - keep);
        prop_assert!(matches!(view.get(&key(1)), Err(StateError::Store { .. })), "what it showed is gone");
        prop_assert_eq!((db.staged_tip(), db.staged(Height(keep as u64))), (None, None));
        check_view(&db.staged_view(), &model(&plans, keep));

        let plans = [&plans[..keep], &others].concat();
        let blocks = chain(&plans);
        for (count, block) in blocks.iter().enumerate().skip(keep) {
            db.stage_block(block).unwrap();
            check_view(&db.staged_view(), &model(&plans, count + 1));
        }
        for height in keep..blocks.len() {
            db.commit_staged(Height(height as u64)).unwrap();
        }
        prop_assert_eq!(contents(&*store), contents(&*direct(&blocks).0));
        prop_assert!(view.get(&key(1)).is_err(), "and stays gone");
    }
}

fn four() -> Vec<BlockCommit> {
    let change = |number: u8| (number, Some(vec![number]));
    chain(&[
        vec![vec![change(1), change(2)]],
        vec![vec![change(3)], vec![(1, None)]],
        vec![vec![change(1)], vec![change(5), (7, None)]],
        vec![vec![change(9)]],
    ])
}

#[test]
fn nothing_staged_is_shown() {
    let db = memory();
    let blocks = four();
    db.commit_block(&blocks[0]).unwrap();
    let before = db.latest();
    let staged = db.stage_block(&blocks[1]).unwrap();
    assert_eq!(db.latest(), before);
    assert_eq!(db.latest_version(), Some(Version(0)));
    assert!(db.latest_view().get(&key(3)).unwrap().is_none() && db.latest_view().get(&key(1)).unwrap().is_some());
    assert!(db.staged_view().get(&key(3)).unwrap().is_some() && db.staged_view().get(&key(1)).unwrap().is_none());
    let version = staged.info.last_version;
    assert!(matches!(db.view_at(version), Err(StateDbError::VersionAhead { .. })));
    assert!(matches!(db.transaction(version), Err(StateDbError::VersionAhead { .. })));
    assert!(matches!(db.block(Height(1)), Err(StateDbError::HeightAhead { .. })));
    assert!(matches!(db.prove(&key(3), Height(1)), Err(StateDbError::HeightAhead { .. })));
    assert_eq!(db.version_by_hash(&blocks[1].transactions[0].transaction.hash()), Ok(None));
    assert_eq!(db.staged_outcome(Height(1)), Some(staged.clone()));
    assert_eq!(db.commit_staged(Height(1)), Ok(staged.clone()));
    assert_eq!(db.latest(), Some(staged));
    assert!(db.latest_view().get(&key(3)).unwrap().is_some());
}

#[test]
fn order_and_conflicts_are_checked() {
    let db = memory();
    let blocks = four();
    assert_eq!(db.stage_block(&blocks[1]), Err(StateDbError::Gap { expected: Height(0), got: Height(1) }));
    assert_eq!(db.commit_staged(Height(0)), Err(StateDbError::NotStaged { height: Height(0), oldest: None }));
    db.commit_block(&blocks[0]).unwrap();
    db.stage_block(&blocks[1]).unwrap();
    db.stage_block(&blocks[2]).unwrap();
    assert_eq!(db.staged_range(), Some((Height(1), Height(2))));
    let oldest = Some(Height(1));
    assert_eq!(db.commit_staged(Height(2)), Err(StateDbError::NotStaged { height: Height(2), oldest }));
    let mut other = blocks[1].clone();
    other.timestamp_us += 1;
    assert!(matches!(db.stage_block(&other), Err(StateDbError::Conflict { height: Height(1), .. })));
    assert_eq!(db.stage_block(&blocks[0]), db.block(Height(0)), "a committed block again");
    let error = db.commit_block(&blocks[1]).unwrap_err();
    assert_eq!(error, StateDbError::Staged { height: Height(1), oldest: Height(1), newest: Height(2) });
    assert!(db.stage_block(&block(3, 99, &vec![])).is_err());
    assert_eq!(db.discard_staged(), 2);
    db.commit_block(&blocks[1]).unwrap();
}

#[test]
fn memory_is_bounded() {
    let db = memory();
    let height = |height: usize| block(height as u64, height as u64, &vec![vec![(height as u8 % 48, Some(vec![1]))]]);
    for number in 0..STAGED_BLOCKS_MAX {
        db.stage_block(&height(number)).unwrap();
    }
    let error = db.stage_block(&height(STAGED_BLOCKS_MAX)).unwrap_err();
    assert_eq!(error, StateDbError::StagedFull { count: STAGED_BLOCKS_MAX, limit: STAGED_BLOCKS_MAX });
    assert!(error.to_string().contains("STAGED_BLOCKS_MAX") && error.is_callers());
    db.commit_staged(Height(0)).unwrap();
    db.stage_block(&height(STAGED_BLOCKS_MAX)).unwrap();
}

#[test]
fn records_go_in_with_the_block_and_nowhere_else() {
    let store = Arc::new(FaultyStore::new(COLUMNS));
    let db = StateDb::open(store.clone()).unwrap();
    let blocks = four();
    db.stage_block(&blocks[0]).unwrap();
    let mut foreign = Batch::new();
    foreign.put(Column("blocks"), &b"k"[..], &b"v"[..]);
    let error = StateDbError::ForeignColumn { column: "blocks" };
    assert_eq!(db.commit_staged_with(Height(0), foreign.clone()), Err(error.clone()));
    assert_eq!(db.put_records(foreign), Err(error));
    let record = |value: &'static [u8]| {
        let mut batch = Batch::new();
        batch.put(RECORDS, &b"k"[..], value);
        batch
    };
    db.commit_staged_with(Height(0), record(b"0")).unwrap();
    assert_eq!(db.record(b"k").unwrap().as_deref(), Some(&b"0"[..]));
    db.stage_block(&blocks[1]).unwrap();
    store.fail_after(0, Fault::DiskFull);
    assert!(db.commit_staged_with(Height(1), record(b"1")).is_err());
    drop(db);
    store.crash(0);
    let db = StateDb::open(store).unwrap();
    assert_eq!(
        (db.latest().unwrap().info.height, db.record(b"k").unwrap()),
        (Height(0), Some(Bytes::from_static(b"0")))
    );
    db.put_records(record(b"2")).unwrap();
    assert_eq!(db.record(b"k").unwrap().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_crash_loses_what_is_staged_and_nothing_else() {
    let blocks = four();
    for committed in 0..blocks.len() {
        for fault in [None, Some(Fault::DiskFull), Some(Fault::Unreported)] {
            let store = Arc::new(FaultyStore::new(COLUMNS));
            let db = StateDb::open(store.clone()).unwrap();
            for block in &blocks {
                db.stage_block(block).unwrap();
            }
            for height in 0..committed {
                db.commit_staged(Height(height as u64)).unwrap();
            }
            if let Some(fault) = fault {
                store.fail_after(0, fault);
                assert!(db.commit_staged(Height(committed as u64)).is_err());
                let again = db.commit_staged(Height(committed as u64));
                assert!(matches!(again, Err(StateDbError::Stopped { .. })), "no guessing what is on disk");
                assert!(matches!(db.stage_block(&blocks[3]), Err(StateDbError::Stopped { .. })));
            }
            drop(db);
            store.crash(0);
            let db = StateDb::open(store.clone()).unwrap();
            let kept = committed + usize::from(fault == Some(Fault::Unreported));
            assert_eq!(db.next_height(), Height(kept as u64), "{fault:?} after {committed}");
            assert_eq!(db.staged_tip(), None);
            for block in &blocks[kept..] {
                db.stage_block(block).unwrap();
                db.commit_staged(block.height).unwrap();
            }
            assert_eq!(contents(&*store), contents(&*direct(&blocks).0));
        }
    }
}

/// Block `height` sets every key to its height: whoever reads a mixture sees it.
fn uniform(height: u64) -> BlockCommit {
    let changes = (0..16u8).map(|number| (number, Some(height.to_le_bytes().to_vec()))).collect();
    block(height, height, &vec![changes])
}

fn check_uniform(view: &DbView) {
    let expected = Bytes::from(view.version().unwrap().0.to_le_bytes().to_vec());
    for number in 0..16 {
        assert_eq!(view.get(&key(number)).unwrap().as_ref(), Some(&expected), "key {number} of {view:?}");
    }
    let page = view.resources(&Address::from_u8(1), None, 9).unwrap();
    assert!(!page.items.is_empty() && page.items.iter().all(|(_, value)| *value == expected));
}

/// Ends the other threads, also when this one fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_committed_states_and_execution_its_own() {
    const BLOCKS: u64 = 300;
    let db = memory();
    db.commit_block(&uniform(0)).unwrap();
    let committed = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let seen = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = 0u64;
                    while !done.load(Ordering::SeqCst) {
                        let view = db.latest_view();
                        // It was set before the commit began: what is newer is staged only.
                        assert!(
                            view.version().unwrap().0 <= committed.load(Ordering::SeqCst),
                            "a staged state is shown"
                        );
                        check_uniform(&view);
                        seen += 1;
                    }
                    seen
                })
            })
            .collect();
        let executor = scope.spawn(|| {
            for height in 1..=BLOCKS {
                check_uniform(&db.staged_view());
                loop {
                    match db.stage_block(&uniform(height)) {
                        Err(StateDbError::StagedFull { .. }) if !done.load(Ordering::SeqCst) => {
                            std::thread::yield_now()
                        }
                        staged => break staged.map(drop).unwrap(),
                    }
                }
            }
        });
        let stop = Stop(&done);
        for height in 1..=BLOCKS {
            loop {
                let finished = executor.is_finished();
                if db.staged_range().is_some_and(|(_, newest)| newest.0 >= height) {
                    break;
                }
                assert!(!finished, "execution has ended early");
                std::thread::yield_now();
            }
            let view = db.staged_view();
            committed.store(height, Ordering::SeqCst);
            db.commit_staged(Height(height)).unwrap();
            check_uniform(&view);
        }
        executor.join().unwrap();
        drop(stop);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>()
    });
    assert!(seen > 0 && db.next_height() == Height(BLOCKS + 1));
}
