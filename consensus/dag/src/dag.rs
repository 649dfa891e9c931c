//! The accepted blocks of an epoch, by round and author, equivocations included.
//!
//! A block is inserted after its ancestors above the collected rounds, so that what it reaches is known and final when
//! it comes in; every cache above relies on it. Blocks of one round are numbered as they arrive: the numbers make sets
//! of blocks small (one bit each), never reach a result, and hold for one `Dag` as long as it lives.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_types::{Author, Committee, Round, Stake};

use crate::mutant::{Mutant, planted};
use crate::{BlockDigest, BlockRef, ConsensusState, VerifiedBlock};

/// Accepted blocks of an epoch.
#[derive(Debug, Clone)]
pub struct Dag {
    committee: Arc<Committee>,
    genesis: Vec<BlockRef>,
    lowest: Round,
    rounds: BTreeMap<Round, Layer>,
    blocks: usize,
}

/// The blocks of one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    nodes: Vec<Node>,
    index: BTreeMap<(Author, BlockDigest), usize>,
    stake: Stake,
}

/// A block, and what it builds on as far as that is held.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    block: VerifiedBlock,
    /// Ancestors in the round before, by their numbers there.
    parents: BlockSet,
    /// Ancestors in lower rounds, genesis excluded.
    far: Vec<BlockRef>,
    /// Ancestors in the round before that were not held.
    missing: Vec<BlockRef>,
}

/// A set of blocks of one round, or of authors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BlockSet(Vec<u64>);

/// A set of authors with their stake, each counted once.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuthorSet {
    authors: BlockSet,
    stake: u64,
}

impl Dag {
    /// No blocks yet: those above the state's collected rounds come next, ancestors first.
    ///
    /// # Panics
    /// When the committee and the state belong to different epochs.
    #[must_use]
    pub fn new(committee: Arc<Committee>, state: &ConsensusState) -> Self {
        assert_eq!(committee.epoch(), state.epoch, "the committee is that of the state's epoch");
        let genesis = committee.authors().map(|author| BlockRef::genesis(state.epoch, state.origin, author)).collect();
        Self { committee, genesis, lowest: Round(state.gc_round.0 + 1), rounds: BTreeMap::new(), blocks: 0 }
    }

    /// Adds an accepted block whose ancestors above the collected rounds are here; `false` if it is here already or
    /// below [`Dag::lowest_round`].
    pub fn insert(&mut self, block: VerifiedBlock) -> bool {
        let reference = block.reference();
        if reference.round < self.lowest || self.contains(&reference) {
            return false;
        }
        let below = Round(reference.round.0 - 1);
        let mut node = Node { parents: BlockSet::default(), far: Vec::new(), missing: Vec::new(), block };
        for ancestor in node.block.ancestors().iter().filter(|ancestor| ancestor.round.0 > 0) {
            if ancestor.round != below {
                node.far.push(*ancestor);
                continue;
            }
            match self.position(ancestor) {
                Some(number) => _ = node.parents.insert(number),
                None => node.missing.push(*ancestor),
            }
        }
        let stake = self.committee.stake(reference.author).0;
        let layer = self.rounds.entry(reference.round).or_default();
        if layer.slot(reference.author).next().is_none() || planted(Mutant::StakePerBlock) {
            layer.stake.0 += stake;
        }
        layer.index.insert((reference.author, reference.digest), layer.nodes.len());
        layer.nodes.push(node);
        self.blocks += 1;
        true
    }

    /// Whether a block is here. Genesis blocks always are.
    #[must_use]
    pub fn contains(&self, reference: &BlockRef) -> bool {
        if reference.round.0 == 0 {
            return self.genesis.get(usize::from(reference.author.0)) == Some(reference);
        }
        self.position(reference).is_some()
    }

    /// A block, if it is here. Genesis blocks have no content.
    #[must_use]
    pub fn get(&self, reference: &BlockRef) -> Option<&VerifiedBlock> {
        let layer = self.rounds.get(&reference.round)?;
        layer.index.get(&(reference.author, reference.digest)).map(|number| &layer.nodes[*number].block)
    }

    /// Blocks of a round, by author and digest.
    pub fn round(&self, round: Round) -> impl Iterator<Item = &VerifiedBlock> {
        self.rounds
            .get(&round)
            .into_iter()
            .flat_map(|layer| layer.index.values().map(|number| &layer.nodes[*number].block))
    }

    /// Blocks of an author in a round, by digest: more than one is equivocation.
    pub fn slot(&self, round: Round, author: Author) -> impl Iterator<Item = &VerifiedBlock> {
        self.rounds
            .get(&round)
            .into_iter()
            .flat_map(move |layer| layer.slot(author).map(|number| &layer.nodes[number].block))
    }

    /// The last block of an author, genesis excluded; the one with the lowest digest where it equivocated.
    #[must_use]
    pub fn last_of(&self, author: Author) -> Option<&VerifiedBlock> {
        self.rounds.values().rev().find_map(|layer| layer.slot(author).next().map(|number| &layer.nodes[number].block))
    }

    /// Stake of the authors with a block in a round, each counted once. All of it in round 0.
    #[must_use]
    pub fn stake(&self, round: Round) -> Stake {
        if round.0 == 0 {
            return self.committee.total_stake();
        }
        self.rounds.get(&round).map_or(Stake(0), |layer| layer.stake)
    }

    /// Highest round with a block; 0 if there is none.
    #[must_use]
    pub fn highest_round(&self) -> Round {
        self.rounds.last_key_value().map_or(Round(0), |(round, _)| *round)
    }

    /// Blocks of lower rounds are not taken any more.
    #[must_use]
    pub fn lowest_round(&self) -> Round {
        self.lowest
    }

    /// Blocks held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks
    }

    /// Whether no block is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// The genesis blocks, by author.
    #[must_use]
    pub fn genesis(&self) -> &[BlockRef] {
        &self.genesis
    }

    /// Drops all blocks of lower rounds than this, and takes none of them any more. What the committer still needs is
    /// above its `gc_round`.
    pub fn prune_below(&mut self, round: Round) {
        if round <= self.lowest {
            return;
        }
        self.lowest = round;
        let kept = self.rounds.split_off(&round);
        for layer in std::mem::replace(&mut self.rounds, kept).into_values() {
            self.blocks -= layer.nodes.len();
        }
    }

    /// The number of a block in its round.
    pub(crate) fn position(&self, reference: &BlockRef) -> Option<usize> {
        self.rounds.get(&reference.round)?.index.get(&(reference.author, reference.digest)).copied()
    }

    pub(crate) fn layer(&self, round: Round) -> Option<&Layer> {
        self.rounds.get(&round)
    }

    /// Visits the history of a block, itself included, in rounds above `above`, from the highest round down, each
    /// block once. Goes on below a block if `visit` says so. Returns ancestors in these rounds that are not held.
    pub(crate) fn walk<'a>(
        &'a self,
        from: &BlockRef,
        above: Round,
        mut visit: impl FnMut(usize, &'a VerifiedBlock) -> bool,
    ) -> Vec<BlockRef> {
        let mut reached: BTreeMap<Round, BlockSet> = BTreeMap::new();
        let mut missing = Vec::new();
        match self.position(from) {
            Some(number) => _ = reached.entry(from.round).or_default().insert(number),
            None => missing.push(*from),
        }
        while let Some((round, numbers)) = reached.pop_last() {
            let layer = self.rounds.get(&round).expect("a reached block is in a layer");
            let below = Round(round.0 - 1);
            for number in numbers.iter() {
                let node = &layer.nodes[number];
                if !visit(number, &node.block) {
                    continue;
                }
                if below > above {
                    missing.extend(&node.missing);
                    if !node.parents.is_empty() {
                        reached.entry(below).or_default().union(&node.parents);
                    }
                }
                for ancestor in node.far.iter().filter(|ancestor| ancestor.round > above) {
                    match self.position(ancestor) {
                        Some(number) => _ = reached.entry(ancestor.round).or_default().insert(number),
                        None => missing.push(*ancestor),
                    }
                }
            }
        }
        missing
    }
}

impl Layer {
    /// The blocks in the order of their arrival.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Numbers of an author's blocks, by digest.
    pub(crate) fn slot(&self, author: Author) -> impl Iterator<Item = usize> {
        let lowest = BlockDigest(noema_types::Hash([0; 32]));
        let highest = BlockDigest(noema_types::Hash([u8::MAX; 32]));
        self.index.range((author, lowest)..=(author, highest)).map(|(_, number)| *number)
    }
}

impl Node {
    pub(crate) fn block(&self) -> &VerifiedBlock {
        &self.block
    }

    /// Ancestors in the round before.
    ///
    /// # Panics
    /// When one was not held as the block came in. Never asked of blocks whose ancestors may be collected.
    pub(crate) fn parents(&self) -> &BlockSet {
        assert!(
            self.missing.is_empty(),
            "{} was accepted before its ancestor {}",
            self.block.reference(),
            self.missing[0]
        );
        &self.parents
    }
}

impl BlockSet {
    /// Adds a number; `false` if it is in already.
    pub(crate) fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1u64 << (number % 64));
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    pub(crate) fn union(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, others) in self.0.iter_mut().zip(&other.0) {
            *word |= others;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        bits(self.0.iter().copied())
    }

    /// Numbers in both sets, ascending.
    pub(crate) fn both<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = usize> + 'a {
        bits(self.0.iter().zip(&other.0).map(|(one, two)| one & two))
    }
}

fn bits(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(place, word)| {
        let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
        std::iter::successors(Some(word).filter(|word| *word != 0), rest)
            .map(move |word| place * 64 + word.trailing_zeros() as usize)
    })
}

impl AuthorSet {
    pub(crate) fn add(&mut self, author: Author, committee: &Committee) {
        if self.authors.insert(usize::from(author.0)) || planted(Mutant::StakePerBlock) {
            self.stake += committee.stake(author).0;
        }
    }

    pub(crate) fn is_quorum(&self, committee: &Committee) -> bool {
        let half = planted(Mutant::SmallQuorum) && self.stake.saturating_mul(2) >= committee.total_stake().0;
        self.reaches(committee.quorum()) || half
    }

    pub(crate) fn reaches(&self, stake: Stake) -> bool {
        self.stake >= stake.0
    }
}
