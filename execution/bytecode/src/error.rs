//! What can be wrong with bytes, and with tables that are to become bytes.

use noema_execution_api::StatusCode;

/// The bytes are no module (or script), or an index of it is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} ({}){}: {message}", status.number(), offset.map(|at| format!(" at byte {at}")).unwrap_or_default())]
pub struct ReadError {
    /// What is wrong, as a number that every Move tool knows.
    pub status: StatusCode,
    /// Byte of the input that is wrong; `None` when the tables decoded and an index is out of bounds.
    pub offset: Option<usize>,
    /// What was expected and found.
    pub message: String,
}

impl ReadError {
    pub(crate) fn at(status: StatusCode, offset: usize, message: impl Into<String>) -> Self {
        Self { status, offset: Some(offset), message: message.into() }
    }

    pub(crate) fn in_tables(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, offset: None, message: message.into() }
    }
}

/// The tables do not fit the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Something is larger than the format can say.
    #[error("{what} is {value}, the format allows at most {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// How large it may be.
        max: u64,
    },
    /// The version the module names cannot say this.
    #[error("{what} cannot be written in format version {version}")]
    NotInVersion {
        /// What it cannot say.
        what: &'static str,
        /// The version.
        version: u32,
    },
    /// A script whose pseudo-module is not the last entry of its tables.
    #[error("the script's pseudo-module must be the last identifier, address and module handle")]
    PseudoModuleNotLast,
    /// A script with definitions.
    #[error("a script has no {0}")]
    NotInScript(&'static str),
}
