//! Talks to a node from Rust.
