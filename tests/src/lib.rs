//! Checks Noema end to end.
//!
//! The tests live in `tests/`; this library holds what they share: the workspace's root, the binary, a node to talk to.

use std::path::{Path, PathBuf};

pub mod chain;
pub mod faults;
pub mod load;
pub mod localnet;
pub mod network;
pub mod process;
pub mod relay;
pub mod workers;

/// Root of the workspace.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Folder of caches: weights, peers.
#[must_use]
pub fn cache_dir() -> PathBuf {
    std::env::var_os("NOEMA_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| ".".into())).join(".cache/noema"),
        PathBuf::from,
    )
}
