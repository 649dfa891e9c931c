//! Random bytes, mutated messages, well-signed blocks that break one rule each, answers nobody asked for, false votes.

use std::rc::Rc;

use bytes::Bytes;
use noema_dag::{
    Batch, BatchDigest, Block, BlockDigest, BlockHeader, BlockRef, CommitDigest, CommitVote, ConsensusState, Message,
};
use noema_types::{Author, CommitIndex, Ed25519Signature, Epoch, Hash, Round, TimestampMs};

use super::puppet::{Content, Place, Puppet};
use super::{Adversary, Evil};
use crate::NodeId;
use crate::ledger::Certificate;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct Garbage {
    puppet: Puppet,
    last: Option<Message>,
}

impl Garbage {
    pub(super) fn new(node: NodeId) -> Self {
        Self { puppet: Puppet::new(node), last: None }
    }

    fn bytes(&self, evil: &mut Evil<'_>) -> Vec<u8> {
        let length = evil.dice.index(200);
        let Some(message) = &self.last else { return evil.dice.bytes(length) };
        let mut bytes = message.to_bytes().to_vec();
        if bytes.is_empty() || evil.dice.chance(200) {
            return evil.dice.bytes(length);
        }
        for _ in 0..evil.dice.between(1, 4) {
            let at = evil.dice.index(bytes.len());
            bytes[at] ^= 1 << evil.dice.below(8);
        }
        if evil.dice.chance(200) {
            bytes.truncate(evil.dice.index(bytes.len()));
        }
        bytes
    }

    /// A block that is signed well and breaks a rule.
    fn broken_block(&mut self, evil: &mut Evil<'_>) -> Option<Block> {
        let transactions = vec![evil.dice.bytes(10).into()];
        let content = Content { transactions, timestamp: evil.now_ms, ..Content::default() };
        let block = self.puppet.build(evil, content)?;
        let mut header = block.v1().header.clone();
        let mut inline = block.v1().inline.clone();
        break_rule(evil, &mut header, &mut inline);
        Some(self.puppet.place()?.sign(header, inline))
    }

    fn nonsense(&mut self, evil: &mut Evil<'_>) -> Option<Message> {
        let random = |evil: &mut Evil<'_>| {
            let digest = BlockDigest(Hash(evil.dice.bytes(32).try_into().expect("32 bytes")));
            BlockRef { round: Round(evil.dice.below(60)), author: Author(evil.dice.below(6) as u16), digest }
        };
        Some(match evil.dice.below(9) {
            0..=3 => Message::Block(self.broken_block(evil)?),
            4 => Message::FetchBlocks((0..evil.dice.below(1_500)).map(|_| random(evil)).collect()),
            5 => {
                let held_from = Round(if evil.dice.chance(500) { u64::MAX } else { evil.dice.below(100) });
                let blocks = self.puppet.known().values().take(3).cloned().collect();
                Message::Blocks { blocks, held_from }
            }
            6 => {
                let digest = |evil: &mut Evil<'_>| BatchDigest(Hash(evil.dice.bytes(32).try_into().expect("32 bytes")));
                Message::FetchBatches((0..evil.dice.below(20)).map(|_| digest(evil)).collect())
            }
            7 => {
                let author = Author(evil.dice.below(8) as u16);
                let transactions = vec![Bytes::from(evil.dice.bytes(30))];
                let created = Round(evil.dice.below(1_000));
                Message::Batches(vec![Batch { epoch: evil.setup.epoch, author, created, transactions }])
            }
            _ => {
                let own = self.puppet.known().values().next().cloned();
                let yours = self.puppet.known().values().last().cloned();
                Message::Last { nonce: evil.dice.below(10), own, yours }
            }
        })
    }

    fn false_vote(&self, evil: &mut Evil<'_>) -> Envelope {
        let digest = Hash(evil.dice.bytes(32).try_into().expect("32 bytes"));
        let signature = Ed25519Signature([7; 64]);
        let height = evil.dice.below(40);
        if evil.dice.chance(500) {
            let signed = self.puppet.place().map(|place: &Place| {
                place.setup.crypto(place.author).sign(&crate::ledger::vote_message(place.setup.epoch, height, &digest))
            });
            let signature = signed.unwrap_or(signature);
            return Envelope::Vote { epoch: evil.setup.epoch, height, digest, signature };
        }
        let votes = evil.setup.committee.authors().map(|author| (author, signature)).collect();
        Envelope::Certificates(vec![(height, digest, Certificate { votes })])
    }
}

fn break_rule(evil: &mut Evil<'_>, header: &mut BlockHeader, inline: &mut [Batch]) {
    match evil.dice.below(17) {
        0 => header.chain = Hash::ZERO,
        1 => header.epoch = Epoch(header.epoch.0 + 1),
        2 => header.author = Author(99),
        3 => header.round = Round(0),
        4 => header.round = Round(u64::MAX),
        5 => header.ancestors.clear(),
        6 => header.ancestors.truncate(1),
        7 => header.ancestors.reverse(),
        8 => header.ancestors.extend(header.ancestors.clone()),
        9 => {
            for ancestor in &mut header.ancestors {
                ancestor.round = header.round;
            }
        }
        10 => header.ancestors.iter_mut().for_each(|ancestor| ancestor.author = Author(1)),
        11 => inline.iter_mut().for_each(|batch| batch.author = Author(batch.author.0 ^ 1)),
        12 => inline.iter_mut().for_each(|batch| batch.created = Round(u64::MAX)),
        13 => header.batches.iter_mut().for_each(|batch| batch.transactions += 1),
        14 => {
            let vote = CommitVote { index: CommitIndex(u64::MAX), digest: CommitDigest(Hash::ZERO) };
            header.commit_votes = vec![vote; 1 + evil.dice.index(80)];
        }
        15 => header.timestamp = TimestampMs(u64::MAX),
        _ => {
            // Another author's place with the own signature.
            header.author = Author(header.author.0 ^ 1);
        }
    }
}

impl Adversary for Garbage {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.puppet.enter(evil, base);
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        self.puppet.learn(envelope, |_| true);
        if let Envelope::Dag { message, .. } = envelope {
            if matches!(message, Message::FetchBlocks(_) | Message::FetchBatches(_)) && evil.dice.chance(500) {
                if let Some(message) = self.nonsense(evil) {
                    evil.send(from, message);
                }
            } else {
                self.puppet.answer(evil, from, envelope);
            }
            if evil.dice.chance(200) {
                self.last = Some(message.clone());
            }
        }
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        let members = evil.members();
        let epoch = evil.setup.epoch;
        for to in members.iter().copied() {
            if evil.dice.chance(200) {
                let bytes = self.bytes(evil);
                evil.sends.push((to, Rc::new(Envelope::Bytes { epoch, bytes })));
            }
            if evil.dice.chance(200)
                && let Some(message) = self.nonsense(evil)
            {
                evil.send(to, message);
            }
            if evil.dice.chance(50) {
                let vote = self.false_vote(evil);
                evil.sends.push((to, Rc::new(vote)));
            }
        }
        if evil.dice.chance(500) {
            let transactions = self.puppet.any_transactions(evil);
            let content = Content { transactions, timestamp: evil.now_ms, ..Content::default() };
            if let Some(block) = self.puppet.advance(evil, content) {
                evil.send_all(members, &Message::Block(block));
            }
        }
    }
}
