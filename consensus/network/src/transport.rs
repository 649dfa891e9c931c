//! The seam between consensus and whatever carries its messages.
//!
//! Messages are one-way. What one peer sends on one channel arrives in order and intact, or not at all: a lost
//! connection loses what was under way and what waited, without notice but [`NetworkEvent::Disconnected`]. Asking again
//! is the sender's business.

use std::fmt;

use bytes::Bytes;
use noema_types::Ed25519PublicKey;

/// A kind of traffic. Each has a stream of its own per peer, so that bulk never delays votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Blocks of the DAG, which are the votes. Urgent.
    Blocks,
    /// Batches of transactions. Bulk.
    Batches,
    /// Requests for missing blocks and batches, and the answers.
    Fetch,
    /// Signatures of checkpoints and certificates. Urgent.
    Checkpoints,
    /// Catching up: certified blocks, snapshots. Bulk.
    Sync,
}

/// A validator to be connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its network key.
    pub key: Ed25519PublicKey,
    /// "host:port", resolved whenever it is dialled.
    pub address: String,
}

/// What the network tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The peer has proven its key; messages can be sent.
    Connected(Ed25519PublicKey),
    /// The connection is gone with all that was under way. Follows [`Self::Connected`] of the same peer.
    Disconnected(Ed25519PublicKey),
    /// A message of a connected peer. Nothing of its content was looked at.
    Message {
        /// Who sent it, proven.
        from: Ed25519PublicKey,
        /// On which channel.
        channel: Channel,
        /// The message.
        bytes: Bytes,
    },
}

/// Why a message was not taken. None was sent in part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The peer is not in the set of peers, or not connected at the moment.
    #[error("peer {peer} is not connected")]
    NotConnected {
        /// The peer.
        peer: Ed25519PublicKey,
    },
    /// Longer than a message of the channel may be; never fits.
    #[error("message of {size} bytes on channel {channel}, the limit is {limit}")]
    TooLarge {
        /// The channel.
        channel: Channel,
        /// Bytes of the message.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The peer reads too slowly: as many messages wait already as may.
    #[error("{limit} messages wait for peer {peer} on channel {channel}, the limit")]
    QueueMessages {
        /// The peer.
        peer: Ed25519PublicKey,
        /// The channel.
        channel: Channel,
        /// Messages that may wait.
        limit: usize,
    },
    /// The peer reads too slowly: with this message more bytes would wait than may.
    #[error("{queued} bytes wait for peer {peer} on channel {channel}, {limit} may")]
    QueueBytes {
        /// The peer.
        peer: Ed25519PublicKey,
        /// The channel.
        channel: Channel,
        /// Bytes waiting.
        queued: usize,
        /// Bytes that may wait.
        limit: usize,
    },
}

/// Carries messages to other validators. Nothing here waits: what cannot be taken is refused.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Hands over a message for one peer.
    ///
    /// # Errors
    /// [`SendError`], when it was not taken. Taken does not mean delivered.
    fn send(&self, to: &Ed25519PublicKey, channel: Channel, bytes: Bytes) -> Result<(), SendError>;

    /// Hands a message over for every connected peer, sharing its bytes. Peers that cannot take it miss it; metrics
    /// count that.
    fn broadcast(&self, channel: Channel, bytes: &Bytes);

    /// Replaces the set of peers. Connections with others are closed, new peers dialled; the own key is ignored.
    fn set_peers(&self, peers: Vec<Peer>);
}

impl Channel {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Blocks, Self::Batches, Self::Fetch, Self::Checkpoints, Self::Sync];

    /// Its number on the wire.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The channel of a number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Its name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks",
            Self::Batches => "batches",
            Self::Fetch => "fetch",
            Self::Checkpoints => "checkpoints",
            Self::Sync => "sync",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
