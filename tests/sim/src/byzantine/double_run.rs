//! Two copies of an honest validator with one key: an operator's mistake, which the protocol has to survive.

use std::rc::Rc;

use noema_dag::{ConsensusState, Core, CoreConfig, Input, Output};
use noema_types::{Author, TimestampMs};

use super::{Adversary, Evil};
use crate::NodeId;
use crate::epochs::EpochSetup;
use crate::scenario::Scenario;
use crate::world::Envelope;

#[derive(Debug)]
pub(super) struct DoubleRun {
    node: NodeId,
    scenario: Scenario,
    setup: Option<Rc<EpochSetup>>,
    copies: Vec<Core>,
}

impl DoubleRun {
    pub(super) fn new(node: NodeId, scenario: &Scenario) -> Self {
        Self { node, scenario: scenario.clone(), setup: None, copies: Vec::new() }
    }

    fn feed(&mut self, evil: &mut Evil<'_>, copy: usize, input: Input) {
        let Some(setup) = self.setup.clone() else { return };
        let now = TimestampMs(evil.now_ms + copy as u64);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(core) = self.copies.get_mut(copy) else { return };
            for output in core.step(now, input) {
                match output {
                    Output::Send { to, message } => {
                        if let Some(node) = setup.node(to) {
                            evil.send(node, message);
                        }
                    }
                    Output::Broadcast(message) => {
                        let members = evil.members();
                        evil.send_all(members, &message);
                    }
                    Output::Propose { round, .. } => {
                        let transactions = vec![evil.dice.bytes(12).into()];
                        inputs.push(Input::Payload { round, transactions });
                    }
                    Output::Fault(_) => {
                        self.copies.remove(copy);
                        return;
                    }
                    _ => {}
                }
            }
        }
    }

    fn author(&self, node: NodeId) -> Option<Author> {
        self.setup.as_ref()?.author(node)
    }
}

impl Adversary for DoubleRun {
    fn enter(&mut self, evil: &mut Evil<'_>, base: &ConsensusState) {
        self.setup = Some(Rc::clone(&evil.setup));
        self.copies.clear();
        let Some(own) = self.author(self.node) else { return };
        for copy in 0..2 {
            let config = CoreConfig {
                committee: evil.setup.committee.clone(),
                own,
                epoch_end: TimestampMs(u64::MAX),
                rules: self.scenario.rules.clone(),
                pace: self.scenario.pace.clone(),
                crypto: evil.setup.crypto(own),
                log_lost: false,
                nonce: copy,
            };
            self.copies.push(Core::new(config, base.clone()));
        }
    }

    fn receive(&mut self, evil: &mut Evil<'_>, from: NodeId, envelope: &Envelope) {
        let Envelope::Dag { epoch, message } = envelope else { return };
        if self.setup.as_ref().is_none_or(|setup| setup.epoch != *epoch) {
            return;
        }
        let Some(from) = self.author(from) else { return };
        for copy in (0..self.copies.len()).rev() {
            self.feed(evil, copy, Input::Message { from, message: message.clone() });
        }
    }

    fn tick(&mut self, evil: &mut Evil<'_>) {
        for copy in (0..self.copies.len()).rev() {
            self.feed(evil, copy, Input::Tick);
        }
    }
}
