//! Taking transactions in, and saying what they would do.

use std::time::{Duration, Instant};

use noema_execution_api::{BlockContext, StateView, StatusCode};
use noema_executor::{
    EngineAnswers, SimulateError, Simulation, SimulationOptions, ViewError, read_account, read_balance,
};
use noema_mempool::{AccountState, LedgerView, Rejection, UnixSeconds};
use noema_state::DbView;
use noema_types::{
    Address, EntryFunction, Event, Gas, Hash, Round, SignedTransaction, Transaction, TransactionInfo, TypeTag,
};

use super::{Chain, Found};
use crate::api::{ApiError, ApiResult, CommittedTransaction};
use crate::clock::unix_now;

/// Time the faucet waits for its transaction.
const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// Accounts as of a view, for the mempool.
pub(super) struct PoolView<'a>(pub(super) &'a DbView);

impl LedgerView for PoolView<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountState>, String> {
        let account = read_account(self.0, address).map_err(|error| error.to_string())?;
        Ok(account.map(|account| AccountState { sequence_number: account.sequence_number, auth_key: account.auth_key }))
    }

    fn balance(&self, address: Address) -> Result<u64, String> {
        read_balance(self.0, address).map_err(|error| error.to_string())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let message = format!("Invalid transaction: {rejection}");
        match &rejection {
            Rejection::Full { .. } => Self::mempool_is_full(message),
            Rejection::State(_) => Self::internal_error(message),
            Rejection::InvalidUpdate { .. } => Self::invalid_transaction_update(message),
            Rejection::Unsupported(_) | Rejection::OverLimit(_) => Self::invalid_input(message),
            _ => match (rejection.status_code(), rejection.status_name()) {
                (Some(code), Some(name)) => {
                    Self::vm_error(format!("Invalid transaction: Type: Validation Code: {name}: {rejection}"), code)
                }
                _ => Self::invalid_input(message),
            },
        }
    }
}

impl Chain {
    /// Admits a transaction; submitting a known one again changes nothing.
    pub(crate) fn submit(&self, transaction: SignedTransaction) -> ApiResult<()> {
        if let Some(fault) = self.fault() {
            return Err(ApiError::unavailable(format!("the node takes no transactions: {fault}")));
        }
        self.check_intrinsic_gas(&transaction)?;
        self.admission.admit(transaction)
    }

    /// Drops a transaction that no validator takes.
    pub(crate) fn forget(&self, transaction: &SignedTransaction) {
        self.mempool.lock().remove(&transaction.hash());
    }

    /// Drops transactions that waited too long.
    pub(crate) fn expire(&self) {
        self.mempool.lock().expire(UnixSeconds(unix_now().0 / 1_000));
    }

    /// A transaction that cannot pay for its own bytes would be ordered, then discarded: it is refused here.
    fn check_intrinsic_gas(&self, transaction: &SignedTransaction) -> ApiResult<()> {
        let needed = self.vm.intrinsic_gas(transaction);
        let offered = transaction.raw.max_gas_amount;
        if offered >= needed {
            return Ok(());
        }
        let status = StatusCode::MAX_GAS_UNITS_BELOW_MIN_TRANSACTION_GAS_UNITS;
        let text = format!(
            "Invalid transaction: Type: Validation Code: {}: max gas amount {offered} is below the {needed} units that \
             its size costs",
            status.name()
        );
        Err(ApiError::vm_error(text, status.number()))
    }

    /// Waits until a submitted transaction is in the ledger; an error unless it succeeded.
    pub(crate) fn wait_committed(&self, hash: Hash) -> ApiResult<()> {
        let start = Instant::now();
        while start.elapsed() < COMMIT_WAIT {
            match self.find(hash)? {
                Some(Found::Committed(found)) if found.info.status.is_success() => return Ok(()),
                Some(Found::Committed(found)) => {
                    return Err(ApiError::invalid_input(format!("transaction {hash} failed: {}", found.info.status)));
                }
                Some(Found::Pending(_)) => std::thread::sleep(Duration::from_millis(10)),
                None => return Err(ApiError::internal_error(format!("transaction {hash} was discarded"))),
            }
        }
        Err(ApiError::unavailable(format!("transaction {hash} was not committed in time")))
    }

    /// A price that every block takes. There is no market of prices yet: it is a constant above the floor.
    pub(crate) fn gas_price_estimate(&self) -> u64 {
        crate::genesis::GAS_PRICE_ESTIMATE
    }

    fn next_context(&self) -> BlockContext {
        let info = self.ledger_info();
        BlockContext {
            chain_id: self.chain_id,
            epoch: info.epoch,
            round: self.db().latest().map_or(Round(0), |latest| latest.info.round).next(),
            height: info.height.next(),
            timestamp_us: info.timestamp_us.max(unix_now().0 * 1_000),
            proposer: self.config.validator.as_ref().map_or(Address::ZERO, |validator| validator.account),
        }
    }

    /// Runs a transaction as the next block would, and changes nothing.
    pub(crate) fn simulate(
        &self,
        transaction: &SignedTransaction,
        estimate_price: bool,
        estimate_amount: bool,
    ) -> ApiResult<CommittedTransaction> {
        let view = self.db().latest_view();
        let context = self.next_context();
        let options = SimulationOptions {
            gas_unit_price: estimate_price.then(|| self.gas_price_estimate()),
            estimate_max_gas_amount: estimate_amount,
        };
        let answers = EngineAnswers::new(self.engine());
        let simulation = self.vm.simulate(&view, &answers, &context, transaction, options);
        let Simulation { transaction, output, discarded } = simulation.map_err(|error| match error {
            SimulateError::ValidSignature => ApiError::invalid_input(error.to_string()),
            SimulateError::NotReady(_) => ApiError::unavailable(error.to_string()),
            SimulateError::Fault(_) => ApiError::internal_error(error.to_string()),
        })?;
        if let Some(reason) = discarded {
            tracing::debug!(%reason, "a simulated transaction would be discarded");
        }
        let transaction = Transaction::User(transaction);
        Ok(CommittedTransaction {
            version: self.ledger_info().version.next(),
            info: TransactionInfo {
                transaction_hash: transaction.hash(),
                state_root: None,
                event_root: Event::root(&output.events),
                write_set_hash: output.write_set.hash(),
                gas_used: output.gas_used,
                status: output.status,
            },
            transaction,
            events: output.events,
            write_set: output.write_set,
            timestamp_us: context.timestamp_us,
            accumulator: Hash::ZERO,
        })
    }

    /// Calls a view function.
    pub(crate) fn view_function(
        &self,
        view: &dyn StateView,
        call: &EntryFunction,
        gas_max: u64,
    ) -> ApiResult<Vec<(Vec<u8>, TypeTag)>> {
        let answers = EngineAnswers::new(self.engine());
        let output = self.vm.view_function(view, &answers, &self.next_context(), call, Gas(gas_max));
        output.map(|output| output.values).map_err(|error| match error {
            ViewError::NotFound(_) | ViewError::Failed { .. } => ApiError::invalid_input(error.to_string()),
            ViewError::NotReady(_) => ApiError::unavailable(error.to_string()),
            ViewError::Fault(_) => ApiError::internal_error(error.to_string()),
        })
    }
}
