//! Transactions that clients make, and the pool of one validator: handed out once, given back when they are released.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use noema_dag::PayloadLimits;

use crate::Micros;
use crate::ledger::TxId;
use crate::rng::Dice;
use crate::scenario::Load;

/// A client's transaction.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) id: TxId,
    pub(crate) bytes: Bytes,
    pub(crate) at: Micros,
    pub(crate) eager: bool,
}

/// Transactions of a run, by identity.
pub(crate) fn transactions(load: &Load, dice: &mut Dice) -> Vec<Transaction> {
    let mut at = 0;
    let mut all = Vec::new();
    for id in 0..load.transactions {
        at += dice.between(load.interval / 2, load.interval * 3 / 2);
        let padding = match dice.below(1_000) {
            draw if draw < load.large => dice.between(20_000, 80_000),
            0..=800 => dice.between(0, 60),
            _ => dice.between(60, 4_000),
        };
        let mut bytes = id.to_le_bytes().to_vec();
        bytes.resize(8 + usize::try_from(padding).expect("small"), id.to_le_bytes()[0]);
        all.push(Transaction { id, bytes: bytes.into(), at, eager: dice.chance(load.eager) });
    }
    all
}

/// What a validator holds for its clients. Gone after a crash: admitted is not durable.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    waiting: VecDeque<(TxId, Bytes)>,
    handed_out: BTreeMap<TxId, Bytes>,
    known: BTreeSet<TxId>,
}

impl Pool {
    /// Takes a transaction. False if it is known.
    pub(crate) fn admit(&mut self, id: TxId, bytes: Bytes) -> bool {
        let fresh = self.known.insert(id);
        if fresh {
            self.waiting.push_back((id, bytes));
        }
        fresh
    }

    /// Takes a transaction that goes out at once. False if it is known.
    pub(crate) fn admit_eagerly(&mut self, id: TxId, bytes: Bytes) -> bool {
        let fresh = self.known.insert(id);
        if fresh {
            self.handed_out.insert(id, bytes);
        }
        fresh
    }

    /// What comes next.
    pub(crate) fn payload(&mut self, limits: PayloadLimits) -> Vec<(TxId, Bytes)> {
        let mut payload = Vec::new();
        let mut size = 0;
        while let Some((_, bytes)) = self.waiting.front() {
            size += bytes.len();
            if payload.len() >= limits.transactions_max || size > limits.bytes_max {
                break;
            }
            let (id, bytes) = self.waiting.pop_front().expect("there is a front");
            self.handed_out.insert(id, bytes.clone());
            payload.push((id, bytes));
        }
        payload
    }

    /// Takes back what was handed out.
    pub(crate) fn release(&mut self, id: TxId) {
        if let Some(bytes) = self.handed_out.remove(&id) {
            self.waiting.push_front((id, bytes));
        }
    }

    /// Takes everything back that was handed out: a new epoch begins.
    pub(crate) fn release_all(&mut self) {
        for (id, bytes) in std::mem::take(&mut self.handed_out).into_iter().rev() {
            self.waiting.push_front((id, bytes));
        }
    }

    /// Forgets what is executed.
    pub(crate) fn executed(&mut self, ids: &[TxId]) {
        for id in ids {
            self.handed_out.remove(id);
            self.known.insert(*id);
        }
        self.waiting.retain(|(id, _)| !ids.contains(id));
    }
}
