//! Validity: what an honest validator was given, or has sent in a block, is ordered in a batch of its own or given back,
//! unless its process died before it was sent, its log was wiped, or the epoch ended.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use noema_dag::{Batch, BatchDigest, Block};
use noema_types::{Author, Epoch};

use super::{Checker, Observation, Roster, Subject};
use crate::NodeId;
use crate::ledger::{TxId, transaction_id};

#[derive(Debug, Default)]
pub(super) struct Validity {
    /// Given, not known to be sent.
    handed: BTreeSet<(NodeId, TxId)>,
    /// Named by a block that was sent.
    promised: BTreeSet<(NodeId, TxId)>,
    contents: BTreeMap<BatchDigest, Vec<TxId>>,
    nodes: BTreeMap<(Epoch, Author), NodeId>,
    /// Own transactions that were ordered, so that a block that is sent again promises nothing new.
    ordered: BTreeSet<(NodeId, TxId)>,
}

impl Checker for Validity {
    fn property(&self) -> &'static str {
        "validity"
    }

    fn observe(&mut self, who: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        if let Some(author) = who.author {
            self.nodes.insert((who.epoch, author), who.node);
        }
        match what {
            Observation::Handed(ids) => self.handed.extend(ids.iter().map(|id| (who.node, *id))),
            Observation::OwnBatch(batch) => self.learn(batch),
            Observation::Sent(block) => self.sent(who.node, block),
            Observation::Committed(committed) => committed.batches.iter().for_each(|batch| self.ordered(batch)),
            Observation::Released(ids) => {
                let given_back = |(node, id): &(NodeId, TxId)| *node == who.node && ids.contains(id);
                self.handed.retain(|owed| !given_back(owed));
                self.promised.retain(|owed| !given_back(owed));
            }
            Observation::Entered | Observation::Crashed { wiped: true } => {
                self.handed.retain(|(node, _)| *node != who.node);
                self.promised.retain(|(node, _)| *node != who.node);
            }
            Observation::Crashed { wiped: false } => self.handed.retain(|(node, _)| *node != who.node),
            _ => {}
        }
        Ok(())
    }

    fn owes(&self) -> Option<String> {
        if let Some((node, id)) = self.promised.first() {
            return Some(format!("transaction {id}, sent in a block of validator {node}, is not ordered"));
        }
        let (node, id) = self.handed.first()?;
        Some(format!("transaction {id}, given to validator {node}, is neither ordered nor given back"))
    }
}

impl Validity {
    fn learn(&mut self, batch: &Batch) {
        let ids = batch.transactions.iter().filter_map(identity).collect();
        self.contents.insert(batch.reference().digest, ids);
    }

    fn sent(&mut self, node: NodeId, block: &Block) {
        let block = block.v1();
        block.inline.iter().for_each(|batch| self.learn(batch));
        for batch in &block.header.batches {
            for id in self.contents.get(&batch.digest).into_iter().flatten() {
                if !self.ordered.contains(&(node, *id)) {
                    self.promised.insert((node, *id));
                }
            }
        }
    }

    fn ordered(&mut self, batch: &Batch) {
        let Some(node) = self.nodes.get(&(batch.epoch, batch.author)).copied() else { return };
        for id in batch.transactions.iter().filter_map(identity) {
            self.handed.remove(&(node, id));
            self.promised.remove(&(node, id));
            self.ordered.insert((node, id));
        }
    }
}

fn identity(transaction: &Bytes) -> Option<TxId> {
    transaction_id(transaction)
}
