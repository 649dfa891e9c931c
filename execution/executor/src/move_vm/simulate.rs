//! Runs transactions that nobody signed, to see what they would do.

use noema_execution_api::{BlockContext, DiscardReason, InferenceUse, Outcome, StateView, TransactionOutput, VmFault};
use noema_inference_api::JobClass;
use noema_types::{Address, ExecutionStatus, Gas, SignedTransaction, WriteSet};

use super::MoveTransactionVm;
use crate::EngineAnswers;
use crate::accounts::read_balance;
use crate::limits::{GAS_AMOUNT_MAX, PENDING_RUNS_MAX};
use crate::validation::Signatures;

/// What a simulation may change about the transaction before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimulationOptions {
    /// The price to use in place of the transaction's.
    pub gas_unit_price: Option<u64>,
    /// Whether to allow as much gas as the payer can pay for.
    pub estimate_max_gas_amount: bool,
}

/// What a transaction would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// The transaction as it ran, with estimated gas amount and price.
    pub transaction: SignedTransaction,
    /// What it would leave behind; nothing, with the validation status, if it would be discarded.
    pub output: TransactionOutput,
    /// Why it would be discarded.
    pub discarded: Option<DiscardReason>,
}

/// Why there is no simulation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// The signature is valid, so that anyone who saw the simulation could submit the transaction.
    #[error("simulated transactions must not have a valid signature")]
    ValidSignature,
    /// The node cannot answer a question that it asks.
    #[error("the node cannot answer: {0}")]
    NotReady(String),
    /// The node's own fault.
    #[error(transparent)]
    Fault(#[from] VmFault),
}

impl MoveTransactionVm {
    /// Runs a transaction on `view` as if its signers had signed it. Its signature must not be valid. Waits for the
    /// answers it needs; they are those that execution would get.
    ///
    /// # Errors
    /// [`SimulateError`]. A transaction that would fail or be discarded is no error.
    pub fn simulate(
        &self,
        view: &dyn StateView,
        answers: &EngineAnswers,
        block: &BlockContext,
        transaction: &SignedTransaction,
        options: SimulationOptions,
    ) -> Result<Simulation, SimulateError> {
        if self.signatures.check(transaction, transaction.hash()).is_ok() {
            return Err(SimulateError::ValidSignature);
        }
        let mut transaction = transaction.clone();
        estimate(view, &mut transaction, options)?;
        for _ in 0..PENDING_RUNS_MAX {
            match self.user(view, answers, block, &transaction, Signatures::Ignored)? {
                Outcome::Executed(output) => return Ok(Simulation { transaction, output: *output, discarded: None }),
                Outcome::Discarded(reason) => return Ok(discarded(transaction, reason)),
                Outcome::Pending(job) => answers
                    .ask(&job, JobClass::Simulation)
                    .map_err(|error| SimulateError::NotReady(error.to_string()))?,
            }
        }
        Err(SimulateError::NotReady(format!("the transaction still asks after {PENDING_RUNS_MAX} runs")))
    }
}

fn estimate(
    view: &dyn StateView,
    transaction: &mut SignedTransaction,
    options: SimulationOptions,
) -> Result<(), SimulateError> {
    if let Some(price) = options.gas_unit_price {
        transaction.raw.gas_unit_price = price;
    }
    if options.estimate_max_gas_amount {
        let payer = transaction.fee_payer();
        let affordable = if payer == Address::ZERO {
            GAS_AMOUNT_MAX
        } else {
            let balance = read_balance(view, payer).map_err(VmFault::from)?;
            balance.checked_div(transaction.raw.gas_unit_price).unwrap_or(GAS_AMOUNT_MAX)
        };
        transaction.raw.max_gas_amount = Gas(affordable.min(GAS_AMOUNT_MAX));
    }
    Ok(())
}

fn discarded(transaction: SignedTransaction, reason: DiscardReason) -> Simulation {
    let output = TransactionOutput {
        write_set: WriteSet::default(),
        events: Vec::new(),
        gas_used: Gas(0),
        status: ExecutionStatus::MiscellaneousError(reason.status.number()),
        inference: InferenceUse::default(),
    };
    Simulation { transaction, output, discarded: Some(reason) }
}
