//! Verification before code is loaded.

use noema_bytecode::{CompiledModule, CompiledScript};

use crate::error::Result;

pub(crate) fn verify_module(_module: &CompiledModule) -> Result<()> {
    Ok(())
}

pub(crate) fn verify_script(_script: &CompiledScript) -> Result<()> {
    Ok(())
}
