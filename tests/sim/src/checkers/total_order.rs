//! Total order: commits come without gap, chained by digest; no block and no batch is ordered twice.

use std::collections::{BTreeMap, BTreeSet};

use noema_dag::{BatchDigest, BlockRef, CommitDigest, Committed};
use noema_types::{CommitIndex, Epoch};

use super::{Checker, Observation, Roster, Subject};
use crate::NodeId;

#[derive(Debug, Default)]
pub(super) struct TotalOrder {
    next: BTreeMap<NodeId, CommitIndex>,
    digests: BTreeMap<CommitIndex, CommitDigest>,
    blocks: BTreeSet<(Epoch, BlockRef)>,
    batches: BTreeSet<BatchDigest>,
}

impl Checker for TotalOrder {
    fn property(&self) -> &'static str {
        "total order"
    }

    fn observe(&mut self, who: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        match what {
            Observation::Base(index) => {
                self.next.insert(who.node, index.next());
                Ok(())
            }
            Observation::Committed(committed) => self.commit(who, committed),
            _ => Ok(()),
        }
    }
}

impl TotalOrder {
    fn commit(&mut self, who: Subject, committed: &Committed) -> Result<(), String> {
        let commit = &committed.commit;
        let next = self.next.entry(who.node).or_insert(CommitIndex(1));
        if commit.index != *next {
            return Err(format!("validator {} commits {} where {next} is next", who.node, commit.index));
        }
        *next = next.next();
        if let Some(before) = commit.index.previous().and_then(|before| self.digests.get(&before))
            && *before != commit.previous
        {
            return Err(format!("commit {} does not follow the one before", commit.index));
        }
        if self.digests.insert(commit.index, commit.digest()).is_none() {
            return self.first_seen(committed);
        }
        Ok(())
    }

    fn first_seen(&mut self, committed: &Committed) -> Result<(), String> {
        let commit = &committed.commit;
        if commit.blocks.last() != Some(&commit.leader) {
            return Err(format!("the leader of commit {} does not come last", commit.index));
        }
        if !commit.blocks.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(format!("blocks of commit {} are not sorted", commit.index));
        }
        for block in &commit.blocks {
            if !self.blocks.insert((commit.epoch, *block)) {
                return Err(format!("commit {} orders {block} again", commit.index));
            }
        }
        for batch in &committed.batches {
            let reference = batch.reference();
            if !self.batches.insert(reference.digest) {
                return Err(format!("commit {} orders batch {} again", commit.index, reference.digest));
            }
        }
        Ok(())
    }
}
