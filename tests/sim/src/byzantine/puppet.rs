//! A validator that builds a DAG without any of the protocol's cautions: what the other behaviours play with.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use noema_dag::{
    Batch, BatchDigest, BatchRef, Block, BlockCrypto, BlockHeader, BlockRef, BlockV1, CommitVote, ConsensusState,
    Message,
};
use noema_types::{Author, Epoch, Hash, Round, Stake, TimestampMs};

use super::Evil;
use crate::NodeId;
use crate::epochs::EpochSetup;
use crate::world::Envelope;

/// Rounds that a puppet remembers.
const ROUNDS_HELD: u64 = 30;

/// What a puppet puts into a block.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) transactions: Vec<Bytes>,
    /// Batches are named and not sent along.
    pub(crate) hide: bool,
    pub(crate) timestamp: u64,
    pub(crate) votes: Vec<CommitVote>,
}

/// A place in an epoch and all blocks heard of.
#[derive(Debug)]
pub(crate) struct Puppet {
    node: NodeId,
    place: Option<Place>,
    blocks: BTreeMap<BlockRef, Block>,
    rounds: BTreeMap<Round, BTreeMap<Author, Vec<BlockRef>>>,
    batches: BTreeMap<BatchDigest, Batch>,
    pub(crate) tip: BlockRef,
    /// Transactions seen anywhere, to be proposed again.
    pub(crate) loot: Vec<Bytes>,
}

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) setup: Rc<EpochSetup>,
    pub(crate) author: Author,
    pub(crate) chain: Hash,
    crypto: Arc<dyn BlockCrypto>,
}

impl Puppet {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            node,
            place: None,
            blocks: BTreeMap::new(),
            rounds: BTreeMap::new(),
            batches: BTreeMap::new(),
            tip: BlockRef::genesis(Epoch(0), Hash::ZERO, Author(0)),
            loot: Vec::new(),
        }
    }

    /// Begins an epoch, if it has a place in it.
    pub(crate) fn enter(&mut self, evil: &Evil<'_>, base: &ConsensusState) {
        let loot = std::mem::take(&mut self.loot);
        *self = Self { loot, ..Self::new(self.node) };
        let setup = Rc::clone(&evil.setup);
        let Some(author) = setup.author(self.node) else { return };
        for other in setup.committee.authors() {
            let genesis = BlockRef::genesis(setup.epoch, base.origin, other);
            self.rounds.entry(Round(0)).or_default().insert(other, vec![genesis]);
        }
        self.tip = BlockRef::genesis(setup.epoch, base.origin, author);
        let crypto = setup.crypto(author);
        self.place = Some(Place { setup, author, chain: base.chain, crypto });
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Remembers the blocks of a message of this epoch that `accept` takes.
    pub(crate) fn learn(&mut self, envelope: &Envelope, accept: impl Fn(&Block) -> bool) {
        let Some(place) = &self.place else { return };
        let Envelope::Dag { epoch, message } = envelope else { return };
        if *epoch != place.setup.epoch {
            return;
        }
        match message {
            Message::Block(block) if accept(block) => self.add(block.clone()),
            Message::Blocks { blocks, .. } => {
                for block in blocks.iter().filter(|block| accept(block)) {
                    self.add(block.clone());
                }
            }
            Message::Batch(batch) => self.steal(std::slice::from_ref(batch)),
            Message::Batches(batches) => self.steal(batches),
            _ => {}
        }
    }

    fn steal(&mut self, batches: &[Batch]) {
        for transaction in batches.iter().flat_map(|batch| &batch.transactions) {
            if self.loot.len() < 20 {
                self.loot.push(transaction.clone());
            }
        }
    }

    /// Remembers a block, without any check but that it is not too far off.
    pub(crate) fn add(&mut self, block: Block) {
        self.steal(&block.v1().inline);
        let reference = block.v1().reference();
        let author = reference.author;
        let top = self.rounds.last_key_value().map_or(0, |(round, _)| round.0);
        let far = reference.round.0 > top + ROUNDS_HELD;
        if far || self.place.as_ref().is_none_or(|place| place.setup.committee.get(author).is_none()) {
            return;
        }
        let slot = self.rounds.entry(reference.round).or_default().entry(author).or_default();
        if !slot.contains(&reference) && slot.len() < 3 {
            slot.push(reference);
            self.blocks.insert(reference, block);
        }
        while self.rounds.len() as u64 > ROUNDS_HELD {
            self.rounds.pop_first();
            let lowest = *self.rounds.first_key_value().expect("many rounds").0;
            self.blocks.retain(|held, _| held.round >= lowest);
        }
    }

    /// The highest round that a quorum has blocks of.
    fn quorum_round(&self, place: &Place) -> Option<Round> {
        let stake = |authors: &BTreeMap<Author, Vec<BlockRef>>| {
            Stake(authors.keys().map(|author| place.setup.committee.stake(*author).0).sum())
        };
        let quorum = place.setup.committee.quorum();
        self.rounds.iter().rev().find(|(_, authors)| stake(authors) >= quorum).map(|(round, _)| *round)
    }

    /// The round of the next own block, if there is a quorum to build it on.
    pub(crate) fn next_round(&self) -> Option<Round> {
        let round = self.quorum_round(self.place.as_ref()?)?;
        (self.tip.round <= round).then(|| round.next())
    }

    /// Signs a block of the next round on top of its own tip and of blocks of all others, chosen at random where there
    /// are several of one author. It does not become the tip.
    pub(crate) fn build(&mut self, evil: &mut Evil<'_>, content: Content) -> Option<Block> {
        let round = self.next_round()?;
        let before = round.previous()?;
        let place = self.place.as_ref()?;
        let mut ancestors = vec![self.tip];
        for (author, blocks) in self.rounds.get(&before)? {
            if *author != place.author
                && let Some(block) = evil.dice.pick(blocks)
            {
                ancestors.push(*block);
            }
        }
        leave_one_out(evil, &place.setup, before, &mut ancestors);
        let mut batches = Vec::new();
        if !content.transactions.is_empty() {
            batches.push(Batch {
                epoch: place.setup.epoch,
                author: place.author,
                created: round,
                transactions: content.transactions,
            });
        }
        let references: Vec<BatchRef> = batches.iter().map(Batch::reference).collect();
        for (reference, batch) in references.iter().zip(&batches) {
            self.batches.insert(reference.digest, batch.clone());
        }
        let header = BlockHeader {
            chain: place.chain,
            epoch: place.setup.epoch,
            round,
            author: place.author,
            ancestors,
            batches: references,
            timestamp: TimestampMs(content.timestamp),
            commit_votes: content.votes,
        };
        Some(place.sign(header, if content.hide { Vec::new() } else { batches }))
    }

    /// Builds the next block and goes on from it.
    pub(crate) fn advance(&mut self, evil: &mut Evil<'_>, content: Content) -> Option<Block> {
        let block = self.build(evil, content)?;
        self.tip = block.v1().reference();
        self.add(block.clone());
        Some(block)
    }

    /// Answers a request from what it holds.
    pub(crate) fn answer(&self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        let Envelope::Dag { message, .. } = envelope else { return };
        match message {
            Message::FetchBlocks(wanted) => {
                let blocks: Vec<Block> = wanted.iter().filter_map(|name| self.blocks.get(name)).cloned().collect();
                let held_from = self.rounds.first_key_value().map_or(Round(0), |(round, _)| *round);
                evil.send(from, Message::Blocks { blocks, held_from });
            }
            Message::FetchBatches(wanted) => {
                let held = wanted.iter().filter_map(|digest| self.batches.get(digest)).cloned().collect();
                evil.send(from, Message::Batches(held));
            }
            Message::FetchLast { nonce } => {
                // As unhelpful as possible: nothing of the one who asks is known.
                let own = self.blocks.get(&self.tip).cloned().filter(|_| evil.dice.chance(500));
                evil.send(from, Message::Last { nonce: *nonce, own, yours: None });
            }
            _ => {}
        }
    }

    /// Some transactions: none, junk, or what others proposed already.
    pub(crate) fn any_transactions(&self, evil: &mut Evil<'_>) -> Vec<Bytes> {
        match evil.dice.below(4) {
            0 => vec![evil.dice.bytes(20).into()],
            1 => self.loot.iter().take(3).cloned().collect(),
            2 => vec![Bytes::new()],
            _ => Vec::new(),
        }
    }

    /// Blocks that it knows.
    pub(crate) fn known(&self) -> &BTreeMap<BlockRef, Block> {
        &self.blocks
    }
}

/// Now and then votes against somebody whose block it has, as far as a quorum allows.
fn leave_one_out(evil: &mut Evil<'_>, setup: &EpochSetup, before: Round, ancestors: &mut Vec<BlockRef>) {
    if ancestors.len() < 2 || !evil.dice.chance(400) {
        return;
    }
    let victim = 1 + evil.dice.index(ancestors.len() - 1);
    let voting = ancestors.iter().enumerate().filter(|(place, block)| *place != victim && block.round == before);
    let stake: u64 = voting.map(|(_, block)| setup.committee.stake(block.author).0).sum();
    if stake >= setup.committee.quorum().0 {
        ancestors.remove(victim);
    }
}

impl Place {
    pub(crate) fn sign(&self, header: BlockHeader, inline: Vec<Batch>) -> Block {
        let signature = self.crypto.sign(&header.signing_message());
        Block::V1(BlockV1 { header, signature, inline })
    }

    /// The others.
    pub(crate) fn others(&self) -> BTreeSet<NodeId> {
        let own = self.setup.node(self.author);
        self.setup.members.iter().map(|member| member.node).filter(|node| Some(*node) != own).collect()
    }
}
