//! From all lanes to the node's one receiver: urgent messages first, and no more of them than fit a budget of bytes.
//!
//! Guarantees: a session's beginning comes before its messages and its end after them; what a session left behind when
//! it ended is dropped. Who waits for the budget waits in turn, so one peer's flood leaves the others their share.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_types::Ed25519PublicKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::LaneError;
use crate::frame::Lane;
use crate::limits::{INBOX_CONTROL_MAX, INBOX_KIB_MAX, INBOX_MESSAGES_MAX};
use crate::{Channel, NetworkEvent};

/// Number of a session, unique in a network.
pub(crate) type SessionNumber = u64;

/// Where sessions put what they receive.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    control: mpsc::Sender<Control>,
    urgent: Side,
    bulk: Side,
}

#[derive(Debug, Clone)]
struct Side {
    messages: mpsc::Sender<Item>,
    budget: Arc<Semaphore>,
}

#[derive(Debug)]
enum Control {
    Begin(Ed25519PublicKey, SessionNumber),
    End(Ed25519PublicKey),
}

#[derive(Debug)]
struct Item {
    from: Ed25519PublicKey,
    session: SessionNumber,
    channel: Channel,
    bytes: Bytes,
    /// Given back when the node takes the message.
    _permit: OwnedSemaphorePermit,
}

/// The other end of an [`Inbox`].
#[derive(Debug)]
pub(crate) struct Forwarder {
    control: mpsc::Receiver<Control>,
    urgent: mpsc::Receiver<Item>,
    bulk: mpsc::Receiver<Item>,
    current: BTreeMap<Ed25519PublicKey, SessionNumber>,
    events: mpsc::Sender<NetworkEvent>,
}

fn side() -> (Side, mpsc::Receiver<Item>) {
    let (messages, receiver) = mpsc::channel(INBOX_MESSAGES_MAX);
    (Side { messages, budget: Arc::new(Semaphore::new(INBOX_KIB_MAX)) }, receiver)
}

pub(crate) fn inbox(events: mpsc::Sender<NetworkEvent>) -> (Inbox, Forwarder) {
    let (control, control_receiver) = mpsc::channel(INBOX_CONTROL_MAX);
    let ((urgent, urgent_receiver), (bulk, bulk_receiver)) = (side(), side());
    let forwarder = Forwarder {
        control: control_receiver,
        urgent: urgent_receiver,
        bulk: bulk_receiver,
        current: BTreeMap::new(),
        events,
    };
    (Inbox { control, urgent, bulk }, forwarder)
}

impl Inbox {
    pub(crate) async fn begin(&self, peer: Ed25519PublicKey, session: SessionNumber) -> Result<(), LaneError> {
        self.control.send(Control::Begin(peer, session)).await.map_err(|_| LaneError::Stopped)
    }

    pub(crate) async fn end(&self, peer: Ed25519PublicKey) -> Result<(), LaneError> {
        self.control.send(Control::End(peer)).await.map_err(|_| LaneError::Stopped)
    }

    /// Waits until the message is within the budget.
    pub(crate) async fn message(
        &self,
        from: Ed25519PublicKey,
        session: SessionNumber,
        channel: Channel,
        bytes: Bytes,
    ) -> Result<(), LaneError> {
        let side = if Lane::of(channel) == Lane::Urgent { &self.urgent } else { &self.bulk };
        let kib = u32::try_from(bytes.len().div_ceil(1024).max(1)).expect("limits are checked at the start");
        let budget = Arc::clone(&side.budget);
        let permit = budget.acquire_many_owned(kib).await.map_err(|_| LaneError::Stopped)?;
        let item = Item { from, session, channel, bytes, _permit: permit };
        side.messages.send(item).await.map_err(|_| LaneError::Stopped)
    }
}

impl Forwarder {
    /// Runs until nobody can put in or take out any more.
    pub(crate) async fn run(mut self) {
        loop {
            let event = tokio::select! {
                biased;
                control = self.control.recv() => match control {
                    Some(control) => self.control(control),
                    None => return,
                },
                Some(item) = self.urgent.recv() => self.message(item),
                Some(item) = self.bulk.recv() => self.message(item),
            };
            if let Some(event) = event
                && self.events.send(event).await.is_err()
            {
                return;
            }
        }
    }

    fn control(&mut self, control: Control) -> Option<NetworkEvent> {
        match control {
            Control::Begin(peer, session) => {
                assert!(self.current.insert(peer, session).is_none(), "sessions of a peer follow each other");
                Some(NetworkEvent::Connected(peer))
            }
            Control::End(peer) => self.current.remove(&peer).map(|_| NetworkEvent::Disconnected(peer)),
        }
    }

    fn message(&self, item: Item) -> Option<NetworkEvent> {
        let Item { from, session, channel, bytes, .. } = item;
        (self.current.get(&from) == Some(&session)).then_some(NetworkEvent::Message { from, channel, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Ed25519PublicKey = Ed25519PublicKey([1; 32]);

    #[tokio::test]
    async fn urgent_messages_overtake_bulk_and_ended_sessions_are_silent() {
        let (events, mut receiver) = mpsc::channel(1);
        let (inbox, forwarder) = inbox(events);
        inbox.begin(PEER, 1).await.expect("open");
        for (channel, byte) in [(Channel::Batches, 1), (Channel::Sync, 2), (Channel::Blocks, 3)] {
            inbox.message(PEER, 1, channel, Bytes::from(vec![byte])).await.expect("open");
        }
        inbox.message(PEER, 0, Channel::Blocks, Bytes::new()).await.expect("a late one of a former session");
        let task = tokio::spawn(forwarder.run());
        assert_eq!(receiver.recv().await, Some(NetworkEvent::Connected(PEER)));
        for expected in [3, 1, 2] {
            let Some(NetworkEvent::Message { bytes, .. }) = receiver.recv().await else { panic!("a message") };
            assert_eq!(bytes[..], [expected]);
        }
        inbox.end(PEER).await.expect("open");
        assert_eq!(receiver.recv().await, Some(NetworkEvent::Disconnected(PEER)));
        drop(inbox);
        task.await.expect("it ends");
    }

    #[tokio::test]
    async fn bytes_beyond_the_budget_wait() {
        let (events, mut receiver) = mpsc::channel(1);
        let (inbox, forwarder) = inbox(events);
        inbox.begin(PEER, 1).await.expect("open");
        let half = Bytes::from(vec![0; INBOX_KIB_MAX * 1024 / 2]);
        for _ in 0..2 {
            inbox.message(PEER, 1, Channel::Sync, half.clone()).await.expect("open");
        }
        let mut third = Box::pin(inbox.message(PEER, 1, Channel::Sync, half));
        let waits = tokio::time::timeout(std::time::Duration::from_millis(50), &mut third).await;
        assert!(waits.is_err(), "the budget is spent");
        tokio::spawn(forwarder.run());
        receiver.recv().await.expect("the beginning");
        receiver.recv().await.expect("the first");
        third.await.expect("there is room again");
    }
}
