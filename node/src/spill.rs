//! Keeps answers on disk that the engine's memory has no room for: bounded, the oldest forgotten first.
//!
//! An answer that is not here is computed again, so nothing here is worth stopping for: a full or broken disk is logged
//! and means that nothing is kept. The engine checks what it gets by a checksum. Answers of a device that was found to
//! lie are not used again: [`distrust`] has them thrown away.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use noema_engine::Spill;
use noema_inference_api::JobId;
use noema_store::{Batch, Column, Direction, Durability, Range, RocksOptions, RocksStore, Store, StoreError};
use noema_types::Hash;
use parking_lot::Mutex;

/// Bytes of answers kept, at most.
const BYTES_MAX: u64 = 1 << 30;
/// Answers kept, at most.
const ANSWERS_MAX: u64 = 1_000_000;
/// Bytes of one answer, at most: images are larger than texts, but not without bound.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Memory of the store.
const MEMORY: RocksOptions = RocksOptions { block_cache_bytes: 8 << 20, write_buffer_bytes: 4 << 20 };

/// The number of an answer (8 bytes, big-endian) and the answer, by job.
const ANSWERS: Column = Column("answers");
/// The job, and the answer's bytes (8 bytes, big-endian), by number: the oldest first.
const ORDER: Column = Column("order");

const FOLDER: &str = "answers";
const DISTRUSTED: &str = "answers.distrusted";
const NUMBER_BYTES: usize = 8;

/// Answers in a store.
#[derive(Debug)]
pub(crate) struct StoreSpill {
    store: Arc<dyn Store>,
    kept: Mutex<Kept>,
    bytes_max: u64,
    answers_max: u64,
    /// The last write failed: it has been said.
    failing: AtomicBool,
}

/// What is in the store.
#[derive(Debug, Default, Clone, Copy)]
struct Kept {
    answers: u64,
    bytes: u64,
    next: u64,
}

/// Opens the answers in a node's folder; none when the disk does not let us.
pub(crate) fn open(data_dir: &Path) -> Option<Box<dyn Spill>> {
    let folder = data_dir.join(FOLDER);
    let open = || RocksStore::open(&folder, &[ANSWERS, ORDER], MEMORY).map(|store| Arc::new(store) as Arc<dyn Store>);
    let trusted = || -> std::io::Result<()> {
        let mark = data_dir.join(DISTRUSTED);
        if mark.exists() {
            clear(&folder)?;
            fs::remove_file(mark)?;
        }
        Ok(())
    };
    if let Err(error) = trusted() {
        tracing::warn!(%error, "answers on disk are distrusted and cannot be removed: none are kept there");
        return None;
    }
    let opened = open().and_then(|store| StoreSpill::new(store, BYTES_MAX, ANSWERS_MAX)).or_else(|error| {
        tracing::warn!(%error, "answers on disk are unusable, begins anew");
        clear(&folder).map_err(|error| StoreError::Io { path: folder.clone(), reason: error.to_string() })?;
        open().and_then(|store| StoreSpill::new(store, BYTES_MAX, ANSWERS_MAX))
    });
    match opened {
        Ok(spill) => Some(Box::new(spill)),
        Err(error) => {
            tracing::warn!(%error, "no answers are kept on disk");
            None
        }
    }
}

/// Says that what this machine computed may be wrong: the next start begins with no answers.
pub(crate) fn distrust(data_dir: &Path) {
    let marked = fs::File::create(data_dir.join(DISTRUSTED)).and_then(|file| file.sync_all());
    if let Err(error) = marked {
        tracing::error!(%error, folder = %data_dir.join(FOLDER).display(), "remove this folder before the next start");
    }
}

fn clear(folder: &Path) -> std::io::Result<()> {
    if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) }
}

impl StoreSpill {
    /// Answers in a store, of which so many bytes and entries may be used.
    fn new(store: Arc<dyn Store>, bytes_max: u64, answers_max: u64) -> Result<Self, StoreError> {
        let mut kept = Kept::default();
        for entry in store.scan(ORDER, Range::all(), Direction::Forward)? {
            let (number, value) = entry?;
            kept.answers += 1;
            kept.bytes = kept.bytes.saturating_add(ordered(&value).map_or(0, |(_, bytes)| bytes));
            kept.next = number_of(&number).map_or(kept.next, |number| number.saturating_add(1));
        }
        let failing = AtomicBool::new(false);
        Ok(Self { store, kept: Mutex::new(kept), bytes_max, answers_max, failing })
    }

    /// Changes that make room for so many bytes.
    fn make_room(&self, kept: &mut Kept, bytes: u64, batch: &mut Batch) -> Result<(), StoreError> {
        let is_over =
            |kept: &Kept| kept.bytes.saturating_add(bytes) > self.bytes_max || kept.answers + 1 > self.answers_max;
        if !is_over(kept) {
            return Ok(());
        }
        for entry in self.store.scan(ORDER, Range::all(), Direction::Forward)? {
            let (number, value) = entry?;
            batch.delete(ORDER, number);
            if let Some((id, bytes)) = ordered(&value) {
                batch.delete(ANSWERS, id.0.0.to_vec());
                kept.bytes = kept.bytes.saturating_sub(bytes);
            }
            kept.answers = kept.answers.saturating_sub(1);
            if !is_over(kept) {
                break;
            }
        }
        Ok(())
    }

    fn keep(&self, id: JobId, bytes: &[u8]) -> Result<(), StoreError> {
        let mut guard = self.kept.lock();
        let key = id.0.0.to_vec();
        // An answer is a function of its job: what is there already stays.
        if self.store.get(ANSWERS, &key)?.is_some() {
            return Ok(());
        }
        let (mut kept, mut batch) = (*guard, Batch::new());
        let size = bytes.len() as u64;
        self.make_room(&mut kept, size, &mut batch)?;
        let number = kept.next.to_be_bytes();
        batch.put(ANSWERS, key, [&number, bytes].concat());
        batch.put(ORDER, number.to_vec(), [id.0.0.as_slice(), &size.to_be_bytes()].concat());
        kept.answers += 1;
        kept.bytes = kept.bytes.saturating_add(size);
        kept.next = kept.next.saturating_add(1);
        self.store.write(batch, Durability::Lazy)?;
        *guard = kept;
        Ok(())
    }

    fn drop_entry(&self, id: JobId) -> Result<(), StoreError> {
        let mut guard = self.kept.lock();
        let Some(value) = self.store.get(ANSWERS, &id.0.0)? else { return Ok(()) };
        let mut batch = Batch::new();
        batch.delete(ANSWERS, id.0.0.to_vec());
        // Its place in the order may be damaged too: then the place goes when it is the oldest.
        if let Some(number) = value.get(..NUMBER_BYTES)
            && let Some(place) = self.store.get(ORDER, number)?
            && let Some((_, bytes)) = ordered(&place).filter(|(placed, _)| *placed == id)
        {
            batch.delete(ORDER, number.to_vec());
            guard.bytes = guard.bytes.saturating_sub(bytes);
            guard.answers = guard.answers.saturating_sub(1);
        }
        self.store.write(batch, Durability::Lazy)
    }

    /// Says a failure once, until it works again.
    fn note(&self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.failing.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "an answer is not kept on disk; neither are others while this lasts");
                }
            }
        }
    }
}

fn number_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// A job and the size of its answer.
fn ordered(value: &[u8]) -> Option<(JobId, u64)> {
    let (id, bytes) = value.split_first_chunk::<32>()?;
    Some((JobId(Hash(*id)), number_of(bytes)?))
}

impl Spill for StoreSpill {
    fn put(&self, id: JobId, bytes: &[u8]) {
        if bytes.len() <= ANSWER_BYTES_MAX && bytes.len() as u64 <= self.bytes_max {
            self.note(self.keep(id, bytes));
        }
    }

    fn get(&self, id: JobId) -> Option<Vec<u8>> {
        match self.store.get(ANSWERS, &id.0.0) {
            Ok(value) => Some(value?.get(NUMBER_BYTES..)?.to_vec()),
            Err(error) => {
                self.note(Err(error));
                None
            }
        }
    }

    fn remove(&self, id: JobId) {
        self.note(self.drop_entry(id));
    }
}

#[cfg(test)]
mod tests {
    use noema_store::{Fault, FaultyStore};
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> JobId {
        JobId(Hash::sha3(&[&number.to_le_bytes()]))
    }

    fn faulty() -> Arc<FaultyStore> {
        Arc::new(FaultyStore::new(&[ANSWERS, ORDER]))
    }

    fn spill(store: &Arc<FaultyStore>) -> StoreSpill {
        StoreSpill::new(Arc::clone(store) as Arc<dyn Store>, 1_000, 20).expect("opens")
    }

    fn count_of(store: &dyn Store, column: Column) -> usize {
        store.scan(column, Range::all(), Direction::Forward).expect("reads").count()
    }

    #[test]
    fn the_oldest_go_and_both_bounds_hold() {
        let store = faulty();
        let spill = spill(&store);
        for number in 0..30 {
            spill.put(id(number), &[7; 10]);
        }
        assert_eq!((spill.get(id(9)), spill.get(id(10))), (None, Some(vec![7; 10])));
        for number in 30..34 {
            spill.put(id(number), &[8; 250]);
        }
        assert_eq!((spill.get(id(29)), spill.get(id(30))), (None, Some(vec![8; 250])));
        spill.put(id(40), &[9; 1_001]);
        assert_eq!(spill.get(id(40)), None);
        assert_eq!((count_of(&*store, ANSWERS), count_of(&*store, ORDER)), (4, 4));
    }

    #[test]
    fn a_restart_finds_answers_and_counts_them() {
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..2 {
            let spill = open(folder.path()).expect("opens");
            assert_eq!(spill.get(id(1)).is_some(), round == 1);
            spill.put(id(1), b"one");
            spill.put(id(2), b"two");
        }
        distrust(folder.path());
        assert_eq!(open(folder.path()).expect("opens").get(id(1)), None, "a lying device's answers are not used");
        fs::remove_dir_all(folder.path().join(FOLDER)).expect("removes");
        fs::write(folder.path().join(FOLDER), b"no folder").expect("writes");
        assert!(open(folder.path()).is_none(), "a file in the way is no reason to stop");

        let store = faulty();
        (0..20).for_each(|number| spill(&store).put(id(number), &[1]));
        spill(&store).put(id(20), &[1]);
        assert_eq!((spill(&store).get(id(0)), spill(&store).get(id(1))), (None, Some(vec![1])));
    }

    #[test]
    fn a_full_disk_is_survived_and_removed_answers_are_gone() {
        let store = faulty();
        let spill = spill(&store);
        spill.put(id(1), b"one");
        store.fail_after(0, Fault::DiskFull);
        spill.put(id(2), b"two");
        assert_eq!((spill.get(id(1)), spill.get(id(2))), (Some(b"one".to_vec()), None));
        spill.put(id(3), b"three");
        assert_eq!(spill.get(id(3)), Some(b"three".to_vec()));
        store.fail_reads(true);
        assert_eq!(spill.get(id(1)), None);
        spill.put(id(4), b"four");
        store.fail_reads(false);
        spill.remove(id(1));
        assert_eq!((spill.get(id(1)), count_of(&*store, ORDER)), (None, 1));
    }

    proptest! {
        #[test]
        fn damage_does_not_panic(
            entries in prop::collection::vec((0u64..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..50)), 0..12)
        ) {
            let store = faulty();
            for (number, is_order, bytes) in entries {
                let (column, key) = if is_order {
                    (ORDER, number.to_be_bytes().to_vec())
                } else {
                    (ANSWERS, id(number).0.0.to_vec())
                };
                let mut batch = Batch::new();
                batch.put(column, key, bytes);
                store.write(batch, Durability::Sync).expect("writes");
            }
            let spill = spill(&store);
            for number in 0..30 {
                let _ = spill.get(id(number));
                spill.remove(id(number % 4));
                spill.put(id(number), &[0; 90]);
            }
            prop_assert!(count_of(&*store, ORDER) <= 20);
        }
    }
}
