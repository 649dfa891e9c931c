//! How a committed transaction ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ModuleId;

/// How a committed transaction ended. The fee is charged in every case. The order of variants is the storage format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionStatus {
    /// All its effects are in.
    Success,
    /// It used all the gas it was given.
    OutOfGas,
    /// It called `abort`, or code that does for it.
    MoveAbort {
        /// Where.
        location: CodeLocation,
        /// The code it gave.
        code: u64,
        /// What the module says of the code.
        info: Option<AbortInfo>,
    },
    /// An instruction failed: arithmetic, a missing resource, a limit.
    ExecutionFailure {
        /// Where.
        location: CodeLocation,
        /// Position of the function's definition in the module.
        function: u16,
        /// Position of the instruction in the function.
        code_offset: u16,
        /// What failed, as a status code of the VM.
        status: u64,
    },
    /// Anything else that a sender pays for, as a status code of the VM.
    MiscellaneousError(u64),
}

/// Where code ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CodeLocation {
    /// In a published module.
    Module(ModuleId),
    /// In the transaction's script.
    Script,
}

/// What a module says of an abort code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AbortInfo {
    /// Name of the constant.
    pub reason_name: String,
    /// Its doc comment.
    pub description: String,
}

impl ExecutionStatus {
    /// Whether all effects are in.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Success
    }
}

/// The `vm_status` text of the REST API. Functions and status codes appear as numbers here; who knows the names says
/// them instead.
impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("Executed successfully"),
            Self::OutOfGas => f.write_str("Out of gas"),
            Self::MoveAbort { location: CodeLocation::Script, code, .. } => write!(f, "Move abort: code {code:#x}"),
            Self::MoveAbort { location: CodeLocation::Module(module), code, info } => match info {
                Some(AbortInfo { reason_name, description }) => {
                    write!(f, "Move abort in {module}: {reason_name}({code:#x}): {description}")
                }
                None => write!(f, "Move abort in {module}: {code:#x}"),
            },
            Self::ExecutionFailure { location, function, code_offset, status } => {
                write!(f, "Execution failed in {location}::{function} at code offset {code_offset}: status {status}")
            }
            Self::MiscellaneousError(status) => write!(f, "Failed with status {status}"),
        }
    }
}

impl fmt::Display for CodeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(module) => fmt::Display::fmt(module, f),
            Self::Script => f.write_str("script"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Identifier};

    #[test]
    fn aborts_read_as_the_api_says() {
        let location = CodeLocation::Module(ModuleId::new(Address::ONE, Identifier::new("coin").expect("a name")));
        let abort = |info| ExecutionStatus::MoveAbort { location: location.clone(), code: 0x10006, info };
        assert_eq!(abort(None).to_string(), "Move abort in 0x1::coin: 0x10006");
        let info = AbortInfo { reason_name: "EINSUFFICIENT".into(), description: "Too little".into() };
        assert_eq!(abort(Some(info)).to_string(), "Move abort in 0x1::coin: EINSUFFICIENT(0x10006): Too little");
        let script = ExecutionStatus::MoveAbort { location: CodeLocation::Script, code: 7, info: None };
        assert_eq!(script.to_string(), "Move abort: code 0x7");
    }
}
