//! Watching a run, for profiles and coverage.

use noema_execution_api::InternalGas;

use crate::error::TraceFrame;

/// Watches what the reference interpreter does. It sees and changes nothing else: values, gas and outcome of a run are
/// the same with and without one. A session that has one runs everything in the reference interpreter.
///
/// `used` is the gas used so far; what an event cost is the difference to the next one. A run that fails leaves its
/// frames without a [`Tracer::leave`] each: after a failure the session is over for the tracer too.
pub trait Tracer {
    /// A function begins, a native too; its `code_offset` is 0.
    fn enter(&mut self, function: TraceFrame, used: InternalGas);

    /// The function entered last of those not left ends.
    fn leave(&mut self, used: InternalGas);

    /// The running function is about to execute this instruction; nothing of the instruction is paid yet.
    fn at(&mut self, code_offset: u16, used: InternalGas);
}
