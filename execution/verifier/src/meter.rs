//! Bounds the verifier's own work.
//!
//! Some passes can be made to take time that grows faster than the module: large types substituted into large types,
//! borrow graphs joined at every block. They charge each visit here before they make it; a module that runs out is
//! rejected as PROGRAM_TOO_COMPLEX. The attack it stops is a small module that keeps every validator busy. Units are
//! integers and depend on the module alone, so all validators agree.

use noema_execution_api::StatusCode;

/// Work is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfUnits;

impl OutOfUnits {
    pub(crate) const STATUS: StatusCode = StatusCode::PROGRAM_TOO_COMPLEX;
    pub(crate) const MESSAGE: &'static str = "verifying this takes more work than a module may cost";
}

#[derive(Debug)]
pub(crate) struct Meter {
    module: u64,
    function: u64,
}

impl Meter {
    pub(crate) fn new(units_per_module: u64) -> Self {
        Self { module: units_per_module, function: units_per_module }
    }

    pub(crate) fn enter_function(&mut self, units: u64) {
        self.function = units;
    }

    /// Units that may still be charged in this function.
    pub(crate) fn remaining(&self) -> u64 {
        self.function.min(self.module)
    }

    pub(crate) fn charge(&mut self, units: u64) -> Result<(), OutOfUnits> {
        let (Some(function), Some(module)) = (self.function.checked_sub(units), self.module.checked_sub(units)) else {
            (self.function, self.module) = (0, 0);
            return Err(OutOfUnits);
        };
        (self.function, self.module) = (function, module);
        Ok(())
    }
}
