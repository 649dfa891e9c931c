//! What can go wrong: starting the network, and why a connection ended.

use std::io;
use std::net::SocketAddr;

use crate::Channel;
use crate::frame::FrameError;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source} (hint: is another process using the port?)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// Limits that contradict each other.
    #[error("limits of channel {channel}: {rule}")]
    Limits {
        /// The channel.
        channel: Channel,
        /// What must hold.
        rule: &'static str,
    },
    /// TLS refuses the key or the parameters.
    #[error("tls: {0}")]
    Tls(String),
    /// The registry has metrics of these names already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a session was ended on purpose; told to the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error("it broke the protocol")]
    Violation,
    #[error("a newer connection replaces it")]
    Replaced,
    #[error("the peer is no longer in the set")]
    Removed,
    #[error("there is a connection already")]
    Duplicate,
    #[error("no reason that is known here")]
    Unknown,
}

/// Why a lane ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    #[error("closed by the peer")]
    Closed,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("nothing was heard of it for {0} ms")]
    Silent(u128),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a handshake's frame after the handshake")]
    LateHandshake,
    #[error("the peer ended it: {0}")]
    Goodbye(Reason),
    #[error("ended here: {0}")]
    Ended(Reason),
    #[error("the node takes no more messages")]
    Stopped,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the other side's key is not the expected peer's")]
    UnknownKey,
    #[error("no peer's key was proven")]
    KeyNotProven,
    #[error(
        "the peer refuses the key of this validator (hint: is this validator in the peer's committee, with this key?)"
    )]
    KeyRefused,
    #[error("the other side is on another chain (hint: compare the genesis files)")]
    Chain,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no answer within {0} ms")]
    Timeout(u128),
    #[error("the first frame is not that of a handshake")]
    NotHandshake,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("refused by the peer: {0}")]
    Refused(Reason),
    #[error("too many handshakes at once")]
    Busy,
}

impl Reason {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Violation => 1,
            Self::Replaced => 2,
            Self::Removed => 3,
            Self::Duplicate => 4,
        }
    }

    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Violation,
            2 => Self::Replaced,
            3 => Self::Removed,
            4 => Self::Duplicate,
            _ => Self::Unknown,
        }
    }
}

impl LaneError {
    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Io(_) => "io",
            Self::Silent(_) => "silent",
            Self::Frame(error) => error.name(),
            Self::LateHandshake => "late_handshake",
            Self::Goodbye(_) => "goodbye",
            Self::Ended(Reason::Replaced) => "replaced",
            Self::Ended(_) => "removed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether no honest peer would have caused it.
    pub(crate) fn is_violation(&self) -> bool {
        matches!(self, Self::Frame(_) | Self::LateHandshake)
    }
}

impl HandshakeError {
    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::KeyNotProven => "key_not_proven",
            Self::KeyRefused => "key_refused",
            Self::Chain => "chain",
            Self::Io(_) => "io",
            Self::Timeout(_) => "timeout",
            Self::NotHandshake | Self::Frame(_) => "not_handshake",
            Self::Refused(_) => "refused",
            Self::Busy => "busy",
        }
    }
}
