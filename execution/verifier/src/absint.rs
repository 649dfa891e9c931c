//! Abstract interpretation: runs a body on descriptions of states until they no longer change.
//!
//! A block's entry state is the join of its predecessors' exit states. Blocks are taken in reverse postorder, so the
//! order, and with it the meter's count, depends on the code alone. Blocks that the entry does not reach are not run.

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
    let mut rank = vec![usize::MAX; graph.blocks.len()];
    graph.reverse_postorder.iter().enumerate().for_each(|(position, block)| rank[*block] = position);
    let mut entry_states: Vec<Option<D>> = (0..graph.blocks.len()).map(|_| None).collect();
    entry_states[0] = Some(initial);
    let mut pending = BTreeSet::from([rank[0]]);
    while let Some(position) = pending.pop_first() {
        let index = graph.reverse_postorder[position];
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
                pending.insert(rank[*successor]);
            }
        }
    }
    Ok(())
}
