//! The node's side of connections: who may come, how many, how long they may idle.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use noema_network::{SecureAcceptor, SecureError, SecureSide};
use noema_types::Ed25519PublicKey;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Server;

use crate::dispatcher::{Listen, Shared};
use crate::limits::{
    ACCEPT_PAUSE, CONNECTIONS_PER_KEY_MAX, HANDSHAKE_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_ADDRESS_MAX, HEADER_BYTES_MAX,
    IDLE_MAX, STREAM_WINDOW_BYTES, STREAMS_MAX, WORKERS_MAX,
};
use crate::service::{Connection, Workers};
use crate::{PROTOCOL, RemoteError};

/// Threads of connections.
const THREADS: usize = 2;
/// How long the connections of a node that stops may take to end.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// What listens for workers.
#[derive(Debug)]
pub(crate) struct Host {
    runtime: Option<Runtime>,
    address: SocketAddr,
}

/// One connection with a proven key, as its requests see it.
#[derive(Debug, Clone)]
pub(crate) struct Visitor(Arc<Visit>);

#[derive(Debug)]
struct Visit {
    key: Ed25519PublicKey,
    has_stream: AtomicBool,
    idle: Mutex<Pin<Box<tokio::time::Sleep>>>,
    counts: Arc<Counts>,
}

/// Connections by key.
#[derive(Debug, Default)]
struct Counts(Mutex<BTreeMap<Ed25519PublicKey, usize>>);

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl Visitor {
    fn new(key: Ed25519PublicKey, counts: &Arc<Counts>) -> Option<Self> {
        {
            let mut held = counts.0.lock();
            let count = held.entry(key).or_default();
            if *count >= CONNECTIONS_PER_KEY_MAX {
                return None;
            }
            *count += 1;
        }
        let idle = Mutex::new(Box::pin(tokio::time::sleep(IDLE_MAX)));
        Some(Self(Arc::new(Visit { key, has_stream: AtomicBool::new(false), idle, counts: Arc::clone(counts) })))
    }

    pub(crate) fn key(&self) -> Ed25519PublicKey {
        self.0.key
    }

    /// Whether this is the connection's first stream.
    pub(crate) fn begin(&self) -> bool {
        !self.0.has_stream.swap(true, Ordering::Relaxed)
    }

    /// Whether the connection has had the time to begin a stream and did not.
    pub(crate) fn is_idle_too_long(&self, cx: &mut Context<'_>) -> bool {
        !self.0.has_stream.load(Ordering::Relaxed) && self.0.idle.lock().as_mut().poll(cx).is_ready()
    }
}

/// Connections as they come.
struct Incoming(mpsc::Receiver<Connection>);

impl Stream for Incoming {
    type Item = Result<Connection, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|connection| connection.map(Ok))
    }
}

impl Host {
    pub(crate) fn start(shared: &Arc<Shared>, listen: Listen) -> Result<Self, RemoteError> {
        if listen.workers.len() > WORKERS_MAX {
            return Err(RemoteError::TooMany { got: listen.workers.len(), max: WORKERS_MAX });
        }
        let side = SecureSide::new(&listen.key, PROTOCOL).map_err(|error| RemoteError::Key(error.to_string()))?;
        let admitted: BTreeSet<Ed25519PublicKey> = listen.workers.into_iter().collect();
        let acceptor = side
            .acceptor(move |key| {
                let is_admitted = admitted.contains(key);
                if !is_admitted {
                    tracing::warn!(%key, "a worker of an unknown key was refused\nhint: to admit it, add the key to [inference] workers");
                }
                is_admitted
            })
            .map_err(|error| RemoteError::Key(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("noema-workers")
            .enable_all()
            .build()
            .map_err(|error| RemoteError::System(error.to_string()))?;
        let address = listen.address;
        let failed = |error: std::io::Error| RemoteError::Listen { address, reason: error.to_string() };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (sender, connections) = mpsc::channel(HANDSHAKES_MAX);
        runtime.spawn(accept(listener, acceptor, sender, Arc::clone(shared)));
        let workers = Workers(Arc::clone(shared));
        runtime.spawn(async move {
            let served = Server::builder()
                .max_concurrent_streams(Some(STREAMS_MAX))
                .initial_stream_window_size(Some(STREAM_WINDOW_BYTES))
                .initial_connection_window_size(Some(2 * STREAM_WINDOW_BYTES))
                .http2_max_header_list_size(Some(HEADER_BYTES_MAX))
                .http2_keepalive_interval(Some(KEEPALIVE))
                .http2_keepalive_timeout(Some(KEEPALIVE))
                .serve_with_incoming(workers, Incoming(connections))
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "workers are served no more");
            }
        });
        Ok(Self { runtime: Some(runtime), address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Accepts for ever; a bounded number of handshakes at a time.
async fn accept(
    listener: TcpListener,
    acceptor: SecureAcceptor,
    connections: mpsc::Sender<Connection>,
    shared: Arc<Shared>,
) {
    let (permits, counts) = (Arc::new(Semaphore::new(HANDSHAKES_MAX)), Arc::new(Counts::default()));
    let addresses = Arc::new(Mutex::new(BTreeMap::<IpAddr, usize>::new()));
    loop {
        let (tcp, from) = match listener.accept().await {
            Ok((tcp, from)) => (tcp, from.ip()),
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Beyond the limit a stranger is turned away at once; a worker comes back.
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let Some(caller) = Caller::new(from, &addresses) else { continue };
        let (acceptor, connections) = (acceptor.clone(), connections.clone());
        let (shared, counts) = (Arc::clone(&shared), Arc::clone(&counts));
        tokio::spawn(async move {
            if let Some(connection) = shake_hands(tcp, &acceptor, &shared, &counts).await {
                let _ = connections.send(connection).await;
            }
            drop((permit, caller));
        });
    }
}

/// A handshake under way, counted by its address.
struct Caller {
    from: IpAddr,
    addresses: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Caller {
    /// None beyond [`HANDSHAKES_PER_ADDRESS_MAX`].
    fn new(from: IpAddr, addresses: &Arc<Mutex<BTreeMap<IpAddr, usize>>>) -> Option<Self> {
        let mut known = addresses.lock();
        let count = known.entry(from).or_default();
        if *count == HANDSHAKES_PER_ADDRESS_MAX {
            return None;
        }
        *count += 1;
        Some(Self { from, addresses: Arc::clone(addresses) })
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut known = self.addresses.lock();
        if let Some(count) = known.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                known.remove(&self.from);
            }
        }
    }
}

async fn shake_hands(
    tcp: TcpStream,
    acceptor: &SecureAcceptor,
    shared: &Shared,
    counts: &Arc<Counts>,
) -> Option<Connection> {
    match acceptor.accept(tcp, HANDSHAKE_MAX).await {
        Ok(stream) => {
            let key = stream.peer();
            let visitor = Visitor::new(key, counts);
            if visitor.is_none() {
                tracing::warn!(%key, "a worker has too many connections");
            }
            visitor.map(|visitor| Connection { stream, visitor })
        }
        Err(error) => {
            if matches!(error, SecureError::UnknownKey | SecureError::KeyNotProven) {
                shared.lock().book.totals.unknown_keys += 1;
            }
            tracing::debug!(%error, "a connection came to nothing");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_every_handshake() {
        let addresses = Arc::new(Mutex::new(BTreeMap::new()));
        let (loud, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut held: Vec<_> =
            (0..HANDSHAKES_PER_ADDRESS_MAX).map(|_| Caller::new(loud, &addresses).expect("room")).collect();
        assert!(Caller::new(loud, &addresses).is_none());
        let guest = Caller::new(other, &addresses);
        assert!(guest.is_some());
        held.pop();
        assert!(Caller::new(loud, &addresses).is_some());
        drop((held, guest));
        assert!(addresses.lock().is_empty());
    }
}
