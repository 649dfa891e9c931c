//! What ordering produces.

use std::fmt;

use bytes::Bytes;
use noema_types::{Epoch, Hash, Round};
use serde::{Deserialize, Serialize};

const COMMIT_DOMAIN: &[u8] = b"NOEMA::Commit";

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// Position of a commit in the ordered stream; the first one is 1.
    CommitIndex(u64)
);
number!(
    /// Position of a validator in its epoch's committee.
    Author(u16)
);
number!(
    /// Milliseconds since the Unix epoch.
    TimestampMs(u64)
);

/// Digest of a commit, which covers the digest of the one before: equal digests, equal histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitDigest(pub Hash);

impl fmt::Display for CommitDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A committed step of the ordered stream: the transactions to execute next, in order.
///
/// Transactions are opaque bytes here. One that does not decode is discarded at execution; it never makes a commit
/// invalid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Position in the stream.
    pub index: CommitIndex,
    /// Digest of the commit before; the first commit names the chain's genesis.
    pub previous: CommitDigest,
    /// Epoch whose committee made it.
    pub epoch: Epoch,
    /// Round of the committed leader.
    pub round: Round,
    /// Author of the committed leader.
    pub author: Author,
    /// The commit's time, strictly after the previous one's.
    pub timestamp: TimestampMs,
    /// Ordered transactions.
    pub transactions: Vec<Bytes>,
}

impl Commit {
    /// BLAKE3 of a domain tag, the header and the hash of each transaction.
    #[must_use]
    pub fn digest(&self) -> CommitDigest {
        let header = (self.index, self.previous, self.epoch, self.round, self.author, self.timestamp);
        let header = bcs::to_bytes(&header).expect("a header of numbers always serialises");
        let mut hasher = blake3::Hasher::new();
        hasher.update(COMMIT_DOMAIN).update(&header);
        for transaction in &self.transactions {
            hasher.update(blake3::hash(transaction).as_bytes());
        }
        CommitDigest(Hash(hasher.finalize().into()))
    }
}
