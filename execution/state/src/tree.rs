//! The Jellyfish Merkle tree over the state: its version is the block's height.
//!
//! The tree holds hashes of values; the values themselves lie in their own column, once.

use std::collections::BTreeMap;

use bytes::Bytes;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue};
use noema_store::{Batch, Store, StoreError};
use noema_types::{EMPTY_STATE_ROOT, Hash, Height, StateKey, StateLeaf, StateProof, state_node_hash};
use parking_lot::RwLock;
use serde::Deserialize;
use sha2::Sha256;

use crate::StateDbError;
use crate::schema::{TREE, damaged, decode, encode};
use crate::staged::Staged;

/// Nodes of the tree: those of staged blocks, where there are, and those in the store.
pub(crate) struct Nodes<'a> {
    store: &'a dyn Store,
    staged: Option<&'a RwLock<Staged>>,
}

impl<'a> Nodes<'a> {
    pub(crate) fn new(store: &'a dyn Store, staged: Option<&'a RwLock<Staged>>) -> Self {
        Self { store, staged }
    }
}

impl TreeReader for Nodes<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let place = node_place(key);
        let staged = self.staged.and_then(|staged| staged.read().node(&place));
        let record = match staged {
            Some(record) => Some(record),
            None => self.store.get(TREE, &place)?,
        };
        Ok(record.map(|record| decode("tree node", &record)).transpose()?)
    }

    fn get_value_option(&self, _version: u64, _key: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        // Asked for with every proof; the value is read from its own column.
        Ok(Some(OwnedValue::new()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("trees are not restored leaf by leaf")
    }
}

fn node_place(key: &NodeKey) -> Vec<u8> {
    let mut place = key.version().to_be_bytes().to_vec();
    place.extend(encode(key.nibble_path()));
    place
}

pub(crate) fn key_hash(key: &StateKey) -> KeyHash {
    KeyHash(key.hash().0)
}

/// The store's own error inside of the tree's, or what the tree found wrong.
pub(crate) fn tree_error(error: anyhow::Error) -> StateDbError {
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return error.clone().into();
    }
    match error.downcast_ref::<StateDbError>() {
        Some(error) => error.clone(),
        None => damaged(format!("state tree: {error:#}")),
    }
}

/// The root after applying `changes` to the tree of the block before `height`; puts the new nodes into `batch`.
///
/// Keys that are removed must be there.
pub(crate) fn update(
    nodes: &Nodes<'_>,
    height: Height,
    changes: &BTreeMap<StateKey, Option<Bytes>>,
    batch: &mut Batch,
) -> Result<Hash, StateDbError> {
    let tree = JellyfishMerkleTree::<_, Sha256>::new(nodes);
    let changes: BTreeMap<_, _> =
        changes.iter().map(|(key, value)| (key_hash(key).0, value.as_ref().map(|bytes| bytes.to_vec()))).collect();
    let changes = changes.into_iter().map(|(key, value)| (KeyHash(key), value));
    let (root, update) = tree.put_value_set(changes, height.0).map_err(tree_error)?;
    for (key, node) in update.node_batch.nodes() {
        batch.put(TREE, node_place(key), encode(node));
    }
    Ok(Hash(root.0))
}

/// The root of the tree after block `height`, if the tree has one.
pub(crate) fn root(nodes: &Nodes<'_>, height: Height) -> Result<Option<Hash>, StateDbError> {
    let root = JellyfishMerkleTree::<_, Sha256>::new(nodes).get_root_hash_option(height.0).map_err(tree_error)?;
    Ok(root.map(|root| Hash(root.0)))
}

/// The path from `key`, which has `value`, or from where it would be, to the root after block `height`.
pub(crate) fn prove(
    nodes: &Nodes<'_>,
    height: Height,
    key: &StateKey,
    value: Option<Bytes>,
) -> Result<StateProof, StateDbError> {
    let tree = JellyfishMerkleTree::<_, Sha256>::new(nodes);
    let (found, path) = tree.get_with_proof(key_hash(key), height.0).map_err(tree_error)?;
    if found.is_some() != value.is_some() {
        return Err(damaged(format!("the tree of block {height} and the values differ in whether {key:?} is there")));
    }
    translate(&path, value)
}

/// The tree crate's proof, which it shows to no one but serde.
#[derive(Deserialize)]
struct Path {
    leaf: Option<StateLeaf>,
    siblings: Vec<Sibling>,
    _hasher: (),
}

#[derive(Deserialize)]
enum Sibling {
    Nothing,
    Node { left: Hash, right: Hash },
    Leaf(StateLeaf),
}

impl Sibling {
    fn hash(&self) -> Hash {
        match self {
            Self::Nothing => EMPTY_STATE_ROOT,
            Self::Node { left, right } => state_node_hash(*left, *right),
            Self::Leaf(leaf) => leaf.hash(),
        }
    }
}

/// The proof in the chain's own form.
fn translate(path: &jmt::proof::SparseMerkleProof<Sha256>, value: Option<Bytes>) -> Result<StateProof, StateDbError> {
    let path: Path = decode("path of the state tree", &encode(path))?;
    let neighbour = if value.is_some() { None } else { path.leaf };
    Ok(StateProof { value, neighbour, siblings: path.siblings.iter().map(Sibling::hash).collect() })
}

#[cfg(test)]
mod tests {
    use jmt::RootHash;
    use jmt::proof::SparseMerkleProof;
    use noema_store::{Durability, MemoryStore};
    use noema_types::Address;
    use proptest::prelude::*;

    use super::*;
    use crate::schema::COLUMNS;

    fn key(number: u8) -> StateKey {
        StateKey::TableItem { handle: Address::ONE, key: vec![number] }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn both_verifiers_agree(
            numbers in prop::collection::btree_set(any::<u8>(), 0..40), asked in any::<u8>(),
            at in any::<prop::sample::Index>(), flip in 1..=255u8,
        ) {
            let store = MemoryStore::new(COLUMNS);
            let value = |number: u8| numbers.contains(&number).then(|| Bytes::from(vec![number; 3]));
            let changes = numbers.iter().map(|number| (key(*number), value(*number))).collect();
            let mut batch = Batch::new();
            let nodes = Nodes::new(&store, None);
            let root = update(&nodes, Height(0), &changes, &mut batch).unwrap();
            store.write(batch, Durability::Sync).unwrap();

            let tree = JellyfishMerkleTree::<_, Sha256>::new(&nodes);
            let inside = numbers.iter().nth(at.index(numbers.len().max(1))).copied();
            for number in [Some(asked), inside].into_iter().flatten() {
                let (key, value) = (key(number), value(number));
                let path = tree.get_with_proof(key_hash(&key), 0).unwrap().1;
                let proof = translate(&path, value.clone()).unwrap();
                prop_assert_eq!(&proof, &prove(&nodes, Height(0), &key, value.clone()).unwrap());
                prop_assert_eq!(proof.verify(root, &key), Ok(()));
                let theirs = |path: &SparseMerkleProof<Sha256>, root: Hash, key: &StateKey, value: &Option<Bytes>| {
                    path.verify(RootHash(root.0), key_hash(key), value.as_ref()).is_ok()
                };
                prop_assert!(theirs(&path, root, &key, &value));
                // Other claims with the same path.
                for value in [None, Some(Bytes::from(vec![number; 3])), Some(Bytes::new())] {
                    let ours = translate(&path, value.clone()).unwrap();
                    prop_assert_eq!(ours.verify(root, &key).is_ok(), theirs(&path, root, &key, &value));
                    prop_assert_eq!(ours.verify(Hash::ZERO, &key).is_ok(), theirs(&path, Hash::ZERO, &key, &value));
                }
                // The same claim with another path. Of a value that is there ours does not carry the leaf: what
                // it says instead is still true.
                let mut bytes = encode(&path);
                let place = at.index(bytes.len());
                bytes[place] ^= flip;
                if let Ok(mutated) = bcs::from_bytes::<SparseMerkleProof<Sha256>>(&bytes) {
                    let ours = translate(&mutated, value.clone()).unwrap();
                    let (ours, theirs) = (ours.verify(root, &key).is_ok(), theirs(&mutated, root, &key, &value));
                    prop_assert!(ours || !theirs);
                    prop_assert!(ours == theirs || value.is_some());
                }
            }
        }
    }
}
