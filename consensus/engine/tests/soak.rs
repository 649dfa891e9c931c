//! A validator floods the others with everything it may sign and much that it may not: they go on, within bounded memory.
//!
//! A few seconds in the normal run; `NOEMA_SOAK_SECS` makes it longer (`make soak`).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test, as long as it is told to be")]

mod toy;

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use noema_dag::{Batch, BatchDigest, Block, BlockDigest, BlockHeader, BlockRef, BlockV1, Message};
use noema_network::{Channel, Peer, Transport};
use noema_types::{Author, Epoch, Hash, Round, TimestampMs};
use toy::{CHAIN, Net, keys, network_key};

/// Bytes of one author that a validator holds for an order that may never come, in this test.
const UNCOMMITTED: usize = 4 * 1024 * 1024;
/// Four authors' shares, blocks that wait, and as much again of what is ordered and not collected.
const HELD_MAX: usize = 48 * 1024 * 1024;
/// Three validators' queues of 128 MiB, and room for allocation.
const GROWTH_MAX: usize = 640 * 1024 * 1024;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn hash(&mut self) -> Hash {
        let mut bytes = [0; 32];
        bytes.chunks_mut(4).for_each(|part| part.copy_from_slice(&(self.next() as u32).to_le_bytes()));
        Hash(bytes)
    }

    fn block_ref(&mut self, round: u64, author: u16) -> BlockRef {
        BlockRef { round: Round(round), author: Author(author), digest: BlockDigest(self.hash()) }
    }

    fn batch(&mut self, round: u64) -> Batch {
        let mut transaction = vec![0; 100_000];
        transaction[..32].copy_from_slice(&self.hash().0);
        let created = Round(round + self.below(64));
        Batch { epoch: Epoch(1), author: Author(3), created, transactions: vec![transaction.into()] }
    }

    /// A block of the flooder that is signed and well-formed, on ancestors that do not exist.
    fn block(&mut self, round: u64) -> Block {
        let round = 2 + (round + self.below(100)).saturating_sub(50);
        let named = self.batch(round.saturating_sub(64)).reference();
        let header = BlockHeader {
            chain: CHAIN,
            epoch: Epoch(1),
            round: Round(round),
            author: Author(3),
            ancestors: [3, 0, 1, 2].map(|author| self.block_ref(round - 1, author)).to_vec(),
            batches: if self.below(2) == 0 { vec![named] } else { Vec::new() },
            timestamp: TimestampMs(self.next()),
            commit_votes: Vec::new(),
        };
        let signature = keys(3, 0).consensus.sign(&header.signing_message());
        Block::V1(BlockV1 { header, signature, inline: Vec::new() })
    }

    fn message(&mut self, round: u64) -> (Channel, Message) {
        match self.below(8) {
            0 | 1 => (Channel::Batches, Message::Batch(self.batch(round))),
            2 | 3 => (Channel::Blocks, Message::Block(self.block(round))),
            4 => {
                let blocks = (0..50).map(|_| self.block(round)).collect();
                (Channel::Fetch, Message::Blocks { blocks, held_from: Round(1) })
            }
            5 => (Channel::Fetch, Message::FetchAfter(vec![Round(0); 4])),
            6 => {
                let wanted = (0..1_024).map(|_| BatchDigest(self.hash())).collect();
                (Channel::Fetch, Message::FetchBatches(wanted))
            }
            _ => {
                let batches = (0..5).map(|_| self.batch(round)).collect();
                (Channel::Fetch, Message::Batches(batches))
            }
        }
    }
}

fn envelope(message: &Message) -> Bytes {
    let mut bytes = vec![1];
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(&CHAIN.0[..8]);
    bytes.extend(message.to_bytes());
    bytes.into()
}

/// Memory of this process in bytes.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn a_flood_of_a_validator_delays_and_grows_nothing_without_bound() {
    let seconds = std::env::var("NOEMA_SOAK_SECS").map_or(6, |text| text.parse().expect("a number of seconds"));
    let mut net = Net::new(4);
    net.change = Box::new(|_, config| config.pace.uncommitted_bytes_max = UNCOMMITTED);
    let (flooder, mut events) = net.hub.join(network_key(3));
    for validator in 0..3 {
        net.start(validator);
    }
    flooder.set_peers((0..3).map(|validator| Peer { key: network_key(validator), address: String::new() }).collect());
    let first = net.submit(0, "before");
    net.wait_for(&[0, 1, 2], &first, 30);
    let (before, start) = (resident(), Instant::now());
    let (mut most, mut held_most, mut sent, mut refused) = (before, 0, 0u64, 0u64);
    let (mut dice, mut pending): (Dice, Option<(Bytes, Instant)>) = (Dice(7), None);
    let (mut committed, mut slowest) = (0u64, Duration::ZERO);
    while start.elapsed() < Duration::from_secs(seconds) {
        while events.try_recv().is_ok() {}
        let round = net.status(0).round.0;
        for _ in 0..20 {
            let (channel, message) = dice.message(round);
            let to = network_key(dice.below(3) as u8);
            match flooder.send(&to, channel, envelope(&message)) {
                Ok(()) => sent += 1,
                Err(_) => refused += 1,
            }
        }
        match &pending {
            Some((transaction, since)) if (0..3).all(|validator| net.toy(validator).has(transaction)) => {
                (committed, slowest) = (committed + 1, slowest.max(since.elapsed()));
                pending = None;
            }
            Some((_, since)) => assert!(since.elapsed() < Duration::from_secs(30), "nothing is committed any more"),
            None => pending = Some((net.submit((sent % 3) as u8, &format!("during {sent}")), Instant::now())),
        }
        most = most.max(resident());
        held_most = held_most.max((0..3).map(|validator| net.status(validator).held_bytes).max().unwrap());
    }
    writeln!(
        std::io::stderr(),
        "{sent} messages sent, {refused} not taken; {committed} transactions committed meanwhile, the slowest in \
         {slowest:?}; {} MiB held at most, {} MiB more memory at most",
        held_most >> 20,
        (most - before) >> 20
    )
    .unwrap();
    assert!(sent > 100 && committed > 0);
    assert!(held_most < HELD_MAX, "{held_most} bytes are held");
    assert!(most - before < GROWTH_MAX, "memory grew by {} MiB", (most - before) >> 20);
    let last = net.submit(1, "after");
    net.wait_for(&[0, 1, 2], &last, 30);
    assert!(net.check_agreement() > 0);
}
