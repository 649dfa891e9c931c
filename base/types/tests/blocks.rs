//! Formats of what nodes hand each other: certified blocks, epoch changes, snapshots, proofs. They stay what they are, and
//! hold against bytes from anywhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod common;

use bytes::Bytes;
use common::{Seed, hash};
use noema_types::*;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn committee(seed: &mut Seed) -> Committee {
    let size = 1 + seed.below(4);
    let validators = (0..size).map(|_| ValidatorInfo {
        address: Address(seed.array()),
        stake: Stake(1 + seed.next() % 1_000),
        consensus_key: Ed25519PublicKey(seed.array()),
        network_key: Ed25519PublicKey(seed.array()),
        checkpoint_key: BlsPublicKey(seed.array()),
        network_address: format!("10.0.0.{}:7000", seed.below(200)),
    });
    let validators = validators.collect();
    Committee::new(Epoch(seed.next()), validators).unwrap()
}

fn certified(seed: &mut Seed) -> CertifiedCheckpoint {
    CertifiedCheckpoint {
        checkpoint: Checkpoint::V1(CheckpointData {
            chain: hash(seed),
            epoch: Epoch(seed.next()),
            height: Height(seed.next()),
            previous: hash(seed),
            version: Version(seed.next()),
            state_root: hash(seed),
            accumulator_root: hash(seed),
            timestamp: TimestampMs(seed.next()),
            commit_index: CommitIndex(seed.next()),
            commit_digest: hash(seed),
            consensus_state: hash(seed),
            next_committee: seed.some(hash),
        }),
        certificate: Certificate { signers: seed.bytes(4), signature: BlsSignature(seed.array()) },
    }
}

fn block(seed: &mut Seed) -> BlockCommit {
    BlockCommit {
        height: Height(seed.next()),
        id: hash(seed),
        epoch: Epoch(seed.next()),
        round: Round(seed.next()),
        proposer: common::address(seed),
        timestamp_us: seed.next(),
        transactions: seed.list(3, |seed| TransactionCommit {
            transaction: common::transaction(seed),
            write_set: common::write_set(seed),
            events: seed.list(3, common::event),
            gas_used: Gas(seed.next()),
            status: common::status(seed),
        }),
    }
}

fn committed(seed: &mut Seed) -> CommittedBlock {
    CommittedBlock { info: common::block_info(seed), state_root: hash(seed), accumulator_root: hash(seed) }
}

fn certified_block(seed: &mut Seed) -> CertifiedBlock {
    CertifiedBlock::V1 { block: block(seed), certified: certified(seed), next_committee: seed.some(committee) }
}

fn header(seed: &mut Seed) -> SnapshotHeader {
    SnapshotHeader::V1 { block: committed(seed), certified: certified(seed), next_committee: seed.some(committee) }
}

fn chunk(seed: &mut Seed) -> SnapshotChunk {
    SnapshotChunk::V1 {
        height: Height(seed.next()),
        entries: seed.list(4, |seed| (common::state_key(seed), Bytes::from(seed.bytes(20)))),
        siblings: seed.list(5, hash),
        last: seed.below(2) == 0,
    }
}

fn proof(seed: &mut Seed) -> StateProof {
    StateProof {
        value: seed.some(|seed| Bytes::from(seed.bytes(20))),
        neighbour: seed.some(|seed| StateLeaf { key: hash(seed), value: hash(seed) }),
        siblings: seed.list(5, hash),
    }
}

fn value_proof(seed: &mut Seed) -> ValueProof {
    ValueProof::V1 { height: Height(seed.next()), proof: proof(seed) }
}

/// SHA3-256 over the bytes of 200 seeded cases, each checked to round-trip.
fn digest<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(make: impl Fn(&mut Seed) -> T) -> String {
    let mut all = Vec::new();
    for case in 0..200 {
        let value = make(&mut Seed(case));
        let bytes = bcs::to_bytes(&value).unwrap();
        assert_eq!(bcs::from_bytes::<T>(&bytes).unwrap(), value, "case {case}");
        all.extend(bytes);
    }
    hex::encode(&Hash::sha3(&[&all]).0[..8])
}

/// A changed hash is a changed format: nodes and clients of different versions stop understanding each other.
#[test]
fn formats_are_frozen() {
    let digests = [
        ("committee", digest(committee)),
        ("certified checkpoint", digest(certified)),
        ("epoch change", digest(|seed| EpochChange { certified: certified(seed), committee: committee(seed) })),
        ("committed block", digest(committed)),
        ("certified block", digest(certified_block)),
        ("snapshot header", digest(header)),
        ("snapshot chunk", digest(chunk)),
        ("value proof", digest(value_proof)),
    ];
    let text: Vec<String> = digests.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
    assert_eq!(text, FROZEN);
}

const FROZEN: [&str; 8] = [
    "committee f3188bad3999a7cd",
    "certified checkpoint 7f9f260cc650db04",
    "epoch change ec3acc039c9ebe10",
    "committed block a5f89f39493921ee",
    "certified block 9ef38a0e69b10791",
    "snapshot header 38e5e8f0104f271f",
    "snapshot chunk 60a92aeaef57c3a7",
    "value proof 2b6f28ed7fc7c7a4",
];

fn decode_any(bytes: &[u8]) {
    fn check<T: Serialize>(decoded: Result<T, DecodeError>, bytes: &[u8]) {
        if let Ok(value) = decoded {
            assert_eq!(bcs::to_bytes(&value).unwrap(), bytes);
        }
    }
    check(CertifiedBlock::decode(bytes), bytes);
    check(SnapshotHeader::decode(bytes), bytes);
    check(SnapshotChunk::decode(bytes), bytes);
    check(StateProof::decode(bytes), bytes);
    check(ValueProof::decode(bytes), bytes);
    check(decode::<EpochChange>("epoch change", bytes), bytes);
    check(decode::<CertifiedCheckpoint>("checkpoint", bytes), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode_any(&bytes);
    }

    #[test]
    fn mutated_bytes_do_not_panic(case in any::<u64>(), edits in proptest::collection::vec(any::<(u16, u8)>(), 1..4),
                                  cut in any::<Option<u16>>()) {
        let mut seed = Seed(case);
        for mut bytes in [
            bcs::to_bytes(&certified_block(&mut seed)).unwrap(),
            bcs::to_bytes(&header(&mut seed)).unwrap(),
            bcs::to_bytes(&chunk(&mut seed)).unwrap(),
            bcs::to_bytes(&proof(&mut seed)).unwrap(),
            bcs::to_bytes(&value_proof(&mut seed)).unwrap(),
        ] {
            for (position, byte) in &edits {
                let length = bytes.len();
                bytes[usize::from(*position) % length] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(usize::from(cut) % bytes.len());
            }
            decode_any(&bytes);
        }
    }
}

#[test]
fn sizes_are_limited() {
    let large = vec![0; limits::SNAPSHOT_CHUNK_BYTES_MAX + 1];
    assert!(matches!(SnapshotChunk::decode(&large), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(SnapshotHeader::decode(&large), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(StateProof::decode(&large), Err(DecodeError::TooLarge { .. })));
    assert!(matches!(ValueProof::decode(&large), Err(DecodeError::TooLarge { .. })));
    let large = vec![0; limits::CERTIFIED_BLOCK_BYTES_MAX + 1];
    assert!(matches!(CertifiedBlock::decode(&large), Err(DecodeError::TooLarge { .. })));
}
