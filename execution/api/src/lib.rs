//! Defines the seams of execution: state views, virtual machines, natives, gas, outcomes.

mod status;

pub use status::{StatusCode, StatusKind};
