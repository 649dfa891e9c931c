//! Publishes the modules that a payload asked for.
//!
//! Checked in this order; the first failure fails the transaction and undoes it:
//! 1. their number, and what their bytes cost in gas;
//! 2. each reads as a module, has the name that the package's metadata gives it, and the publisher's address;
//! 3. each depends only on modules that the request allows, if it restricts them;
//! 4. all of them together pass the verifier: each alone, linked with what they name, without cycles, with true metadata
//!    and entry functions that a transaction can call;
//! 5. each that replaces a module is compatible with it.
//!
//! Then they become visible to what runs next in the transaction: `init_module(&signer)` of each module that is new, once,
//! in the order of the request. An upgrade does not run it.

use std::cell::RefCell;
use std::sync::Arc;

use noema_bytecode::{CompiledModule, SignatureToken, Visibility};
use noema_execution_api::{GasMeter, PublishRequest, StatusCode};
use noema_types::ModuleId;
use noema_verifier::{Limits, ModuleSource, verify_package};
use noema_vm::{ExecError, Session, VmError};

use super::{arg, out_of_gas};
use crate::limits::PUBLISHED_MODULES_MAX;
use crate::validation::TransactionCosts;

const INIT_MODULE: &str = "init_module";

pub(super) fn publish(
    session: &mut Session<'_>,
    request: PublishRequest,
    costs: &TransactionCosts,
    gas: &mut GasMeter,
) -> Result<(), ExecError> {
    let count = request.modules.len();
    if count > PUBLISHED_MODULES_MAX {
        let message = format!("a transaction publishes at most {PUBLISHED_MODULES_MAX} modules, not {count}");
        return refuse(StatusCode::VERIFICATION_ERROR, message);
    }
    let bytes: u64 = request.modules.iter().map(|module| module.len() as u64).sum();
    gas.charge(costs.module_byte.times(bytes)).map_err(|_| out_of_gas())?;
    let modules = read(&request)?;
    check_dependencies(&request, &modules)?;

    let source = Published { session: RefCell::new(session), failure: RefCell::new(None) };
    let verdict = verify_package(&modules, &source, &Limits::default());
    // A lookup that failed says nothing about the package.
    if let Some(failure) = source.failure.take() {
        return Err(failure);
    }
    verdict.map_err(|error| VmError::new(error.status, error.to_string()))?;
    let mut new = Vec::new();
    for module in &modules {
        if session.module(&module.self_id())?.is_none() {
            new.push(Arc::clone(module));
        }
    }
    session.publish_modules(request.modules.clone())?;
    for module in new {
        init(session, &module, &request, gas)?;
    }
    Ok(())
}

fn refuse<T>(status: StatusCode, message: String) -> Result<T, ExecError> {
    Err(VmError::new(status, message).into())
}

/// Reads the modules and checks who they say they are.
fn read(request: &PublishRequest) -> Result<Vec<Arc<CompiledModule>>, ExecError> {
    if request.expected_names.len() != request.modules.len() {
        let (names, modules) = (request.expected_names.len(), request.modules.len());
        return refuse(StatusCode::VERIFICATION_ERROR, format!("metadata names {names} modules, there are {modules}"));
    }
    let read = |(bytes, name): (&Vec<u8>, &String)| {
        let module = CompiledModule::deserialize(bytes)
            .map_err(|error| VmError::new(error.status, format!("module {name}: {error}")))?;
        let id = module.self_id();
        if id.address != request.owner {
            let message = format!("module {id} is not at the publisher's address, {}", request.owner);
            return refuse(StatusCode::MODULE_ADDRESS_DOES_NOT_MATCH_SENDER, message);
        }
        if id.name != name.as_str() {
            let message = format!("module {} is named {name} in the package's metadata", id.name);
            return refuse(StatusCode::VERIFICATION_ERROR, message);
        }
        Ok(Arc::new(module))
    };
    request.modules.iter().zip(&request.expected_names).map(read).collect()
}

fn check_dependencies(request: &PublishRequest, modules: &[Arc<CompiledModule>]) -> Result<(), ExecError> {
    let Some(allowed) = &request.allowed_dependencies else { return Ok(()) };
    let is_own = |id: &ModuleId| modules.iter().any(|module| module.self_id() == *id);
    let is_allowed = |id: &ModuleId| {
        allowed.iter().any(|(address, name)| id.address == *address && (name.is_empty() || id.name == name.as_str()))
    };
    for module in modules {
        if let Some(other) = module.immediate_dependencies().find(|id| !is_own(id) && !is_allowed(id)) {
            let message = format!("module {} depends on {other}, which its package does not name", module.self_id());
            return refuse(StatusCode::MISSING_DEPENDENCY, message);
        }
    }
    Ok(())
}

/// Runs a new module's `init_module`, if it has one.
fn init(
    session: &mut Session<'_>,
    module: &CompiledModule,
    request: &PublishRequest,
    gas: &mut GasMeter,
) -> Result<(), ExecError> {
    let id = module.self_id();
    let Some(function) = session.function(&id, INIT_MODULE)? else { return Ok(()) };
    let takes_signer = match function.parameters.as_slice() {
        [SignatureToken::Signer] => true,
        [SignatureToken::Reference(inner)] => **inner == SignatureToken::Signer,
        _ => false,
    };
    let is_private = function.visibility == Visibility::Private && !function.is_entry;
    if !(takes_signer && is_private && function.results.is_empty() && function.type_parameters == 0) {
        let message = format!("{id}::{INIT_MODULE} must be private, take one signer or &signer and return nothing");
        return refuse(StatusCode::INVALID_MAIN_FUNCTION_SIGNATURE, message);
    }
    session.execute_function(&id, INIT_MODULE, vec![], vec![arg(&request.owner)], gas)?;
    if session.take_publish_request().is_some() {
        return refuse(StatusCode::VERIFICATION_ERROR, format!("{id}::{INIT_MODULE} publishes modules itself"));
    }
    Ok(())
}

/// Modules as the transaction sees them.
struct Published<'a, 'b> {
    session: RefCell<&'a mut Session<'b>>,
    failure: RefCell<Option<ExecError>>,
}

impl ModuleSource for Published<'_, '_> {
    fn module(&self, id: &ModuleId) -> Option<Arc<CompiledModule>> {
        match self.session.borrow_mut().module(id) {
            Ok(found) => found,
            Err(error) => {
                self.failure.borrow_mut().get_or_insert(error);
                None
            }
        }
    }
}
