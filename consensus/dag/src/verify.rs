//! Which blocks are valid: a function of their bytes, the committee and the rules, and of nothing else.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use noema_types::{Committee, Epoch, Hash, Round};

use crate::limits::{
    BATCH_BYTES_MAX, BATCH_TRANSACTIONS_MAX, BLOCK_BATCHES_MAX, BLOCK_COMMIT_VOTES_MAX, HEADER_BYTES_MAX,
    INLINE_BYTES_MAX,
};
use crate::mutant::{Mutant, planted};
use crate::{Author, Batch, BatchRef, Block, BlockCrypto, BlockHeader, BlockRef, BlockV1, VerifiedBlock};

/// The rule that a block breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Invalid {
    /// It was made for another chain.
    #[error("the block is for another chain")]
    Chain,
    /// It was made for another epoch.
    #[error("the block is for another epoch")]
    Epoch,
    /// No validator has this position.
    #[error("the block's author is not in the committee")]
    Author,
    /// It was sent as its own by somebody else.
    #[error("the block was sent by another than its author")]
    Sender,
    /// Round 0 has the genesis blocks only.
    #[error("the block's round is 0")]
    Round,
    /// The header is larger than allowed.
    #[error("the header is over {HEADER_BYTES_MAX} bytes")]
    HeaderSize,
    /// The first ancestor is not of the author, or there is none.
    #[error("the block does not begin with its author's previous block")]
    OwnPrevious,
    /// An ancestor is not of a lower round.
    #[error("an ancestor is not of a lower round")]
    AncestorRound,
    /// An ancestor's author is not in the committee.
    #[error("an ancestor's author is not in the committee")]
    AncestorAuthor,
    /// An ancestor of round 0 is not the epoch's genesis block of its author.
    #[error("an ancestor of round 0 is not a genesis block")]
    AncestorGenesis,
    /// Two ancestors of one author, or ancestors out of order.
    #[error("ancestors after the first are not strictly by author, one of each")]
    AncestorOrder,
    /// Ancestors of the round before carry no quorum.
    #[error("ancestors of the round before carry no quorum")]
    Quorum,
    /// More batches than allowed.
    #[error("the block names over {BLOCK_BATCHES_MAX} batches")]
    BatchCount,
    /// A batch is named twice.
    #[error("the block names a batch twice")]
    BatchTwice,
    /// A named batch is empty or larger than allowed.
    #[error("a batch is empty, over {BATCH_TRANSACTIONS_MAX} transactions or over {BATCH_BYTES_MAX} bytes")]
    BatchSize,
    /// A named batch was made in a later round, or too many rounds before.
    #[error("a batch was not made within the garbage collection depth of the block")]
    BatchRound,
    /// A named batch is not what its reference says.
    #[error("a batch differs from its reference")]
    BatchContent,
    /// Batches inside of the block are not those it names, each once, or are too large.
    #[error("batches inside of the block are not named by it, each once, or are over {INLINE_BYTES_MAX} bytes")]
    Inline,
    /// More commit votes than allowed, or not ascending.
    #[error("commit votes are over {BLOCK_COMMIT_VOTES_MAX} or not ascending")]
    CommitVotes,
    /// Not signed by its author.
    #[error("the signature is not the author's")]
    Signature,
}

/// What validity depends on besides a block's bytes.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    pub(crate) committee: Arc<Committee>,
    pub(crate) crypto: Arc<dyn BlockCrypto>,
    pub(crate) chain: Hash,
    pub(crate) epoch: Epoch,
    pub(crate) origin: Hash,
    pub(crate) gc_depth: u64,
}

impl Verifier {
    /// Checks everything, the signature last because it costs most.
    pub(crate) fn check(&self, block: Block) -> Result<VerifiedBlock, Invalid> {
        let block = self.check_unsigned(block)?;
        self.check_signature(&block)?;
        Ok(block)
    }

    /// Checks the signature of a block whose form was checked.
    pub(crate) fn check_signature(&self, block: &VerifiedBlock) -> Result<(), Invalid> {
        let message = block.header().signing_message();
        let valid = self.crypto.verify(block.author(), &message, block.signature());
        check(valid || planted(Mutant::NoSignatureCheck), Invalid::Signature)
    }

    /// Checks everything but the signature.
    pub(crate) fn check_unsigned(&self, block: Block) -> Result<VerifiedBlock, Invalid> {
        let Block::V1(block) = block;
        let message = self.check_form(&block)?;
        Ok(VerifiedBlock::with_message(block, message))
    }

    /// Checks everything but the signature, and returns what is signed.
    pub(crate) fn check_form(&self, block: &BlockV1) -> Result<Vec<u8>, Invalid> {
        let message = self.check_header(&block.header)?;
        self.check_inline(block)?;
        Ok(message)
    }

    /// Checks the header, and returns what is signed. A block whose header fails here is invalid by its name: no other
    /// copy of it is better.
    pub(crate) fn check_header(&self, header: &BlockHeader) -> Result<Vec<u8>, Invalid> {
        check(header.chain == self.chain, Invalid::Chain)?;
        check(header.epoch == self.epoch, Invalid::Epoch)?;
        check(self.committee.get(header.author).is_some(), Invalid::Author)?;
        check(header.round.0 >= 1, Invalid::Round)?;
        self.check_ancestors(header)?;
        self.check_batches(header)?;
        check(header.commit_votes.len() <= BLOCK_COMMIT_VOTES_MAX, Invalid::CommitVotes)?;
        check(header.commit_votes.is_sorted_by(|one, two| one.index < two.index), Invalid::CommitVotes)?;
        let message = header.signing_message();
        check(message.len() <= HEADER_BYTES_MAX, Invalid::HeaderSize)?;
        Ok(message)
    }

    fn check_ancestors(&self, header: &BlockHeader) -> Result<(), Invalid> {
        let Some((own, others)) = header.ancestors.split_first() else { return Err(Invalid::OwnPrevious) };
        check(own.author == header.author, Invalid::OwnPrevious)?;
        let mut last = None;
        let mut stake = 0u64;
        for ancestor in std::iter::once(own).chain(others) {
            check(ancestor.round < header.round, Invalid::AncestorRound)?;
            check(self.committee.get(ancestor.author).is_some(), Invalid::AncestorAuthor)?;
            if ancestor.round.0 == 0 {
                let genesis = BlockRef::genesis(self.epoch, self.origin, ancestor.author);
                check(*ancestor == genesis, Invalid::AncestorGenesis)?;
            }
            if ancestor.round.0 + 1 == header.round.0 {
                stake = stake.saturating_add(self.committee.stake(ancestor.author).0);
            }
        }
        for ancestor in others {
            check(ancestor.author != header.author, Invalid::AncestorOrder)?;
            check(last.is_none_or(|last| last < ancestor.author), Invalid::AncestorOrder)?;
            last = Some(ancestor.author);
        }
        check(stake >= self.committee.quorum().0, Invalid::Quorum)
    }

    fn check_batches(&self, header: &BlockHeader) -> Result<(), Invalid> {
        check(header.batches.len() <= BLOCK_BATCHES_MAX, Invalid::BatchCount)?;
        let mut named = BTreeSet::new();
        for batch in &header.batches {
            check(named.insert(batch.digest), Invalid::BatchTwice)?;
            check(is_size_allowed(batch), Invalid::BatchSize)?;
            let age = header.round.0.checked_sub(batch.created.0);
            check(age.is_some_and(|age| age <= self.gc_depth), Invalid::BatchRound)?;
        }
        Ok(())
    }

    /// Checks the batches that travel with a block. Its name does not cover them: whoever sends a copy may have changed
    /// them.
    pub(crate) fn check_inline(&self, block: &BlockV1) -> Result<(), Invalid> {
        let header = &block.header;
        check(block.inline.len() <= header.batches.len(), Invalid::Inline)?;
        let bytes: usize = block.inline.iter().map(Batch::bytes).sum();
        check(bytes <= INLINE_BYTES_MAX, Invalid::Inline)?;
        let mut inside = BTreeSet::new();
        for batch in &block.inline {
            let reference = self.check_batch(batch, header.author)?;
            check(inside.insert(reference.digest), Invalid::Inline)?;
            check(header.batches.contains(&reference), Invalid::Inline)?;
        }
        Ok(())
    }

    /// The name of a batch that is well-formed and of this author.
    pub(crate) fn check_batch(&self, batch: &Batch, author: Author) -> Result<BatchRef, Invalid> {
        check(batch.epoch == self.epoch && batch.author == author, Invalid::BatchContent)?;
        let (transactions, bytes) = (batch.transactions.len(), batch.bytes());
        check(transactions <= BATCH_TRANSACTIONS_MAX && bytes <= BATCH_BYTES_MAX, Invalid::BatchSize)?;
        check(transactions > 0, Invalid::BatchSize)?;
        Ok(batch.reference())
    }

    /// The block of round 0 of an author.
    pub(crate) fn genesis(&self, author: Author) -> BlockRef {
        BlockRef::genesis(self.epoch, self.origin, author)
    }

    /// Last round in which a batch may be named.
    pub(crate) fn last_round_of(&self, created: Round) -> Round {
        Round(created.0.saturating_add(self.gc_depth))
    }
}

fn is_size_allowed(batch: &BatchRef) -> bool {
    let (transactions, bytes) = (batch.transactions as usize, batch.bytes as usize);
    transactions > 0 && transactions <= BATCH_TRANSACTIONS_MAX && bytes <= BATCH_BYTES_MAX
}

fn check(holds: bool, reason: Invalid) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(reason) }
}
