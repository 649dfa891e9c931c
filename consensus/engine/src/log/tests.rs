use std::path::Path;

use bytes::Bytes;
use noema_dag::Batch;
use noema_types::Author;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const CHAIN: Hash = Hash([7; 32]);

fn signed(height: u64) -> LogRecord {
    LogRecord::Signed { height: Height(height), digest: Hash([height as u8; 32]) }
}

fn batch(created: u64, size: usize) -> LogRecord {
    let (epoch, author) = (Epoch(1), Author(0));
    let transactions = vec![Bytes::from(vec![created as u8; size])];
    LogRecord::Dag { epoch, record: Record::Batch(Batch { epoch, author, created: Round(created), transactions }) }
}

fn segment(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:012}.log"))
}

fn open(dir: &Path) -> (SegmentLog, Vec<LogRecord>) {
    let mut log = SegmentLog::open(dir, CHAIN).unwrap();
    let records = log.read().unwrap();
    (log, records)
}

#[test]
fn what_is_synced_comes_back_over_many_segments() {
    let dir = TempDir::new().unwrap();
    SegmentLog::create(dir.path(), CHAIN).unwrap();
    assert!(matches!(SegmentLog::create(dir.path(), CHAIN), Err(LogError::Exists { .. })));
    let mut expected = vec![LogRecord::Created { chain: CHAIN, lost: false }];
    for part in 0..5u64 {
        let mut log = SegmentLog::open_sized(dir.path(), CHAIN, 2_000).unwrap();
        assert_eq!(log.read().unwrap(), expected);
        for index in 0..20 {
            let record = if index % 3 == 0 { signed(part) } else { batch(part, 300) };
            log.append(&record).unwrap();
            expected.push(record);
        }
        log.sync().unwrap();
    }
    assert!(segment(dir.path(), 10).exists());
    assert!(matches!(SegmentLog::open(dir.path(), Hash([8; 32])), Err(LogError::WrongChain { .. })));
}

#[test]
fn a_lost_log_says_so_and_a_second_process_is_refused() {
    let dir = TempDir::new().unwrap();
    let (log, records) = open(dir.path());
    assert_eq!(records, [LogRecord::Created { chain: CHAIN, lost: true }]);
    assert!(matches!(SegmentLog::open(dir.path(), CHAIN), Err(LogError::Locked { .. })));
    drop(log);
    assert_eq!(open(dir.path()).1, [LogRecord::Created { chain: CHAIN, lost: true }]);
}

#[test]
fn segments_below_the_floor_go_and_no_others() {
    let dir = TempDir::new().unwrap();
    let mut log = SegmentLog::open_sized(dir.path(), CHAIN, 1_000).unwrap();
    for created in 1..=20 {
        log.append(&batch(created, 900)).unwrap();
    }
    log.append(&signed(9)).unwrap();
    let floor = |round, height| Floor { epoch: Epoch(1), gc_round: Round(round), gc_depth: 3, height: Height(height) };
    log.forget(&floor(2, 1)).unwrap();
    assert!(segment(dir.path(), 1).exists(), "a batch of round 1 may be ordered up to round 4");
    log.forget(&floor(8, 1)).unwrap();
    let held: Vec<_> =
        log.read().unwrap().into_iter().filter(|record| matches!(record, LogRecord::Dag { .. })).collect();
    assert_eq!(held.first(), Some(&batch(6, 900)));
    log.forget(&Floor { epoch: Epoch(2), ..floor(0, 5) }).unwrap();
    assert!(log.read().unwrap().contains(&signed(9)), "a signed height that is not certified stays");
    log.sync().unwrap();
    drop(log);
    assert!(open(dir.path()).1.contains(&signed(9)), "a log whose first segments are gone opens");
}

/// A log of records that were synced one by one, except for the last three.
fn small_log(dir: &Path) -> (Vec<LogRecord>, Vec<u8>, usize) {
    SegmentLog::create(dir, CHAIN).unwrap();
    let mut log = SegmentLog::open(dir, CHAIN).unwrap();
    let mut expected = vec![LogRecord::Created { chain: CHAIN, lost: false }];
    let mut synced = 0;
    for index in 0..8 {
        let record = if index % 2 == 0 { signed(index) } else { batch(index, 20) };
        log.append(&record).unwrap();
        expected.push(record);
        if index < 5 {
            log.sync().unwrap();
            synced = usize::try_from(log.bytes()).unwrap();
        }
    }
    log.read().unwrap();
    let mut bytes = std::fs::read(segment(dir, 1)).unwrap();
    let behind = bytes.split_off(usize::try_from(log.bytes()).unwrap());
    assert!(!behind.is_empty() && behind.iter().all(|byte| *byte == 0), "zeros to write over");
    (expected, bytes, synced)
}

#[test]
fn a_log_cut_anywhere_is_a_prefix() {
    let dir = TempDir::new().unwrap();
    let (expected, bytes, _) = small_log(dir.path());
    let mut longest = 0;
    for size in 0..=bytes.len() {
        std::fs::write(segment(dir.path(), 1), &bytes[..size]).unwrap();
        let (_, records) = open(dir.path());
        if size < 64 {
            assert_eq!(records, [LogRecord::Created { chain: CHAIN, lost: true }], "cut at {size}");
        } else {
            assert!(expected.starts_with(&records), "cut at {size}");
            longest = longest.max(records.len());
        }
    }
    assert_eq!(longest, expected.len());
}

#[test]
fn a_flipped_bit_in_what_was_durable_is_refused_and_a_torn_end_is_cut() {
    let dir = TempDir::new().unwrap();
    let (expected, bytes, synced) = small_log(dir.path());
    let (mut refused, mut cut) = (0, 0);
    for index in 0..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[index] ^= 1 << (index % 8);
        std::fs::write(segment(dir.path(), 1), &wrong).unwrap();
        match SegmentLog::open(dir.path(), CHAIN) {
            Ok(mut log) => {
                assert!(index >= synced, "a flipped bit at {index} of {synced} durable bytes went unnoticed");
                let records = log.read().unwrap();
                assert!(expected.starts_with(&records) && records.len() < expected.len(), "flipped at {index}");
                cut += 1;
            }
            Err(error) => {
                assert!(matches!(error, LogError::Damaged { .. } | LogError::WrongChain { .. }), "{error}");
                assert!(index < synced, "the torn end at {index} was refused");
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && cut > 100, "{refused} refused, {cut} cut");
}

#[test]
fn forgotten_segments_are_written_over_and_nothing_of_them_comes_back() {
    let dir = TempDir::new().unwrap();
    let mut log = SegmentLog::open_sized(dir.path(), CHAIN, 10_000).unwrap();
    let spares = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|extension| extension == "spare")).count()
    };
    for created in 1..=40 {
        log.append(&batch(created, 1_000)).unwrap();
    }
    log.sync().unwrap();
    let floor = |round| Floor { epoch: Epoch(1), gc_round: Round(round), gc_depth: 3, height: Height(1) };
    log.forget(&floor(40)).unwrap();
    let before = spares();
    assert!(before >= 3, "{before} files are kept");
    let name = segment(dir.path(), 5);
    while !name.exists() {
        log.append(&batch(50, 990)).unwrap();
    }
    assert!(spares() < before + 1, "one of them was taken");
    log.append(&signed(7)).unwrap();
    log.sync().unwrap();
    let records = std::fs::read(&name).unwrap().windows(4).filter(|bytes| *bytes == b"\xA7rec").count();
    assert!(records > 5, "behind two records are those that the file held before: {records} in all");
    let held = log.read().unwrap();
    assert!(held.ends_with(&[batch(50, 990), signed(7)]), "of the old records none follows");
    drop(log);
    let mut log = SegmentLog::open_sized(dir.path(), CHAIN, 10_000).unwrap();
    assert_eq!(log.read().unwrap(), held, "nor after a restart");
    assert_eq!(spares(), 0, "files of the process before are removed");
}

#[test]
fn damage_in_a_closed_segment_and_a_missing_one_are_refused() {
    let dir = TempDir::new().unwrap();
    let mut log = SegmentLog::open_sized(dir.path(), CHAIN, 500).unwrap();
    for created in 0..5 {
        log.append(&batch(created, 600)).unwrap();
    }
    log.sync().unwrap();
    drop(log);
    let second = segment(dir.path(), 2);
    let sound = std::fs::read(&second).unwrap();
    std::fs::write(&second, &sound[..sound.len() - 1]).unwrap();
    let error = SegmentLog::open(dir.path(), CHAIN).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }) && error.to_string().contains("hint"), "{error}");
    std::fs::remove_file(&second).unwrap();
    assert!(matches!(SegmentLog::open(dir.path(), CHAIN), Err(LogError::Damaged { .. })));
    std::fs::write(&second, &sound).unwrap();
    assert!(SegmentLog::open(dir.path(), CHAIN).is_ok());
}

#[test]
fn a_full_disk_names_the_folder_and_what_was_needed() {
    // A device that is always full stands in for the folder's file system.
    let dir = TempDir::new().unwrap();
    SegmentLog::create(dir.path(), CHAIN).unwrap();
    std::fs::remove_file(segment(dir.path(), 1)).unwrap();
    let mut log = SegmentLog::open(dir.path(), CHAIN).unwrap();
    log.replace_file_for_test(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    log.append(&batch(1, 5_000)).unwrap();
    let error = log.sync().unwrap_err();
    let LogError::Full { needed, .. } = &error else { panic!("{error}") };
    assert!(*needed > 5_000 && error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn memory_loses_what_was_not_synced() {
    let disk = MemoryDisk::created(CHAIN);
    let mut log = disk.open();
    log.append(&signed(1)).unwrap();
    log.sync().unwrap();
    log.append(&signed(2)).unwrap();
    disk.cut_power();
    log.append(&signed(3)).unwrap();
    log.sync().unwrap();
    assert_eq!(disk.open().read().unwrap(), [LogRecord::Created { chain: CHAIN, lost: false }, signed(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn random_bytes_in_a_segment_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), keep in 0..400usize) {
        let dir = TempDir::new().unwrap();
        let (_, sound, _) = small_log(dir.path());
        let mut mixed = sound[..keep.min(sound.len())].to_vec();
        mixed.extend(bytes);
        std::fs::write(segment(dir.path(), 1), &mixed).unwrap();
        if let Ok(mut log) = SegmentLog::open(dir.path(), CHAIN) {
            prop_assert!(log.read().is_ok());
            prop_assert!(log.append(&signed(1)).is_ok());
        }
    }
}
