//! Own blocks: when one is due, what goes into it, and what becomes of its batches.
//!
//! # When
//! The round above the highest one with a quorum of accepted blocks is open. Its block is due when the first leader of
//! the round before is accepted or its timeout passed, and the interval since the last own block. The timeout doubles
//! when it passes and shrinks by an eighth when it does not; leaders silent for many rounds are not waited for. The
//! interval is the long one while no transaction waits for an order here or in the accepted blocks.
//!
//! # Own transactions
//! Each batch is tracked from its making until a commit orders it. One whose block is collected before goes into a new
//! batch of the same transactions; when the epoch ends, or there is no room, they come back as [`Output::Release`].
//!
//! # After the epoch's last commit
//! Empty blocks carry the vote for it until a quorum has voted or it is certified.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use noema_types::{Author, Round, TimestampMs};

use crate::batches::cost;
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, BLOCK_BATCHES_MAX, BLOCK_COMMIT_VOTES_MAX, CATCH_UP_ROUNDS,
    INLINE_BYTES_MAX, LATE_BLOCKS, LATE_ROUNDS, SILENT_ROUNDS, TRANSACTION_OVERHEAD_BYTES,
};
use crate::mutant::{Mutant, planted};
use crate::{
    Batch, BatchDigest, BatchRef, BlockHeader, BlockRef, BlockV1, CommitVote, Core, Message, Output, PayloadLimits,
    Record, VerifiedBlock,
};

/// What this validator has made and what it will put into its next block.
#[derive(Debug)]
pub(crate) struct Own {
    /// The last own block, the genesis block at first.
    pub(crate) last: BlockRef,
    /// Nothing is proposed in this round or below.
    pub(crate) floor: Round,
    /// Own blocks below this round may exist and be unknown: the log was lost before it.
    pub(crate) forgotten_below: Round,
    /// When the last block was made.
    pub(crate) made_at: Option<TimestampMs>,
    /// When the last block was sent.
    pub(crate) sent_at: TimestampMs,
    last_timestamp: TimestampMs,
    asked: Option<Round>,
    /// Batches that the next block names.
    pending: Vec<BatchRef>,
    /// Batches that no commit has ordered, with the round of the block that names them.
    live: BTreeMap<BatchDigest, Live>,
    live_cost: usize,
    /// Commits since the last block.
    pub(crate) votes: Vec<CommitVote>,
    /// Last round that an own block names, of each author.
    included: Vec<Round>,
    leader_timeout_ms: u64,
    /// First leader of a round in a window of the schedule: looked up once.
    leader: Option<(Round, u64, Author)>,
    pub(crate) throttled: bool,
}

#[derive(Debug)]
struct Live {
    batch: Arc<Batch>,
    named: Option<Round>,
}

impl Own {
    pub(crate) fn new(genesis: BlockRef, authors: usize, leader_timeout_ms: u64) -> Self {
        Self {
            last: genesis,
            floor: Round(0),
            forgotten_below: Round(0),
            made_at: None,
            sent_at: TimestampMs(0),
            last_timestamp: TimestampMs(0),
            asked: None,
            pending: Vec::new(),
            live: BTreeMap::new(),
            live_cost: 0,
            votes: Vec::new(),
            included: vec![Round(0); authors],
            leader_timeout_ms,
            leader: None,
            throttled: false,
        }
    }

    /// Votes for a commit in the next block; the oldest are left out if there are too many.
    pub(crate) fn vote(&mut self, vote: CommitVote) {
        if self.votes.len() == BLOCK_COMMIT_VOTES_MAX {
            self.votes.remove(0);
        }
        self.votes.push(vote);
    }

    /// A commit ordered this batch.
    pub(crate) fn ordered(&mut self, digest: &BatchDigest) {
        self.take(digest);
    }

    fn take(&mut self, digest: &BatchDigest) -> Option<Live> {
        let live = self.live.remove(digest)?;
        self.live_cost -= cost(&live.batch);
        Some(live)
    }

    fn track(&mut self, reference: BatchRef, batch: Arc<Batch>, named: Option<Round>) {
        self.live_cost += cost(&batch);
        if let Some(before) = self.live.insert(reference.digest, Live { batch, named }) {
            self.live_cost -= cost(&before.batch);
        }
        if named.is_none() {
            self.pending.push(reference);
        }
    }
}

impl Core {
    /// Makes the next own block if it is due, or says when to come back. `true` if it was made.
    pub(crate) fn try_propose(&mut self) -> bool {
        let round = self.round();
        if self.own.asked.is_some() || round <= self.own.floor || !self.may_propose() {
            return false;
        }
        let due = self.due(round);
        if due > self.now {
            self.wake_at(due);
            return false;
        }
        let limits = self.payload_limits();
        if limits == PayloadLimits::NOTHING {
            self.propose(round, Vec::new());
            return true;
        }
        self.own.asked = Some(round);
        self.outputs.push(Output::Propose { round, limits });
        false
    }

    fn may_propose(&self) -> bool {
        if self.halted || self.amnesia.is_some() || self.replaying {
            return false;
        }
        if !self.is_settled(&self.own.last) {
            return false;
        }
        // The quorum that opened the round must be here, not only known from the state this core started with.
        let below = self.quorum_round;
        if below.0 > 0 && self.dag.stake(below) < self.committee.quorum() {
            return false;
        }
        // Somebody honest is far ahead: a block of this round would come too late for all.
        if self.frontier().0 > self.round().0.saturating_add(CATCH_UP_ROUNDS) {
            return false;
        }
        match self.last_commit {
            None => true,
            Some(last) => self.certified < last.index && !(self.own.votes.is_empty() && self.is_voted(last)),
        }
    }

    /// Whether a quorum says to have made this commit.
    fn is_voted(&self, last: CommitVote) -> bool {
        let voters: BTreeSet<Author> =
            self.committee.authors().filter(|author| self.sync.voted(*author) >= last.index).collect();
        self.committee.stake_of(&voters) >= self.committee.quorum()
    }

    fn due(&mut self, round: Round) -> TimestampMs {
        let misses_leader = self.misses_leader(round);
        let pace = &self.config.pace;
        let interval = if self.is_idle() { pace.idle_round_interval_ms } else { pace.round_interval_ms };
        // A committee of one opens the next round at once: without an interval it would never come to an end.
        let paced = self.own.made_at.map_or(0, |made| made.0.saturating_add(interval.max(1)));
        let patience = if misses_leader { self.own.leader_timeout_ms } else { 0 };
        TimestampMs(paced.max(self.opened_at.0.saturating_add(patience)))
    }

    /// Whether nothing waits for an order.
    pub(crate) fn is_idle(&self) -> bool {
        let own = !self.own.throttled && !self.own.pending.is_empty();
        self.unordered.is_empty() && !own && self.last_commit.is_none()
    }

    /// Whether the first leader of the round before is worth waiting for.
    fn misses_leader(&mut self, round: Round) -> bool {
        let below = Round(round.0 - 1);
        if below.0 == 0 || self.last_commit.is_some() {
            return false;
        }
        let leader = self.first_leader(below);
        let silent = self.latest[usize::from(leader.0)].round.0.saturating_add(SILENT_ROUNDS) < below.0;
        !silent && self.dag.slot(below, leader).next().is_none()
    }

    fn first_leader(&mut self, round: Round) -> Author {
        let window = self.state().schedule.window;
        match self.own.leader {
            Some((known, of, leader)) if (known, of) == (round, window) => leader,
            _ => {
                let leader = *self.committer.leaders(round).first().expect("a round has a leader");
                self.own.leader = Some((round, window, leader));
                leader
            }
        }
    }

    fn payload_limits(&self) -> PayloadLimits {
        if self.own.throttled || self.last_commit.is_some() {
            return PayloadLimits::NOTHING;
        }
        let free = self.config.pace.uncommitted_bytes_max.saturating_sub(self.own.live_cost);
        let wanted = self.config.pace.payload;
        let slots = BLOCK_BATCHES_MAX.saturating_sub(self.own.pending.len());
        // Chunks are at least half full by bytes or full by count.
        let bytes = wanted.bytes_max.min(free / 2).min(slots * BATCH_BYTES_MAX / 2);
        let transactions = wanted.transactions_max.min(free / 2 / TRANSACTION_OVERHEAD_BYTES);
        let transactions = transactions.min(slots * BATCH_TRANSACTIONS_MAX / 2);
        if bytes == 0 || transactions == 0 {
            return PayloadLimits::NOTHING;
        }
        PayloadLimits { transactions_max: transactions, bytes_max: bytes }
    }

    /// Takes the answer to [`Output::Propose`].
    pub(crate) fn take_payload(&mut self, round: Round, transactions: Vec<Bytes>) {
        let expected = self.own.asked == Some(round);
        if expected {
            self.own.asked = None;
        }
        if expected && round > self.own.floor && self.may_propose() {
            let transactions = if self.last_commit.is_some() { self.release(transactions) } else { transactions };
            self.propose(round, transactions);
        } else {
            self.release(transactions);
        }
    }

    /// Makes batches for the next own block and sends them ahead of it.
    pub(crate) fn take_transactions(&mut self, transactions: Vec<Bytes>) {
        let free = self.config.pace.uncommitted_bytes_max.saturating_sub(self.own.live_cost);
        let bytes: usize = transactions.iter().map(|bytes| bytes.len() + TRANSACTION_OVERHEAD_BYTES).sum();
        if self.halted || self.last_commit.is_some() || bytes > free {
            self.release(transactions);
            return;
        }
        let round = self.next_own_round();
        for batch in self.chunks(round, transactions) {
            self.spread(batch);
        }
    }

    fn next_own_round(&self) -> Round {
        self.round().max(self.own.floor.next())
    }

    /// Cuts transactions into batches of the allowed size.
    fn chunks(&mut self, round: Round, transactions: Vec<Bytes>) -> Vec<Batch> {
        let (mut chunks, mut chunk, mut bytes) = (Vec::new(), Vec::new(), 0);
        for transaction in transactions {
            if transaction.len() > BATCH_BYTES_MAX {
                self.stats.oversized += 1;
                continue;
            }
            if bytes + transaction.len() > BATCH_BYTES_MAX || chunk.len() == BATCH_TRANSACTIONS_MAX {
                chunks.push(std::mem::take(&mut chunk));
                bytes = 0;
            }
            bytes += transaction.len();
            chunk.push(transaction);
        }
        if !chunk.is_empty() {
            chunks.push(chunk);
        }
        let (epoch, author) = (self.verifier.epoch, self.config.own);
        chunks.into_iter().map(|transactions| Batch { epoch, author, created: round, transactions }).collect()
    }

    /// Stores and sends an own batch, which the next block names.
    fn spread(&mut self, batch: Batch) {
        let reference = batch.reference();
        let batch = Arc::new(batch);
        if self.batches.get(&reference.digest).is_some() {
            // The same transactions twice in one round: they are on their way already.
            return;
        }
        self.store(Record::Batch((*batch).clone()));
        self.broadcast(Message::Batch((*batch).clone()));
        self.insert_batch(reference, batch.clone());
        self.batches.take_unstored(&reference.digest);
        self.own.track(reference, batch, None);
    }

    /// Makes, stores and sends the own block of a round.
    fn propose(&mut self, round: Round, transactions: Vec<Bytes>) {
        if self.misses_leader(round) {
            self.stats.leader_timeouts += 1;
            let doubled = self.own.leader_timeout_ms.saturating_mul(2);
            self.own.leader_timeout_ms = doubled.min(self.config.pace.leader_timeout_ms_max);
        } else {
            let shrunk = self.own.leader_timeout_ms - self.own.leader_timeout_ms / 8;
            self.own.leader_timeout_ms = shrunk.max(self.config.pace.leader_timeout_ms);
        }
        let inline = self.payload_batches(round, transactions);
        let mut batches = self.named_batches(round);
        batches.extend(inline.iter().map(Batch::reference));
        // A batch that came back from the log twice is named once: a block that repeats one is invalid.
        let mut named = BTreeSet::new();
        batches.retain(|batch| named.insert(batch.digest));
        for batch in &inline {
            let reference = batch.reference();
            self.insert_batch(reference, Arc::new(batch.clone()));
            self.own.track(reference, Arc::new(batch.clone()), Some(round));
        }
        for batch in &batches {
            if let Some(live) = self.own.live.get_mut(&batch.digest) {
                live.named = Some(round);
            }
        }
        self.stats.proposals += 1;
        self.stats.proposals_empty += u64::from(batches.is_empty());
        let block = self.sign(round, batches, inline);
        let reference = block.reference();
        self.own.made_at = Some(self.now);
        self.own.sent_at = self.now;
        self.own.floor = round;
        self.note_verified(&block);
        let wire = block.to_block();
        self.accept(block);
        assert!(self.dag.contains(&reference), "the own block is accepted: it was made of what is");
        if !planted(Mutant::NoSyncBeforeSend) {
            self.outputs.push(Output::Sync);
        }
        self.broadcast(Message::Block(wire));
    }

    /// Batches of a payload: one that travels inside of the block, or several that travel ahead.
    fn payload_batches(&mut self, round: Round, transactions: Vec<Bytes>) -> Vec<Batch> {
        let small = transactions.iter().map(Bytes::len).sum::<usize>() <= INLINE_BYTES_MAX;
        let mut chunks = self.chunks(round, transactions);
        let room = self.own.pending.len() < BLOCK_BATCHES_MAX;
        let alone = small && room && chunks.len() == 1;
        if alone && self.batches.get(&chunks[0].reference().digest).is_none() {
            return chunks;
        }
        chunks.drain(..).for_each(|batch| self.spread(batch));
        Vec::new()
    }

    /// The batches made since the last block, as many as fit; those that have become too old are made anew.
    fn named_batches(&mut self, round: Round) -> Vec<BatchRef> {
        if self.own.throttled || self.last_commit.is_some() {
            return Vec::new();
        }
        let (old, young): (Vec<BatchRef>, Vec<BatchRef>) = std::mem::take(&mut self.own.pending)
            .into_iter()
            .partition(|batch| self.verifier.last_round_of(batch.created) < round);
        self.own.pending = young;
        for batch in old {
            self.make_again(&batch.digest, round);
        }
        // One place is left for the batch inside of the block.
        let count = self.own.pending.len().min(BLOCK_BATCHES_MAX - 1);
        self.own.pending.drain(..count).collect()
    }

    fn make_again(&mut self, digest: &BatchDigest, round: Round) {
        let Some(live) = self.own.take(digest) else { return };
        self.stats.batches_proposed_again += 1;
        self.batches.close(digest);
        let batch = Batch { created: round, ..(*live.batch).clone() };
        self.spread(batch);
    }

    /// Own batches whose blocks are collected go into the next block again.
    pub(crate) fn propose_collected_again(&mut self, gc_round: Round) {
        let collected: Vec<BatchDigest> = self
            .own
            .live
            .iter()
            .filter(|(_, live)| live.named.is_some_and(|round| round <= gc_round))
            .map(|(digest, _)| *digest)
            .collect();
        let round = self.next_own_round();
        for digest in &collected {
            if planted(Mutant::CollectedBatchForgotten) {
                self.own.take(digest);
            } else {
                self.make_again(digest, round);
            }
        }
    }

    /// The epoch is over: everything own that is not ordered goes back.
    pub(crate) fn release_all(&mut self) {
        self.own.pending.clear();
        self.own.live_cost = 0;
        let live = std::mem::take(&mut self.own.live);
        let transactions = live.into_values().flat_map(|live| live.batch.transactions.clone()).collect();
        self.release(transactions);
    }

    /// Ends this core before its epoch does: the own transactions that no commit has ordered.
    #[must_use]
    pub fn into_unordered(mut self) -> Vec<Bytes> {
        let live = std::mem::take(&mut self.own.live);
        live.into_values().flat_map(|live| live.batch.transactions.clone()).collect()
    }

    fn release(&mut self, transactions: Vec<Bytes>) -> Vec<Bytes> {
        if !transactions.is_empty() && !self.replaying {
            self.stats.released += transactions.len() as u64;
            self.outputs.push(Output::Release(transactions));
        }
        Vec::new()
    }

    fn sign(&mut self, round: Round, batches: Vec<BatchRef>, inline: Vec<Batch>) -> VerifiedBlock {
        let timestamp = self.now.max(self.own.last_timestamp);
        self.own.last_timestamp = timestamp;
        let header = BlockHeader {
            chain: self.verifier.chain,
            epoch: self.verifier.epoch,
            round,
            author: self.config.own,
            ancestors: self.ancestors(round),
            batches,
            timestamp,
            commit_votes: std::mem::take(&mut self.own.votes),
        };
        let message = header.signing_message();
        let signature = self.config.crypto.sign(&message);
        VerifiedBlock::with_message(BlockV1 { header, signature, inline }, message)
    }

    /// The own last block, then the latest of each other author that no own block names.
    fn ancestors(&mut self, round: Round) -> Vec<BlockRef> {
        let below = Round(round.0 - 1);
        let candidates: Vec<BlockRef> = self.others().filter_map(|author| self.latest_below(author, round)).collect();
        let in_time = |block: &BlockRef| {
            round.0.is_multiple_of(LATE_ROUNDS) || self.late[usize::from(block.author.0)] < LATE_BLOCKS
        };
        let stake = |blocks: &mut dyn Iterator<Item = &BlockRef>| -> u64 {
            blocks.filter(|block| block.round == below).map(|block| self.committee.stake(block.author).0).sum()
        };
        let own = [self.own.last];
        let picked = stake(&mut candidates.iter().filter(|block| in_time(block)).chain(&own));
        let all = picked < self.committee.quorum().0;
        let others: Vec<BlockRef> = candidates.iter().filter(|block| all || in_time(block)).copied().collect();
        self.stats.ancestors_left_out += (candidates.len() - others.len()) as u64;
        for block in &others {
            self.own.included[usize::from(block.author.0)] = block.round;
        }
        own.into_iter().chain(others).collect()
    }

    /// The block of an author to build on, if there is a new one.
    fn latest_below(&self, author: Author, round: Round) -> Option<BlockRef> {
        let place = usize::from(author.0);
        let latest = self.latest[place];
        let block = if latest.round < round {
            latest
        } else {
            let lowest = self.own.included[place].max(self.gc_round()).next();
            (lowest.0..round.0)
                .rev()
                .find_map(|round| self.dag.slot(Round(round), author).next().map(VerifiedBlock::reference))?
        };
        // In the first round all genesis blocks are named: they are the quorum.
        let new = block.round > self.own.included[place] && block.round > self.gc_round();
        (new || round.0 == 1).then_some(block)
    }

    /// After the log is read: which own batches wait for an order.
    pub(crate) fn recover_own(&mut self) {
        let own = self.config.own;
        let mut named: BTreeMap<BatchDigest, Round> = BTreeMap::new();
        let rounds = self.dag.lowest_round().0..=self.dag.highest_round().0;
        let collected = self.gc_round();
        for block in rounds.flat_map(|round| self.dag.slot(Round(round), own)) {
            for batch in &block.header().batches {
                named.insert(batch.digest, block.round());
            }
            self.own.last_timestamp = self.own.last_timestamp.max(block.header().timestamp);
            for ancestor in block.ancestors() {
                let included = &mut self.own.included[usize::from(ancestor.author.0)];
                *included = (*included).max(ancestor.round);
            }
        }
        for (reference, batch) in self.batches.open_of(own) {
            self.own.track(reference, batch, named.get(&reference.digest).copied());
        }
        if self.last_commit.is_some() {
            self.release_all();
        } else {
            self.propose_collected_again(collected);
        }
    }
}
