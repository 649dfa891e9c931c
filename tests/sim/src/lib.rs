//! Simulates committees of validators, faults and adversaries, all decided by one seed, and checks what must hold.
//!
//! A run is a function of its [`Scenario`], and a scenario of its seed: equal seeds give equal event hashes. Validators
//! are the real `noema_dag::Core` around a disk that loses unsynced writes, a scripted application and a small pool.
//! Checkers ([`checkers`]) see only what validators put out and know nothing of the simulator.

pub mod args;
pub mod byzantine;
pub mod campaign;
pub mod checkers;
pub mod coverage;
mod crypto;
mod disk;
mod epochs;
pub mod latency;
mod ledger;
pub mod measure;
#[cfg(feature = "mutants")]
pub mod mutants;
mod network;
mod observer;
mod pool;
pub mod rng;
pub mod scenario;
mod validator;
mod world;

pub use checkers::Violation;
pub use coverage::Coverage;
pub use scenario::Scenario;
pub use world::{Outcome, run, run_traced};

/// Virtual time, in microseconds since the run began.
pub type Micros = u64;

/// A validator, over all epochs; its position in a committee is an `Author`.
pub type NodeId = u16;

/// Local time of a clock without offset when a run begins.
pub const START_MS: u64 = 1_700_000_000_000;
