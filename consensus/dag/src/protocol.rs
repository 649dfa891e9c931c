//! What goes into the state machine and what comes out.

use std::sync::Arc;

use bytes::Bytes;
use noema_types::{Author, CommitIndex, DecodeError, Round, TimestampMs, decode};
use serde::{Deserialize, Serialize};

use crate::limits::MESSAGE_BYTES_MAX;
use crate::{Batch, BatchDigest, Block, BlockRef, BlockV1, Commit, ConsensusState};

/// How much a payload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadLimits {
    /// Transactions, at most.
    pub transactions_max: usize,
    /// Bytes over all transactions, at most.
    pub bytes_max: usize,
}

impl PayloadLimits {
    /// Room for nothing: an empty payload is wanted.
    pub const NOTHING: Self = Self { transactions_max: 0, bytes_max: 0 };
}

/// Between validators of one epoch. The order of variants is the wire format.
#[expect(
    clippy::large_enum_variant,
    reason = "most are blocks, and boxing every block costs more than moving the rare larger one"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A new block of the sender.
    Block(Block),
    /// A batch that a block of the sender names or will name.
    Batch(Batch),
    /// A request for blocks.
    FetchBlocks(Vec<BlockRef>),
    /// Blocks that were asked for, and the lowest round that the sender still holds.
    Blocks {
        /// As many as fit.
        blocks: Vec<Block>,
        /// Lower rounds are gone.
        held_from: Round,
    },
    /// A request for batches.
    FetchBatches(Vec<BatchDigest>),
    /// Batches that were asked for, as many as fit.
    Batches(Vec<Batch>),
    /// Asked by a validator that lost its log: the latest own block of the receiver, and the latest it knows of the
    /// sender.
    FetchLast {
        /// Names the question, so that an old answer is not taken for a new one.
        nonce: u64,
    },
    /// The answer: accepted blocks only.
    Last {
        /// The question's.
        nonce: u64,
        /// Latest block of who answers.
        own: Option<Block>,
        /// Latest block it has accepted of who asks.
        yours: Option<Block>,
    },
    /// A request for all blocks above these rounds, one for each author: the way to catch up many rounds at once. The
    /// answer is [`Message::Blocks`], lowest rounds first.
    FetchAfter(Vec<Round>),
}

/// Which queue a message belongs to: bulk never delays blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageClass {
    /// Blocks.
    Block,
    /// Batches as they are made.
    Batch,
    /// Requests and their answers.
    Fetch,
}

/// What is appended to the log. The order of variants is the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A block that was accepted, or the own one.
    Block(Block),
    /// A batch that is held.
    Batch(Batch),
    /// The own block of this round is about to be made: a lower bound for what may have been sent.
    Proposed(Round),
    /// The log was lost before. Own blocks below this round may exist and be unknown; none was made at or above it.
    Resumed(Round),
}

/// Something that happened, from outside the protocol.
#[expect(
    clippy::large_enum_variant,
    reason = "most are blocks, and boxing every block costs more than moving the rare larger one"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A message arrived; the transport has proven the sender.
    Message {
        /// Who sent it.
        from: Author,
        /// What.
        message: Message,
    },
    /// A connection to this validator is there (again): it may have missed anything.
    Connected(Author),
    /// The answer to [`Output::Propose`].
    Payload {
        /// The round it is for.
        round: Round,
        /// Transactions to order.
        transactions: Vec<Bytes>,
    },
    /// Transactions to make a batch of now, without waiting for the next proposal.
    Transactions(Vec<Bytes>),
    /// Everything up to this commit is executed, certified and durable.
    Certified(CommitIndex),
    /// Whether execution is too far behind: proposals are empty until it is not.
    Throttle(bool),
}

/// Something the node must do, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Append to the log; a crash may lose it until the next [`Output::Sync`].
    Store(Record),
    /// Make everything stored before durable before carrying out anything after.
    Sync,
    /// Send to one validator. Loss is repaired by the protocol.
    Send {
        /// To whom.
        to: Author,
        /// What.
        message: Message,
    },
    /// Send to all other validators.
    Broadcast(Message),
    /// Ask the proposer for transactions and answer with [`Input::Payload`], at once.
    Propose {
        /// The round to propose in.
        round: Round,
        /// How much to take.
        limits: PayloadLimits,
    },
    /// Hand this to execution.
    Commit(Box<Committed>),
    /// Own transactions that will not be ordered as they were proposed: offer them again.
    Release(Vec<Bytes>),
    /// Two blocks of one author in one slot.
    Evidence(Box<Evidence>),
    /// A quorum is so far ahead that its blocks cannot be fetched any more: state must be synchronised.
    Lagging {
        /// A commit that validators with more than a third of the stake have made.
        commit: CommitIndex,
    },
    /// Come back with [`Input::Tick`] at this time, unless something happens before.
    WakeAt(TimestampMs),
    /// The assumptions are broken: stop.
    Fault(Fault),
}

/// A commit with all that execution needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The commit.
    pub commit: Commit,
    /// Batches that it orders first, in order.
    pub batches: Vec<Arc<Batch>>,
    /// Authors of leader slots since the commit before that were skipped, in order of the slots.
    pub skipped: Vec<Author>,
    /// Authors of the blocks of the round before the leader's that the order now holds: who took part.
    pub voters: Vec<Author>,
    /// Set where this commit ends an execution block.
    pub end: Option<Box<SliceEnd>>,
}

/// The end of an execution block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceEnd {
    /// State of consensus after the commit: with it, another validator goes on from here.
    pub state: ConsensusState,
    /// Whether the epoch ends here.
    pub epoch_end: bool,
}

/// Two signed headers of one author for one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The one with the lower digest. Without inline batches.
    pub first: BlockV1,
    /// The other.
    pub second: BlockV1,
}

/// Why this validator must not go on. Never the fault of a peer alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More than a third of the stake is Byzantine.
    #[error(
        "two blocks of one leader slot are certified: {first} and {second}; more than a third of the stake is faulty"
    )]
    TwoCertified {
        /// One.
        first: BlockRef,
        /// The other.
        second: BlockRef,
    },
    /// Somebody else signs with the own key.
    #[error(
        "a peer has {block}, signed with the own key, that this validator did not make\nhint: is a second copy of this validator running?"
    )]
    DoubleRun {
        /// The unknown block.
        block: BlockRef,
    },
    /// The stored records do not fit the state they belong to.
    #[error(
        "the log cannot be used: {reason}\nhint: move the consensus log away; the validator then asks its peers how far it was"
    )]
    Log {
        /// What is wrong.
        reason: String,
    },
}

impl Message {
    /// Its bytes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        crate::types::to_bytes(self).into()
    }

    /// Decodes a message and nothing else.
    ///
    /// # Errors
    /// [`DecodeError`], also for one beyond [`MESSAGE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (size, limit) = (bytes.len(), MESSAGE_BYTES_MAX);
        if size > limit {
            return Err(DecodeError::TooLarge { what: "message", size, limit });
        }
        decode("message", bytes)
    }

    /// The queue it belongs to.
    #[must_use]
    pub fn class(&self) -> MessageClass {
        match self {
            Self::Block(_) => MessageClass::Block,
            Self::Batch(_) => MessageClass::Batch,
            Self::FetchBlocks(_) | Self::Blocks { .. } | Self::FetchBatches(_) | Self::Batches(_) => {
                MessageClass::Fetch
            }
            Self::FetchLast { .. } | Self::Last { .. } | Self::FetchAfter(_) => MessageClass::Fetch,
        }
    }
}
