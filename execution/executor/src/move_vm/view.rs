//! Runs functions that only look.

use noema_execution_api::{BlockContext, GasMeter, StateView, TransactionContext, VmFault};
use noema_inference_api::JobClass;
use noema_types::{EntryFunction, ExecutionStatus, Gas, TypeTag};
use noema_vm::ExecError;

use super::{MoveTransactionVm, status};
use crate::EngineAnswers;
use crate::limits::PENDING_RUNS_MAX;

/// What a view function returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewOutput {
    /// BCS and type of each result.
    pub values: Vec<(Vec<u8>, TypeTag)>,
    /// Gas used, in the units that transactions are charged in.
    pub gas_used: Gas,
}

/// Why a view function returned nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// There is no such function, or it is not marked `#[view]`.
    #[error("{0}")]
    NotFound(String),
    /// It failed, or was called wrongly.
    #[error("{status}: {message}")]
    Failed {
        /// How it ended.
        status: Box<ExecutionStatus>,
        /// What is wrong.
        message: String,
    },
    /// The node cannot answer a question that it asks.
    #[error("the node cannot answer: {0}")]
    NotReady(String),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] VmFault),
}

impl MoveTransactionVm {
    /// Runs a function marked `#[view]` on `view`, with at most `gas_max` units. Waits for the answers it needs.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn view_function(
        &self,
        view: &dyn StateView,
        answers: &EngineAnswers,
        block: &BlockContext,
        call: &EntryFunction,
        gas_max: Gas,
    ) -> Result<ViewOutput, ViewError> {
        for _ in 0..PENDING_RUNS_MAX {
            match self.view_once(view, answers, block, call, gas_max)? {
                Ok(output) => return Ok(output),
                Err(job) => {
                    answers.ask(&job, JobClass::Simulation).map_err(|error| ViewError::NotReady(error.to_string()))?
                }
            }
        }
        Err(ViewError::NotReady(format!("the function still asks after {PENDING_RUNS_MAX} runs")))
    }

    fn view_once(
        &self,
        view: &dyn StateView,
        answers: &EngineAnswers,
        block: &BlockContext,
        call: &EntryFunction,
        gas_max: Gas,
    ) -> Result<Result<ViewOutput, noema_execution_api::PendingJob>, ViewError> {
        let context = TransactionContext { chain_id: block.chain_id.0, ..TransactionContext::default() };
        let mut session = self.vm.session(view, answers, context);
        let module = session.module(&call.module).map_err(not_found)?;
        let module = module.ok_or_else(|| ViewError::NotFound(format!("module {} does not exist", call.module)))?;
        let is_view = status::metadata(&module)
            .is_some_and(|metadata| metadata.view_functions.iter().any(|name| call.function == name.as_str()));
        if !is_view {
            let (module, function) = (&call.module, &call.function);
            return Err(ViewError::NotFound(format!("{module}::{function} is not a view function")));
        }
        let schedule = self.schedule();
        let mut gas = GasMeter::new(schedule.from_units(gas_max));
        let (type_args, args) = (call.type_args.clone(), call.args.clone());
        match session.execute_view(&call.module, &call.function, type_args, args, &mut gas) {
            Ok(values) => Ok(Ok(ViewOutput { values, gas_used: schedule.to_units(gas.used()) })),
            Err(ExecError::Pending(job)) => Ok(Err(job)),
            Err(ExecError::Fault(fault)) => Err(ViewError::Fault(fault.into())),
            Err(ExecError::Program(failure)) => {
                let status = Box::new(status::kept(&failure, &mut session));
                Err(ViewError::Failed { status, message: failure.to_string() })
            }
        }
    }
}

fn not_found(error: ExecError) -> ViewError {
    match error {
        ExecError::Fault(fault) => ViewError::Fault(fault.into()),
        error => ViewError::NotFound(error.to_string()),
    }
}
