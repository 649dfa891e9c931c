//! Two blocks per round: one for each half of the others, each built upon by its half; both are served to all who ask.

use noema_dag::{Block, ConsensusState, Message};

use super::puppet::{Content, Puppet};
use super::{Adversary, Behaviour, Evil};
use crate::NodeId;
use crate::scenario::Scenario;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct Equivocator {
    faces: [Puppet; 2],
    /// Each face lives in a world of its own, with the same faces of the other equivocators.
    two_sided: bool,
    partners: Vec<NodeId>,
}

impl Equivocator {
    pub(super) fn new(node: NodeId, scenario: &Scenario) -> Self {
        let equivocates = |(_, behaviour): &(&NodeId, &Behaviour)| **behaviour == Behaviour::Equivocator;
        let partners = scenario.byzantine.iter().filter(equivocates).map(|(node, _)| *node).collect();
        Self { faces: [Puppet::new(node), Puppet::new(node)], two_sided: scenario.two_sided, partners }
    }

    /// Which half a validator belongs to.
    fn side(node: NodeId) -> usize {
        usize::from(node % 2)
    }

    /// Whether a face takes a block into its world. The faces' blocks are told apart by the parity of their time.
    fn accepts(&self, face: usize, block: &Block) -> bool {
        if !self.two_sided {
            return true;
        }
        let header = &block.v1().header;
        let Some(place) = self.faces[face].place() else { return false };
        let node = place.setup.node(header.author);
        if node.is_some_and(|node| self.partners.contains(&node)) {
            return header.timestamp.0 % 2 == face as u64;
        }
        node.is_some_and(|node| Self::side(node) == face)
    }
}

impl Adversary for Equivocator {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        for face in &mut self.faces {
            face.enter(evil, base);
        }
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        for face in 0..2 {
            let accepted = match envelope {
                Envelope::Dag { message: Message::Block(block), .. } => self.accepts(face, block),
                _ => !self.two_sided,
            };
            if accepted {
                self.faces[face].learn(envelope, |_| true);
            }
        }
        let face = if self.two_sided { Self::side(from) } else { evil.dice.index(2) };
        self.faces[face].answer(evil, from, envelope);
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        for face in 0..2 {
            let transactions = self.faces[face].any_transactions(evil);
            let timestamp = evil.now_ms / 2 * 2 + face as u64;
            let Some(block) = self.faces[face].advance(evil, Content { transactions, timestamp, ..Content::default() })
            else {
                continue;
            };
            let place = self.faces[face].place().expect("it has just built a block");
            let half: Vec<NodeId> = place
                .others()
                .into_iter()
                .filter(|node| Self::side(*node) == face || (self.two_sided && self.partners.contains(node)))
                .collect();
            evil.send_all(half, &Message::Block(block));
        }
    }
}
