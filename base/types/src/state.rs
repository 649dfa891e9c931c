//! Keys of global state and changes to it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Address, Hash, ModuleId, StructTag};

/// Names one value of global state. The order of variants is the wire format.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StateKey {
    /// A module's bytecode.
    Module(ModuleId),
    /// A resource: the BCS of a struct under an account.
    Resource {
        /// Account that holds the resource.
        address: Address,
        /// Type of the resource.
        tag: StructTag,
    },
    /// An item of a table.
    TableItem {
        /// Handle of the table.
        handle: Address,
        /// BCS of the key.
        #[serde(with = "serde_bytes")]
        key: Vec<u8>,
    },
}

/// What happens to one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteOp {
    /// The value is created or replaced.
    Write(Bytes),
    /// The value is removed.
    Delete,
}

/// Changes to global state, ordered by key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WriteSet(pub BTreeMap<StateKey, WriteOp>);

impl StateKey {
    /// The key's place in the authenticated state: domain-separated SHA3-256 of its BCS.
    #[must_use]
    pub fn hash(&self) -> Hash {
        let bytes = bcs::to_bytes(self).expect("a state key always serialises");
        Hash::sha3(&[&Hash::sha3(&[b"NOEMA::StateKey"]).0, &bytes])
    }
}

impl WriteOp {
    /// The new value, if there is one.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Write(bytes) => Some(bytes),
            Self::Delete => None,
        }
    }
}
