//! Builds the tree from its leaves, in ascending order of their key hashes, with a path's worth of memory.
//!
//! Nodes are those that the tree crate would write, all at one version. Its own restoring writes as it goes and cannot
//! take back a chunk that turns out wrong; this one is cloned, fed, checked, and kept or dropped.

use noema_store::Batch;
use noema_types::{EMPTY_STATE_ROOT, Hash, Height, StateLeaf, goes_right, state_node_hash, state_path_root};
use serde::{Deserialize, Serialize};

use crate::schema::{TREE, encode};

const WIDTH: usize = 16;
/// Nibbles of a key hash.
const NIBBLES: usize = Hash::LENGTH * 2;
/// Binary levels of a node.
const LEVELS: usize = 4;

/// A child as a node of the tree crate has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Child {
    hash: Hash,
    version: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Leaf,
    Inner { leaves: u64 },
}

type Children = [Option<Child>; WIDTH];

/// A node as the tree crate stores it.
#[derive(Serialize)]
enum Node<'a> {
    #[allow(dead_code, reason = "keeps the place of the first variant: a state without values is never restored")]
    Nothing,
    Inner {
        children: &'a Children,
        count: u64,
        leaves: u64,
    },
    Leaf(StateLeaf),
}

/// A path of the tree crate.
#[derive(Serialize)]
struct NibblePath {
    nibbles: u64,
    bytes: Vec<u8>,
}

/// A tree whose leaves up to `last` are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Builder {
    version: u64,
    /// Inner nodes on the path of `last`, from the root, whose children left of the path are complete. They end where
    /// `last` parts from the leaf before it; it is in none of them yet, since its place depends on the leaf after it.
    open: Vec<Children>,
    last: Option<StateLeaf>,
}

fn nibble(key: &Hash, depth: usize) -> usize {
    usize::from(key.0[depth / 2] >> if depth.is_multiple_of(2) { 4 } else { 0 } & 15)
}

fn shared_nibbles(left: &Hash, right: &Hash) -> usize {
    (0..NIBBLES).find(|depth| nibble(left, *depth) != nibble(right, *depth)).unwrap_or(NIBBLES)
}

/// Where the tree crate's node with the first `depth` nibbles of `key` is stored.
fn place(version: u64, key: &Hash, depth: usize) -> Vec<u8> {
    let mut bytes = key.0[..depth.div_ceil(2)].to_vec();
    if !depth.is_multiple_of(2) {
        *bytes.last_mut().expect("an odd number of nibbles is not none") &= 0xf0;
    }
    let mut place = version.to_be_bytes().to_vec();
    place.extend(encode(&NibblePath { nibbles: depth as u64, bytes }));
    place
}

/// The hash of the subtree over some children, and whether it has at most one leaf.
fn subtree(children: &[Option<Child>]) -> (Hash, bool) {
    if let [child] = children {
        return child.as_ref().map_or((EMPTY_STATE_ROOT, true), |child| (child.hash, child.kind == Kind::Leaf));
    }
    let (left, right) = children.split_at(children.len() / 2);
    match (subtree(left), subtree(right)) {
        ((EMPTY_STATE_ROOT, _), (right, true)) => (right, true),
        ((left, true), (EMPTY_STATE_ROOT, _)) => (left, true),
        ((left, _), (right, _)) => (state_node_hash(left, right), false),
    }
}

impl Builder {
    /// A tree without leaves, for block `height`.
    pub(crate) fn new(height: Height) -> Self {
        Self { version: height.0, open: Vec::new(), last: None }
    }

    /// Key hash of the last leaf.
    pub(crate) fn last(&self) -> Option<Hash> {
        self.last.map(|last| last.key)
    }

    /// Adds a leaf behind the last one and puts the nodes that are complete now into the batch.
    pub(crate) fn push(&mut self, leaf: StateLeaf, batch: &mut Batch) -> Result<(), String> {
        if let Some(last) = self.last {
            if leaf.key <= last.key {
                return Err(format!("key hash {} does not come after {}", leaf.key, last.key));
            }
            let shared = shared_nibbles(&last.key, &leaf.key);
            self.place(last, shared.max(self.open.len().saturating_sub(1)), batch);
            while self.open.len() > shared + 1 {
                self.close(&last.key, batch);
            }
        }
        self.last = Some(leaf);
        Ok(())
    }

    /// Puts the last leaf below the inner node at `depth`, opening those on the way.
    fn place(&mut self, leaf: StateLeaf, depth: usize, batch: &mut Batch) {
        while self.open.len() <= depth {
            self.open.push(Children::default());
        }
        batch.put(TREE, place(self.version, &leaf.key, depth + 1), encode(&Node::Leaf(leaf)));
        let child = Child { hash: leaf.hash(), version: self.version, kind: Kind::Leaf };
        self.open[depth][nibble(&leaf.key, depth)] = Some(child);
    }

    /// Completes the lowest open node, which is on the path of `key`, and returns its hash.
    fn close(&mut self, key: &Hash, batch: &mut Batch) -> Hash {
        let children = self.open.pop().expect("only open nodes are closed");
        let depth = self.open.len();
        let leaves = children.iter().flatten().map(|child| match child.kind {
            Kind::Leaf => 1,
            Kind::Inner { leaves } => leaves,
        });
        let leaves = leaves.sum();
        let count = children.iter().flatten().count() as u64;
        batch.put(TREE, place(self.version, key, depth), encode(&Node::Inner { children: &children, count, leaves }));
        // A node below the root is a node of its own however few leaves it has: its halves are always combined.
        let (left, right) = children.split_at(WIDTH / 2);
        let hash = state_node_hash(subtree(left).0, subtree(right).0);
        if let Some(parent) = depth.checked_sub(1) {
            let child = Child { hash, version: self.version, kind: Kind::Inner { leaves } };
            self.open[parent][nibble(key, parent)] = Some(child);
        }
        hash
    }

    /// Checks, with the siblings of the last leaf's path, that all leaves so far are those of the tree with `root` up to
    /// the last one. Says whether they are all of them.
    pub(crate) fn check(&self, root: Hash, siblings: &[Hash]) -> Result<bool, String> {
        let last = self.last.ok_or("it has no entries")?;
        if siblings.len() > NIBBLES * LEVELS {
            return Err(format!("its proof has {} siblings", siblings.len()));
        }
        let mut complete = true;
        for index in 0..NIBBLES * LEVELS {
            let sibling = siblings.len().checked_sub(index + 1).map_or(EMPTY_STATE_ROOT, |index| siblings[index]);
            if !goes_right(&last.key, index) {
                complete &= sibling == EMPTY_STATE_ROOT;
            } else if sibling != self.left_of(&last.key, index) {
                return Err(format!("its entries are not those of the state (at bit {index} of the path)"));
            }
        }
        let found = state_path_root(last.hash(), &last.key, siblings);
        match found == root {
            true => Ok(complete),
            false => Err(format!("its proof leads to state root {found}, certified {root}")),
        }
    }

    /// Hash of everything that branches off to the left of the path of `key` at bit `index`.
    fn left_of(&self, key: &Hash, index: usize) -> Hash {
        let (depth, level) = (index / LEVELS, index % LEVELS);
        let Some(children) = self.open.get(depth) else { return EMPTY_STATE_ROOT };
        let width = WIDTH >> (level + 1);
        let start = nibble(key, depth) / (2 * width) * (2 * width);
        subtree(&children[start..start + width]).0
    }

    /// Completes all nodes: the root of the tree.
    pub(crate) fn finish(mut self, batch: &mut Batch) -> Hash {
        let Some(last) = self.last else { return EMPTY_STATE_ROOT };
        let Some(depth) = self.open.len().checked_sub(1) else {
            batch.put(TREE, place(self.version, &last.key, 0), encode(&Node::Leaf(last)));
            return last.hash();
        };
        self.place(last, depth, batch);
        let mut root = EMPTY_STATE_ROOT;
        while !self.open.is_empty() {
            root = self.close(&last.key, batch);
        }
        root
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use noema_store::{Direction, Durability, MemoryStore, Range, Store};
    use noema_types::{Address, StateKey};
    use proptest::prelude::*;

    use super::*;
    use crate::schema::COLUMNS;
    use crate::tree::{Nodes, update};

    fn key(number: u16) -> StateKey {
        StateKey::TableItem { handle: Address::ONE, key: number.to_le_bytes().to_vec() }
    }

    fn nodes(store: &MemoryStore) -> Vec<(bytes::Bytes, bytes::Bytes)> {
        store.scan(TREE, Range::all(), Direction::Forward).unwrap().map(Result::unwrap).collect()
    }

    proptest! {
        #[test]
        fn nodes_are_those_of_the_tree_crate(
            numbers in prop::collection::btree_set(any::<u16>(), 1..600), version in 0..1_000u64,
        ) {
            let store = MemoryStore::new(COLUMNS);
            let changes: BTreeMap<_, _> =
                numbers.iter().map(|number| (key(*number), Some(number.to_le_bytes().to_vec().into()))).collect();
            let mut batch = Batch::new();
            let root = update(&Nodes::new(&store, None), Height(version), &changes, &mut batch).unwrap();
            store.write(batch, Durability::Sync).unwrap();

            let mut leaves: Vec<_> =
                numbers.iter().map(|number| StateLeaf::new(key(*number).hash(), &number.to_le_bytes())).collect();
            leaves.sort_by_key(|leaf| leaf.key);
            let (mut builder, mut batch) = (Builder::new(Height(version)), Batch::new());
            for leaf in &leaves {
                builder.push(*leaf, &mut batch).unwrap();
            }
            prop_assert!(builder.clone().push(leaves[0], &mut Batch::new()).is_err());
            prop_assert_eq!(builder.finish(&mut batch), root);
            let built = MemoryStore::new(COLUMNS);
            built.write(batch, Durability::Sync).unwrap();
            prop_assert_eq!(nodes(&built), nodes(&store));
        }
    }
}
