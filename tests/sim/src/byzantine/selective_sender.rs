//! Valid blocks that only some get, a different some each time; the others must fetch them, from whoever has them.

use noema_dag::{ConsensusState, Message};

use super::puppet::{Content, Puppet};
use super::{Adversary, Evil};
use crate::NodeId;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct SelectiveSender {
    puppet: Puppet,
}

impl SelectiveSender {
    pub(super) fn new(node: NodeId) -> Self {
        Self { puppet: Puppet::new(node) }
    }
}

impl Adversary for SelectiveSender {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.puppet.enter(evil, base);
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        self.puppet.learn(envelope, |_| true);
        if evil.dice.chance(300) {
            self.puppet.answer(evil, from, envelope);
        }
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        let transactions = self.puppet.any_transactions(evil);
        let content = Content { transactions, timestamp: evil.now_ms, ..Content::default() };
        if let Some(block) = self.puppet.advance(evil, content) {
            let mut some = evil.members();
            evil.dice.shuffle(&mut some);
            some.truncate(1 + evil.dice.index(some.len()));
            evil.send_all(some, &Message::Block(block));
        }
    }
}
