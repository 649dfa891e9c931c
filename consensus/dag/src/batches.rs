//! Batches that are held, and what each author has in flight.
//!
//! An entry is *open* until a commit orders it or no block above the collected rounds can name it any more. Open bytes
//! are counted per author; both kinds leave memory when nobody can need them, see [`BatchPool::drop_below`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noema_types::{Author, Round};

use crate::limits::TRANSACTION_OVERHEAD_BYTES;
use crate::{Batch, BatchDigest, BatchRef};

/// All batches that are held.
#[derive(Debug)]
pub(crate) struct BatchPool {
    depth: u64,
    entries: BTreeMap<BatchDigest, Entry>,
    by_round: BTreeSet<(Round, BatchDigest)>,
    /// Ordered before the state that this core started with: as good as held.
    ordered: BTreeMap<BatchDigest, Round>,
    open: Vec<usize>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    batch: Arc<Batch>,
    reference: BatchRef,
    cost: usize,
    open: bool,
    stored: bool,
}

/// What is known of a batch that a block names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Yes,
    No,
    /// Its content is known and differs from the reference.
    Differs,
}

impl BatchPool {
    pub(crate) fn new(authors: usize, depth: u64, ordered: &[(BatchDigest, Round)]) -> Self {
        Self {
            depth,
            entries: BTreeMap::new(),
            by_round: BTreeSet::new(),
            ordered: ordered.iter().copied().collect(),
            open: vec![0; authors],
            bytes: 0,
        }
    }

    /// Takes a checked batch; `false` if it is here already.
    pub(crate) fn insert(&mut self, reference: BatchRef, batch: Arc<Batch>, stored: bool) -> bool {
        if let Some(entry) = self.entries.get_mut(&reference.digest) {
            entry.stored |= stored;
            return false;
        }
        let cost = cost(&batch);
        let open = !self.ordered.contains_key(&reference.digest);
        if open {
            self.open[usize::from(batch.author.0)] += cost;
        }
        self.bytes += cost;
        self.by_round.insert((reference.created, reference.digest));
        self.entries.insert(reference.digest, Entry { batch, reference, cost, open, stored });
        true
    }

    pub(crate) fn get(&self, digest: &BatchDigest) -> Option<&Arc<Batch>> {
        self.entries.get(digest).map(|entry| &entry.batch)
    }

    /// Whether what a block of this author names is here.
    pub(crate) fn holds(&self, author: Author, reference: &BatchRef) -> Held {
        match self.entries.get(&reference.digest) {
            Some(entry) if entry.reference == *reference && entry.batch.author == author => Held::Yes,
            Some(_) => Held::Differs,
            None if self.ordered.get(&reference.digest) == Some(&reference.created) => Held::Yes,
            None => Held::No,
        }
    }

    /// The batch, if it has not gone to the log yet; it has then.
    pub(crate) fn take_unstored(&mut self, digest: &BatchDigest) -> Option<Arc<Batch>> {
        let entry = self.entries.get_mut(digest)?;
        (!std::mem::replace(&mut entry.stored, true)).then(|| entry.batch.clone())
    }

    /// A commit ordered it.
    pub(crate) fn close(&mut self, digest: &BatchDigest) {
        if let Some(entry) = self.entries.get_mut(digest)
            && std::mem::replace(&mut entry.open, false)
        {
            self.open[usize::from(entry.batch.author.0)] -= entry.cost;
        }
    }

    /// Whether it waits for an order.
    pub(crate) fn is_open(&self, digest: &BatchDigest) -> bool {
        self.entries.get(digest).is_some_and(|entry| entry.open)
    }

    /// Rounds up to this one are collected: what only they could name is ordered or never will be.
    pub(crate) fn collect(&mut self, gc_round: Round) {
        let last = gc_round.0.saturating_sub(self.depth);
        if gc_round.0 < self.depth {
            return;
        }
        let dead: Vec<BatchDigest> =
            self.by_round.iter().take_while(|(round, _)| round.0 <= last).map(|(_, digest)| *digest).collect();
        for digest in &dead {
            self.close(digest);
        }
    }

    /// Forgets what no block above this round can name.
    pub(crate) fn drop_below(&mut self, round: Round) {
        let Some(last) = round.0.checked_sub(self.depth) else { return };
        self.ordered.retain(|_, created| created.0 > last);
        while let Some((created, digest)) = self.by_round.first().copied().filter(|(created, _)| created.0 <= last) {
            self.close(&digest);
            self.by_round.remove(&(created, digest));
            if let Some(entry) = self.entries.remove(&digest) {
                self.bytes -= entry.cost;
            }
        }
    }

    /// Bytes of an author that wait for an order.
    pub(crate) fn open_bytes(&self, author: Author) -> usize {
        self.open[usize::from(author.0)]
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All batches of an author that wait for an order.
    pub(crate) fn open_of(&self, author: Author) -> Vec<(BatchRef, Arc<Batch>)> {
        let open = self.entries.values().filter(|entry| entry.open && entry.batch.author == author);
        open.map(|entry| (entry.reference, entry.batch.clone())).collect()
    }
}

/// Memory that a batch counts for.
pub(crate) fn cost(batch: &Batch) -> usize {
    batch.bytes() + TRANSACTION_OVERHEAD_BYTES * batch.transactions.len()
}
