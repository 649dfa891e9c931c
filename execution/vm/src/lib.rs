//! Runs verified Move bytecode, metered per basic block.
//!
//! A [`Vm`] holds what all runs share: natives, prices, limits and a cache of prepared modules. A [`Session`] runs the
//! functions of one transaction against a [`StateView`](noema_execution_api::StateView): they see each other's changes,
//! which leave the session only as a write set at its end.
//!
//! # Guarantees
//! - Results, gas, status, location, write set and events are a function of the state read, the arguments, the natives
//!   and the schedule; of nothing else.
//! - No input makes a run panic: what unverified bytecode could do and verified bytecode cannot is an error of the
//!   program.
//! - Three ends stay apart ([`ExecError`]): the program's failure, an answer to wait for, a fault of the node.
//! - Every module is verified before it runs.
//!
//! # How code runs
//! By the `fast` interpreter: register code on plain memory, for verified modules only. The `reference` interpreter is its
//! oracle: plain values, checked references, one match arm per instruction. They agree in everything above; a paranoid
//! machine ([`Vm::paranoid`]) runs both and compares.
//!
//! A [`Tracer`] can watch the reference interpreter, for coverage and profiles.

mod arguments;
mod cache;
mod cost;
mod error;
mod fast;
mod globals;
pub mod limits;
mod loader;
mod module;
mod reference;
mod session;
mod tracer;
mod twin;
mod types;
mod verify;
mod vm;

#[cfg(test)]
mod tests;

pub use error::{ExecError, TraceFrame, VmError};
pub use limits::VmLimits;
pub use session::{FunctionInfo, Savepoint, Session, SessionOutput};
pub use tracer::Tracer;
pub use vm::{Interpreter, Vm};
