//! Blocks that name batches which nobody gets to see; requests are never answered.

use noema_dag::{ConsensusState, Message};

use super::puppet::{Content, Puppet};
use super::{Adversary, Evil};
use crate::NodeId;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct Withholder {
    puppet: Puppet,
}

impl Withholder {
    pub(super) fn new(node: NodeId) -> Self {
        Self { puppet: Puppet::new(node) }
    }
}

impl Adversary for Withholder {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.puppet.enter(evil, base);
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        self.puppet.learn(envelope, |_| true);
        // Now and then to one of them, so that some hold a batch that others lack.
        if evil.dice.chance(100) {
            self.puppet.answer(evil, from, envelope);
        }
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        let hide = evil.dice.chance(600);
        let transactions = vec![evil.dice.bytes(40).into()];
        let content = Content { transactions, hide, timestamp: evil.now_ms, ..Content::default() };
        if let Some(block) = self.puppet.advance(evil, content) {
            let full = block.v1().inline.is_empty();
            let members = evil.members();
            evil.send_all(members.clone(), &Message::Block(block));
            if full && let Some(lucky) = evil.dice.pick(&members).copied() {
                let own = self.puppet.tip;
                let wanted: Vec<_> = self.puppet.known()[&own].v1().header.batches.iter().map(|b| b.digest).collect();
                let request = Envelope::Dag { epoch: evil.setup.epoch, message: Message::FetchBatches(wanted) };
                self.puppet.answer(evil, lucky, &request);
            }
        }
    }
}
