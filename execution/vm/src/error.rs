//! How a run ends when it gives no results.

use std::fmt;

use noema_execution_api::{NativeError, OutOfGas, PendingJob, StateError, StatusCode};
use noema_types::{CodeLocation, Identifier};

/// Why a run gave no results; the three kinds stay apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The program failed: part of the transaction's outcome, equal on every machine.
    #[error(transparent)]
    Program(Box<VmError>),
    /// The transaction waits for an answer; nothing of this run counts.
    #[error("waits for the answer to job {}", .0.id)]
    Pending(PendingJob),
    /// The node's store failed; says nothing about the program.
    #[error(transparent)]
    Fault(#[from] StateError),
}

/// A program's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct VmError {
    /// What failed.
    pub status: StatusCode,
    /// Abort code, or what exactly failed in a vector operation.
    pub sub_status: Option<u64>,
    /// Details for people; not part of any outcome.
    pub message: Option<String>,
    /// Where, if it was inside a function.
    pub at: Option<TraceFrame>,
    /// The callers, innermost first.
    pub callers: Vec<TraceFrame>,
}

/// A place in running code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceFrame {
    /// Module, or the script.
    pub location: CodeLocation,
    /// Position of the function's definition.
    pub function: u16,
    /// The function's name.
    pub name: Identifier,
    /// Position of the instruction.
    pub code_offset: u16,
}

impl VmError {
    /// An error that belongs to no place in code.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, sub_status: None, message: Some(message.into()), at: None, callers: Vec::new() }
    }

    /// The abort code, if the program aborted.
    #[must_use]
    pub fn abort_code(&self) -> Option<u64> {
        if self.status == StatusCode::ABORTED { self.sub_status } else { None }
    }
}

impl From<VmError> for ExecError {
    fn from(error: VmError) -> Self {
        Self::Program(Box::new(error))
    }
}

impl ExecError {
    /// The program's failure, if it is one.
    #[must_use]
    pub fn program(&self) -> Option<&VmError> {
        if let Self::Program(error) = self { Some(error) } else { None }
    }
}

impl fmt::Display for TraceFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            CodeLocation::Module(id) => write!(f, "{id}::{} at offset {}", self.name, self.code_offset),
            CodeLocation::Script => write!(f, "script at offset {}", self.code_offset),
        }
    }
}

impl fmt::Display for VmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.status, self.status.number())?;
        if let Some(sub_status) = self.sub_status {
            write!(f, ", code {sub_status} ({sub_status:#x})")?;
        }
        if let Some(at) = &self.at {
            write!(f, " in {at}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// A failure before it has a place; boxed so that results stay small.
#[derive(Debug)]
pub(crate) enum Failure {
    Status { status: StatusCode, sub_status: Option<u64>, message: Option<String> },
    Pending(PendingJob),
    Fault(StateError),
}

pub(crate) type Result<T, E = Box<Failure>> = std::result::Result<T, E>;

/// A failure that needs no words.
#[cold]
pub(crate) fn fail(status: StatusCode) -> Box<Failure> {
    Box::new(Failure::Status { status, sub_status: None, message: None })
}

/// A failure with its sub-status.
#[cold]
pub(crate) fn fail_with(status: StatusCode, sub_status: u64) -> Box<Failure> {
    Box::new(Failure::Status { status, sub_status: Some(sub_status), message: None })
}

/// A failure with words.
#[cold]
pub(crate) fn fail_because(status: StatusCode, message: impl Into<String>) -> Box<Failure> {
    Box::new(Failure::Status { status, sub_status: None, message: Some(message.into()) })
}

/// What verified code cannot do.
#[cold]
pub(crate) fn invariant(message: impl Into<String>) -> Box<Failure> {
    fail_because(StatusCode::UNKNOWN_INVARIANT_VIOLATION_ERROR, message)
}

impl Failure {
    /// The same, outside of any function.
    pub(crate) fn nowhere(self) -> ExecError {
        self.at(None, Vec::new())
    }

    pub(crate) fn at(self, at: Option<TraceFrame>, callers: Vec<TraceFrame>) -> ExecError {
        match self {
            Self::Status { status, sub_status, message } => {
                ExecError::Program(Box::new(VmError { status, sub_status, message, at, callers }))
            }
            Self::Pending(job) => ExecError::Pending(job),
            Self::Fault(fault) => ExecError::Fault(fault),
        }
    }
}

impl From<OutOfGas> for Box<Failure> {
    fn from(_: OutOfGas) -> Self {
        fail(StatusCode::OUT_OF_GAS)
    }
}

impl From<StateError> for Box<Failure> {
    fn from(error: StateError) -> Self {
        Self::new(Failure::Fault(error))
    }
}

impl From<NativeError> for Box<Failure> {
    fn from(error: NativeError) -> Self {
        match error {
            NativeError::Abort { code } => fail_with(StatusCode::ABORTED, code),
            NativeError::Status { code, message } => fail_because(code, message),
            NativeError::OutOfGas => fail(StatusCode::OUT_OF_GAS),
            NativeError::Pending(job) => Self::new(Failure::Pending(job)),
            NativeError::Fault(error) => Self::new(Failure::Fault(error)),
        }
    }
}

impl From<Box<Failure>> for NativeError {
    fn from(failure: Box<Failure>) -> Self {
        match *failure {
            Failure::Status { status: StatusCode::OUT_OF_GAS, .. } => Self::OutOfGas,
            Failure::Status { status: StatusCode::ABORTED, sub_status: Some(code), .. } => Self::Abort { code },
            Failure::Status { status, message, .. } => {
                Self::Status { code: status, message: message.unwrap_or_default() }
            }
            Failure::Pending(job) => Self::Pending(job),
            Failure::Fault(error) => Self::Fault(error),
        }
    }
}
