//! Carries messages with delay, loss, duplication, reordering and partitions.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Dice;
use crate::scenario::NetworkPlan;
use crate::{Micros, NodeId};

/// The links between validators.
#[derive(Debug)]
pub(crate) struct Network {
    plan: NetworkPlan,
    stabilisation: Micros,
    cuts: BTreeMap<usize, BTreeSet<NodeId>>,
    asymmetric: BTreeMap<usize, (NodeId, NodeId, Micros)>,
    slow: BTreeMap<usize, (NodeId, Micros)>,
    last_arrival: BTreeMap<(NodeId, NodeId), Micros>,
}

impl Network {
    /// A network without faults yet.
    #[must_use]
    pub(crate) fn new(plan: NetworkPlan, stabilisation: Micros) -> Self {
        Self {
            plan,
            stabilisation,
            cuts: BTreeMap::new(),
            asymmetric: BTreeMap::new(),
            slow: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
        }
    }

    /// Cuts these off from the others; `name` ends it.
    pub(crate) fn cut(&mut self, name: usize, side: BTreeSet<NodeId>) {
        self.cuts.insert(name, side);
    }

    /// Makes one direction slow; `name` ends it.
    pub(crate) fn slow_link(&mut self, name: usize, from: NodeId, to: NodeId, extra: Micros) {
        self.asymmetric.insert(name, (from, to, extra));
    }

    /// Makes everything late that a validator sends; `name` ends it.
    pub(crate) fn slow_node(&mut self, name: usize, node: NodeId, extra: Micros) {
        self.slow.insert(name, (node, extra));
    }

    /// Ends what was begun under this name. Gives the side of the cut, if it was one.
    pub(crate) fn heal(&mut self, name: usize) -> Option<BTreeSet<NodeId>> {
        self.asymmetric.remove(&name);
        self.slow.remove(&name);
        self.cuts.remove(&name)
    }

    /// Whether two validators reach each other.
    #[must_use]
    pub(crate) fn reaches(&self, from: NodeId, to: NodeId) -> bool {
        self.cuts.values().all(|side| side.contains(&from) == side.contains(&to))
    }

    /// When a message sent now arrives: never, once or twice.
    pub(crate) fn arrivals(&mut self, now: Micros, from: NodeId, to: NodeId, dice: &mut Dice) -> Vec<Micros> {
        if !self.reaches(from, to) {
            return Vec::new();
        }
        let loss = if now < self.stabilisation { self.plan.loss } else { self.plan.loss_after };
        if loss > 0 && dice.chance(loss) {
            return Vec::new();
        }
        let mut arrivals = vec![self.arrival(now, from, to, dice)];
        if self.plan.duplicates > 0 && dice.chance(self.plan.duplicates) {
            arrivals.push(self.arrival(now, from, to, dice));
        }
        arrivals
    }

    fn arrival(&mut self, now: Micros, from: NodeId, to: NodeId, dice: &mut Dice) -> Micros {
        let mut at = now + self.plan.latency.one_way(from, to) + dice.between(1, self.plan.jitter.max(1));
        for (slow_from, slow_to, extra) in self.asymmetric.values() {
            if (*slow_from, *slow_to) == (from, to) {
                at += extra;
            }
        }
        at += self.slow.values().filter(|(node, _)| *node == from).map(|(_, extra)| extra).sum::<Micros>();
        if self.plan.ordered {
            let last = self.last_arrival.entry((from, to)).or_default();
            at = at.max(*last + 1);
            *last = at;
        }
        at
    }
}
