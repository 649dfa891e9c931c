//! Jobs that a transaction waits for, and where their answers come from.
//!
//! A native that asks a model computes the job's content hash and asks the [`AnswerSource`]. A known answer comes back
//! at once; an unknown one ends the run with [`PendingJob`], and the transaction is executed again from its start when
//! the answer is there. Nothing of the first run survives.

use std::collections::BTreeMap;

use bytes::Bytes;
use noema_types::Hash;

/// A job whose answer is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingJob {
    /// Content hash of the job.
    pub id: Hash,
    /// BCS of the job, as the engine takes it.
    pub request: Vec<u8>,
}

/// Answers to jobs by content hash.
///
/// An answer is a function of its job, so a source may differ from another only in what it knows *yet*, never in what
/// it says. `None` means not known yet.
pub trait AnswerSource {
    /// BCS of the job's answer.
    fn answer(&self, id: &Hash) -> Option<Bytes>;
}

/// Knows no answer: every question ends in [`PendingJob`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAnswers;

impl AnswerSource for NoAnswers {
    fn answer(&self, _id: &Hash) -> Option<Bytes> {
        None
    }
}

impl AnswerSource for BTreeMap<Hash, Bytes> {
    fn answer(&self, id: &Hash) -> Option<Bytes> {
        self.get(id).cloned()
    }
}
