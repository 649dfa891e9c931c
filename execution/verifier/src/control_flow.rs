//! Control cannot leave a function but by `Ret` and `Abort`, and its loops are loops.
//!
//! Code must not be empty nor run off its end. Every jump back goes to a block that all paths to the jump pass
//! (the graph is *reducible*), loops nest at most so deep, and there are at most so many blocks: the passes that follow
//! run to a fixed point, and on graphs without these bounds a small function could keep them busy for very long.
//!
//! How: immediate dominators over the reverse postorder (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm,
//! 2001); an edge to a block that is not later in that order must go to a dominator. A loop's body is what reaches its
//! jumps back without passing its head; a block's depth is the number of bodies it is in.

use noema_execution_api::StatusCode;

use crate::flow_graph::{BlockIndex, FlowGraph};
use crate::function::Function;
use crate::{Limits, Result};

pub(crate) fn check(function: &Function<'_>, limits: &Limits) -> Result<FlowGraph> {
    let code = &function.code.code;
    let Some(last) = code.last() else {
        return Err(function.error_anywhere(StatusCode::EMPTY_CODE_UNIT, "a body without instructions"));
    };
    if !last.is_unconditional_branch() {
        let message = format!("{} is the last instruction, control would fall off the end", last.name());
        return Err(function.error(StatusCode::INVALID_FALL_THROUGH, code.len() - 1, message));
    }
    let graph = FlowGraph::new(function.code);
    if graph.blocks.len() > limits.basic_blocks {
        let message = format!("{} basic blocks, at most {} are allowed", graph.blocks.len(), limits.basic_blocks);
        return Err(function.error_anywhere(StatusCode::TOO_MANY_BASIC_BLOCKS, message));
    }
    check_loops(function, &graph, limits)?;
    Ok(graph)
}

fn check_loops(function: &Function<'_>, graph: &FlowGraph, limits: &Limits) -> Result {
    let order = Order::new(graph);
    let mut back_edges: Vec<Vec<BlockIndex>> = vec![Vec::new(); graph.blocks.len()];
    for block in &graph.reverse_postorder {
        for head in &graph.blocks[*block].successors {
            if order.rank[*head] > order.rank[*block] {
                continue;
            }
            if !order.dominates(*head, *block) {
                let message = "a jump back into the middle of a loop";
                return Err(function.error(StatusCode::INVALID_LOOP_SPLIT, graph.blocks[*block].range.start, message));
            }
            back_edges[*head].push(*block);
        }
    }
    let mut depth = vec![0; graph.blocks.len()];
    for head in &graph.reverse_postorder {
        for block in body(*head, &back_edges[*head], &order) {
            depth[block] += 1;
            if depth[block] > limits.loop_depth {
                let message = format!("loops are nested more than {} deep", limits.loop_depth);
                return Err(function.error(
                    StatusCode::LOOP_MAX_DEPTH_REACHED,
                    graph.blocks[block].range.start,
                    message,
                ));
            }
        }
    }
    Ok(())
}

/// The blocks of the loop with this head; none if nothing jumps back to it.
fn body(head: BlockIndex, back_edges: &[BlockIndex], order: &Order) -> Vec<BlockIndex> {
    if back_edges.is_empty() {
        return Vec::new();
    }
    let mut is_inside = vec![false; order.rank.len()];
    is_inside[head] = true;
    let mut found = vec![head];
    let mut pending = back_edges.to_vec();
    while let Some(block) = pending.pop() {
        if !std::mem::replace(&mut is_inside[block], true) {
            found.push(block);
            pending.extend(&order.predecessors[block]);
        }
    }
    found
}

struct Order {
    /// Position in the reverse postorder; `usize::MAX` for unreachable blocks.
    rank: Vec<usize>,
    /// Reachable predecessors.
    predecessors: Vec<Vec<BlockIndex>>,
    /// The nearest block that all paths to a block pass.
    dominator: Vec<BlockIndex>,
}

impl Order {
    fn new(graph: &FlowGraph) -> Self {
        let count = graph.blocks.len();
        let mut rank = vec![usize::MAX; count];
        graph.reverse_postorder.iter().enumerate().for_each(|(position, block)| rank[*block] = position);
        let mut predecessors = vec![Vec::new(); count];
        for block in &graph.reverse_postorder {
            graph.blocks[*block].successors.iter().for_each(|next| predecessors[*next].push(*block));
        }
        let mut order = Self { rank, predecessors, dominator: vec![usize::MAX; count] };
        order.dominator[0] = 0;
        while order.improve(graph) {}
        order
    }

    fn improve(&mut self, graph: &FlowGraph) -> bool {
        let mut has_changed = false;
        for block in graph.reverse_postorder.iter().skip(1) {
            let known = self.predecessors[*block].iter().copied().filter(|one| self.dominator[*one] != usize::MAX);
            let new = known.reduce(|one, other| self.meet(one, other)).expect("a reachable block has a predecessor");
            has_changed |= std::mem::replace(&mut self.dominator[*block], new) != new;
        }
        has_changed
    }

    fn meet(&self, mut one: BlockIndex, mut other: BlockIndex) -> BlockIndex {
        while one != other {
            if self.rank[one] > self.rank[other] {
                one = self.dominator[one];
            } else {
                other = self.dominator[other];
            }
        }
        one
    }

    fn dominates(&self, head: BlockIndex, mut block: BlockIndex) -> bool {
        while self.rank[block] > self.rank[head] {
            block = self.dominator[block];
        }
        block == head
    }
}
