//! Asking for what is missing, and answering who asks.
//!
//! Everything that is sent may be lost. What is missing is asked for until it comes or is collected: blocks from who
//! sent a block that builds on them, then from anybody who does; batches likewise; many rounds at once with
//! [`Message::FetchAfter`]. A reference that only its maker's friends name is asked of them only, so that inventing
//! references costs nobody else a place in a request.

use std::collections::{BTreeMap, BTreeSet};

use noema_types::{Author, CommitIndex, Round, TimestampMs};

use crate::limits::{
    AHEAD_ROUNDS_MAX, CATCH_UP_ROUNDS, CONNECT_BLOCKS_MAX, FETCH_BYTES_MAX, FETCH_REFERENCES_MAX, LAGGING_INTERVAL_MS,
};
use crate::mutant::{Mutant, planted};
use crate::types::{hash, to_bytes};
use crate::{BatchDigest, BlockRef, Core, Message, Output, VerifiedBlock};

/// What is known of the others, and what was asked.
#[derive(Debug)]
pub(crate) struct Sync {
    /// Highest round of a signed block of each author.
    seen: Vec<Round>,
    /// Highest commit that each author voted for.
    voted: Vec<CommitIndex>,
    /// Authors that no longer hold what is needed here.
    gone: BTreeSet<Author>,
    /// When requests are looked at again.
    pub(crate) scan_at: TimestampMs,
    /// Until when the answer to a request for batches is awaited of each author: nothing more is asked of it before, so
    /// that its answer, late as it may be, is not asked for again.
    batches_until: Vec<TimestampMs>,
    /// Who was asked for everything above, when somebody else is, and the round that was open then.
    catch_up: Option<(Author, TimestampMs, Round)>,
    asked: u64,
    lagging_at: TimestampMs,
    /// When each author was last sent the own block because it was behind.
    answered: Vec<TimestampMs>,
}

impl Sync {
    pub(crate) fn new(authors: usize) -> Self {
        Self {
            seen: vec![Round(0); authors],
            voted: vec![CommitIndex(0); authors],
            gone: BTreeSet::new(),
            scan_at: TimestampMs(0),
            batches_until: vec![TimestampMs(0); authors],
            catch_up: None,
            asked: 0,
            lagging_at: TimestampMs(0),
            answered: vec![TimestampMs(0); authors],
        }
    }

    pub(crate) fn voted(&self, author: Author) -> CommitIndex {
        self.voted[usize::from(author.0)]
    }
}

impl Core {
    /// Learns from a signed block how far its author is, whether or not the block can be accepted.
    pub(crate) fn note_verified(&mut self, block: &VerifiedBlock) {
        let author = usize::from(block.author().0);
        self.sync.seen[author] = self.sync.seen[author].max(block.round());
        if let Some(vote) = block.header().commit_votes.last() {
            self.sync.voted[author] = self.sync.voted[author].max(vote.index);
        }
    }

    /// The highest value that somebody honest has reached.
    fn honest_high<T: Copy + Ord>(&self, values: &[T]) -> T {
        let mut sorted: Vec<(T, Author)> = values.iter().copied().zip(self.committee.authors()).collect();
        sorted.sort_unstable();
        let mut stake = 0;
        let reached = sorted.iter().rev().find(|(_, author)| {
            stake += self.committee.stake(*author).0;
            stake >= self.committee.validity().0
        });
        reached.expect("all stake together is more than a third").0
    }

    /// The highest round that somebody honest has reached.
    pub(crate) fn frontier(&self) -> Round {
        self.honest_high(&self.sync.seen)
    }

    pub(crate) fn connected(&mut self, peer: Author) {
        if self.committee.get(peer).is_none() || peer == self.config.own {
            return;
        }
        if self.amnesia.is_some() {
            self.send(peer, Message::FetchLast { nonce: self.config.nonce });
            return;
        }
        let from = self.referenced[usize::from(peer.0)].next().max(self.dag.lowest_round());
        let mut blocks: Vec<VerifiedBlock> = Vec::new();
        for round in (from.0..=self.own.last.round.0).rev() {
            if blocks.len() == CONNECT_BLOCKS_MAX {
                break;
            }
            blocks.extend(self.dag.slot(Round(round), self.config.own).next().cloned());
        }
        if blocks.is_empty() {
            blocks.extend(self.dag.get(&self.own.last).cloned());
        }
        for block in blocks.iter().rev() {
            self.send(peer, Message::Block(block.to_block()));
        }
    }

    /// Somebody sends blocks of rounds long over: it does not know how far this validator is.
    pub(crate) fn answer_late(&mut self, from: Author) {
        let author = usize::from(from.0);
        let resend = self.config.pace.resend_ms;
        let done = self.last_commit.is_some()
            || self.sync.seen[author].0.saturating_add(CATCH_UP_ROUNDS) < self.own.last.round.0;
        if !done || self.now.0 < self.sync.answered[author].0.saturating_add(resend) {
            return;
        }
        self.sync.answered[author] = self.now;
        if let Some(last) = self.dag.get(&self.own.last) {
            let message = Message::Block(last.to_block());
            self.send(from, message);
        }
    }

    /// Sends what is due: requests, the own block again, the complaint to be behind.
    pub(crate) fn run_sync(&mut self) {
        if self.committee.size() == 1 || self.replaying {
            return;
        }
        if planted(Mutant::NoResend) {
            return;
        }
        self.run_catch_up();
        if self.sync.scan_at <= self.now {
            self.sync.scan_at = TimestampMs(u64::MAX);
            self.request_batches();
            self.request_blocks();
        }
        if self.sync.scan_at.0 < u64::MAX {
            self.wake_at(self.sync.scan_at);
        }
        self.run_resend();
        self.run_lagging();
    }

    fn scan_again_at(&mut self, time: TimestampMs) {
        self.sync.scan_at = self.sync.scan_at.min(time.max(TimestampMs(self.now.0.saturating_add(1))));
    }

    /// One of these, by the hash of what was asked before.
    fn pick(&mut self, candidates: &BTreeSet<Author>) -> Option<Author> {
        self.sync.asked += 1;
        let digest = hash("noema 2026 fetch target", &to_bytes(&(self.config.nonce, self.sync.asked)));
        let random = u64::from_le_bytes(digest.0[..8].try_into().expect("eight bytes of 32"));
        let place = random.checked_rem(candidates.len() as u64)?;
        candidates.iter().nth(usize::try_from(place).expect("a place in a set fits")).copied()
    }

    fn retry_at(&self) -> TimestampMs {
        TimestampMs(self.now.0.saturating_add(self.config.pace.fetch_retry_ms))
    }

    fn request_blocks(&mut self) {
        let highest = self.round().0.saturating_add(CATCH_UP_ROUNDS);
        let near = self.waiting.missing.iter().take_while(|(reference, _)| reference.round.0 <= highest);
        let mut due = Vec::new();
        let mut next = TimestampMs(u64::MAX);
        for (reference, request) in near {
            if request.due <= self.now {
                due.push((*reference, request.attempts));
            } else {
                next = next.min(request.due);
            }
        }
        let retry = self.retry_at();
        let mut requests: BTreeMap<Author, Vec<BlockRef>> = BTreeMap::new();
        for (reference, attempts) in due {
            next = next.min(retry);
            let sender = self.waiting.sender_of_child(&reference).filter(|_| attempts == 0);
            let target = match sender.filter(|sender| *sender != self.config.own) {
                Some(sender) => sender,
                None => {
                    let mut candidates = self.waiting.referrers(&[reference], attempts);
                    candidates.insert(reference.author);
                    candidates.remove(&self.config.own);
                    let Some(target) = self.pick(&candidates) else { continue };
                    target
                }
            };
            let list = requests.entry(target).or_default();
            if list.len() == FETCH_REFERENCES_MAX {
                continue;
            }
            list.push(reference);
            let request = self.waiting.missing.get_mut(&reference).expect("it was looked at just now");
            (request.due, request.attempts, request.asked) = (retry, attempts + 1, Some(target));
        }
        for (target, references) in requests {
            self.stats.block_fetches += 1;
            self.send(target, Message::FetchBlocks(references));
        }
        self.scan_again_at(next);
    }

    fn request_batches(&mut self) {
        let mut due = Vec::new();
        let mut next = TimestampMs(u64::MAX);
        for (digest, batch) in &self.waiting.batches {
            if planted(Mutant::FetchOnce) && batch.request.attempts > 0 {
                continue;
            }
            if batch.request.due <= self.now {
                due.push((batch.named_by.first().map(|block| block.round), *digest));
            } else {
                next = next.min(batch.request.due);
            }
        }
        // Lowest rounds first: what they hold up is most.
        due.sort_unstable();
        let retry = self.retry_at();
        let mut requests: BTreeMap<Author, (usize, Vec<BatchDigest>)> = BTreeMap::new();
        for (_, digest) in due {
            let batch = &self.waiting.batches[&digest];
            let (author, bytes, attempts) = (batch.author, batch.reference.bytes as usize, batch.request.attempts);
            let named_by: Vec<BlockRef> = batch.named_by.iter().copied().collect();
            let mut candidates = self.waiting.referrers(&named_by, attempts);
            // Over its share: only what others have taken already is taken.
            let allowed = self.fits(author, bytes) || candidates.iter().any(|other| *other != author);
            candidates.insert(author);
            candidates.remove(&self.config.own);
            let sender = named_by.first().and_then(|block| self.waiting.get(block)).map(|block| block.from);
            let sender = sender.filter(|sender| attempts == 0 && *sender != self.config.own);
            let until = |author: &Author| self.sync.batches_until[usize::from(author.0)];
            let free_at = candidates.iter().chain(&sender).map(until).min().unwrap_or_default();
            let sender = sender.filter(|sender| until(sender) <= self.now);
            candidates.retain(|author| self.sync.batches_until[usize::from(author.0)] <= self.now);
            let target = if allowed { sender.or_else(|| self.pick(&candidates)) } else { None };
            let mut attempted = false;
            if let Some(target) = target {
                let (asked, list) = requests.entry(target).or_default();
                if *asked + bytes <= FETCH_BYTES_MAX && list.len() < FETCH_REFERENCES_MAX {
                    *asked += bytes;
                    list.push(digest);
                    attempted = true;
                }
            }
            let request = &mut self.waiting.batches.get_mut(&digest).expect("it was looked at just now").request;
            request.due = if free_at > self.now { free_at.min(retry) } else { retry };
            next = next.min(request.due);
            if attempted {
                (request.attempts, request.asked) = (attempts + 1, target);
            }
        }
        for (target, (_, digests)) in requests {
            self.stats.batch_fetches += 1;
            self.sync.batches_until[usize::from(target.0)] = retry;
            self.send(target, Message::FetchBatches(digests));
        }
        self.scan_again_at(next);
    }

    /// Asks one validator for everything above what is here, if somebody honest is many rounds ahead or no round is won:
    /// what would win it may be lost, and nothing that builds on it says so yet.
    fn run_catch_up(&mut self) {
        let behind = self.frontier().0 > self.round().0.saturating_add(CATCH_UP_ROUNDS);
        let stalls_at = self.stalls_at();
        if !behind && stalls_at > self.now {
            self.sync.catch_up = None;
            if stalls_at.0 < u64::MAX {
                self.wake_at(stalls_at);
            }
            return;
        }
        if let Some((_, retry, _)) = self.sync.catch_up.filter(|(_, retry, _)| *retry > self.now) {
            self.wake_at(retry);
            return;
        }
        let frontier = if behind { self.frontier() } else { Round(0) };
        let ahead: BTreeSet<Author> =
            self.others().filter(|author| self.sync.seen[usize::from(author.0)] >= frontier).collect();
        let Some(target) = self.pick(&ahead) else { return };
        let rounds = self.complete_rounds();
        let full = self.round().0.saturating_add(AHEAD_ROUNDS_MAX / 2);
        if rounds.iter().any(|round| round.0 > full) {
            // More would not be kept: the batches of what is here come first.
            let pause = TimestampMs(self.now.0.saturating_add(self.config.pace.fetch_retry_ms / 8));
            self.sync.catch_up = Some((self.config.own, pause, self.round()));
            self.wake_at(pause);
            return;
        }
        self.stats.catch_ups += 1;
        self.send(target, Message::FetchAfter(rounds));
        let retry = TimestampMs(self.retry_at().0.saturating_add(self.config.pace.fetch_retry_ms));
        self.sync.catch_up = Some((target, retry, self.round()));
        self.wake_at(retry);
    }

    /// When the round that is open is taking too long.
    fn stalls_at(&self) -> TimestampMs {
        if self.is_done() || self.own.last.round < self.round() {
            // The own block is not made: it is not the others' blocks that are waited for.
            return TimestampMs(u64::MAX);
        }
        let pace = &self.config.pace;
        let idle = if self.is_idle() { pace.idle_round_interval_ms } else { 0 };
        let since = self.opened_at.max(self.own.made_at.unwrap_or_default());
        TimestampMs(since.0.saturating_add(idle).saturating_add(pace.fetch_retry_ms))
    }

    /// Whether the epoch is over and certified, or nothing may be done any more.
    fn is_done(&self) -> bool {
        self.halted || self.last_commit.is_some_and(|last| self.certified >= last.index)
    }

    /// The last round of each author up to which everything is here, batches aside.
    fn complete_rounds(&self) -> Vec<Round> {
        let gc_round = self.gc_round();
        let mut rounds: Vec<Round> = self.latest.iter().map(|block| block.round.max(gc_round)).collect();
        let mut complete: BTreeSet<BlockRef> = BTreeSet::new();
        // From the lowest round up: a block is complete if what it waits for is.
        for (reference, suspended) in self.waiting.iter() {
            let here = |ancestor: &BlockRef| {
                let incomplete = self.waiting.contains(ancestor) && !complete.contains(ancestor);
                !incomplete && !self.waiting.missing.contains_key(ancestor)
            };
            if suspended.ancestors.iter().all(here) {
                complete.insert(*reference);
                let round = &mut rounds[usize::from(reference.author.0)];
                *round = reference.round.max(*round);
            }
        }
        rounds
    }

    /// Sends the own latest block again while no round is won.
    fn run_resend(&mut self) {
        if self.is_done() || self.amnesia.is_some() || self.own.last.round.0 == 0 {
            return;
        }
        let pause = self.config.pace.resend_ms.max(2 * self.config.pace.idle_round_interval_ms);
        let due = TimestampMs(self.own.sent_at.0.saturating_add(pause));
        if due > self.now && self.own.sent_at.0 > 0 {
            self.wake_at(due);
            return;
        }
        self.own.sent_at = self.now;
        if let Some(last) = self.dag.get(&self.own.last) {
            let message = Message::Block(last.to_block());
            self.stats.resends += 1;
            self.broadcast(message);
        }
        self.wake_at(TimestampMs(self.now.0.saturating_add(pause)));
    }

    fn run_lagging(&mut self) {
        if self.now.0 < self.sync.lagging_at.0 {
            return;
        }
        let commit = self.honest_high(&self.sync.voted);
        let own = self.state().index;
        let far = commit.0 > own.0.saturating_add(self.config.pace.lag_commits_max);
        let gone = self.committee.stake_of(&self.sync.gone) >= self.committee.validity();
        if commit > own && (far || gone) {
            self.stats.lagging += 1;
            self.outputs.push(Output::Lagging { commit });
            self.sync.lagging_at = TimestampMs(self.now.0.saturating_add(LAGGING_INTERVAL_MS));
            self.wake_at(self.sync.lagging_at);
        }
    }

    /// An answer with blocks came: what else was asked of the same validator is asked again, if there was progress.
    pub(crate) fn note_blocks_answer(&mut self, from: Author, progress: bool, held_from: Round) {
        let asked = self.waiting.missing.iter_mut().filter(|(_, request)| request.asked == Some(from));
        let mut needed = Round(u64::MAX);
        for (reference, request) in asked {
            needed = needed.min(reference.round);
            if progress {
                request.due = self.now;
            }
        }
        if let Some((_, _, round)) = self.sync.catch_up.filter(|(target, _, _)| *target == from) {
            needed = needed.min(self.round());
            // At once again only if it helped: blocks may have to wait for their time, and asking does not change that.
            if self.round() > round {
                self.sync.catch_up = None;
            }
        }
        if needed < held_from && needed.0 < u64::MAX {
            self.sync.gone.insert(from);
        } else {
            self.sync.gone.remove(&from);
        }
        self.sync.scan_at = self.now;
    }

    /// The same for batches.
    pub(crate) fn note_batches_answer(&mut self, from: Author, progress: bool) {
        self.sync.batches_until[usize::from(from.0)] = TimestampMs(0);
        if !progress {
            return;
        }
        for batch in self.waiting.batches.values_mut() {
            let request = &mut batch.request;
            // Asked of it and not delivered, or put off because the request was full.
            if request.asked == Some(from) || request.asked.is_none() && request.due > self.now {
                request.due = self.now;
            }
        }
        self.sync.scan_at = self.now;
    }

    pub(crate) fn serve_blocks(&mut self, to: Author, references: &[BlockRef]) {
        let mut answer = Answer::default();
        for reference in references.iter().take(FETCH_REFERENCES_MAX) {
            if let Some(block) = self.dag.get(reference)
                && !answer.add(block)
            {
                break;
            }
        }
        self.answer(to, answer);
    }

    pub(crate) fn serve_after(&mut self, to: Author, rounds: &[Round]) {
        if rounds.len() != self.committee.size() {
            return;
        }
        let lowest = rounds.iter().map(|round| round.0.saturating_add(1)).min().unwrap_or(0);
        let lowest = Round(lowest).max(self.dag.lowest_round());
        let mut answer = Answer::default();
        // It would not keep more.
        let highest = rounds.iter().map(|round| round.0.saturating_add(AHEAD_ROUNDS_MAX)).max().unwrap_or(0);
        'rounds: for round in (lowest.0..=self.dag.highest_round().0.min(highest)).map(Round) {
            for block in self.dag.round(round).filter(|block| rounds[usize::from(block.author().0)] < round) {
                if !answer.add(block) {
                    break 'rounds;
                }
            }
        }
        self.answer(to, answer);
    }

    fn answer(&mut self, to: Author, answer: Answer) {
        self.stats.blocks_served += answer.blocks.len() as u64;
        let blocks = answer.blocks.iter().map(VerifiedBlock::to_block).collect();
        self.send(to, Message::Blocks { blocks, held_from: self.dag.lowest_round() });
    }

    pub(crate) fn serve_batches(&mut self, to: Author, digests: &[BatchDigest]) {
        let mut bytes = 0;
        let mut batches = Vec::new();
        for digest in digests.iter().take(FETCH_REFERENCES_MAX) {
            let Some(batch) = self.batches.get(digest) else { continue };
            let size = batch.bytes() + 5 * batch.transactions.len() + 64;
            if bytes + size > FETCH_BYTES_MAX {
                break;
            }
            bytes += size;
            batches.push((**batch).clone());
        }
        self.stats.batches_served += batches.len() as u64;
        self.send(to, Message::Batches(batches));
    }
}

/// Blocks that fit into an answer.
#[derive(Debug, Default)]
struct Answer {
    blocks: Vec<VerifiedBlock>,
    bytes: usize,
}

impl Answer {
    /// `false` if it is full.
    fn add(&mut self, block: &VerifiedBlock) -> bool {
        let header = block.header();
        let inline: usize = block.inline().iter().map(|batch| batch.bytes() + 5 * batch.transactions.len() + 64).sum();
        let parts = 48 * (header.ancestors.len() + header.batches.len() + header.commit_votes.len());
        let size = 256 + parts + inline;
        if self.bytes + size > FETCH_BYTES_MAX {
            return false;
        }
        self.bytes += size;
        self.blocks.push(block.clone());
        true
    }
}
