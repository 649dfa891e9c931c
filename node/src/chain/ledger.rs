//! The certified ledger, for those who follow it: other validators and full nodes.

use bytes::Bytes;
use noema_consensus::{Halt, Ledger, NextEpoch, SnapshotChunk, SyncBlock, SyncError, Tip};
use noema_state::{SnapshotWriter, StateDbError};
use noema_store::Batch;
use noema_types::{
    BlockCommit, CertifiedBlock, CertifiedCheckpoint, Epoch, EpochChange, Hash, Height, SnapshotChunk as StateChunk,
    SnapshotHeader, TimestampMs, decode,
};
use serde::{Deserialize, Serialize};

use super::{Chain, metadata_of};
use crate::NodeError;

/// Bytes of state in one part of a snapshot, about.
const SNAPSHOT_PART_BYTES: usize = 1 << 20;

/// A snapshot that is being restored beside the database.
#[derive(Debug)]
pub(super) struct Restore {
    name: String,
    certified: CertifiedCheckpoint,
    writer: SnapshotWriter,
}

/// A part of a snapshot as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "one at a time, and a box would change nothing on the wire")]
enum Part {
    /// What it is of.
    Header(SnapshotHeader),
    /// Values.
    Chunk(StateChunk),
}

/// Where the next part begins.
#[derive(Debug, Serialize, Deserialize)]
enum Cursor {
    /// With the first values.
    Start,
    /// After this key.
    After(Hash),
}

fn halt(error: impl std::fmt::Display) -> Halt {
    Halt(error.to_string())
}

/// What is wrong with the data is the sender's fault, everything else the node's own.
fn refuse(error: StateDbError) -> SyncError {
    match error {
        StateDbError::NotCertified { .. }
        | StateDbError::BadChunk { .. }
        | StateDbError::Gap { .. }
        | StateDbError::Conflict { .. }
        | StateDbError::EmptyBlock { .. }
        | StateDbError::RestoreUnfinished { .. } => SyncError::Bad(error.to_string()),
        _ => SyncError::Halt(halt(error)),
    }
}

fn bad(error: impl std::fmt::Display) -> SyncError {
    SyncError::Bad(error.to_string())
}

fn encode(value: &impl Serialize) -> Bytes {
    bcs::to_bytes(value).expect("parts of the ledger always serialise").into()
}

impl Ledger for Chain {
    fn tip(&self) -> Result<Tip, Halt> {
        let db = self.db();
        let latest = db.latest().ok_or_else(|| Halt("the ledger is empty".to_owned()))?;
        Ok(Tip {
            chain: self.id(),
            height: latest.info.height,
            timestamp: TimestampMs(latest.info.timestamp_us.div_ceil(1_000)),
            certified: db.latest_checkpoint().map_err(halt)?,
            epoch: crate::genesis::next_epoch(&db.latest_view()).map_err(halt)?,
        })
    }

    fn block(&self, height: Height) -> Result<Option<SyncBlock>, Halt> {
        match self.db().certified_block(height) {
            Ok(CertifiedBlock::V1 { block, certified, next_committee }) => {
                Ok(Some(SyncBlock { certified, next_committee, content: encode(&block) }))
            }
            Err(StateDbError::HeightAhead { .. } | StateDbError::Pruned { .. } | StateDbError::NoCheckpoint { .. }) => {
                Ok(None)
            }
            Err(error) => Err(halt(error)),
        }
    }

    fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, Halt> {
        self.db().epoch_change(epoch).map_err(halt)
    }

    fn append(&self, block: &SyncBlock) -> Result<Option<NextEpoch>, SyncError> {
        let content: BlockCommit = decode("block", &block.content).map_err(bad)?;
        let db = self.db();
        let certified = CertifiedBlock::V1 {
            block: content.clone(),
            certified: block.certified.clone(),
            next_committee: block.next_committee.clone(),
        };
        if content.transactions.first().and_then(|first| metadata_of(&first.transaction)).is_none() {
            return Err(bad("the block does not begin with its metadata"));
        }
        db.discard_staged();
        self.staged.lock().clear();
        db.apply_certified(&certified).map_err(refuse)?;
        self.after_commit(&content);
        match &block.next_committee {
            None => Ok(None),
            Some(committee) => {
                let next = crate::genesis::next_epoch(&db.latest_view()).map_err(halt)?;
                if next.committee != *committee {
                    return Err(SyncError::Halt(Halt(format!(
                        "the state after block {} holds another committee than its certificate names",
                        content.height
                    ))));
                }
                Ok(Some(next))
            }
        }
    }

    fn snapshot(&self, height: Height, from: Option<&[u8]>) -> Result<Option<SnapshotChunk>, Halt> {
        let db = self.db();
        let part = match from {
            None => db.snapshot_header(height).map(|header| (encode(&Part::Header(header)), Some(Cursor::Start))),
            Some(cursor) => {
                let Ok(cursor) = decode::<Cursor>("snapshot cursor", cursor) else { return Ok(None) };
                let after = match cursor {
                    Cursor::Start => None,
                    Cursor::After(key) => Some(key),
                };
                db.snapshot_chunk(height, after, SNAPSHOT_PART_BYTES).map(|chunk| {
                    let StateChunk::V1 { entries, last, .. } = &chunk;
                    let end = entries.last().map(|(key, _)| Cursor::After(key.hash()));
                    let next = if *last { None } else { end };
                    (encode(&Part::Chunk(chunk)), next)
                })
            }
        };
        match part {
            Ok((content, next)) => Ok(Some(SnapshotChunk { content, next: next.map(|next| encode(&next)) })),
            Err(
                StateDbError::HeightAhead { .. }
                | StateDbError::Pruned { .. }
                | StateDbError::NoCheckpoint { .. }
                | StateDbError::BadChunk { .. },
            ) => Ok(None),
            Err(error) => Err(halt(error)),
        }
    }

    fn restore(
        &self,
        certified: &CertifiedCheckpoint,
        chunk: &SnapshotChunk,
        next: Option<&NextEpoch>,
    ) -> Result<bool, SyncError> {
        let mut restore = self.restore.lock();
        match decode::<Part>("snapshot", &chunk.content).map_err(bad)? {
            Part::Header(header) => {
                if header.certified() != certified || header.next_committee() != next.map(|next| &next.committee) {
                    return Err(bad("the snapshot is of another checkpoint"));
                }
                *restore = None;
                let name = certified.data().height.to_string();
                let (name, store) = self.database.beside(&name).map_err(|error: NodeError| halt(error))?;
                let writer = SnapshotWriter::start(store, header).map_err(refuse)?;
                *restore = Some(Restore { name, certified: certified.clone(), writer });
                Ok(false)
            }
            Part::Chunk(part) => {
                let Some(running) = restore.as_mut().filter(|running| running.certified == *certified) else {
                    return Err(bad("a part of a snapshot came before its header"));
                };
                running.writer.add_chunk(&part).map_err(refuse)?;
                if !running.writer.is_complete() {
                    return Ok(false);
                }
                let Some(done) = restore.take() else { return Ok(false) };
                let state = done.writer.finish(Batch::new()).map_err(refuse)?;
                self.database.replace(&done.name, state).map_err(halt)?;
                self.staged.lock().clear();
                self.record_end();
                tracing::info!(height = certified.data().height.0, "the state was restored from a snapshot");
                Ok(true)
            }
        }
    }
}
