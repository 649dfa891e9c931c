//! The transport without sockets, for tests: every message arrives at once, in order, on links that tests can cut.
//!
//! Two members are connected while each has the other in its set of peers, both exist, and nobody has cut the link.
//! Limits of size hold as in the real transport. A receiver that is not read fills up; then sending to it is refused as
//! a full queue is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use noema_types::Ed25519PublicKey;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{Channel, Limits, NetworkEvent, Peer, SendError, Transport};

/// Messages that a member may leave unread.
const EVENTS_MAX: usize = 4096;
/// Places of the receiver kept free for [`NetworkEvent::Connected`] and `Disconnected`.
const CONTROL_EVENTS_MAX: usize = 1024;

/// Connects members of one process.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

/// One member's side of a [`Hub`]. Dropping it disconnects the member, as the end of its process would.
#[derive(Debug)]
pub struct MemoryTransport {
    key: Ed25519PublicKey,
    generation: u64,
    hub: Hub,
}

#[derive(Debug, Default)]
struct State {
    members: BTreeMap<Ed25519PublicKey, Member>,
    /// Cut links, smaller key first.
    cut: BTreeSet<(Ed25519PublicKey, Ed25519PublicKey)>,
    limits: Limits,
    generations: u64,
}

#[derive(Debug)]
struct Member {
    generation: u64,
    peers: BTreeSet<Ed25519PublicKey>,
    connected: BTreeSet<Ed25519PublicKey>,
    events: mpsc::Sender<NetworkEvent>,
}

/// A hub of `n` members that are all connected with each other. Their keys are arbitrary, distinct and ascending.
#[must_use]
pub fn hub(n: usize) -> (Hub, Vec<(MemoryTransport, mpsc::Receiver<NetworkEvent>)>) {
    let key = |index: usize| {
        let mut bytes = [0; Ed25519PublicKey::LENGTH];
        bytes[..8].copy_from_slice(&(index as u64 + 1).to_be_bytes());
        Ed25519PublicKey(bytes)
    };
    hub_of(&(0..n).map(key).collect::<Vec<_>>())
}

/// A hub whose members have the given keys and are all connected with each other.
#[must_use]
pub fn hub_of(keys: &[Ed25519PublicKey]) -> (Hub, Vec<(MemoryTransport, mpsc::Receiver<NetworkEvent>)>) {
    let hub = Hub::default();
    let members: Vec<_> = keys.iter().map(|key| hub.join(*key)).collect();
    for (member, _) in &members {
        member.set_peers(keys.iter().map(|key| Peer { key: *key, address: String::new() }).collect());
    }
    (hub, members)
}

fn link(a: Ed25519PublicKey, b: Ed25519PublicKey) -> (Ed25519PublicKey, Ed25519PublicKey) {
    (a.min(b), a.max(b))
}

impl Hub {
    /// Adds a member without peers. A former one of the same key is disconnected first: the validator restarted.
    #[must_use]
    pub fn join(&self, key: Ed25519PublicKey) -> (MemoryTransport, mpsc::Receiver<NetworkEvent>) {
        let (events, receiver) = mpsc::channel(EVENTS_MAX + CONTROL_EVENTS_MAX);
        let mut state = self.0.lock();
        state.remove(key);
        state.generations += 1;
        let generation = state.generations;
        let member = Member { generation, peers: BTreeSet::new(), connected: BTreeSet::new(), events };
        state.members.insert(key, member);
        (MemoryTransport { key, generation, hub: self.clone() }, receiver)
    }

    /// Cuts the link between two members until [`Self::heal`].
    pub fn cut(&self, a: Ed25519PublicKey, b: Ed25519PublicKey) {
        let mut state = self.0.lock();
        state.cut.insert(link(a, b));
        state.refresh();
    }

    /// Mends a cut link.
    pub fn heal(&self, a: Ed25519PublicKey, b: Ed25519PublicKey) {
        let mut state = self.0.lock();
        state.cut.remove(&link(a, b));
        state.refresh();
    }
}

impl State {
    fn linked(&self, a: Ed25519PublicKey, b: Ed25519PublicKey) -> bool {
        let wants = |from, to| self.members.get(&from).is_some_and(|member| member.peers.contains(&to));
        wants(a, b) && wants(b, a) && !self.cut.contains(&link(a, b))
    }

    /// Tells every member whom it gained and lost.
    fn refresh(&mut self) {
        let keys: Vec<Ed25519PublicKey> = self.members.keys().copied().collect();
        for key in &keys {
            let now: BTreeSet<_> = keys.iter().copied().filter(|other| self.linked(*key, *other)).collect();
            let member = self.members.get_mut(key).expect("listed above");
            let lost = member.connected.difference(&now).map(|other| NetworkEvent::Disconnected(*other));
            let gained = now.difference(&member.connected).map(|other| NetworkEvent::Connected(*other));
            for event in lost.chain(gained) {
                let full = matches!(member.events.try_send(event), Err(mpsc::error::TrySendError::Full(_)));
                assert!(!full, "the events of {key} were not read for too long to be told of its links");
            }
            member.connected = now;
        }
    }

    fn remove(&mut self, key: Ed25519PublicKey) {
        if self.members.remove(&key).is_some() {
            self.refresh();
        }
    }

    fn send(
        &self,
        from: &MemoryTransport,
        to: Ed25519PublicKey,
        channel: Channel,
        bytes: Bytes,
    ) -> Result<(), SendError> {
        let limit = self.limits.of(channel).frame_bytes_max;
        if bytes.len() > limit {
            return Err(SendError::TooLarge { channel, size: bytes.len(), limit });
        }
        let unknown = SendError::NotConnected { peer: to };
        let own = self.members.get(&from.key).filter(|member| member.generation == from.generation);
        let other = self.members.get(&to).filter(|_| own.is_some_and(|member| member.connected.contains(&to)));
        let Some(other) = other else { return Err(unknown) };
        if other.events.capacity() <= CONTROL_EVENTS_MAX {
            return Err(SendError::QueueMessages { peer: to, channel, limit: EVENTS_MAX });
        }
        other.events.try_send(NetworkEvent::Message { from: from.key, channel, bytes }).map_err(|_| unknown)
    }
}

impl MemoryTransport {
    /// The member's key.
    #[must_use]
    pub fn key(&self) -> Ed25519PublicKey {
        self.key
    }
}

impl Transport for MemoryTransport {
    fn send(&self, to: &Ed25519PublicKey, channel: Channel, bytes: Bytes) -> Result<(), SendError> {
        self.hub.0.lock().send(self, *to, channel, bytes)
    }

    fn broadcast(&self, channel: Channel, bytes: &Bytes) {
        let state = self.hub.0.lock();
        let Some(own) = state.members.get(&self.key) else { return };
        for to in &own.connected {
            // As on a real network, who cannot take a broadcast misses it.
            let _ = state.send(self, *to, channel, bytes.clone());
        }
    }

    fn set_peers(&self, peers: Vec<Peer>) {
        let mut state = self.hub.0.lock();
        let own = state.members.get_mut(&self.key).filter(|member| member.generation == self.generation);
        if let Some(own) = own {
            own.peers = peers.into_iter().map(|peer| peer.key).filter(|key| *key != self.key).collect();
            state.refresh();
        }
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        let mut state = self.hub.0.lock();
        if state.members.get(&self.key).is_some_and(|member| member.generation == self.generation) {
            state.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(receiver: &mut mpsc::Receiver<NetworkEvent>) -> Vec<NetworkEvent> {
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn members_hear_of_each_other_and_messages_arrive_in_order() {
        let (_hub, mut members) = hub(3);
        let keys: Vec<_> = members.iter().map(|(member, _)| member.key()).collect();
        for (index, (_, events)) in members.iter_mut().enumerate() {
            let others = keys.iter().filter(|key| **key != keys[index]);
            assert_eq!(drain(events), others.map(|key| NetworkEvent::Connected(*key)).collect::<Vec<_>>());
        }
        for byte in 0..10 {
            members[0].0.broadcast(Channel::Blocks, &Bytes::from(vec![byte]));
        }
        for (_, events) in &mut members[1..] {
            let sent = (0..10).map(|byte| NetworkEvent::Message {
                from: keys[0],
                channel: Channel::Blocks,
                bytes: Bytes::from(vec![byte]),
            });
            assert_eq!(drain(events), sent.collect::<Vec<_>>());
        }
        assert!(drain(&mut members[0].1).is_empty(), "nobody hears itself");
    }

    #[test]
    fn cut_links_and_ended_members_are_reported() {
        let (hub, mut members) = hub(2);
        let (a, b) = (members[0].0.key(), members[1].0.key());
        drain(&mut members[0].1);
        hub.cut(b, a);
        assert_eq!(drain(&mut members[0].1), [NetworkEvent::Disconnected(b)]);
        let refused = members[0].0.send(&b, Channel::Sync, Bytes::new());
        assert_eq!(refused, Err(SendError::NotConnected { peer: b }));
        hub.heal(a, b);
        assert_eq!(drain(&mut members[0].1), [NetworkEvent::Connected(b)]);
        let (again, _events) = hub.join(b);
        assert_eq!(drain(&mut members[0].1), [NetworkEvent::Disconnected(b)]);
        members.truncate(1);
        again.set_peers(vec![Peer { key: a, address: String::new() }]);
        assert_eq!(drain(&mut members[0].1), [NetworkEvent::Connected(b)], "the old one's end changes nothing");
    }

    #[test]
    fn sizes_and_queues_are_limited() {
        let (_hub, members) = hub(2);
        let b = members[1].0.key();
        let long = Bytes::from(vec![0; 2 << 20]);
        assert!(matches!(members[0].0.send(&b, Channel::Blocks, long), Err(SendError::TooLarge { .. })));
        let refused = (0..2 * EVENTS_MAX).find_map(|_| members[0].0.send(&b, Channel::Blocks, Bytes::new()).err());
        assert_eq!(
            refused,
            Some(SendError::QueueMessages { peer: b, channel: Channel::Blocks, limit: EVENTS_MAX }),
            "an unread member fills up"
        );
    }
}
