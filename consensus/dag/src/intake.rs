//! What arrives: blocks and batches are checked, wait for what they build on, and are accepted.

use std::collections::BTreeSet;
use std::sync::Arc;

use noema_types::{Author, Round, TimestampMs};

use crate::batches::Held;
use crate::limits::{
    AHEAD_ROUNDS_MAX, FUTURE_BLOCKS_MAX, FUTURE_MS_MAX, LATE_BLOCKS, SLOT_BLOCKS_MAX, SUSPENDED_BLOCKS_MAX,
};
use crate::mutant::{Mutant, planted};
use crate::waiting::{Request, Suspended, block_bytes};
use crate::{
    Batch, BatchDigest, BatchRef, Block, BlockRef, BlockV1, Core, Evidence, Fault, Invalid, Message, Output, Record,
    VerifiedBlock,
};

/// Share of the retry time after which what a block of its author's own sending lacks is asked for first.
const ANCESTOR_GRACE: u64 = 8;
const BATCH_GRACE: u64 = 4;

impl Core {
    pub(crate) fn receive(&mut self, from: Author, message: Message) {
        if self.committee.get(from).is_none() || from == self.config.own {
            return;
        }
        match message {
            Message::Block(block) => {
                if block.v1().header.author == from {
                    self.receive_block(from, block);
                    self.answer_late(from);
                } else {
                    self.stats.blocks_received += 1;
                    self.stats.invalid(Invalid::Sender);
                }
            }
            Message::Batch(batch) => self.receive_batch(from, batch),
            Message::FetchBlocks(references) => self.serve_blocks(from, &references),
            Message::FetchAfter(rounds) => self.serve_after(from, &rounds),
            Message::FetchBatches(digests) => self.serve_batches(from, &digests),
            Message::Blocks { blocks, held_from } => {
                let taken = |core: &Self| core.stats.blocks_accepted + core.stats.blocks_suspended;
                let before = taken(self);
                for block in blocks {
                    self.receive_block(from, block);
                }
                self.note_blocks_answer(from, taken(self) > before, held_from);
            }
            Message::Batches(batches) => {
                let before = self.waiting.batches.len();
                for batch in batches {
                    self.receive_wanted_batch(batch);
                }
                self.note_batches_answer(from, self.waiting.batches.len() < before);
            }
            Message::FetchLast { nonce } => self.serve_last(from, nonce),
            Message::Last { nonce, own, yours } => self.receive_last(from, nonce, own, yours),
        }
    }

    /// Takes a block in from anybody: its author answers for it by its signature.
    pub(crate) fn receive_block(&mut self, from: Author, block: Block) {
        self.stats.blocks_received += 1;
        let Block::V1(block) = block;
        let message = match self.verifier.check_header(&block.header) {
            Ok(message) => message,
            Err(reason) => {
                self.stats.invalid(reason);
                if !self.waiting.missing.is_empty() {
                    self.reject(&block.reference());
                }
                return;
            }
        };
        if let Err(reason) = self.verifier.check_inline(&block) {
            // Not rejected: its author may have made it with other batches than this peer put in.
            self.stats.invalid(reason);
            return;
        }
        let unsigned = VerifiedBlock::with_message(block, message);
        let reference = unsigned.reference();
        if reference.round <= self.gc_round() {
            self.stats.gc_drops += 1;
            return;
        }
        if self.is_known(&reference) || self.rejected.contains(&reference) {
            return;
        }
        let wanted = self.waiting.is_wanted(&reference);
        if self.evidence.contains(&(reference.round, reference.author)) && !wanted {
            self.stats.equivocations_refused += 1;
            return;
        }
        if let Err(reason) = self.verifier.check_signature(&unsigned) {
            self.stats.invalid(reason);
            if wanted {
                self.reject(&reference);
            }
            return;
        }
        self.take_verified(from, unsigned, wanted);
    }

    /// Takes a block whose form and signature are right.
    fn take_verified(&mut self, from: Author, block: VerifiedBlock, wanted: bool) {
        let reference = block.reference();
        self.note_verified(&block);
        self.note_evidence(&block);
        if reference.author == self.config.own && !self.takes_unknown_own(&reference) {
            self.fail(Fault::DoubleRun { block: reference });
            return;
        }
        if self.is_slot_taken(&reference, wanted) {
            self.stats.equivocations_refused += 1;
            return;
        }
        if reference.round.0 > self.round().0.saturating_add(AHEAD_ROUNDS_MAX) {
            self.stats.blocks_dropped += 1;
            return;
        }
        if block.header().timestamp.0 > self.now.0.saturating_add(FUTURE_MS_MAX) {
            self.hold(block);
            return;
        }
        self.admit(from, block);
    }

    /// Whether this block is in memory.
    pub(crate) fn is_known(&self, reference: &BlockRef) -> bool {
        self.dag.contains(reference) || self.waiting.contains(reference) || self.held.contains_key(reference)
    }

    /// Blocks of a slot that are in memory.
    fn blocks_of_slot(&self, round: Round, author: Author) -> Vec<VerifiedBlock> {
        let held = self.held.values().filter(|block| block.round() == round && block.author() == author);
        self.dag.slot(round, author).chain(self.waiting.slot(round, author)).chain(held).cloned().collect()
    }

    /// Whether another block has the slot: one more is taken only if others build on it.
    fn is_slot_taken(&self, reference: &BlockRef, wanted: bool) -> bool {
        let stored = self.blocks_of_slot(reference.round, reference.author).len();
        if stored == 0 {
            return false;
        }
        let authors = if wanted { self.waiting.wanted_by(reference) } else { Default::default() };
        if stored < SLOT_BLOCKS_MAX {
            return authors.is_empty();
        }
        self.committee.stake_of(&authors) < self.committee.validity()
    }

    fn note_evidence(&mut self, block: &VerifiedBlock) {
        let reference = block.reference();
        let slot = (reference.round, reference.author);
        if self.evidence.contains(&slot) {
            return;
        }
        let round = reference.round.0 - u64::from(planted(Mutant::EvidenceAgainstHonest));
        let known = self.blocks_of_slot(Round(round), reference.author);
        let Some(other) = known.iter().find(|other| other.reference() != reference) else { return };
        self.evidence.insert(slot);
        self.stats.evidence += 1;
        let (first, second) = if other.reference() < reference { (other, block) } else { (block, other) };
        let evidence = Evidence { first: without_batches(first), second: without_batches(second) };
        if !self.replaying {
            self.outputs.push(Output::Evidence(Box::new(evidence)));
        }
    }

    fn hold(&mut self, block: VerifiedBlock) {
        let reference = block.reference();
        if self.held.keys().filter(|held| held.author == reference.author).count() >= FUTURE_BLOCKS_MAX {
            self.stats.blocks_dropped += 1;
            self.postpone(&reference);
            return;
        }
        self.stats.blocks_future += 1;
        self.waiting.missing.remove(&reference);
        self.held_until.insert((block.header().timestamp, reference));
        self.held.insert(reference, block);
    }

    /// Lets in blocks whose time has come near.
    pub(crate) fn release_held(&mut self) {
        while let Some((time, reference)) = self.held_until.first().copied() {
            let due = TimestampMs(time.0.saturating_sub(FUTURE_MS_MAX));
            if due > self.now {
                self.wake_at(due);
                return;
            }
            self.held_until.pop_first();
            if let Some(block) = self.held.remove(&reference) {
                self.admit(reference.author, block);
            }
        }
    }

    /// Accepts a checked block, or keeps it until what it needs is there.
    pub(crate) fn admit(&mut self, from: Author, block: VerifiedBlock) {
        let reference = block.reference();
        if reference.round <= self.gc_round() || self.is_known(&reference) {
            return;
        }
        for batch in block.inline() {
            // Checked with the block.
            self.insert_batch(batch.reference(), Arc::new(batch.clone()));
        }
        let mut missing = BTreeSet::new();
        for batch in &block.header().batches {
            match self.batches.holds(reference.author, batch) {
                Held::Yes => {}
                Held::No if planted(Mutant::AcceptWithoutBatches) => {}
                Held::No => _ = missing.insert(batch.digest),
                Held::Differs => {
                    self.stats.invalid(Invalid::BatchContent);
                    self.reject(&reference);
                    return;
                }
            }
        }
        let needed = |ancestor: &&BlockRef| !self.is_settled(ancestor) && !planted(Mutant::AcceptWithoutAncestors);
        let ancestors = block.ancestors().iter().filter(needed).copied().collect();
        let suspended = Suspended { block, ancestors, batches: missing, from, since: self.now, batches_at: self.now };
        if suspended.ancestors.is_empty() && suspended.batches.is_empty() {
            self.accept_suspended(suspended);
        } else {
            self.suspend(suspended);
        }
    }

    fn suspend(&mut self, suspended: Suspended) {
        let reference = suspended.block.reference();
        let (count, highest) = self.waiting.of_author(reference.author);
        if count >= SUSPENDED_BLOCKS_MAX && !self.replaying {
            self.stats.blocks_dropped += 1;
            let Some(highest) = highest.filter(|highest| *highest > reference) else {
                self.postpone(&reference);
                return;
            };
            self.waiting.remove(&highest);
            self.postpone(&highest);
        }
        self.stats.blocks_suspended += 1;
        // Batches and the blocks of others travel on their own and may be a little behind the block; what a block that
        // was fetched builds on is not on its way.
        let live = suspended.from == reference.author;
        let after = |share: u64| {
            let grace = if live { self.config.pace.fetch_retry_ms / share } else { 0 };
            TimestampMs(self.now.0.saturating_add(grace))
        };
        let (ancestors_due, batches_due) = (after(ANCESTOR_GRACE), after(BATCH_GRACE));
        let named = suspended.block.header().batches.clone();
        let held = &self.held;
        let rejected = &self.rejected;
        let present = |block: &BlockRef| held.contains_key(block) || rejected.contains(block);
        self.stats.batches_missing += self.waiting.insert(suspended, &named, ancestors_due, batches_due, present);
        self.sync.scan_at = TimestampMs(0);
    }

    /// Asks for a block again later if others wait for it.
    fn postpone(&mut self, reference: &BlockRef) {
        if self.waiting.is_wanted(reference) {
            let due = TimestampMs(self.now.0.saturating_add(self.config.pace.fetch_retry_ms));
            self.waiting.missing.insert(*reference, Request { attempts: 1, ..Request::at(due) });
        }
    }

    /// Never asks for this block again.
    fn reject(&mut self, reference: &BlockRef) {
        if self.waiting.is_wanted(reference) {
            self.rejected.insert(*reference);
            self.waiting.missing.remove(reference);
        }
    }

    /// Accepts a block that waits for nothing, and then those that waited for it only.
    pub(crate) fn accept_suspended(&mut self, suspended: Suspended) {
        let mut next = vec![suspended];
        while let Some(suspended) = next.pop() {
            let reference = suspended.block.reference();
            let waited = suspended.batches_at.0.saturating_sub(suspended.since.0);
            let late = waited > self.config.pace.fetch_retry_ms;
            let count = &mut self.late[usize::from(reference.author.0)];
            *count = if late { (*count + 1).min(2 * LATE_BLOCKS) } else { count.saturating_sub(1) };
            self.accept(suspended.block);
            next.extend(self.waiting.satisfy(&reference));
        }
    }

    /// Takes a block into the DAG: from here on it is built upon, counted and ordered.
    pub(crate) fn accept(&mut self, block: VerifiedBlock) {
        let reference = block.reference();
        let author = usize::from(reference.author.0);
        let twin = self.dag.slot(reference.round, reference.author).next().is_some();
        if !self.dag.insert(block.clone()) {
            return;
        }
        self.stats.blocks_accepted += 1;
        self.stats.equivocations_accepted += u64::from(twin);
        self.dag_bytes += block_bytes(&block);
        self.changed = true;
        let inside: Vec<BatchDigest> = block.inline().iter().map(|batch| batch.reference().digest).collect();
        for named in &block.header().batches {
            if let Some(batch) = self.batches.take_unstored(&named.digest)
                && !inside.contains(&named.digest)
            {
                self.store(Record::Batch((*batch).clone()));
            }
        }
        if !self.replaying {
            self.store(Record::Block(block.to_block()));
        }
        if block.header().batches.iter().any(|batch| self.batches.is_open(&batch.digest)) && !self.is_epoch_over() {
            self.unordered.insert(reference);
        }
        if reference.round > self.latest[author].round {
            self.latest[author] = reference;
        }
        if let Some(own) = block.ancestors().iter().find(|ancestor| ancestor.author == self.config.own) {
            self.referenced[author] = self.referenced[author].max(own.round);
        }
        if reference.author == self.config.own && reference.round > self.own.last.round {
            self.own.last = reference;
            self.own.floor = self.own.floor.max(reference.round);
        }
        if reference.round > self.quorum_round && self.dag.stake(reference.round) >= self.committee.quorum() {
            self.quorum_round = reference.round;
            self.opened_at = self.now;
            self.sync.scan_at = TimestampMs(0);
        }
    }

    /// A batch that nobody asked for: its author sends it before the block that names it.
    fn receive_batch(&mut self, from: Author, batch: Batch) {
        self.stats.batches_received += 1;
        let Ok(reference) = self.verifier.check_batch(&batch, from) else {
            self.stats.batches_refused += 1;
            return;
        };
        let wanted = self.waiting.batches.contains_key(&reference.digest);
        let timely = self.verifier.last_round_of(reference.created) > self.gc_round()
            && reference.created.0 <= self.round().0.saturating_add(AHEAD_ROUNDS_MAX);
        let fits = self.fits(from, crate::batches::cost(&batch));
        if wanted || (timely && fits) {
            self.insert_batch(reference, Arc::new(batch));
        } else {
            self.stats.batches_refused += 1;
        }
    }

    /// Whether an author may have so many more bytes in flight.
    pub(crate) fn fits(&self, author: Author, bytes: usize) -> bool {
        self.batches.open_bytes(author).saturating_add(bytes) <= self.config.pace.uncommitted_bytes_max
    }

    fn receive_wanted_batch(&mut self, batch: Batch) {
        self.stats.batches_received += 1;
        match self.verifier.check_batch(&batch, batch.author) {
            Ok(reference)
                if self.committee.get(batch.author).is_some()
                    && self.waiting.batches.contains_key(&reference.digest) =>
            {
                self.insert_batch(reference, Arc::new(batch));
            }
            _ => self.stats.batches_refused += 1,
        }
    }

    /// Holds a checked batch, and accepts the blocks that waited for it only.
    pub(crate) fn insert_batch(&mut self, reference: BatchRef, batch: Arc<Batch>) {
        let author = batch.author;
        self.batches.insert(reference, batch, self.replaying);
        let (ready, wrong) = self.waiting.satisfy_batch(self.now, author, &reference);
        for block in wrong {
            self.stats.invalid(Invalid::BatchContent);
            self.waiting.remove(&block);
            self.reject(&block);
        }
        for suspended in ready {
            self.accept_suspended(suspended);
        }
    }
}

fn without_batches(block: &VerifiedBlock) -> BlockV1 {
    BlockV1 { header: block.header().clone(), signature: *block.signature(), inline: Vec::new() }
}
