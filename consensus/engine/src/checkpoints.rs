//! Certifies executed blocks: a pure state machine of votes.
//!
//! Rules:
//! 1. A block that was executed becomes a checkpoint that covers the one before. Its height and digest are stored
//!    durably before it is signed, and no other digest of that height is ever signed.
//! 2. Votes of one height are kept apart by digest, the latest of each validator. Once those for a digest have a quorum
//!    they are added up and checked in one; only if that fails is each checked, and who sent a wrong one is not heard
//!    again for that height.
//! 3. Blocks are certified in order of height. A certificate for another digest than the own: the own execution is wrong
//!    (*divergence*). Everything executed and not certified is forgotten and executed again; meanwhile nothing is
//!    signed. If the second result is wrong too, this validator halts.
//! 4. Votes that can make no quorum for any digest, even with those that are missing, are waited on for a while; then
//!    the chain halts, for nobody can tell which result is right.
//! 5. Votes are sent again while the certificate is missing; whoever has it answers with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use noema_crypto::{aggregate_certificate, verify_certified, verify_checkpoint_signature};
use noema_types::{
    Author, BlsSignature, CertifiedCheckpoint, Checkpoint, CheckpointData, CommitIndex, Committee, Hash, Height, Stake,
    TimestampMs,
};

use crate::limits::{RECENT_CERTIFICATES, RESEND_VOTES_MAX, VOTE_WINDOW};
use crate::wire::Vote;
use crate::{ExecutedBlock, NextEpoch};

/// What is known of a block when it was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutedResult {
    pub(crate) height: Height,
    pub(crate) timestamp: TimestampMs,
    pub(crate) commit: CommitIndex,
    pub(crate) commit_digest: Hash,
    pub(crate) consensus_state: Hash,
    pub(crate) block: ExecutedBlock,
}

/// Something to be done.
#[expect(clippy::large_enum_variant, reason = "values that live shortly and are moved once or twice")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PoolOutput {
    /// Store this durably, then call [`CheckpointPool::stored`].
    Store { height: Height, digest: Hash },
    /// Send to all.
    Broadcast(Vote),
    /// Send to one.
    Send(Author, Vote),
    /// Send a certificate to one; it is in the ledger if not given.
    Serve(Author, Height, Option<CertifiedCheckpoint>),
    /// The oldest block that is executed and not certified is certified; the epoch that follows, if it ends one.
    Certified(CertifiedCheckpoint, Option<NextEpoch>),
    /// Ask all for the certificate of this height.
    Want(Height),
    /// Forget what was executed and not certified and execute it again.
    Diverged { own: Checkpoint, certified: CertifiedCheckpoint },
    /// Validators with more than a third of the stake are this far, out of reach.
    Behind(Height),
    /// Stop.
    Halt(String),
}

#[derive(Debug)]
struct Own {
    checkpoint: Checkpoint,
    digest: Hash,
    next: Option<NextEpoch>,
    signature: Option<BlsSignature>,
    /// Ticks since it was signed.
    ticks: u32,
}

#[derive(Debug, Default)]
struct Votes {
    by_author: BTreeMap<Author, (Hash, BlsSignature)>,
    checkpoints: BTreeMap<Hash, Checkpoint>,
    liars: BTreeSet<Author>,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct CheckpointPool {
    chain: Hash,
    committee: Arc<Committee>,
    own: Option<Author>,
    split_timeout: Duration,
    /// Last certified height and the digest of its checkpoint.
    certified: (Height, Hash),
    executed: BTreeMap<Height, Own>,
    signed: BTreeMap<Height, Hash>,
    votes: BTreeMap<Height, Votes>,
    certificates: BTreeMap<Height, CertifiedCheckpoint>,
    recent: BTreeMap<Height, CertifiedCheckpoint>,
    /// Highest block that each validator voted for, in this epoch or a later one.
    heights: BTreeMap<Author, Height>,
    /// Height at which this validator was wrong, until it is right.
    suspect: Option<Height>,
    /// Since when the votes of the next height can make no quorum.
    split: Option<(Height, Duration)>,
}

impl CheckpointPool {
    pub(crate) fn new(
        chain: Hash,
        committee: Arc<Committee>,
        own: Option<Author>,
        certified: (Height, Hash),
        signed: BTreeMap<Height, Hash>,
        split_timeout: Duration,
    ) -> Self {
        Self {
            chain,
            committee,
            own,
            split_timeout,
            certified,
            executed: BTreeMap::new(),
            signed,
            votes: BTreeMap::new(),
            certificates: BTreeMap::new(),
            recent: BTreeMap::new(),
            heights: BTreeMap::new(),
            suspect: None,
            split: None,
        }
    }

    /// Begins anew above a certified block: the next epoch, or after synchronisation.
    pub(crate) fn reset(&mut self, committee: Arc<Committee>, own: Option<Author>, certified: (Height, Hash)) {
        self.executed.clear();
        self.suspect = None;
        self.split = None;
        if committee.epoch() != self.committee.epoch() {
            self.votes.clear();
            self.certificates.clear();
            self.heights.clear();
        }
        (self.committee, self.own, self.certified) = (committee, own, certified);
        self.drop_old();
    }

    /// The committee that certifies now.
    pub(crate) fn committee(&self) -> &Arc<Committee> {
        &self.committee
    }

    /// Last certified height.
    #[cfg(test)]
    pub(crate) fn certified(&self) -> Height {
        self.certified.0
    }

    /// The own result of the next block.
    pub(crate) fn executed(&mut self, result: ExecutedResult) -> Vec<PoolOutput> {
        let height = result.height;
        let previous = match self.executed.last_key_value() {
            Some((last, own)) => (last.next(), own.digest),
            None => (self.certified.0.next(), self.certified.1),
        };
        if height != previous.0 {
            return Vec::new();
        }
        let checkpoint = Checkpoint::V1(CheckpointData {
            chain: self.chain,
            epoch: self.committee.epoch(),
            height,
            previous: previous.1,
            version: result.block.version,
            state_root: result.block.state_root,
            accumulator_root: result.block.accumulator_root,
            timestamp: result.timestamp,
            commit_index: result.commit,
            commit_digest: result.commit_digest,
            consensus_state: result.consensus_state,
            next_committee: result.block.next.as_ref().map(|next| next.committee.hash()),
        });
        let digest = checkpoint.digest();
        self.executed.insert(height, Own { checkpoint, digest, next: result.block.next, signature: None, ticks: 0 });
        let mut outputs = Vec::new();
        if self.own.is_some() && self.suspect.is_none() {
            match self.signed.get(&height) {
                Some(before) if *before != digest => tracing::warn!(
                    %height, signed = %before, executed = %digest,
                    "another checkpoint of this height was signed before; this one is not"
                ),
                _ => outputs.push(PoolOutput::Store { height, digest }),
            }
        }
        self.advance(&mut outputs);
        outputs
    }

    /// The height and digest are durable: signs. `sign` is called for the checkpoint that was stored.
    pub(crate) fn stored(
        &mut self,
        height: Height,
        digest: Hash,
        sign: impl FnOnce(&Checkpoint) -> BlsSignature,
    ) -> Vec<PoolOutput> {
        self.signed.insert(height, digest);
        let Some(author) = self.own else { return Vec::new() };
        let Some(own) = self.executed.get_mut(&height).filter(|own| own.digest == digest) else { return Vec::new() };
        let signature = sign(&own.checkpoint);
        own.signature = Some(signature);
        let vote = Vote { checkpoint: own.checkpoint.clone(), signature, waiting: false };
        let mut outputs = vec![PoolOutput::Broadcast(vote.clone())];
        self.add_vote(author, vote);
        self.advance(&mut outputs);
        outputs
    }

    /// A vote of a member of the committee.
    pub(crate) fn vote(&mut self, from: Author, vote: Vote) -> Vec<PoolOutput> {
        let mut outputs = Vec::new();
        let data = vote.checkpoint.data();
        if data.chain != self.chain || Some(from) == self.own {
            return outputs;
        }
        if data.height <= self.certified.0 {
            if vote.waiting {
                let height = data.height;
                outputs.push(PoolOutput::Serve(from, height, self.recent.get(&height).cloned()));
            }
            return outputs;
        }
        let highest = self.heights.entry(from).or_default();
        *highest = data.height.max(*highest);
        if data.epoch != self.committee.epoch() || data.height.0 > self.certified.0.0 + VOTE_WINDOW {
            return outputs;
        }
        self.add_vote(from, vote);
        self.advance(&mut outputs);
        outputs
    }

    /// A member of the committee asks for a certificate.
    pub(crate) fn wanted(&self, from: Author, height: Height) -> Vec<PoolOutput> {
        let known = height <= self.certified.0;
        let serve = known.then(|| PoolOutput::Serve(from, height, self.recent.get(&height).cloned()));
        serve.into_iter().collect()
    }

    /// A certificate from anybody.
    pub(crate) fn certificate(&mut self, certified: CertifiedCheckpoint) -> Vec<PoolOutput> {
        let mut outputs = Vec::new();
        let data = certified.data();
        let window = self.certified.0.0 + 1..=self.certified.0.0 + VOTE_WINDOW;
        let wanted = data.chain == self.chain
            && data.epoch == self.committee.epoch()
            && window.contains(&data.height.0)
            && !self.certificates.contains_key(&data.height);
        if wanted && verify_certified(&self.committee, &certified).is_ok() {
            let height = data.height;
            self.certificates.insert(height, certified);
            self.advance(&mut outputs);
        }
        outputs
    }

    /// Time passed: votes are sent again, a split is noticed. `now` is since any fixed moment.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<PoolOutput> {
        let mut outputs = Vec::new();
        for own in self.executed.values_mut().take(RESEND_VOTES_MAX) {
            own.ticks += 1;
            if let Some(signature) = own.signature.filter(|_| own.ticks > 1) {
                outputs.push(PoolOutput::Broadcast(Vote {
                    checkpoint: own.checkpoint.clone(),
                    signature,
                    waiting: true,
                }));
            }
        }
        // Nothing was signed for some heights, and their certificates are wanted all the same.
        let unsigned = self.executed.iter().filter(|(_, own)| own.signature.is_none() && own.ticks > 1);
        outputs.extend(unsigned.take(RESEND_VOTES_MAX).map(|(height, _)| PoolOutput::Want(*height)));
        if let Some(height) = self.reached_by_others().filter(|height| height.0 > self.certified.0.0 + VOTE_WINDOW) {
            outputs.push(PoolOutput::Behind(height));
        }
        self.check_split(now, &mut outputs);
        outputs
    }

    /// A member of the committee is connected: it may have missed the own votes.
    pub(crate) fn connected(&self, peer: Author) -> Vec<PoolOutput> {
        let votes = self.executed.values().filter_map(|own| {
            let signature = own.signature?;
            Some(PoolOutput::Send(peer, Vote { checkpoint: own.checkpoint.clone(), signature, waiting: true }))
        });
        votes.take(RESEND_VOTES_MAX).collect()
    }

    fn add_vote(&mut self, from: Author, vote: Vote) {
        let votes = self.votes.entry(vote.checkpoint.data().height).or_default();
        if votes.liars.contains(&from) {
            return;
        }
        let digest = vote.checkpoint.digest();
        let before = votes.by_author.insert(from, (digest, vote.signature));
        votes.checkpoints.entry(digest).or_insert(vote.checkpoint);
        if let Some((old, _)) = before
            && !votes.by_author.values().any(|(other, _)| *other == old)
        {
            votes.checkpoints.remove(&old);
        }
    }

    /// Certifies as many blocks as there are quorums for.
    fn advance(&mut self, outputs: &mut Vec<PoolOutput>) {
        loop {
            let height = self.certified.0.next();
            if !self.executed.contains_key(&height) {
                return;
            }
            let Some(certified) = self.certificate_of(height) else { return };
            let own = &self.executed[&height];
            if certified.checkpoint == own.checkpoint {
                let digest = own.digest;
                let next = own.next.clone();
                let ends = next.is_some();
                self.certified = (height, digest);
                if self.suspect == Some(height) {
                    tracing::warn!(%height, "the block executed again is what the others certified: going on");
                    self.suspect = None;
                }
                self.recent.insert(height, certified.clone());
                outputs.push(PoolOutput::Certified(certified, next));
                self.drop_old();
                if ends {
                    return;
                }
                continue;
            }
            let own = own.checkpoint.clone();
            if self.suspect == Some(height) {
                outputs.push(PoolOutput::Halt(format!(
                    "block {height} was executed twice, on slower paths too, to checkpoint {}, and a quorum certified {}\n\
                     hint: this machine computes wrong results; run the validator on another, from the same folders",
                    own.digest(),
                    certified.checkpoint.digest()
                )));
            } else {
                self.suspect = Some(height);
                outputs.push(PoolOutput::Diverged { own, certified });
            }
            self.executed.clear();
            return;
        }
    }

    /// A certificate for a height, made of votes where they suffice.
    fn certificate_of(&mut self, height: Height) -> Option<CertifiedCheckpoint> {
        if let Some(certified) = self.certificates.get(&height) {
            return Some(certified.clone());
        }
        let votes = self.votes.get_mut(&height)?;
        let digests: Vec<Hash> = votes.checkpoints.keys().copied().collect();
        for digest in digests {
            if let Some(certified) = votes.aggregate(&self.committee, digest) {
                self.certificates.insert(height, certified.clone());
                return Some(certified);
            }
        }
        None
    }

    /// The height that validators with more than a third of the stake have reached.
    fn reached_by_others(&self) -> Option<Height> {
        let mut heights: Vec<(Height, Author)> =
            self.heights.iter().map(|(author, height)| (*height, *author)).collect();
        heights.sort_unstable();
        let mut stake = 0;
        heights.into_iter().rev().find_map(|(height, author)| {
            stake += self.committee.stake(author).0;
            (stake >= self.committee.validity().0).then_some(height)
        })
    }

    fn check_split(&mut self, now: Duration, outputs: &mut Vec<PoolOutput>) {
        let height = self.certified.0.next();
        let Some(digests) = self.votes.get(&height).and_then(|votes| votes.split(&self.committee)) else {
            self.split = None;
            return;
        };
        match self.split {
            Some((at, since)) if at == height => {
                if now.saturating_sub(since) >= self.split_timeout {
                    let all: Vec<String> =
                        digests.iter().map(|(digest, stake)| format!("{digest} by a stake of {stake}")).collect();
                    outputs.push(PoolOutput::Halt(format!(
                        "block {height} came to different results on validators, and none has a quorum: {}\n\
                         hint: compare machines, replace those that are wrong and start them with `resign_from` = \
                         {height}; runbook: docs/validators.md, \"No quorum for any state\"",
                        all.join(", ")
                    )));
                    self.split = None;
                }
            }
            _ => {
                tracing::error!(%height, ?digests, "validators came to different results, none of which has a quorum");
                self.split = Some((height, now));
            }
        }
    }

    fn drop_old(&mut self) {
        let first = self.certified.0.next();
        self.executed = self.executed.split_off(&first);
        self.votes = self.votes.split_off(&first);
        self.certificates = self.certificates.split_off(&first);
        self.signed = self.signed.split_off(&first);
        while self.recent.len() > RECENT_CERTIFICATES {
            self.recent.pop_first();
        }
    }
}

impl Votes {
    /// A checked certificate for a digest, if its votes have a quorum. Wrong votes are thrown out.
    fn aggregate(&mut self, committee: &Committee, digest: Hash) -> Option<CertifiedCheckpoint> {
        let checkpoint = self.checkpoints.get(&digest)?.clone();
        loop {
            let agreeing = self.by_author.iter().filter(|(_, (of, _))| *of == digest);
            let votes: BTreeMap<Author, BlsSignature> = agreeing.map(|(author, (_, vote))| (*author, *vote)).collect();
            if committee.stake_of(&votes.keys().copied().collect()) < committee.quorum() {
                return None;
            }
            if let Ok(certificate) = aggregate_certificate(committee, &checkpoint, &votes) {
                let certified = CertifiedCheckpoint { checkpoint: checkpoint.clone(), certificate };
                if verify_certified(committee, &certified).is_ok() {
                    return Some(certified);
                }
            }
            let before = self.liars.len();
            for (author, vote) in votes {
                if !verify_checkpoint_signature(committee, author, &checkpoint, &vote) {
                    tracing::warn!(%author, height = %checkpoint.data().height, "a vote's signature is wrong");
                    self.liars.insert(author);
                    self.by_author.remove(&author);
                }
            }
            if self.liars.len() == before {
                return None;
            }
        }
    }

    /// The digests and their stakes, if no digest can reach a quorum any more.
    fn split(&self, committee: &Committee) -> Option<Vec<(Hash, Stake)>> {
        let mut stakes: BTreeMap<Hash, u64> = BTreeMap::new();
        let mut voted = 0;
        for (author, (digest, _)) in &self.by_author {
            let stake = committee.stake(*author).0;
            *stakes.entry(*digest).or_default() += stake;
            voted += stake;
        }
        let most = stakes.values().copied().max()?;
        let missing = committee.total_stake().0 - voted;
        let split = stakes.len() > 1 && most + missing < committee.quorum().0;
        split.then(|| stakes.into_iter().map(|(digest, stake)| (digest, Stake(stake))).collect())
    }
}

#[cfg(test)]
mod tests;
