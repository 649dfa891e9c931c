//! What all sessions share.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use noema_bytecode::CompiledModule;
use noema_execution_api::{
    AnswerSource, GasSchedule, MoveTypeLayout, NativeTable, StateView, StatusCode, TransactionContext,
};
use noema_types::{ModuleId, TypeTag};

use crate::VmLimits;
use crate::cache::CodeCache;
use crate::error::{ExecError, Result, fail_because};
use crate::fast::Worlds;
use crate::loader::Loader;
use crate::module::LoadedModule;
use crate::session::Session;
use crate::verify::verify_module;

/// A way to run bytecode. Both give the same outcome, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreter {
    /// The oracle: plain values, every step checked.
    Reference,
    /// Register code on plain memory, for verified modules only.
    Fast,
}

/// What machines use that were not told: the environment's `NOEMA_VM` (`reference`, `fast` or `paranoid`), else `fast`;
/// the crate's own tests compare the two.
#[allow(clippy::disallowed_methods, reason = "results do not depend on it: that is what paranoid machines check")]
static CHOICE: LazyLock<(Interpreter, bool)> = LazyLock::new(|| match std::env::var("NOEMA_VM").as_deref() {
    Ok("paranoid") => (Interpreter::Fast, true),
    Ok("reference") => (Interpreter::Reference, false),
    _ => (Interpreter::Fast, cfg!(test)),
});

/// Natives, prices, limits and prepared modules. Shared by any number of threads.
#[derive(Debug)]
pub struct Vm {
    natives: NativeTable,
    schedule: GasSchedule,
    limits: VmLimits,
    cache: CodeCache,
    interpreter: Interpreter,
    is_paranoid: bool,
    pub(crate) worlds: Worlds,
    /// Off only in benchmarks of the fast interpreter.
    pub(crate) meters: bool,
    /// Off only in tests that feed the interpreter what the verifier would refuse.
    pub(crate) verifies: bool,
}

impl Vm {
    /// A machine with these natives, prices and limits.
    #[must_use]
    pub fn new(natives: NativeTable, schedule: GasSchedule, limits: VmLimits) -> Self {
        Self {
            natives,
            schedule,
            limits,
            cache: CodeCache::default(),
            interpreter: CHOICE.0,
            is_paranoid: CHOICE.1,
            worlds: Worlds::default(),
            meters: true,
            verifies: true,
        }
    }

    /// The same with a chosen interpreter.
    #[must_use]
    pub fn with_interpreter(self, interpreter: Interpreter) -> Self {
        Self { interpreter, ..self }
    }

    /// The same without charges for blocks, so that a benchmark can tell what they cost. Endless loops do not end, and
    /// what a run used is wrong.
    #[doc(hidden)]
    #[must_use]
    pub fn without_block_charges(self) -> Self {
        Self { meters: false, ..self }
    }

    /// The same with every run of the fast interpreter compared with one of the reference interpreter, and all lowered
    /// code checked: slow, for tests. A difference panics. Also what `NOEMA_VM=paranoid` asks for.
    #[must_use]
    pub fn paranoid(self) -> Self {
        Self { interpreter: Interpreter::Fast, is_paranoid: true, ..self }
    }

    pub(crate) fn is_paranoid(&self) -> bool {
        self.is_paranoid
    }

    /// How it runs code.
    #[must_use]
    pub fn interpreter(&self) -> Interpreter {
        self.interpreter
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
