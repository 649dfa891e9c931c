//! Frames: a kind, a length and that many bytes; and lanes, the connections that carry them.
//!
//! The header is checked before a byte of what follows is read: an unknown kind, a channel that belongs to another lane
//! and a length above the channel's limit end the connection.

use std::fmt;

use crate::limits::{CONTROL_BYTES_MAX, HELLO_BYTES};
use crate::{Channel, Limits};

/// Bytes before the payload: kind and big-endian length.
pub(crate) const HEADER_BYTES: usize = 5;

const KIND_GOODBYE: u8 = 251;
const KIND_HELLO: u8 = 252;
const KIND_PING: u8 = 253;
const KIND_PONG: u8 = 254;
const KIND_WELCOME: u8 = 255;

/// What a frame carries. Channels have the numbers from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A message.
    Message(Channel),
    /// The connection ends; the payload is one byte, the reason.
    Goodbye,
    /// First frame of who dialled: lane and session.
    Hello,
    /// Says that the sender lives; eight bytes to be sent back.
    Ping,
    /// The eight bytes of a ping.
    Pong,
    /// First frame of who was dialled: the session has begun.
    Welcome,
}

/// A connection of its own, so that neither its bulk nor its losses delay the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Blocks before checkpoints.
    Urgent,
    /// Batches.
    Batches,
    /// Fetches.
    Fetch,
    /// Catching up.
    Sync,
}

/// A checked header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) length: usize,
}

/// A header that no honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("frame of unknown kind {kind}")]
    Kind { kind: u8 },
    #[error("frame of channel {channel} on the lane {lane}")]
    Lane { channel: Channel, lane: Lane },
    #[error("frame of kind {kind} with {length} bytes, the limit is {limit}")]
    TooLong { kind: u8, length: usize, limit: usize },
    #[error("frame of kind {kind} with {length} bytes, expected {expected}")]
    Length { kind: u8, length: usize, expected: usize },
}

impl FrameError {
    /// Its name in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "unknown_kind",
            Self::Lane { .. } => "wrong_lane",
            Self::TooLong { .. } => "frame_too_long",
            Self::Length { .. } => "control_length",
        }
    }
}

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Message(channel) => u8::try_from(channel.index()).expect("there are few channels"),
            Self::Goodbye => KIND_GOODBYE,
            Self::Hello => KIND_HELLO,
            Self::Ping => KIND_PING,
            Self::Pong => KIND_PONG,
            Self::Welcome => KIND_WELCOME,
        }
    }

    fn from_number(kind: u8) -> Result<Self, FrameError> {
        Ok(match kind {
            KIND_GOODBYE => Self::Goodbye,
            KIND_HELLO => Self::Hello,
            KIND_PING => Self::Ping,
            KIND_PONG => Self::Pong,
            KIND_WELCOME => Self::Welcome,
            _ => Self::Message(Channel::from_index(usize::from(kind)).ok_or(FrameError::Kind { kind })?),
        })
    }
}

impl Lane {
    pub(crate) const COUNT: usize = Self::ALL.len();
    pub(crate) const ALL: [Self; 4] = [Self::Urgent, Self::Batches, Self::Fetch, Self::Sync];

    pub(crate) fn of(channel: Channel) -> Self {
        match channel {
            Channel::Blocks | Channel::Checkpoints => Self::Urgent,
            Channel::Batches => Self::Batches,
            Channel::Fetch => Self::Fetch,
            Channel::Sync => Self::Sync,
        }
    }

    /// Its channels, the more urgent first.
    pub(crate) fn channels(self) -> &'static [Channel] {
        match self {
            Self::Urgent => &[Channel::Blocks, Channel::Checkpoints],
            Self::Batches => &[Channel::Batches],
            Self::Fetch => &[Channel::Fetch],
            Self::Sync => &[Channel::Sync],
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Urgent => "urgent",
            Self::Batches => "batches",
            Self::Fetch => "fetch",
            Self::Sync => "sync",
        })
    }
}

impl Header {
    pub(crate) fn encode(kind: Kind, length: usize) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = u32::try_from(length).expect("limits of frames fit 32 bits").to_be_bytes();
        [kind.number(), a, b, c, d]
    }

    pub(crate) fn decode(bytes: [u8; HEADER_BYTES], lane: Lane, limits: &Limits) -> Result<Self, FrameError> {
        let [number, a, b, c, d] = bytes;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let kind = Kind::from_number(number)?;
        match kind {
            Kind::Message(channel) if Lane::of(channel) != lane => Err(FrameError::Lane { channel, lane }),
            Kind::Message(channel) if length > limits.of(channel).frame_bytes_max => {
                Err(FrameError::TooLong { kind: number, length, limit: limits.of(channel).frame_bytes_max })
            }
            Kind::Message(_) => Ok(Self { kind, length }),
            control if length != control.control_bytes() => {
                Err(FrameError::Length { kind: number, length, expected: control.control_bytes() })
            }
            _ => Ok(Self { kind, length }),
        }
    }
}

impl Kind {
    fn control_bytes(self) -> usize {
        let bytes = match self {
            Self::Message(_) | Self::Welcome => 0,
            Self::Goodbye => 1,
            Self::Hello => HELLO_BYTES,
            Self::Ping | Self::Pong => 8,
        };
        assert!(bytes <= CONTROL_BYTES_MAX, "control frames are small");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_read_as_written() {
        let limits = Limits::default();
        for lane in Lane::ALL {
            for channel in Channel::ALL {
                let limit = limits.of(channel).frame_bytes_max;
                for length in [0, 1, limit] {
                    let read = Header::decode(Header::encode(Kind::Message(channel), length), lane, &limits);
                    if lane.channels().contains(&channel) {
                        assert_eq!(read, Ok(Header { kind: Kind::Message(channel), length }));
                    } else {
                        assert_eq!(read, Err(FrameError::Lane { channel, lane }));
                    }
                }
            }
            for (kind, length) in [(Kind::Goodbye, 1), (Kind::Hello, HELLO_BYTES), (Kind::Ping, 8), (Kind::Welcome, 0)]
            {
                assert_eq!(Header::decode(Header::encode(kind, length), lane, &limits), Ok(Header { kind, length }));
                assert!(Header::decode(Header::encode(kind, length + 1), lane, &limits).is_err());
            }
        }
    }

    #[test]
    fn one_byte_above_the_limit_is_refused() {
        let limits = Limits::default();
        for channel in Channel::ALL {
            let length = limits.of(channel).frame_bytes_max + 1;
            let read = Header::decode(Header::encode(Kind::Message(channel), length), Lane::of(channel), &limits);
            assert_eq!(read.expect_err("too long").name(), "frame_too_long");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(bytes: [u8; HEADER_BYTES], lane in 0..Lane::COUNT) {
            let limits = Limits::default();
            if let Ok(header) = Header::decode(bytes, Lane::ALL[lane], &limits) {
                prop_assert_eq!(Header::encode(header.kind, header.length), bytes);
                if let Kind::Message(channel) = header.kind {
                    prop_assert!(header.length <= limits.of(channel).frame_bytes_max);
                }
            }
        }
    }
}
