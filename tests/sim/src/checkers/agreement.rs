//! Agreement: commits of one index are equal on all honest validators, with all that execution gets to see.

use std::collections::BTreeMap;

use noema_dag::Committed;
use noema_types::{CommitIndex, Hash};

use super::{Checker, Observation, Roster, Subject};
use crate::NodeId;

#[derive(Debug, Default)]
pub(super) struct Agreement {
    first: BTreeMap<CommitIndex, (NodeId, Hash, String)>,
}

impl Checker for Agreement {
    fn property(&self) -> &'static str {
        "agreement"
    }

    fn observe(&mut self, who: Subject, _: &Roster, what: &Observation<'_>) -> Result<(), String> {
        let Observation::Committed(committed) = what else { return Ok(()) };
        let index = committed.commit.index;
        let print = fingerprint(committed);
        let Some((first, expected, said)) = self.first.get(&index) else {
            self.first.insert(index, (who.node, print, describe(committed)));
            return Ok(());
        };
        if *expected == print {
            return Ok(());
        }
        Err(format!("commit {index}: validator {first} has {said}, validator {} has {}", who.node, describe(committed)))
    }
}

fn describe(committed: &Committed) -> String {
    let commit = &committed.commit;
    let end = committed.end.as_ref().map(|end| end.state.state_digest().to_string()[2..10].to_owned());
    format!(
        "epoch {} leader {} blocks {:?} time {} batches {} skipped {:?} voters {:?} end {end:?}",
        commit.epoch,
        commit.leader,
        commit.blocks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        commit.timestamp,
        committed.batches.len(),
        committed.skipped,
        committed.voters
    )
}

fn fingerprint(committed: &Committed) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&committed.commit.digest().0.0);
    for batch in &committed.batches {
        hasher.update(&batch.author.0.to_le_bytes()).update(&batch.created.0.to_le_bytes());
        for transaction in &batch.transactions {
            hasher.update(&(transaction.len() as u64).to_le_bytes());
            hasher.update(&transaction[..transaction.len().min(16)]);
        }
    }
    for author in committed.skipped.iter().chain(&committed.voters) {
        hasher.update(&author.0.to_le_bytes());
    }
    hasher.update(&(committed.skipped.len() as u64).to_le_bytes());
    if let Some(end) = &committed.end {
        hasher.update(&end.state.state_digest().0).update(&[u8::from(end.epoch_end)]);
    }
    Hash(hasher.finalize().into())
}
