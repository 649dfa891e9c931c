use noema_network::memory::Hub;
use noema_types::{BlsSignature, Checkpoint, Version};

use super::toy::{CHAIN, Net, Toy, network_key};
use super::*;

/// Blocks of four validators, and the base of one of them.
fn history() -> (Net, Base) {
    let mut net = Net::new(4);
    net.start_all();
    for index in 0..5u8 {
        let transaction = net.submit(index % 4, &format!("transaction {index}"));
        net.wait_for(&[0, 1, 2, 3], &transaction, 30);
    }
    // What a peer answers when it is asked for its base.
    let (transport, mut events) = net.hub.join(network_key(3));
    let peer = noema_network::Peer { key: network_key(0), address: String::new() };
    transport.set_peers(vec![peer]);
    let ask = SyncMessage::Ask { id: 1, question: Question::Base, offset: 0 };
    while transport.send(&network_key(0), Channel::Sync, encode(&ask)).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let base = loop {
        if let Ok(noema_network::NetworkEvent::Message { channel: Channel::Sync, bytes, .. }) = events.try_recv()
            && let Ok(SyncMessage::Part { bytes, .. }) = crate::wire::decode_sync_message(&bytes)
            && let Ok(Answer::Base(Some(base))) = decode_answer(&bytes)
        {
            break base;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    net.wait(10, "the base's block", |net| net.toy(0).height() >= base.height);
    for validator in 0..4 {
        net.stop(validator);
    }
    (net, base)
}

fn synchroniser(ledger: Arc<Toy>) -> Synchroniser {
    let (transport, _) = Hub::default().join(network_key(9));
    let registry = prometheus::Registry::new();
    let metrics = crate::status::Metrics::new(&registry).unwrap();
    let status = crate::Status {
        role: crate::Role::Stopped,
        epoch: Epoch(1),
        round: noema_types::Round(0),
        ordered: Height(0),
        executed: Height(0),
        certified: Height(0),
        peers: 0,
        throttled: false,
        log_bytes: 0,
        held_bytes: 0,
        core: noema_dag::CoreStats::default(),
    };
    Synchroniser {
        chain: CHAIN,
        snapshot_distance: 100,
        inbox: Arc::new(Inbox::new()),
        driver: Arc::new(Inbox::new()),
        ledger,
        transport: Arc::new(transport),
        latest: Arc::new(Latest::default()),
        shared: Arc::new(Shared::new(status, metrics)),
        state: State::default(),
    }
}

#[test]
fn only_blocks_and_bases_that_are_certified_are_taken() {
    let (net, base) = history();
    let source = net.toy(0).clone();
    let fresh = Arc::new(Toy::new(net.genesis.clone(), net.plan.clone(), 0));
    let sync = &mut synchroniser(fresh.clone());
    let first = source.block(Height(1)).unwrap().unwrap();
    let second = source.block(Height(2)).unwrap().unwrap();
    let start = fresh.tip().unwrap();
    let mut refused = |block: &SyncBlock, why: &str| {
        assert!(sync.append(&start, block.clone()).unwrap().is_err(), "{why}");
        assert_eq!(fresh.height(), Height(0), "{why}");
    };
    refused(&second, "a block was left out");
    let mut wrong = first.clone();
    let Checkpoint::V1(data) = &mut wrong.certified.checkpoint;
    data.version = Version(99);
    refused(&wrong, "another checkpoint than the signed one");
    wrong = first.clone();
    wrong.certified.certificate.signature = second.certified.certificate.signature;
    refused(&wrong, "a certificate of another block");
    wrong.certified.certificate.signature = BlsSignature([0; 96]);
    refused(&wrong, "no signature");
    wrong = first.clone();
    wrong.certified.certificate.signers = vec![0b0011];
    refused(&wrong, "too few signers");
    wrong = first.clone();
    wrong.content = second.content.clone();
    refused(&wrong, "other content");
    wrong = first.clone();
    wrong.next_committee = Some(start.epoch.committee.clone());
    refused(&wrong, "a committee that is not certified");

    let mut tip = start;
    for height in 1..=base.height.0 {
        let block = source.block(Height(height)).unwrap().unwrap();
        tip = sync.append(&tip, block).unwrap().unwrap();
    }
    assert_eq!(fresh.height(), base.height);
    assert!(sync.is_certified(&base).unwrap());
    let mut lies = Vec::new();
    let mut lie = |change: fn(&mut Base)| {
        let mut wrong = base.clone();
        change(&mut wrong);
        lies.push(wrong);
    };
    lie(|base| base.state.round.0 += 1);
    lie(|base| base.state.gc_round.0 += 1);
    lie(|base| base.state.epoch.0 += 1);
    lie(|base| base.height.0 -= 1);
    lie(|base| base.height.0 += 1);
    lie(|base| base.certified = None);
    for (index, wrong) in lies.iter().enumerate() {
        assert!(!sync.is_certified(wrong).unwrap(), "lie {index}");
    }
}
