//! Generic functions of a module need only finitely many instances.
//!
//! `f<T>` that calls `f<vector<T>>` would need a new instance at every call, for ever: types without bound at run time.
//! The graph has a node per type parameter of each function and an edge from a caller's parameter to the callee's
//! parameter whose argument mentions it. The edge *grows* if the argument is more than the bare parameter. A cycle
//! with a growing edge is rejected; a cycle of bare parameters (`f<T>` calls `f<T>`) is fine. Calls into other modules
//! cannot come back, so they are left out.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{Bytecode, CompiledModule, FunctionHandleIndex, SignatureToken};
use noema_execution_api::StatusCode;

use crate::function::Function;
use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    let graph = Graph::new(module);
    let components = components(&graph.edges);
    let growing = graph.growing.iter().find(|(from, to)| components[*from] == components[*to]);
    let Some((from, _)) = growing else { return Ok(()) };
    let function = graph.first_node.iter().rposition(|first| first <= from).expect("every node belongs to a function");
    Err(VerifyError::in_function(
        module,
        noema_bytecode::FunctionDefIndex::new(function),
        StatusCode::LOOP_IN_INSTANTIATION_GRAPH,
        "calling itself, directly or not, with an ever larger type argument",
    ))
}

struct Graph {
    /// First node of each function; its type parameters follow one another.
    first_node: Vec<usize>,
    edges: Vec<BTreeSet<usize>>,
    growing: BTreeSet<(usize, usize)>,
}

impl Graph {
    fn new(module: &CompiledModule) -> Self {
        let mut first_node = Vec::with_capacity(module.function_defs.len());
        let mut count = 0;
        let mut nodes_of: BTreeMap<FunctionHandleIndex, usize> = BTreeMap::new();
        for def in &module.function_defs {
            nodes_of.insert(def.function, count);
            first_node.push(count);
            count += module.function_handle_at(def.function).type_parameters.len();
        }
        let mut graph = Self { first_node, edges: vec![BTreeSet::new(); count], growing: BTreeSet::new() };
        for function in Function::all(module) {
            let (index, _) = function.definition.expect("functions of a module have a definition");
            let caller = graph.first_node[index.index()];
            let calls: BTreeSet<_> = function.code.code.iter().filter_map(as_generic_call).collect();
            for call in calls {
                let instance = module.function_instantiation_at(call);
                let Some(callee) = nodes_of.get(&instance.handle) else { continue };
                for (position, argument) in module.signature_at(instance.type_parameters).iter().enumerate() {
                    graph.add(caller, callee + position, argument);
                }
            }
        }
        graph
    }

    fn add(&mut self, caller: usize, formal: usize, argument: &SignatureToken) {
        for (token, depth) in argument.preorder() {
            let SignatureToken::TypeParameter(index) = token else { continue };
            let from = caller + usize::from(*index);
            self.edges[from].insert(formal);
            if depth > 1 {
                self.growing.insert((from, formal));
            }
        }
    }
}

fn as_generic_call(instruction: &Bytecode) -> Option<noema_bytecode::FunctionInstantiationIndex> {
    match instruction {
        Bytecode::CallGeneric(index) => Some(*index),
        _ => None,
    }
}

/// Number of the strongly connected component of each node (Kosaraju, without recursion).
fn components(edges: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (from, successors) in edges.iter().enumerate() {
        successors.iter().for_each(|to| reversed[*to].push(from));
    }
    let mut component = vec![usize::MAX; edges.len()];
    for (number, root) in finish_order(edges).into_iter().rev().enumerate() {
        let mut pending = vec![root];
        while let Some(node) = pending.pop() {
            if component[node] == usize::MAX {
                component[node] = number;
                pending.extend(&reversed[node]);
            }
        }
    }
    component
}

fn finish_order(edges: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut is_seen = vec![false; edges.len()];
    let mut order = Vec::with_capacity(edges.len());
    for start in 0..edges.len() {
        if std::mem::replace(&mut is_seen[start], true) {
            continue;
        }
        let mut path = vec![(start, edges[start].iter())];
        while let Some((node, successors)) = path.last_mut() {
            match successors.next() {
                Some(next) if !std::mem::replace(&mut is_seen[*next], true) => path.push((*next, edges[*next].iter())),
                Some(_) => {}
                None => {
                    order.push(*node);
                    path.pop();
                }
            }
        }
    }
    order
}
