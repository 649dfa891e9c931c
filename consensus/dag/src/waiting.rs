//! Blocks that wait for ancestors or batches, and which of those are asked for.

use std::collections::{BTreeMap, BTreeSet};

use noema_types::{Author, Hash, Round, TimestampMs};

use crate::limits::{REFERRERS_DOUBLINGS_MAX, REFERRERS_MAX};
use crate::{BatchDigest, BatchRef, BlockDigest, BlockRef, VerifiedBlock};

/// A block that waits.
#[derive(Debug)]
pub(crate) struct Suspended {
    pub(crate) block: VerifiedBlock,
    /// Ancestors that are not accepted.
    pub(crate) ancestors: BTreeSet<BlockRef>,
    /// Batches that are not held.
    pub(crate) batches: BTreeSet<BatchDigest>,
    /// Who sent it.
    pub(crate) from: Author,
    pub(crate) since: TimestampMs,
    /// When the last of its batches came.
    pub(crate) batches_at: TimestampMs,
}

/// Something that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    /// Not before.
    pub(crate) due: TimestampMs,
    pub(crate) attempts: u64,
    /// Who was asked last.
    pub(crate) asked: Option<Author>,
}

/// A batch that is asked for.
#[derive(Debug)]
pub(crate) struct BatchRequest {
    pub(crate) reference: BatchRef,
    pub(crate) author: Author,
    pub(crate) request: Request,
    /// Blocks that name it and wait.
    pub(crate) named_by: BTreeSet<BlockRef>,
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    suspended: BTreeMap<BlockRef, Suspended>,
    /// Ancestors that are not accepted, with the blocks that wait for them.
    children: BTreeMap<BlockRef, BTreeSet<BlockRef>>,
    /// Those of them that are nowhere.
    pub(crate) missing: BTreeMap<BlockRef, Request>,
    /// Batches that are nowhere.
    pub(crate) batches: BTreeMap<BatchDigest, BatchRequest>,
    count: BTreeMap<Author, BTreeSet<(Round, BlockDigest)>>,
}

impl Request {
    pub(crate) fn at(due: TimestampMs) -> Self {
        Self { due, attempts: 0, asked: None }
    }
}

impl Waiting {
    pub(crate) fn get(&self, reference: &BlockRef) -> Option<&Suspended> {
        self.suspended.get(reference)
    }

    pub(crate) fn contains(&self, reference: &BlockRef) -> bool {
        self.suspended.contains_key(reference)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&BlockRef, &Suspended)> {
        self.suspended.iter()
    }

    /// Whether blocks wait for this one.
    pub(crate) fn is_wanted(&self, reference: &BlockRef) -> bool {
        self.children.contains_key(reference)
    }

    /// Authors other than its own of blocks that wait for this one, directly or through others: who builds on the second
    /// chain of an equivocator names its tip only.
    pub(crate) fn wanted_by(&self, reference: &BlockRef) -> BTreeSet<Author> {
        let mut authors = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![*reference];
        while let Some(reference) = next.pop() {
            let children = self.children.get(&reference).into_iter().flatten();
            next.extend(children.filter(|child| seen.insert(**child)).copied());
        }
        authors.extend(seen.iter().map(|child| child.author).filter(|author| *author != reference.author));
        authors
    }

    /// Blocks of a slot that wait.
    pub(crate) fn slot(&self, round: Round, author: Author) -> impl Iterator<Item = &VerifiedBlock> {
        let bound = |byte| BlockRef { round, author, digest: BlockDigest(Hash([byte; 32])) };
        self.suspended.range(bound(0)..=bound(u8::MAX)).map(|(_, suspended)| &suspended.block)
    }

    /// Blocks of an author that wait, and the highest of them.
    pub(crate) fn of_author(&self, author: Author) -> (usize, Option<BlockRef>) {
        let Some(blocks) = self.count.get(&author) else { return (0, None) };
        let highest = blocks.last().map(|(round, digest)| BlockRef { round: *round, author, digest: *digest });
        (blocks.len(), highest)
    }

    /// Adds a block that waits for something. `present` says which ancestors are somewhere, if not accepted.
    pub(crate) fn insert(
        &mut self,
        suspended: Suspended,
        named: &[BatchRef],
        ancestors_due: TimestampMs,
        batches_due: TimestampMs,
        present: impl Fn(&BlockRef) -> bool,
    ) -> u64 {
        let reference = suspended.block.reference();
        self.missing.remove(&reference);
        for ancestor in &suspended.ancestors {
            self.children.entry(*ancestor).or_default().insert(reference);
            if !self.suspended.contains_key(ancestor) && !present(ancestor) {
                self.missing.entry(*ancestor).or_insert(Request::at(ancestors_due));
            }
        }
        let mut new = 0;
        for batch in named.iter().filter(|batch| suspended.batches.contains(&batch.digest)) {
            let request = self.batches.entry(batch.digest).or_insert_with(|| {
                new += 1;
                BatchRequest {
                    reference: *batch,
                    author: reference.author,
                    request: Request::at(batches_due),
                    named_by: BTreeSet::new(),
                }
            });
            request.named_by.insert(reference);
        }
        self.count.entry(reference.author).or_default().insert((reference.round, reference.digest));
        self.suspended.insert(reference, suspended);
        new
    }

    /// This block is accepted, or below the collected rounds: returns those that waited for nothing else.
    pub(crate) fn satisfy(&mut self, reference: &BlockRef) -> Vec<Suspended> {
        self.missing.remove(reference);
        let children = self.children.remove(reference).unwrap_or_default();
        let mut ready = Vec::new();
        for child in children {
            let Some(suspended) = self.suspended.get_mut(&child) else { continue };
            suspended.ancestors.remove(reference);
            if suspended.ancestors.is_empty() && suspended.batches.is_empty() {
                ready.extend(self.remove(&child));
            }
        }
        ready
    }

    /// This batch of an author is held: returns those that waited for nothing else, and those that name it wrongly.
    pub(crate) fn satisfy_batch(
        &mut self,
        now: TimestampMs,
        author: Author,
        held: &BatchRef,
    ) -> (Vec<Suspended>, Vec<BlockRef>) {
        let Some(request) = self.batches.remove(&held.digest) else { return Default::default() };
        let (mut ready, mut wrong) = (Vec::new(), Vec::new());
        for reference in request.named_by {
            let Some(suspended) = self.suspended.get_mut(&reference) else { continue };
            if reference.author != author || !suspended.block.header().batches.contains(held) {
                wrong.push(reference);
                continue;
            }
            suspended.batches.remove(&held.digest);
            suspended.batches_at = now;
            if suspended.ancestors.is_empty() && suspended.batches.is_empty() {
                ready.extend(self.remove(&reference));
            }
        }
        (ready, wrong)
    }

    /// Takes a block out. Those that wait for it go on waiting, without asking for it.
    pub(crate) fn remove(&mut self, reference: &BlockRef) -> Option<Suspended> {
        let suspended = self.suspended.remove(reference)?;
        if let Some(blocks) = self.count.get_mut(&reference.author) {
            blocks.remove(&(reference.round, reference.digest));
        }
        for ancestor in &suspended.ancestors {
            if let Some(children) = self.children.get_mut(ancestor) {
                children.remove(reference);
                if children.is_empty() {
                    self.children.remove(ancestor);
                    self.missing.remove(ancestor);
                }
            }
        }
        for digest in &suspended.batches {
            if let Some(request) = self.batches.get_mut(digest) {
                request.named_by.remove(reference);
                if request.named_by.is_empty() {
                    self.batches.remove(digest);
                }
            }
        }
        Some(suspended)
    }

    /// Takes out all blocks up to a round, and returns how many; what waited for nothing else comes back.
    pub(crate) fn collect(&mut self, gc_round: Round) -> (u64, Vec<Suspended>) {
        let low: Vec<BlockRef> =
            self.suspended.keys().take_while(|reference| reference.round <= gc_round).copied().collect();
        for reference in &low {
            self.remove(reference);
        }
        let satisfied: Vec<BlockRef> =
            self.children.keys().take_while(|reference| reference.round <= gc_round).copied().collect();
        let ready = satisfied.iter().flat_map(|reference| self.satisfy(reference)).collect();
        (low.len() as u64, ready)
    }

    /// Authors of blocks that wait for one of these, directly or not: they have accepted it. Nearest first is not kept;
    /// ascending.
    ///
    /// The more `attempts` failed, the further it looks: the nearest may be friends that hold it back.
    pub(crate) fn referrers(&self, references: &[BlockRef], attempts: u64) -> BTreeSet<Author> {
        let limit = REFERRERS_MAX << attempts.min(REFERRERS_DOUBLINGS_MAX);
        let mut seen: BTreeSet<BlockRef> = BTreeSet::new();
        let mut next: Vec<BlockRef> = references.to_vec();
        let mut authors = BTreeSet::new();
        while let Some(reference) = next.pop() {
            for child in self.children.get(&reference).into_iter().flatten() {
                if seen.len() < limit && seen.insert(*child) {
                    authors.insert(child.author);
                    next.push(*child);
                }
            }
        }
        authors
    }

    /// Who sent a block that waits for this one.
    pub(crate) fn sender_of_child(&self, reference: &BlockRef) -> Option<Author> {
        let child = self.children.get(reference)?.first()?;
        self.suspended.get(child).map(|suspended| suspended.from)
    }

    /// Bytes of the blocks that wait, about.
    pub(crate) fn bytes(&self) -> usize {
        self.suspended.values().map(|suspended| block_bytes(&suspended.block)).sum()
    }
}

/// Memory of a block without its batches, about.
pub(crate) fn block_bytes(block: &VerifiedBlock) -> usize {
    let header = block.header();
    512 + 48 * header.ancestors.len() + 56 * header.batches.len() + 40 * header.commit_votes.len()
}
