//! Executes ordered transactions: validation, Move, fees, inference, outputs.
//!
//! [`SequentialExecutor`] runs the transactions of a block with the results of running them one after the other, on any
//! [`noema_execution_api::TransactionVm`]; questions to models go to a [`noema_inference_api::Engine`].

mod accounts;
mod answers;
pub mod limits;
mod move_vm;
mod sequential;
mod signatures;
mod validation;

pub use accounts::{AccountState, account_key, balance_key, native_coin, read_account, read_balance};
pub use answers::EngineAnswers;
pub use move_vm::{MoveTransactionVm, SimulateError, Simulation, SimulationOptions, ViewError, ViewOutput};
pub use sequential::SequentialExecutor;
pub use signatures::{SignatureCheck, VerifiedSignatures};
pub use validation::TransactionCosts;
