//! Basic blocks of a function and the jumps between them.

use std::ops::Range;

use noema_bytecode::{Bytecode, CodeUnit};

/// Position of a block in [`FlowGraph::blocks`]; 0 is the entry.
pub(crate) type BlockIndex = usize;

#[derive(Debug)]
pub(crate) struct Block {
    /// Its instructions.
    pub(crate) range: Range<usize>,
    /// Where control may go, without duplicates, in ascending order.
    pub(crate) successors: Vec<BlockIndex>,
}

/// Blocks in code order. A block starts at the entry, at a jump target and after a branch.
#[derive(Debug)]
pub(crate) struct FlowGraph {
    pub(crate) blocks: Vec<Block>,
    /// Blocks that the entry reaches, each before its successors but for back edges.
    pub(crate) reverse_postorder: Vec<BlockIndex>,
}

fn jump_targets<'a>(code: &'a CodeUnit, instruction: &'a Bytecode) -> impl Iterator<Item = usize> + 'a {
    let table = match instruction {
        Bytecode::VariantSwitch(jumps) => code.jump_tables[jumps.index()].targets.as_slice(),
        _ => &[],
    };
    instruction.target().into_iter().chain(table.iter().copied()).map(usize::from)
}

impl FlowGraph {
    /// Of code that is not empty, ends in an unconditional branch and jumps in bounds.
    pub(crate) fn new(code: &CodeUnit) -> Self {
        let length = code.code.len();
        let mut is_leader = vec![false; length + 1];
        is_leader[0] = true;
        is_leader[length] = true;
        for (position, instruction) in code.code.iter().enumerate() {
            jump_targets(code, instruction).for_each(|target| is_leader[target] = true);
            is_leader[position + 1] |= instruction.is_branch();
        }
        let starts: Vec<usize> = (0..=length).filter(|position| is_leader[*position]).collect();
        let block_at = |position: usize| starts.binary_search(&position).expect("every target is a leader");
        let block = |pair: &[usize]| {
            let last = &code.code[pair[1] - 1];
            let mut successors: Vec<_> = jump_targets(code, last).map(block_at).collect();
            if !last.is_unconditional_branch() {
                successors.push(block_at(pair[1]));
            }
            successors.sort_unstable();
            successors.dedup();
            Block { range: pair[0]..pair[1], successors }
        };
        let blocks: Vec<_> = starts.windows(2).map(block).collect();
        let reverse_postorder = reverse_postorder(&blocks);
        Self { blocks, reverse_postorder }
    }
}

fn reverse_postorder(blocks: &[Block]) -> Vec<BlockIndex> {
    let mut is_seen = vec![false; blocks.len()];
    let mut order = Vec::new();
    let mut path = vec![(0, 0)];
    is_seen[0] = true;
    while let Some((block, next)) = path.last_mut() {
        if let Some(successor) = blocks[*block].successors.get(*next) {
            *next += 1;
            if !std::mem::replace(&mut is_seen[*successor], true) {
                path.push((*successor, 0));
            }
        } else {
            order.push(*block);
            path.pop();
        }
    }
    order.reverse();
    order
}
