//! Time: commits have strictly growing times, each within what honest validators said in the round before its leader.

use std::collections::BTreeMap;

use noema_types::{CommitIndex, Epoch, Round, TimestampMs};

use super::{Checker, Observation, Roster, Subject};

#[derive(Debug, Default)]
pub(super) struct Timestamps {
    said: BTreeMap<(Epoch, Round), (TimestampMs, TimestampMs)>,
    times: BTreeMap<CommitIndex, TimestampMs>,
}

impl Checker for Timestamps {
    fn property(&self) -> &'static str {
        "timestamps"
    }

    fn observe(&mut self, _: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        match what {
            Observation::Sent(block) => {
                let header = &block.v1().header;
                let time = header.timestamp;
                let (low, high) = self.said.entry((header.epoch, header.round)).or_insert((time, time));
                (*low, *high) = ((*low).min(time), (*high).max(time));
                Ok(())
            }
            Observation::Committed(committed) => {
                let commit = &committed.commit;
                let (index, time) = (commit.index, commit.timestamp);
                self.times.insert(index, time);
                let before = index.previous().and_then(|before| self.times.get(&before).copied());
                if let Some(before) = before.filter(|before| *before >= time) {
                    return Err(format!("commit {index} has time {time}, not after {before}"));
                }
                let votes = Round(commit.leader.round.0 - 1);
                let Some((low, high)) = self.said.get(&(commit.epoch, votes)) else { return Ok(()) };
                let least_step = before.is_none_or(|before| time.0 == before.0 + 1);
                if time < *low || (time > *high && !least_step) {
                    return Err(format!("commit {index} has time {time}; honest validators said {low} to {high}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
