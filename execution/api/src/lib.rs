//! Defines the seams of execution: state views, virtual machines, natives, gas, outcomes.

mod pending;
mod status;

pub use pending::{AnswerSource, NoAnswers, PendingJob};
pub use status::{StatusCode, StatusKind};
