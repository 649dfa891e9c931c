//! The one binary people type.

fn main() {}
