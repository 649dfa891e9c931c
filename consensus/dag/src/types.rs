//! Blocks, batches and commits: what validators send, sign and store.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use noema_types::{Author, CommitIndex, Ed25519Signature, Epoch, Hash, Round, TimestampMs, decode};
use serde::{Deserialize, Serialize};

/// First bytes of every signed block header; the framework's `stake` module checks evidence with the same.
pub const BLOCK_DOMAIN: &[u8] = b"NOEMA::Block";
const BLOCK_DIGEST_CONTEXT: &str = "noema 2026 block digest";
const BATCH_DIGEST_CONTEXT: &str = "noema 2026 batch digest";
const COMMIT_DIGEST_CONTEXT: &str = "noema 2026 commit digest";

macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Hash);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

digests! {
    /// BLAKE3 of a block's signed header and signature: two blocks differ if their bytes do.
    BlockDigest;
    /// BLAKE3 of a batch's BCS.
    BatchDigest;
    /// BLAKE3 of a commit's BCS, which covers the digest of the one before: equal digests, equal histories.
    CommitDigest;
}

/// Names a block. Ordered by round, then author, then digest: two blocks of one slot are never equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlockRef {
    /// Round of the block.
    pub round: Round,
    /// Who made it.
    pub author: Author,
    /// Its content.
    pub digest: BlockDigest,
}

/// Names a batch and says how much it holds. A batch is well-formed only if all of it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BatchRef {
    /// Its content.
    pub digest: BatchDigest,
    /// Round that its author was in when it made it.
    pub created: Round,
    /// Transactions it holds.
    pub transactions: u32,
    /// Bytes of its transactions.
    pub bytes: u32,
}

/// Transactions that travel together. They are opaque bytes: one that does not decode is discarded at execution and
/// never makes a batch or a block invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Epoch it is for.
    pub epoch: Epoch,
    /// Who made it. It is valid in this author's blocks only.
    pub author: Author,
    /// Round that its author was in. It is valid within the garbage collection depth of it.
    pub created: Round,
    /// The transactions, in order.
    pub transactions: Vec<Bytes>,
}

/// A vote that the author has committed this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitVote {
    /// Which commit.
    pub index: CommitIndex,
    /// Its digest, and so that of all before.
    pub digest: CommitDigest,
}

/// What a validator signs each round. The first four fields come first on purpose: evidence is judged by them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockHeader {
    /// Hash of the genesis transaction: names the chain.
    pub chain: Hash,
    /// Epoch whose committee made it.
    pub epoch: Epoch,
    /// Its round, from 1.
    pub round: Round,
    /// Who made it.
    pub author: Author,
    /// Blocks it builds on: the author's own previous block first, then at most one of each other author, by author;
    /// those of the round before carry a quorum.
    pub ancestors: Vec<BlockRef>,
    /// Batches it proposes.
    pub batches: Vec<BatchRef>,
    /// The author's clock.
    pub timestamp: TimestampMs,
    /// Commits that the author made since its last block.
    pub commit_votes: Vec<CommitVote>,
}

/// A block on the wire and in the log. The order of variants is the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// The one format so far.
    V1(BlockV1),
}

/// A header with its signature, and the batches that travel inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockV1 {
    /// What was signed.
    pub header: BlockHeader,
    /// The author's signature over [`BlockHeader::signing_message`].
    pub signature: Ed25519Signature,
    /// Batches named by the header that travel with it. They are covered by their digests.
    pub inline: Vec<Batch>,
}

/// A block whose author, signature, form and inline batches were checked, with its name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBlock {
    reference: BlockRef,
    block: Arc<BlockV1>,
}

/// Signs and verifies block headers. Deterministic: equal messages give equal signatures.
pub trait BlockCrypto: Send + Sync + fmt::Debug {
    /// The own signature.
    fn sign(&self, message: &[u8]) -> Ed25519Signature;

    /// Whether the signature is `author`'s over `message`; `false` for authors outside of the committee.
    fn verify(&self, author: Author, message: &[u8], signature: &Ed25519Signature) -> bool;
}

/// A committed leader and what it brings into the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Position in the stream; counts over epochs.
    pub index: CommitIndex,
    /// Digest of the commit before; the first of a chain names the chain.
    pub previous: CommitDigest,
    /// Epoch whose committee made it.
    pub epoch: Epoch,
    /// The committed leader.
    pub leader: BlockRef,
    /// Its history that was not ordered yet, by round, author and digest; the leader comes last.
    pub blocks: Vec<BlockRef>,
    /// The commit's time, strictly after the previous one's.
    pub timestamp: TimestampMs,
}

impl Commit {
    /// BLAKE3 of its BCS.
    #[must_use]
    pub fn digest(&self) -> CommitDigest {
        CommitDigest(hash(COMMIT_DIGEST_CONTEXT, &to_bytes(self)))
    }
}

impl Batch {
    /// Its name.
    ///
    /// # Panics
    /// When it holds more than a `u32` counts, which its maker and the decoder's limits rule out.
    #[must_use]
    pub fn reference(&self) -> BatchRef {
        BatchRef {
            digest: BatchDigest(hash(BATCH_DIGEST_CONTEXT, &to_bytes(self))),
            created: self.created,
            transactions: u32::try_from(self.transactions.len()).expect("a batch within its limits"),
            bytes: u32::try_from(self.bytes()).expect("a batch within its limits"),
        }
    }

    /// Bytes of its transactions.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.transactions.iter().map(Bytes::len).sum()
    }
}

impl BlockHeader {
    /// What its author signs: [`BLOCK_DOMAIN`] and its BCS.
    #[must_use]
    pub fn signing_message(&self) -> Vec<u8> {
        let mut message = BLOCK_DOMAIN.to_vec();
        bcs::serialize_into(&mut message, self).expect("a header always serialises");
        message
    }
}

impl BlockV1 {
    /// Its name: the digest covers the header and the signature.
    #[must_use]
    pub fn reference(&self) -> BlockRef {
        let mut message = self.header.signing_message();
        message.extend(self.signature.0);
        let digest = BlockDigest(hash(BLOCK_DIGEST_CONTEXT, &message));
        BlockRef { round: self.header.round, author: self.header.author, digest }
    }
}

impl Block {
    /// Decodes a block and nothing else.
    ///
    /// # Errors
    /// [`noema_types::DecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, noema_types::DecodeError> {
        decode("block", bytes)
    }

    /// Its content.
    #[must_use]
    pub fn v1(&self) -> &BlockV1 {
        let Self::V1(block) = self;
        block
    }
}

impl VerifiedBlock {
    /// Wraps a block that needs no check: the own one, or one of a test.
    #[must_use]
    pub fn new_trusted(block: BlockV1) -> Self {
        Self { reference: block.reference(), block: Arc::new(block) }
    }

    /// Wraps a block whose signing message was computed before.
    pub(crate) fn with_message(block: BlockV1, mut message: Vec<u8>) -> Self {
        message.extend(block.signature.0);
        let digest = BlockDigest(hash(BLOCK_DIGEST_CONTEXT, &message));
        let reference = BlockRef { round: block.header.round, author: block.header.author, digest };
        Self { reference, block: Arc::new(block) }
    }

    /// Its name.
    #[must_use]
    pub fn reference(&self) -> BlockRef {
        self.reference
    }

    /// Its header.
    #[must_use]
    pub fn header(&self) -> &BlockHeader {
        &self.block.header
    }

    /// Its signature.
    #[must_use]
    pub fn signature(&self) -> &Ed25519Signature {
        &self.block.signature
    }

    /// Batches that travel with it.
    #[must_use]
    pub fn inline(&self) -> &[Batch] {
        &self.block.inline
    }

    /// Its round.
    #[must_use]
    pub fn round(&self) -> Round {
        self.reference.round
    }

    /// Its author.
    #[must_use]
    pub fn author(&self) -> Author {
        self.reference.author
    }

    /// Blocks it builds on.
    #[must_use]
    pub fn ancestors(&self) -> &[BlockRef] {
        &self.block.header.ancestors
    }

    /// The wire form.
    #[must_use]
    pub fn to_block(&self) -> Block {
        Block::V1((*self.block).clone())
    }
}

impl BlockRef {
    /// The blocks that everybody starts an epoch with: round 0, one per author, without bytes of their own. Their
    /// digests cover `origin`: the chain for the first epoch, the certificate that ended the epoch before for others.
    #[must_use]
    pub fn genesis(epoch: Epoch, origin: Hash, author: Author) -> Self {
        let digest = BlockDigest(hash("noema 2026 genesis block", &to_bytes(&(epoch, origin, author))));
        Self { round: Round(0), author, digest }
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{} of {} ({})", self.round, self.author, &self.digest.to_string()[2..10])
    }
}

pub(crate) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(value).expect("values of the protocol always serialise")
}

pub(crate) fn hash(context: &str, bytes: &[u8]) -> Hash {
    Hash(blake3::Hasher::new_derive_key(context).update(bytes).finalize().into())
}
