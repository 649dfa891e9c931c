//! Events that a transaction emits.

use serde::{Deserialize, Serialize};

use crate::{Address, TypeTag};

/// Names one stream of handle events: the creation number at an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventKey {
    /// Number of the handle among the account's globally unique identifiers.
    pub creation_number: u64,
    /// Account that made the handle.
    pub account_address: Address,
}

/// An emitted event: of a handle (V1) or of a module (V2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Emitted through an `event::EventHandle`.
    V1 {
        /// Stream of the event.
        key: EventKey,
        /// Position in the stream, from 0.
        sequence_number: u64,
        /// Type of the value.
        type_tag: TypeTag,
        /// BCS of the value.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// Emitted by `event::emit`.
    V2 {
        /// Type of the value.
        type_tag: TypeTag,
        /// BCS of the value.
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
}

impl Event {
    /// Type of the event's value.
    #[must_use]
    pub fn type_tag(&self) -> &TypeTag {
        match self {
            Self::V1 { type_tag, .. } | Self::V2 { type_tag, .. } => type_tag,
        }
    }

    /// BCS of the event's value.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        match self {
            Self::V1 { data, .. } | Self::V2 { data, .. } => data,
        }
    }
}
