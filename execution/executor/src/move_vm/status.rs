//! What the chain keeps of a failure.

use noema_bytecode::CompiledModule;
use noema_execution_api::StatusCode;
use noema_execution_api::module_metadata::{MODULE_METADATA_KEY, ModuleMetadata};
use noema_types::{AbortInfo, CodeLocation, ExecutionStatus};
use noema_vm::{Session, VmError};

/// What a module says about itself; `None` if it says nothing, or nothing readable.
pub(super) fn metadata(module: &CompiledModule) -> Option<ModuleMetadata> {
    let entry = module.metadata.iter().find(|entry| entry.key == MODULE_METADATA_KEY)?;
    ModuleMetadata::from_bytes(&entry.value).ok()
}

/// The status of a transaction that failed like this. `session` is as the failure left it.
pub(super) fn kept(failure: &VmError, session: &mut Session<'_>) -> ExecutionStatus {
    if failure.status == StatusCode::OUT_OF_GAS {
        return ExecutionStatus::OutOfGas;
    }
    let Some(at) = &failure.at else { return ExecutionStatus::MiscellaneousError(failure.status.number()) };
    let location = at.location.clone();
    match failure.abort_code() {
        Some(code) => ExecutionStatus::MoveAbort { info: abort_info(&location, code, session), location, code },
        None => ExecutionStatus::ExecutionFailure {
            location,
            function: at.function,
            code_offset: at.code_offset,
            status: failure.status.number(),
        },
    }
}

fn abort_info(location: &CodeLocation, code: u64, session: &mut Session<'_>) -> Option<AbortInfo> {
    let CodeLocation::Module(id) = location else { return None };
    // The module has just run, so it is there; without its words the status is still right.
    let module = session.module(id).ok()??;
    let metadata = metadata(&module)?;
    let found = metadata.describe_abort(code)?;
    Some(AbortInfo { reason_name: found.name.clone(), description: found.description.clone() })
}
