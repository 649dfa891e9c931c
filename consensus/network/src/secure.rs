//! Single streams between programs that know each other's keys: the handshake of validators, without lanes and frames.
//!
//! Both sides prove Ed25519 keys in TLS 1.3 and agree on a protocol by name. What flows above is the caller's. The side
//! that is dialled must speak first, as in HTTP/2: only then does the dialling side know that its key was admitted.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use noema_crypto::Ed25519KeyPair;
use noema_types::{Ed25519PublicKey, Hash};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::NetworkError;
use crate::error::HandshakeError;
use crate::identity::{Admission, Identity, key_of, server_name};
use crate::limits::{CONNECT_MAX, TLS_BUFFER_BYTES};

/// Bytes read from a secure stream at once.
const READ_BYTES: usize = 16 * 1024;

/// Why there is no secure stream.
#[derive(Debug, thiserror::Error)]
pub enum SecureError {
    /// The other side has another key than the one that was dialled, or one that is not admitted here.
    #[error("the other side's key is not the expected one")]
    UnknownKey,
    /// The other side admits other keys only.
    #[error("the other side does not admit this key")]
    KeyRefused,
    /// The other side proved no key.
    #[error("the other side proved no key")]
    KeyNotProven,
    /// The other side speaks something else, or another version.
    #[error("the other side does not speak {0}")]
    Protocol(String),
    /// Nothing was heard of the other side.
    #[error("no answer within {0} ms")]
    Timeout(u128),
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl SecureError {
    /// Whether trying again cannot help before a person changes a key or a program.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::KeyRefused | Self::KeyNotProven | Self::Protocol(_))
    }
}

/// Says which keys may connect, at the moment of asking.
type Admits = dyn Fn(&Ed25519PublicKey) -> bool + Send + Sync;

struct Guests(Box<Admits>);

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guests")
    }
}

impl Admission for Guests {
    fn admits(&self, key: &Ed25519PublicKey) -> bool {
        (self.0)(key)
    }
}

/// One side: its key and the name of what it speaks.
#[derive(Debug, Clone)]
pub struct SecureSide {
    identity: Identity,
    protocol: String,
}

/// Takes connections of admitted keys.
#[derive(Clone)]
pub struct SecureAcceptor {
    side: SecureSide,
    acceptor: TlsAcceptor,
}

impl fmt::Debug for SecureAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureAcceptor").field("side", &self.side).finish_non_exhaustive()
    }
}

/// A stream whose other side has proven its key.
#[derive(Debug)]
pub struct SecureStream {
    stream: BufReader<TlsStream<TcpStream>>,
    peer: Ed25519PublicKey,
}

impl SecureSide {
    /// A side of this key that speaks this protocol.
    ///
    /// # Errors
    /// [`NetworkError::Tls`] if TLS does not take the key.
    pub fn new(key: &Ed25519KeyPair, protocol: &str) -> Result<Self, NetworkError> {
        let identity = Identity::new(key, Hash::ZERO)?.speaking(protocol.as_bytes().to_vec());
        Ok(Self { identity, protocol: protocol.to_owned() })
    }

    /// Takes connections of the keys that `admits` says yes to.
    ///
    /// # Errors
    /// [`NetworkError::Tls`].
    pub fn acceptor(
        &self,
        admits: impl Fn(&Ed25519PublicKey) -> bool + Send + Sync + 'static,
    ) -> Result<SecureAcceptor, NetworkError> {
        let config = self.identity.server(Arc::new(Guests(Box::new(admits))))?;
        Ok(SecureAcceptor { side: self.clone(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Dials "host:port" and the key that must be there, and waits for the first bytes of what is spoken.
    ///
    /// # Errors
    /// [`SecureError`].
    pub async fn connect(
        &self,
        address: &str,
        peer: Ed25519PublicKey,
        max: Duration,
    ) -> Result<SecureStream, SecureError> {
        let config = self.identity.client(peer).map_err(|error| SecureError::Io(io::Error::other(error)))?;
        let connector = TlsConnector::from(Arc::new(config));
        let tcp = timeout(CONNECT_MAX.min(max), TcpStream::connect(address));
        let tcp = tcp.await.map_err(|_| SecureError::Timeout(CONNECT_MAX.min(max).as_millis()))??;
        let whole = async {
            tcp.set_nodelay(true)?;
            let mut tls = connector.connect(server_name(), tcp).await.map_err(|error| self.why(error))?;
            tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
            let mut stream = self.proven(TlsStream::Client(tls))?;
            // A key that is refused shows only now: in TLS 1.3 the dialling side is done before it is looked at.
            if stream.stream.fill_buf().await.map_err(|error| self.why(error))?.is_empty() {
                return Err(SecureError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(stream)
        };
        timeout(max, whole).await.map_err(|_| SecureError::Timeout(max.as_millis()))?
    }

    fn why(&self, error: io::Error) -> SecureError {
        match HandshakeError::from_tls(error) {
            HandshakeError::UnknownKey => SecureError::UnknownKey,
            HandshakeError::KeyRefused => SecureError::KeyRefused,
            HandshakeError::KeyNotProven => SecureError::KeyNotProven,
            HandshakeError::Chain => SecureError::Protocol(self.protocol.clone()),
            HandshakeError::Io(error) => SecureError::Io(error),
            other => SecureError::Io(io::Error::other(other.to_string())),
        }
    }

    fn proven(&self, stream: TlsStream<TcpStream>) -> Result<SecureStream, SecureError> {
        let (_, connection) = stream.get_ref();
        if connection.alpn_protocol() != Some(self.protocol.as_bytes()) {
            return Err(SecureError::Protocol(self.protocol.clone()));
        }
        let presented = connection.peer_certificates().and_then(|keys| keys.first());
        let peer = presented.and_then(|key| key_of(key)).ok_or(SecureError::KeyNotProven)?;
        Ok(SecureStream { stream: BufReader::with_capacity(READ_BYTES, stream), peer })
    }
}

impl SecureAcceptor {
    /// Takes one connection up to the proven key.
    ///
    /// # Errors
    /// [`SecureError`]; within `max` in any case.
    pub async fn accept(&self, stream: TcpStream, max: Duration) -> Result<SecureStream, SecureError> {
        let whole = async {
            stream.set_nodelay(true)?;
            let mut tls = self.acceptor.accept(stream).await.map_err(|error| self.side.why(error))?;
            tls.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
            self.side.proven(TlsStream::Server(tls))
        };
        timeout(max, whole).await.map_err(|_| SecureError::Timeout(max.as_millis()))?
    }
}

impl SecureStream {
    /// The key that the other side has proven.
    #[must_use]
    pub fn peer(&self) -> Ed25519PublicKey {
        self.peer
    }
}

impl AsyncRead for SecureStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for SecureStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const MAX: Duration = Duration::from_secs(5);

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_private_bytes([seed; 32])
    }

    /// The node has key 1, admits key 2 and greets; who dials has `own`, expects `node` and speaks `protocol`.
    async fn dial(own: u8, node: u8, protocol: &str) -> Result<(String, Ed25519PublicKey), SecureError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let admitted = key(2).public();
        let acceptor = SecureSide::new(&key(1), "test/1").unwrap().acceptor(move |key| *key == admitted).unwrap();
        let served = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(tcp, MAX).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await?;
            Ok::<_, SecureError>(stream.peer())
        });
        let side = SecureSide::new(&key(own), protocol).unwrap();
        let mut stream = side.connect(&address, key(node).public(), MAX).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        assert_eq!(stream.peer(), key(1).public());
        Ok((text, served.await.unwrap()?))
    }

    #[tokio::test]
    async fn both_keys_and_the_protocol_count() {
        let (text, peer) = dial(2, 1, "test/1").await.unwrap();
        assert_eq!((text.as_str(), peer), ("hello", key(2).public()));
        let refused = dial(3, 1, "test/1").await;
        assert!(matches!(refused, Err(SecureError::KeyRefused)), "{refused:?}");
        let wrong = dial(2, 4, "test/1").await;
        assert!(matches!(wrong, Err(SecureError::UnknownKey)), "{wrong:?}");
        let other = dial(2, 1, "test/2").await;
        assert!(matches!(other, Err(SecureError::Protocol(_))), "{other:?}");
    }
}
