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
pub const LEAST_PER_1000_SEEDS: &[(&str, u64)] = &[];

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
