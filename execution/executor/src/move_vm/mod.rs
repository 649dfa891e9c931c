//! Runs transactions on the Move VM.
//!
//! A user's transaction, step by step
//! 1. *Validation* ([`crate::validation`]): size, form, chain, gas bounds, expiry, signatures, keys of cosigners. Failing
//!    here discards it.
//! 2. *Prologue*, in Move: key, sequence number, expiry, chain, balance. Aborting discards it.
//! 3. *Payload*, metered: the cost of the transaction's own bytes, the entry function, modules it asked to publish and
//!    their `init_module`, then what its changes cost in storage.
//! 4. *Epilogue*, in Move: takes the fee for the gas used, states it, advances the sequence number.
//!
//! A payload that fails in any way is undone to after the prologue; the epilogue follows all the same. So a failure costs
//! its gas and its sequence number and has no other effect. Fee = gas units used, rounded up once, times price: integers
//! only. A payload that leaves too little for the fee is undone too, and fails with the epilogue's abort.
//!
//! Failure: a panic below the payload is tried once more; a second one gives `UNKNOWN_INVARIANT_VIOLATION_ERROR`, with the
//! gas used up to there. A panic elsewhere, or an epilogue that fails after an undone payload, is the chain's own fault.

mod publish;
mod simulate;
mod status;
mod view;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use noema_execution_api::{
    AnswerSource, BlockContext, ChangeSummary, DiscardReason, GasMeter, GasSchedule, InferenceUse, InternalGas,
    NoAnswers, Outcome, StateView, StatusCode, TransactionContext, TransactionOutput, TransactionVm, VmFault,
};
use noema_types::{
    Address, BlockMetadata, Event, ExecutionStatus, Gas, Genesis, Height, Identifier, ModuleId, SignedTransaction,
    Transaction,
};
use noema_vm::{ExecError, Session, Vm, VmError};
use serde::Serialize;

pub use simulate::{SimulateError, Simulation, SimulationOptions};
pub use view::{ViewError, ViewOutput};

use crate::limits::{EVENT_BYTES_MAX, WRITE_BYTES_MAX};
use crate::sequential::panic_text;
use crate::signatures::SignatureCheck;
use crate::validation::{Signatures, TransactionCosts, Validated, prologue_reason, validate};

/// Runs transactions on the Move VM. See the module's steps.
pub struct MoveTransactionVm {
    vm: Arc<Vm>,
    costs: TransactionCosts,
    signatures: Arc<dyn SignatureCheck>,
}

impl fmt::Debug for MoveTransactionVm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveTransactionVm").field("vm", &self.vm).field("costs", &self.costs).finish_non_exhaustive()
    }
}

/// Runs of a transaction that panics, before that counts as its result.
const RUNS_MAX: usize = 2;

/// Who pays what for a transaction, in Move's eyes.
#[derive(Debug, Clone, Copy)]
struct Payment {
    payer: Address,
    price: u64,
}

/// What a payload came to, before the fee.
#[derive(Debug, Clone)]
struct Charge {
    total: Gas,
    io: Gas,
    inference: InferenceUse,
    inference_gas: Gas,
}

pub(crate) fn framework_module(name: &str) -> ModuleId {
    ModuleId::new(Address::ONE, Identifier::new(name).expect("the framework's names are identifiers"))
}

/// BCS of one argument.
fn arg(value: &impl Serialize) -> Vec<u8> {
    bcs::to_bytes(value).expect("plain arguments always serialise")
}

/// A fault of the chain's own code, out of an error that a user's code may have.
fn system(what: &str, error: ExecError) -> VmFault {
    match error {
        ExecError::Fault(fault) => VmFault::State(fault),
        ExecError::Program(error) => VmFault::System(format!("{what}: {error}")),
        ExecError::Pending(job) => VmFault::System(format!("{what} asks a model (job {})", job.id)),
    }
}

fn out_of_gas() -> ExecError {
    VmError::new(StatusCode::OUT_OF_GAS, "the transaction's changes cost more than the gas left").into()
}

/// What a transaction leaves must fit the ledger's records, whatever gas it can pay for.
fn check_output(summary: &ChangeSummary, events: &[Event]) -> Result<(), ExecError> {
    let over = |status, what: &str, bytes, limit| {
        Err(VmError::new(status, format!("{what} have {bytes} bytes, over the limit of {limit}")).into())
    };
    if summary.write_bytes > WRITE_BYTES_MAX {
        return over(StatusCode::STORAGE_WRITE_LIMIT_REACHED, "changes", summary.write_bytes, WRITE_BYTES_MAX);
    }
    let size = |event| bcs::serialized_size(event).expect("events always serialise") as u64;
    let bytes = events.iter().fold(0_u64, |sum, event| sum.saturating_add(size(event)));
    if bytes > EVENT_BYTES_MAX {
        return over(StatusCode::IO_LIMIT_REACHED, "events", bytes, EVENT_BYTES_MAX);
    }
    Ok(())
}

impl MoveTransactionVm {
    /// Gas that a transaction costs for its bytes and signatures alone.
    #[must_use]
    pub fn intrinsic_gas(&self, transaction: &SignedTransaction) -> Gas {
        let signatures = transaction.authenticator.signature_count();
        self.schedule().to_units(self.costs.intrinsic(transaction.size(), signatures))
    }

    /// Runs transactions on `vm`, at these costs.
    #[must_use]
    pub fn new(vm: Arc<Vm>, costs: TransactionCosts, signatures: Arc<dyn SignatureCheck>) -> Self {
        Self { vm, costs, signatures }
    }

    /// The machine below.
    #[must_use]
    pub fn vm(&self) -> &Arc<Vm> {
        &self.vm
    }

    fn schedule(&self) -> &GasSchedule {
        self.vm.schedule()
    }

    fn genesis(&self, block: &BlockContext, genesis: &Genesis) -> Result<Outcome, VmFault> {
        if block.height != Height(0) {
            return Err(VmFault::System(format!("a genesis transaction in block {}", block.height)));
        }
        Ok(Outcome::Executed(Box::new(TransactionOutput {
            write_set: genesis.write_set.clone(),
            events: genesis.events.clone(),
            gas_used: Gas(0),
            status: ExecutionStatus::Success,
            inference: InferenceUse::default(),
        })))
    }

    /// Starts a block: `0x1::block::block_prologue` in the name of the virtual machine, 0x0.
    fn block_metadata(
        &self,
        view: &dyn StateView,
        block: &BlockContext,
        metadata: &BlockMetadata,
        tx: &Transaction,
    ) -> Result<Outcome, VmFault> {
        let context = TransactionContext {
            hash: tx.hash(),
            sender: Address::ZERO,
            chain_id: block.chain_id.0,
            ..TransactionContext::default()
        };
        let failed: Vec<u64> = metadata.failed_proposer_indices.iter().map(|index| u64::from(*index)).collect();
        let args = vec![
            arg(&Address::ZERO),
            arg(&Address(metadata.id.0)),
            arg(&metadata.epoch),
            arg(&metadata.round),
            arg(&metadata.proposer),
            arg(&failed),
            arg(&metadata.previous_block_votes),
            arg(&metadata.timestamp_us),
        ];
        let what = "block prologue";
        let mut session = self.vm.session(view, &NoAnswers, context);
        session
            .execute_function(&framework_module("block"), "block_prologue", vec![], args, &mut GasMeter::unlimited())
            .map_err(|error| system(what, error))?;
        let output = session.finish().map_err(|error| system(what, error))?;
        Ok(Outcome::Executed(Box::new(TransactionOutput {
            write_set: output.write_set,
            events: output.events,
            gas_used: Gas(0),
            status: ExecutionStatus::Success,
            inference: InferenceUse::default(),
        })))
    }

    fn user(
        &self,
        view: &dyn StateView,
        answers: &dyn AnswerSource,
        block: &BlockContext,
        tx: &SignedTransaction,
        signatures: Signatures<'_>,
    ) -> Result<Outcome, VmFault> {
        let validated = match validate(view, block, tx, &self.costs, self.schedule(), signatures)? {
            Ok(validated) => validated,
            Err(reason) => return Ok(Outcome::Discarded(reason)),
        };
        let simulated_payer = matches!(signatures, Signatures::Ignored) && validated.payer == Address::ZERO;
        let payment = Payment {
            payer: validated.payer,
            // Nobody's account pays nothing: only a simulation may name it.
            price: if simulated_payer { 0 } else { tx.raw.gas_unit_price },
        };
        let run = UserRun { vm: self, view, answers, tx, validated: &validated, payment };
        let mut used = InternalGas::ZERO;
        for _ in 0..RUNS_MAX {
            let mut gas = GasMeter::new(self.schedule().from_units(tx.raw.max_gas_amount));
            match catch_unwind(AssertUnwindSafe(|| run.run(&mut gas))) {
                Ok(outcome) => return outcome,
                Err(panic) => {
                    let panic = panic_text(&*panic);
                    used = gas.used();
                    tracing::error!(transaction = %validated.hash, panic, used = used.0, "a transaction panicked");
                }
            }
        }
        // A panic that repeats repeats everywhere, at the same place, with the same gas used.
        run.panicked(used)
    }
}

impl TransactionVm for MoveTransactionVm {
    fn execute(
        &self,
        view: &dyn StateView,
        answers: &dyn AnswerSource,
        block: &BlockContext,
        tx: &Transaction,
    ) -> Result<Outcome, VmFault> {
        match tx {
            Transaction::User(user) => self.user(view, answers, block, user, Signatures::Checked(&*self.signatures)),
            Transaction::Genesis(genesis) => self.genesis(block, genesis),
            Transaction::BlockMetadata(metadata) => self.block_metadata(view, block, metadata, tx),
        }
    }
}

/// One user's transaction on its way.
struct UserRun<'a> {
    vm: &'a MoveTransactionVm,
    view: &'a dyn StateView,
    answers: &'a dyn AnswerSource,
    tx: &'a SignedTransaction,
    validated: &'a Validated<'a>,
    payment: Payment,
}

impl UserRun<'_> {
    fn session(&self) -> Session<'_> {
        let raw = &self.tx.raw;
        let context = TransactionContext {
            hash: self.validated.hash,
            sender: raw.sender,
            chain_id: raw.chain_id.0,
            gas_unit_price: raw.gas_unit_price,
            gas_units_max: raw.max_gas_amount.0,
        };
        self.vm.vm.session(self.view, self.answers, context)
    }

    fn run(&self, gas: &mut GasMeter) -> Result<Outcome, VmFault> {
        let mut session = self.session();
        if let Err(reason) = self.prologue(&mut session)? {
            return Ok(Outcome::Discarded(reason));
        }
        let start = session.savepoint();
        let error = match self.payload(&mut session, gas) {
            Ok(io) => {
                let charge = self.charge(gas.used(), io, session.inference());
                match self.epilogue(&mut session, &charge) {
                    Ok(()) => return self.finish(session, charge, ExecutionStatus::Success),
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let failure = match error {
            ExecError::Pending(job) => return Ok(Outcome::Pending(job)),
            ExecError::Fault(fault) => return Err(fault.into()),
            ExecError::Program(failure) => failure,
        };
        let status = status::kept(&failure, &mut session);
        let charge = self.charge(gas.used(), InternalGas::ZERO, session.inference());
        session.rollback(start);
        self.fail(session, charge, status)
    }

    /// The end of a transaction whose payload panics again and again.
    fn panicked(&self, used: InternalGas) -> Result<Outcome, VmFault> {
        let mut session = self.session();
        if let Err(reason) = self.prologue(&mut session)? {
            return Ok(Outcome::Discarded(reason));
        }
        let charge = self.charge(used, InternalGas::ZERO, &InferenceUse::default());
        let status = StatusCode::UNKNOWN_INVARIANT_VIOLATION_ERROR;
        self.fail(session, charge, ExecutionStatus::MiscellaneousError(status.number()))
    }

    /// Takes the fee of a transaction without effects.
    fn fail(&self, mut session: Session<'_>, charge: Charge, status: ExecutionStatus) -> Result<Outcome, VmFault> {
        self.epilogue(&mut session, &charge).map_err(|error| system("epilogue of a failed transaction", error))?;
        self.finish(session, charge, status)
    }

    fn finish(&self, session: Session<'_>, charge: Charge, status: ExecutionStatus) -> Result<Outcome, VmFault> {
        let output = session.finish().map_err(|error| system("end of a transaction", error))?;
        Ok(Outcome::Executed(Box::new(TransactionOutput {
            write_set: output.write_set,
            events: output.events,
            gas_used: charge.total,
            status,
            inference: charge.inference,
        })))
    }

    fn prologue(&self, session: &mut Session<'_>) -> Result<Result<(), DiscardReason>, VmFault> {
        let raw = &self.tx.raw;
        let args = vec![
            arg(&raw.sender),
            arg(&self.payment.payer),
            arg(&raw.sequence_number),
            arg(&self.validated.auth_key.0.to_vec()),
            arg(&self.payment.price),
            arg(&raw.max_gas_amount),
            arg(&raw.expiration_timestamp_secs),
            arg(&raw.chain_id),
        ];
        let module = framework_module("transaction_validation");
        let error = match session.execute_function(&module, "prologue", vec![], args, &mut GasMeter::unlimited()) {
            Ok(_) => return Ok(Ok(())),
            Err(error) => error,
        };
        let reason = error.program().and_then(VmError::abort_code).and_then(|code| prologue_reason(code, self.tx));
        reason.map_or_else(|| Err(system("prologue", error)), |reason| Ok(Err(reason)))
    }

    /// Runs what the transaction asks for; returns what its changes cost in storage, which is charged already.
    fn payload(&self, session: &mut Session<'_>, gas: &mut GasMeter) -> Result<InternalGas, ExecError> {
        let Validated { call, intrinsic, signers, .. } = self.validated;
        gas.charge(*intrinsic).map_err(|_| out_of_gas())?;
        let (type_args, args) = (call.type_args.clone(), call.args.clone());
        session.execute_entry(&call.module, &call.function, type_args, signers, args, gas)?;
        if let Some(request) = session.take_publish_request() {
            publish::publish(session, request, &self.vm.costs, gas)?;
        }
        let summary = session.change_summary()?;
        check_output(&summary, session.events())?;
        let io = self.vm.schedule().changes(&summary);
        gas.charge(io).map_err(|_| out_of_gas())?;
        Ok(io)
    }

    fn charge(&self, used: InternalGas, io: InternalGas, inference: &InferenceUse) -> Charge {
        let schedule = self.vm.schedule();
        let total = schedule.to_units(used);
        let inference_gas = schedule.to_units(schedule.inference_unit.times(inference.units));
        Charge {
            total,
            io: schedule.to_units(io).min(total),
            inference: inference.clone(),
            inference_gas: inference_gas.min(total),
        }
    }

    fn epilogue(&self, session: &mut Session<'_>, charge: &Charge) -> Result<(), ExecError> {
        let args = vec![
            arg(&self.tx.raw.sender),
            arg(&self.payment.payer),
            arg(&self.payment.price),
            arg(&charge.total),
            arg(&(charge.total.0 - charge.io.0)),
            arg(&charge.io),
            arg(&charge.inference.units),
            arg(&u64::from(charge.inference.calls)),
            arg(&charge.inference_gas),
        ];
        let module = framework_module("transaction_validation");
        session.execute_function(&module, "epilogue", vec![], args, &mut GasMeter::unlimited()).map(drop)
    }
}
