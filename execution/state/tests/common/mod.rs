//! Blocks for tests: small key spaces, so that keys are written, removed and written again.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noema_state::{BlockCommit, COLUMNS, StateDb, TransactionCommit};
use noema_store::MemoryStore;
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
