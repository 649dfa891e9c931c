//! A user-space relay between two processes on loopback: delays, cuts and heals their connections.
//!
//! The kernel here has no emulation of networks, so bytes pass through this program. Each relay carries the connections
//! that one validator makes to another, so a partition is a set of closed relays. TCP shows no loss to a program: what a
//! lost segment does to a stream is that everything behind it waits for a retransmission, so a "lost" chunk is held back
//! for [`RETRANSMISSION`] with all that follows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What a lost segment costs: a usual minimum of TCP's retransmission timeout.
pub const RETRANSMISSION: Duration = Duration::from_millis(200);
/// Bytes that count as one segment.
const SEGMENT: usize = 1_460;
/// Chunks under way in one direction.
const QUEUE: usize = 4_096;
const POLL: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Control {
    cut: AtomicBool,
    stop: AtomicBool,
    delay_us: AtomicU64,
    /// Segments lost of a million.
    loss_ppm: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicU64,
}

/// One direction of dialling: what connects here reaches `to`.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    control: Arc<Control>,
}

impl Relay {
    /// A relay to this address, open, without delay.
    ///
    /// # Panics
    /// If loopback has no port left.
    #[must_use]
    pub fn start(to: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        listener.set_nonblocking(true).expect("a socket can poll");
        let control = Arc::new(Control::default());
        let shared = Arc::clone(&control);
        thread::spawn(move || accept(&listener, to, &shared, seed));
        Self { address, control }
    }

    /// Where to connect instead.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays every byte by this much in both directions, and loses this many segments of a million.
    pub fn set_quality(&self, delay: Duration, loss_ppm: u64) {
        let delay = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.control.delay_us.store(delay, Ordering::Relaxed);
        self.control.loss_ppm.store(loss_ppm, Ordering::Relaxed);
    }

    /// Cuts all connections and refuses new ones, or lets them through again.
    pub fn set_cut(&self, cut: bool) {
        self.control.cut.store(cut, Ordering::Relaxed);
    }

    /// Bytes carried and segments lost so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.control.bytes.load(Ordering::Relaxed), self.control.lost.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }
}

fn is_closed(control: &Control) -> bool {
    control.cut.load(Ordering::Relaxed) || control.stop.load(Ordering::Relaxed)
}

fn accept(listener: &TcpListener, to: SocketAddr, control: &Arc<Control>, seed: u64) {
    let mut connections = 0u64;
    while !control.stop.load(Ordering::Relaxed) {
        let Ok((near, _)) = listener.accept() else {
            thread::sleep(POLL);
            continue;
        };
        if control.cut.load(Ordering::Relaxed) {
            continue;
        }
        let Ok(far) = TcpStream::connect(to) else { continue };
        connections += 1;
        for (from, to, side) in [(&near, &far, 0), (&far, &near, 1)] {
            if let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) {
                let control = Arc::clone(control);
                let seed = seed.wrapping_mul(31).wrapping_add(connections * 2 + side) | 1;
                thread::spawn(move || carry(from, to, &control, seed));
            }
        }
    }
}

/// Moves bytes one way until either side ends or the relay is cut.
fn carry(mut from: TcpStream, mut to: TcpStream, control: &Arc<Control>, mut random: u64) {
    let settings =
        [from.set_nonblocking(false), from.set_read_timeout(Some(POLL)), from.set_nodelay(true), to.set_nodelay(true)];
    if settings.iter().any(Result::is_err) {
        return;
    }
    let (sender, receiver): (SyncSender<(Instant, Vec<u8>)>, Receiver<_>) = sync_channel(QUEUE);
    let writer_control = Arc::clone(control);
    let Ok(closing) = to.try_clone() else { return };
    let writer = thread::spawn(move || {
        while let Ok((due, bytes)) = receiver.recv() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if is_closed(&writer_control) || to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut held = Instant::now();
    while !is_closed(control) {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        control.bytes.fetch_add(count as u64, Ordering::Relaxed);
        let mut due = Instant::now() + Duration::from_micros(control.delay_us.load(Ordering::Relaxed));
        let loss = control.loss_ppm.load(Ordering::Relaxed);
        for _ in 0..count.div_ceil(SEGMENT) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random % 1_000_000 < loss {
                control.lost.fetch_add(1, Ordering::Relaxed);
                held = held.max(due + RETRANSMISSION);
            }
        }
        due = due.max(held);
        if sender.send((due, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    if is_closed(control) {
        let _ = closing.shutdown(Shutdown::Both);
    }
    let _ = from.shutdown(Shutdown::Read);
    let _ = writer.join();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let (mut from, mut to) = (stream.try_clone().unwrap(), stream);
                    let _ = std::io::copy(&mut from, &mut to);
                });
            }
        });
        address
    }

    fn round_trip(stream: &mut TcpStream) -> std::io::Result<Duration> {
        let start = Instant::now();
        stream.write_all(b"ping")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"ping");
        Ok(start.elapsed())
    }

    #[test]
    fn bytes_pass_late_and_a_cut_relay_carries_none_until_it_heals() {
        let relay = Relay::start(echo(), 1);
        let connect = || {
            let stream = TcpStream::connect(relay.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream
        };
        let mut stream = connect();
        assert!(round_trip(&mut stream).unwrap() < Duration::from_millis(90));
        relay.set_quality(Duration::from_millis(50), 0);
        assert!(round_trip(&mut stream).unwrap() >= Duration::from_millis(100));
        relay.set_cut(true);
        thread::sleep(Duration::from_millis(100));
        assert!(round_trip(&mut stream).is_err());
        assert!(round_trip(&mut connect()).is_err());
        relay.set_cut(false);
        relay.set_quality(Duration::ZERO, 1_000_000);
        let mut stream = connect();
        assert!(round_trip(&mut stream).unwrap() >= RETRANSMISSION);
        assert!(relay.counts().1 > 0);
    }
}
