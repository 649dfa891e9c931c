//! The transport over real sockets on loopback.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::error::Reason;
use crate::frame::{Header, Kind, Lane};
use crate::handshake::{Lanes, dial};
use crate::lane::{read_header, read_payload, write_frame};

/// Generous, since the machine may be busy; a correct network needs a small part of it.
const SOON: Duration = Duration::from_secs(20);
/// Long enough for something forbidden to happen.
const A_WHILE: Duration = Duration::from_millis(700);
const CHAIN: Hash = Hash([9; 32]);

struct Node {
    network: Network,
    events: mpsc::Receiver<NetworkEvent>,
    registry: Registry,
}

fn key_pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_private_bytes([seed; 32])
}

fn key(seed: u8) -> Ed25519PublicKey {
    key_pair(seed).public()
}

fn identity(seed: u8) -> Identity {
    Identity::new(&key_pair(seed), CHAIN).expect("a good key")
}

fn peer(seed: u8, address: SocketAddr) -> Peer {
    Peer { key: key(seed), address: address.to_string() }
}

fn nowhere() -> SocketAddr {
    ([127, 0, 0, 1], 1).into()
}

impl Node {
    fn start(seed: u8, peers: Vec<Peer>) -> Self {
        Self::start_with(seed, peers, ([127, 0, 0, 1], 0).into(), CHAIN, Limits::default())
    }

    fn start_with(seed: u8, peers: Vec<Peer>, listen: SocketAddr, chain: Hash, limits: Limits) -> Self {
        let config = NetworkConfig { listen, key: key_pair(seed), chain, peers, limits };
        let (network, events) = Network::start(config, &Handle::current()).expect("it starts");
        let registry = Registry::new();
        network.register(&registry).expect("new names");
        Self { network, events, registry }
    }

    fn address(&self) -> SocketAddr {
        self.network.local_address()
    }

    async fn event(&mut self) -> NetworkEvent {
        timeout(SOON, self.events.recv()).await.expect("an event in time").expect("the network runs")
    }

    async fn message(&mut self) -> (Ed25519PublicKey, Channel, Bytes) {
        match self.event().await {
            NetworkEvent::Message { from, channel, bytes } => (from, channel, bytes),
            event => panic!("a message, not {event:?}"),
        }
    }

    async fn quiet(&mut self) {
        let event = timeout(A_WHILE, self.events.recv()).await;
        assert!(event.is_err(), "{event:?}");
    }

    /// Sum over all series of a metric whose labels contain `label`.
    fn metric(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == format!("noema_network_{name}"));
        let series = family.into_iter().flat_map(|family| family.get_metric());
        let chosen = series.filter(|series| series.get_label().iter().any(|pair| pair.value() == label));
        chosen.map(|series| series.get_counter().get_value() as u64 + series.get_gauge().get_value() as u64).sum()
    }

    async fn metric_reaches(&self, name: &str, label: &str, least: u64) {
        let reached = async {
            while self.metric(name, label) < least {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = timeout(SOON, reached).await;
        assert!(found.is_ok(), "{name} {label} is {} after {SOON:?}", self.metric(name, label));
    }
}

async fn send(from: &Node, to: u8, channel: Channel, bytes: Bytes) {
    while let Err(error) = from.network.send(&key(to), channel, bytes.clone()) {
        let full = matches!(error, SendError::QueueBytes { .. } | SendError::QueueMessages { .. });
        assert!(full, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Nodes 1 and 2, connected.
async fn pair(limits: Limits) -> (Node, Node) {
    let listen = ([127, 0, 0, 1], 0).into();
    let mut a = Node::start_with(1, vec![], listen, CHAIN, limits);
    let mut b = Node::start_with(2, vec![peer(1, a.address())], listen, CHAIN, limits);
    a.network.set_peers(vec![peer(2, b.address())]);
    assert_eq!(a.event().await, NetworkEvent::Connected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Connected(key(1)));
    (a, b)
}

/// Node 1, and the bare lanes of peer 2.
async fn bare(limits: Limits) -> (Node, Lanes) {
    let mut node = Node::start_with(1, vec![peer(2, nowhere())], ([127, 0, 0, 1], 0).into(), CHAIN, limits);
    let lanes = dial(identity(2), key(1), node.address().to_string(), limits).await.expect("peer 2 is known");
    assert_eq!(node.event().await, NetworkEvent::Connected(key(2)));
    (node, lanes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_channel_is_in_order_and_intact_both_ways() {
    let (mut a, mut b) = pair(Limits::default()).await;
    let message = |channel: Channel, number: usize| {
        let limit = Limits::default().of(channel).frame_bytes_max;
        let size = [0, 1, 5, 16 * 1024, 100_000, limit][number % 6];
        let bytes = (0..size).map(|at| (at * 31 + number * 7 + channel.index()) as u8);
        Bytes::from(bytes.collect::<Vec<u8>>())
    };
    let count = 12;
    let all = |from, to| async move {
        for number in 0..count {
            for channel in Channel::ALL {
                send(from, to, channel, message(channel, number)).await;
            }
        }
    };
    let check = async |node: &mut mpsc::Receiver<NetworkEvent>, other: u8| {
        let mut next = [0; Channel::COUNT];
        while next != [count; Channel::COUNT] {
            let event = timeout(SOON, node.recv()).await.expect("in time").expect("open");
            let NetworkEvent::Message { from, channel, bytes } = event else { panic!("a message, not {event:?}") };
            assert_eq!(from, key(other));
            assert!(bytes == message(channel, next[channel.index()]), "{channel} {}", next[channel.index()]);
            next[channel.index()] += 1;
        }
    };
    let (mut a_events, mut b_events) =
        (std::mem::replace(&mut a.events, mpsc::channel(1).1), std::mem::replace(&mut b.events, mpsc::channel(1).1));
    tokio::join!(all(&a, 2), all(&b, 1), check(&mut a_events, 2), check(&mut b_events, 1));
    assert_eq!(a.metric("received_messages_total", "batches"), count as u64);
    assert_eq!(b.metric("sent_messages_total", "sync"), count as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_that_dial_each_other_at_once_hold_one_session_per_pair() {
    let mut nodes: Vec<Node> = (1..=4).map(|seed| Node::start(seed, vec![])).collect();
    let peers: Vec<Peer> = nodes.iter().zip(1..).map(|(node, seed)| peer(seed, node.address())).collect();
    for node in &nodes {
        node.network.set_peers(peers.clone());
    }
    for node in &mut nodes {
        for _ in 0..3 {
            assert!(matches!(node.event().await, NetworkEvent::Connected(_)));
        }
    }
    for node in &mut nodes {
        node.quiet().await;
    }
    for node in &nodes {
        node.network.broadcast(Channel::Blocks, &Bytes::from_static(b"to all"));
    }
    for node in &mut nodes {
        let mut from = [node.message().await.0, node.message().await.0, node.message().await.0];
        from.sort();
        assert!(from[0] < from[1] && from[1] < from[2], "one of each peer");
        node.quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_keys_are_refused_on_both_sides() {
    let mut stranger = Node::start(3, vec![]);
    // Node 1 expects 2 where 3 listens; 3 would take 1.
    let mut a = Node::start(1, vec![peer(2, stranger.address())]);
    stranger.network.set_peers(vec![peer(1, nowhere())]);
    let label = a.network.shared.peers.read()[&key(2)].link.metrics.dials_failed.clone();
    timeout(SOON, async {
        while label.get() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the dialled side's key is not the expected one");
    // Node 3 dials 1, which does not know it.
    stranger.network.set_peers(vec![peer(1, a.address())]);
    a.metric_reaches("handshakes_refused_total", "unknown_key", 2).await;
    let error = dial(identity(3), key(1), a.address().to_string(), Limits::default()).await.expect_err("unknown");
    assert!(matches!(error, HandshakeError::KeyRefused), "{error}");
    a.quiet().await;
    stranger.quiet().await;
    let refused = a.network.send(&key(3), Channel::Blocks, Bytes::new());
    assert_eq!(refused, Err(SendError::NotConnected { peer: key(3) }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_of_another_is_refused_on_both_sides() {
    let mut a = Node::start(1, vec![peer(2, nowhere())]);
    let impostor = Identity::presenting(key(2), &key_pair(3), CHAIN).expect("a key");
    dial(impostor.clone(), key(1), a.address().to_string(), Limits::default()).await.expect_err("not its key");
    a.metric_reaches("handshakes_refused_total", "key_not_proven", 1).await;
    // And as the side that is dialled.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    #[derive(Debug)]
    struct All;
    impl Admission for All {
        fn admits(&self, _: &Ed25519PublicKey) -> bool {
            true
        }
    }
    let acceptor = TlsAcceptor::from(Arc::new(impostor.server(Arc::new(All)).expect("a key")));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Refused by the other side, which is what is tested.
            let _ = acceptor.accept(stream).await;
        }
    });
    let error = dial(identity(1), key(2), address, Limits::default()).await.expect_err("not its key");
    assert!(matches!(error, HandshakeError::KeyNotProven), "{error}");
    a.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_chain_is_refused_and_said_so() {
    let mut a = Node::start(1, vec![peer(2, nowhere())]);
    let other = Identity::new(&key_pair(2), Hash([8; 32])).expect("a key");
    let error = dial(other, key(1), a.address().to_string(), Limits::default()).await.expect_err("another chain");
    assert!(matches!(error, HandshakeError::Chain), "{error}");
    assert!(error.to_string().contains("another chain"));
    a.metric_reaches("handshakes_refused_total", "chain", 1).await;
    a.quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_above_the_limit_ends_the_connection_before_it_is_read() {
    let (mut node, mut lanes) = bare(Limits::default()).await;
    let length = Limits::default().of(Channel::Batches).frame_bytes_max + 1;
    let header = Header::encode(Kind::Message(Channel::Batches), length);
    lanes[Lane::Batches.index()].write_all(&header).await.expect("open");
    lanes[Lane::Batches.index()].flush().await.expect("open");
    assert_eq!(node.event().await, NetworkEvent::Disconnected(key(2)));
    assert_eq!(node.metric("sessions_closed_total", "frame_too_long"), 1);
    let urgent = &mut lanes[Lane::Urgent.index()];
    let limits = Limits::default();
    loop {
        let header = read_header(urgent, Lane::Urgent, &limits).await.expect("a reason comes before the end");
        let frame = read_payload(urgent, header).await.expect("whole");
        match frame.kind {
            Kind::Ping => continue,
            kind => {
                assert_eq!((kind, &frame.payload[..]), (Kind::Goodbye, &[Reason::Violation.number()][..]));
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_disturbs_nobody() {
    let (mut a, b) = pair(Limits::default()).await;
    a.network.set_peers(vec![peer(2, b.address()), peer(3, nowhere())]);
    let mut runner = TestRunner::deterministic();
    let strategy = (0..4usize, prop::collection::vec(any::<u8>(), 1..3000));
    for round in 0..60u32 {
        let (how, bytes) = strategy.new_tree(&mut runner).expect("a case").current();
        if how == 0 || round % 4 != 0 {
            // A stranger; sometimes what looks like TLS.
            let mut stream = TcpStream::connect(a.address()).await.expect("it listens");
            let start: &[u8] = [&[][..], &[22, 3, 1], &[22, 3, 1, 0, 250, 1, 0, 0, 246, 3, 3], &[23, 3, 3]][how];
            // The other side may close at any byte.
            let _ = stream.write_all(&[start, &bytes].concat()).await;
            let _ = timeout(Duration::from_millis(20), stream.read(&mut [0; 64])).await;
        } else {
            // A validator gone mad: garbage on a lane of a good session.
            let dialled = dial(identity(3), key(1), a.address().to_string(), Limits::default()).await;
            if let Ok(mut lanes) = dialled {
                assert_eq!(a.event().await, NetworkEvent::Connected(key(3)));
                let _ = lanes[how].write_all(&bytes).await;
                let _ = lanes[how].flush().await;
                drop(lanes);
                while a.event().await != NetworkEvent::Disconnected(key(3)) {}
            }
        }
        let message = Bytes::from(round.to_be_bytes().to_vec());
        send(&b, 1, Channel::Blocks, message.clone()).await;
        assert_eq!(a.message().await, (key(2), Channel::Blocks, message));
    }
    a.metric_reaches("handshakes_refused_total", "io", 10).await;
    assert_eq!(a.metric("sessions_closed_total", "closed") + a.metric("sessions_closed_total", "silent"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_arrive_while_batches_are_stuck() {
    let mut limits = Limits::default();
    limits.of_mut(Channel::Batches).receive_bytes_per_s = 64 * 1024;
    limits.of_mut(Channel::Batches).receive_burst_bytes = 1024 * 1024;
    let (a, mut b) = pair(limits).await;
    let batch = Bytes::from(vec![1; 512 * 1024]);
    for _ in 0..40 {
        send(&a, 2, Channel::Batches, batch.clone()).await;
    }
    let began = Instant::now();
    send(&a, 2, Channel::Blocks, Bytes::from_static(b"vote")).await;
    while b.message().await.1 != Channel::Blocks {}
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    b.metric_reaches("throttled_total", "batches", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_are_fast_under_a_full_load_of_batches() {
    let (a, mut b) = pair(Limits::default()).await;
    let batch = Bytes::from(vec![1; 512 * 1024]);
    let began = Instant::now();
    let (mut delays, mut batches) = (Vec::new(), 0);
    // As many blocks as it takes for bulk to flow beside them.
    while delays.len() < 50 || (batches < 50 && delays.len() < 2_000) {
        while a.network.send(&key(2), Channel::Batches, batch.clone()).is_ok() {}
        send(&a, 2, Channel::Blocks, Bytes::from((began.elapsed().as_nanos() as u64).to_be_bytes().to_vec())).await;
        loop {
            let (_, channel, bytes) = b.message().await;
            if channel == Channel::Blocks {
                let sent = u64::from_be_bytes(bytes[..].try_into().expect("eight bytes"));
                delays.push(began.elapsed() - Duration::from_nanos(sent));
                break;
            }
            batches += 1;
        }
    }
    delays.sort();
    assert!(batches >= 50, "bulk flowed: {batches}");
    let median = delays[delays.len() / 2];
    assert!(median < Duration::from_millis(250), "half of the blocks within {median:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_peer_is_connected_again() {
    let (mut a, mut b) = pair(Limits::default()).await;
    for restart in 0..3u8 {
        let address = b.address();
        drop(b);
        assert_eq!(a.event().await, NetworkEvent::Disconnected(key(2)));
        let refused = a.network.send(&key(2), Channel::Blocks, Bytes::new());
        assert_eq!(refused, Err(SendError::NotConnected { peer: key(2) }));
        // Alternately where it was, and elsewhere, unknown to the other: then it must dial itself.
        let listen = if restart % 2 == 0 { address } else { ([127, 0, 0, 1], 0).into() };
        b = Node::start_with(2, vec![peer(1, a.address())], listen, CHAIN, Limits::default());
        assert_eq!(b.event().await, NetworkEvent::Connected(key(1)));
        assert_eq!(a.event().await, NetworkEvent::Connected(key(2)));
        let message = Bytes::from(vec![restart]);
        send(&a, 2, Channel::Fetch, message.clone()).await;
        assert_eq!(b.message().await, (key(1), Channel::Fetch, message));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removed_peers_are_disconnected_and_may_come_back() {
    let (mut a, mut b) = pair(Limits::default()).await;
    a.network.set_peers(vec![]);
    assert_eq!(a.event().await, NetworkEvent::Disconnected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Disconnected(key(1)));
    let refused = a.network.send(&key(2), Channel::Blocks, Bytes::new());
    assert_eq!(refused, Err(SendError::NotConnected { peer: key(2) }));
    a.metric_reaches("handshakes_refused_total", "unknown_key", 1).await;
    a.quiet().await;
    a.network.set_peers(vec![peer(2, b.address())]);
    assert_eq!(a.event().await, NetworkEvent::Connected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Connected(key(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_fills_its_queue_and_no_other() {
    let (node, _lanes) = bare(Limits::default()).await;
    let batch = Bytes::from(vec![0; 512 * 1024]);
    let limits = Limits::default();
    let bytes = limits.of(Channel::Batches).queue_bytes_max;
    // Beyond the queue, sockets take some.
    let error = (0..100_000).find_map(|_| node.network.send(&key(2), Channel::Batches, batch.clone()).err());
    assert!(matches!(error, Some(SendError::QueueBytes { limit, .. }) if limit == bytes), "{error:?}");
    let small = Bytes::from(vec![0; 2_000]);
    let error = (0..100_000).find_map(|_| node.network.send(&key(2), Channel::Sync, small.clone()).err());
    let messages = limits.of(Channel::Sync).queue_messages_max;
    let full = SendError::QueueMessages { peer: key(2), channel: Channel::Sync, limit: messages };
    assert_eq!(error, Some(full));
    assert_eq!(node.network.send(&key(2), Channel::Blocks, Bytes::new()), Ok(()));
    assert_eq!(node.metric("dropped_messages_total", "bytes"), 1);
    assert_eq!(node.metric("dropped_messages_total", "messages"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooder_is_slowed_and_others_are_not() {
    let mut limits = Limits::default();
    limits.of_mut(Channel::Batches).receive_bytes_per_s = 1024 * 1024;
    limits.of_mut(Channel::Batches).receive_burst_bytes = 1024 * 1024;
    let (mut a, b) = pair(limits).await;
    let c = Node::start_with(3, vec![peer(1, a.address())], ([127, 0, 0, 1], 0).into(), CHAIN, limits);
    a.network.set_peers(vec![peer(2, b.address()), peer(3, c.address())]);
    assert_eq!(a.event().await, NetworkEvent::Connected(key(3)));
    let batch = Bytes::from(vec![0; 256 * 1024]);
    let began = Instant::now();
    for _ in 0..16 {
        send(&b, 1, Channel::Batches, batch.clone()).await;
    }
    for _ in 0..4 {
        send(&c, 1, Channel::Batches, batch.clone()).await;
    }
    let (mut of_b, mut of_c, mut c_done) = (0, 0, Duration::MAX);
    while of_b < 16 || of_c < 4 {
        let (from, _, _) = a.message().await;
        if from == key(2) {
            of_b += 1;
        } else {
            of_c += 1;
            c_done = began.elapsed();
        }
    }
    let b_done = began.elapsed();
    assert!(b_done >= Duration::from_millis(2_900), "4 MiB at 1 MiB/s after a burst of 1 MiB, in {b_done:?}");
    assert!(c_done < Duration::from_millis(2_500), "the other within its burst, {c_done:?}");
    assert!(a.metric("throttled_total", "batches") >= 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_is_dead_after_three_seconds() {
    let (mut node, lanes) = bare(Limits::default()).await;
    let began = Instant::now();
    assert_eq!(node.event().await, NetworkEvent::Disconnected(key(2)));
    assert!(began.elapsed() >= Duration::from_millis(2_500), "{:?}", began.elapsed());
    assert_eq!(node.metric("sessions_closed_total", "silent"), 1);
    drop(lanes);
}

/// Forwards connections to `target` as long as `flows`; bytes on the way wait meanwhile.
async fn relay(target: SocketAddr, flows: watch::Receiver<bool>) -> SocketAddr {
    async fn copy(
        mut from: impl AsyncReadExt + Unpin,
        mut to: impl AsyncWriteExt + Unpin,
        mut flows: watch::Receiver<bool>,
    ) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            if flows.wait_for(|flows| *flows).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
        // An end is news too, which a cut wire does not carry.
        let _ = flows.wait_for(|flows| *flows).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((inner, _)) = listener.accept().await {
            let flows = flows.clone();
            tokio::spawn(async move {
                let outer = TcpStream::connect(target).await.expect("the target listens");
                let ((a, b), (c, d)) = (inner.into_split(), outer.into_split());
                tokio::join!(copy(a, d, flows.clone()), copy(c, b, flows));
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_wire_is_noticed_on_both_sides_and_mended() {
    let (wire, flows) = watch::channel(true);
    let mut a = Node::start(1, vec![peer(2, nowhere())]);
    let address = relay(a.address(), flows).await;
    let mut b = Node::start(2, vec![peer(1, address)]);
    assert_eq!(a.event().await, NetworkEvent::Connected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Connected(key(1)));
    wire.send(false).expect("the relay runs");
    let began = Instant::now();
    assert_eq!(a.event().await, NetworkEvent::Disconnected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Disconnected(key(1)));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    tokio::time::sleep(A_WHILE).await;
    wire.send(true).expect("the relay runs");
    assert_eq!(a.event().await, NetworkEvent::Connected(key(2)));
    assert_eq!(b.event().await, NetworkEvent::Connected(key(1)));
    send(&a, 2, Channel::Sync, Bytes::from_static(b"again")).await;
    assert_eq!(b.message().await, (key(1), Channel::Sync, Bytes::from_static(b"again")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_lives_and_its_time_is_measured() {
    let (mut a, mut b) = pair(Limits::default()).await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    a.quiet().await;
    b.quiet().await;
    let rtt = a.network.shared.peers.read()[&key(2)].link.metrics.rtt.get();
    assert!(rtt > 0, "{rtt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_a_handshake_and_of_other_lanes_are_violations() {
    for (kind, payload, name) in [
        (Kind::Welcome, &b""[..], "late_handshake"),
        (Kind::Message(Channel::Batches), b"x", "wrong_lane"),
        (Kind::Ping, b"short", "control_length"),
    ] {
        let (mut node, mut lanes) = bare(Limits::default()).await;
        write_frame(&mut lanes[Lane::Urgent.index()], kind, payload).await.expect("open");
        assert_eq!(node.event().await, NetworkEvent::Disconnected(key(2)));
        assert_eq!(node.metric("sessions_closed_total", name), 1, "{name}");
    }
}

#[tokio::test]
async fn contradicting_limits_and_taken_ports_are_errors() {
    let mut limits = Limits::default();
    limits.of_mut(Channel::Sync).queue_bytes_max = 1;
    let listen = ([127, 0, 0, 1], 0).into();
    let config = NetworkConfig { listen, key: key_pair(1), chain: CHAIN, peers: vec![], limits };
    let error = Network::start(config.clone(), &Handle::current()).expect_err("limits");
    assert!(matches!(error, NetworkError::Limits { channel: Channel::Sync, .. }), "{error}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("bound");
    let error = Network::start(NetworkConfig { listen, limits: Limits::default(), ..config }, &Handle::current());
    assert!(matches!(error.expect_err("taken"), NetworkError::Listen { .. }));
}

#[test]
fn handshakes_are_limited_per_address() {
    let handshakes = Handshakes::default();
    let address = IpAddr::from([10, 0, 0, 1]);
    let mut begun: Vec<_> = (0..HANDSHAKES_PER_ADDRESS_MAX).map(|_| handshakes.begin(address)).collect();
    assert!(begun.iter().all(Option::is_some));
    assert!(handshakes.begin(address).is_none());
    assert!(handshakes.begin(IpAddr::from([10, 0, 0, 2])).is_some(), "another address has its own");
    begun.pop();
    assert!(handshakes.begin(address).is_some());
}
