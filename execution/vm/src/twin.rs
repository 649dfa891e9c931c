//! Two interpreters side by side: what a *paranoid* machine does.
//!
//! Each session of such a machine has a twin that runs everything on the reference interpreter, against the same view.
//! After every run the two are compared: values, status, sub-status, place and callers, gas, events, counters, memory,
//! write set. A difference is a defect of this crate, and panics.

use std::fmt::Debug;

use noema_execution_api::GasMeter;

use crate::Session;
use crate::error::ExecError;

/// What must agree of an outcome: everything but the words for people.
fn essence<T: Debug>(outcome: &Result<T, ExecError>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(ExecError::Program(error)) => {
            format!("{:?} {:?} at {:?} from {:?}", error.status, error.sub_status, error.at, error.callers)
        }
        Err(other) => format!("{other:?}"),
    }
}

impl Session<'_> {
    /// Runs something in the session and, if it has one, in its twin.
    ///
    /// # Panics
    /// If the two differ.
    pub(crate) fn both<T: Debug>(
        &mut self,
        gas: &mut GasMeter,
        run: impl Fn(&mut Self, &mut GasMeter) -> Result<T, ExecError>,
    ) -> Result<T, ExecError> {
        let Some(mut twin) = self.twin.take() else { return run(self, gas) };
        let mut twin_gas = gas.clone();
        // First the one that counts: if it panics, what it has used is known.
        let found = run(self, gas);
        let expected = run(&mut twin, &mut twin_gas);
        let is_fault = matches!(&found, Err(ExecError::Fault(_))) || matches!(&expected, Err(ExecError::Fault(_)));
        if !is_fault {
            assert_eq!(essence(&found), essence(&expected), "outcomes of the fast and the reference interpreter");
            assert_eq!(gas.used(), twin_gas.used(), "gas of the fast and the reference interpreter");
            assert_eq!(self.instructions(), twin.instructions(), "instructions of the two interpreters");
            self.compare(&twin);
            if found.is_ok() {
                let writes = |session: &Self| session.changes().map_err(|failure| failure.nowhere());
                assert_eq!(essence(&writes(self)), essence(&writes(&twin)), "changes of the two interpreters");
            }
        }
        self.twin = Some(twin);
        found
    }
}
