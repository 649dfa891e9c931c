//! Which reference borrows from which, and where.
//!
//! A node is a reference (or the frame, from which references to locals and globals borrow). An edge from parent to
//! child says that the child was made from the parent: by a *path* of labels (local, global, field) that is either
//! *exact* (the child is at the end of the path) or not (somewhere at or below it: an element of a vector, or anything a
//! call returned). An edge with the empty path says that the child may be all of what the parent refers to.

use std::collections::{BTreeMap, BTreeSet};

use noema_bytecode::{EnumDefIndex, LocalIndex, MemberCount, StructDefIndex, VariantTag};

use crate::limits::BORROW_PATHS_MAX;

/// Names a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RefId(pub(super) usize);

/// One step from a value to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// From the frame to a local.
    Local(LocalIndex),
    /// From the frame to resources of a struct, at any address and with any type arguments.
    Global(StructDefIndex),
    /// From a struct to a field.
    Field(StructDefIndex, MemberCount),
    /// From an enum to a variant's field.
    VariantField(EnumDefIndex, VariantTag, MemberCount),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    path: Vec<Label>,
    is_exact: bool,
}

impl Edge {
    /// Whether every place this edge allows is one that `self` allows too.
    fn covers(&self, other: &Self) -> bool {
        self == other || (!self.is_exact && other.path.starts_with(&self.path))
    }

    /// The edge to a grandchild.
    fn then(&self, next: &Self) -> Self {
        if !self.is_exact {
            return self.clone();
        }
        Self { path: [self.path.as_slice(), &next.path].concat(), is_exact: next.is_exact }
    }
}

/// The edges between one pair; beyond a limit they become one that allows everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Edges(BTreeSet<Edge>);

impl Edges {
    fn insert(&mut self, edge: Edge) {
        if self.covers(&edge) {
            return;
        }
        if self.0.len() == BORROW_PATHS_MAX {
            self.0 = BTreeSet::from([Edge { path: Vec::new(), is_exact: false }]);
        } else {
            self.0.insert(edge);
        }
    }

    fn covers(&self, edge: &Edge) -> bool {
        self.0.iter().any(|known| known.covers(edge))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    is_mutable: bool,
    children: BTreeMap<RefId, Edges>,
    parents: BTreeSet<RefId>,
}

/// The borrow graph. It counts the nodes and edges it touches, for the meter.
#[derive(Debug, Clone, Default)]
pub(super) struct BorrowGraph {
    nodes: BTreeMap<RefId, Node>,
    work: u64,
    /// Work that the meter still allows; an operation that would take more is left out, since the meter rejects anyway.
    work_max: u64,
}

impl BorrowGraph {
    /// Forbids more work than this until [`Self::take_work`] is next called.
    pub(super) fn limit_work(&mut self, work_max: u64) {
        self.work_max = work_max;
    }

    /// Nodes and edges touched since the last call; more than the limit if something was left out.
    pub(super) fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.work)
    }

    fn node(&self, id: RefId) -> &Node {
        self.nodes.get(&id).expect("references on the stack and in locals are in the graph")
    }

    fn node_mut(&mut self, id: RefId) -> &mut Node {
        self.work += 1;
        self.nodes.get_mut(&id).expect("references on the stack and in locals are in the graph")
    }

    pub(super) fn is_mutable(&self, id: RefId) -> bool {
        self.node(id).is_mutable
    }

    pub(super) fn add(&mut self, id: RefId, is_mutable: bool) {
        self.work += 1;
        let old = self.nodes.insert(id, Node { is_mutable, ..Node::default() });
        assert!(old.is_none(), "a new reference has a new name");
    }

    /// Whether something borrows from `id`: all of it, or `part` of it (any part if none is given). With
    /// `only_mutably` references that cannot write do not count.
    pub(super) fn is_borrowed(&mut self, id: RefId, part: Option<Label>, only_mutably: bool) -> bool {
        let (mut work, mut found) = (1, false);
        for (child, edges) in &self.node(id).children {
            work += edges.0.len() as u64;
            let counts = !only_mutably || self.is_mutable(*child);
            let is_in_the_way = |edge: &Edge| match (edge.path.first(), part) {
                (None, _) | (Some(_), None) => true,
                (Some(label), Some(part)) => *label == part,
            };
            found |= counts && edges.0.iter().any(is_in_the_way);
        }
        self.work += work;
        found
    }

    /// Whether something may be all of what `id` refers to.
    pub(super) fn is_shared_whole(&mut self, id: RefId) -> bool {
        let mut work = 1;
        let mut found = false;
        for edges in self.node(id).children.values() {
            work += edges.0.len() as u64;
            found |= edges.0.iter().any(|edge| edge.path.is_empty());
        }
        self.work += work;
        found
    }

    fn connect(&mut self, parent: RefId, child: RefId, edge: Edge) {
        self.node_mut(parent).children.entry(child).or_default().insert(edge);
        self.node_mut(child).parents.insert(parent);
    }

    /// `child` is somewhere at or below `label` (or anywhere) in `parent`.
    pub(super) fn borrow_somewhere(&mut self, parent: RefId, label: Option<Label>, child: RefId) {
        self.connect(parent, child, Edge { path: label.into_iter().collect(), is_exact: false });
    }

    /// `child` is exactly at `label` in `parent` (or is the same place). References that were made by that path before
    /// borrow from `child` from now on: `child` may not be used for writing while they live.
    pub(super) fn borrow_exactly(&mut self, parent: RefId, label: Option<Label>, child: RefId) {
        let path: Vec<Label> = label.into_iter().collect();
        let mut rerouted = Vec::new();
        let mut emptied = Vec::new();
        for (other, edges) in &mut self.node_mut(parent).children {
            let (below, beside): (BTreeSet<_>, BTreeSet<_>) =
                std::mem::take(&mut edges.0).into_iter().partition(|edge| edge.path.starts_with(&path));
            edges.0 = beside;
            if edges.0.is_empty() {
                emptied.push(*other);
            }
            rerouted.extend(below.into_iter().map(|edge| (*other, edge)));
        }
        self.work += rerouted.len() as u64;
        for other in emptied {
            self.node_mut(parent).children.remove(&other);
            self.node_mut(other).parents.remove(&parent);
        }
        for (other, edge) in rerouted {
            let rest = edge.path[path.len()..].to_vec();
            self.connect(child, other, Edge { path: rest, is_exact: edge.is_exact });
        }
        self.connect(parent, child, Edge { path, is_exact: true });
    }

    /// Removes a reference; its children borrow from its parents now.
    pub(super) fn release(&mut self, id: RefId) {
        let Node { children, parents, .. } =
            self.nodes.remove(&id).expect("references on the stack and in locals are in the graph");
        for child in children.keys() {
            self.node_mut(*child).parents.remove(&id);
        }
        let count = |edges: &Edges| edges.0.len() as u64;
        let from_parents: u64 = parents.iter().map(|parent| count(&self.node(*parent).children[&id])).sum();
        let to_children: u64 = children.values().map(count).sum();
        self.work += from_parents.saturating_mul(to_children);
        let is_affordable = self.work <= self.work_max;
        for parent in parents {
            let to_self = self.node_mut(parent).children.remove(&id).expect("edges are known at both ends");
            for first in to_self.0.iter().filter(|_| is_affordable) {
                for (child, edges) in children.iter().filter(|(child, _)| **child != parent) {
                    edges.0.iter().for_each(|second| self.connect(parent, *child, first.then(second)));
                }
            }
        }
    }

    /// Renames references; names that are not in the map stay.
    pub(super) fn rename(&mut self, names: &BTreeMap<RefId, RefId>) {
        let name = |id: RefId| names.get(&id).copied().unwrap_or(id);
        self.work += self.nodes.len() as u64;
        if names.iter().all(|(old, new)| old == new) {
            return;
        }
        self.nodes = std::mem::take(&mut self.nodes)
            .into_iter()
            .map(|(id, Node { is_mutable, children, parents })| {
                let children = children.into_iter().map(|(child, edges)| (name(child), edges)).collect();
                let parents = parents.into_iter().map(name).collect();
                (name(id), Node { is_mutable, children, parents })
            })
            .collect();
    }

    /// Adds the edges of `other`, which has the same references; says whether any was new.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let mut has_grown = false;
        for (parent, node) in &other.nodes {
            for (child, edges) in &node.children {
                for edge in &edges.0 {
                    self.work += 1;
                    let is_known = self.node(*parent).children.get(child).is_some_and(|known| known.covers(edge));
                    if !is_known {
                        self.connect(*parent, *child, edge.clone());
                        has_grown = true;
                    }
                }
            }
        }
        has_grown
    }
}
