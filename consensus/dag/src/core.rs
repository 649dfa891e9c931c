//! The state machine of one validator for one epoch.
//!
//! [`Core::step`] takes one input, settles everything that follows from it, and returns what is to be done, in order.
//! Equal inputs at equal times give equal outputs. Nothing a peer sends makes it panic or stop, except a block signed
//! with the own key that this validator did not make, and proof that a third of the stake is faulty.
//!
//! # Parts
//! - [`Core::new`], [`Core::step`]: this file.
//! - What arrives, waits and is accepted: `intake`. Own blocks: `proposer`. Asking and answering: `sync`.
//! - Restarts with and without a log: `recovery`.
//!
//! # What is kept in memory
//! Accepted blocks and batches down to one collection depth below the collected rounds of the last certified commit,
//! so that somebody who starts from that commit finds what it needs; blocks that wait, within the limits of
//! [`crate::limits`]. `held_bytes` says how much that is.

#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use noema_types::{Author, CommitIndex, Committee, Round, TimestampMs};

use crate::batches::BatchPool;
use crate::limits::{RETAIN_DEPTHS, RETAIN_ROUNDS_MAX, UNCERTIFIED_COMMITS_MAX};
use crate::proposer::Own;
use crate::recovery::Amnesia;
use crate::stats::CoreStats;
use crate::sync::Sync;
use crate::verify::Verifier;
use crate::waiting::{Waiting, block_bytes};
use crate::{
    BlockRef, CommitStats, CommitVote, Committed, Committer, ConsensusState, CoreConfig, Dag, Fault, Input, Message,
    Output, Record, VerifiedBlock,
};

/// Consensus of one validator in one epoch: a function of its inputs.
///
/// # Driving it
/// - Carry out the outputs of a step in order, all of them, before the next step. Answer [`Output::Propose`] with
///   [`Input::Payload`] at once, an empty one if there is nothing.
/// - An idle core is woken by [`Input::Transactions`]: give it what arrives while nothing is proposed.
/// - Log the records of each epoch apart from those of others.
/// - With `log_lost` it proposes nothing until validators with > 2/3 of the stake, itself excluded, have answered. A
///   committee in which that cannot be (of one validator, or where one holds a third) never resumes: give `false`.
#[derive(Debug)]
pub struct Core {
    pub(crate) config: CoreConfig,
    pub(crate) committee: Arc<Committee>,
    pub(crate) verifier: Verifier,
    pub(crate) dag: Dag,
    pub(crate) committer: Committer,
    pub(crate) stats: CoreStats,
    pub(crate) now: TimestampMs,
    pub(crate) outputs: Vec<Output>,
    pub(crate) wake: Option<TimestampMs>,
    /// Ordered before the state this core started with, and so far below that no decision looks at them.
    pub(crate) assumed: BTreeSet<BlockRef>,
    pub(crate) waiting: Waiting,
    pub(crate) held: BTreeMap<BlockRef, VerifiedBlock>,
    pub(crate) held_until: BTreeSet<(TimestampMs, BlockRef)>,
    /// Blocks that were asked for and can never be accepted.
    pub(crate) rejected: BTreeSet<BlockRef>,
    pub(crate) batches: BatchPool,
    /// First signed header seen of each slot in which the block itself may be gone, and slots with evidence given.
    pub(crate) evidence: BTreeSet<(Round, Author)>,
    /// Highest round with a quorum of accepted blocks, and since when.
    pub(crate) quorum_round: Round,
    pub(crate) opened_at: TimestampMs,
    /// Latest accepted block of each author; the first one accepted where it equivocated.
    pub(crate) latest: Vec<BlockRef>,
    /// Latest own block that each author builds on.
    pub(crate) referenced: Vec<Round>,
    /// Blocks with late batches, less those in time, of each author.
    pub(crate) late: Vec<u32>,
    /// Accepted blocks with batches that no commit has ordered.
    pub(crate) unordered: BTreeSet<BlockRef>,
    pub(crate) own: Own,
    pub(crate) sync: Sync,
    pub(crate) amnesia: Option<Amnesia>,
    /// Collected rounds after each commit that is not certified.
    pub(crate) uncertified: BTreeMap<CommitIndex, Round>,
    pub(crate) certified: CommitIndex,
    pub(crate) dag_bytes: usize,
    /// The DAG has blocks that the committer has not seen.
    pub(crate) changed: bool,
    /// Collected rounds that the parts above know of.
    pub(crate) collected: Round,
    /// The epoch's last commit.
    pub(crate) last_commit: Option<CommitVote>,
    pub(crate) replaying: bool,
    pub(crate) halted: bool,
}

impl Core {
    /// Starts an epoch, or goes on after a state that was fetched, without any record of what this validator did since.
    ///
    /// # Panics
    /// When the committee, the own place in it, the rules and the state do not fit each other.
    #[must_use]
    pub fn new(config: CoreConfig, base: ConsensusState) -> Self {
        let committee = config.committee.clone();
        assert!(committee.get(config.own).is_some(), "the own place is in the committee");
        let verifier = Verifier {
            committee: committee.clone(),
            crypto: config.crypto.clone(),
            chain: base.chain,
            epoch: base.epoch,
            origin: base.origin,
            gc_depth: config.rules.gc_depth,
        };
        let size = committee.size();
        let genesis: Vec<BlockRef> = committee.authors().map(|author| verifier.genesis(author)).collect();
        // Times and decisions look at the round before the last leader's, and up.
        let assumed = base.ordered.iter().filter(|block| block.round.0 + 1 < base.round.0).copied().collect();
        let mut own = Own::new(genesis[usize::from(config.own.0)], size, config.pace.leader_timeout_ms);
        if let Some(last) = base.ordered.iter().rev().find(|block| block.author == config.own) {
            own.last = *last;
            own.floor = last.round;
        }
        Self {
            dag: Dag::new(committee.clone(), &base),
            batches: BatchPool::new(size, config.rules.gc_depth, &base.batches),
            amnesia: config.log_lost.then(Amnesia::default),
            sync: Sync::new(size),
            quorum_round: Round(base.gc_round.0.max(base.round.0.saturating_sub(1))),
            collected: base.gc_round,
            certified: base.index,
            committer: Committer::new(committee.clone(), config.rules.clone(), config.epoch_end, base),
            latest: genesis,
            referenced: vec![Round(0); size],
            late: vec![0; size],
            stats: CoreStats::default(),
            now: TimestampMs(0),
            opened_at: TimestampMs(0),
            outputs: Vec::new(),
            wake: None,
            waiting: Waiting::default(),
            held: BTreeMap::new(),
            held_until: BTreeSet::new(),
            rejected: BTreeSet::new(),
            evidence: BTreeSet::new(),
            unordered: BTreeSet::new(),
            uncertified: BTreeMap::new(),
            dag_bytes: 0,
            changed: false,
            last_commit: None,
            replaying: false,
            halted: false,
            assumed,
            own,
            committee,
            verifier,
            config,
        }
    }

    /// Takes one input and returns what is to be done, in order. Time never goes back: an earlier `now` counts as the
    /// latest one.
    pub fn step(&mut self, now: TimestampMs, input: Input) -> Vec<Output> {
        self.now = self.now.max(now);
        self.wake = None;
        match input {
            Input::Tick => {}
            Input::Message { from, message } => self.receive(from, message),
            Input::Connected(peer) => self.connected(peer),
            Input::Payload { round, transactions } => self.take_payload(round, transactions),
            Input::Transactions(transactions) => self.take_transactions(transactions),
            Input::Certified(index) => self.certify(index),
            Input::Throttle(on) => self.own.throttled = on,
        }
        self.release_held();
        self.settle();
        self.run_amnesia();
        while self.try_propose() {
            self.settle();
        }
        self.run_sync();
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.extend(self.wake.map(Output::WakeAt));
        outputs
    }

    /// The round that the next own block is for, at least.
    #[must_use]
    pub fn round(&self) -> Round {
        self.quorum_round.next()
    }

    /// State after the last commit.
    #[must_use]
    pub fn state(&self) -> &ConsensusState {
        self.committer.state()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &CoreStats {
        &self.stats
    }

    /// How often each part of the commit rule was exercised.
    #[must_use]
    pub fn commit_stats(&self) -> &CommitStats {
        self.committer.stats()
    }

    /// Whether the last commit ended the epoch.
    #[must_use]
    pub fn is_epoch_over(&self) -> bool {
        self.last_commit.is_some()
    }

    /// Whether it has lost its log and has not learnt yet how far it was.
    #[must_use]
    pub fn is_amnesiac(&self) -> bool {
        self.amnesia.is_some()
    }

    /// The leaders of a round, by slot, as the schedule that runs has them.
    #[must_use]
    pub fn leaders(&self, round: Round) -> Vec<Author> {
        self.committer.leaders(round)
    }

    /// Bytes of blocks and batches held in memory, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let held: usize = self.held.values().map(block_bytes).sum();
        self.dag_bytes + self.batches.bytes() + self.waiting.bytes() + held
    }

    pub(crate) fn gc_round(&self) -> Round {
        self.committer.gc_round()
    }

    /// Whether nobody has to wait for this block.
    pub(crate) fn is_settled(&self, reference: &BlockRef) -> bool {
        reference.round <= self.gc_round() || self.dag.contains(reference) || self.assumed.contains(reference)
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = Author> + use<> {
        let own = self.config.own;
        self.committee.authors().filter(move |author| *author != own)
    }

    /// Appends to the log, unless it comes from there.
    pub(crate) fn store(&mut self, record: Record) {
        if !self.replaying {
            self.outputs.push(Output::Store(record));
        }
    }

    pub(crate) fn send(&mut self, to: Author, message: Message) {
        if to != self.config.own {
            self.outputs.push(Output::Send { to, message });
        }
    }

    pub(crate) fn broadcast(&mut self, message: Message) {
        if self.committee.size() > 1 && !self.replaying {
            self.outputs.push(Output::Broadcast(message));
        }
    }

    /// Comes back at this time, or in the next millisecond if it has passed.
    pub(crate) fn wake_at(&mut self, time: TimestampMs) {
        let time = time.max(TimestampMs(self.now.0.saturating_add(1)));
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    pub(crate) fn fail(&mut self, fault: Fault) {
        if !std::mem::replace(&mut self.halted, true) {
            self.outputs.push(Output::Fault(fault));
        }
    }

    /// Commits what is decided, until nothing follows any more.
    pub(crate) fn settle(&mut self) {
        while std::mem::take(&mut self.changed) && !self.halted {
            let batches = &self.batches;
            let commits = self.committer.try_commit(&self.dag, &|digest| batches.get(digest).cloned());
            match commits {
                Ok(commits) => commits.into_iter().for_each(|committed| self.commit(committed)),
                Err(fault) => self.fail(fault),
            }
            self.collect();
        }
    }

    fn commit(&mut self, committed: Committed) {
        let commit = &committed.commit;
        self.stats.commits += 1;
        self.stats.slots_skipped += committed.skipped.len() as u64;
        let vote = CommitVote { index: commit.index, digest: commit.digest() };
        let collected = commit.leader.round.0.saturating_sub(self.config.rules.gc_depth);
        self.uncertified.insert(commit.index, Round(collected.max(self.collected.0)));
        for reference in &commit.blocks {
            self.unordered.remove(reference);
            for batch in self.dag.get(reference).map_or(&[][..], |block| &block.header().batches) {
                self.batches.close(&batch.digest);
                self.own.ordered(&batch.digest);
            }
        }
        self.own.vote(vote);
        let over = committed.end.as_ref().is_some_and(|end| end.epoch_end);
        self.outputs.push(Output::Commit(Box::new(committed)));
        if over {
            self.last_commit = Some(vote);
            self.unordered.clear();
            self.release_all();
        }
    }

    /// Follows the committer's collected rounds.
    fn collect(&mut self) {
        let gc_round = self.gc_round();
        if gc_round <= self.collected {
            return;
        }
        self.collected = gc_round;
        self.batches.collect(gc_round);
        let low = |reference: &BlockRef| reference.round <= gc_round;
        while self.unordered.first().is_some_and(low) {
            self.unordered.pop_first();
        }
        while self.rejected.first().is_some_and(low) {
            self.rejected.pop_first();
        }
        while self.assumed.first().is_some_and(low) {
            self.assumed.pop_first();
        }
        while let Some(entry) = self.held.first_entry().filter(|entry| low(entry.key())) {
            let (reference, block) = entry.remove_entry();
            self.held_until.remove(&(block.header().timestamp, reference));
            self.stats.gc_drops += 1;
        }
        let (dropped, ready) = self.waiting.collect(gc_round);
        self.stats.gc_drops += dropped;
        for suspended in ready {
            self.accept_suspended(suspended);
        }
        self.propose_collected_again(gc_round);
        self.forget();
    }

    fn certify(&mut self, index: CommitIndex) {
        self.certified = self.certified.max(index);
        self.forget();
    }

    /// Drops what nobody will ask for.
    fn forget(&mut self) {
        let certified = self.uncertified.range(..=self.certified).next_back().map(|(_, round)| *round);
        self.uncertified = self.uncertified.split_off(&self.certified);
        while self.uncertified.len() > UNCERTIFIED_COMMITS_MAX {
            self.uncertified.pop_first();
        }
        let depth = self.config.rules.gc_depth.saturating_mul(RETAIN_DEPTHS);
        let certified = certified.map_or(0, |round| round.0.saturating_sub(depth));
        let floor = self.gc_round().0.saturating_sub(RETAIN_ROUNDS_MAX).max(certified);
        let lowest = self.dag.lowest_round();
        if floor < lowest.0 {
            return;
        }
        for round in (lowest.0..=floor).map(Round) {
            self.dag_bytes -= self.dag.round(round).map(block_bytes).sum::<usize>();
        }
        self.dag.prune_below(Round(floor + 1));
        self.batches.drop_below(Round(floor));
        self.evidence = self.evidence.split_off(&(Round(floor), Author(0)));
    }
}
