//! The seam between consensus and the rest of a node.

use std::fmt;

use bytes::Bytes;
use noema_dag::{CommitDigest, Evidence, PayloadLimits};
use noema_types::{
    Address, Author, CertifiedCheckpoint, Checkpoint, CommitIndex, Committee, Epoch, EpochChange, Hash, Height, Round,
    TimestampMs, Version,
};
use serde::{Deserialize, Serialize};

/// What to execute next: a slice of the ordered stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderedBlock {
    /// Its position, from 1.
    pub height: Height,
    /// Its epoch.
    pub epoch: Epoch,
    /// Round of the leader that ends it.
    pub round: Round,
    /// Account of that leader's author.
    pub proposer: Address,
    /// Position of that author.
    pub author: Author,
    /// Authors of leader slots that were skipped since the block before.
    pub failed: Vec<Author>,
    /// Validators whose blocks the last leader built on.
    pub voters: Vec<Author>,
    /// The block's time: that of its last commit.
    pub timestamp: TimestampMs,
    /// The commit that ends it.
    pub commit: CommitIndex,
    /// That commit's digest: the name of the block.
    pub commit_digest: CommitDigest,
    /// Transactions in order, as bytes: those that do not decode, or came before, leave no trace.
    pub transactions: Vec<Bytes>,
    /// Whether the epoch ends with it.
    pub epoch_end: bool,
}

/// What a block came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// Its last transaction.
    pub version: Version,
    /// Root of the state after it.
    pub state_root: Hash,
    /// Hash over all transactions up to its end.
    pub accumulator_root: Hash,
    /// The epoch that follows, where the block ends one.
    pub next: Option<NextEpoch>,
}

/// An epoch that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextEpoch {
    /// Its validators.
    pub committee: Committee,
    /// First commit at or after this time ends it.
    pub epoch_end: TimestampMs,
}

/// The node's own fault: consensus stops and signs nothing more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Halt(pub String);

/// Where the certified ledger ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The chain: hash of the genesis transaction.
    pub chain: Hash,
    /// Last certified block; 0 is genesis, which needs no certificate.
    pub height: Height,
    /// Its time, in full milliseconds that are not before it.
    pub timestamp: TimestampMs,
    /// Its checkpoint, except for genesis.
    pub certified: Option<CertifiedCheckpoint>,
    /// The epoch that is running after it.
    pub epoch: NextEpoch,
}

/// A certified block as it travels: verified by the certificate, never by executing it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncBlock {
    /// Its checkpoint.
    pub certified: CertifiedCheckpoint,
    /// The committee that follows, where it ends an epoch.
    pub next_committee: Option<Committee>,
    /// Transactions, write sets, events: the ledger's own format.
    pub content: Bytes,
}

/// A part of the state at a height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// The ledger's own format.
    pub content: Bytes,
    /// Where the next chunk begins; none after the last.
    pub next: Option<Bytes>,
}

/// Synchronised data that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The data is wrong: who sent it is faulty. Nothing of it was kept.
    #[error("synchronised data is wrong: {0}")]
    Bad(String),
    /// The node's own fault.
    #[error(transparent)]
    Halt(#[from] Halt),
}

/// What consensus asks of the node: transactions to order, and what ordered ones come to.
///
/// `execute`, `certify` and `roll_back` are called from one thread, in order of height; the others from any.
pub trait Application: Send + Sync + fmt::Debug {
    /// Transactions to propose within `limits`, at once, nothing if there is nothing. Each is handed out once, until it
    /// is released.
    fn payload(&self, now: TimestampMs, limits: PayloadLimits) -> Vec<Bytes>;

    /// Bytes of transactions that [`Application::payload`] could hand out now, about.
    fn waiting_bytes(&self) -> usize;

    /// Takes transactions back that were handed out and will not be ordered as they were proposed.
    fn release(&self, transactions: Vec<Bytes>);

    /// Says which transactions were just ordered, before the block is complete that they will be part of: for those who
    /// measure, or show more than what is certified. Called from the consensus thread, which waits.
    fn ordered(&self, author: Author, transactions: &[Bytes]) {
        let _ = (author, transactions);
    }

    /// Runs a block on top of the last one executed. The result is kept aside until [`Application::certify`].
    ///
    /// # Errors
    /// [`Halt`]: the block was not executed.
    fn execute(&self, block: &OrderedBlock) -> Result<ExecutedBlock, Halt>;

    /// Makes the oldest block that is executed and not certified part of the ledger, durably.
    ///
    /// # Errors
    /// [`Halt`]: it may not be part of the ledger.
    fn certify(&self, certified: &CertifiedCheckpoint) -> Result<(), Halt>;

    /// Forgets every block that is executed and not certified: they are executed again, with `safe` on slower paths
    /// that are known to be right.
    ///
    /// # Errors
    /// [`Halt`].
    fn roll_back(&self, safe: bool) -> Result<(), Halt>;

    /// Brings evidence of a faulty validator to the chain.
    fn report(&self, evidence: Evidence);

    /// A quorum has certified another state than the own one: the own checkpoint and theirs, to be kept.
    fn diverged(&self, own: &Checkpoint, certified: &CertifiedCheckpoint);
}

/// The certified ledger, for those who follow it.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Its end.
    ///
    /// # Errors
    /// [`Halt`].
    fn tip(&self) -> Result<Tip, Halt>;

    /// A certified block; none if it is not there (yet, or any more).
    ///
    /// # Errors
    /// [`Halt`].
    fn block(&self, height: Height) -> Result<Option<SyncBlock>, Halt>;

    /// The end of an epoch: its certified last block and the committee that follows; none if it has not ended or is not
    /// known. Those who are many epochs behind verify the way with it.
    ///
    /// # Errors
    /// [`Halt`].
    fn epoch_change(&self, epoch: Epoch) -> Result<Option<EpochChange>, Halt> {
        let _ = epoch;
        Ok(None)
    }

    /// Appends the next block, whose certificate the caller has verified. Says which epoch follows, if it ends one.
    ///
    /// # Errors
    /// [`SyncError::Bad`] if the content is not what is certified.
    fn append(&self, block: &SyncBlock) -> Result<Option<NextEpoch>, SyncError>;

    /// A part of the state after a block, from the beginning or from where a chunk said that the next begins; none if
    /// that state is not there.
    ///
    /// # Errors
    /// [`Halt`].
    fn snapshot(&self, height: Height, from: Option<&[u8]>) -> Result<Option<SnapshotChunk>, Halt>;

    /// Takes the next part of the state after a certified block, whose certificate the caller has verified; the last
    /// part replaces the ledger by one that begins there. The first part of another height starts anew.
    ///
    /// # Errors
    /// [`SyncError::Bad`] if it is not what is certified: start again, from another peer.
    fn restore(
        &self,
        certified: &CertifiedCheckpoint,
        chunk: &SnapshotChunk,
        next: Option<&NextEpoch>,
    ) -> Result<bool, SyncError>;
}
