//! Everything that watches a run: the event hash, the trace, the checkers and the coverage.

use std::collections::VecDeque;

use noema_types::Hash;

use crate::checkers::{self, Checker, Observation, Roster, Subject, Violation};
use crate::coverage::Coverage;
use crate::{Micros, NodeId};

/// Watches a run.
#[derive(Debug)]
pub(crate) struct Observer {
    hasher: blake3::Hasher,
    trace: VecDeque<String>,
    trace_limit: usize,
    checkers: Vec<Box<dyn Checker>>,
    ignored: Option<&'static str>,
    pub(crate) roster: Roster,
    pub(crate) coverage: Coverage,
    pub(crate) violation: Option<Violation>,
}

impl Observer {
    /// Keeps the last `trace_limit` events as text.
    pub(crate) fn new(trace_limit: usize) -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            trace: VecDeque::new(),
            trace_limit,
            checkers: checkers::all(),
            ignored: None,
            roster: Roster::default(),
            coverage: Coverage::default(),
            violation: None,
        }
    }

    /// Takes an event into the hash and, if there is one, the trace.
    pub(crate) fn event(
        &mut self,
        at: Micros,
        node: NodeId,
        kind: &'static str,
        print: u64,
        describe: impl FnOnce() -> String,
    ) {
        let mut bytes = [0; 18];
        bytes[..8].copy_from_slice(&at.to_le_bytes());
        bytes[8..16].copy_from_slice(&print.to_le_bytes());
        bytes[16..].copy_from_slice(&node.to_le_bytes());
        self.hasher.update(&bytes).update(kind.as_bytes());
        if self.trace_limit > 0 {
            self.trace.push_back(format!("{at:>10} µs  v{node:<2} {kind:<9} {}", describe()));
            if self.trace.len() > self.trace_limit {
                self.trace.pop_front();
            }
        }
    }

    /// A property that is known not to hold in this run, and of no interest.
    pub(crate) fn ignore(&mut self, property: &'static str) {
        self.ignored = Some(property);
    }

    /// Shows the checkers what a validator did.
    pub(crate) fn observe(&mut self, who: Subject, what: &Observation<'_>) {
        for checker in &mut self.checkers {
            if let Err(detail) = checker.observe(who, &self.roster, what)
                && self.violation.is_none()
                && self.ignored != Some(checker.property())
            {
                self.violation = Some(Violation { property: checker.property(), at: who.at, detail });
            }
        }
    }

    /// What checkers wait for.
    pub(crate) fn owes(&self) -> Option<(&'static str, String)> {
        self.checkers.iter().find_map(|checker| Some((checker.property(), checker.owes()?)))
    }

    /// Ends the run.
    pub(crate) fn finish(self) -> (Hash, Coverage, Option<Violation>, Vec<String>) {
        let trace = self.trace.into();
        (Hash(self.hasher.finalize().into()), self.coverage, self.violation, trace)
    }
}
