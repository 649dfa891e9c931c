//! One lane of a session: reads frames into the inbox and writes the outbox, until either fails.
//!
//! Before a payload is read, its header is checked and the peer's rate is paid for. A peer that sends faster than its
//! rate is not read, and TCP slows it down; its pings wait in the socket meanwhile, so silence is measured only while
//! the lane is reading.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::error::{LaneError, Reason};
use crate::frame::{HEADER_BYTES, Header, Kind, Lane};
use crate::inbox::{Inbox, SessionNumber};
use crate::limits::{CONTROL_BYTES_MAX, CONTROL_PER_S, PING_EVERY, SILENCE_MAX};
use crate::link::Link;
use crate::outbox::Outbox;
use crate::rate::Bucket;
use crate::{Channel, Limits};

/// What a lane works with besides its stream.
#[derive(Debug, Clone)]
pub(crate) struct LaneContext {
    pub(crate) lane: Lane,
    pub(crate) session: SessionNumber,
    pub(crate) link: Arc<Link>,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Arc<Outbox>,
    /// Of the network; pings and rates count from it.
    pub(crate) started: Instant,
}

/// A frame whose payload has been read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) payload: Bytes,
}

async fn fill<R: AsyncRead + Unpin>(reader: &mut R, mut bytes: &mut [u8]) -> Result<(), LaneError> {
    while !bytes.is_empty() {
        let read = timeout(SILENCE_MAX, reader.read(bytes)).await;
        match read.map_err(|_| LaneError::Silent(SILENCE_MAX.as_millis()))?? {
            0 => return Err(LaneError::Closed),
            count => bytes = &mut bytes[count..],
        }
    }
    Ok(())
}

pub(crate) async fn read_header<R: AsyncRead + Unpin>(
    reader: &mut R,
    lane: Lane,
    limits: &Limits,
) -> Result<Header, LaneError> {
    let mut bytes = [0; HEADER_BYTES];
    fill(reader, &mut bytes).await?;
    Ok(Header::decode(bytes, lane, limits)?)
}

pub(crate) async fn read_payload<R: AsyncRead + Unpin>(reader: &mut R, header: Header) -> Result<Frame, LaneError> {
    let Header { kind, length } = header;
    let payload = if matches!(kind, Kind::Message(_)) {
        let mut payload = BytesMut::with_capacity(length);
        let mut rest = reader.take(length as u64);
        while payload.len() < length {
            let read = timeout(SILENCE_MAX, rest.read_buf(&mut payload)).await;
            if read.map_err(|_| LaneError::Silent(SILENCE_MAX.as_millis()))?? == 0 {
                return Err(LaneError::Closed);
            }
        }
        payload.freeze()
    } else {
        let mut payload = [0; CONTROL_BYTES_MAX];
        fill(reader, &mut payload[..length]).await?;
        Bytes::copy_from_slice(&payload[..length])
    };
    Ok(Frame { kind, payload })
}

/// Frames one after the other, read as one piece by the writer.
#[derive(Debug)]
struct Pieces(std::collections::VecDeque<Bytes>);

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn has_remaining(&self) -> bool {
        !self.0.is_empty()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |piece| piece)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let filled = self.0.iter().zip(slices.iter_mut());
        filled.map(|(piece, slice)| *slice = std::io::IoSlice::new(piece)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let front = self.0.front_mut().expect("no more is written than there is");
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.0.pop_front();
        }
    }
}

pub(crate) async fn write_frame<W: AsyncWrite + Unpin>(
    writer: &mut W,
    kind: Kind,
    payload: &[u8],
) -> Result<(), std::io::Error> {
    let frame = [&Header::encode(kind, payload.len())[..], payload].concat();
    writer.write_all(&frame).await?;
    writer.flush().await
}

impl LaneContext {
    /// Runs the lane; the answer is always an error, the reason why it ended.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite>(self, stream: S) -> LaneError {
        let (mut reader, mut writer) = tokio::io::split(stream);
        // One task for both directions: they share the state of TLS, and a second task would mostly wait for it.
        tokio::select! {
            Err(error) = self.read(&mut reader) => error,
            Err(error) = self.write(&mut writer) => error,
            else => LaneError::Closed,
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).expect("a network runs for less than 500 years")
    }

    async fn read<R: AsyncRead + Unpin>(&self, reader: &mut R) -> Result<(), LaneError> {
        let mut control = Bucket::new(CONTROL_PER_S, CONTROL_PER_S);
        loop {
            let header = read_header(reader, self.lane, &self.link.limits).await?;
            match header.kind {
                Kind::Message(channel) => self.wait_for_rate(channel, header.length).await,
                _ => pause(control.take(self.now_ns(), 1)).await,
            }
            let Frame { kind, payload } = read_payload(reader, header).await?;
            match kind {
                Kind::Message(channel) => self.deliver(channel, payload).await?,
                Kind::Ping => self.outbox.pong(payload[..].try_into().expect("checked with the header")),
                Kind::Pong => self.pong(&payload),
                Kind::Goodbye => return Err(LaneError::Goodbye(Reason::from_number(payload[0]))),
                Kind::Hello | Kind::Welcome => return Err(LaneError::LateHandshake),
            }
        }
    }

    async fn wait_for_rate(&self, channel: Channel, length: usize) {
        let wait_ns = self.link.receive_wait_ns(self.now_ns(), channel, length);
        if wait_ns > 0 {
            self.link.metrics.channel(channel).throttled.inc();
            pause(wait_ns).await;
        }
    }

    async fn deliver(&self, channel: Channel, bytes: Bytes) -> Result<(), LaneError> {
        let metrics = self.link.metrics.channel(channel);
        metrics.received_messages.inc();
        metrics.received_bytes.inc_by(bytes.len() as u64);
        self.inbox.message(self.link.peer, self.session, channel, bytes).await
    }

    fn pong(&self, payload: &[u8]) {
        let sent_ns = u64::from_be_bytes(payload.try_into().expect("checked with the header"));
        // A peer may answer what was never asked; then the figure is its invention, and nothing depends on it.
        if let Some(rtt) = self.now_ns().checked_sub(sent_ns).filter(|_| self.lane == Lane::Urgent) {
            self.link.metrics.rtt.set(i64::try_from(rtt / 1_000).unwrap_or(i64::MAX));
        }
    }

    async fn write<W: AsyncWrite + Unpin>(&self, writer: &mut W) -> Result<(), LaneError> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                _ = pings.tick() => {
                    write_frame(writer, Kind::Ping, &self.now_ns().to_be_bytes()).await?;
                    continue;
                }
                batch = self.outbox.next() => batch,
            };
            let mut pieces = Pieces(batch.frames);
            writer.write_all_buf(&mut pieces).await?;
            writer.flush().await?;
            self.outbox.written(&batch.sums);
            for (channel, (count, bytes)) in Channel::ALL.into_iter().zip(batch.sums) {
                if count > 0 {
                    let metrics = self.link.metrics.channel(channel);
                    metrics.sent_messages.inc_by(count as u64);
                    metrics.sent_bytes.inc_by(bytes as u64);
                }
            }
            if let Some(reason) = batch.goodbye {
                return Err(LaneError::Ended(reason));
            }
        }
    }
}

async fn pause(wait_ns: u64) {
    if wait_ns > 0 {
        tokio::time::sleep(Duration::from_nanos(wait_ns)).await;
    }
}

#[cfg(test)]
mod tests;
