//! A store that fails as a test tells it to.
//!
//! It keeps what is on "disk" apart from what is only in memory. A crash loses what was not synced: the newest writes,
//! as many as the test says. A fault waits for a write, counted from its setting, and then happens once.

use std::path::PathBuf;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::memory::{self, Columns};
use crate::{Batch, Column, Direction, Durability, Range, Scan, Store, StoreError};

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The disk is full: nothing goes in.
    DiskFull,
    /// It goes in, durably, but the caller hears of an error.
    Unreported,
    /// Only this many of the batch's changes go in, durably: a disk that breaks the promise of atomicity.
    Torn(usize),
}

/// A store in memory that loses, tears and refuses writes.
#[derive(Debug)]
pub struct FaultyStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What a crash cannot take.
    durable: Columns,
    /// Writes since, oldest first.
    volatile: Vec<Batch>,
    /// Both together: what readers see.
    current: Columns,
    /// A fault, and how many writes come before it.
    fault: Option<(usize, Fault)>,
    /// Whether every read fails.
    reads_fail: bool,
}

impl FaultyStore {
    /// An empty store with the given columns.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        let empty: Columns = columns.iter().map(|column| (*column, Default::default())).collect();
        Self { state: Mutex::new(State { durable: empty.clone(), current: empty, ..State::default() }) }
    }

    /// Lets `writes` writes pass, then applies `fault` to the next.
    pub fn fail_after(&self, writes: usize, fault: Fault) {
        self.state.lock().fault = Some((writes, fault));
    }

    /// Makes every read fail, or work again.
    pub fn fail_reads(&self, fail: bool) {
        self.state.lock().reads_fail = fail;
    }

    /// Loses power: of the writes that were not synced, the oldest `kept` remain. Planned faults are forgotten.
    pub fn crash(&self, kept: usize) {
        let mut state = self.state.lock();
        let batches = std::mem::take(&mut state.volatile);
        for batch in batches.iter().take(kept) {
            memory::apply(&mut state.durable, batch).expect("the batch was applied before");
        }
        state.current = state.durable.clone();
        state.fault = None;
        state.reads_fail = false;
    }

    /// Writes that a crash may lose.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.state.lock().volatile.len()
    }
}

fn io(reason: &str) -> StoreError {
    StoreError::Io { path: PathBuf::from("faulty"), reason: reason.to_owned() }
}

impl State {
    fn check_reads(&self) -> Result<(), StoreError> {
        if self.reads_fail { Err(io("read failed on purpose")) } else { Ok(()) }
    }

    fn sync(&mut self) {
        self.durable = self.current.clone();
        self.volatile.clear();
    }

    /// The fault that is due, if any.
    fn due(&mut self) -> Option<Fault> {
        match &mut self.fault {
            Some((0, fault)) => {
                let fault = *fault;
                self.fault = None;
                Some(fault)
            }
            Some((writes, _)) => {
                *writes -= 1;
                None
            }
            None => None,
        }
    }

    fn write(&mut self, mut batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let fault = self.due();
        match fault {
            Some(Fault::DiskFull) => {
                let reason = "disk full on purpose".to_owned();
                return Err(StoreError::DiskFull { path: PathBuf::from("faulty"), reason });
            }
            Some(Fault::Torn(count)) => batch.truncate(count),
            Some(Fault::Unreported) | None => {}
        }
        memory::apply(&mut self.current, &batch)?;
        if durability == Durability::Sync || fault.is_some() {
            self.sync();
        } else {
            self.volatile.push(batch);
        }
        if fault.is_some() { Err(io("write failed on purpose")) } else { Ok(()) }
    }
}

impl Store for FaultyStore {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let state = self.state.lock();
        state.check_reads()?;
        memory::get(&state.current, column, key)
    }

    fn scan(&self, column: Column, range: Range, direction: Direction) -> Result<Scan<'_>, StoreError> {
        let state = self.state.lock();
        state.check_reads()?;
        memory::scan(&state.current, column, &range, direction)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        self.state.lock().write(batch, durability)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.state.lock().sync();
        Ok(())
    }
}
