//! The commit rule: a function of the accepted blocks that gives every validator the same sequence of commits.
//!
//! # What it guarantees
//! With less than a third of the stake faulty, two committers that start from one state emit sequences of which one is a
//! prefix of the other, whatever blocks they hold and in whatever order these came. Decisions are final: blocks that
//! come later decide more slots, never others. Nothing here knows time or peers.
//!
//! # Slots
//! Each round has `leaders` slots, given to distinct authors by the [schedule](crate::Rules). Slots are ordered by round,
//! then place. A slot is decided *commit* (one of its author's blocks of the round), *skip*, or not yet.
//!
//! ```text
//!   round    r                r+1                 r+2                 r+3 and up
//!            B  ◄── support ── V ◄── certificate ── C ◄── history ──── anchor
//!            leader block      direct ancestor     quorum of V         first slot not skipped
//! ```
//!
//! 1. A round r+1 block *supports* B if B is its direct ancestor. It supports at most one block of a slot.
//! 2. A round r+2 block *certifies* B if its ancestors that support B carry a quorum.
//! 3. *Direct commit*: a quorum of authors has round r+2 blocks that certify B.
//! 4. *Direct skip*: a quorum of authors has round r+1 blocks that support no block of the slot. An author that
//!    equivocates may count here and there: a block that certifies B would need a quorum too, and two quorums share an
//!    honest author.
//! 5. Otherwise the *anchor* decides: the first slot of round r+3 or above that is not skipped. If it is not decided,
//!    neither is the slot. If it is committed, the slot commits B if a round r+2 block in the anchor's history certifies
//!    B, and else is skipped.
//! 6. Two certified blocks in one slot prove that a third of the stake is faulty: [`Fault::TwoCertified`].
//!
//! Stake counts once per author everywhere. Slots are looked at from the highest round down, so that anchors are decided
//! first; commits are emitted in order up to the first slot that is not decided.
//!
//! # Windows
//! The schedule is fixed for a window of commits. The commit that ends one closes its round: slots of that round behind
//! it lapse (they would belong to authors of another draw, maybe to the one just committed), and what was found out
//! about slots of higher rounds is discarded and found out again for the new leaders.
//!
//! # Epochs
//! The first commit at or after the epoch's end is the last.

use std::collections::VecDeque;
use std::sync::Arc;

use noema_types::{Author, Committee, Round, TimestampMs};

use crate::dag::{AuthorSet, BlockSet, Dag};
use crate::limits::GC_DEPTH_MIN;
use crate::linearizer::{self, Batches, SubDag};
use crate::mutant::{Mutant, planted};
use crate::slicer::Slicer;
use crate::{BlockRef, Commit, Committed, ConsensusState, Fault, Rules, SliceEnd, schedule};

/// Decides slots and emits commits.
#[derive(Debug)]
pub struct Committer {
    committee: Arc<Committee>,
    rules: Rules,
    epoch_end: TimestampMs,
    state: ConsensusState,
    slicer: Slicer,
    /// Slots behind the last commit, in order and without gaps.
    slots: VecDeque<Slot>,
    stats: CommitStats,
    fault: Option<Fault>,
}

/// How often each part of the rule was exercised. For tests and metrics; nothing depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitStats {
    /// Commits by a quorum of certificates.
    pub direct_commits: u64,
    /// Commits by a certificate in the anchor's history.
    pub indirect_commits: u64,
    /// Skips by a quorum without support. Counted with the commit that follows, as all skips.
    pub direct_skips: u64,
    /// Skips by an anchor without a certificate in its history.
    pub indirect_skips: u64,
    /// Slots that had to wait because their anchor was not decided.
    pub undecided_anchors: u64,
    /// Decided slots of which the author had made more than one block.
    pub equivocated_slots: u64,
    /// Windows ended.
    pub schedule_changes: u64,
    /// Slots behind a window's last commit in its round.
    pub lapsed_slots: u64,
    /// Blocks that were collected without having been ordered.
    pub gc_drops: u64,
    /// Mentions of batches that were ordered before.
    pub duplicate_batches: u64,
    /// Mentions of batches outside of their author's blocks or too late.
    pub invalid_batches: u64,
    /// Execution blocks ended.
    pub slices: u64,
}

/// What is known about a slot that is not emitted. What blocks support and certify is final when they come in, so that
/// each block is looked at once.
#[derive(Debug)]
struct Slot {
    round: Round,
    author: Author,
    /// Blocks of round r+1 that were looked at.
    voters_seen: usize,
    /// Blocks of round r+2 that were looked at.
    certifiers_seen: usize,
    /// Blocks of the slot that have support.
    candidates: Vec<Candidate>,
    /// Authors with a round r+1 block that supports none.
    blames: AuthorSet,
    status: Status,
    direct: bool,
    waited: bool,
}

#[derive(Debug)]
struct Candidate {
    block: BlockRef,
    /// Number of the block in its round.
    number: usize,
    /// Blocks of round r+1 that support it.
    supporters: BlockSet,
    /// Blocks of round r+2 that certify it.
    certificates: BlockSet,
    /// Their authors.
    certifiers: AuthorSet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Undecided,
    Commit(BlockRef),
    Skip,
}

impl Committer {
    /// Goes on after `state`, which is that of an epoch's start or of the end of an execution block.
    ///
    /// # Panics
    /// When the state is not of the committee's epoch, or the rules are none: windows without commits, or a collection
    /// depth below [`GC_DEPTH_MIN`].
    #[must_use]
    pub fn new(committee: Arc<Committee>, rules: Rules, epoch_end: TimestampMs, state: ConsensusState) -> Self {
        assert_eq!(committee.epoch(), state.epoch, "the committee is that of the state's epoch");
        assert_eq!(committee.size(), state.schedule.scores.len(), "each validator has a score");
        assert!(rules.window_commits > 0, "a window has commits");
        assert!(rules.gc_depth >= GC_DEPTH_MIN, "a collection depth of {} is below {GC_DEPTH_MIN}", rules.gc_depth);
        Self {
            committee,
            rules,
            epoch_end,
            slicer: Slicer::new(state.timestamp),
            state,
            slots: VecDeque::new(),
            stats: CommitStats::default(),
            fault: None,
        }
    }

    /// Emits the commits that the blocks decide. `dag` is the same each time, and holds all blocks above
    /// [`Committer::gc_round`] that were accepted; `batch` gives what they name.
    ///
    /// # Errors
    /// [`Fault`]: nothing more is emitted ever. Commits found in the same call come first, the fault with the next call.
    pub fn try_commit(&mut self, dag: &Dag, batch: Batches<'_>) -> Result<Vec<Committed>, Fault> {
        let mut commits = Vec::new();
        while self.fault.is_none() && (!self.is_epoch_over() || planted(Mutant::EpochWithoutEnd)) {
            match self.advance(dag, batch) {
                Ok(Some(committed)) => commits.push(committed),
                Ok(None) => break,
                Err(fault) => self.fault = Some(fault),
            }
        }
        match &self.fault {
            Some(fault) if commits.is_empty() => Err(fault.clone()),
            _ => Ok(commits),
        }
    }

    /// State after the last commit.
    #[must_use]
    pub fn state(&self) -> &ConsensusState {
        &self.state
    }

    /// The leaders of a round, by slot, as far as the running window goes.
    #[must_use]
    pub fn leaders(&self, round: Round) -> Vec<Author> {
        schedule::leaders(&self.committee, &self.rules, self.state.chain, &self.state.schedule, round)
    }

    /// Rounds up to this one are collected.
    #[must_use]
    pub fn gc_round(&self) -> Round {
        self.state.gc_round
    }

    /// Whether the last commit ended the epoch.
    #[must_use]
    pub fn is_epoch_over(&self) -> bool {
        self.state.round.0 > 0 && self.state.timestamp >= self.epoch_end
    }

    /// What was exercised so far.
    #[must_use]
    pub fn stats(&self) -> &CommitStats {
        &self.stats
    }

    /// The next commit, if it is decided.
    fn advance(&mut self, dag: &Dag, batch: Batches<'_>) -> Result<Option<Committed>, Fault> {
        self.follow(dag)?;
        self.decide(dag)?;
        let Some(place) = self.next_place() else { return Ok(None) };
        match self.slots[place].status {
            Status::Commit(leader) => self.emit(dag, place, &leader, batch).map(Some),
            Status::Undecided | Status::Skip => Ok(None),
        }
    }

    /// The first slot that is not skipped.
    fn next_place(&self) -> Option<usize> {
        let passed =
            |status| status == Status::Skip || planted(Mutant::JumpOverUndecided) && status == Status::Undecided;
        self.slots.iter().position(|slot| !passed(slot.status))
    }

    /// Takes the blocks in that came since the last call. A slot can be decided as soon as its next round has blocks.
    fn follow(&mut self, dag: &Dag) -> Result<(), Fault> {
        let first = match self.slots.back() {
            Some(last) => last.round.next(),
            None if self.state.round.0 == 0 => Round(1),
            None => self.state.round,
        };
        for round in (first.0..dag.highest_round().0).map(Round) {
            let leaders = self.leaders(round);
            let done = if round == self.state.round { usize::from(self.state.slot) + 1 } else { 0 };
            self.slots.extend(leaders.into_iter().skip(done).map(|author| Slot::new(round, author)));
        }
        for slot in &mut self.slots {
            slot.follow(&self.committee, dag)?;
        }
        Ok(())
    }

    /// Decides what can be decided, from the highest round down.
    fn decide(&mut self, dag: &Dag) -> Result<(), Fault> {
        for place in (0..self.slots.len()).rev() {
            if self.slots[place].status != Status::Undecided {
                continue;
            }
            let direct = self.slots[place].decide_directly(&self.committee);
            self.slots[place].direct = direct != Status::Undecided;
            self.slots[place].status = match direct {
                Status::Undecided => self.decide_by_anchor(dag, place)?,
                decided => decided,
            };
        }
        Ok(())
    }

    fn decide_by_anchor(&mut self, dag: &Dag, place: usize) -> Result<Status, Fault> {
        let lowest = Round(self.slots[place].round.0 + if planted(Mutant::AnchorTooLow) { 2 } else { 3 });
        let from = self.slots.partition_point(|slot| slot.round < lowest);
        let anchor = self.slots.range(from..).map(|slot| slot.status).find(|status| *status != Status::Skip);
        match anchor {
            Some(Status::Commit(anchor)) => self.slots[place].decide_in_history(dag, &anchor),
            Some(_) => {
                self.stats.undecided_anchors += u64::from(!std::mem::replace(&mut self.slots[place].waited, true));
                Ok(Status::Undecided)
            }
            None => Ok(Status::Undecided),
        }
    }

    /// Commits the leader of the slot at `place`; the ones before are skipped.
    fn emit(&mut self, dag: &Dag, place: usize, leader: &BlockRef, batch: Batches<'_>) -> Result<Committed, Fault> {
        let block = dag.get(leader).expect("a block that others support is held");
        let sub_dag = linearizer::linearize(&self.state, &self.rules, &self.committee, dag, block, batch)?;
        assert_eq!(sub_dag.blocks.last(), Some(leader), "a leader is ordered by its own commit");
        let skipped: Vec<Author> = self.slots.range(..place).map(|slot| slot.author).collect();
        self.count(dag, place, leader, &sub_dag);
        self.slots.drain(..=place);
        let last_of_round = schedule::slots(&self.committee, &self.rules) - 1;
        let left = self.slots.iter().take_while(|slot| slot.round == leader.round).count();
        self.state.slot = last_of_round - u16::try_from(left).expect("slots of a round are few");
        linearizer::record(&mut self.state, &self.rules, leader, &sub_dag);
        if planted(Mutant::CollectByOwnView) {
            self.state.gc_round = Round(dag.highest_round().0.saturating_sub(self.rules.gc_depth));
        }
        let voters = linearizer::authors_of(&self.state, Round(leader.round.0 - 1));
        let (committee, rules) = (&self.committee, &self.rules);
        if schedule::record_commit(&mut self.state.schedule, committee, rules, &sub_dag.in_time, &skipped) {
            if !planted(Mutant::StaleSchedule) {
                self.slots.clear();
                self.state.slot = last_of_round;
            }
            self.stats.schedule_changes += 1;
            self.stats.lapsed_slots += left as u64;
        }
        let SubDag { blocks, batches, timestamp, .. } = sub_dag;
        let commit = Commit {
            index: self.state.index.next(),
            previous: self.state.digest,
            epoch: self.state.epoch,
            leader: *leader,
            blocks,
            timestamp,
        };
        self.state.index = commit.index;
        self.state.digest = commit.digest();
        let epoch_end = self.is_epoch_over();
        let ends = self.slicer.add(&self.rules, timestamp, batches.iter().map(Arc::as_ref), epoch_end);
        self.stats.slices += u64::from(ends);
        let end = ends.then(|| Box::new(SliceEnd { state: self.state.clone(), epoch_end }));
        Ok(Committed { commit, batches, skipped, voters, end })
    }

    fn count(&mut self, dag: &Dag, place: usize, leader: &BlockRef, sub_dag: &SubDag) {
        let stats = &mut self.stats;
        for slot in self.slots.range(..place) {
            *if slot.direct { &mut stats.direct_skips } else { &mut stats.indirect_skips } += 1;
        }
        *if self.slots[place].direct { &mut stats.direct_commits } else { &mut stats.indirect_commits } += 1;
        let equivocated = |slot: &&Slot| dag.slot(slot.round, slot.author).nth(1).is_some();
        stats.equivocated_slots += self.slots.range(..=place).filter(equivocated).count() as u64;
        stats.duplicate_batches += sub_dag.duplicates;
        stats.invalid_batches += sub_dag.invalid;
        let collected = (self.state.gc_round.0 + 1)..=leader.round.0.saturating_sub(self.rules.gc_depth);
        let dropped = collected.flat_map(|round| dag.round(Round(round))).filter(|block| {
            let reference = block.reference();
            !linearizer::is_ordered(&self.state, &reference) && sub_dag.blocks.binary_search(&reference).is_err()
        });
        stats.gc_drops += dropped.count() as u64;
    }
}

impl Slot {
    fn new(round: Round, author: Author) -> Self {
        Self {
            round,
            author,
            voters_seen: 0,
            certifiers_seen: 0,
            candidates: Vec::new(),
            blames: AuthorSet::default(),
            status: Status::Undecided,
            direct: false,
            waited: false,
        }
    }

    /// Looks at the blocks of rounds r+1 and r+2 that came since the last time. Those of r+1 come first: all that a
    /// round r+2 block builds on was there before it.
    fn follow(&mut self, committee: &Committee, dag: &Dag) -> Result<(), Fault> {
        let Some(voters) = dag.layer(Round(self.round.0 + 1)) else { return Ok(()) };
        for (number, voter) in voters.nodes().iter().enumerate().skip(self.voters_seen) {
            let supported = dag.layer(self.round).and_then(|layer| {
                layer.slot(self.author).find(|block| voter.parents().contains(*block)).map(|block| (layer, block))
            });
            match supported {
                None => self.blames.add(voter.block().author(), committee),
                Some((layer, block)) => {
                    let reference = layer.nodes()[block].block().reference();
                    _ = self.candidate(block, reference).supporters.insert(number);
                }
            }
        }
        self.voters_seen = voters.nodes().len();
        let Some(certifiers) = dag.layer(Round(self.round.0 + 2)) else { return Ok(()) };
        for (number, certifier) in certifiers.nodes().iter().enumerate().skip(self.certifiers_seen) {
            for candidate in &mut self.candidates {
                let mut support = AuthorSet::default();
                for voter in certifier.parents().both(&candidate.supporters) {
                    support.add(voters.nodes()[voter].block().author(), committee);
                }
                let weak = planted(Mutant::WeakCertificate) && support.reaches(committee.validity());
                if support.is_quorum(committee) || weak {
                    _ = candidate.certificates.insert(number);
                    candidate.certifiers.add(certifier.block().author(), committee);
                }
            }
        }
        self.certifiers_seen = certifiers.nodes().len();
        let mut certified = self.candidates.iter().filter(|candidate| !candidate.certificates.is_empty());
        match (certified.next(), certified.next()) {
            (Some(one), Some(two)) => Err(two_certified(one.block, two.block)),
            _ => Ok(()),
        }
    }

    fn candidate(&mut self, number: usize, block: BlockRef) -> &mut Candidate {
        let same = |candidate: &Candidate| candidate.number == number || planted(Mutant::NoDigestTieBreak);
        let place = self.candidates.iter().position(same).unwrap_or_else(|| {
            self.candidates.push(Candidate {
                block,
                number,
                supporters: BlockSet::default(),
                certificates: BlockSet::default(),
                certifiers: AuthorSet::default(),
            });
            self.candidates.len() - 1
        });
        &mut self.candidates[place]
    }

    fn decide_directly(&self, committee: &Committee) -> Status {
        let committed = self.candidates.iter().find(|candidate| candidate.certifiers.is_quorum(committee));
        match committed {
            Some(candidate) => Status::Commit(candidate.block),
            None if self.blames.is_quorum(committee) => Status::Skip,
            None if planted(Mutant::SkipOnValidity) && self.blames.reaches(committee.validity()) => Status::Skip,
            None => Status::Undecided,
        }
    }

    /// What a committed anchor says: commit what a certificate in its history names, else skip.
    fn decide_in_history(&self, dag: &Dag, anchor: &BlockRef) -> Result<Status, Fault> {
        let round = Round(self.round.0 + 2);
        let mut history = BlockSet::default();
        let missing = dag.walk(anchor, Round(round.0 - 1), |number, block| {
            if block.round() == round {
                _ = history.insert(number);
            }
            true
        });
        assert!(missing.is_empty(), "the history of an anchor is held, but {} is not", missing[0]);
        let mut certified =
            self.candidates.iter().filter(|candidate| candidate.certificates.both(&history).next().is_some());
        match (certified.next(), certified.next()) {
            (Some(one), Some(two)) => Err(two_certified(one.block, two.block)),
            (Some(one), None) => Ok(Status::Commit(one.block)),
            (None, _) => Ok(Status::Skip),
        }
    }
}

fn two_certified(one: BlockRef, two: BlockRef) -> Fault {
    Fault::TwoCertified { first: one.min(two), second: one.max(two) }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
