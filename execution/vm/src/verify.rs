//! Verification before code is loaded.
//!
//! A module is verified alone when it is read, once per content. Its links were verified when it was published; here
//! they are checked again call by call, when a call is resolved. A script is verified alone on every run.

use noema_bytecode::{CompiledModule, CompiledScript};
use noema_verifier::{Limits, VerifyError};

use crate::error::{Failure, Result, fail_because};

pub(crate) fn verify_module(module: &CompiledModule) -> Result<()> {
    noema_verifier::verify_module(module, &Limits::default()).map_err(rejected)
}

pub(crate) fn verify_script(script: &CompiledScript) -> Result<()> {
    noema_verifier::verify_script(script, &Limits::default()).map_err(rejected)
}

fn rejected(error: VerifyError) -> Box<Failure> {
    fail_because(error.status, error.to_string())
}
