//! Restarts: from the log, without it, and twice at once.
//!
//! # With the log
//! [`Core::recover`] takes the records in any order and decides again; commits come out again and are equal. The own
//! block of a round is in the log before it is sent, so that no round at or below the highest own one is proposed again.
//!
//! # Without the log
//! Validators with more than two thirds of the stake, this one excluded, say which of their own blocks and which of this
//! validator's is the latest. An own block of round r was built on a quorum of round r-1, which shares an honest
//! validator with those who answer: its latest block is of round r-1 or above. So no own block is above the highest
//! round heard of plus one, and proposing goes on two rounds above. An epoch that nobody has got beyond the first round
//! of begins at its first round: nobody would get further if those who start together waited for each other. Who has lost
//! its own log answers too: it counts among the faulty third.
//!
//! # Twice
//! An own block that this validator neither has nor may have forgotten was made by a second copy of it.

use std::collections::{BTreeMap, BTreeSet};

use noema_types::{Author, Round, TimestampMs};

use crate::mutant::{Mutant, planted};
use crate::{
    Block, BlockRef, BlockV1, ConsensusState, Core, CoreConfig, Fault, Message, Output, Record, VerifiedBlock,
};

/// Records taken in between two looks at what they decide.
const REPLAY_STEP: usize = 64;

/// What is known of the own past while the log is gone.
#[derive(Debug, Default)]
pub(crate) struct Amnesia {
    /// Blocks that each validator named: its latest one, and the latest of this validator. An answer counts once these
    /// blocks are accepted here, so that nobody can name a round that nobody reached.
    answers: BTreeMap<Author, Vec<BlockRef>>,
    asked_at: Option<TimestampMs>,
}

impl Core {
    /// Goes on where the records of the log end: those of this epoch since `base`, at least. Commits above `base` come
    /// out again; blocks and batches do not.
    ///
    /// A [`Record::Resumed`] among the records says that an earlier loss of the log is overcome: `log_lost` is ignored.
    ///
    /// # Errors
    /// [`Fault`] when a record cannot be one of this chain, or more than a third of the stake is faulty.
    pub fn recover(
        config: CoreConfig,
        base: ConsensusState,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Self, Vec<Output>), Fault> {
        let mut core = Self::new(config, base);
        core.replaying = true;
        for (place, record) in records.into_iter().enumerate() {
            core.replay(record)?;
            if place % REPLAY_STEP == 0 {
                core.settle();
            }
        }
        core.settle();
        core.replaying = false;
        core.recover_own();
        if planted(Mutant::ForgetProposed) {
            core.own.floor = Round(0);
        }
        let outputs = std::mem::take(&mut core.outputs);
        match outputs.iter().find_map(|output| if let Output::Fault(fault) = output { Some(fault) } else { None }) {
            Some(fault) => Err(fault.clone()),
            None => Ok((core, outputs)),
        }
    }

    fn replay(&mut self, record: Record) -> Result<(), Fault> {
        match record {
            Record::Proposed(round) => self.own.floor = self.own.floor.max(round),
            Record::Resumed(round) => {
                self.own.forgotten_below = round;
                self.own.floor = self.own.floor.max(Round(round.0.saturating_sub(1)));
                self.amnesia = None;
            }
            Record::Batch(batch) if batch.epoch == self.verifier.epoch => {
                let checked = self.verifier.check_batch(&batch, batch.author);
                let reference = checked.map_err(|reason| unusable(&reason.to_string()))?;
                let known = self.committee.get(batch.author).is_some();
                if known && self.verifier.last_round_of(reference.created) > self.gc_round() {
                    self.insert_batch(reference, batch.into());
                }
            }
            Record::Block(block) if block.v1().header.epoch == self.verifier.epoch => {
                let Block::V1(block) = block;
                self.replay_block(block)?;
            }
            Record::Batch(_) | Record::Block(_) => {}
        }
        Ok(())
    }

    fn replay_block(&mut self, block: BlockV1) -> Result<(), Fault> {
        let message = self.verifier.check_form(&block).map_err(|reason| {
            unusable(&format!("block of round {} of {}: {reason}", block.header.round, block.header.author.0))
        })?;
        let block = VerifiedBlock::with_message(block, message);
        let reference = block.reference();
        self.note_verified(&block);
        if reference.author == self.config.own && reference.round > self.own.last.round {
            self.own.last = reference;
        }
        if reference.author == self.config.own {
            self.own.floor = self.own.floor.max(reference.round);
        }
        self.admit(reference.author, block);
        Ok(())
    }

    /// Whether an own block that is not here may exist all the same.
    pub(crate) fn takes_unknown_own(&self, reference: &BlockRef) -> bool {
        self.replaying || self.amnesia.is_some() || reference.round < self.own.forgotten_below
    }

    /// Asks for the own past, and goes on once it is known.
    pub(crate) fn run_amnesia(&mut self) {
        let Some(amnesia) = &self.amnesia else { return };
        let counted = amnesia.answers.iter().filter(|(_, blocks)| blocks.iter().all(|block| self.is_settled(block)));
        let answered: BTreeSet<Author> = counted.clone().map(|(author, _)| *author).collect();
        let known = self.committee.stake_of(&answered) >= self.committee.quorum();
        if known || planted(Mutant::AmnesiaWithoutWaiting) {
            let blocks: Vec<BlockRef> = counted.flat_map(|(_, blocks)| blocks).copied().collect();
            self.resume(&blocks);
            return;
        }
        let retry = self.config.pace.fetch_retry_ms;
        let due = amnesia.asked_at.map_or(TimestampMs(0), |asked| TimestampMs(asked.0.saturating_add(retry)));
        if due > self.now {
            self.wake_at(due);
            return;
        }
        let silent: Vec<Author> = self.others().filter(|author| !answered.contains(author)).collect();
        for peer in silent {
            self.send(peer, Message::FetchLast { nonce: self.config.nonce });
        }
        if let Some(amnesia) = &mut self.amnesia {
            amnesia.asked_at = Some(self.now);
        }
        self.wake_at(TimestampMs(self.now.0.saturating_add(retry)));
    }

    fn resume(&mut self, named: &[BlockRef]) {
        self.amnesia = None;
        let highest = named.iter().map(|block| block.round).max().unwrap_or_default();
        // Whoever was past round 1 before has seen a quorum of round 1, and so would those asked.
        let fresh = highest.0 == 0;
        let resumed = if fresh { Round(1) } else { Round(highest.0.saturating_add(2)) };
        self.own.forgotten_below = resumed;
        self.own.floor = self.own.floor.max(Round(resumed.0 - 1));
        self.stats.amnesia_resumed += 1;
        self.store(Record::Resumed(resumed));
        self.outputs.push(Output::Sync);
    }

    pub(crate) fn serve_last(&mut self, to: Author, nonce: u64) {
        let latest = |author: Author| self.dag.get(&self.latest[usize::from(author.0)]).map(VerifiedBlock::to_block);
        let (own, yours) = (latest(self.config.own), latest(to));
        self.send(to, Message::Last { nonce, own, yours });
    }

    pub(crate) fn receive_last(&mut self, from: Author, nonce: u64, own: Option<Block>, yours: Option<Block>) {
        if self.amnesia.is_none() || nonce != self.config.nonce {
            return;
        }
        let is_of = |block: &Option<Block>, author: Author| {
            block.as_ref().is_none_or(|block| block.v1().header.author == author)
        };
        if !is_of(&own, from) || !is_of(&yours, self.config.own) {
            return;
        }
        let mut checked = Vec::new();
        for block in [own, yours].into_iter().flatten() {
            match self.verifier.check(block.clone()) {
                Ok(verified) => checked.push((block, verified)),
                Err(reason) => return self.stats.invalid(reason),
            }
        }
        if let Some(amnesia) = &mut self.amnesia {
            amnesia.answers.insert(from, checked.iter().map(|(_, verified)| verified.reference()).collect());
        }
        for (block, _) in checked {
            self.receive_block(from, block);
        }
    }
}

fn unusable(reason: &str) -> Fault {
    Fault::Log { reason: reason.to_owned() }
}
