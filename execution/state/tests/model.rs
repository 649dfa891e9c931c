//! The database against a map: every version, every listing, every root, over memory and disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use std::sync::Arc;

use common::{Model, Plan, apply, chain, key, memory, plan};
use noema_execution_api::StateView;
use noema_state::{COLUMNS, DbView, StateDb};
use noema_store::{RocksOptions, RocksStore};
use noema_types::*;
use proptest::prelude::*;

fn rocks(folder: &std::path::Path) -> StateDb {
    StateDb::open(Arc::new(RocksStore::open(folder, COLUMNS, RocksOptions::default()).unwrap())).unwrap()
}

/// The state after each version, by the model.
fn models(plans: &[Plan]) -> Vec<Model> {
    let mut model = Model::new();
    let step = |changes: &Vec<common::Change>| {
        apply(&mut model, changes);
        model.clone()
    };
    plans.iter().flatten().map(step).collect()
}

fn check_view(view: &DbView, model: &Model) {
    for number in 0..48 {
        assert_eq!(view.get(&key(number)).unwrap().as_ref(), model.get(&key(number)), "key {number} of {view:?}");
    }
    for byte in 0..4 {
        let address = Address::from_u8(byte);
        let mut resources = Vec::new();
        let mut modules = Vec::new();
        for (key, value) in model {
            match key {
                StateKey::Resource { address: at, tag } if *at == address => {
                    resources.push((tag.clone(), value.clone()));
                }
                StateKey::Module(id) if id.address == address => modules.push((id.name.clone(), value.clone())),
                _ => {}
            }
        }
        resources.sort_by_key(|(tag, _)| bcs::to_bytes(tag).unwrap());
        modules.sort_by_key(|(name, _)| bcs::to_bytes(name).unwrap());
        assert_eq!(view.resources(&address, None, 100).unwrap().items, resources);
        assert_eq!(view.modules(&address, None, 100).unwrap().items, modules);
        let mut paged = Vec::new();
        let mut start = None;
        loop {
            let page = view.resources(&address, start.as_deref(), 1).unwrap();
            assert!(page.items.len() <= 1);
            paged.extend(page.items);
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        assert_eq!(paged, resources, "one by one");
    }
}

fn check_all(db: &StateDb, plans: &[Plan]) {
    let models = models(plans);
    for (version, model) in models.iter().enumerate() {
        check_view(&db.view_at(Version(version as u64)).unwrap(), model);
    }
    assert!(db.view_at(Version(models.len() as u64)).is_err());
    check_view(&db.latest_view(), models.last().unwrap_or(&Model::new()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_version_is_the_models(plans in proptest::collection::vec(plan(), 0..8)) {
        let db = memory();
        check_all(&db, &[]);
        for (count, block) in chain(&plans).iter().enumerate() {
            db.commit_block(block).unwrap();
            // Read in between as well, so that the cache holds values that later blocks change.
            check_view(&db.latest_view(), models(&plans[..=count]).last().unwrap());
        }
        check_all(&db, &plans);
    }

    #[test]
    fn disk_and_memory_agree_and_reopening_changes_nothing(
        plans in proptest::collection::vec(plan(), 1..6), reopen_at in 0usize..6,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let in_memory = memory();
        let mut on_disk = rocks(folder.path());
        for (count, block) in chain(&plans).iter().enumerate() {
            prop_assert_eq!(on_disk.commit_block(block).unwrap(), in_memory.commit_block(block).unwrap());
            if count == reopen_at {
                drop(on_disk);
                on_disk = rocks(folder.path());
            }
        }
        drop(on_disk);
        let on_disk = rocks(folder.path());
        prop_assert_eq!(on_disk.latest(), in_memory.latest());
        check_all(&on_disk, &plans);
        for version in 0..=in_memory.latest_version().unwrap().0 {
            let version = Version(version);
            prop_assert_eq!(on_disk.transaction(version).unwrap(), in_memory.transaction(version).unwrap());
        }
    }

    #[test]
    fn the_root_is_a_function_of_the_state(plans in proptest::collection::vec(plan(), 1..6)) {
        let db = memory();
        let roots: Vec<Hash> =
            chain(&plans).iter().map(|block| db.commit_block(block).unwrap().state_root).collect();
        let root = *roots.last().unwrap();
        // The same state, written at once.
        let mut at_once = common::block(0, 0, &vec![vec![]]);
        let last = models(&plans).pop().unwrap();
        let writes = last.into_iter().map(|(key, value)| (key, WriteOp::Write(value)));
        at_once.transactions[0].write_set = WriteSet(writes.collect());
        prop_assert_eq!(memory().commit_block(&at_once).unwrap().state_root, root);
    }

    #[test]
    fn every_key_is_proved_present_or_absent(plans in proptest::collection::vec(plan(), 1..5)) {
        let db = memory();
        let roots: Vec<Hash> =
            chain(&plans).iter().map(|block| db.commit_block(block).unwrap().state_root).collect();
        for (height, root) in roots.iter().enumerate() {
            let model = models(&plans[..=height]).pop().unwrap();
            for number in 0..48 {
                let key = key(number);
                let proof = db.prove(&key, Height(height as u64)).unwrap();
                prop_assert_eq!(proof.value.as_ref(), model.get(&key));
                prop_assert!(proof.verify(*root, &key).is_ok());
                let proof: StateProof = bcs::from_bytes(&bcs::to_bytes(&proof).unwrap()).unwrap();
                prop_assert!(proof.verify(*root, &key).is_ok(), "after a trip over the wire");
                let mut lie = proof.clone();
                lie.value = match &proof.value {
                    Some(_) => None,
                    None => Some(vec![1].into()),
                };
                prop_assert!(lie.verify(*root, &key).is_err(), "the opposite");
                lie.value = Some(vec![9; 9].into());
                prop_assert!(lie.verify(*root, &key).is_err(), "another value");
                prop_assert!(proof.verify(Hash::ZERO, &key).is_err(), "another root");
            }
        }
    }
}
