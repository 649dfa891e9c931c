//! The transport over sockets: a listener, and a task per peer.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;
use noema_crypto::Ed25519KeyPair;
use noema_types::{Ed25519PublicKey, Hash};
use parking_lot::{Mutex, RwLock};
use prometheus::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::error::{HandshakeError, NetworkError};
use crate::handshake::{Arrival, accept};
use crate::identity::{Admission, Identity};
use crate::inbox::{Inbox, inbox};
use crate::limits::{
    ACCEPT_PAUSE, ARRIVALS_MAX, EVENTS_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, WARNINGS_PER_S,
};
use crate::link::Link;
use crate::metrics::Metrics;
use crate::peer::{Backoff, PeerTask};
use crate::rate::Bucket;
use crate::{Channel, Limits, NetworkEvent, Peer, SendError, Transport};

/// What a network needs to start.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The validator's network key.
    pub key: Ed25519KeyPair,
    /// The chain: hash of its genesis transaction. Who is on another is refused.
    pub chain: Hash,
    /// The first set of peers; the own key in it is ignored.
    pub peers: Vec<Peer>,
    /// Limits per channel.
    pub limits: Limits,
}

/// Connects a validator with its peers. Dropping it closes all connections.
pub struct Network {
    shared: Arc<Shared>,
    inbox: Inbox,
    handle: Handle,
    local: SocketAddr,
    listener: JoinHandle<()>,
    sessions: Arc<AtomicU64>,
    started: Instant,
    /// Tasks of removed peers that may still be closing a session.
    ending: Mutex<BTreeMap<Ed25519PublicKey, JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    limits: Limits,
    metrics: Metrics,
    peers: RwLock<BTreeMap<Ed25519PublicKey, Entry>>,
}

/// A peer in the set.
#[derive(Debug)]
struct Entry {
    link: Arc<Link>,
    address: watch::Sender<String>,
    arrivals: mpsc::Sender<Arrival>,
    task: JoinHandle<()>,
}

/// Admits the keys of the present set of peers.
#[derive(Debug)]
struct Members(Arc<Shared>);

impl Admission for Members {
    fn admits(&self, key: &Ed25519PublicKey) -> bool {
        self.0.peers.read().contains_key(key)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut network = f.debug_struct("Network");
        network.field("key", &self.shared.identity.key()).field("local", &self.local).finish_non_exhaustive()
    }
}

impl Network {
    /// Listens, and begins to connect with the peers. All tasks run on `handle`; where its threads are busy for
    /// seconds, peers take this validator for dead.
    ///
    /// The receiver must be read: while it is full, nothing is read from any peer.
    ///
    /// # Errors
    /// [`NetworkError`], when the address cannot be listened on, or limits contradict each other.
    pub fn start(config: NetworkConfig, handle: &Handle) -> Result<(Self, mpsc::Receiver<NetworkEvent>), NetworkError> {
        let NetworkConfig { listen, key, chain, peers, limits } = config;
        limits.check()?;
        let identity = Identity::new(&key, chain)?;
        let metrics = Metrics::new();
        let shared = Arc::new(Shared { identity, limits, metrics, peers: RwLock::default() });
        let server = shared.identity.server(Arc::new(Members(Arc::clone(&shared))))?;
        let error = |source| NetworkError::Listen { address: listen, source };
        let socket = std::net::TcpListener::bind(listen).map_err(error)?;
        socket.set_nonblocking(true).map_err(error)?;
        let local = socket.local_addr().map_err(error)?;
        let entered = handle.enter();
        let socket = TcpListener::from_std(socket).map_err(error)?;
        drop(entered);
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let (inbox, forwarder) = inbox(events);
        handle.spawn(forwarder.run());
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = handle.spawn(listen_on(Arc::clone(&shared), socket, acceptor));
        let network = Self {
            shared,
            inbox,
            handle: handle.clone(),
            local,
            listener,
            sessions: Arc::default(),
            started: Instant::now(),
            ending: Mutex::default(),
        };
        network.set_peers(peers);
        Ok((network, receiver))
    }

    /// Whether messages can be sent to this peer now.
    #[must_use]
    pub fn is_connected(&self, peer: &Ed25519PublicKey) -> bool {
        self.shared.peers.read().get(peer).is_some_and(|entry| entry.link.is_open())
    }

    /// Where it listens.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Registers the metrics, `noema_network_*`.
    ///
    /// # Errors
    /// [`NetworkError::Metrics`], when the registry has such names already.
    pub fn register(&self, registry: &Registry) -> Result<(), NetworkError> {
        Ok(self.shared.metrics.register(registry)?)
    }

    fn entry(&self, peer: Peer) -> Entry {
        let metrics = self.shared.metrics.peer(&peer.key);
        let link = Arc::new(Link::new(peer.key, self.shared.limits, metrics));
        let (address, address_receiver) = watch::channel(peer.address);
        let (arrivals, arrivals_receiver) = mpsc::channel(ARRIVALS_MAX);
        let task = PeerTask {
            identity: self.shared.identity.clone(),
            link: Arc::clone(&link),
            inbox: self.inbox.clone(),
            address: address_receiver,
            arrivals: arrivals_receiver,
            sessions: Arc::clone(&self.sessions),
            started: self.started,
            pending: None,
            backoff: Backoff::new(std::time::Duration::ZERO),
        };
        let previous = self.ending.lock().remove(&peer.key);
        Entry { link, address, arrivals, task: self.handle.spawn(task.run(previous)) }
    }
}

impl Transport for Network {
    fn send(&self, to: &Ed25519PublicKey, channel: Channel, bytes: Bytes) -> Result<(), SendError> {
        match self.shared.peers.read().get(to) {
            Some(entry) => entry.link.send(channel, bytes),
            None => Err(SendError::NotConnected { peer: *to }),
        }
    }

    fn broadcast(&self, channel: Channel, bytes: &Bytes) {
        for entry in self.shared.peers.read().values() {
            // Who is not connected misses it; full queues are counted by the link.
            let _ = entry.link.send(channel, bytes.clone());
        }
    }

    fn set_peers(&self, peers: Vec<Peer>) {
        let own = self.shared.identity.key();
        let wanted: BTreeMap<_, _> =
            peers.into_iter().filter(|peer| peer.key != own).map(|peer| (peer.key, peer)).collect();
        let mut entries = self.shared.peers.write();
        let mut ending = self.ending.lock();
        ending.retain(|_, task| !task.is_finished());
        for (key, entry) in std::mem::take(&mut *entries) {
            if wanted.contains_key(&key) {
                entries.insert(key, entry);
            } else {
                // Dropping the rest of the entry tells the task.
                ending.insert(key, entry.task);
            }
        }
        drop(ending);
        for (key, peer) in wanted {
            match entries.get(&key) {
                Some(entry) => {
                    entry.address.send_if_modified(|address| {
                        let changed = *address != peer.address;
                        *address = peer.address;
                        changed
                    });
                }
                None => {
                    entries.insert(key, self.entry(peer));
                }
            }
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.listener.abort();
        self.shared.peers.write().clear();
    }
}

/// Counts handshakes under way, per address and together.
#[derive(Debug, Clone, Default)]
struct Handshakes(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

#[derive(Debug)]
struct Handshake {
    of: Handshakes,
    address: IpAddr,
}

impl Handshakes {
    fn begin(&self, address: IpAddr) -> Option<Handshake> {
        let mut counts = self.0.lock();
        let here = counts.get(&address).copied().unwrap_or(0);
        if here >= HANDSHAKES_PER_ADDRESS_MAX || counts.values().sum::<usize>() >= HANDSHAKES_MAX {
            return None;
        }
        counts.insert(address, here + 1);
        Some(Handshake { of: self.clone(), address })
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut counts = self.of.0.lock();
        let count = counts.get_mut(&self.address).expect("counted at the beginning");
        *count -= 1;
        if *count == 0 {
            counts.remove(&self.address);
        }
    }
}

/// Lets a few warnings per second through.
#[derive(Debug)]
struct Warnings {
    bucket: Mutex<Bucket>,
    started: Instant,
}

impl Warnings {
    fn allow(&self) -> bool {
        let now = u64::try_from(self.started.elapsed().as_nanos()).expect("a network runs for less than 500 years");
        let mut bucket = self.bucket.lock();
        let before = bucket.clone();
        let allowed = bucket.take(now, 1) == 0;
        if !allowed {
            *bucket = before;
        }
        allowed
    }
}

async fn listen_on(shared: Arc<Shared>, listener: TcpListener, acceptor: TlsAcceptor) {
    let handshakes = Handshakes::default();
    let bucket = Mutex::new(Bucket::new(WARNINGS_PER_S, WARNINGS_PER_S));
    let warnings = Arc::new(Warnings { bucket, started: Instant::now() });
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(handshake) = handshakes.begin(address.ip()) else {
            shared.refused(address, &HandshakeError::Busy, &warnings);
            continue;
        };
        let (shared, acceptor, warnings) = (Arc::clone(&shared), acceptor.clone(), Arc::clone(&warnings));
        tokio::spawn(async move {
            if let Err(error) = shared.receive(&acceptor, stream).await {
                shared.refused(address, &error, &warnings);
            }
            drop(handshake);
        });
    }
}

impl Shared {
    async fn receive(&self, acceptor: &TlsAcceptor, stream: TcpStream) -> Result<(), HandshakeError> {
        let (key, arrival) = accept(&self.identity, acceptor, &self.limits, stream).await?;
        let arrivals = self.peers.read().get(&key).map(|entry| entry.arrivals.clone());
        let arrivals = arrivals.ok_or(HandshakeError::UnknownKey)?;
        arrivals.try_send(arrival).map_err(|_| HandshakeError::Busy)
    }

    fn refused(&self, address: SocketAddr, error: &HandshakeError, warnings: &Warnings) {
        self.metrics.handshake_refused(error.name());
        let chain = self.identity.chain();
        if warnings.allow() {
            tracing::warn!(%address, %chain, %error, "connection refused");
        } else {
            tracing::debug!(%address, %chain, %error, "connection refused");
        }
    }
}

#[cfg(test)]
mod tests;
