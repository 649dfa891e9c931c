//! One test body over every store: each must agree with a map, and with the contract's words.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

use std::collections::BTreeMap;

use noema_store::{
    Batch, Column, Direction, Durability, Fault, FaultyStore, MemoryStore, Range, RocksOptions, RocksStore, Store,
    StoreError,
};
use proptest::prelude::*;

const COLUMNS: [Column; 2] = [Column("one"), Column("two")];

/// Runs `body` over a fresh store of every kind.
fn over_all(body: impl Fn(&dyn Store)) {
    body(&MemoryStore::new(&COLUMNS));
    body(&FaultyStore::new(&COLUMNS));
    let folder = tempfile::tempdir().unwrap();
    body(&RocksStore::open(folder.path(), &COLUMNS, RocksOptions::default()).unwrap());
}

fn put(key: &[u8], value: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(COLUMNS[0], key.to_vec(), value.to_vec());
    batch
}

fn keys(store: &dyn Store, range: Range, direction: Direction) -> Vec<Vec<u8>> {
    store.scan(COLUMNS[0], range, direction).unwrap().map(|entry| entry.unwrap().0.to_vec()).collect()
}

#[test]
fn reads_what_was_written_last() {
    over_all(|store| {
        store.write(put(b"k", b"1"), Durability::Lazy).unwrap();
        store.write(put(b"k", b"2"), Durability::Sync).unwrap();
        assert_eq!(store.get(COLUMNS[0], b"k").unwrap().as_deref(), Some(&b"2"[..]));
        assert_eq!(store.get(COLUMNS[1], b"k").unwrap(), None, "columns are apart");
        let mut batch = put(b"k", b"3");
        batch.delete(COLUMNS[0], &b"k"[..]);
        batch.put(COLUMNS[0], &b""[..], &b""[..]);
        store.write(batch, Durability::Lazy).unwrap();
        assert_eq!(store.get(COLUMNS[0], b"k").unwrap(), None, "the later change counts");
        assert_eq!(store.get(COLUMNS[0], b"").unwrap().as_deref(), Some(&b""[..]), "empty keys and values");
        store.sync().unwrap();
    });
}

#[test]
fn scans_in_order_both_ways() {
    over_all(|store| {
        for key in [&[2][..], &[1], &[1, 0], &[255, 255], &[1, 255], &[3]] {
            store.write(put(key, key), Durability::Lazy).unwrap();
        }
        let all: Vec<Vec<u8>> = vec![vec![1], vec![1, 0], vec![1, 255], vec![2], vec![3], vec![255, 255]];
        assert_eq!(keys(store, Range::all(), Direction::Forward), all);
        assert_eq!(keys(store, Range::all(), Direction::Backward), all.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(keys(store, Range::prefix(&[1]), Direction::Forward), all[..3]);
        assert_eq!(keys(store, Range::prefix(&[255]), Direction::Backward), all[5..]);
        let some = Range { start: vec![1, 0], end: Some(vec![3]) };
        assert_eq!(keys(store, some.clone(), Direction::Forward), all[1..4]);
        assert_eq!(keys(store, some, Direction::Backward), [vec![2], vec![1, 255], vec![1, 0]]);
        let backwards = Range { start: vec![3], end: Some(vec![1]) };
        assert!(keys(store, backwards, Direction::Forward).is_empty());
    });
}

#[test]
fn a_scan_does_not_see_later_writes() {
    over_all(|store| {
        store.write(put(b"a", b""), Durability::Lazy).unwrap();
        let scan = store.scan(COLUMNS[0], Range::all(), Direction::Forward).unwrap();
        store.write(put(b"b", b""), Durability::Lazy).unwrap();
        assert_eq!(scan.count(), 1);
    });
}

#[test]
fn a_batch_with_an_unknown_column_changes_nothing() {
    over_all(|store| {
        let mut batch = put(b"a", b"");
        batch.put(Column("none"), &b"b"[..], &b""[..]);
        assert_eq!(store.write(batch, Durability::Sync), Err(StoreError::NoColumn { column: "none" }));
        assert_eq!(store.get(COLUMNS[0], b"a").unwrap(), None);
        assert_eq!(store.get(Column("none"), b"a"), Err(StoreError::NoColumn { column: "none" }));
        assert!(store.scan(Column("none"), Range::all(), Direction::Forward).is_err());
    });
}

#[test]
fn a_crash_keeps_synced_writes_and_a_prefix_of_the_others() {
    let store = FaultyStore::new(&COLUMNS);
    store.write(put(b"1", b""), Durability::Lazy).unwrap();
    store.write(put(b"2", b""), Durability::Sync).unwrap();
    for key in [b"3", b"4", b"5"] {
        store.write(put(key, b""), Durability::Lazy).unwrap();
    }
    assert_eq!(store.unsynced(), 3);
    store.crash(1);
    assert_eq!(keys(&store, Range::all(), Direction::Forward), [b"1", b"2", b"3"]);
    store.crash(9);
    assert_eq!(keys(&store, Range::all(), Direction::Forward), [b"1", b"2", b"3"]);
}

#[test]
fn faults_happen_once_and_when_told() {
    let store = FaultyStore::new(&COLUMNS);
    store.fail_after(1, Fault::DiskFull);
    store.write(put(b"1", b""), Durability::Sync).unwrap();
    assert!(matches!(store.write(put(b"2", b""), Durability::Sync), Err(StoreError::DiskFull { .. })));
    store.fail_after(0, Fault::Unreported);
    assert!(store.write(put(b"3", b""), Durability::Lazy).is_err());
    store.fail_after(0, Fault::Torn(1));
    let mut batch = put(b"4", b"");
    batch.put(COLUMNS[0], &b"5"[..], &b""[..]);
    assert!(store.write(batch, Durability::Sync).is_err());
    store.crash(0);
    assert_eq!(keys(&store, Range::all(), Direction::Forward), [b"1", b"3", b"4"]);
    store.fail_reads(true);
    assert!(store.get(COLUMNS[0], b"1").is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(bool, Vec<u8>, Option<Vec<u8>>)>),
    Scan(Vec<u8>, Option<Vec<u8>>, bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(255)], 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..5));
    let change = (any::<bool>(), key(), value);
    prop_oneof![
        proptest::collection::vec(change, 0..8).prop_map(Step::Write),
        (key(), proptest::option::of(key()), any::<bool>()).prop_map(|(start, end, up)| Step::Scan(start, end, up)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_store_is_a_map(steps in proptest::collection::vec(step(), 0..40)) {
        over_all(|store| {
            let mut model: [BTreeMap<Vec<u8>, Vec<u8>>; 2] = Default::default();
            for step in &steps {
                match step {
                    Step::Write(changes) => {
                        let mut batch = Batch::new();
                        for (second, key, value) in changes {
                            let column = COLUMNS[usize::from(*second)];
                            let entries = &mut model[usize::from(*second)];
                            match value {
                                Some(value) => {
                                    batch.put(column, key.clone(), value.clone());
                                    entries.insert(key.clone(), value.clone());
                                }
                                None => {
                                    batch.delete(column, key.clone());
                                    entries.remove(key);
                                }
                            }
                        }
                        store.write(batch, Durability::Lazy).unwrap();
                    }
                    Step::Scan(start, end, up) => {
                        let range = Range { start: start.clone(), end: end.clone() };
                        let direction = if *up { Direction::Forward } else { Direction::Backward };
                        let found = keys(store, range, direction);
                        let mut expected: Vec<_> = model[0]
                            .keys()
                            .filter(|key| *key >= start && end.as_ref().is_none_or(|end| *key < end))
                            .cloned()
                            .collect();
                        if !up {
                            expected.reverse();
                        }
                        assert_eq!(found, expected);
                    }
                }
            }
            for (column, entries) in COLUMNS.iter().zip(&model) {
                let all: BTreeMap<_, _> = store
                    .scan(*column, Range::all(), Direction::Forward)
                    .unwrap()
                    .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap())
                    .collect();
                assert_eq!(&all, entries);
                for (key, value) in entries {
                    assert_eq!(store.get(*column, key).unwrap().as_deref(), Some(value.as_slice()));
                }
            }
        });
    }
}
