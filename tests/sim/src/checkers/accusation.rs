//! No false alarm: nobody accuses an honest validator with valid headers, and no honest validator stops.

use super::{Checker, Observation, Roster, Subject};

#[derive(Debug)]
pub(super) struct Accusation;

impl Checker for Accusation {
    fn property(&self) -> &'static str {
        "no false alarm"
    }

    fn observe(&mut self, who: Subject, roster: &Roster, what: &Observation<'_>) -> Result<(), String> {
        match what {
            Observation::Fault(fault) => Err(format!("validator {} stops: {fault}", who.node)),
            Observation::Evidence(evidence) => {
                let (first, second) = (evidence.first.reference(), evidence.second.reference());
                let header = &evidence.first.header;
                if (first.round, first.author) != (second.round, second.author) || first == second {
                    return Err(format!("validator {} shows {first} and {second}: no evidence", who.node));
                }
                if roster.is_honest(header.epoch, first.author) {
                    return Err(format!("validator {} accuses an honest one: {first} and {second}", who.node));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
