//! Blocks for tests: small key spaces, so that keys are written, removed and written again.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_state::{COLUMNS, StateDb};
use noema_store::{Direction, MemoryStore, Range, Store};
use noema_types::*;
use proptest::prelude::*;

pub type Model = BTreeMap<StateKey, Bytes>;

/// A write to one of few keys: `None` removes it.
pub type Change = (u8, Option<Vec<u8>>);

/// Transactions of a block, each a list of changes.
pub type Plan = Vec<Vec<Change>>;

pub fn memory() -> StateDb {
    StateDb::open(Arc::new(MemoryStore::new(COLUMNS))).unwrap()
}

/// One of few keys: modules, resources and items under four addresses, items with keys that begin one another.
pub fn key(number: u8) -> StateKey {
    let address = Address::from_u8(number / 4 % 4);
    match number % 4 {
        0 => StateKey::Module(format!("{address}::m{}", number / 16).parse().unwrap()),
        kind @ (1 | 2) => {
            let name = if kind == 1 { "R" } else { "S" };
            StateKey::Resource { address, tag: format!("0x1::m::{name}{}<vector<u8>>", number / 16).parse().unwrap() }
        }
        _ => StateKey::TableItem { handle: address, key: vec![0; usize::from(number / 16)] },
    }
}

pub fn change() -> impl Strategy<Value = Change> {
    (0u8..48, proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..4)))
}

pub fn plan() -> impl Strategy<Value = Plan> {
    proptest::collection::vec(proptest::collection::vec(change(), 0..6), 1..4)
}

pub fn write_set(changes: &[Change]) -> WriteSet {
    let op = |value: &Option<Vec<u8>>| match value {
        Some(bytes) => WriteOp::Write(Bytes::from(bytes.clone())),
        None => WriteOp::Delete,
    };
    WriteSet(changes.iter().map(|(number, value)| (key(*number), op(value))).collect())
}

pub fn apply(model: &mut Model, changes: &[Change]) {
    for (key, op) in write_set(changes).0 {
        match op {
            WriteOp::Write(bytes) => model.insert(key, bytes),
            WriteOp::Delete => model.remove(&key),
        };
    }
}

pub fn user(sequence_number: u64) -> SignedTransaction {
    SignedTransaction {
        raw: RawTransaction {
            sender: Address::from_u8(9),
            sequence_number,
            payload: TransactionPayload::EntryFunction(EntryFunction {
                module: "0x1::m".parse().unwrap(),
                function: Identifier::new("f").unwrap(),
                type_args: vec![],
                args: vec![],
            }),
            max_gas_amount: Gas(1),
            gas_unit_price: 1,
            expiration_timestamp_secs: 1,
            chain_id: ChainId(4),
        },
        authenticator: TransactionAuthenticator::SingleSender { sender: AccountAuthenticator::NoAccountAuthenticator },
    }
}

pub fn event(sequence_number: u64) -> Event {
    Event::V1 {
        key: EventKey { creation_number: 2, account_address: Address::from_u8(9) },
        sequence_number,
        type_tag: TypeTag::U64,
        data: sequence_number.to_le_bytes().to_vec(),
    }
}

/// The block of a plan at `height`; its transactions carry the sequence numbers and events from `first` on.
pub fn block(height: u64, first: u64, plan: &Plan) -> BlockCommit {
    let transactions = plan.iter().zip(first..).map(|(changes, number)| TransactionCommit {
        transaction: Transaction::User(user(number)),
        write_set: write_set(changes),
        events: vec![Event::V2 { type_tag: TypeTag::U8, data: vec![1] }, event(number)],
        gas_used: Gas(number),
        status: ExecutionStatus::Success,
    });
    BlockCommit {
        height: Height(height),
        id: Hash::sha3(&[&height.to_le_bytes()]),
        epoch: Epoch(1),
        round: Round(height),
        proposer: Address::from_u8(7),
        timestamp_us: height * 1_000,
        transactions: transactions.collect(),
    }
}

/// Blocks of the plans, one after the other.
pub fn chain(plans: &[Plan]) -> Vec<BlockCommit> {
    let mut first = 0;
    let block = |(plan, height)| {
        let block = block(height, first, plan);
        first += plan.len() as u64;
        block
    };
    plans.iter().zip(0..).map(block).collect()
}

/// Everything in a store.
pub fn contents(store: &dyn Store) -> Vec<(&'static str, Bytes, Bytes)> {
    let column = |column: &noema_store::Column| {
        let entries = store.scan(*column, Range::all(), Direction::Forward).unwrap().map(Result::unwrap);
        entries.map(|(key, value)| (column.0, key, value)).collect::<Vec<_>>()
    };
    COLUMNS.iter().flat_map(column).collect()
}

/// A chain's name for tests.
pub const CHAIN: Hash = Hash([0xc4; 32]);

/// A committee whose validators' keys are made up: certificates are the caller's to verify.
pub fn committee(epoch: u64) -> Committee {
    let validator = |seed: u8| ValidatorInfo {
        address: Address([seed; 32]),
        stake: Stake(u64::from(seed) * 10),
        consensus_key: Ed25519PublicKey([seed; 32]),
        network_key: Ed25519PublicKey([seed; 32]),
        checkpoint_key: BlsPublicKey([seed; 48]),
        network_address: format!("10.0.0.{seed}:7000"),
    };
    Committee::new(Epoch(epoch), (1..4).map(validator).collect()).unwrap()
}

/// A block whose first transaction is its metadata, as those of consensus are.
pub fn with_metadata(mut block: BlockCommit) -> BlockCommit {
    let metadata = Transaction::BlockMetadata(BlockMetadata {
        id: block.id,
        height: block.height,
        epoch: block.epoch,
        round: block.round,
        proposer: block.proposer,
        failed_proposer_indices: Vec::new(),
        previous_block_votes: Vec::new(),
        timestamp_us: block.timestamp_us,
    });
    let first = TransactionCommit {
        transaction: metadata,
        write_set: WriteSet::default(),
        events: Vec::new(),
        gas_used: Gas(0),
        status: ExecutionStatus::Success,
    };
    block.transactions.insert(0, first);
    block
}

/// The checkpoint after a block; the certificate is made up.
pub fn certified(
    block: &CommittedBlock,
    previous: Option<&CertifiedCheckpoint>,
    next_committee: Option<&Committee>,
) -> CertifiedCheckpoint {
    CertifiedCheckpoint {
        checkpoint: Checkpoint::V1(CheckpointData {
            chain: CHAIN,
            epoch: block.info.epoch,
            height: block.info.height,
            previous: previous.map_or(CHAIN, |previous| previous.checkpoint.digest()),
            version: block.info.last_version,
            state_root: block.state_root,
            accumulator_root: block.accumulator_root,
            timestamp: TimestampMs(block.info.timestamp_us / 1_000),
            commit_index: CommitIndex(block.info.height.0),
            commit_digest: Hash::sha3(&[b"commit", &block.info.height.0.to_le_bytes()]),
            consensus_state: Hash::sha3(&[b"consensus", &block.info.height.0.to_le_bytes()]),
            next_committee: next_committee.map(Committee::hash),
        }),
        certificate: Certificate { signers: vec![7], signature: BlsSignature([9; 96]) },
    }
}

/// Blocks of the plans with metadata; every third after genesis ends an epoch.
pub fn certified_chain(plans: &[Plan]) -> Vec<(BlockCommit, Option<Committee>)> {
    let blocks = chain(plans).into_iter().map(|mut block| {
        let height = block.height.0;
        block.epoch = Epoch(1 + height.saturating_sub(1) / 3);
        let ends = height > 0 && height.is_multiple_of(3);
        let committee = ends.then(|| committee(block.epoch.0 + 1));
        (if height == 0 { block } else { with_metadata(block) }, committee)
    });
    blocks.collect()
}

/// Commits a certified chain by staging; the checkpoints, from block 1 on.
pub fn commit_chain(db: &StateDb, blocks: &[(BlockCommit, Option<Committee>)]) -> Vec<CertifiedCheckpoint> {
    let mut checkpoints: Vec<CertifiedCheckpoint> = Vec::new();
    if let Some(before) = db.latest_checkpoint().unwrap() {
        checkpoints.push(before);
    }
    let skip = checkpoints.len();
    for (block, committee) in blocks {
        if block.height.0 == 0 {
            db.commit_block(block).unwrap();
            continue;
        }
        let staged = db.stage_block(block).unwrap();
        let checkpoint = certified(&staged, checkpoints.last(), committee.as_ref());
        db.commit_certified(&checkpoint, committee.as_ref(), noema_store::Batch::new()).unwrap();
        checkpoints.push(checkpoint);
    }
    checkpoints.split_off(skip)
}
