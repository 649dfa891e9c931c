//! Counters of the network, per peer: `noema_network_*`. They belong to one network and are registered by its owner.

use noema_types::Ed25519PublicKey;
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{Channel, SendError};

/// All counters. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    connected: IntGaugeVec,
    rtt: IntGaugeVec,
    received_bytes: IntCounterVec,
    received_messages: IntCounterVec,
    sent_bytes: IntCounterVec,
    sent_messages: IntCounterVec,
    dropped: IntCounterVec,
    throttled: IntCounterVec,
    dials_failed: IntCounterVec,
    sessions_closed: IntCounterVec,
    handshakes_refused: IntCounterVec,
}

/// The counters of one peer, looked up once.
#[derive(Debug)]
pub(crate) struct PeerMetrics {
    label: String,
    all: Metrics,
    pub(crate) connected: IntGauge,
    pub(crate) rtt: IntGauge,
    pub(crate) dials_failed: IntCounter,
    pub(crate) channels: [ChannelMetrics; Channel::COUNT],
}

/// The counters of one peer on one channel.
#[derive(Debug)]
pub(crate) struct ChannelMetrics {
    pub(crate) received_bytes: IntCounter,
    pub(crate) received_messages: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) sent_messages: IntCounter,
    pub(crate) throttled: IntCounter,
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(format!("noema_network_{name}"), help), labels).expect("valid names")
}

fn gauges(name: &str, help: &str) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(format!("noema_network_{name}"), help), &["peer"]).expect("valid names")
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let channel = &["peer", "channel"][..];
        Self {
            connected: gauges("connected", "1 while the peer is connected"),
            rtt: gauges("rtt_microseconds", "time of the last ping to the peer and back"),
            received_bytes: counters("received_bytes_total", "bytes of messages received", channel),
            received_messages: counters("received_messages_total", "messages received", channel),
            sent_bytes: counters("sent_bytes_total", "bytes of messages sent", channel),
            sent_messages: counters("sent_messages_total", "messages sent", channel),
            dropped: counters(
                "dropped_messages_total",
                "messages refused because the peer's queue was full, by limit",
                &["peer", "channel", "limit"],
            ),
            throttled: counters("throttled_total", "times that reading waited for the peer's rate limit", channel),
            dials_failed: counters("dials_failed_total", "failed attempts to connect", &["peer"]),
            sessions_closed: counters("sessions_closed_total", "connections ended, by reason", &["peer", "reason"]),
            handshakes_refused: counters(
                "handshakes_refused_total",
                "incoming connections that proved no peer's key, by reason",
                &["reason"],
            ),
        }
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        let collectors: [Box<dyn Collector>; 11] = [
            Box::new(self.connected.clone()),
            Box::new(self.rtt.clone()),
            Box::new(self.received_bytes.clone()),
            Box::new(self.received_messages.clone()),
            Box::new(self.sent_bytes.clone()),
            Box::new(self.sent_messages.clone()),
            Box::new(self.dropped.clone()),
            Box::new(self.throttled.clone()),
            Box::new(self.dials_failed.clone()),
            Box::new(self.sessions_closed.clone()),
            Box::new(self.handshakes_refused.clone()),
        ];
        collectors.into_iter().try_for_each(|collector| registry.register(collector))
    }

    pub(crate) fn handshake_refused(&self, reason: &str) {
        self.handshakes_refused.with_label_values(&[reason]).inc();
    }

    /// The counters of a peer, labelled with the first eight bytes of its key.
    pub(crate) fn peer(&self, key: &Ed25519PublicKey) -> PeerMetrics {
        let label: String = key.0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let counter = |vec: &IntCounterVec, channel: Channel| vec.with_label_values(&[&label[..], channel.name()]);
        PeerMetrics {
            connected: self.connected.with_label_values(&[&label]),
            rtt: self.rtt.with_label_values(&[&label]),
            dials_failed: self.dials_failed.with_label_values(&[&label]),
            channels: Channel::ALL.map(|channel| ChannelMetrics {
                received_bytes: counter(&self.received_bytes, channel),
                received_messages: counter(&self.received_messages, channel),
                sent_bytes: counter(&self.sent_bytes, channel),
                sent_messages: counter(&self.sent_messages, channel),
                throttled: counter(&self.throttled, channel),
            }),
            all: self.clone(),
            label,
        }
    }
}

impl PeerMetrics {
    pub(crate) fn channel(&self, channel: Channel) -> &ChannelMetrics {
        &self.channels[channel.index()]
    }

    pub(crate) fn session_closed(&self, reason: &str) {
        self.all.sessions_closed.with_label_values(&[&self.label, reason]).inc();
    }

    pub(crate) fn dropped(&self, error: &SendError) {
        let (channel, limit) = match error {
            SendError::QueueMessages { channel, .. } => (channel, "messages"),
            SendError::QueueBytes { channel, .. } => (channel, "bytes"),
            SendError::TooLarge { channel, .. } => (channel, "frame"),
            SendError::NotConnected { .. } => return,
        };
        self.all.dropped.with_label_values(&[&self.label[..], channel.name(), limit]).inc();
    }
}
