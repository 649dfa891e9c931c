//! What the network keeps of one peer, connected or not.

use noema_types::Ed25519PublicKey;
use parking_lot::Mutex;
use std::sync::Arc;

use bytes::Bytes;

use crate::frame::Lane;
use crate::metrics::PeerMetrics;
use crate::outbox::Outbox;
use crate::rate::Bucket;
use crate::{Channel, Limits, SendError};

/// The outboxes of a session, one per lane.
pub(crate) type Outboxes = [Arc<Outbox>; Lane::COUNT];

/// One peer: its session's outboxes while connected, its rates, its counters.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: Ed25519PublicKey,
    pub(crate) limits: Limits,
    pub(crate) metrics: PeerMetrics,
    session: Mutex<Option<Outboxes>>,
    /// They outlast sessions, so that connecting again gives no new burst.
    rates: [Mutex<Rates>; Channel::COUNT],
}

#[derive(Debug)]
struct Rates {
    bytes: Bucket,
    messages: Bucket,
}

impl Link {
    pub(crate) fn new(peer: Ed25519PublicKey, limits: Limits, metrics: PeerMetrics) -> Self {
        let rates = Channel::ALL.map(|channel| {
            let limits = limits.of(channel);
            Mutex::new(Rates {
                bytes: Bucket::new(limits.receive_bytes_per_s, limits.receive_burst_bytes),
                messages: Bucket::new(limits.receive_messages_per_s, limits.receive_messages_per_s),
            })
        });
        Self { peer, limits, metrics, session: Mutex::new(None), rates }
    }

    pub(crate) fn send(&self, channel: Channel, bytes: Bytes) -> Result<(), SendError> {
        let outbox = self.session.lock().as_ref().map(|lanes| Arc::clone(&lanes[Lane::of(channel).index()]));
        let sent = match outbox {
            Some(outbox) => outbox.push(channel, bytes),
            None => Err(SendError::NotConnected { peer: self.peer }),
        };
        sent.inspect_err(|error| self.metrics.dropped(error))
    }

    /// New outboxes, that [`Self::send`] uses from now on.
    pub(crate) fn open(&self) -> Outboxes {
        let outboxes = Lane::ALL.map(|lane| Arc::new(Outbox::new(lane, self.peer, self.limits)));
        *self.session.lock() = Some(outboxes.clone());
        self.metrics.connected.set(1);
        outboxes
    }

    pub(crate) fn is_open(&self) -> bool {
        self.session.lock().is_some()
    }

    pub(crate) fn close(&self) {
        *self.session.lock() = None;
        self.metrics.connected.set(0);
    }

    /// For how many nanoseconds a message of that length waits before it is read.
    pub(crate) fn receive_wait_ns(&self, now_ns: u64, channel: Channel, length: usize) -> u64 {
        let mut rates = self.rates[channel.index()].lock();
        let bytes = rates.bytes.take(now_ns, length as u64);
        bytes.max(rates.messages.take(now_ns, 1))
    }
}
