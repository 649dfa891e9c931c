//! No struct or enum contains itself.
//!
//! Such a value would have no size, and code that walks types (layouts, BCS, abilities) would not end. Vectors count as
//! containing their elements, and instances as containing their arguments, phantom ones too. Only this module's own
//! definitions can form such a cycle, because modules that use each other in a circle are rejected when linked.

use std::collections::BTreeMap;

use noema_bytecode::{CompiledModule, DatatypeHandleIndex, FieldDefinition};
use noema_execution_api::StatusCode;

use crate::{Result, VerifyError};

pub(crate) fn check(module: &CompiledModule) -> Result {
    let graph = Graph::new(module);
    let mut marks = vec![Mark::New; graph.edges.len()];
    for start in 0..graph.edges.len() {
        if let Some(node) = find_cycle(&graph.edges, start, &mut marks) {
            let structs = module.struct_defs.len();
            return Err(if node < structs {
                let status = StatusCode::RECURSIVE_STRUCT_DEFINITION;
                VerifyError::at_entry(module, "struct", node, status, "it contains itself")
            } else {
                let status = StatusCode::RECURSIVE_ENUM_DEFINITION;
                VerifyError::at_entry(module, "enum", node - structs, status, "it contains itself")
            });
        }
    }
    Ok(())
}

/// Structs first, then enums; edges to what the fields contain.
struct Graph {
    edges: Vec<Vec<usize>>,
}

impl Graph {
    fn new(module: &CompiledModule) -> Self {
        let structs = module.struct_defs.iter().map(|def| def.handle);
        let handles = structs.chain(module.enum_defs.iter().map(|def| def.handle));
        let nodes: BTreeMap<DatatypeHandleIndex, usize> = handles.enumerate().map(|(node, one)| (one, node)).collect();
        let of_struct = module.struct_defs.iter().map(|def| edges(&nodes, def.declared_fields().unwrap_or_default()));
        let of_enum = module.enum_defs.iter().map(|def| edges(&nodes, def.variants.iter().flat_map(|one| &one.fields)));
        Self { edges: of_struct.chain(of_enum).collect() }
    }
}

fn edges<'a>(
    nodes: &BTreeMap<DatatypeHandleIndex, usize>,
    fields: impl IntoIterator<Item = &'a FieldDefinition>,
) -> Vec<usize> {
    let tokens = fields.into_iter().flat_map(|field| field.signature.preorder());
    let mut edges: Vec<_> = tokens.filter_map(|(token, _)| nodes.get(&token.as_datatype()?.0).copied()).collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    OnPath,
    Done,
}

/// Depth-first search without recursion; the node of the cycle that is found first.
fn find_cycle(edges: &[Vec<usize>], start: usize, marks: &mut [Mark]) -> Option<usize> {
    if marks[start] != Mark::New {
        return None;
    }
    marks[start] = Mark::OnPath;
    let mut path = vec![(start, 0)];
    while let Some((node, next)) = path.last_mut() {
        let Some(child) = edges[*node].get(*next).copied() else {
            marks[*node] = Mark::Done;
            path.pop();
            continue;
        };
        *next += 1;
        match marks[child] {
            Mark::OnPath => return Some(child),
            Mark::Done => {}
            Mark::New => {
                marks[child] = Mark::OnPath;
                path.push((child, 0));
            }
        }
    }
    None
}
