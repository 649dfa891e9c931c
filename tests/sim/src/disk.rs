//! A disk that keeps what was synced and, of the rest, whatever prefix chance leaves.

use noema_dag::Record;
use noema_types::{Epoch, Round};

use crate::rng::Dice;

/// The append-only log of one epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    epoch: Epoch,
    records: Vec<Record>,
    durable: usize,
}

impl Disk {
    /// Begins the log of an epoch, unless it is that epoch's already.
    pub(crate) fn open(&mut self, epoch: Epoch) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }

    /// Appends. It may be lost until [`Disk::sync`].
    pub(crate) fn append(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Everything so far survives any crash.
    pub(crate) fn sync(&mut self) {
        self.durable = self.records.len();
    }

    /// The power fails: of what was not synced, a random prefix is left. Says how many records are gone.
    pub(crate) fn crash(&mut self, dice: &mut Dice) -> usize {
        let pending = self.records.len() - self.durable;
        let kept = self.durable + dice.index(pending + 1);
        let lost = self.records.len() - kept;
        self.records.truncate(kept);
        self.durable = kept;
        lost
    }

    /// What is there.
    #[must_use]
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// Drops what a base whose GC round is `gc_round` makes useless: the segments that an engine deletes. The highest
    /// proposed round stays.
    pub(crate) fn prune(&mut self, gc_round: Round, gc_depth: u64) {
        let proposed = self.records.iter().filter_map(|record| match record {
            Record::Proposed(round) => Some(*round),
            _ => None,
        });
        let last = proposed.max();
        let synced = self.durable == self.records.len();
        if !synced {
            return;
        }
        self.records.retain(|record| match record {
            Record::Block(block) => block.v1().header.round > gc_round,
            Record::Batch(batch) => batch.created.0 + gc_depth > gc_round.0,
            Record::Proposed(round) => Some(*round) == last,
            Record::Resumed(_) => true,
        });
        self.durable = self.records.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        let mut lost_some = false;
        for seed in 0..50 {
            let mut disk = Disk::default();
            disk.append(Record::Proposed(Round(1)));
            disk.sync();
            disk.append(Record::Proposed(Round(2)));
            disk.append(Record::Proposed(Round(3)));
            let lost = disk.crash(&mut Dice::new(seed));
            let rounds: Vec<_> = (1..=3 - lost as u64).map(|round| Record::Proposed(Round(round))).collect();
            assert_eq!(disk.records(), rounds);
            assert!(lost <= 2);
            lost_some |= lost > 0;
        }
        assert!(lost_some);
    }
}
