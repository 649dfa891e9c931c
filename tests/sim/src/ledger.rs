//! The scripted application's ledger: executed blocks, chained by hash, and certificates over them.

use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use noema_dag::{BlockCrypto, CommitDigest, Committed, ConsensusState};
use noema_types::{Author, CommitIndex, Ed25519Signature, Epoch, Hash, TimestampMs};

use crate::epochs::{EpochSetup, Epochs};

/// A transaction's identity: the first eight bytes.
pub(crate) type TxId = u64;

/// An executed block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) height: u64,
    pub(crate) epoch: Epoch,
    /// Name of this block and all before it: what is signed.
    pub(crate) digest: Hash,
    /// Hash over everything executed up to here.
    pub(crate) root: Hash,
    pub(crate) commit: CommitIndex,
    pub(crate) commit_digest: CommitDigest,
    pub(crate) timestamp: TimestampMs,
    /// Transactions that had an effect: known form, for the first time.
    pub(crate) executed: Vec<TxId>,
    pub(crate) state: ConsensusState,
    pub(crate) epoch_end: bool,
}

/// Votes of a quorum for an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Certificate {
    pub(crate) votes: Vec<(Author, Ed25519Signature)>,
}

/// An entry that may be built upon.
#[derive(Debug, Clone)]
pub(crate) struct Certified {
    pub(crate) entry: Entry,
    pub(crate) certificate: Certificate,
}

/// Certified entries from height 1 on. Survives crashes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    entries: Vec<Rc<Certified>>,
}

/// Where the next block goes: the epoch that runs after the tip and the state to order from.
#[derive(Debug, Clone)]
pub(crate) struct Tip {
    pub(crate) height: u64,
    pub(crate) root: Hash,
    pub(crate) digest: Hash,
    pub(crate) epoch: Epoch,
    pub(crate) epoch_start: TimestampMs,
    pub(crate) base: ConsensusState,
}

/// Signed bytes of a vote.
pub(crate) fn vote_message(epoch: Epoch, height: u64, digest: &Hash) -> Vec<u8> {
    let mut message = b"NOEMA::SimVote".to_vec();
    message.extend(epoch.0.to_le_bytes());
    message.extend(height.to_le_bytes());
    message.extend(digest.0);
    message
}

impl Certificate {
    /// Whether a quorum of the epoch signed.
    pub(crate) fn holds(&self, setup: &EpochSetup, crypto: &dyn BlockCrypto, height: u64, digest: &Hash) -> bool {
        let message = vote_message(setup.epoch, height, digest);
        let valid = |(author, signature): &&(Author, Ed25519Signature)| crypto.verify(*author, &message, signature);
        let signers: BTreeSet<Author> = self.votes.iter().filter(valid).map(|(author, _)| *author).collect();
        setup.committee.stake_of(&signers) >= setup.committee.quorum()
    }
}

impl Ledger {
    pub(crate) fn height(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn get(&self, height: u64) -> Option<&Rc<Certified>> {
        self.entries.get(usize::try_from(height.checked_sub(1)?).ok()?)
    }

    pub(crate) fn last(&self) -> Option<&Rc<Certified>> {
        self.entries.last()
    }

    pub(crate) fn append(&mut self, certified: Certified) {
        assert_eq!(certified.entry.height, self.height() + 1, "blocks are certified in order");
        self.entries.push(Rc::new(certified));
    }

    /// Transactions executed so far.
    pub(crate) fn executed(&self) -> BTreeSet<TxId> {
        self.entries.iter().flat_map(|certified| certified.entry.executed.iter().copied()).collect()
    }

    pub(crate) fn tip(&self, epochs: &Epochs) -> Tip {
        let genesis = epochs.genesis();
        let Some(last) = self.last() else {
            let start = genesis.timestamp;
            return Tip {
                height: 0,
                root: Hash::ZERO,
                digest: Hash::ZERO,
                epoch: genesis.epoch,
                epoch_start: start,
                base: genesis,
            };
        };
        let entry = &last.entry;
        let (height, root, digest) = (entry.height, entry.root, entry.digest);
        if entry.epoch_end {
            let epoch = Epoch(entry.epoch.0 + 1);
            let size = epochs.get(epoch).committee.size();
            let base = ConsensusState::epoch_start(
                genesis.chain,
                epoch,
                digest,
                entry.commit,
                entry.commit_digest,
                entry.timestamp,
                size,
            );
            return Tip { height, root, digest, epoch, epoch_start: entry.timestamp, base };
        }
        let before = self.entries.iter().rev().find(|certified| certified.entry.epoch_end);
        let epoch_start = before.map_or(genesis.timestamp, |certified| certified.entry.timestamp);
        Tip { height, root, digest, epoch: entry.epoch, epoch_start, base: entry.state.clone() }
    }
}

/// The identity in a transaction's bytes; none if it is not a transaction.
pub(crate) fn transaction_id(bytes: &Bytes) -> Option<TxId> {
    let id = bytes.get(..8)?.try_into().ok()?;
    let id = u64::from_le_bytes(id);
    (id < 1 << 32).then_some(id)
}

/// Runs the commits of a slice on top of an entry.
pub(crate) fn execute(before: &Tip, known: &BTreeSet<TxId>, commits: &[Committed]) -> Entry {
    let last = commits.last().expect("a slice has a commit");
    let end = last.end.as_ref().expect("the last commit of a slice ends it");
    let mut executed = Vec::new();
    let mut fresh = BTreeSet::new();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&before.root.0);
    for commit in commits {
        hasher.update(&commit.commit.digest().0.0).update(&commit.commit.timestamp.0.to_le_bytes());
        for bytes in commit.batches.iter().flat_map(|batch| &batch.transactions) {
            if let Some(id) = transaction_id(bytes).filter(|id| !known.contains(id) && fresh.insert(*id)) {
                executed.push(id);
                hasher.update(bytes);
            }
        }
    }
    let root = Hash(hasher.finalize().into());
    let commit = &last.commit;
    let mut name = blake3::Hasher::new();
    name.update(&before.digest.0).update(&root.0).update(&end.state.state_digest().0);
    name.update(&commit.digest().0.0).update(&[u8::from(end.epoch_end)]);
    Entry {
        height: before.height + 1,
        epoch: commit.epoch,
        digest: Hash(name.finalize().into()),
        root,
        commit: commit.index,
        commit_digest: commit.digest(),
        timestamp: commit.timestamp,
        executed,
        state: end.state.clone(),
        epoch_end: end.epoch_end,
    }
}
