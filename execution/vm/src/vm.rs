//! What all sessions share.

use std::sync::Arc;

use bytes::Bytes;
use noema_bytecode::CompiledModule;
use noema_execution_api::{
    AnswerSource, GasSchedule, MoveTypeLayout, NativeTable, StateView, StatusCode, TransactionContext,
};
use noema_types::{ModuleId, TypeTag};

use crate::VmLimits;
use crate::cache::CodeCache;
use crate::error::{ExecError, Result, fail_because};
use crate::loader::Loader;
use crate::module::LoadedModule;
use crate::session::Session;
use crate::verify::verify_module;

/// Natives, prices, limits and prepared modules. Shared by any number of threads.
#[derive(Debug)]
pub struct Vm {
    natives: NativeTable,
    schedule: GasSchedule,
    limits: VmLimits,
    cache: CodeCache,
    /// Off only in tests that feed the interpreter what the verifier would refuse.
    pub(crate) verifies: bool,
}

impl Vm {
    /// A machine with these natives, prices and limits.
    #[must_use]
    pub fn new(natives: NativeTable, schedule: GasSchedule, limits: VmLimits) -> Self {
        Self { natives, schedule, limits, cache: CodeCache::default(), verifies: true }
    }

    /// Prices.
    #[must_use]
    pub fn schedule(&self) -> &GasSchedule {
        &self.schedule
    }

    /// Limits.
    #[must_use]
    pub fn limits(&self) -> &VmLimits {
        &self.limits
    }

    /// Natives.
    #[must_use]
    pub fn natives(&self) -> &NativeTable {
        &self.natives
    }

    /// Starts a transaction.
    #[must_use]
    pub fn session<'a>(
        &'a self,
        view: &'a dyn StateView,
        answers: &'a dyn AnswerSource,
        transaction: TransactionContext,
    ) -> Session<'a> {
        Session::new(self, view, answers, transaction)
    }

    /// Shape of a closed type, for decoding its values.
    ///
    /// # Errors
    /// If a module or type is missing, the type is over the limits, or the store failed.
    pub fn type_layout(&self, view: &dyn StateView, tag: &TypeTag) -> Result<Arc<MoveTypeLayout>, ExecError> {
        Loader::new(self, view).layout(tag).map_err(|failure| failure.nowhere())
    }

    /// Reads, verifies and prepares a module, once.
    pub(crate) fn load_module(&self, id: &ModuleId, bytes: Bytes) -> Result<Arc<LoadedModule>> {
        if let Some(loaded) = self.cache.get(id, &bytes) {
            return Ok(loaded);
        }
        let module = CompiledModule::deserialize(&bytes)
            .map_err(|error| fail_because(error.status, format!("module {id}: {error}")))?;
        if module.self_id() != *id {
            let message = format!("module {id} calls itself {}", module.self_id());
            return Err(fail_because(StatusCode::VERIFICATION_ERROR, message));
        }
        if self.verifies {
            verify_module(&module)?;
        }
        let loaded = Arc::new(LoadedModule::new(module, &self.natives, &self.schedule)?);
        self.cache.insert(bytes, Arc::clone(&loaded));
        Ok(loaded)
    }
}
