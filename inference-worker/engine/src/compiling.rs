//! The thread that compiles grammars: however much work one is, the jobs without a grammar go on.
//!
//! What a grammar may cost is counted, not timed ([`crate::limits`]): the refusal of one that costs too much is the same
//! on a slow machine as on a fast one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use noema_inference_api::{AnswerError, Job, JobId};
use noema_types::Hash;

use crate::grammar::{Constraint, Vocabulary};
use crate::pool::Shared;

/// A job whose grammar is to be compiled.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) id: JobId,
    pub(crate) arrival: u64,
    pub(crate) job: Arc<Job>,
}

/// A compiled grammar, or why it cannot be used.
pub(crate) type Compiled = Result<Constraint, AnswerError>;

/// Compiles until nobody can order any more.
pub(crate) fn run(shared: &Shared, orders: &Receiver<Order>) {
    let mut vocabularies: BTreeMap<Hash, Result<Vocabulary, AnswerError>> = BTreeMap::new();
    for Order { id, arrival, job } in orders {
        if !shared.state.lock().is_open(id, arrival) {
            shared.state.lock().grammars.remove(&arrival);
            continue;
        }
        let compiled = compile(shared, &mut vocabularies, &job);
        let mut state = shared.state.lock();
        state.compiled(id, arrival, compiled);
        shared.work.notify_one();
    }
}

fn compile(shared: &Shared, vocabularies: &mut BTreeMap<Hash, Result<Vocabulary, AnswerError>>, job: &Job) -> Compiled {
    // A job beyond its limits is refused for them, and a huge grammar is one of these.
    job.check()?;
    let grammar = job.options.grammar.as_ref().expect("only jobs with a grammar are ordered");
    let model = shared.models.get(&job.model).expect("submit takes jobs for loaded models only");
    let vocabulary = vocabularies.entry(job.model).or_insert_with(|| Vocabulary::new(model));
    vocabulary.as_ref().map_err(Clone::clone)?.compile(grammar)
}
