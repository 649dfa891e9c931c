//! Verifies modules that are published together.

use std::collections::BTreeMap;
use std::sync::Arc;

use noema_bytecode::CompiledModule;
use noema_execution_api::StatusCode;
use noema_types::ModuleId;

use crate::{
    Limits, ModuleSource, Result, VerifyError, check_publishable, check_upgrade_in_package, verify_linked,
    verify_module,
};

/// The package's modules before those of the state.
struct Overlay<'a> {
    package: BTreeMap<ModuleId, Arc<CompiledModule>>,
    state: &'a dyn ModuleSource,
}

impl ModuleSource for Overlay<'_> {
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>> {
        self.package.module(id).or_else(|| self.state.module(id))
    }
}

/// Everything that must hold before `modules` are published over what `state` holds.
///
/// Each module alone, then its attributes and entry functions, then all of them linked with each other and the rest,
/// then each that replaces a module of `state` against the one it replaces. Modules of the same name as one in `state`
/// replace it; whether the package's policy allows that is the caller's matter.
///
/// # Errors
/// The first [`VerifyError`], in that order and in the order of `modules`; DUPLICATE_MODULE_NAME if two have one name.
pub fn verify_package(modules: &[Arc<CompiledModule>], state: &dyn ModuleSource, limits: &Limits) -> Result {
    let mut package = BTreeMap::new();
    for module in modules {
        verify_module(module, limits)?;
        check_publishable(module)?;
        if package.insert(module.self_id(), Arc::clone(module)).is_some() {
            let message = "the package has two modules of this name";
            return Err(VerifyError::in_module(module, StatusCode::DUPLICATE_MODULE_NAME, message));
        }
    }
    let names = package.keys().cloned().collect();
    let overlay = Overlay { package, state };
    modules.iter().try_for_each(|module| verify_linked(module, &overlay, limits))?;
    for module in modules {
        if let Some(old) = state.module(&module.self_id()) {
            check_upgrade_in_package(&old, module, &names)?;
        }
    }
    Ok(())
}
