//! Committing, refusing, recovering, and reading the ledger back.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::sync::Arc;

use common::{block, chain, event, key, memory, user};
use noema_execution_api::{StateError, StateView};
use noema_state::{COLUMNS, StateDb, StateDbError};
use noema_store::{Fault, FaultyStore, Store, StoreError};
use noema_types::*;

/// Three blocks with 1, 3 and 2 transactions.
fn plans() -> Vec<common::Plan> {
    let change = |number: u8| (number, Some(vec![number]));
    vec![
        vec![vec![change(1), change(2)]],
        vec![vec![change(3)], vec![(1, None)], vec![]],
        vec![vec![change(1)], vec![change(5), (7, None)]],
    ]
}

fn committed() -> StateDb {
    let db = memory();
    for block in chain(&plans()) {
        db.commit_block(&block).unwrap();
    }
    db
}

#[test]
fn versions_run_through_the_blocks() {
    let db = committed();
    let latest = db.latest().unwrap();
    assert_eq!(
        (latest.info.height, latest.info.first_version, latest.info.last_version),
        (Height(2), Version(4), Version(5))
    );
    let heights: Vec<u64> =
        (0..6).map(|version| db.block_by_version(Version(version)).unwrap().info.height.0).collect();
    assert_eq!(heights, [0, 1, 1, 1, 2, 2]);
    assert_eq!(db.block(Height(2)).unwrap(), latest);
    assert_eq!(db.block(Height(3)), Err(StateDbError::HeightAhead { height: Height(3) }));
    let ahead = StateDbError::VersionAhead { version: Version(6), latest: Some(Version(5)) };
    assert_eq!(db.block_by_version(Version(6)), Err(ahead.clone()));
    assert_eq!(db.transaction(Version(6)), Err(ahead));
}

#[test]
fn transactions_come_back_as_they_went_in() {
    let db = committed();
    let blocks = chain(&plans());
    let all = db.transactions(Version(0), 100).unwrap();
    let given: Vec<_> = blocks.iter().flat_map(|block| &block.transactions).collect();
    assert_eq!(all.len(), given.len());
    for (read, given) in all.iter().zip(given) {
        assert_eq!((&read.transaction, &read.events), (&given.transaction, &given.events));
        assert_eq!((&read.write_set, read.info.gas_used), (&given.write_set, given.gas_used));
        assert_eq!(read.info.transaction_hash, given.transaction.hash());
        assert_eq!(db.version_by_hash(&given.transaction.hash()).unwrap(), Some(read.version));
    }
    let with_root: Vec<bool> = all.iter().map(|read| read.info.state_root.is_some()).collect();
    assert_eq!(with_root, [true, false, false, true, false, true], "a root where a block ends");
    assert_eq!(all[5].info.state_root, Some(db.latest().unwrap().state_root));
    assert_eq!(all[5].accumulator_root, db.latest().unwrap().accumulator_root);
    assert_eq!(db.transactions(Version(4), 1).unwrap(), all[4..5]);
    assert!(db.transactions(Version(6), 9).unwrap().is_empty());
    assert_eq!(db.version_by_hash(&Hash::ZERO).unwrap(), None);
}

#[test]
fn accounts_and_handles_are_indexed() {
    let db = committed();
    let sender = Address::from_u8(9);
    let versions = |start, limit| -> Vec<u64> {
        db.account_transactions(&sender, start, limit).unwrap().iter().map(|version| version.0).collect()
    };
    assert_eq!(versions(Some(2), 2), [2, 3]);
    assert_eq!(versions(None, 2), [4, 5], "the latest, ascending");
    assert!(versions(Some(6), 1).is_empty(), "a sequence number to come");
    assert_eq!(db.version_by_account(&sender, 3).unwrap(), Some(Version(3)));
    assert!(db.account_transactions(&Address::from_u8(8), None, 9).unwrap().is_empty());
    let key = EventKey { creation_number: 2, account_address: sender };
    let expected: Vec<_> = (1..3).map(|number| (Version(number), event(number))).collect();
    assert_eq!(db.events_by_key(&key, Some(1), 2).unwrap(), expected);
    assert_eq!(db.events_by_key(&key, None, 1).unwrap(), [(Version(5), event(5))]);
    assert!(db.events_by_key(&EventKey { creation_number: 3, ..key }, None, 9).unwrap().is_empty());
    assert_eq!(db.events(Version(0)).unwrap().len(), 2);
}

#[test]
fn orderless_transactions_are_not_in_the_order_of_an_account() {
    let db = memory();
    let mut commit = block(0, 0, &vec![vec![]]);
    let mut transaction = user(0xdead_beef);
    transaction.raw.payload = TransactionPayload::Payload(ExtendedPayload::V1 {
        executable: Executable::Empty,
        extra: ExtraConfig::V1 { multisig_address: None, replay_protection_nonce: Some(1) },
    });
    commit.transactions[0].transaction = Transaction::User(transaction.clone());
    db.commit_block(&commit).unwrap();
    assert_eq!(db.version_by_hash(&transaction.hash()).unwrap(), Some(Version(0)));
    assert!(db.account_transactions(&Address::from_u8(9), None, 9).unwrap().is_empty());
}

#[test]
fn a_block_again_is_the_same_and_another_is_refused() {
    let db = committed();
    let before = db.latest();
    let blocks = chain(&plans());
    for (height, block) in blocks.iter().enumerate() {
        assert_eq!(db.commit_block(block).unwrap(), db.block(Height(height as u64)).unwrap());
    }
    let conflict = |change: fn(&mut BlockCommit)| {
        let mut other = blocks[1].clone();
        change(&mut other);
        matches!(db.commit_block(&other), Err(StateDbError::Conflict { height: Height(1), .. }))
    };
    assert!(conflict(|block| block.timestamp_us += 1));
    assert!(conflict(|block| block.transactions[1].gas_used = Gas(77)));
    assert!(conflict(|block| block.transactions[0].write_set = WriteSet::default()));
    assert!(conflict(|block| block.transactions[2].events.clear()));
    assert!(conflict(|block| block.transactions[0].status = ExecutionStatus::OutOfGas));
    assert!(conflict(|block| block.transactions[2].transaction = Transaction::User(user(50))));
    assert!(conflict(|block| drop(block.transactions.pop())));
    assert_eq!(db.latest(), before, "nothing has changed");
}

#[test]
fn gaps_and_empty_blocks_are_refused() {
    let db = memory();
    let gap = StateDbError::Gap { expected: Height(0), got: Height(1) };
    assert_eq!(db.commit_block(&block(1, 0, &vec![vec![]])), Err(gap));
    assert_eq!(db.commit_block(&block(0, 0, &vec![])), Err(StateDbError::EmptyBlock { height: Height(0) }));
    assert_eq!((db.latest(), db.next_height()), (None, Height(0)));
    assert_eq!(db.latest_view().get(&key(1)), Ok(None));
    db.commit_block(&block(0, 0, &vec![vec![]])).unwrap();
    assert_eq!(db.next_height(), Height(1));
}

#[test]
fn a_view_stays_at_its_version() {
    let db = memory();
    let blocks = chain(&plans());
    db.commit_block(&blocks[0]).unwrap();
    let view = db.latest_view();
    assert!(view.get(&key(1)).unwrap().is_some());
    db.commit_block(&blocks[1]).unwrap();
    assert!(view.get(&key(1)).unwrap().is_some(), "removed by the next block");
    assert!(view.get(&key(3)).unwrap().is_none(), "written by the next block");
    assert!(db.latest_view().get(&key(1)).unwrap().is_none());
}

/// Every crash and every broken write leaves the ledger at the end of a whole block, or is noticed.
#[test]
fn failures_leave_whole_blocks_or_are_noticed() {
    let blocks = chain(&plans());
    let reference: Vec<_> = {
        let db = memory();
        blocks.iter().map(|block| db.commit_block(block).unwrap()).collect()
    };
    for (fault, kept) in [(None, true), (Some(Fault::DiskFull), false), (Some(Fault::Unreported), true)] {
        for at in 0..blocks.len() {
            let store = Arc::new(FaultyStore::new(COLUMNS));
            let db = StateDb::open(store.clone()).unwrap();
            for block in &blocks[..at] {
                db.commit_block(block).unwrap();
            }
            if let Some(fault) = fault {
                store.fail_after(0, fault);
            }
            let result = db.commit_block(&blocks[at]);
            assert_eq!(result.is_ok(), fault.is_none());
            if fault.is_some() {
                let again = db.commit_block(&blocks[at]);
                assert!(matches!(again, Err(StateDbError::Stopped { .. })), "no guessing what is on disk");
            }
            drop(db);
            store.crash(0);
            let db = StateDb::open(store).unwrap();
            let expected = if kept { at + 1 } else { at };
            assert_eq!(db.latest().as_ref(), expected.checked_sub(1).map(|last| &reference[last]));
            for (block, reference) in blocks.iter().zip(&reference) {
                assert_eq!(db.commit_block(block).as_ref(), Ok(reference), "again from the start: nothing twice");
            }
        }
    }
}

#[test]
fn a_torn_batch_is_noticed_when_opening() {
    let blocks = chain(&plans());
    let size = {
        let counting = Arc::new(FaultyStore::new(COLUMNS));
        let db = StateDb::open(counting.clone()).unwrap();
        db.commit_block(&blocks[0]).unwrap();
        let before = entries(&*counting);
        db.commit_block(&blocks[1]).unwrap();
        entries(&*counting) - before
    };
    assert!(size > 10);
    for torn in 0..=size {
        let store = Arc::new(FaultyStore::new(COLUMNS));
        let db = StateDb::open(store.clone()).unwrap();
        db.commit_block(&blocks[0]).unwrap();
        store.fail_after(0, Fault::Torn(torn));
        assert!(db.commit_block(&blocks[1]).is_err());
        drop(db);
        match StateDb::open(store) {
            Ok(db) => {
                let height = db.latest().unwrap().info.height;
                assert!((torn, height) == (0, Height(0)) || (torn, height) == (size, Height(1)), "torn at {torn}");
            }
            Err(error) => assert!(matches!(error, StateDbError::Damaged { .. }), "torn at {torn}: {error}"),
        }
    }
}

fn entries(store: &dyn Store) -> usize {
    let all = noema_store::Range::all;
    COLUMNS.iter().map(|column| store.scan(*column, all(), noema_store::Direction::Forward).unwrap().count()).sum()
}

#[test]
fn a_store_that_fails_gives_errors_not_absence() {
    let store = Arc::new(FaultyStore::new(COLUMNS));
    let db = StateDb::open(store.clone()).unwrap();
    db.commit_block(&block(0, 0, &vec![vec![(1, Some(vec![1]))]])).unwrap();
    store.fail_reads(true);
    assert!(db.latest_view().get(&key(1)).unwrap().is_some(), "from the cache");
    assert!(matches!(db.latest_view().get(&key(2)), Err(StateError::Store { .. })));
    assert!(matches!(db.transaction(Version(0)), Err(StateDbError::Store(StoreError::Io { .. }))));
    assert!(matches!(db.commit_block(&block(1, 1, &vec![vec![(2, None)]])), Err(StateDbError::Store(_))));
    store.fail_reads(false);
    assert!(db.commit_block(&block(1, 1, &vec![vec![(2, None)]])).is_ok(), "a failed read stops nothing");
}

#[test]
fn another_format_is_refused() {
    let store = Arc::new(FaultyStore::new(COLUMNS));
    let mut batch = noema_store::Batch::new();
    batch.put(noema_store::Column("state_meta"), &b"format"[..], 99u64.to_be_bytes().to_vec());
    store.write(batch, noema_store::Durability::Sync).unwrap();
    assert!(matches!(StateDb::open(store), Err(StateDbError::Format { found: 99, .. })));
}

/// A changed hash is a changed database or a changed chain: old ones cannot be read or followed.
#[test]
fn formats_are_frozen() {
    let store = Arc::new(FaultyStore::new(COLUMNS));
    let db = StateDb::open(store.clone()).unwrap();
    for block in chain(&plans()) {
        db.commit_block(&block).unwrap();
    }
    let latest = db.latest().unwrap();
    let mut bytes = Vec::new();
    for column in COLUMNS {
        bytes.extend(column.0.as_bytes());
        for entry in store.scan(*column, noema_store::Range::all(), noema_store::Direction::Forward).unwrap() {
            let (key, value) = entry.unwrap();
            bytes.extend([key.len().to_le_bytes(), value.len().to_le_bytes()].concat());
            bytes.extend(key.iter().chain(value.iter()));
        }
    }
    assert_eq!(
        [latest.state_root.to_string(), latest.accumulator_root.to_string(), Hash::sha3(&[&bytes]).to_string()],
        FROZEN
    );
}

const FROZEN: [&str; 3] = [
    "0x85b58a232bd20edc2bcb4f10863faff2571571900af297e6b49ec5b3a466c6e8",
    "0x928565f589a582c6d0d0c00e5cfe690dca45a35466f298f254aef5a7548d4928",
    "0xdbfc411022b2c542b3155c8f77c188826e04509d7e22c1add85b0216c4b2a02b",
];
