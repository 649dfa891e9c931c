//! Execution: blocks of one height are equal on all honest validators, with state, consensus state and transactions;
//! no transaction has an effect twice; nobody is certified wrong.

use std::collections::{BTreeMap, BTreeSet};

use noema_types::Hash;

use super::{Checker, Observation, Roster, Subject};
use crate::NodeId;
use crate::ledger::TxId;

#[derive(Debug, Default)]
pub(super) struct Execution {
    blocks: BTreeMap<u64, (NodeId, Hash, Hash)>,
    executed: BTreeSet<TxId>,
}

impl Checker for Execution {
    fn property(&self) -> &'static str {
        "equal execution"
    }

    fn observe(&mut self, who: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        match what {
            Observation::Executed { height, digest, state, executed } => {
                if let Some((first, expected, expected_state)) = self.blocks.get(height) {
                    if expected == digest {
                        return Ok(());
                    }
                    let which = if expected_state == state { "state" } else { "consensus state" };
                    return Err(format!("validators {first} and {} differ in {which} at height {height}", who.node));
                }
                self.blocks.insert(*height, (who.node, *digest, *state));
                match executed.iter().find(|id| !self.executed.insert(**id)) {
                    Some(id) => Err(format!("transaction {id} is executed again at height {height}")),
                    None => Ok(()),
                }
            }
            Observation::Diverged { height } => {
                Err(format!("height {height} of validator {} is certified otherwise", who.node))
            }
            _ => Ok(()),
        }
    }
}
