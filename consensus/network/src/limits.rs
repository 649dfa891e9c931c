//! Limits of every queue, frame and rate of the network, per channel.

use std::time::Duration;

use crate::Channel;
use crate::error::NetworkError;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Events that wait for the node. Few, because an urgent one waits behind them.
pub(crate) const EVENTS_MAX: usize = 64;
/// Messages of all peers, urgent or not, that wait for [`EVENTS_MAX`].
pub(crate) const INBOX_MESSAGES_MAX: usize = 1024;
/// Kibibytes of all peers, urgent or not, that wait for [`EVENTS_MAX`]. Beyond, reading pauses.
pub(crate) const INBOX_KIB_MAX: usize = 64 * 1024;
/// Sessions' beginnings and ends that wait.
pub(crate) const INBOX_CONTROL_MAX: usize = 64;

/// Payload of a control frame.
pub(crate) const CONTROL_BYTES_MAX: usize = 32;
/// Payload of the first frame: lane and session.
pub(crate) const HELLO_BYTES: usize = 17;
/// Control frames that a peer may send on a lane per second.
pub(crate) const CONTROL_PER_S: u64 = 20;

/// Messages that are encrypted and written in one go, at most.
pub(crate) const BATCH_MESSAGES_MAX: usize = 64;
/// Bytes after which no further message joins what is written in one go.
pub(crate) const BATCH_BYTES_MIN: usize = 256 * KIB;
/// Bytes that TLS encrypts ahead of the socket.
pub(crate) const TLS_BUFFER_BYTES: usize = 256 * KIB;
/// Bytes read from a socket at once.
pub(crate) const READ_BYTES: usize = 64 * KIB;

/// Between two pings, on every lane.
pub(crate) const PING_EVERY: Duration = Duration::from_millis(500);
/// A peer that sends nothing for so long is dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(3);
/// From TCP's connection to the first frame.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// From resolving the address to TCP's connection.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The first pause before dialling again; it doubles. Each pause is drawn between its half and its whole.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest pause before dialling again.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// The peer of the larger key gives the other so much time to dial first.
pub(crate) const YIELD: Duration = Duration::from_millis(200);
/// A session of this length was good: the next pause is the shortest again.
pub(crate) const SESSION_GOOD: Duration = Duration::from_secs(5);
/// Nothing is accepted from a peer for so long after it broke the protocol.
pub(crate) const QUARANTINE: Duration = Duration::from_secs(2);
/// For the last frame to leave.
pub(crate) const GOODBYE_MAX: Duration = Duration::from_millis(100);
/// After the listener's socket failed, out of file descriptors for instance.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Handshakes under way, all addresses together.
pub(crate) const HANDSHAKES_MAX: usize = 512;
/// Handshakes under way from one address.
pub(crate) const HANDSHAKES_PER_ADDRESS_MAX: usize = 128;
/// Connections of a peer that wait for the task that looks after it.
pub(crate) const ARRIVALS_MAX: usize = 16;
/// Warnings about refused handshakes per second; the rest is logged at debug level.
pub(crate) const WARNINGS_PER_S: u64 = 1;

const _: () = assert!(PING_EVERY.as_millis() * 4 <= SILENCE_MAX.as_millis(), "a few pings may be late");
const _: () = assert!(CONNECT_MAX.as_millis() < HANDSHAKE_MAX.as_millis(), "the accepted side outwaits a dead dial");
const _: () = assert!(HELLO_BYTES <= CONTROL_BYTES_MAX);

/// What one peer may do on one channel, and how much may wait to be sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelLimits {
    /// Bytes of one message, both ways.
    pub frame_bytes_max: usize,
    /// Bytes waiting to be sent.
    pub queue_bytes_max: usize,
    /// Messages waiting to be sent.
    pub queue_messages_max: usize,
    /// Bytes read per second over any longer time.
    pub receive_bytes_per_s: u64,
    /// Bytes that may be read at once after a pause; at least one message.
    pub receive_burst_bytes: u64,
    /// Messages read per second over any longer time; as many at once after a pause of a second.
    pub receive_messages_per_s: u64,
}

/// Limits of all channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    channels: [ChannelLimits; Channel::COUNT],
}

/// Kibibytes of a frame, mebibytes of a queue, mebibytes per second, messages per second.
const fn channel(frame_kib: usize, queue_mib: usize, rate_mib: u64, messages_per_s: u64) -> ChannelLimits {
    let limits = ChannelLimits {
        frame_bytes_max: frame_kib * KIB,
        queue_bytes_max: queue_mib * MIB,
        queue_messages_max: 4096,
        receive_bytes_per_s: rate_mib * MIB as u64,
        receive_burst_bytes: 2 * rate_mib * MIB as u64,
        receive_messages_per_s: messages_per_s,
    };
    assert!(limits.queue_bytes_max >= 2 * limits.frame_bytes_max, "a queue holds at least two messages");
    assert!(limits.receive_burst_bytes >= limits.frame_bytes_max as u64, "a burst holds at least one message");
    limits
}

impl Default for Limits {
    /// In the order of [`Channel::ALL`]. Batches make up nearly all of the traffic: a peer's own at 5 to 20 MB/s, and
    /// several times that while it catches up.
    fn default() -> Self {
        Self {
            channels: [
                channel(1024, 8, 32, 10_000),
                channel(1024, 32, 64, 10_000),
                channel(4 * 1024, 16, 64, 5_000),
                channel(256, 2, 4, 2_000),
                channel(4 * 1024, 16, 64, 2_000),
            ],
        }
    }
}

impl Limits {
    /// The limits of a channel.
    #[must_use]
    pub fn of(&self, channel: Channel) -> &ChannelLimits {
        &self.channels[channel.index()]
    }

    /// The limits of a channel, to change them.
    pub fn of_mut(&mut self, channel: Channel) -> &mut ChannelLimits {
        &mut self.channels[channel.index()]
    }
    /// Checks that no limit is nothing, that a queue takes a message and that a length fits its prefix.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        for channel in Channel::ALL {
            let limits = self.of(channel);
            let rules = [
                (limits.frame_bytes_max <= u32::MAX as usize, "a frame's length fits 32 bits"),
                (limits.frame_bytes_max.div_ceil(KIB) <= INBOX_KIB_MAX, "a frame fits the inbox"),
                (limits.queue_bytes_max >= limits.frame_bytes_max, "a queue holds at least one message"),
                (limits.queue_messages_max > 0, "a queue holds at least one message"),
                (limits.receive_bytes_per_s > 0, "bytes flow"),
                (limits.receive_messages_per_s > 0, "messages flow"),
            ];
            if let Some((_, rule)) = rules.into_iter().find(|(holds, _)| !holds) {
                return Err(NetworkError::Limits { channel, rule });
            }
        }
        Ok(())
    }
}
