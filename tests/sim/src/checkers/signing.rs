//! One block per round: an honest validator never sends two blocks of a round, whatever crashes or is wiped between,
//! and its blocks' times never go back.

use std::collections::BTreeMap;

use noema_dag::BlockRef;
use noema_types::{Epoch, Round};

use super::{Checker, Observation, Roster, Subject};
use crate::NodeId;

#[derive(Debug, Default)]
pub(super) struct Signing {
    sent: BTreeMap<(NodeId, Epoch, Round), BlockRef>,
}

impl Checker for Signing {
    fn property(&self) -> &'static str {
        "one block per round"
    }

    fn observe(&mut self, who: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        let Observation::Sent(block) = what else { return Ok(()) };
        let header = &block.v1().header;
        let reference = block.v1().reference();
        let first = *self.sent.entry((who.node, header.epoch, header.round)).or_insert(reference);
        if first == reference {
            return Ok(());
        }
        Err(format!("validator {} sent {first} and {reference}", who.node))
    }
}
