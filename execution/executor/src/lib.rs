//! Executes ordered transactions: validation, Move, fees, inference, outputs.
//!
//! [`SequentialExecutor`] runs the transactions of a block with the results of running them one after the other, on any
//! [`noema_execution_api::TransactionVm`]; questions to models go to a [`noema_inference_api::Engine`].

mod answers;
pub mod limits;
mod sequential;

pub use answers::EngineAnswers;
pub use sequential::SequentialExecutor;
