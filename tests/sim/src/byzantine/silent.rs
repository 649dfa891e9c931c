//! Says nothing, ever.

use noema_dag::ConsensusState;

use super::{Adversary, Evil};
use crate::NodeId;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct Silent;

impl Adversary for Silent {
    fn enter(&mut self, _: &mut Evil<'_>, _: &ConsensusState) {}

    fn receive(&mut self, _: &mut Evil<'_>, _: NodeId, _: &Envelope) {}

    fn tick(&mut self, _: &mut Evil<'_>) {}
}
