//! The log on disk: a folder of segments, each a header and records.
//!
//! ```text
//! segment:  magic 8 | version 4 | zero 4 | chain 32 | sequence 8 | check 8      then records
//! record:   magic 4 | length 4 | durable 8 | check 8 | BCS
//! ```
//! Numbers are little-endian. `check` is the first 8 bytes of a BLAKE3 over all other bytes, the sequence and the offset,
//! so that no record passes for another or elsewhere. `durable` says up to which byte the segment was durable when the
//! record was appended. That tells two kinds of damage apart: an unreadable record is the torn end of a crash, and is cut
//! off, unless a later record proves that it was durable; then it is damage, and an error.
//!
//! A segment is begun only after the one before is durable, so that only the last can be torn.
//!
//! A segment's file is longer than what it holds, by zeros or by what a forgotten segment held: most syncs then change no
//! metadata. What is behind the last record of the open segment means nothing; it is cut off when the segment is closed,
//! and when a log is opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use noema_types::{Hash, decode};

use super::spares::{self, Spares};
use super::{Floor, Log, LogError, LogRecord, Reach};
use crate::limits::{LOG_BUFFER_BYTES, LOG_GROWTH_BYTES, RECORD_BYTES_MAX, SEGMENT_BYTES};

const SEGMENT_MAGIC: &[u8; 8] = b"NOEMALOG";
const RECORD_MAGIC: &[u8; 4] = b"\xA7rec";
const VERSION: u32 = 1;
const SEGMENT_HEADER: usize = 64;
const RECORD_HEADER: usize = 24;

/// A log in a folder.
#[derive(Debug)]
pub struct SegmentLog {
    dir: PathBuf,
    chain: Hash,
    _lock: File,
    /// Closed segments, oldest first.
    closed: Vec<Segment>,
    open: Segment,
    file: File,
    /// Of the file.
    length: u64,
    /// Appended and not handed to the file yet.
    buffer: Vec<u8>,
    /// Bytes of the open segment that are durable.
    durable: u64,
    /// Files for later segments.
    spares: Spares,
}

#[derive(Debug, Clone)]
struct Segment {
    sequence: u64,
    /// With what waits in the buffer.
    bytes: u64,
    reach: Reach,
}

impl SegmentLog {
    /// Makes the log of a new validator: it is known to have signed nothing. Open it with [`SegmentLog::open`].
    ///
    /// # Errors
    /// [`LogError::Exists`] and others.
    pub fn create(dir: &Path, chain: Hash) -> Result<(), LogError> {
        let lock = lock(dir)?;
        if !sequences(dir)?.is_empty() {
            return Err(LogError::Exists { dir: dir.to_owned() });
        }
        let mut log = Self::begin(dir, chain, Spares::new(dir, SEGMENT_BYTES)?, lock)?;
        log.append(&LogRecord::Created { chain, lost: false })?;
        log.sync()
    }

    /// Opens a log and cuts off what a crash left half-written. A folder without one gets one that says so.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(dir: &Path, chain: Hash) -> Result<Self, LogError> {
        Self::open_sized(dir, chain, SEGMENT_BYTES)
    }

    /// As [`SegmentLog::open`], with segments of another size.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open_sized(dir: &Path, chain: Hash, segment_bytes: u64) -> Result<Self, LogError> {
        let lock = lock(dir)?;
        let spares = Spares::new(dir, segment_bytes)?;
        let mut sequences = sequences(dir)?;
        if let Some(last) = sequences.last().copied() {
            let file = path(dir, last);
            let size = std::fs::metadata(&file).map_err(io_error("look at", &file))?.len();
            if size < SEGMENT_HEADER as u64 {
                tracing::warn!(path = %file.display(), "the newest segment of the consensus log was never begun; removed");
                std::fs::remove_file(&file).map_err(io_error("remove", &file))?;
                sequences.pop();
            }
        }
        let Some(last) = sequences.last().copied() else {
            let mut log = Self::begin(dir, chain, spares, lock)?;
            log.append(&LogRecord::Created { chain, lost: true })?;
            log.sync()?;
            return Ok(log);
        };
        let mut segments = Vec::new();
        for (index, sequence) in sequences.iter().copied().enumerate() {
            let expected = sequences[0] + index as u64;
            if sequence != expected {
                let reason = format!("segment {expected} is missing");
                return Err(LogError::Damaged { path: path(dir, expected), offset: 0, reason });
            }
            let mut reach = Reach::default();
            let scan = scan(dir, chain, sequence, |record| reach.add(&record))?;
            if let Some(torn) = scan.unreadable {
                if sequence != last || torn.proven {
                    let reason = "a record that was durable cannot be read".to_owned();
                    return Err(LogError::Damaged { path: path(dir, sequence), offset: scan.end, reason });
                }
                cut(&path(dir, sequence), scan.end, torn.bytes)?;
            }
            segments.push(Segment { sequence, bytes: scan.end, reach });
        }
        let open = segments.pop().expect("at least the last");
        let name = path(dir, open.sequence);
        let mut file = OpenOptions::new().write(true).open(&name).map_err(io_error("open", &name))?;
        file.seek(SeekFrom::End(0)).map_err(io_error("open", &name))?;
        // What an ended process left in the system's cache counts as durable only from now on.
        file.sync_all().map_err(io_error("sync", &name))?;
        Ok(Self::with(dir, chain, spares, lock, segments, (open, file)))
    }

    fn begin(dir: &Path, chain: Hash, spares: Spares, lock: File) -> Result<Self, LogError> {
        let (open, file) = begin_segment(dir, chain, 1, None)?;
        Ok(Self::with(dir, chain, spares, lock, Vec::new(), (open, file)))
    }

    fn with(
        dir: &Path,
        chain: Hash,
        spares: Spares,
        lock: File,
        closed: Vec<Segment>,
        (open, file): (Segment, File),
    ) -> Self {
        let (dir, durable, length, buffer) = (dir.to_owned(), open.bytes, open.bytes, Vec::new());
        Self { dir, chain, _lock: lock, closed, open, file, length, buffer, durable, spares }
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let result = self.file.write_all(&self.buffer);
        result.map_err(|source| write_error(&self.dir, "write", self.buffer.len(), source))?;
        if self.open.bytes > self.length {
            let segment_bytes = self.spares.segment_bytes();
            // The more there is, the more is to come, and growing costs most per time, not per byte.
            let growth = self.open.bytes.max(LOG_GROWTH_BYTES);
            let longer = (self.open.bytes + growth).min(segment_bytes).max(self.open.bytes);
            if longer == segment_bytes {
                self.spares.prepare();
            }
            let longer = spares::extend(&mut self.file, &self.dir, self.open.bytes, longer);
            self.length = longer.map_err(|source| write_error(&self.dir, "extend", 0, source))?;
        }
        self.buffer.clear();
        if self.buffer.capacity() > 4 * LOG_BUFFER_BYTES {
            self.buffer.shrink_to(LOG_BUFFER_BYTES);
        }
        Ok(())
    }

    /// Later writes go to another file.
    #[cfg(test)]
    pub(super) fn replace_file_for_test(&mut self, file: File) {
        self.file = file;
    }

    fn roll(&mut self) -> Result<(), LogError> {
        self.flush()?;
        let name = path(&self.dir, self.open.sequence);
        let cut = self.file.set_len(self.open.bytes).and_then(|()| self.file.sync_all());
        cut.map_err(io_error("close", &name))?;
        let (open, file) = begin_segment(&self.dir, self.chain, self.open.sequence + 1, self.spares.take())?;
        self.durable = open.bytes;
        self.length = file.metadata().map_err(io_error("look at", &path(&self.dir, open.sequence)))?.len();
        self.file = file;
        self.closed.push(std::mem::replace(&mut self.open, open));
        Ok(())
    }
}

impl Log for SegmentLog {
    fn append(&mut self, record: &LogRecord) -> Result<(), LogError> {
        if self.open.bytes >= self.spares.segment_bytes() {
            self.roll()?;
        }
        let start = self.buffer.len();
        self.buffer.extend([0; RECORD_HEADER]);
        bcs::serialize_into(&mut self.buffer, record).expect("records always serialise");
        let record_bytes = &mut self.buffer[start..];
        let (size, limit) = (record_bytes.len() - RECORD_HEADER, RECORD_BYTES_MAX);
        let Some(length) = u32::try_from(size).ok().filter(|_| size <= limit) else {
            self.buffer.truncate(start);
            return Err(LogError::TooLarge { size, limit });
        };
        record_bytes[..4].copy_from_slice(RECORD_MAGIC);
        record_bytes[4..8].copy_from_slice(&length.to_le_bytes());
        record_bytes[8..16].copy_from_slice(&self.durable.to_le_bytes());
        let check = check(self.open.sequence, self.open.bytes, &record_bytes[..16], &record_bytes[RECORD_HEADER..]);
        record_bytes[16..24].copy_from_slice(&check);
        self.open.bytes += record_bytes.len() as u64;
        self.open.reach.add(record);
        if self.buffer.len() >= LOG_BUFFER_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        if self.durable == self.open.bytes {
            return Ok(());
        }
        let waiting = self.open.bytes - self.durable;
        self.flush()?;
        let needed = usize::try_from(waiting).unwrap_or(usize::MAX);
        self.file.sync_data().map_err(|source| write_error(&self.dir, "sync", needed, source))?;
        self.durable = self.open.bytes;
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<LogRecord>, LogError> {
        self.flush()?;
        let mut records = Vec::new();
        for segment in self.closed.iter().chain([&self.open]) {
            let scan = scan(&self.dir, self.chain, segment.sequence, |record| records.push(record))?;
            if scan.end != segment.bytes {
                let reason = "the records end early".to_owned();
                return Err(LogError::Damaged { path: path(&self.dir, segment.sequence), offset: scan.end, reason });
            }
        }
        Ok(records)
    }

    fn forget(&mut self, floor: &Floor) -> Result<(), LogError> {
        let count = self.closed.iter().take_while(|segment| segment.reach.is_below(floor)).count();
        for segment in self.closed.drain(..count) {
            let name = path(&self.dir, segment.sequence);
            self.spares.give(&name).map_err(io_error("remove", &name))?;
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.closed.iter().chain([&self.open]).map(|segment| segment.bytes).sum()
    }
}

/// What reading a segment came to.
struct Scan {
    /// Where the readable records end.
    end: u64,
    /// What is behind them.
    unreadable: Option<Unreadable>,
}

struct Unreadable {
    bytes: u64,
    /// A later record says that it was durable.
    proven: bool,
}

fn scan(dir: &Path, chain: Hash, sequence: u64, mut each: impl FnMut(LogRecord)) -> Result<Scan, LogError> {
    let name = path(dir, sequence);
    let damaged = |offset: usize, reason: &str| LogError::Damaged {
        path: name.clone(),
        offset: offset as u64,
        reason: reason.to_owned(),
    };
    let bytes = std::fs::read(&name).map_err(io_error("read", &name))?;
    let header = bytes.get(..SEGMENT_HEADER).ok_or_else(|| damaged(0, "the header is cut off"))?;
    if header[..8] != *SEGMENT_MAGIC {
        return Err(damaged(0, "not a segment of a consensus log"));
    }
    if header[8..12] != VERSION.to_le_bytes() {
        return Err(damaged(8, "a format that this program does not know"));
    }
    if header[56..64] != check(sequence, 0, &header[..56], &[]) {
        return Err(damaged(0, "the header does not fit its checksum"));
    }
    if header[16..48] != chain.0 {
        let found = Hash(header[16..48].try_into().expect("32 bytes"));
        return Err(LogError::WrongChain { dir: dir.to_owned(), expected: chain, found });
    }
    let mut offset = SEGMENT_HEADER;
    let mut durable = SEGMENT_HEADER as u64;
    while let Some((body, seen)) = record_at(&bytes, sequence, offset) {
        let record = decode("log record", body).map_err(|error| damaged(offset, &error.to_string()))?;
        each(record);
        durable = durable.max(seen);
        offset += RECORD_HEADER + body.len();
    }
    let (end, size) = (offset as u64, bytes.len() as u64);
    let unreadable = (end < size)
        .then(|| Unreadable { bytes: size - end, proven: durable > end || proven_later(&bytes, sequence, offset) });
    Ok(Scan { end, unreadable })
}

/// The body of a sound record at an offset, and up to where the segment was durable when it was appended.
fn record_at(bytes: &[u8], sequence: u64, offset: usize) -> Option<(&[u8], u64)> {
    let header = bytes.get(offset..offset + RECORD_HEADER)?;
    if header[..4] != *RECORD_MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(header[4..8].try_into().expect("4 bytes")) as usize;
    let start = offset + RECORD_HEADER;
    let body = bytes.get(start..start.checked_add(length)?)?;
    let durable = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
    (header[16..24] == check(sequence, offset as u64, &header[..16], body)).then_some((body, durable))
}

/// Whether a sound record after the offset was appended when the offset was durable.
fn proven_later(bytes: &[u8], sequence: u64, offset: usize) -> bool {
    (offset + 1..bytes.len().saturating_sub(RECORD_HEADER)).any(|at| {
        bytes[at] == RECORD_MAGIC[0]
            && record_at(bytes, sequence, at).is_some_and(|(_, durable)| durable > offset as u64)
    })
}

fn check(sequence: u64, offset: u64, header: &[u8], body: &[u8]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&sequence.to_le_bytes()).update(&offset.to_le_bytes()).update(header).update(body);
    hasher.finalize().as_bytes()[..8].try_into().expect("8 of 32 bytes")
}

/// Begins a segment, in a file that has its length already if one is given.
fn begin_segment(dir: &Path, chain: Hash, sequence: u64, spare: Option<PathBuf>) -> Result<(Segment, File), LogError> {
    let name = path(dir, sequence);
    let mut header = [0; SEGMENT_HEADER];
    header[..8].copy_from_slice(SEGMENT_MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..48].copy_from_slice(&chain.0);
    header[48..56].copy_from_slice(&sequence.to_le_bytes());
    let check = check(sequence, 0, &header[..56], &[]);
    header[56..64].copy_from_slice(&check);
    let failed = |source| write_error(dir, "begin a segment in", SEGMENT_HEADER, source);
    let mut file = match &spare {
        Some(spare) => OpenOptions::new().write(true).open(spare),
        None => OpenOptions::new().write(true).create_new(true).open(&name),
    }
    .map_err(failed)?;
    file.write_all(&header).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    if let Some(spare) = spare {
        // Only now: what it held before is of another sequence.
        std::fs::rename(&spare, &name).map_err(failed)?;
    }
    sync_dir(dir)?;
    Ok((Segment { sequence, bytes: SEGMENT_HEADER as u64, reach: Reach::default() }, file))
}

/// Cuts off what is behind the last record: a record that a crash left half-written, or what the file held before.
fn cut(name: &Path, end: u64, bytes: u64) -> Result<(), LogError> {
    tracing::debug!(path = %name.display(), kept = end, cut = bytes, "what follows the last record is cut off");
    let file = OpenOptions::new().write(true).open(name).map_err(io_error("open", name))?;
    file.set_len(end).map_err(io_error("cut", name))?;
    file.sync_all().map_err(io_error("sync", name))
}

fn lock(dir: &Path) -> Result<File, LogError> {
    std::fs::create_dir_all(dir).map_err(|source| write_error(dir, "make", 0, source))?;
    let name = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name);
    let file = file.map_err(io_error("open", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(LogError::Locked { dir: dir.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(LogError::Io { action: "lock", path: name, source }),
    }
}

fn sequences(dir: &Path) -> Result<Vec<u64>, LogError> {
    let mut sequences = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io_error("list", dir))? {
        let name = entry.map_err(io_error("list", dir))?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".log")) else { continue };
        if let Ok(sequence) = stem.parse() {
            sequences.push(sequence);
        }
    }
    sequences.sort_unstable();
    Ok(sequences)
}

fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:012}.log"))
}

fn sync_dir(dir: &Path) -> Result<(), LogError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(io_error("sync", dir))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
    let path = path.to_owned();
    move |source| LogError::Io { action, path, source }
}

fn write_error(dir: &Path, action: &'static str, needed: usize, source: io::Error) -> LogError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            LogError::Full { dir: dir.to_owned(), needed: needed as u64 }
        }
        _ => LogError::Io { action, path: dir.to_owned(), source },
    }
}
