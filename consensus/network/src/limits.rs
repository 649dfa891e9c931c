//! Limits of every queue, frame and rate of the network, per channel.

use crate::Channel;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Events that wait for the node before reading from peers pauses.
pub(crate) const EVENTS_MAX: usize = 4096;
/// Peers in one set, at most.
#[expect(dead_code, reason = "the transport over sockets uses it")]
pub(crate) const PEERS_MAX: usize = 1024;

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
    fn default() -> Self {
        Self {
            channels: [
                channel(1024, 32, 32, 10_000),
                channel(1024, 64, 64, 10_000),
                channel(8 * 1024, 32, 64, 5_000),
                channel(256, 4, 4, 2_000),
                channel(8 * 1024, 32, 64, 2_000),
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
}
