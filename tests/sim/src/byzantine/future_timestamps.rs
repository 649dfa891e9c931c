//! Valid blocks with wrong times: ahead by less than what makes others hold them, by more, by hours, or far in the past.

use noema_dag::{ConsensusState, Message};

use super::puppet::{Content, Puppet};
use super::{Adversary, Evil};
use crate::NodeId;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct FutureTimestamps {
    puppet: Puppet,
}

impl FutureTimestamps {
    pub(super) fn new(node: NodeId) -> Self {
        Self { puppet: Puppet::new(node) }
    }
}

impl Adversary for FutureTimestamps {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.puppet.enter(evil, base);
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        self.puppet.learn(envelope, |_| true);
        self.puppet.answer(evil, from, envelope);
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        let timestamp = match evil.dice.below(20) {
            0..=13 => evil.now_ms + evil.dice.between(300, 490),
            14..=16 => evil.now_ms + evil.dice.between(500, 1_500),
            17 => evil.now_ms + 3_600_000,
            18 => 1,
            _ => u64::MAX,
        };
        let transactions = self.puppet.any_transactions(evil);
        if let Some(block) = self.puppet.advance(evil, Content { transactions, timestamp, ..Content::default() }) {
            let members = evil.members();
            evil.send_all(members, &Message::Block(block));
        }
    }
}
