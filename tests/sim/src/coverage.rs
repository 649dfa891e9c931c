//! Counts what runs exercised, so that a campaign that tests nothing fails.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

/// What a campaign must have exercised at least, per thousand seeds.
///
/// There are no cuts of a carry-over queue to count: execution blocks end at commit boundaries here, so that the queue
/// is always empty at a checkpoint.
pub const LEAST_PER_1000_SEEDS: &[(&str, u64)] = &[
    ("rule: direct commits", 50_000),
    ("rule: indirect commits", 4_000),
    ("rule: direct skips", 8_000),
    ("rule: indirect skips", 6_000),
    ("rule: undecided anchors", 10_000),
    ("rule: equivocated slots", 300),
    ("rule: schedule changes", 10_000),
    ("rule: gc drops", 1_000),
    ("rule: duplicate batches", 40),
    ("both halves of an equivocation ordered", 60),
    ("core: equivocations accepted", 1_000),
    ("core: gc drops", 500),
    ("core: batches proposed again", 3),
    ("core: blocks held for their time", 3_000),
    ("core: ancestors left out", 100),
    ("core: leader timeouts", 1_000),
    ("core: amnesia resumed", 40),
    ("amnesia restarts", 50),
    ("crashes", 500),
    ("crashes between outputs", 150),
    ("records lost in crashes", 300),
    ("recoveries from a log", 500),
    ("epoch changes", 1_000),
    ("messages to the epoch before", 3_000),
    ("state syncs", 60),
    ("lagging", 10),
    ("throttled", 100),
    ("partitions", 200),
    ("evidence", 1_000),
    ("transactions released", 300),
    ("fail-overs of clients", 2_000),
    ("undecodable messages", 1_000),
    ("requests for blocks", 10_000),
    ("requests for batches", 3_000),
    ("requests to catch up", 1_000),
    ("requests for latest blocks", 300),
    ("byzantine: equivocator", 20),
    ("byzantine: withholder", 20),
    ("byzantine: selective_sender", 20),
    ("byzantine: garbage", 20),
    ("byzantine: slow", 20),
    ("byzantine: silent", 20),
    ("byzantine: future_timestamps", 20),
    ("byzantine: double_run", 20),
    ("byzantine: replayer", 20),
];

impl Coverage {
    /// Counts one more.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts so many more.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// Keeps the largest.
    pub fn highest(&mut self, what: &'static str, value: u64) {
        let highest = self.0.entry(what).or_default();
        *highest = (*highest).max(value);
    }

    /// How often.
    #[must_use]
    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Takes over what another run counted. Names that begin with `max ` keep the larger.
    pub fn merge(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            if what.starts_with("max ") {
                self.highest(what, *times);
            } else {
                self.add(what, *times);
            }
        }
    }

    /// What is below the minimum of so many seeds.
    #[must_use]
    pub fn missing(&self, seeds: u64) -> Vec<String> {
        let too_low = |(what, least): &(&'static str, u64)| {
            let (found, least) = (self.get(what), least * seeds / 1_000);
            (found < least).then(|| format!("{what}: {found}, at least {least} expected"))
        };
        LEAST_PER_1000_SEEDS.iter().filter_map(too_low).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in &self.0 {
            writeln!(f, "{times:>12}  {what}")?;
        }
        Ok(())
    }
}
