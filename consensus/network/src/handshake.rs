//! From a TCP connection to a lane of a session whose both sides are proven.
//!
//! Who dials opens one connection per lane, all at once, with the same random session number in the first frame
//! (`Hello`: lane, session). Who is dialled collects them, and when all are there and it wants the session, says
//! `Welcome` on each.

use std::io;
use std::sync::Arc;

use noema_types::Ed25519PublicKey;
use rand::TryRngCore;
use rustls::{AlertDescription, CertificateError};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::Limits;
use crate::error::{HandshakeError, LaneError, Reason};
use crate::frame::{Kind, Lane};
use crate::identity::{Identity, key_of, server_name};
use crate::lane::{Frame, read_header, read_payload, write_frame};
use crate::limits::{CONNECT_MAX, HANDSHAKE_MAX, HELLO_BYTES, READ_BYTES, TLS_BUFFER_BYTES};

/// What a lane runs over. Rustls reads 4 KiB at a time, hence the buffer.
pub(crate) type Stream = TlsStream<BufReader<TcpStream>>;

/// Number that ties the connections of a session together, drawn by who dials.
pub(crate) type SessionId = [u8; HELLO_BYTES - 1];

/// One accepted connection: a lane of a session that is about to begin.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) session: SessionId,
    pub(crate) lane: Lane,
    pub(crate) stream: Stream,
}

/// The lanes of a session, all there.
pub(crate) type Lanes = [Stream; Lane::COUNT];

fn prepare(stream: TcpStream) -> io::Result<BufReader<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(BufReader::with_capacity(READ_BYTES, stream))
}

impl From<LaneError> for HandshakeError {
    fn from(error: LaneError) -> Self {
        match error {
            LaneError::Frame(error) => Self::Frame(error),
            LaneError::Io(error) => Self::from_tls(error),
            LaneError::Silent(ms) => Self::Timeout(ms),
            LaneError::Goodbye(reason) | LaneError::Ended(reason) => Self::Refused(reason),
            LaneError::Closed => Self::Io(io::ErrorKind::UnexpectedEof.into()),
            LaneError::LateHandshake | LaneError::Stopped => Self::NotHandshake,
        }
    }
}

impl HandshakeError {
    /// Finds in an error of TLS what a person wants to know.
    pub(crate) fn from_tls(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(
                rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
                | rustls::Error::NoApplicationProtocol,
            ) => Self::Chain,
            Some(rustls::Error::AlertReceived(AlertDescription::AccessDenied)) => Self::KeyRefused,
            Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
                Self::UnknownKey
            }
            Some(rustls::Error::InvalidCertificate(_)) => Self::KeyNotProven,
            _ => Self::Io(error),
        }
    }
}

/// The key that the other side has proven, on the same chain.
fn proven(identity: &Identity, stream: &Stream) -> Result<Ed25519PublicKey, HandshakeError> {
    let (_, connection) = stream.get_ref();
    if connection.alpn_protocol() != Some(&identity.protocol()[..]) {
        return Err(HandshakeError::Chain);
    }
    let presented = connection.peer_certificates().and_then(|keys| keys.first());
    presented.and_then(|key| key_of(key)).ok_or(HandshakeError::KeyNotProven)
}

/// Takes a connection up to its first frame.
pub(crate) async fn accept(
    identity: &Identity,
    acceptor: &TlsAcceptor,
    limits: &Limits,
    stream: TcpStream,
) -> Result<(Ed25519PublicKey, Arrival), HandshakeError> {
    let whole = async {
        let mut accepted = acceptor.accept(prepare(stream)?).await.map_err(HandshakeError::from_tls)?;
        accepted.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        let mut stream = TlsStream::Server(accepted);
        let key = proven(identity, &stream)?;
        let header = read_header(&mut stream, Lane::Urgent, limits).await?;
        if header.kind != Kind::Hello {
            return Err(HandshakeError::NotHandshake);
        }
        let Frame { payload, .. } = read_payload(&mut stream, header).await?;
        let lane = *Lane::ALL.get(usize::from(payload[0])).ok_or(HandshakeError::NotHandshake)?;
        let session = payload[1..].try_into().expect("checked with the header");
        Ok((key, Arrival { session, lane, stream }))
    };
    timeout(HANDSHAKE_MAX, whole).await.map_err(|_| HandshakeError::Timeout(HANDSHAKE_MAX.as_millis()))?
}

/// Begins the session on the side that was dialled.
pub(crate) async fn welcome(lanes: &mut Lanes) -> Result<(), HandshakeError> {
    let whole = async {
        for stream in lanes {
            write_frame(stream, Kind::Welcome, &[]).await?;
        }
        Ok(())
    };
    timeout(HANDSHAKE_MAX, whole).await.map_err(|_| HandshakeError::Timeout(HANDSHAKE_MAX.as_millis()))?
}

/// Says why there will be no session. The other side may be gone already, so nothing depends on it.
pub(crate) async fn refuse(stream: &mut Stream, reason: Reason) {
    let _ = timeout(crate::limits::GOODBYE_MAX, write_frame(stream, Kind::Goodbye, &[reason.number()])).await;
}

/// Dials all lanes and waits until the session has begun.
pub(crate) async fn dial(
    identity: Identity,
    peer: Ed25519PublicKey,
    address: String,
    limits: Limits,
) -> Result<Lanes, HandshakeError> {
    let config = identity.client(peer).map_err(|error| HandshakeError::Io(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut session = SessionId::default();
    rand::rngs::OsRng.try_fill_bytes(&mut session).expect("the operating system gives randomness");
    let lane = |lane| dial_lane(&identity, &connector, &address, &limits, session, lane);
    let [urgent, batches, fetch, sync] = Lane::ALL.map(lane);
    let (urgent, batches, fetch, sync) = tokio::try_join!(urgent, batches, fetch, sync)?;
    Ok([urgent, batches, fetch, sync])
}

async fn dial_lane(
    identity: &Identity,
    connector: &TlsConnector,
    address: &str,
    limits: &Limits,
    session: SessionId,
    lane: Lane,
) -> Result<Stream, HandshakeError> {
    let connected = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
    let stream = connected.map_err(|_| HandshakeError::Timeout(CONNECT_MAX.as_millis()))??;
    let whole = async {
        let mut dialled = connector.connect(server_name(), prepare(stream)?).await.map_err(HandshakeError::from_tls)?;
        dialled.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        let mut stream = TlsStream::Client(dialled);
        proven(identity, &stream)?;
        let number = u8::try_from(lane.index()).expect("there are few lanes");
        write_frame(&mut stream, Kind::Hello, &[&[number][..], &session].concat())
            .await
            .map_err(HandshakeError::from_tls)?;
        let header = read_header(&mut stream, lane, limits).await?;
        let Frame { kind, payload } = match header.kind {
            Kind::Welcome | Kind::Goodbye => read_payload(&mut stream, header).await?,
            _ => return Err(HandshakeError::NotHandshake),
        };
        match kind {
            Kind::Welcome => Ok(stream),
            _ => Err(HandshakeError::Refused(Reason::from_number(payload[0]))),
        }
    };
    timeout(HANDSHAKE_MAX, whole).await.map_err(|_| HandshakeError::Timeout(HANDSHAKE_MAX.as_millis()))?
}
