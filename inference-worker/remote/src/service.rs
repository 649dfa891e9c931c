//! The one gRPC method, written by hand: a stream each way.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use noema_network::SecureStream;
use noema_types::Ed25519PublicKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{NamedService, StreamingService};
use tonic::transport::Uri;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::dispatcher::Shared;
use crate::host::Visitor;
use crate::limits::{NODE_MESSAGE_BYTES_MAX, OUTGOING_MAX, WORKER_MESSAGE_BYTES_MAX};
use crate::session;
use crate::wire::{FromNode, FromWorker};

const NAME: &str = "noema.workers.v1.Workers";
/// Where the method is.
pub(crate) const ATTACH: &str = "/noema.workers.v1.Workers/Attach";

/// Messages to a worker.
type ToWorker = Pin<Box<dyn tonic::codegen::tokio_stream::Stream<Item = Result<FromNode, Status>> + Send>>;

/// The service, for one node.
#[derive(Debug, Clone)]
pub(crate) struct Workers(pub(crate) Arc<Shared>);

impl NamedService for Workers {
    const NAME: &'static str = NAME;
}

impl Service<http::Request<Body>> for Workers {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Attach(Arc::clone(&self.0));
        Box::pin(async move {
            if request.uri().path() != ATTACH {
                return Ok(Status::unimplemented(format!("there is no method but {ATTACH}")).into_http());
            }
            let codec = ProstCodec::<FromNode, FromWorker>::default();
            let mut grpc = tonic::server::Grpc::new(codec)
                .apply_max_message_size_config(Some(WORKER_MESSAGE_BYTES_MAX), Some(NODE_MESSAGE_BYTES_MAX));
            Ok(grpc.streaming(method, request).await)
        })
    }
}

struct Attach(Arc<Shared>);

impl StreamingService<FromWorker> for Attach {
    type Response = FromNode;
    type ResponseStream = ToWorker;
    type Future = Ready<Result<Response<ToWorker>, Status>>;

    fn call(&mut self, request: Request<Streaming<FromWorker>>) -> Self::Future {
        let Some(visitor) = request.extensions().get::<Visitor>().cloned() else {
            return ready(Err(Status::internal("the connection has proven no key")));
        };
        if !visitor.begin() {
            return ready(Err(Status::resource_exhausted("this connection has a stream already")));
        }
        let (out, outgoing) = mpsc::channel(OUTGOING_MAX);
        tokio::spawn(session::serve(Arc::clone(&self.0), visitor.key(), request.into_inner(), out));
        let stream = Outgoing(ReceiverStream::new(outgoing));
        ready(Ok(Response::new(Box::pin(stream))))
    }
}

/// Messages that wait for a worker; the stream ends with the session.
struct Outgoing(ReceiverStream<FromNode>);

impl tonic::codegen::tokio_stream::Stream for Outgoing {
    type Item = Result<FromNode, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|message| message.map(Ok))
    }
}

/// A connection with a proven key, as the server takes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: SecureStream,
    pub(crate) visitor: Visitor,
}

impl Connected for Connection {
    type ConnectInfo = Visitor;

    fn connect_info(&self) -> Visitor {
        self.visitor.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.visitor.is_idle_too_long(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
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

/// Hands one connection, made before, to the client.
#[derive(Debug)]
pub(crate) struct Once(pub(crate) Option<SecureStream>);

impl Service<Uri> for Once {
    type Response = TokioIo<SecureStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<SecureStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        // A lost connection is made anew by whoever holds the client, keys and all.
        ready(self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// The key of a worker in the text form of files and flags.
///
/// # Errors
/// What is wrong with it.
pub fn parse_key(text: &str) -> Result<Ed25519PublicKey, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let key = bytes.filter(|_| is_hex).and_then(|bytes| Ed25519PublicKey::from_slice(&bytes));
    key.ok_or_else(|| format!("`{text}` is no key: expected 0x and 64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::parse_key;

    #[test]
    fn keys_are_read_as_written() {
        let text = format!("0x{}", "0f".repeat(32));
        assert_eq!(parse_key(&text).map(|key| key.to_string()), Ok(text.clone()));
        assert_eq!(parse_key(&text[2..]).map(|key| key.to_string()), Ok(text.clone()));
        for wrong in ["", "0x", &text[..65], "0x+f", &text.replace('f', "g"), &format!("{text}00"), "ü"] {
            assert!(parse_key(wrong).is_err(), "{wrong}");
        }
    }
}
