//! What waits to be sent on a lane: one bounded queue per channel, the more urgent channel first.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use noema_types::Ed25519PublicKey;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::error::Reason;
use crate::frame::{HEADER_BYTES, Header, Kind, Lane};
use crate::limits::{BATCH_BYTES_MIN, BATCH_MESSAGES_MAX};
use crate::{Channel, Limits, SendError};

/// The queues of one lane of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    lane: Lane,
    peer: Ed25519PublicKey,
    limits: Limits,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct State {
    queues: [Queue; Channel::COUNT],
    pong: Option<[u8; 8]>,
    goodbye: Option<Reason>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    /// What is being written counts until it is written.
    count: usize,
    bytes: usize,
}

/// What the lane writes next.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Headers and payloads in turn.
    pub(crate) frames: VecDeque<Bytes>,
    /// Messages and bytes of payload per channel.
    pub(crate) sums: [(usize, usize); Channel::COUNT],
    /// The connection ends after it.
    pub(crate) goodbye: Option<Reason>,
}

impl Outbox {
    pub(crate) fn new(lane: Lane, peer: Ed25519PublicKey, limits: Limits) -> Self {
        Self { lane, peer, limits, state: Mutex::default(), wake: Notify::new() }
    }

    /// Queues a message of one of the lane's channels.
    pub(crate) fn push(&self, channel: Channel, bytes: Bytes) -> Result<(), SendError> {
        assert_eq!(Lane::of(channel), self.lane, "messages go to their lane");
        let (peer, limits) = (self.peer, self.limits.of(channel));
        if bytes.len() > limits.frame_bytes_max {
            return Err(SendError::TooLarge { channel, size: bytes.len(), limit: limits.frame_bytes_max });
        }
        {
            let mut state = self.state.lock();
            let queue = &mut state.queues[channel.index()];
            if queue.count >= limits.queue_messages_max {
                return Err(SendError::QueueMessages { peer, channel, limit: limits.queue_messages_max });
            }
            if queue.bytes + bytes.len() > limits.queue_bytes_max {
                let (queued, limit) = (queue.bytes, limits.queue_bytes_max);
                return Err(SendError::QueueBytes { peer, channel, queued, limit });
            }
            queue.count += 1;
            queue.bytes += bytes.len();
            queue.messages.push_back(bytes);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Sends a ping's bytes back. Only the latest counts, so a flood of pings queues nothing.
    pub(crate) fn pong(&self, bytes: [u8; 8]) {
        self.state.lock().pong = Some(bytes);
        self.wake.notify_one();
    }

    /// Ends the connection after what is being written.
    pub(crate) fn goodbye(&self, reason: Reason) {
        self.state.lock().goodbye = Some(reason);
        self.wake.notify_one();
    }

    /// Waits for something to write. Cancelling it loses nothing.
    pub(crate) async fn next(&self) -> Batch {
        loop {
            if let Some(batch) = self.take() {
                return batch;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self) -> Option<Batch> {
        let mut state = self.state.lock();
        let mut batch = Batch::default();
        let mut headers = BytesMut::with_capacity(BATCH_MESSAGES_MAX * HEADER_BYTES);
        let mut push = |batch: &mut Batch, kind: Kind, payload: Bytes| {
            headers.put_slice(&Header::encode(kind, payload.len()));
            batch.frames.push_back(headers.split().freeze());
            if !payload.is_empty() {
                batch.frames.push_back(payload);
            }
        };
        if let Some(reason) = state.goodbye.take() {
            push(&mut batch, Kind::Goodbye, Bytes::copy_from_slice(&[reason.number()]));
            batch.goodbye = Some(reason);
            return Some(batch);
        }
        if let Some(bytes) = state.pong.take() {
            push(&mut batch, Kind::Pong, Bytes::copy_from_slice(&bytes));
        }
        let (mut count, mut bytes) = (0, 0);
        for channel in self.lane.channels() {
            let queue = &mut state.queues[channel.index()];
            while count < BATCH_MESSAGES_MAX && bytes < BATCH_BYTES_MIN {
                let Some(message) = queue.messages.pop_front() else { break };
                let sum = &mut batch.sums[channel.index()];
                *sum = (sum.0 + 1, sum.1 + message.len());
                count += 1;
                bytes += message.len();
                push(&mut batch, Kind::Message(*channel), message);
            }
        }
        (!batch.frames.is_empty()).then_some(batch)
    }

    /// Frees the places of what was written.
    pub(crate) fn written(&self, sums: &[(usize, usize); Channel::COUNT]) {
        let mut state = self.state.lock();
        for (queue, (count, bytes)) in state.queues.iter_mut().zip(sums) {
            queue.count -= count;
            queue.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(Lane::Urgent, Ed25519PublicKey([1; 32]), Limits::default())
    }

    #[test]
    fn blocks_go_before_checkpoints_in_order() {
        let outbox = outbox();
        outbox.push(Channel::Checkpoints, Bytes::from_static(b"c")).expect("room");
        outbox.push(Channel::Blocks, Bytes::from_static(b"1")).expect("room");
        outbox.push(Channel::Blocks, Bytes::from_static(b"2")).expect("room");
        let payloads: Vec<_> = outbox.take().expect("three").frames.into_iter().skip(1).step_by(2).collect();
        assert_eq!(payloads, ["1", "2", "c"]);
        assert!(outbox.take().is_none());
    }

    #[test]
    fn places_are_taken_until_written() {
        let outbox = outbox();
        let limits = Limits::default();
        let limit = limits.of(Channel::Blocks).queue_messages_max;
        for _ in 0..limit {
            outbox.push(Channel::Blocks, Bytes::from_static(b"1")).expect("room");
        }
        let full = SendError::QueueMessages { peer: Ed25519PublicKey([1; 32]), channel: Channel::Blocks, limit };
        assert_eq!(outbox.push(Channel::Blocks, Bytes::new()), Err(full.clone()));
        let batch = outbox.take().expect("many");
        assert_eq!(outbox.push(Channel::Blocks, Bytes::new()), Err(full), "not written yet");
        outbox.written(&batch.sums);
        assert_eq!(outbox.push(Channel::Blocks, Bytes::new()), Ok(()));
        assert_eq!(outbox.push(Channel::Checkpoints, Bytes::new()), Ok(()), "channels have queues of their own");
    }

    #[test]
    fn bytes_are_limited_too() {
        let outbox = outbox();
        let limits = Limits::default();
        let limits = limits.of(Channel::Blocks);
        let message = Bytes::from(vec![0; limits.frame_bytes_max]);
        let refused = (0..=limits.queue_bytes_max / message.len())
            .find_map(|_| outbox.push(Channel::Blocks, message.clone()).err());
        assert!(matches!(refused, Some(SendError::QueueBytes { limit, .. }) if limit == limits.queue_bytes_max));
        let long = Bytes::from(vec![0; limits.frame_bytes_max + 1]);
        assert!(matches!(outbox.push(Channel::Blocks, long), Err(SendError::TooLarge { .. })));
    }

    #[test]
    fn a_goodbye_overtakes_what_waits() {
        let outbox = outbox();
        outbox.push(Channel::Blocks, Bytes::from_static(b"1")).expect("room");
        outbox.goodbye(Reason::Removed);
        assert_eq!(outbox.take().expect("goodbye").goodbye, Some(Reason::Removed));
    }
}
