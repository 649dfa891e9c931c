//! Restores a snapshot into an empty store, chunk by chunk.
//!
//! - A chunk is checked against the certified state root when it arrives, with all chunks before it. A wrong one is
//!   refused, changes nothing, and another may be given in its place.
//! - Until the restore has ended, the store says that it is unfinished. After a crash it goes on behind the last chunk
//!   that was written, or begins again.
//! - Afterwards the database begins with the snapshot's block: it proves, commits and stages with the same roots as the
//!   one that served the snapshot. What came before that block is not there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_store::{Batch, Direction, Durability, Range, Store};
use noema_types::{Hash, Height, SnapshotChunk, SnapshotHeader, StateLeaf};
use serde::{Deserialize, Serialize};

use crate::builder::Builder;
use crate::certified::{check_certified, put_certified};
use crate::commit::put_block;
use crate::db::check_format;
use crate::limits::WIPE_KEYS;
use crate::schema::{
    BASE_KEY, BLOCKS, COLUMNS, KEYS, META, RECORDS, RESTORE_KEY, VALUES, check_records, damaged, decode, encode,
    number, read_number, value_key, value_prefix, value_record,
};
use crate::{StateDb, StateDbError};

/// How far a restore is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    header: SnapshotHeader,
    builder: Builder,
    complete: bool,
}

/// A snapshot being restored.
pub struct SnapshotWriter {
    store: Arc<dyn Store>,
    progress: Progress,
    /// Why nothing more may be written.
    stopped: Option<String>,
}

impl fmt::Debug for SnapshotWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter")
            .field("height", &self.height())
            .field("after", &self.after())
            .finish_non_exhaustive()
    }
}

/// Height of the snapshot in a record of progress.
pub(crate) fn unfinished_height(record: &[u8]) -> Result<Height, StateDbError> {
    Ok(decode::<Progress>("restore", record)?.header.block().info.height)
}

impl SnapshotWriter {
    /// Begins to restore a snapshot, whose certificate the caller has verified, into `store`: an empty one, or one with
    /// an unfinished restore, which is forgotten. Records of the caller's own stay.
    ///
    /// # Errors
    /// [`StateDbError::NotEmpty`]; [`StateDbError::NotCertified`] for a header whose parts do not belong together; the
    /// node's own faults.
    pub fn start(store: Arc<dyn Store>, header: SnapshotHeader) -> Result<Self, StateDbError> {
        check_certified(header.block(), header.certified())?;
        put_certified(header.certified(), header.next_committee(), &mut Batch::new())?;
        check_format(&*store)?;
        match store.get(META, RESTORE_KEY)? {
            Some(_) => wipe(&*store)?,
            None => {
                if let Some(entry) = store.scan(BLOCKS, Range::all(), Direction::Backward)?.next() {
                    return Err(StateDbError::NotEmpty { height: Height(read_number("height", &entry?.0)?) });
                }
            }
        }
        let builder = Builder::new(header.block().info.height);
        let progress = Progress { header, builder, complete: false };
        let mut batch = Batch::new();
        batch.put(META, RESTORE_KEY, encode(&progress));
        store.write(batch, Durability::Sync)?;
        Ok(Self { store, progress, stopped: None })
    }

    /// Goes on with the unfinished restore in `store`, if there is one.
    ///
    /// # Errors
    /// The node's own faults.
    pub fn resume(store: Arc<dyn Store>) -> Result<Option<Self>, StateDbError> {
        check_format(&*store)?;
        let Some(record) = store.get(META, RESTORE_KEY)? else { return Ok(None) };
        let progress = decode("restore", &record)?;
        Ok(Some(Self { store, progress, stopped: None }))
    }

    /// What the snapshot is of.
    #[must_use]
    pub fn header(&self) -> &SnapshotHeader {
        &self.progress.header
    }

    fn height(&self) -> Height {
        self.header().block().info.height
    }

    /// The last key hash that was written: the next chunk is the one after it.
    #[must_use]
    pub fn after(&self) -> Option<Hash> {
        self.progress.builder.last()
    }

    /// Whether all values are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.progress.complete
    }

    /// Checks the next chunk and writes it.
    ///
    /// # Errors
    /// [`StateDbError::BadChunk`] for a chunk that is not the state's, with nothing changed; the node's own faults.
    pub fn add_chunk(&mut self, chunk: &SnapshotChunk) -> Result<(), StateDbError> {
        if let Some(reason) = &self.stopped {
            return Err(StateDbError::Stopped { reason: reason.clone() });
        }
        let SnapshotChunk::V1 { height, entries, siblings, last } = chunk;
        let bad = |reason| StateDbError::BadChunk { height: self.height(), after: self.after(), reason };
        if *height != self.height() {
            return Err(bad(format!("it is of the snapshot at block {height}")));
        }
        if entries.is_empty() {
            return Err(bad("it has no entries".to_owned()));
        }
        let version = self.header().block().info.last_version;
        let mut progress = self.progress.clone();
        let mut batch = Batch::new();
        for (key, value) in entries {
            let hash = key.hash();
            progress.builder.push(StateLeaf::new(hash, value), &mut batch).map_err(bad)?;
            batch.put(VALUES, value_key(&value_prefix(key), version), value_record(Some(value)));
            batch.put(KEYS, hash.0.to_vec(), encode(key));
        }
        let root = self.header().block().state_root;
        progress.complete = progress.builder.check(root, siblings).map_err(bad)?;
        if progress.complete != *last {
            return Err(bad("it is wrong about being the last one".to_owned()));
        }
        batch.put(META, RESTORE_KEY, encode(&progress));
        self.write(batch, Durability::Lazy)?;
        self.progress = progress;
        Ok(())
    }

    fn write(&mut self, batch: Batch, durability: Durability) -> Result<(), StateDbError> {
        self.store.write(batch, durability).map_err(|error| {
            self.stopped = Some(error.to_string());
            error.into()
        })
    }

    /// Ends the restore: the database that begins with the snapshot's block. Records of the caller's own, in
    /// [`RECORDS`](crate::RECORDS), go in with it.
    ///
    /// # Errors
    /// [`StateDbError::RestoreUnfinished`] while chunks are missing; [`StateDbError::ForeignColumn`]; the node's own
    /// faults.
    pub fn finish(mut self, records: Batch) -> Result<StateDb, StateDbError> {
        check_records(&records)?;
        if let Some(reason) = &self.stopped {
            return Err(StateDbError::Stopped { reason: reason.clone() });
        }
        let height = self.height();
        if !self.is_complete() {
            return Err(StateDbError::RestoreUnfinished { height });
        }
        let Progress { header, builder, .. } = self.progress.clone();
        let mut batch = Batch::new();
        let root = builder.finish(&mut batch);
        if root != header.block().state_root {
            return Err(damaged(format!(
                "the restored tree has root {root}, its chunks {}",
                header.block().state_root
            )));
        }
        put_certified(header.certified(), header.next_committee(), &mut batch)?;
        put_block(header.block(), &mut batch);
        batch.put(META, BASE_KEY, number(height.0));
        batch.delete(META, RESTORE_KEY);
        batch.append(records);
        self.write(batch, Durability::Sync)?;
        StateDb::open(self.store)
    }
}

/// Removes what an unfinished restore has written, but not that there is one.
fn wipe(store: &dyn Store) -> Result<(), StateDbError> {
    for column in COLUMNS.iter().filter(|column| **column != META && **column != RECORDS) {
        loop {
            let entries = store.scan(*column, Range::all(), Direction::Forward)?.take(WIPE_KEYS);
            let keys: Vec<Bytes> = entries.map(|entry| Ok(entry?.0)).collect::<Result<_, StateDbError>>()?;
            if keys.is_empty() {
                break;
            }
            let mut batch = Batch::new();
            for key in keys {
                batch.delete(*column, key);
            }
            store.write(batch, Durability::Lazy)?;
        }
    }
    Ok(())
}
