//! Checkpoints beside their blocks, and blocks that others executed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{certified, certified_chain, commit_chain, committee, contents, key, memory, plan};
use noema_execution_api::StateView;
use noema_state::{COLUMNS, RECORDS, StateDb, StateDbError};
use noema_store::{Batch, Fault, FaultyStore, MemoryStore};
use noema_types::*;
use proptest::prelude::*;

fn plans(count: u8) -> Vec<common::Plan> {
    (0..count).map(|number| vec![vec![(number, Some(vec![number])), (number / 2, None)], vec![]]).collect()
}

fn what(error: StateDbError) -> &'static str {
    match error {
        StateDbError::NotCertified { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn checkpoints_and_epochs_are_kept_with_their_blocks() {
    let db = memory();
    let blocks = certified_chain(&plans(8));
    let checkpoints = commit_chain(&db, &blocks);
    assert_eq!(db.checkpoint(Height(0)), Ok(None), "nobody certifies genesis");
    for checkpoint in &checkpoints {
        assert_eq!(db.checkpoint(checkpoint.data().height).unwrap().as_ref(), Some(checkpoint));
    }
    assert_eq!(db.latest_checkpoint().unwrap().as_ref(), checkpoints.last());
    assert_eq!(db.checkpoint(Height(8)), Ok(None));
    assert_eq!(db.epoch_change(Epoch(0)), Ok(None));
    let change = |height: usize, epoch| {
        Some(EpochChange { certified: checkpoints[height - 1].clone(), committee: committee(epoch) })
    };
    assert_eq!(db.epoch_change(Epoch(1)).unwrap(), change(3, 2));
    assert_eq!(db.epoch_change(Epoch(2)).unwrap(), change(6, 3));
    assert_eq!(db.epoch_change(Epoch(3)), Ok(None), "it has not ended");
    assert_eq!(db.latest_epoch_change().unwrap(), change(6, 3));
}

#[test]
fn only_what_is_certified_is_committed() {
    let store = Arc::new(MemoryStore::new(COLUMNS));
    let db = StateDb::open(store.clone()).unwrap();
    let blocks = certified_chain(&plans(4));
    let checkpoints = commit_chain(&db, &blocks[..3]);
    let (block, next) = &blocks[3];
    let staged = db.stage_block(block).unwrap();
    let right = certified(&staged, checkpoints.last(), next.as_ref());
    let before = contents(&*store);
    let refused = |change: &dyn Fn(&mut CheckpointData), next: Option<&Committee>| {
        let mut wrong = right.clone();
        let Checkpoint::V1(data) = &mut wrong.checkpoint;
        change(data);
        let what = what(db.commit_certified(&wrong, next, Batch::new()).unwrap_err());
        assert_eq!(contents(&*store), before, "nothing is written");
        assert_eq!(db.staged_tip(), Some(staged.clone()), "it is still staged");
        what
    };
    let next = next.as_ref();
    assert_eq!(refused(&|data| data.state_root.0[0] ^= 1, next), "the state root");
    assert_eq!(refused(&|data| data.accumulator_root.0[0] ^= 1, next), "the accumulator root");
    assert_eq!(refused(&|data| data.version = Version(0), next), "the last version");
    assert_eq!(refused(&|data| data.epoch = Epoch(9), next), "the epoch");
    assert_eq!(refused(&|data| data.previous = Hash::ZERO, next), "the previous checkpoint");
    assert_eq!(refused(&|data| data.next_committee = None, next), "the next committee");
    assert_eq!(refused(&|_| {}, None), "the next committee");
    assert_eq!(refused(&|_| {}, Some(&committee(3))), "the next committee");
    let third = committee(3);
    let hash = third.hash();
    assert_eq!(refused(&|data| data.next_committee = Some(hash), Some(&third)), "the epoch of the next committee");
    let mut records = Batch::new();
    records.put(RECORDS, &b"consensus"[..], &b"state"[..]);
    db.commit_certified(&right, next, records).unwrap();
    assert_eq!(db.latest_checkpoint().unwrap(), Some(right));
    assert_eq!(db.record(b"consensus").unwrap().as_deref(), Some(&b"state"[..]));
}

#[test]
fn a_checkpoint_and_its_block_go_in_together() {
    for fault in [Fault::DiskFull, Fault::Unreported] {
        let store = Arc::new(FaultyStore::new(COLUMNS));
        let db = StateDb::open(store.clone()).unwrap();
        let blocks = certified_chain(&plans(4));
        let checkpoints = commit_chain(&db, &blocks[..3]);
        let (block, next) = &blocks[3];
        let staged = db.stage_block(block).unwrap();
        store.fail_after(0, fault);
        let checkpoint = certified(&staged, checkpoints.last(), next.as_ref());
        assert!(db.commit_certified(&checkpoint, next.as_ref(), Batch::new()).is_err());
        drop(db);
        store.crash(0);
        let db = StateDb::open(store).unwrap();
        let there = fault == Fault::Unreported;
        assert_eq!(db.latest().unwrap().info.height, Height(if there { 3 } else { 2 }));
        assert_eq!(db.latest_checkpoint().unwrap(), Some(if there { checkpoint } else { checkpoints[1].clone() }));
        assert_eq!(db.epoch_change(Epoch(1)).unwrap().is_some(), there);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_follower_becomes_the_original(plans in prop::collection::vec(plan(), 2..9)) {
        let (store, copy) = (Arc::new(MemoryStore::new(COLUMNS)), Arc::new(MemoryStore::new(COLUMNS)));
        let db = StateDb::open(store.clone()).unwrap();
        let blocks = certified_chain(&plans);
        commit_chain(&db, &blocks);
        let follower = StateDb::open(copy.clone()).unwrap();
        follower.commit_block(&blocks[0].0).unwrap();
        for height in 1..blocks.len() as u64 {
            let served = bcs::to_bytes(&db.certified_block(Height(height)).unwrap()).unwrap();
            let served = CertifiedBlock::decode(&served).unwrap();
            prop_assert_eq!(served.block(), &blocks[height as usize].0);
            prop_assert_eq!(follower.apply_certified(&served).unwrap(), db.block(Height(height)).unwrap());
            prop_assert_eq!(follower.apply_certified(&served).unwrap(), db.block(Height(height)).unwrap(), "again");
        }
        prop_assert_eq!(contents(&*copy), contents(&*store));
    }

    #[test]
    fn mutated_certified_blocks_never_panic_and_are_never_applied(
        at in any::<prop::sample::Index>(), flip in 1..=255u8,
    ) {
        let db = memory();
        let blocks = certified_chain(&plans(4));
        commit_chain(&db, &blocks);
        let served = db.certified_block(Height(3)).unwrap();
        let mut bytes = bcs::to_bytes(&served).unwrap();
        let place = at.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(mutated) = CertifiedBlock::decode(&bytes) {
            let follower = memory();
            commit_chain(&follower, &blocks[..3]);
            // The certificate and what consensus alone knows is not looked at here: the caller verifies it.
            let same_content = mutated.block() == served.block()
                && mutated.next_committee() == served.next_committee();
            prop_assert!(follower.apply_certified(&mutated).is_err() || same_content);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = CertifiedBlock::decode(&bytes);
        let _ = SnapshotChunk::decode(&bytes);
        let _ = SnapshotHeader::decode(&bytes);
    }
}

#[test]
fn tampered_blocks_are_refused_with_nothing_written() {
    let db = memory();
    let blocks = certified_chain(&plans(4));
    commit_chain(&db, &blocks);
    let served = db.certified_block(Height(3)).unwrap();
    let store = Arc::new(MemoryStore::new(COLUMNS));
    let follower = StateDb::open(store.clone()).unwrap();
    commit_chain(&follower, &blocks[..3]);
    let before = contents(&*store);
    let refused = |change: &dyn Fn(&mut BlockCommit)| {
        let mut wrong = served.clone();
        let CertifiedBlock::V1 { block, .. } = &mut wrong;
        change(block);
        let error = follower.apply_certified(&wrong).unwrap_err();
        assert_eq!(contents(&*store), before, "nothing is written");
        assert!(error.is_callers());
        what(error)
    };
    assert_eq!(refused(&|block| block.timestamp_us += 1), "the header");
    assert_eq!(refused(&|block| block.proposer = Address::ONE), "the header");
    assert_eq!(refused(&|block| drop(block.transactions.remove(0))), "the first transaction");
    assert_eq!(refused(&|block| drop(block.transactions.pop())), "the last version");
    assert_eq!(refused(&|block| block.transactions[1].gas_used = Gas(77)), "the accumulator root");
    assert_eq!(refused(&|block| block.transactions[1].events.clear()), "the accumulator root");
    let write = WriteOp::Write(Bytes::from_static(b"loot"));
    assert_eq!(
        refused(&|block| drop(block.transactions[1].write_set.0.insert(key(40), write.clone()))),
        "the accumulator root"
    );
    assert!(follower.latest_view().get(&key(40)).unwrap().is_none());
    let mut empty = served.clone();
    let CertifiedBlock::V1 { block, .. } = &mut empty;
    block.transactions.clear();
    assert_eq!(follower.apply_certified(&empty), Err(StateDbError::EmptyBlock { height: Height(3) }));
    assert_eq!(follower.apply_certified(&served).unwrap(), db.block(Height(3)).unwrap());
    assert!(matches!(db.certified_block(Height(0)), Err(StateDbError::NoCheckpoint { height: Height(0) })));
    assert!(matches!(db.certified_block(Height(4)), Err(StateDbError::HeightAhead { height: Height(4) })));
}

#[test]
fn a_block_cannot_go_in_past_staged_ones() {
    let db = memory();
    let blocks = certified_chain(&plans(3));
    commit_chain(&db, &blocks);
    let follower = memory();
    follower.commit_block(&blocks[0].0).unwrap();
    follower.stage_block(&blocks[1].0).unwrap();
    let served = db.certified_block(Height(1)).unwrap();
    assert!(matches!(follower.apply_certified(&served), Err(StateDbError::Staged { .. })));
    follower.discard_staged();
    assert!(follower.apply_certified(&served).is_ok());
}
