//! What a committed leader brings into the order, and when.
//!
//! - **Blocks**: the leader's history that is not ordered yet, in rounds above the collected ones *before* this commit,
//!   by round, author and digest. A walk stops at ordered blocks: their history is ordered or collected.
//! - **Batches**: those that the blocks name, in that order, each at its first commit only. A batch counts only in a
//!   block of its author, at most the collection depth of rounds after the round it was made in; anything else is
//!   passed over, by all validators alike, and may still be ordered by a block where it is valid.
//! - **Time**: the median, by stake, of the timestamps of the leader's ancestors in the round before; at least one step
//!   after the commit before. Genesis blocks carry the time of the commit before, so that a commit led by round 1 is
//!   one step after it: no single validator sets the time.
//! - **Collection**: after the commit, rounds up to the leader's less the depth are collected. Ordered blocks there are
//!   forgotten, and ordered batches once no block above could name them validly.

use std::sync::Arc;

use noema_types::{Author, Committee, Round, TimestampMs};

use crate::limits::TIMESTAMP_STEP_MS;
use crate::mutant::{Mutant, planted};
use crate::{Batch, BatchDigest, BlockRef, ConsensusState, Dag, Fault, Rules, VerifiedBlock};

/// What a commit orders.
#[derive(Debug)]
pub(crate) struct SubDag {
    /// By round, author and digest; the leader comes last.
    pub(crate) blocks: Vec<BlockRef>,
    /// Batches ordered for the first time, in order.
    pub(crate) batches: Vec<Arc<Batch>>,
    /// Their digests and rounds, ascending.
    pub(crate) named: Vec<(BatchDigest, Round)>,
    /// The commit's time.
    pub(crate) timestamp: TimestampMs,
    /// Authors of the leader's ancestors in the round before, ascending.
    pub(crate) in_time: Vec<Author>,
    /// Mentions of batches that were ordered before.
    pub(crate) duplicates: u64,
    /// Mentions of batches where they are not valid.
    pub(crate) invalid: u64,
}

/// Holds batches of accepted blocks.
pub(crate) type Batches<'a> = &'a dyn Fn(&BatchDigest) -> Option<Arc<Batch>>;

/// What committing `leader` after `state` orders.
///
/// # Errors
/// [`Fault::Log`] when something that the leader's history names is not held, which acceptance rules out unless it was
/// lost since.
pub(crate) fn linearize(
    state: &ConsensusState,
    rules: &Rules,
    committee: &Committee,
    dag: &Dag,
    leader: &VerifiedBlock,
    batch: Batches<'_>,
) -> Result<SubDag, Fault> {
    let (timestamp, in_time) = time(state, committee, dag, leader)?;
    let mut blocks: Vec<&VerifiedBlock> = Vec::new();
    let missing = dag.walk(&leader.reference(), state.gc_round, |_, block| {
        let new = !is_ordered(state, &block.reference());
        if new {
            blocks.push(block);
        }
        new
    });
    if let Some(reference) = missing.iter().find(|reference| !is_ordered(state, reference)) {
        return Err(lost(format!("{} commits {reference}, which is not held", leader.reference())));
    }
    if planted(Mutant::UnsortedSubDag) {
        blocks.reverse();
    } else {
        blocks.sort_unstable_by_key(|block| block.reference());
    }
    let mut sub_dag = SubDag {
        blocks: blocks.iter().map(|block| block.reference()).collect(),
        batches: Vec::new(),
        named: Vec::new(),
        timestamp,
        in_time,
        duplicates: 0,
        invalid: 0,
    };
    for block in blocks {
        order_batches(state, rules, block, batch, &mut sub_dag)?;
    }
    Ok(sub_dag)
}

fn order_batches(
    state: &ConsensusState,
    rules: &Rules,
    block: &VerifiedBlock,
    batch: Batches<'_>,
    sub_dag: &mut SubDag,
) -> Result<(), Fault> {
    for named in &block.header().batches {
        let last = named.created.0.saturating_add(rules.gc_depth);
        if block.round() < named.created || block.round().0 > last {
            sub_dag.invalid += 1;
            continue;
        }
        let place = match sub_dag.named.binary_search_by_key(&named.digest, |(digest, _)| *digest) {
            Err(place) if !is_batch_ordered(state, &named.digest) => place,
            _ => {
                sub_dag.duplicates += 1;
                continue;
            }
        };
        let Some(batch) = batch(&named.digest) else {
            return Err(lost(format!("{} names batch {}, which is not held", block.reference(), named.digest)));
        };
        if (batch.author, batch.epoch, batch.created) != (block.author(), state.epoch, named.created) {
            sub_dag.invalid += 1;
            continue;
        }
        sub_dag.named.insert(place, (named.digest, named.created));
        sub_dag.batches.push(batch);
    }
    Ok(())
}

fn time(
    state: &ConsensusState,
    committee: &Committee,
    dag: &Dag,
    leader: &VerifiedBlock,
) -> Result<(TimestampMs, Vec<Author>), Fault> {
    let least = TimestampMs(state.timestamp.0.saturating_add(TIMESTAMP_STEP_MS));
    let below = Round(leader.round().0 - 1);
    if below.0 == 0 {
        return Ok((least, Vec::new()));
    }
    let mut times = Vec::new();
    for ancestor in leader.ancestors().iter().filter(|ancestor| ancestor.round == below) {
        let Some(block) = dag.get(ancestor) else {
            return Err(lost(format!("{} builds on {ancestor}, which is not held", leader.reference())));
        };
        times.push((block.header().timestamp, ancestor.author));
    }
    let mut in_time: Vec<Author> = times.iter().map(|(_, author)| *author).collect();
    in_time.sort_unstable();
    in_time.dedup();
    let median = median(committee, times).unwrap_or(least);
    Ok((if planted(Mutant::TimeGoesBack) { median } else { median.max(least) }, in_time))
}

/// The first time, in ascending order, at which half of the stake is reached. With less than half of the stake faulty it
/// lies between two honest clocks.
fn median(committee: &Committee, mut times: Vec<(TimestampMs, Author)>) -> Option<TimestampMs> {
    times.sort_unstable();
    let stake = |author: Author| {
        if planted(Mutant::MedianWithoutStake) { 1 } else { u128::from(committee.stake(author).0) }
    };
    let total: u128 = times.iter().map(|(_, author)| stake(*author)).sum();
    let mut reached = 0;
    times.into_iter().find_map(|(time, author)| {
        reached += stake(author);
        (reached * 2 >= total).then_some(time)
    })
}

/// Whether a block above the collected rounds is ordered.
pub(crate) fn is_ordered(state: &ConsensusState, reference: &BlockRef) -> bool {
    state.ordered.binary_search(reference).is_ok()
}

fn is_batch_ordered(state: &ConsensusState, digest: &BatchDigest) -> bool {
    state.batches.binary_search_by_key(digest, |(digest, _)| *digest).is_ok() && !planted(Mutant::BatchOrderedAgain)
}

/// Remembers what a commit ordered, and forgets what it collects.
pub(crate) fn record(state: &mut ConsensusState, rules: &Rules, leader: &BlockRef, sub_dag: &SubDag) {
    state.round = leader.round;
    state.timestamp = sub_dag.timestamp;
    state.gc_round = state.gc_round.max(Round(leader.round.0.saturating_sub(rules.gc_depth)));
    let collected = state.ordered.partition_point(|reference| reference.round <= state.gc_round);
    state.ordered.drain(..collected);
    state.ordered.extend(sub_dag.blocks.iter().filter(|reference| reference.round > state.gc_round));
    // Two ascending runs: the stable sort merges them.
    state.ordered.sort();
    let gc_round = state.gc_round;
    state.batches.retain(|(_, created)| nameable(*created, gc_round, rules));
    state.batches.extend(sub_dag.named.iter().filter(|(_, created)| nameable(*created, gc_round, rules)));
    state.batches.sort();
}

/// Whether a block above the collected rounds can still name a batch of this round validly.
fn nameable(created: Round, gc_round: Round, rules: &Rules) -> bool {
    created.0.saturating_add(rules.gc_depth) > gc_round.0
}

/// Authors of ordered blocks of a round above the collected ones, ascending.
pub(crate) fn authors_of(state: &ConsensusState, round: Round) -> Vec<Author> {
    let from = state.ordered.partition_point(|reference| reference.round < round);
    let of_round = state.ordered[from..].iter().take_while(|reference| reference.round == round);
    let mut authors: Vec<Author> = of_round.map(|reference| reference.author).collect();
    authors.dedup();
    authors
}

fn lost(reason: String) -> Fault {
    Fault::Log { reason }
}
