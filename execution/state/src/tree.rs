//! The Jellyfish Merkle tree over the state: its version is the block's height.
//!
//! The tree holds hashes of values; the values themselves lie in their own column, once.

use std::collections::BTreeMap;

use bytes::Bytes;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue};
use noema_store::{Batch, Store, StoreError};
use noema_types::{Hash, Height, StateKey};
use sha2::Sha256;

use crate::StateDbError;
use crate::proof::MerkleProof;
use crate::schema::{TREE, damaged, decode, encode};

struct Nodes<'a>(&'a dyn Store);

impl TreeReader for Nodes<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let record = self.0.get(TREE, &node_place(key))?;
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
fn tree_error(error: anyhow::Error) -> StateDbError {
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
    store: &dyn Store,
    height: Height,
    changes: &BTreeMap<StateKey, Option<Bytes>>,
    batch: &mut Batch,
) -> Result<Hash, StateDbError> {
    let nodes = Nodes(store);
    let tree = JellyfishMerkleTree::<_, Sha256>::new(&nodes);
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
pub(crate) fn root(store: &dyn Store, height: Height) -> Result<Option<Hash>, StateDbError> {
    let nodes = Nodes(store);
    let root = JellyfishMerkleTree::<_, Sha256>::new(&nodes).get_root_hash_option(height.0).map_err(tree_error)?;
    Ok(root.map(|root| Hash(root.0)))
}

/// The path from a key, or from where it would be, to the root after block `height`.
pub(crate) fn prove(store: &dyn Store, height: Height, key: &StateKey) -> Result<MerkleProof, StateDbError> {
    let nodes = Nodes(store);
    let tree = JellyfishMerkleTree::<_, Sha256>::new(&nodes);
    Ok(tree.get_with_proof(key_hash(key), height.0).map_err(tree_error)?.1)
}
