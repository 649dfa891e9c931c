//! Defines the seams of execution: state views, virtual machines, natives, gas, outcomes.

mod block;
mod gas;
mod layout;
pub mod module_metadata;
mod native;
mod outcome;
mod pending;
mod state_view;
mod status;
mod value;

pub use block::{
    BlockContext, BlockExecutor, BlockOutput, BlockWork, ExecutionBlock, ExecutorFault, TransactionResult,
};
pub use gas::{
    ChangeSummary, DynamicCosts, GasMeter, GasSchedule, InstructionCosts, InternalGas, OutOfGas, StorageCosts,
    VECTOR_HEADER_BYTES,
};
pub use layout::{
    AnnotatedValue, BCS_VECTOR_LEN_MAX, BcsError, EnumLayout, MoveTypeLayout, StructLayout, VALUE_DEPTH_MAX,
};
pub use module_metadata::{ErrorDescription, MODULE_METADATA_KEY, ModuleMetadata};
pub use native::{
    Counter, DESERIALIZED_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_MAX, NativeArgs, NativeContext, NativeEnvironment,
    NativeError, NativeFunction, NativeHost, NativeResult, NativeState, NativeTable, PublishRequest, TableKey,
    TransactionContext,
};
pub use outcome::{DiscardReason, InferenceUse, Outcome, TransactionOutput, TransactionVm, VmFault};
pub use pending::{AnswerSource, NoAnswers, PendingJob};
pub use state_view::{MemoryState, OverlayView, StateError, StateView};
pub use status::{StatusCode, StatusKind};
pub use value::{Reference, Root, VALUE_BYTES, Value};
