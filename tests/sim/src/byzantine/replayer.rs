//! Takes part, and repeats old messages of anybody, to anybody, as its own; denies what it is asked for.

use std::rc::Rc;

use noema_dag::{ConsensusState, Message};

use super::puppet::{Content, Puppet};
use super::{Adversary, Evil};
use crate::NodeId;
use crate::world::Envelope;

/// Messages that it remembers.
const HELD: usize = 100;

#[derive(Debug)]
pub(super) struct Replayer {
    puppet: Puppet,
    heard: Vec<Rc<Envelope>>,
}

impl Replayer {
    pub(super) fn new(node: NodeId) -> Self {
        Self { puppet: Puppet::new(node), heard: Vec::new() }
    }
}

impl Adversary for Replayer {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.puppet.enter(evil, base);
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        self.puppet.learn(envelope, |_| true);
        if evil.dice.chance(500) {
            self.puppet.answer(evil, from, envelope);
        }
        if evil.dice.chance(200) {
            let heard = Rc::new(envelope.clone());
            if self.heard.len() < HELD {
                self.heard.push(heard);
            } else {
                let index = evil.dice.index(HELD);
                self.heard[index] = heard;
            }
        }
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        let members = evil.members();
        for _ in 0..3 {
            if let (Some(to), Some(old)) = (evil.dice.pick(&members).copied(), evil.dice.pick(&self.heard).cloned()) {
                evil.sends.push((to, old));
            }
        }
        let transactions = self.puppet.loot.iter().rev().take(3).cloned().collect();
        let content = Content { transactions, timestamp: evil.now_ms, ..Content::default() };
        if let Some(block) = self.puppet.advance(evil, content) {
            evil.send_all(members, &Message::Block(block));
        }
    }
}
