//! Abstract interpretation: runs a body on descriptions of states until they no longer change.
//!
//! A block's entry state is the join of its predecessors' exit states. Of the blocks whose entry state has changed the
//! first in the code is always next, so which error is found first, and what the meter counts, depends on the code
//! alone. Blocks that the entry does not reach are not run.

use std::collections::BTreeSet;

use crate::flow_graph::{Block, FlowGraph};
use crate::{Result, meter::Meter};

pub(crate) trait Domain: Clone {
    /// Makes this state cover `other` too; says whether it grew.
    fn join(&mut self, other: &Self, meter: &mut Meter) -> Result<bool>;
}

/// Runs `step` on every reachable block until the states are stable.
///
/// # Errors
/// The first error of `step` or of a join.
pub(crate) fn run<D: Domain>(
    graph: &FlowGraph,
    initial: D,
    meter: &mut Meter,
    mut step: impl FnMut(&mut D, &Block, &mut Meter) -> Result,
) -> Result {
    let mut entry_states: Vec<Option<D>> = (0..graph.blocks.len()).map(|_| None).collect();
    entry_states[0] = Some(initial);
    let mut pending = BTreeSet::from([0]);
    while let Some(index) = pending.pop_first() {
        let block = &graph.blocks[index];
        let mut state = entry_states[index].clone().expect("a pending block has an entry state");
        step(&mut state, block, meter)?;
        for successor in &block.successors {
            let has_changed = match &mut entry_states[*successor] {
                Some(known) => known.join(&state, meter)?,
                unknown => {
                    *unknown = Some(state.clone());
                    true
                }
            };
            if has_changed {
                pending.insert(*successor);
            }
        }
    }
    Ok(())
}
