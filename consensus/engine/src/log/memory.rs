//! A log in memory whose crashes lose what was not synced.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Floor, Log, LogError, LogRecord};

/// What survives a crash. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    durable: Vec<Vec<u8>>,
    syncs: u64,
    writer: u64,
}

/// A log on a [`MemoryDisk`].
#[derive(Debug)]
pub struct MemoryLog {
    disk: MemoryDisk,
    writer: u64,
    waiting: Vec<Vec<u8>>,
}

impl MemoryDisk {
    /// A disk with a log that was just made.
    #[must_use]
    pub fn created(chain: noema_types::Hash) -> Self {
        let disk = Self::default();
        disk.0.lock().durable.push(encode(&LogRecord::Created { chain, lost: false }));
        disk
    }

    /// Opens the log as after a crash: what an earlier one did not sync is lost, and it cannot write any more.
    #[must_use]
    pub fn open(&self) -> MemoryLog {
        let mut disk = self.0.lock();
        disk.writer += 1;
        MemoryLog { disk: self.clone(), writer: disk.writer, waiting: Vec::new() }
    }

    /// Cuts the power: what the log did not sync yet is lost, and nothing it writes from now on arrives.
    pub fn cut_power(&self) {
        self.0.lock().writer += 1;
    }

    /// How often something was made durable.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// Loses everything.
    pub fn wipe(&self) {
        let mut disk = self.0.lock();
        disk.durable.clear();
        disk.writer += 1;
    }
}

fn encode(record: &LogRecord) -> Vec<u8> {
    bcs::to_bytes(record).expect("records always serialise")
}

impl Log for MemoryLog {
    fn append(&mut self, record: &LogRecord) -> Result<(), LogError> {
        self.waiting.push(encode(record));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), LogError> {
        let mut disk = self.disk.0.lock();
        if disk.writer == self.writer {
            disk.syncs += 1;
            disk.durable.append(&mut self.waiting);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<LogRecord>, LogError> {
        let disk = self.disk.0.lock();
        Ok(disk.durable.iter().map(|bytes| bcs::from_bytes(bytes).expect("written by append")).collect())
    }

    fn forget(&mut self, _floor: &Floor) -> Result<(), LogError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.disk.0.lock().durable.iter().map(|bytes| bytes.len() as u64).sum()
    }
}
