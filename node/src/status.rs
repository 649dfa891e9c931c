//! What a node says of its part in the network.

use std::fmt;

use noema_types::Height;
use parking_lot::RwLock;
use serde_json::{Value, json};

/// Answers when asked.
pub(crate) trait StatusSource: Send + Sync {
    /// Everything, for `/v1/noema/status`.
    fn json(&self) -> Value;

    /// Last block that is ordered; it may not be executed or certified yet.
    fn ordered_height(&self) -> Option<Height>;

    /// Why the node cannot judge transactions now, if it cannot: it does not know the present state.
    fn behind(&self) -> Option<String>;
}

/// The status of a node; it has a source once the node takes part.
#[derive(Default)]
pub(crate) struct Status(RwLock<Option<Box<dyn StatusSource>>>);

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Status")
    }
}

impl Status {
    /// From now on this source answers.
    pub(crate) fn set(&self, source: Box<dyn StatusSource>) {
        *self.0.write() = Some(source);
    }

    /// The source is about to end.
    pub(crate) fn clear(&self) {
        *self.0.write() = None;
    }

    /// Everything.
    pub(crate) fn json(&self) -> Value {
        self.0.read().as_ref().map_or_else(|| json!({ "role": "starting" }), |source| source.json())
    }

    /// Why the node cannot judge transactions now, if it cannot.
    pub(crate) fn behind(&self) -> Option<String> {
        self.0.read().as_ref().and_then(|source| source.behind())
    }

    /// Last ordered block, at least the last certified one.
    pub(crate) fn ordered_height(&self, certified: Height) -> Height {
        let ordered = self.0.read().as_ref().and_then(|source| source.ordered_height());
        ordered.map_or(certified, |ordered| ordered.max(certified))
    }
}
