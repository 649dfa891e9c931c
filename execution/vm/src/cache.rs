//! Modules that were read, verified and prepared once, for all sessions of a machine.
//!
//! The key is the module's bytes themselves: what is cached is a function of them alone, so it does not matter which
//! transaction brought them in, nor whether that transaction was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use noema_types::ModuleId;

use crate::limits::{CACHED_MODULES_MAX, CACHED_VERSIONS_MAX};
use crate::module::LoadedModule;

type Versions = Vec<(Bytes, Arc<LoadedModule>)>;

/// Modules by identity and bytes.
#[derive(Debug, Default)]
pub(crate) struct CodeCache {
    modules: RwLock<BTreeMap<ModuleId, Versions>>,
}

impl CodeCache {
    pub(crate) fn get(&self, id: &ModuleId, bytes: &Bytes) -> Option<Arc<LoadedModule>> {
        let modules = self.modules.read().unwrap_or_else(PoisonError::into_inner);
        let versions = modules.get(id)?;
        versions.iter().find(|(cached, _)| is_same(cached, bytes)).map(|(_, module)| Arc::clone(module))
    }

    pub(crate) fn insert(&self, bytes: Bytes, module: Arc<LoadedModule>) {
        let mut modules = self.modules.write().unwrap_or_else(PoisonError::into_inner);
        if modules.len() >= CACHED_MODULES_MAX {
            modules.clear();
        }
        let versions = modules.entry(module.id.clone()).or_default();
        if versions.len() >= CACHED_VERSIONS_MAX {
            versions.remove(0);
        }
        versions.push((bytes, module));
    }
}

/// The same buffer needs no comparison, and a state that hands out shared buffers gives the same one every time.
pub(crate) fn is_same(left: &Bytes, right: &Bytes) -> bool {
    left.len() == right.len() && (left.as_ptr() == right.as_ptr() || left == right)
}
