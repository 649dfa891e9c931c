//! Files that later segments of the log are written into: forgotten segments, or zeros.
//!
//! Writing over what a file holds changes data only. A file that grows changes its size and its map of blocks with every
//! sync, and where processors are busy file systems are late with that: under a full load of other work, syncs of 400 KB
//! took up to 220 ms into growing files and up to 25 ms into these.
//!
//! All of this is best effort: without a spare, a segment's file grows as it is written, a piece at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::LogError;
use crate::limits::{SPARE_FREE_SHARE, SPARE_SEGMENTS_AHEAD, SPARE_SEGMENTS_MAX};

const EXTENSION: &str = "spare";
const ZEROS: usize = 256 * 1024;

/// The files that wait, and the one that is made.
#[derive(Debug)]
pub(super) struct Spares {
    dir: PathBuf,
    segment_bytes: u64,
    waiting: Vec<PathBuf>,
    making: Option<JoinHandle<Vec<PathBuf>>>,
    made: usize,
}

impl Spares {
    /// Begins without any. Those of a process before are removed: what they hold could be of a sequence to come.
    pub(super) fn new(dir: &Path, segment_bytes: u64) -> Result<Self, LogError> {
        let error = |source| LogError::Io { action: "remove old spare segments in", path: dir.to_owned(), source };
        for entry in std::fs::read_dir(dir).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                std::fs::remove_file(&path).map_err(error)?;
            }
        }
        Ok(Self { dir: dir.to_owned(), segment_bytes, waiting: Vec::new(), making: None, made: 0 })
    }

    /// Bytes at which a segment is closed.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// A file for a segment, if one is ready.
    pub(super) fn take(&mut self) -> Option<PathBuf> {
        self.prepare();
        self.waiting.pop()
    }

    /// Has files made until some are ahead of need.
    pub(super) fn prepare(&mut self) {
        if self.making.as_ref().is_some_and(JoinHandle::is_finished) {
            let made = self.making.take().and_then(|making| making.join().ok()).unwrap_or_default();
            self.waiting.splice(..0, made);
        }
        let missing = SPARE_SEGMENTS_AHEAD.saturating_sub(self.waiting.len());
        if missing > 0 && self.making.is_none() {
            let (dir, bytes) = (self.dir.clone(), self.segment_bytes);
            let numbers = self.made..self.made + missing;
            self.made = numbers.end;
            let make = move || {
                let names = numbers.map(|number| dir.join(format!("new-{number}.{EXTENSION}")));
                names.take_while(|name| make(name, &dir, bytes)).collect()
            };
            // Without a thread there is no spare.
            self.making = std::thread::Builder::new().name("noema-log-spare".to_owned()).spawn(make).ok();
        }
    }

    /// Keeps a forgotten segment's file, or removes it if enough wait.
    pub(super) fn give(&mut self, segment: &Path) -> io::Result<()> {
        if self.waiting.len() >= SPARE_SEGMENTS_MAX {
            return std::fs::remove_file(segment);
        }
        let spare = segment.with_extension(EXTENSION);
        std::fs::rename(segment, &spare)?;
        self.waiting.push(spare);
        Ok(())
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            // Made or not: it is removed when the log is opened again.
            let _ = making.join();
        }
    }
}

/// Makes a file of zeros; says whether it did.
fn make(name: &Path, dir: &Path, bytes: u64) -> bool {
    let made = OpenOptions::new().write(true).create_new(true).open(name).and_then(|mut file| {
        let length = extend(&mut file, dir, 0, bytes)?;
        file.sync_all()?;
        Ok(length == bytes)
    });
    if !matches!(made, Ok(true)) {
        // Nothing depends on it; an open that finds it removes it.
        let _ = std::fs::remove_file(name);
    }
    matches!(made, Ok(true))
}

/// Writes zeros from an offset to a length, if the file system has room for many times that, goes back to the offset, and
/// returns the length that the file then has.
pub(super) fn extend(file: &mut File, dir: &Path, from: u64, to: u64) -> io::Result<u64> {
    let room = rustix::fs::statvfs(dir).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if from >= to || room / SPARE_FREE_SHARE < to - from {
        return Ok(from);
    }
    let zeros = vec![0; ZEROS];
    let mut left = usize::try_from(to - from).map_err(io::Error::other)?;
    while left > 0 {
        let count = left.min(ZEROS);
        file.write_all(&zeros[..count])?;
        left -= count;
    }
    file.seek(SeekFrom::Start(from))?;
    Ok(to)
}
